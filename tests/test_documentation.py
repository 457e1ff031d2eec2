"""README.md and docs/ are true: their commands run, and their tables match the program."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from shlex import quote

import click
import httpx
import pytest
import yaml

from simulator import Sandbox, Simulator
from simulator.app import Simulation
from simulator.cli import every_command, main
from simulator.document import parse_document
from simulator.http.errors import FAILED, KINDS, OVERLOADED
from simulator.settings import Settings
from simulator.state.world import World
from tests.conftest import run, served

ROOT = Path(__file__).parents[1]
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
}
README = PAGES["README.md"]
CONTROL, OPTIONS, PYTEST = (PAGES[f"docs/{name}.md"] for name in ("control-interface", "options", "pytest-and-library"))
COMMANDS = PAGES["docs/command-line.md"]
ADDRESS = "http://127.0.0.1:4080"

Printed = Callable[..., str]


def blocks(language: str, page: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)


def rows(page: str, heading: str) -> list[list[str]]:
    """Return the cells of the first table below a heading, without its header."""
    section = page.partition(f"# {heading}\n")[2]
    table = re.search(r"\|.*?\|\n\|[-|]+\|\n((?:\|.*\|\n)+)", section)
    assert table, heading
    return [[cell.strip().strip("`") for cell in line.strip("|\n").split("|")] for line in table[1].splitlines()]


def sessions(page: str) -> list[tuple[str, str]]:
    """Return each command that a page shows with its output, in order."""
    found = []
    for block in blocks("console", page):
        for part in block.split("$ ")[1:] if block.startswith("$ ") else []:
            command, _, output = part.partition("\n")
            found.append((command, output))
    return found


@pytest.fixture
def fresh_server(simulation: Simulation, world: World) -> Iterator[str]:
    """The address of a server that no other test has used."""
    with served(simulation.app(world), event_loop=asyncio.SelectorEventLoop) as server:
        yield server.url


@pytest.mark.parametrize("page", [name for name, page in PAGES.items() if sessions(page)])
def test_every_command_prints_what_the_page_shows(fresh_server: str, tmp_path: Path, page: str) -> None:
    for command, output in sessions(PAGES[page]):
        command = command.replace(ADDRESS, fresh_server).replace("/tmp/", f"{quote(str(tmp_path))}/")
        done = bash(command, APIO_SIMULATOR_URL=fresh_server)
        assert matches(done.stdout, output.replace("/tmp/", f"{tmp_path}/")), f"{command}\n{done.stdout}{done.stderr}"


def test_the_pages_show_many_commands_with_their_output() -> None:
    assert sum(len(sessions(page)) for page in PAGES.values()) >= 35
    assert len(sessions(README)) >= 10


# The commands that are shown without output, and what runs them instead.
RUN_ELSEWHERE = {
    "git clone": "a checkout is there",
    "make": "test_the_commands_are_targets_of_the_makefile",
    "docker": "make image-test",
    "kubectl": "there is no cluster; tests/test_example_kubernetes.py tests what is applied",
    "pip install 'schemathesis>=4.32'": "the extra `contract`",
    "apio-simulator reset": "make contract",
    "curl -o /tmp/apio-schemathesis.toml": "make contract",
    "pytest --apio-fixture": "test_a_whole_suite_starts_from_its_own_file_as_shown",
    "schemathesis --config-file": "make contract",
}


def test_every_command_without_output_is_run_elsewhere() -> None:
    shown = [
        line
        for page in PAGES.values()
        for block in blocks("console", page)
        if not block.startswith("$ ")
        for line in block.splitlines()
    ]
    assert shown
    assert not [line for line in shown if not line.startswith(tuple(RUN_ELSEWHERE))]
    assert not [start for start in RUN_ELSEWHERE if not any(line.startswith(start) for line in shown)]


def test_the_script_for_a_job_starts_a_simulator_and_waits(tmp_path: Path) -> None:
    (script,) = blocks("sh", PAGES["docs/container-and-ci.md"])
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    # The job's own tests are replaced by a command that needs the simulator.
    whole = f"cd {quote(str(tmp_path))}\nnpm() {{ apio-simulator reset && kill $!; }}\n{script}"
    done = bash(whole, APIO_SIMULATOR_PORT=port)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert "Ready." in (tmp_path / "apio-simulator.log").read_text(encoding="utf-8")


def test_the_commands_for_powershell_name_programs_options_and_paths_that_exist(server: str) -> None:
    install, call = blocks("powershell", PAGES["docs/container-and-ci.md"])
    named = re.findall(r"apio-simulator (\w+)", install)
    assert named
    assert set(named) <= main.commands.keys()
    (address,) = re.findall(rf'"{ADDRESS}(.*?)"', call)
    assert httpx.get(server + address).status_code == 200


def test_every_command_in_a_sentence_is_one_of_the_program() -> None:
    named = [
        command
        for page in PAGES.values()
        for command in re.findall(r"`apio-simulator ([^`]+)`", re.sub(r"```.*?```", "", page, flags=re.DOTALL))
    ]
    assert len(named) >= 10
    for command in named:
        found: click.Command = main
        for word in command.split():
            if isinstance(found, click.Group) and not word.startswith("-"):
                found = found.commands[word]
        options = {option for each in found.get_params(click.Context(found)) for option in each.opts}
        assert {each for each in command.split() if each.startswith("-")} <= options | {"--help"}, command


def bash(command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command as a user would, with this environment's programs in the path."""
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": programs, **variables}
    return subprocess.run(["bash", "-c", command], capture_output=True, text=True, env=environment)


def matches(printed: str, shown: str) -> bool:
    """Return whether a command printed what a page shows. `…` stands for text that differs each time."""
    pattern = ".*".join(re.escape(part) for part in shown.strip().split("…"))
    return re.fullmatch(pattern, printed.strip()) is not None


def test_every_call_of_the_control_interface_works_as_the_table_shows(server: str, tmp_path: Path) -> None:
    bash(f"curl -s -X POST {server}/_simulator/reset")
    tried = []
    for _, _, command in rows(CONTROL, "All calls"):
        assert command.startswith("curl "), command
        command = command.replace("/tmp/", f"{quote(str(tmp_path))}/").replace(ADDRESS, server)
        done = bash(command.replace("curl ", "curl -sS --fail-with-body ", 1), S=f"{server}/_simulator")
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        tried.append(command)
    assert len(tried) >= 25


def test_the_table_of_the_control_interface_lists_every_call_of_its_contract(simulation: Simulation) -> None:
    def short(path: str) -> str:
        return re.sub(r"{(?:\w+_)?(name|id)}", r"{\1}", path.removeprefix("/_simulator/"))

    stated = set()
    for call, _, _ in rows(CONTROL, "All calls"):
        method, _, names = call.partition(" ")
        stated |= {(method, short(name.strip(" `"))) for name in names.split(",")}
    documented = {(each.method, short(each.path)) for each in simulation.control_contract.operations.values()}
    assert stated == documented - {("HEAD", "health")}


def test_the_table_of_commands_lists_each_once() -> None:
    stated = [command.removeprefix("apio-simulator ") for command, _ in rows(COMMANDS, "All commands")]
    named = [name for command in stated for name in every_command(main) if f"{command} ".startswith(f"{name} ")]
    assert len(named) == len(stated)
    assert sorted(named) == sorted(every_command(main))


def test_every_command_of_the_table_works(fresh_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "fixtures" / "minimal.yaml", "my-fixture.yaml")
    for command, _ in rows(COMMANDS, "All commands"):
        words = shlex.split(command.replace("https://lab.example.com", fresh_server))[1:]
        words += ["--pace", "0"] if words[0] in ("import", "conform") else []
        if words != ["serve"]:
            done = run(*words, APIO_SIMULATOR_URL=fresh_server)
            assert done.returncode == 0, f"{command}\n{done.stderr}"


def test_the_options_of_commands_are_as_the_table_says() -> None:
    stated = {(option, variable) for option, variable, _ in rows(COMMANDS, "Which server")}
    assert stated == {(each.opts[0], each.envvar) for each in every_command(main)["reset"].params}


def test_the_options_of_import_are_as_the_table_says() -> None:
    stated = [option for option, _ in rows(PAGES["docs/laboratory.md"], "Import its world")]
    assert stated == [each.opts[0] for each in every_command(main)["import"].params]


def test_the_options_of_conform_are_as_the_table_says() -> None:
    stated = [option for cell, _ in rows(PAGES["docs/laboratory.md"], "Ten minutes") for option in cell.split(", ")]
    assert sorted(option.strip("`") for option in stated) == sorted(
        each.opts[0] for each in every_command(main)["conform"].params
    )


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_line_for_completion_makes_a_script_for_the_shell(shell: str) -> None:
    (line,) = [line for name, _, line in completion_rows() if name.split()[0] == shell]
    source = re.search(rf"_APIO_SIMULATOR_COMPLETE={shell}_source apio-simulator", line)
    assert source, line
    done = bash(source[0])
    assert f"_APIO_SIMULATOR_COMPLETE={shell}_complete" in done.stdout, done.stderr
    if shell == "bash":
        assert bash(f"{line} && complete -p apio-simulator").stdout.startswith("complete ")


def completion_rows() -> list[list[str]]:
    """Return the table of completion. Its last line has a pipe, which is escaped."""
    return rows(COMMANDS.replace(r"\|", "¦"), "Completion")


class TestPython:
    SUITE, OVERRIDE, LIBRARY, WAITING = blocks("python", PYTEST)
    FAILING = """
import httpx

def test_it(apio_sandbox):
    capacities = apio_sandbox.url + "/api/v1/tenants/foo/groups/foogroup/services/call_capacities/"
    httpx.put(capacities + "Reception/", json={"maxCalls": 9})
    assert httpx.get(capacities + "Recepion/").status_code == 200
"""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        (fixture,) = blocks("yaml", PAGES["docs/fixtures.md"])
        (tmp_path / "team.yaml").write_text(fixture, encoding="utf-8")
        shutil.copy(ROOT / "examples" / "python" / "acme.yaml", tmp_path)
        return tmp_path

    @pytest.fixture
    def printed(self, folder: Path, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Printed:
        """What pytest prints in the folder, with our plugin and without what else is installed here."""
        monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
        monkeypatch.setenv("PYTEST_PLUGINS", "simulator.pytest_plugin")
        monkeypatch.delenv("APIO_SIMULATOR_URL", raising=False)
        monkeypatch.chdir(folder)

        def printed(*options: str, **suite: str) -> str:
            for name, text in suite.items():
                (folder / f"{name}.py").write_text(text, encoding="utf-8")
            return str(pytester.runpytest_inprocess(*options).stdout)

        return printed

    def test_the_suite_for_pytest_passes(self, printed: Printed) -> None:
        text = printed(test_suite=self.SUITE)
        assert "3 passed" in text, text

    def test_the_suite_that_waits_for_calls_passes(self, printed: Printed) -> None:
        text = printed(test_suite=self.WAITING)
        assert "3 passed" in text, text

    def test_the_suite_of_the_readme_passes(self, printed: Printed) -> None:
        (suite,) = blocks("python", README)
        text = printed(test_suite=suite)
        assert "1 passed" in text, text

    @pytest.mark.parametrize("page", [README, PYTEST], ids=["README", "pytest-and-library"])
    def test_a_whole_suite_starts_from_its_own_file_as_shown(self, printed: Printed, folder: Path, page: str) -> None:
        (ini,) = blocks("ini", page)
        (flags,) = (block.split()[1:] for block in blocks("console", page) if block.startswith("pytest "))
        (folder / "tests").mkdir()
        shutil.copy(folder / "team.yaml", folder / "tests")
        suite = """
import httpx

def test_it(apio_sandbox):
    assert list(apio_sandbox.state["tenants"]) == ["foo"]
    path = "/api/v1/tenants/foo/groups/foogroup/services/call_capacities/"
    assert httpx.get(apio_sandbox.url + path).status_code == %d
"""
        (folder / "pytest.ini").write_text(ini, encoding="utf-8")
        text = printed(test_suite=suite % 401)
        assert "1 passed" in text, text
        (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
        text = printed(*flags, test_suite=suite % (401 if "required" in flags else 200))
        assert "1 passed" in text, text

    def test_the_report_of_a_failing_test_is_as_shown(self, printed: Printed) -> None:
        (shown,) = blocks("text", PYTEST)
        title, _, rest = shown.partition("\n")
        text = printed(test_suite=self.FAILING)
        _, _, after = text.partition("AssertionError\n")
        found, _, report = after.partition("\n")
        assert matches(found.strip("- "), title.strip("- ")), text
        assert matches(report.partition("\n=")[0], rest), text

    def test_a_simulator_with_other_options_takes_its_place(self, printed: Printed) -> None:
        text = printed(conftest=self.OVERRIDE, test_suite=self.FAILING.replace("== 200", "== 401"))
        assert "1 passed" in text, text

    def test_the_example_of_the_library_runs(self, folder: Path) -> None:
        done = subprocess.run(
            [sys.executable, "-c", self.LIBRARY], cwd=folder, capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")

    def test_the_options_of_the_library_are_the_settings(self) -> None:
        stated = PYTEST.partition("The options are those of `serve`:")[2].partition("A refusal raises")[0]
        names = set(re.findall(r"`([a-z_]+)`", stated))
        assert names == {each.name for each in fields(Settings)}

    def test_the_table_of_the_library_names_what_there_is(self) -> None:
        stated = " ".join(what for what, _ in rows(PYTEST, "The library"))
        for which, kind in {"sim": Simulator, "sandbox": Sandbox}.items():
            names = {name for name in {*vars(kind), "control"} if not name.startswith("_")} - {"connect"}
            assert set(re.findall(rf"\b{which}\.(\w+)", stated)) == names - (
                {"control"} if kind is Simulator else set()
            )

    def test_the_table_of_the_plugin_names_its_fixtures_and_options(self, printed: Printed) -> None:
        first = " ".join(what.replace("@pytest.mark.", "") for what, _ in rows(PYTEST, "pytest"))
        stated = set(re.findall(r"--apio-[\w-]+|apio_\w+", first))
        text = "\n".join(map(printed, ("--help", "--markers", "--fixtures")))
        offered = set(re.findall(r"^ *(--apio-[\w-]+|apio_\w+|@pytest\.mark\.apio_\w+)", text, re.MULTILINE))
        assert stated == {each.removeprefix("@pytest.mark.") for each in offered}


@pytest.mark.parametrize(
    ("language", "files"),
    [
        ("typescript", ["typescript/src/apio.test.ts", "playwright/fixtures.ts"]),
        ("java", ["java/ApioSandbox.java"]),
    ],
)
def test_the_recipes_are_files_of_the_examples(language: str, files: list[str]) -> None:
    shown = blocks(language, PAGES["docs/other-languages.md"])
    # An example has more tests than the page shows.
    assert len(shown) == len(files)
    for block, file in zip(shown, files, strict=True):
        assert (ROOT / "examples" / file).read_text(encoding="utf-8").startswith(block), file


def test_the_number_of_rules_is_that_of_the_ledger(simulation: Simulation) -> None:
    assert re.findall(r"(\d+) numbered rules", README) == [str(len(simulation.ledger))]


def test_the_commands_are_targets_of_the_makefile() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"(?:^|`)make ([\w-]+)", "\n".join(PAGES.values()), re.MULTILINE))
    assert {"serve", "test", "contract", "image-test"} <= targets
    for target in targets:
        assert f"\n{target}: " in makefile or f"\n{target}:  ## " in makefile, target


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
    for operation_id, call, right in rows(README, "Operations"):
        method, _, path = call.partition(" `")
        full = "/api/v1/" + path.replace("…/", "tenants/{tenant_id}/groups/{group_id}/")
        stated.append((operation_id, method, full, None if right == "none" else right))
    operations = simulation.contract.operations.values()
    assert sorted(stated, key=str) == sorted(
        ((each.operation_id, each.method, each.path, each.minimum_right) for each in operations), key=str
    )


def test_the_error_table_is_the_catalogue() -> None:
    kinds = sorted([*KINDS.values(), FAILED, OVERLOADED], key=lambda kind: kind.code)
    assert rows(PAGES["docs/errors.md"], "Codes") == [
        [str(kind.code), str(kind.status), kind.message] for kind in kinds
    ]
    assert all(kind.code // 100 == kind.status for kind in kinds)
    assert len({kind.code for kind in kinds}) == len(kinds)
    assert 42 not in {kind.code for kind in kinds}


def test_the_options_table_is_the_command_line() -> None:
    options = [each for each in main.commands["serve"].params if isinstance(each, click.Option)]
    stated = [(option, variable) for option, variable, _, _ in rows(OPTIONS, "Options")]
    assert stated == [(option.opts[0], option.envvar) for option in options]
    for (_, _, default, _), option in zip(rows(OPTIONS, "Options"), options, strict=True):
        if default.isdecimal() or option.type.name in ("choice", "integer"):
            assert default == str(option.default)


def test_the_fixture_shown_is_a_good_one(simulation: Simulation) -> None:
    (fixture,) = blocks("yaml", PAGES["docs/fixtures.md"])
    assert simulation.fixtures.world_of_document(parse_document("fixtures.md", fixture))


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) <= 250


def anchors(text: str) -> set[str]:
    """Return the anchors that GitHub makes for the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", re.sub(r"```.*?```", "", text, flags=re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


LINKED = [
    *PAGES,
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "tools/README.md",
    "examples/README.md",
    "examples/scale-out/README.md",
]


@pytest.mark.parametrize("name", LINKED)
def test_every_link_leads_to_a_file_and_to_a_heading_in_it(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^):\s]+)\)", text):
        file, _, anchor = target.partition("#")
        path = (ROOT / name).parent / file if file else ROOT / name
        assert path.exists(), target
        assert not anchor or anchor in anchors(path.read_text(encoding="utf-8")), target


GENERATED = {"fidelity.md", "benchmarks.md"}


def test_every_page_ends_with_links_to_the_readme_and_to_its_neighbours() -> None:
    entries = yaml.safe_load((ROOT / "tools" / "site" / "mkdocs.yml").read_text("utf-8"))["nav"][1:]
    assert sorted(entries) == sorted(name.removeprefix("docs/") for name in PAGES if name != "README.md")
    links = [f"[{PAGES[f'docs/{entry}'].partition(chr(10))[0].removeprefix('# ')}]({entry})" for entry in entries]
    for i, entry in enumerate(entries):
        if entry in GENERATED:
            continue
        before = [f"before: {links[i - 1]}"] if i else []
        expected = " · ".join(["[README](../README.md)", *before, f"next: {links[i + 1]}"])
        assert PAGES[f"docs/{entry}"].splitlines()[-1] == expected


def test_the_readme_links_to_every_page() -> None:
    assert set(re.findall(r"\]\((docs/[\w-]+\.md)\)", README)) == set(PAGES) - {"README.md"}
