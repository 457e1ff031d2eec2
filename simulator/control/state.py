"""The operations on a sandbox's state: read, replace, patch, compare, reset, snapshots; and on the sandboxes."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from simulator.contract.operation import YAML, Call, Content
from simulator.control.call import Control, ControlHandler, new_name, time_text
from simulator.control.difference import differences
from simulator.control.patch import patched_content
from simulator.document import write_yaml
from simulator.errors import Fault, RuleViolation, UnknownResource
from simulator.state.memory import weigh
from simulator.state.sandbox import ServerSandbox, Snapshot
from simulator.state.sandboxes import DEFAULT
from simulator.state.world import World

PATCH_ATTEMPTS = 3
"""After so many attempts during which others changed the state, a patch keeps them waiting."""

SEED = "seed"
"""Stands for the sandbox's seed in `GET diff`. No snapshot may have this name."""


def reset(_: Call, control: Control) -> object:
    """POST reset: back to the seed (S-5)."""
    control.sandboxes.reset(control.sandbox_name)
    return None


def get_state(call: Call, control: Control) -> object:
    """GET state: the sandbox's world as a fixture (S-4)."""
    content = control.fixtures.content_of(control.sandbox.version.world)
    return Content(YAML, write_yaml(content).encode()) if call.media == YAML else content


def replace_state(call: Call, control: Control) -> object:
    """PUT state: replace the sandbox's world (S-4)."""
    with _loaded(control, control.body(call)) as world, control.sandbox.transaction() as fork:
        fork.world = world
    return None


def patch_state(call: Call, control: Control) -> object:
    """PATCH state: apply a merge patch to the world's fixture, and return what changed (S-4, EX-17)."""
    patch, sandbox, fixtures = control.body(call), control.sandbox, control.fixtures
    # This may take long, so it happens outside the lock: the thread that answers all clients may wait for the lock.
    for attempt in itertools.count(1):
        with nullcontext() if attempt <= PATCH_ATTEMPTS else sandbox.reserved():
            version = sandbox.version
            content = patched_content(version.world, patch, fixtures)
            with nullcontext(version.world) if content is None else _loaded(control, content) as after:
                if sandbox.replace(version, after):
                    break
    return {"changes": _changes(control, version.world, after)}


def get_diff(call: Call, control: Control) -> object:
    """GET diff: what changed since the seed or a snapshot (S-5)."""
    since = call.query.get("since", SEED)
    sandbox = control.sandbox
    before = sandbox.seed if since == SEED else _snapshot(sandbox, since).version.world
    after = sandbox.version.world
    return {"since": since, "changes": _changes(control, before, after)}


def list_snapshots(_: Call, control: Control) -> object:
    """GET snapshots (S-5)."""
    return {"snapshots": [_snapshot_view(each) for each in control.sandbox.snapshots.values()]}


def take_snapshot(call: Call, control: Control) -> object:
    """PUT snapshots/{name}: keep the current world under a name (S-5). Too many snapshots are refused (S-3).

    Raises `InsufficientMemory` if there is no room for what calls have added to the world (S-10).
    """
    name = new_name(call, "snapshot_name", "S-5")
    if name == SEED:
        raise RuleViolation(Fault("S-5", f"{SEED!r} is the name of what the sandbox started from"))
    sandbox = control.sandbox
    with control.sandboxes.memory.room(sandbox.version.world.added):
        snapshot = sandbox.take_snapshot(name)
    if snapshot is None:
        limit = control.settings.snapshot_limit
        raise RuleViolation(Fault("S-3", f"the sandbox has {limit} snapshots, and may not have more"))
    return _snapshot_view(snapshot)


def delete_snapshot(call: Call, control: Control) -> object:
    """DELETE snapshots/{name} (S-5)."""
    sandbox = control.sandbox
    sandbox.drop_snapshot(_snapshot(sandbox, call.path["snapshot_name"]).name)
    return None


def restore_snapshot(call: Call, control: Control) -> object:
    """POST snapshots/{name}/restore: back to the snapshot's world (S-5). Raises `InsufficientMemory` (S-10)."""
    sandbox = control.sandbox
    snapshot = _snapshot(sandbox, call.path["snapshot_name"])
    growth = snapshot.version.world.added - sandbox.version.world.added
    with control.sandboxes.memory.room(max(growth, 0)):
        sandbox.restore(snapshot)
    return None


def list_sandboxes(_: Call, control: Control) -> object:
    """GET sandboxes (G-17)."""
    return {"sandboxes": [_sandbox_view(control, each) for each in control.sandboxes.all()]}


def create_sandbox(call: Call, control: Control) -> object:
    """PUT sandboxes/{name}: a new sandbox, with its own seed if the body has a fixture (G-17)."""
    name = new_name(call, "sandbox_name", "G-17")
    content = control.body(call).get("fixture")
    try:
        with nullcontext() if content is None else _loaded(control, content) as seed:
            return _sandbox_view(control, control.sandboxes.create(name, seed))
    except RuleViolation as refusal:
        raise RuleViolation(*(fault.below("/fixture") for fault in refusal.faults)) from None


def drop_sandbox(call: Call, control: Control) -> object:
    """DELETE sandboxes/{name} (G-17)."""
    name = call.path["sandbox_name"]
    if name == DEFAULT:
        raise RuleViolation(Fault("G-17", "the default sandbox always exists; reset it"))
    if not control.sandboxes.drop(name):
        raise control.sandboxes.unknown(name)
    return None


@contextmanager
def _loaded(control: Control, content: dict[str, Any]) -> Iterator[World]:
    """Yields the world of a fixture's content. The `with` block must store it in a sandbox.

    Raises `InsufficientMemory` (S-10) before the content is read, or `RuleViolation` (S-4).
    """
    weight = weigh(content, control.settings.arranged_limit)
    with control.sandboxes.memory.room(weight):
        yield control.fixtures.world_of_content(content, weight)


def _changes(control: Control, before: World, after: World) -> list[dict[str, Any]]:
    if before is after:
        return []
    return list(differences(*control.fixtures.differing_contents(before, after)))


def _snapshot(sandbox: ServerSandbox, name: str) -> Snapshot:
    snapshot = sandbox.snapshots.get(name)
    if snapshot is None:
        reason = f"the sandbox has no snapshot {name[:100]!r}"
        raise UnknownResource(Fault("S-5", reason, asked=name, known=sandbox.snapshots))
    return snapshot


def _snapshot_view(snapshot: Snapshot) -> object:
    return {"name": snapshot.name, "taken_at": time_text(snapshot.taken_at)}


def _sandbox_view(control: Control, sandbox: ServerSandbox) -> object:
    tenants = sandbox.version.world.directory.tenants
    return {
        "name": sandbox.name,
        "created_at": time_text(sandbox.created_at),
        "age_seconds": max(0, int(time.time() - sandbox.created_at)),
        "idle_seconds": max(0, int(control.sandboxes.idle_seconds(sandbox))),
        "requests": sandbox.requests,
        "size": {
            "tenants": len(tenants),
            "users": sum(len(tenant.users) for tenant in tenants.values()),
            "snapshots": len(sandbox.snapshots),
            "faults": len(sandbox.faults),
            "journal_bytes": sandbox.journal.bytes,
        },
    }


HANDLERS: dict[str, ControlHandler] = {
    "resetSandbox": reset,
    "getState": get_state,
    "replaceState": replace_state,
    "patchState": patch_state,
    "getDiff": get_diff,
    "listSnapshots": list_snapshots,
    "takeSnapshot": take_snapshot,
    "deleteSnapshot": delete_snapshot,
    "restoreSnapshot": restore_snapshot,
    "listSandboxes": list_sandboxes,
    "createSandbox": create_sandbox,
    "dropSandbox": drop_sandbox,
}
