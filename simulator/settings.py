"""The settings of a server, apart from its contract and its world, with their defaults."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, TypedDict, Unpack, get_args

Auth = Literal["optional", "required"]
Fidelity = Literal["plain", "strict"]
DEFAULT_PORT = 4080
AUTH_MODES = get_args(Auth)
FIDELITIES = get_args(Fidelity)


def _number(default: int, least: int = 0) -> Any:
    return field(default=default, metadata={"least": least})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a server can be told. Raises `ValueError` for a value that none can be told.

    Sizes are in bytes. `auth` is one of `AUTH_MODES` (A-6); `fidelity` is one of `FIDELITIES` (S-9); `cors_origins` are
    those whose pages may read answers, none means any; `delay_ms` slows every call of the simulated API. The limits of
    snapshots, faults and the journal are those of each sandbox, `memory_limit` is that of all together (S-10).
    `max_state` bounds the bodies of the control interface, `max_depth` their nesting (S-3). `allowed_hosts` are names
    under which the control interface may be called, besides the loopback's; `*` is any (S-2). Without `log_requests`,
    the log says nothing of single requests.
    """

    auth: Auth = "optional"
    fidelity: Fidelity = "plain"
    cors_origins: Sequence[str] = ()
    max_body: int = _number(1024 * 1024, least=1)
    request_seconds: int = _number(30, least=1)
    delay_ms: int = _number(0)
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
        """The settings that options say. Raises `TypeError` for one that there is not."""
        known = [each.name for each in fields(cls)]
        for name in options:
            if name not in known:
                raise TypeError(f"there is no option {name!r}; there are {', '.join(known)}")
        return cls(**options)

    @classmethod
    def least(cls, name: str) -> int:
        """The least that a number may be."""
        least: int = cls.__dataclass_fields__[name].metadata["least"]
        return least

    @property
    def largest_body(self) -> int:
        """How many bytes of a body are received at all, so that the application can say what it thinks of them."""
        return 2 * max(self.max_body, self.max_state)

    @property
    def arranged_limit(self) -> int:
        """How many bytes worlds and injected faults may take together (S-10)."""
        return self.memory_limit // 2

    @property
    def calls_limit(self) -> int:
        """How many bytes all journals and remembered answers may take together (S-10)."""
        return self.memory_limit // 4

    @property
    def transfer_limit(self) -> int:
        """How many bytes may be on their way: bodies until they are answered, answers that nobody takes (S-10)."""
        return self.memory_limit // 4

    def at(self, host: str) -> Settings:
        """These settings for a server at a host, under whose name it may be called (S-2)."""
        names = () if is_every_address(host) else (host,)
        return replace(self, allowed_hosts=(*self.allowed_hosts, *names))

    def __post_init__(self) -> None:
        for name, allowed in {"auth": AUTH_MODES, "fidelity": FIDELITIES}.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} must be one of {', '.join(allowed)}, not {getattr(self, name)!r}")
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
        # The record is frozen for everybody else.
        object.__setattr__(self, "cors_origins", tuple(self.cors_origins))
        object.__setattr__(self, "allowed_hosts", tuple(host.lower() for host in self.allowed_hosts))


def is_every_address(host: str) -> bool:
    """Whether to listen at this host is to listen at all addresses of the machine."""
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return not host


DEFAULTS = Settings()


class Options(TypedDict, total=False):
    """The same as keyword arguments; what is not given keeps its default."""

    auth: Auth
    fidelity: Fidelity
    cors_origins: Sequence[str]
    max_body: int
    request_seconds: int
    delay_ms: int
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
