"""What the pages of coverage, errors and rules show besides the answers of their operations (S-11)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any
from urllib.parse import urlencode

from simulator.control.coverage import ALL
from simulator.control.recipe import Recipe, RefusedExample, load_refusals
from simulator.reports import coverage, errors

Data = Mapping[str, Any]

BASES = {
    "documented": "the reference texts say it or show it",
    "vendor": "another page of the vendor's API documentation says it",
    "platform": "the schema of the platform behind the API fixes it",
    "assumed": "nobody says it; it is this simulator's decision",
    "observed": "a real system was seen to do so (--profile)",
}
"""What each basis of a rule means."""

UNSENDABLE = ("Cookie", "Host", "Origin")
"""The headers of recipes that a browser does not let a page set."""


def coverage_values(data: Data) -> dict[str, Any]:
    """Returns what the coverage page shows, and where its cells lead (S-8).

    A cell with hits leads to these calls. An empty one leads to the smallest refused request that would fill it. Where
    the coverage is of all sandboxes, calls have no address, because each sandbox has its own journal.
    """
    has_calls = data["sandbox"] != ALL
    links: dict[tuple[str, str], str] = {}
    for operation in data["operations"]:
        name = operation["operationId"]
        for status, found in operation["statuses"].items():
            if not found["hits"] and (name, status) in _fillers():
                links[name, status] = _fillers()[name, status]
            elif found["hits"] and has_calls:
                links[name, status] = _calls(operationId=name, status=status)
    return {
        **coverage.page_values(data),
        "links": links,
        "calls": _calls if has_calls else None,
        "rules": lambda rule: f"rules#{rule}",
    }


def errors_values(data: Data) -> dict[str, Any]:
    """Returns what the page of the error catalogue shows, and the operations that can be chosen (G-8)."""
    shown = {each.get("operationId") for each in data["errors"]}
    known = sorted({each.recipe.operation_id for each in load_refusals() if each.recipe.operation_id})
    chosen = shown.pop() if len(shown) == 1 else None
    return {**errors.page_values(data), "known": known, "chosen": chosen, "obstacles": _obstacles()}


def rules_values(_: Data) -> dict[str, Any]:
    """Returns the errors of the catalogue by rule: operation, number, and the address of the first (S-1)."""
    return {"bases": BASES, "errors_by_rule": _errors_by_rule(), "refused": _refused}


def _refused(found: Data | None, rule: str) -> int:
    """Return how many calls of operations the coverage counts as refused by a rule."""
    return sum(each["rules"].get(rule, 0) for each in found["operations"]) if found else 0


def _calls(**filters: str) -> str:
    return f"requests?{urlencode(filters)}"


def _error(operation: str | None, anchor: str) -> str:
    return f"errors?operationId={operation}#{anchor}" if operation else f"errors#{anchor}"


@cache
def _anchored() -> list[tuple[str, RefusedExample]]:
    refusals = load_refusals()
    names = errors.anchors((each.recipe.operation_id, each.error["details"]["rule"]) for each in refusals)
    return list(zip(names, refusals, strict=True))


@cache
def _fillers() -> Mapping[tuple[str, str], str]:
    """Return the address of the smallest refused request, by operation and status. Those that a page can send win."""
    best: dict[tuple[str, str], tuple[tuple[bool, int], str]] = {}
    for anchor, refusal in _anchored():
        recipe = refusal.recipe
        if recipe.operation_id is None:
            continue
        key = recipe.operation_id, str(refusal.status)
        size = (
            _obstacle(recipe) is not None,
            len(recipe.path) + len(recipe.body) + sum(map(len, recipe.headers.values())),
        )
        if key not in best or size < best[key][0]:
            best[key] = size, _error(recipe.operation_id, anchor)
    return {key: address for key, (_, address) in best.items()}


def _obstacle(recipe: Recipe) -> str | None:
    """Return why a page cannot send the request of a recipe, or `None` if it can."""
    if recipe.settings:
        return "It needs a server with these options."
    if not recipe.method:
        return "It is no complete HTTP request, so a browser cannot send it."
    for header in UNSENDABLE:
        if header in recipe.headers:
            return f"A browser does not let a page set the header {header}."
    if recipe.method == "GET" and recipe.body:
        return "A browser sends no body with GET."
    if recipe.path.startswith("/_sandboxes/"):
        return "It names a sandbox itself, so it cannot be sent to the scratch sandbox."
    return None


@cache
def _obstacles() -> Mapping[str, str]:
    """Return why a page cannot send the requests of the catalogue, by anchor. Those that it can send are left out."""
    found = ((anchor, _obstacle(refusal.recipe)) for anchor, refusal in _anchored())
    return {anchor: obstacle for anchor, obstacle in found if obstacle is not None}


@cache
def _errors_by_rule() -> Mapping[str, list[tuple[str, int, str]]]:
    found: dict[str, dict[str | None, tuple[int, str]]] = {}
    for anchor, refusal in _anchored():
        operation = refusal.recipe.operation_id
        of_rule = found.setdefault(refusal.error["details"]["rule"], {})
        number, address = of_rule.get(operation, (0, _error(operation, anchor)))
        of_rule[operation] = number + 1, address
    return {
        rule: [(operation or errors.ANY, number, address) for operation, (number, address) in of_rule.items()]
        for rule, of_rule in found.items()
    }
