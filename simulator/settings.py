"""The settings of a server and their defaults. Contract and seed are not among them."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, TypedDict, Unpack, get_args

Auth = Literal["optional", "required"]
Fidelity = Literal["plain", "strict"]
SandboxPolicy = Literal["any", "created"]
DEFAULT_PORT = 4080
AUTH_MODES = get_args(Auth)
FIDELITIES = get_args(Fidelity)
SANDBOX_POLICIES = get_args(SandboxPolicy)


def _number(default: int, least: int = 0) -> Any:
    return field(default=default, metadata={"least": least})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of a server. Raises `ValueError` for a value that is not allowed.

    Sizes are in bytes. `auth` is one of `AUTH_MODES` (A-6), `fidelity` one of `FIDELITIES` (S-9). `sandboxes` is one of
    `SANDBOX_POLICIES`: with `any`, the first call to a name makes its sandbox; with `created`, it is refused (G-17).
    Pages of the `cors_origins` may read answers; if there are none, all pages may. `delay_ms` slows every call of the
    simulated API.
    The limits of snapshots, faults and journal apply to each sandbox, `memory_limit` to all together (S-10).
    `max_state` limits the bodies of the control interface, `max_depth` their nesting (S-3). `allowed_hosts` are host
    names for calls of the control interface, besides loopback; `*` allows all (S-2). Without `log_requests`, the log
    does not mention single requests.
    """

    auth: Auth = "optional"
    fidelity: Fidelity = "plain"
    cors_origins: Sequence[str] = ()
    max_body: int = _number(1024 * 1024, least=1)
    request_seconds: int = _number(30, least=1)
    delay_ms: int = _number(0)
    sandboxes: SandboxPolicy = "any"
    sandbox_limit: int = _number(1_000)
    journal_limit: int = _number(1_000)
    journal_bytes: int = _number(4 * 1024 * 1024)
    snapshot_limit: int = _number(100)
    fault_limit: int = _number(100)
    memory_limit: int = _number(1024 * 1024 * 1024, least=64 * 1024)
    max_state: int = _number(8 * 1024 * 1024, least=1)
    max_depth: int = _number(64, least=8)
    control: bool = True
    control_token: str | None = None
    allowed_hosts: Sequence[str] = ()
    log_requests: bool = True

    @classmethod
    def of(cls, **options: Unpack[Options]) -> Settings:
        """Return the settings for these options. Raises `TypeError` for an unknown option."""
        known = [each.name for each in fields(cls)]
        for name in options:
            if name not in known:
                raise TypeError(f"there is no option {name!r}; there are {', '.join(known)}")
        return cls(**options)

    @classmethod
    def least(cls, name: str) -> int:
        """Return the smallest value that is allowed for a number."""
        least: int = cls.__dataclass_fields__[name].metadata["least"]
        return least

    @property
    def largest_body(self) -> int:
        """How many bytes of a body the server receives, so that the application can refuse the body itself."""
        return 2 * max(self.max_body, self.max_state)

    @property
    def arranged_limit(self) -> int:
        """How many bytes worlds, sessions and injected faults may take together (S-10)."""
        return self.memory_limit // 2

    @property
    def calls_limit(self) -> int:
        """How many bytes all journals and remembered answers may take together (S-10)."""
        return self.memory_limit // 4

    @property
    def transfer_limit(self) -> int:
        """How many bytes may be in transfer: bodies of unanswered calls, and answers not yet taken (S-10)."""
        return self.memory_limit // 4

    def at(self, host: str) -> Settings:
        """Return these settings for a server that listens at a host. The host's name is allowed too (S-2)."""
        names = () if is_every_address(host) else (host,)
        return replace(self, allowed_hosts=(*self.allowed_hosts, *names))

    def __post_init__(self) -> None:
        choices = {"auth": AUTH_MODES, "fidelity": FIDELITIES, "sandboxes": SANDBOX_POLICIES}
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} must be one of {', '.join(allowed)}, not {getattr(self, name)!r}")
        if self.sandboxes == "created" and not self.control:
            raise ValueError("with sandboxes 'created' and without the control interface, nobody can create a sandbox")
        for each in fields(self):
            value = getattr(self, each.name)
            if each.metadata and (type(value) is not int or value < each.metadata["least"]):
                raise ValueError(f"{each.name} must be an integer, {each.metadata['least']} or more, not {value!r}")
        for name in ("cors_origins", "allowed_hosts"):
            if isinstance(getattr(self, name), str):
                raise ValueError(f"{name} must be a list of texts, not the text {getattr(self, name)!r}")
        if self.control_token is not None and (
            not self.control_token or self.control_token.strip() != self.control_token
        ):
            raise ValueError("control_token must be a text that is not empty and has no blank at either end")
        # The dataclass is frozen, so a plain assignment would fail.
        object.__setattr__(self, "cors_origins", tuple(self.cors_origins))
        object.__setattr__(self, "allowed_hosts", tuple(host.lower() for host in self.allowed_hosts))


def is_loopback(name: str) -> bool:
    """Return whether a host name, in lower case, or an address means this machine itself."""
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def is_every_address(host: str) -> bool:
    """Return whether this host means all addresses of the machine."""
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return not host


DEFAULTS = Settings()


class Options(TypedDict, total=False):
    """The settings as keyword arguments. An argument that is not given keeps its default."""

    auth: Auth
    fidelity: Fidelity
    cors_origins: Sequence[str]
    max_body: int
    request_seconds: int
    delay_ms: int
    sandboxes: SandboxPolicy
    sandbox_limit: int
    journal_limit: int
    journal_bytes: int
    snapshot_limit: int
    fault_limit: int
    memory_limit: int
    max_state: int
    max_depth: int
    control: bool
    control_token: str | None
    allowed_hosts: Sequence[str]
    log_requests: bool
