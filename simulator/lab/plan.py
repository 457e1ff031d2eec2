"""What a run of `conform` is asked to do, and the requests that it can send."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from simulator.app import Simulation
from simulator.lab.credentials import Credentials
from simulator.lab.guard import Permission
from simulator.lab.probes import load_probes, outline


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a run is asked to do. Users are named by their ids."""

    tenant: str
    groups: tuple[str, ...]
    users: tuple[str, ...] = ()
    create: bool = False
    scratch_group: str = ""
    scratch_user: str = ""
    fresh_user: str = ""

    @property
    def permission(self) -> Permission:
        """What the run may do."""
        if self.scratch_group or self.scratch_user:
            return Permission.SCRATCH
        return Permission.OWN if self.create else Permission.READ


def outline_of(simulation: Simulation, plan: Plan, credentials: Credentials) -> list[str]:
    """Return a line for each request that a run can send, with words in braces for what only the system can tell."""
    logins = [each for each in (credentials.username, credentials.second_username) if each]
    writable = {
        Permission.READ: True,
        Permission.OWN: plan.create,
        Permission.SCRATCH: plan.permission == Permission.SCRATCH,
    }
    reads = [each for each in simulation.contract.operations.values() if each.method == "GET"]
    lines = [
        f"{'read':8}{'':7}POST {simulation.contract.operations['login'].path}, once for each account"
        for _ in logins[:1]
    ]
    lines += [f"{'read':8}{'':7}GET {each.path}, twice for each" for each in reads]
    for probe in load_probes(simulation.ledger).probes:
        steps = probe.steps
        can_run = credentials.second_username or not any(step.caller == "second" for step in steps)
        can_run = can_run and (plan.fresh_user or not any(step.user == "fresh_user" for step in steps))
        can_run = can_run and (credentials.token or not any(step.caller == "token" for step in steps))
        if can_run and writable[probe.permission]:
            lines += outline(probe, simulation.contract)
    if plan.permission > Permission.READ:
        lines.append(
            "before the first probe: GET and PUT of what may be changed, as it is, to see that it can be put back"
        )
        lines.append("after each probe: DELETE and GET of what it created, GET and PUT of what it changed")
    known = {
        "{tenant_id}": plan.tenant,
        "{group}": plan.groups[0],
        "{scratch_group}": plan.scratch_group,
        "{scratch_user}": plan.scratch_user,
        "{scratch_id}": plan.scratch_user,
        "{fresh_user}": plan.fresh_user,
    }
    for word, name in known.items():
        lines = [line.replace(word, quote(name) if name else word) for line in lines]
    return lines
