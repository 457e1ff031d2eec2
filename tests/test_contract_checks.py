"""The checks of the contract: what they do if a tool finds a mistake or is missing."""

from __future__ import annotations

import sys

import pytest

from tools.contract_checks.check import Failed, Skipped, carry_out, needs, run, simulator


def objecting() -> str:
    raise Failed("line 7: nonsense")


def missing() -> str:
    raise Skipped("needs java")


def test_each_check_has_a_line_and_one_that_failed_decides(capsys: pytest.CaptureFixture[str]) -> None:
    assert carry_out({"good": lambda: "3 documents", "bad": objecting, "absent": missing}, []) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines if line.startswith(("good", "bad", "absent"))] == [
        ["good", "ok"],
        ["bad", "failed"],
        ["absent", "skipped"],
    ]
    assert "3 documents" in lines[0]
    assert "line 7: nonsense" in lines
    assert "needs java" in lines[-2]
    assert lines[-1] == "1 ok, 1 failed, 1 skipped"


def test_one_check_can_be_named_and_an_unknown_name_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    checks = {"good": lambda: "", "bad": objecting}
    assert carry_out(checks, ["good"]) == 0
    assert carry_out(checks, ["godo"]) == 2
    assert "no such check: godo; there are good, bad" in capsys.readouterr().err


def test_what_is_skipped_is_no_failure() -> None:
    assert carry_out({"absent": missing}, []) == 0


def test_what_a_tool_that_objects_prints_is_told() -> None:
    assert run([sys.executable, "-c", "print('fine')"]) == "fine\n"
    with pytest.raises(Failed, match=r"^wrong\n$"):
        run([sys.executable, "-c", r"import sys; print('\x1b[31mwrong\x1b[0m'); sys.exit(3)"])


def test_a_program_that_is_not_there_is_named() -> None:
    needs(sys.executable)
    with pytest.raises(Skipped, match="needs no-such-program and nor-this"):
        needs(sys.executable, "no-such-program", "nor-this")


def test_a_simulator_that_does_not_start_fails_the_check() -> None:
    with pytest.raises(Failed, match="No such option"), simulator("--nonsense"):
        pass
