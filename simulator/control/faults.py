"""The operations on the faults injected into a sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from simulator.contract.contract import Contract
from simulator.contract.fields import shown
from simulator.contract.operation import Call
from simulator.contract.view import View
from simulator.control.call import Control, ControlHandler
from simulator.directory import Directory
from simulator.document.values import collections
from simulator.errors import Fault, RuleViolation, UnknownResource
from simulator.state.events import FAULTS
from simulator.state.faults import ANY, WITHOUT_BODY, InjectedFault
from simulator.state.memory import weigh


def list_faults(_: Call, control: Control) -> object:
    """GET faults (S-6)."""
    return {"faults": fault_views(control)}


def fault_views(control: Control) -> list[View]:
    """Returns the views of the sandbox's faults, in their order."""
    return [View(fault, hits=hits) for fault, hits in control.sandbox.faults.with_hits()]


def inject_fault(call: Call, control: Control) -> object:
    """POST faults (S-6). Raises `RuleViolation` with everything that is wrong with the fault."""
    attributes, sandbox = control.body(call), control.sandbox
    faults = list(_faults(attributes, control.contract))
    settings = control.settings
    too_large = next(_large_integers(attributes.get("body")), None)
    if too_large is not None:
        faults.append(Fault("S-6", f"an injected body holds integers of 64 bits, not {shown(too_large)}", "/body"))
    elif len(orjson.dumps(attributes.get("body"))) > settings.max_body:
        faults.append(Fault("S-3", f"an injected body has at most {settings.max_body} bytes", "/body"))
    if faults:
        raise RuleViolation(*faults)
    directory = sandbox.version.world.directory
    warnings = (*_warnings(attributes, control.contract), *_warnings_of_ids(attributes, directory))
    size = weigh(attributes, settings.arranged_limit)
    with control.sandboxes.memory.room(size):
        fault = sandbox.faults.add(
            lambda fault_id: InjectedFault(id=fault_id, warnings=warnings, **attributes), settings.fault_limit, size
        )
    if fault is None:
        reason = f"the sandbox has {settings.fault_limit} faults, and may not have more"
        raise RuleViolation(Fault("S-3", reason))
    sandbox.note(FAULTS)
    return View(fault, hits=0)


def clear_faults(_: Call, control: Control) -> object:
    """DELETE faults (S-6)."""
    control.sandbox.faults.clear()
    control.sandbox.note(FAULTS)
    return None


def remove_fault(call: Call, control: Control) -> object:
    """DELETE faults/{id} (S-6)."""
    fault_id = call.path["fault_id"]
    if not control.sandbox.faults.remove(fault_id):
        raise UnknownResource(Fault("S-6", f"the sandbox has no fault {fault_id[:100]!r}"))
    control.sandbox.note(FAULTS)
    return None


def _faults(attributes: dict[str, Any], contract: Contract) -> Iterator[Fault]:
    """Yields the attributes that contradict each other or would never match a call."""
    operation_id = attributes["operation_id"]
    operation = contract.operations.get(operation_id)
    if operation is None and operation_id != ANY:
        reason = f"there is no operation {operation_id[:100]!r}; give the id of one, or {ANY!r} for all"
        yield Fault("S-6", reason, "/operationId", asked=operation_id, known=contract.operations)
    for attribute, pointer in (("tenant_id", "/tenantId"), ("group_id", "/groupId"), ("user_id", "/userId")):
        if attribute in attributes and operation is not None and f"{{{attribute}}}" not in operation.path:
            yield Fault("S-6", f"the path of {operation_id} holds no {attribute}: no call would match", pointer)
    status, abort = attributes.get("status"), attributes.get("abort")
    for attribute, pointer in (("body", "/body"), ("retry_after", "/retryAfter")):
        if attribute in attributes and status is None:
            yield Fault("S-6", "needs a status: only an injected answer has it", pointer)
    if status in WITHOUT_BODY and "body" in attributes:
        yield Fault("S-6", f"an answer of status {status} has no body", "/body")
    if abort == "close" and status is not None:
        yield Fault("S-6", "a connection that is closed without an answer has no status", "/status")
    if status is None and abort is None and "delay_ms" not in attributes:
        yield Fault("S-6", "does nothing: give delayMs, status or abort")


def _large_integers(body: Any) -> Iterator[int]:
    """The integers of an injected body that take more than 64 bits."""
    values = (
        value
        for level in collections(body)
        for each in level
        for value in (each.values() if isinstance(each, dict) else each)
    )
    return (value for value in values if isinstance(value, int) and not -(2**63) <= value < 2**64)


def _warnings(attributes: dict[str, Any], contract: Contract) -> Iterator[str]:
    operation_id, status = attributes["operation_id"], attributes.get("status")
    operations = contract.operations.values()
    silent = [
        each.operation_id
        for each in operations
        if operation_id in (ANY, each.operation_id) and status is not None and status not in each.answers
    ]
    if len(silent) == len(operations):
        yield f"no operation documents the status {status}"
    elif silent:
        yield f"the status {status} is not documented by {', '.join(silent)}"


def _warnings_of_ids(attributes: dict[str, Any], directory: Directory) -> Iterator[str]:
    """Yields a warning if the fault names a tenant, group or user that does not exist yet."""
    tenants = [each for each in directory.tenants.values() if attributes.get("tenant_id") in (None, each.tenant_id)]
    groups = [
        group
        for tenant in tenants
        for group in tenant.groups.values()
        if attributes.get("group_id") in (None, group.group_id)
    ]
    user_id = attributes.get("user_id")
    if not tenants and "tenant_id" in attributes:
        yield f"there is no tenant {attributes['tenant_id']!r} at present"
    elif not groups and "group_id" in attributes:
        yield f"there is no group {attributes['group_id']!r} at present"
    elif user_id is not None and not any(directory.find_user(group.users, user_id) for group in groups):
        yield f"there is no user {user_id!r} at present"


HANDLERS: dict[str, ControlHandler] = {
    "listFaults": list_faults,
    "injectFault": inject_fault,
    "clearFaults": clear_faults,
    "removeFault": remove_fault,
}
