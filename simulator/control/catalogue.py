"""The error catalogue: each refusal, the smallest known request that causes it, and the answer (G-8)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from simulator.contract.ledger import OBSERVED, Rule
from simulator.contract.operation import Call
from simulator.control.call import Control, ControlHandler
from simulator.control.documents import SERVER
from simulator.control.recipe import LARGE, Recipe, RefusedExample, command, load_refusals
from simulator.errors import Fault, InvalidAttribute


def list_errors(call: Call, control: Control) -> object:
    """GET errors: the whole catalogue, or its part for one operation (G-8)."""
    # Recipes always use the default sandbox, also if the path of this call names another one.
    address = SERVER if control.address is None else control.address.partition("/_sandboxes/")[0]
    return catalogue(control.ledger, call.query.get("operation_id"), address)


def catalogue(ledger: Mapping[str, Rule], operation_id: str | None, address: str = SERVER) -> dict[str, Any]:
    """Returns the view of all refusals, or of one operation's. The commands in it call the server at `address`.

    Raises `InvalidAttribute` if the operation does not exist (S-1).
    """
    refusals = load_refusals()
    if operation_id is not None:
        known = sorted({each.recipe.operation_id for each in refusals if each.recipe.operation_id is not None})
        if operation_id not in known:
            reason = f"the catalogue has no operation {operation_id[:100]!r}"
            raise InvalidAttribute(Fault("S-1", reason, asked=operation_id, known=known))
        refusals = tuple(each for each in refusals if each.recipe.operation_id == operation_id)
    return {"errors": [_entry(each, ledger, address) for each in refusals]}


def _entry(refused: RefusedExample, ledger: Mapping[str, Rule], address: str) -> dict[str, Any]:
    recipe, rule = refused.recipe, ledger[refused.error["details"]["rule"]]
    return {
        "operation_id": recipe.operation_id,
        "status": (rule.observed and rule.observed.status) or refused.status,
        "code": refused.error["code"],
        "message": refused.error["message"],
        "rule": rule.id,
        "basis": list(rule.basis),
        "assumed": refused.assumed and OBSERVED not in rule.basis,
        "options": [_option(name, value) for name, value in recipe.settings.items()] or None,
        "request": request_view(recipe),
        "command": command(recipe, address),
        "response": {"headers": dict(refused.headers) or None, "body": refused.body},
    }


def request_view(recipe: Recipe) -> dict[str, Any]:
    """Returns the view of a recipe's request. Parts that it does not have are `None`."""
    body, large = recipe.body, len(recipe.body) > LARGE
    return {
        "method": recipe.method or None,
        "path": recipe.path or None,
        "headers": dict(recipe.headers) or None,
        "body": recipe.text or None,
        "body_hex": body.hex() if recipe.text is None and not large else None,
        "zero_bytes": len(body) if large else None,
        "raw": recipe.raw,
        "header_bytes": recipe.header_bytes or None,
    }


def _option(name: str, value: Any) -> str:
    option = f"--{name.replace('_', '-')}"
    return option.replace("--", "--no-") if value is False else f"{option} {value}"


HANDLERS: dict[str, ControlHandler] = {"listErrors": list_errors}
