"""Calls and changes as text for people."""

from __future__ import annotations

from simulator.reports.journal import LONGEST_VALUE, call_text, change_text

CALL = {"time": "2026-11-27T10:00:00.123Z", "method": "GET", "path": "/a", "status": 200, "durationMs": 1.5}


def test_a_call_is_a_line_with_the_account_that_acted_if_one_did() -> None:
    assert call_text(CALL) == "10:00:00.123 GET /a 200 1.5 ms"
    assert call_text({**CALL, "account": "groupadmin"}) == "10:00:00.123 GET /a 200 1.5 ms as groupadmin"


def test_a_call_that_succeeded_may_have_an_explanation_too() -> None:
    lines = call_text({**CALL, "account": "a\x1b[2J", "explanation": "No session\narrived."}).splitlines()
    assert lines == [r"10:00:00.123 GET /a 200 1.5 ms as a\x1b[2J", r"             No session\narrived."]


def test_a_change_is_a_line_with_the_values_before_and_after() -> None:
    assert change_text({"op": "add", "path": "/a", "after": {"b": 1}}) == '+ /a: {"b":1}'
    assert change_text({"op": "replace", "path": "/a", "before": 1, "after": None}) == "~ /a: 1 -> null"


def test_a_long_value_is_cut() -> None:
    text = change_text({"op": "remove", "path": "/a", "before": "x" * 1000})
    assert text == f'- /a: "{"x" * (LONGEST_VALUE - 1)}...'


def test_nothing_in_a_change_steers_a_terminal() -> None:
    assert "\x1b" not in change_text({"op": "add", "path": "/\x1b[31m", "after": "\x1b"})
