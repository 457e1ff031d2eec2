"""The README says what is true: its commands run, its tables are those of the program."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from shlex import quote

import click
import pytest

from simulator import Sandbox, Simulator
from simulator.app import Simulation
from simulator.cli import main
from simulator.document import parse_document
from simulator.http.errors import FAILED, KINDS, OVERLOADED
from simulator.settings import Settings

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
ADDRESS = "http://127.0.0.1:4080"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def rows(heading: str) -> list[list[str]]:
    """The cells of the first table below a heading, without its head."""
    section = README.partition(f"## {heading}\n")[2]
    table = re.search(r"\|.*?\|\n\|[-|]+\|\n((?:\|.*\|\n)+)", section)
    assert table, heading
    return [[cell.strip().strip("`") for cell in line.strip("|\n").split("|")] for line in table[1].splitlines()]


def sessions() -> list[tuple[str, str]]:
    """Each command that the README shows with its output, in order."""
    found = []
    for block in blocks("console"):
        for part in block.split("$ ")[1:] if block.startswith("$ ") else []:
            command, _, output = part.partition("\n")
            found.append((command, output))
    return found


def test_every_command_prints_what_the_readme_shows(server: str, tmp_path: Path) -> None:
    subprocess.run(["curl", "-s", "-X", "POST", f"{server}/_simulator/reset"], check=True)
    for command, output in sessions():
        command = command.replace(ADDRESS, server).replace("/tmp/", f"{quote(str(tmp_path))}/")
        done = bash(command, APIO_SIMULATOR_URL=server)
        assert matches(done.stdout, output), f"{command}\n{done.stdout}{done.stderr}"
    assert len(sessions()) >= 15


def bash(command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command as a user of this environment would, who has its programs in the path."""
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": programs, **variables}
    return subprocess.run(["bash", "-c", command], capture_output=True, text=True, env=environment)


def matches(printed: str, shown: str) -> bool:
    """Whether a command printed what the README shows, where `…` stands for what is different each time."""
    pattern = ".*".join(re.escape(part) for part in shown.strip().split("…"))
    return re.fullmatch(pattern, printed.strip()) is not None


def test_every_call_of_the_control_interface_works_as_the_table_shows(server: str, tmp_path: Path) -> None:
    bash(f"curl -s -X POST {server}/_simulator/reset")
    tried = []
    for _, _, command in rows("The control interface"):
        assert command.startswith("curl "), command
        command = command.replace("/tmp/", f"{quote(str(tmp_path))}/").replace(ADDRESS, server)
        done = bash(command.replace("curl ", "curl -sS --fail-with-body ", 1), S=f"{server}/_simulator")
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        tried.append(command)
    assert len(tried) >= 25


def test_the_table_of_the_control_interface_lists_every_call_of_its_contract(simulation: Simulation) -> None:
    stated = set()
    for call, _, _ in rows("The control interface"):
        method, _, names = call.partition(" ")
        stated |= {(method, name.strip(" `")) for name in names.split(",")}
    documented = {
        (each.method, re.sub(r"{\w+_(name|id)}", r"{\1}", each.path.removeprefix("/_simulator/")))
        for each in simulation.control_contract.operations.values()
    }
    assert stated == documented - {("HEAD", "health")}


def test_the_table_of_commands_lists_those_that_talk_to_a_server() -> None:
    stated = {command.split()[1] for command, _ in rows("From the command line")}
    assert stated == main.commands.keys() - {"serve", "validate", "errors"}


class TestPython:
    SUITE, OVERRIDE, LIBRARY = blocks("python")
    FAILING = """
import httpx

def test_it(apio_sandbox):
    capacities = apio_sandbox.url + "/api/v1/tenants/foo/groups/foogroup/services/call_capacities/"
    httpx.put(capacities + "Reception/", json={"maxCalls": 9})
    assert httpx.get(capacities + "Recepion/").status_code == 200
"""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        (fixture,) = blocks("yaml")
        (tmp_path / "team.yaml").write_text(fixture, encoding="utf-8")
        shutil.copy(ROOT / "examples" / "python" / "acme.yaml", tmp_path)
        return tmp_path

    def pytest(self, folder: Path, **suite: str) -> str:
        for name, text in suite.items():
            (folder / f"{name}.py").write_text(text, encoding="utf-8")
        return bash(
            f"cd {quote(str(folder))} && python -m pytest -p no:cacheprovider -p no:schemathesis", APIO_SIMULATOR_URL=""
        ).stdout

    def test_the_suite_for_pytest_passes(self, folder: Path) -> None:
        printed = self.pytest(folder, test_suite=self.SUITE)
        assert "3 passed" in printed, printed

    def test_the_report_of_a_failing_test_is_as_shown(self, folder: Path) -> None:
        (shown,) = blocks("text")
        title, _, rest = shown.partition("\n")
        printed = self.pytest(folder, test_suite=self.FAILING)
        _, _, after = printed.partition("AssertionError\n")
        found, _, report = after.partition("\n")
        assert matches(found.strip("- "), title.strip("- ")), printed
        assert matches(report.partition("\n=")[0], rest), printed

    def test_a_simulator_with_other_options_takes_its_place(self, folder: Path) -> None:
        printed = self.pytest(folder, conftest=self.OVERRIDE, test_suite=self.FAILING.replace("== 200", "== 401"))
        assert "1 passed" in printed, printed

    def test_the_example_of_the_library_runs(self, folder: Path) -> None:
        done = subprocess.run(
            [sys.executable, "-c", self.LIBRARY], cwd=folder, capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")

    def test_the_options_of_the_library_are_the_settings(self) -> None:
        stated = README.partition("The options are those of `serve`:")[2].partition("A refusal raises")[0]
        names = set(re.findall(r"`([a-z_]+)`", stated))
        assert names == {each.name for each in fields(Settings)}

    def test_the_table_of_the_library_names_what_there_is(self) -> None:
        stated = " ".join(what for what, _ in rows("The library"))
        for which, kind in {"sim": Simulator, "sandbox": Sandbox}.items():
            names = {name for name in {*vars(kind), "control"} if not name.startswith("_")} - {"connect"}
            assert set(re.findall(rf"\b{which}\.(\w+)", stated)) == names - (
                {"control"} if kind is Simulator else set()
            )

    def test_the_table_of_the_plugin_names_its_fixtures_and_options(self, folder: Path) -> None:
        stated = {re.split(r"[ (]", what.removeprefix("@pytest.mark."))[0] for what, _ in rows("pytest")}
        lists = ("--help", "--markers", "--fixtures")
        printed = "".join(
            bash(f"cd {quote(str(folder))} && python -m pytest -p no:schemathesis {each}").stdout for each in lists
        )
        offered = set(re.findall(r"^ *(--apio-[\w-]+|apio_\w+|@pytest\.mark\.apio_\w+)", printed, re.MULTILINE))
        assert stated == {each.removeprefix("@pytest.mark.") for each in offered}


@pytest.mark.parametrize(
    ("language", "file"), [("typescript", "playwright/apio.ts"), ("java", "java/ApioSandbox.java")]
)
def test_the_recipe_is_the_file_of_its_example(language: str, file: str) -> None:
    assert blocks(language) == [(ROOT / "examples" / file).read_text(encoding="utf-8")]


def test_the_number_of_rules_is_that_of_the_ledger(simulation: Simulation) -> None:
    assert re.findall(r"(\d+) numbered rules", README) == [str(len(simulation.ledger))]


def test_the_two_commands_are_targets_of_the_makefile() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"^make (\w+)", "\n".join(blocks("console")), re.MULTILINE):
        assert f"\n{target}: " in makefile


def test_make_help_lists_every_target_with_what_it_does() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert targets
    for command in (["make", "--no-print-directory", "help"], ["make", "--no-print-directory"]):
        printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
        rows = [line.split(maxsplit=1) for line in printed.splitlines()]
        assert [target for target, _ in rows] == targets[1].split()
    assert ["test", "run all tests"] in rows


def test_the_operations_table_is_the_contracts(simulation: Simulation) -> None:
    stated = []
    for operation_id, call, right in rows("Operations"):
        method, _, path = call.partition(" `")
        full = "/api/v1/" + path.replace("…/", "tenants/{tenant_id}/groups/{group_id}/")
        stated.append((operation_id, method, full, None if right == "none" else right))
    operations = simulation.contract.operations.values()
    assert sorted(stated, key=str) == sorted(
        ((each.operation_id, each.method, each.path, each.minimum_right) for each in operations), key=str
    )


def test_the_error_table_is_the_catalogue() -> None:
    kinds = sorted([*KINDS.values(), FAILED, OVERLOADED], key=lambda kind: kind.code)
    assert rows("Errors") == [[str(kind.code), str(kind.status), kind.message] for kind in kinds]
    assert all(kind.code // 100 == kind.status for kind in kinds)
    assert len({kind.code for kind in kinds}) == len(kinds)
    assert 42 not in {kind.code for kind in kinds}


def test_the_options_table_is_the_command_line() -> None:
    options = [each for each in main.commands["serve"].params if isinstance(each, click.Option)]
    stated = [(option, variable) for option, variable, _, _ in rows("Options")]
    assert stated == [(option.opts[0], option.envvar) for option in options]
    for (_, _, default, _), option in zip(rows("Options"), options, strict=True):
        if default.isdecimal() or option.type.name in ("choice", "integer"):
            assert default == str(option.default)


def test_the_fixture_shown_is_a_good_one(simulation: Simulation) -> None:
    (fixture,) = blocks("yaml")
    assert simulation.fixtures.world(parse_document("README.md", fixture))


@pytest.mark.parametrize("name", ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "tools/README.md"])
def test_every_file_that_is_linked_exists(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^):#]+)\)", text):
        assert (ROOT / name).parent.joinpath(target).exists(), target
