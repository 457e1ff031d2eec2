"""The constraints that a schema states, as checks of values. Each names the rule that a violation breaks."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any

from marshmallow import ValidationError

from simulator.contract.fields import HIDDEN, MOST_ERRORS, shown
from simulator.errors import Fault

Rules = Mapping[str, str]
"""For each keyword, the rule that its violation rests on (`x-rule`). `default` is for all other keywords."""

TEXT = "a string"
"""What must be where a text is expected, in the words of messages."""

Validator = Callable[[Any], None]
"""Checks a value of the right type. Raises `ValidationError`."""


def rule_for(rules: Rules, keyword: str) -> str:
    """Return the rule that a violation of the keyword rests on."""
    return rules.get(keyword) or rules.get("default") or "G-5"


def type_messages(rules: Rules, expected: str) -> dict[str, Any]:
    """Return a field's messages for a value of the wrong type, and for `null` where it is not allowed."""
    return {
        "invalid": f"must be {expected}, not {{input}}",
        "null": [Fault(rules.get("null", "G-5"), f"must be {expected}, not null")],
    }


def hides_value(reason: str) -> bool:
    """Return whether a message hides a value because it is a secret."""
    return reason.endswith(f", not {HIDDEN}")


def wants_text(reason: str) -> bool:
    """Return whether a message of `type_messages` says that a text is expected."""
    return reason.startswith(f"must be {TEXT}, not ")


def one_of(values: list[Any], rules: Rules) -> Validator:
    """Return a check of `enum`."""
    allowed = f"one of {', '.join(map(str, values))}" if len(values) > 1 else str(values[0])

    def check(value: Any) -> None:
        if value not in values:
            raise _invalid(rules, "enum", f"must be {allowed}, not {shown(value)}")

    return check


def between(low: int | None, high: int | None, rules: Rules) -> Validator:
    """Return a check of `minimum` and `maximum`."""

    def check(value: Any) -> None:
        if low is not None and value < low:
            raise _invalid(rules, "minimum", f"must be {low} or more, not {shown(value)}")
        if high is not None and value > high:
            raise _invalid(rules, "maximum", f"must be {high} or less, not {shown(value)}")

    return check


def sized(low: int, high: int | None, unit: str, rules: Rules) -> Validator:
    """Return a check of `minLength` and `maxLength` (unit `characters`), or `minItems` and `maxItems` (`items`)."""
    fewest, most = ("minLength", "maxLength") if unit == "characters" else ("minItems", "maxItems")

    def check(value: Any) -> None:
        if len(value) < low:
            raise _invalid(rules, fewest, f"must have at least {low} {unit}, not {len(value)}")
        if high is not None and len(value) > high:
            raise _invalid(rules, most, f"must have at most {high} {unit}, not {len(value)}")

    return check


def matching(pattern: re.Pattern[str], meaning: str, rules: Rules, *, is_secret: bool = False) -> Validator:
    """Return a check of a `pattern` that is anchored at both ends. Its message does not show a secret value."""

    def check(value: Any) -> None:
        # Not a search: Python's `$` also matches before a line feed at the end.
        if not pattern.fullmatch(value):
            raise _invalid(rules, "pattern", f"must be {meaning}, not {HIDDEN if is_secret else shown(value)}")

    return check


def unique(rules: Rules) -> Validator:
    """Return a check of `uniqueItems`."""

    def check(value: Any) -> None:
        first: dict[Any, int] = {}
        scalars = ((i, item) for i, item in enumerate(value) if isinstance(item, str | int))
        repeated = ((i, first[item]) for i, item in scalars if first.setdefault(item, i) != i)
        reasons = {i: f"repeats item {j}: {shown(value[i])}" for i, j in islice(repeated, MOST_ERRORS)}
        if reasons:
            rule = rule_for(rules, "uniqueItems")
            raise ValidationError({i: [Fault(rule, reason)] for i, reason in reasons.items()})

    return check


def _invalid(rules: Rules, keyword: str, reason: str) -> ValidationError:
    return ValidationError([Fault(rule_for(rules, keyword), reason)])
