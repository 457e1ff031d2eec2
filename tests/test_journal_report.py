"""Calls and changes as text for people."""

from __future__ import annotations

from simulator.reports.journal import LONGEST_VALUE, change_text


def test_a_change_is_a_line_with_the_values_before_and_after() -> None:
    assert change_text({"op": "add", "path": "/a", "after": {"b": 1}}) == '+ /a: {"b":1}'
    assert change_text({"op": "replace", "path": "/a", "before": 1, "after": None}) == "~ /a: 1 -> null"


def test_a_long_value_is_cut() -> None:
    text = change_text({"op": "remove", "path": "/a", "before": "x" * 1000})
    assert text == f'- /a: "{"x" * (LONGEST_VALUE - 1)}...'


def test_nothing_in_a_change_steers_a_terminal() -> None:
    assert "\x1b" not in change_text({"op": "add", "path": "/\x1b[31m", "after": "\x1b"})
