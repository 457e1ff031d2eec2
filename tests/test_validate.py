"""The command `validate`: files, folders and standard input, reported for people, for programs and for GitHub."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from simulator.app import shipped
from simulator.cli import main
from simulator.cli.fixtures import annotation, standard_input
from simulator.errors import MOST_FAULTS, BrokenDocument, Problem
from tests.conftest import Finished, run

MINIMAL = shipped("fixtures/minimal.yaml").read_text(encoding="utf-8")
COUNTED = "1 tenant, 1 group, 2 users, 1 account"
VALID = "version: 1\ndefaultDomain: d.example\n\ntenants: {}\n"
# Problems in the lines 1 and 3.
BROKEN = VALID.replace("version: 1", "version: 2").replace("\n\n", "\ncolour: red\n")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a broken fixture, a valid one, and other files."""
    texts = {"b.yaml": BROKEN, "default.yml": VALID, "notes.txt": "", ".c.yaml": "", "fixture.schema.json": "{}"}
    for name, text in texts.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "d.yaml").write_text("", encoding="utf-8")
    return tmp_path


def piped(text: str, *options: str) -> Finished:
    """Run `validate` with a text on standard input."""
    result = CliRunner().invoke(main, ["validate", *options, "-"], input=text, catch_exceptions=False)
    return Finished([], result.exit_code, result.stdout, result.stderr)


def test_of_a_folder_every_fixture_is_checked_and_nothing_else(folder: Path) -> None:
    result = run("validate", str(folder))
    assert result.stdout == f"{folder}/default.yml: 0 tenants, 0 groups, 0 users, 0 accounts\n"
    lines = result.stderr.splitlines()
    assert [line.partition(" must")[0].partition(" is ")[0] for line in lines] == [
        f"{folder}/b.yaml:1: /version:",
        f"{folder}/b.yaml:3: /colour:",
        "2 files, 2 problems",
    ]
    assert result.returncode == 2


def test_a_folder_without_a_fixture_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "fixture.schema.json").write_text("{}", encoding="utf-8")
    result = run("validate", str(tmp_path), str(shipped("fixtures/minimal.yaml")))
    assert result.stderr.startswith(f"{tmp_path}: holds no fixture, only fixture.schema.json; put a fixture there")
    assert (result.returncode, result.stderr.splitlines()[-1]) == (2, "2 files, 1 problem")


def test_standard_input_is_read_in_place_of_a_file() -> None:
    result = piped(MINIMAL)
    assert (result.returncode, result.stdout, result.stderr) == (0, f"<stdin>: {COUNTED}\nvalid\n", "")
    assert piped(json.dumps({"version": 1}).replace(":", ":\n")).stderr.splitlines() == [
        "<stdin>:1: /defaultDomain: is required (G-18)",
        "<stdin>:1: /tenants: is required (G-18)",
        "1 file, 2 problems",
    ]
    assert piped("").stderr.startswith("<stdin>: /: must be a mapping")


def test_what_standard_input_holds_is_no_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "-").write_text(MINIMAL, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert piped("").returncode == 2
    assert run("validate", "./-").stdout == f"-: {COUNTED}\nvalid\n"


def test_programs_get_what_each_file_holds_or_each_place_and_rule(folder: Path) -> None:
    result = run("validate", "--format", "json", str(folder))
    assert (result.returncode, result.stderr) == (2, "")
    broken, valid = json.loads(result.stdout)["files"]
    assert (broken["file"], broken["valid"]) == (f"{folder}/b.yaml", False)
    version, colour = broken["problems"]
    assert version == {
        "message": "must be 1, not 2",
        "line": 1,
        "column": 1,
        "pointer": "/version",
        "rule": "G-18",
    }
    assert (colour["line"], colour["pointer"], colour["rule"]) == (3, "/colour", "G-4")
    assert valid == {
        "file": f"{folder}/default.yml",
        "valid": True,
        "tenants": 0,
        "groups": 0,
        "users": 0,
        "accounts": 0,
        "problems": [],
    }
    assert json.loads(result.stdout)["valid"] is False
    assert json.loads(run("validate", "--format", "json", str(folder / "default.yml")).stdout)["valid"] is True


def test_github_gets_an_annotation_for_each_problem(folder: Path) -> None:
    result = run("validate", "--format", "github", str(folder))
    assert (result.returncode, result.stderr) == (2, "")
    version, colour, last = result.stdout.splitlines()
    assert version == f"::error file={folder}/b.yaml,line=1,col=1::/version: must be 1, not 2 (G-18)"
    assert colour.startswith(f"::error file={folder}/b.yaml,line=3,col=1::/colour: is not a documented attribute")
    assert last == "2 files, 2 problems"
    assert piped("version: \t@", "--format", "github").stdout.startswith("::error::is not well-formed YAML: ")


def test_nothing_in_a_fixture_ends_an_annotation_or_begins_another_one() -> None:
    problem = Problem("a,b:100%.yaml", "not \r\n::warning::100%", 2, 3, "/a:b,c", "G-5")
    assert annotation(problem) == (
        "::error file=a%2Cb%3A100%25.yaml,line=2,col=3::/a:b,c: not %0D%0A::warning::100%25 (G-5)"
    )


def test_very_many_problems_are_not_all_looked_for_and_the_last_line_says_so() -> None:
    accounts = "".join(f"\n  a{number}: {{}}" for number in range(MOST_FAULTS + 1))
    result = piped(f"version: 1\ndefaultDomain: d\ntenants: {{}}\naccounts:{accounts}")
    assert result.stderr.splitlines()[-1] == "1 file, more than 1000 problems"


def test_standard_input_that_is_closed_is_said_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(BrokenDocument, match="<stdin>: cannot be read: it is closed"):
        standard_input()


def test_a_name_steers_no_terminal(tmp_path: Path) -> None:
    file = tmp_path / "\x1b]0;t\x07.yaml"
    file.write_text("version: 2\n", encoding="utf-8")
    result = run("validate", str(file))
    assert "\x1b" not in result.stderr
    assert "\\x1b]0;t\\x07.yaml:1: /version: must be 1, not 2" in result.stderr
