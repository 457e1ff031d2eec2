"""Prepares calls for their pages: the ids in a path, and the places of faults in a body."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from simulator.reports.text import pretty

Data = Mapping[str, Any]

COPIES = (("command", "curl"), ("fetch", "fetch"), ("httpx", "httpx"))
"""The attributes of `replay` that hold programs, and the names of what they are for."""
LONGEST_PATH = 300
"""How many characters of a path a list shows."""


def page_values(_: Data) -> dict[str, Any]:
    """Return the functions that the pages of `listRequests` and `getRequest` use."""
    return {
        "path_templates": path_templates,
        "path_parts": path_parts,
        "changed": changed_query,
        "longest": LONGEST_PATH,
    }


def call_values(data: Data) -> dict[str, Any]:
    """Return what the page of `getRequest` uses: functions, and the lines of the request's body."""
    return {
        **page_values(data),
        "path_ids": path_ids,
        "explained": explained,
        "copies": COPIES,
        "editable": editable,
        "lines": body_lines(data["request"]["body"], _places(data)) if "body" in data["request"] else [],
        "suggested_page": suggested_page,
        "around_question": around_question,
        "obstacle": _obstacle(data),
    }


def changed_query(query: Mapping[str, str], **changes: str | None) -> str:
    """Return a query with some parameters changed, or left out where the new value is `None`."""
    return urlencode({name: value for name, value in {**query, **changes}.items() if value is not None})


def path_templates(operations: Iterable[Data]) -> dict[str, str]:
    """Return the paths of the operations, as their contract has them, by operation."""
    return {each["operationId"]: each["path"] for each in operations}


def path_parts(path: str, template: str | None, longest: int | None = None) -> list[tuple[str, bool]]:
    """Return the path in parts. Each is a text, and whether it is an id, as the operation's path `template` says.

    If the path has more characters than `longest`, the rest is left out.
    """
    names = template.split("/") if template is not None else []
    steps = path[:longest].split("/")
    parts: list[tuple[str, bool]] = []
    for i, step in enumerate(steps):
        is_id = i < len(names) and names[i].startswith("{")
        text = step if i == 0 else f"/{step}"
        if is_id:
            parts += [("/", False), (step, True)]
        elif parts and not parts[-1][1]:
            parts[-1] = (parts[-1][0] + text, False)
        else:
            parts.append((text, False))
    return [*parts, ("…", False)] if longest is not None and len(path) > longest else parts


def path_ids(path: str, template: str | None) -> dict[str, str]:
    """Return the values of the path parameters, by name."""
    pairs = zip(template.split("/") if template is not None else (), path.split("/"), strict=False)
    return {name[1:-1]: value for name, value in pairs if name.startswith("{")}


def explained(explanation: str, rules: Iterable[Data]) -> tuple[str, list[Data]]:
    """Return an explanation without the statements of the rules in it, and these rules."""
    found = []
    for rule in rules:
        if rule["statement"] in explanation:
            pattern = rf" ?Rule {re.escape(rule['id'])} \([^()]*\): {re.escape(rule['statement'])}"
            shorter = re.sub(pattern, "", explanation)
            if shorter != explanation:
                found.append(rule)
                explanation = shorter
    return explanation.strip(), found


def around_question(explanation: str, suggestion: Data | None) -> tuple[str, str, str]:
    """Return an explanation in three parts: what stands before the question for a name, the question, and the rest.

    If there is no such question, the first part is all.
    """
    return explanation.partition(f"Did you mean {suggestion['meant']!r}?") if suggestion else (explanation, "", "")


def _obstacle(data: Data) -> str | None:
    """Return why the page cannot send the call again, or `None` if it can."""
    replay = data["replay"]
    if "reason" in replay:
        return str(replay["reason"])
    if "fetch" not in replay:
        return "a browser cannot send it as it was"
    return "its body is not text" if data["request"]["bodyBytes"] and "body" not in replay else None


def suggested_page(suggestion: Data, ids: Mapping[str, str]) -> str | None:
    """Return the address of the world's page that shows the suggested name. `ids` are those of the call's path."""
    steps = []
    for name in ("tenant_id", "group_id", "user_id"):
        if name in ids:
            is_unknown = ids[name] == suggestion["asked"]
            steps.append(quote(suggestion["meant"] if is_unknown else ids[name], safe=""))
            if is_unknown:
                break
    return "/".join(["world", *steps]) if len(steps) > 1 else "world"


class Line(NamedTuple):
    """Lines of a body. If one has faults, `marked` is their place, and `reasons` says what is wrong there."""

    before: str
    marked: str = ""
    after: str = ""
    reasons: Sequence[str] = ()


@dataclass(slots=True)
class Place:
    """What is wrong at a place of a body, and at the places below it."""

    reasons: list[str] = field(default_factory=list)
    children: dict[str, Place] = field(default_factory=dict)

    def at(self, pointer: str) -> Place:
        """Return the place of a JSON Pointer below this one."""
        place = self
        for step in pointer.split("/")[1:]:
            place = place.children.setdefault(step.replace("~1", "/").replace("~0", "~"), Place())
        return place

    def all_reasons(self) -> Iterator[str]:
        """Yield what is wrong here and below."""
        yield from self.reasons
        for child in self.children.values():
            yield from child.all_reasons()


def body_lines(body: object, places: Place) -> list[Line]:
    """Return a body for its reader, with each fault at its place. Lines without faults are put together."""
    if isinstance(body, str):
        return [Line(body)]
    result: list[Line] = []
    plain: list[str] = []
    for line in _lines(body, places, "", "", ""):
        if not line.reasons:
            plain.append(line.before + line.marked + line.after)
            continue
        result += [Line("\n".join(plain))] if plain else []
        result.append(line)
        plain = []
    return [*result, Line("\n".join(plain))] if plain else result


def _lines(value: object, place: Place | None, indent: str, label: str, comma: str) -> Iterator[Line]:
    reasons = place.reasons if place is not None else []
    if not isinstance(value, (dict, list)) or not value:
        # Empty collections too: what is missing in them is wrong at their own place.
        reasons = list(place.all_reasons()) if place is not None else []
        yield Line(indent, label + _json(value), comma, reasons)
        return
    children = place.children if place is not None else {}
    is_object = isinstance(value, dict)
    items = (
        [(f"{_json(name)}: ", str(name), each) for name, each in value.items()]
        if isinstance(value, dict)
        else [("", str(i), each) for i, each in enumerate(value)]
    )
    present = {name for _, name, _ in items}
    missing = [reason for name, child in children.items() if name not in present for reason in child.all_reasons()]
    yield Line(indent, label + ("{" if is_object else "["), "", [*reasons, *missing])
    for i, (inner, name, each) in enumerate(items):
        yield from _lines(each, children.get(name), f"{indent}  ", inner, "," if i < len(items) - 1 else "")
    yield Line(f"{indent}{'}' if is_object else ']'}{comma}")


def _places(data: Data) -> Place:
    """Return where in the request's body something was refused, or ignored."""
    places = Place()
    body = data.get("response", {}).get("body")
    errors = body.get("errors") if isinstance(body, dict) and "rule" in data and data["rule"] != "S-6" else None
    for error in errors or ():
        details = error["details"]
        if "pointer" in details:
            places.at(details["pointer"]).reasons.append(f"{details['reason']} ({details['rule']})")
    for name in data.get("ignored", ()):
        if name.startswith("/"):
            places.at(name).reasons.append("ignored")
    return places


def editable(body: object) -> str:
    """Return a body as somebody edits it: JSON on several lines, and without invisible characters."""
    return body if isinstance(body, str) else pretty(body)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
