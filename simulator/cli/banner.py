"""The banner: what `serve` prints once it listens."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from simulator import __version__
from simulator.cli.fixtures import counts
from simulator.contract.profile import NO_PROFILE, Profile
from simulator.directory import Account, Directory
from simulator.log import json_line
from simulator.reports.text import printable
from simulator.settings import Settings, is_every_address, is_loopback

MOST_ACCOUNTS = 20
"""How many accounts the banner lists."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Banner:
    """What the banner says of a server: it listens at `host`, and this machine reaches it at `url`."""

    url: str
    host: str
    settings: Settings
    fixture: Path | None
    directory: Directory
    profile: Profile = NO_PROFILE

    @property
    def control_hosts(self) -> list[str]:
        """The host names at which the control interface can be called (S-2).

        `localhost` stands for all names of the loopback, and `*` for any name.
        """
        allowed = self.settings.allowed_hosts
        if "*" in allowed:
            return ["*"]
        loopback = ["localhost"] if is_every_address(self.host) or is_loopback(self.host) else []
        return [*loopback, *(name for name in dict.fromkeys(allowed) if not is_loopback(name))]

    def as_text(self, *, with_secrets: bool) -> str:
        """Returns the banner as lines; the last one is `Ready.`. Passwords and tokens are secrets."""
        family = "IPv6" if ":" in self.host else "IPv4"
        lines = [f"apio-simulator {__version__} at {self.url}, credentials {self.settings.auth}"]
        if is_every_address(self.host):
            lines.append(f"  listens   at every {family} address of this machine")
        lines.append(f"  fixture   {self.fixture or 'default.yaml'}: {counts(self.directory)}")
        lines += self._profile_lines()
        lines += self._account_lines(with_secrets)
        if self.settings.control:
            lines += [f"  control   {self._control_in_words()}", f"  console   {self.url}/"]
        return "\n".join([*map(printable, lines), "Ready."])

    def as_json(self) -> str:
        """Returns the banner as one line of JSON, without secrets."""
        control: dict[str, Any] = {
            "console": f"{self.url}/",
            "docs": f"{self.url}/_simulator/docs",
            "controlHosts": self.control_hosts,
        }
        return json_line(
            logging.INFO,
            message="Ready.",
            version=__version__,
            url=self.url,
            host=self.host,
            auth=self.settings.auth,
            fixture=str(self.fixture or "default.yaml"),
            contents=counts(self.directory),
            **(self._profile_in_json() if self.profile.system else {}),
            **(control if self.settings.control else {}),
        )

    def _profile_lines(self) -> list[str]:
        profile = self.profile
        if not profile.system:
            return []
        lost = profile.not_followed
        found = f"rules confirmed {len(profile.confirmed)}, changed {len(profile.followed)}, not followed {len(lost)}"
        lines = [f"  profile   {profile.system}, observed {profile.date}: {found}"]
        if profile.is_simulator:
            lines.append("            it was observed on a simulator, so it proves nothing")
        if lost:
            lines.append(f"            the simulator cannot follow the system in {', '.join(lost)}")
        return lines

    def _profile_in_json(self) -> dict[str, Any]:
        profile = self.profile
        found = {
            "system": profile.system,
            "observed": profile.date,
            "simulator": profile.is_simulator,
            "confirmed": list(profile.confirmed),
            "followed": list(profile.followed),
            "notFollowed": list(profile.not_followed),
        }
        return {"profile": found}

    def _account_lines(self, with_secrets: bool) -> list[str]:
        accounts = self.directory.accounts
        lines = [f"  account   {_account(each, with_secrets)}" for each in islice(accounts.values(), MOST_ACCOUNTS)]
        if len(accounts) > MOST_ACCOUNTS:
            lines.append(f"            and {len(accounts) - MOST_ACCOUNTS:,} more")
        if accounts and not with_secrets:
            command = f"apio-simulator state --url {self.url}"
            where = f"otherwise use: {command}" if self.settings.control else "they are in the fixture"
            lines.append(f"            Passwords and tokens are only printed on a terminal; {where}")
        return lines

    def _control_in_words(self) -> str:
        hosts = self.control_hosts
        if hosts == ["*"]:
            return "under any host name"
        names = ["localhost and other loopback names" if name == "localhost" else name for name in hosts]
        return f"under these host names: {', '.join(names)}; for more: --allowed-host NAME"


def _account(account: Account, with_secrets: bool) -> str:
    bounds = "/".join(filter(None, (account.tenant_id, account.group_id, account.user_id)))
    what = f"{account.level.title}{f' of {bounds}' if bounds else ''}"
    if not with_secrets:
        return f"{account.name}: {what}"
    token = f", token {account.token}" if account.token else ""
    return f"{account.name} / {account.password}: {what}{token}"
