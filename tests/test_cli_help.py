"""The help of the command line: sections, options, examples; and what a shell completes."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.shell_completion import ShellComplete

from simulator.app import Simulation, shipped
from simulator.cli import SECTIONS, every_command, main
from simulator.settings import Settings
from simulator.state.world import World
from tests.conftest import Api, run, served

COMMANDS = every_command(main)
GROUPS = {name: command for name, command in main.commands.items() if isinstance(command, click.Group)}


def examples(command: click.Command) -> list[list[str]]:
    """Return the arguments of the examples at the end of a command's help."""
    title, *lines = (command.epilog or "").removeprefix("\b\n").splitlines()
    assert title in ("Example:", "Examples:")
    found = [shlex.split(line) for line in lines]
    assert found
    assert {words[0] for words in found} == {"apio-simulator"}
    return [words[1:] for words in found]


class TestHelp:
    def test_every_command_is_in_one_section(self) -> None:
        listed = [command.name for commands in SECTIONS.values() for command in commands]
        assert sorted(map(str, listed)) == sorted(main.commands)
        lines = run("--help").stdout.splitlines()
        for title, commands in SECTIONS.items():
            begin = lines.index(f"{title}:")
            assert [line.split()[0] for line in lines[begin + 1 : begin + 1 + len(commands)]] == [
                command.name for command in commands
            ]

    @pytest.mark.parametrize("name", [*COMMANDS, *GROUPS])
    def test_it_is_shown_with_its_examples_at_the_end(self, name: str) -> None:
        command = {**COMMANDS, **GROUPS}[name]
        lines = [
            shlex.split(line) for line in run(*name.split(), "--help").stdout.splitlines()[-len(examples(command)) :]
        ]
        assert lines == [["apio-simulator", *each] for each in examples(command)]
        assert any(each[: len(name.split())] == name.split() for each in examples(command))

    @pytest.mark.parametrize("name", COMMANDS)
    def test_every_option_says_what_it_is_good_for(self, name: str) -> None:
        options = [each for each in COMMANDS[name].params if isinstance(each, click.Option)]
        assert options or name == "schema"
        for option in options:
            assert option.help, option.name
            assert len(option.help.split()) >= 4, option.name

    def test_the_examples_work_one_after_the_other(
        self, api: Api, server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        sandbox = api.root.rpartition("/")[2]
        environment = {"APIO_SIMULATOR_URL": server, "APIO_SIMULATOR_SANDBOX": sandbox}
        Path("my-fixture.yaml").write_text(shipped("fixtures/minimal.yaml").read_text("utf-8"), encoding="utf-8")
        for name in ("job-1.json", "job-2.json"):
            Path(name).write_text(run("coverage", "--format", "json", **environment).stdout, encoding="utf-8")
        run("sandbox", "create", "test-7", **environment)
        ran = 0
        for name, command in COMMANDS.items():
            if name == "fault clear":
                # The id in the example is that of the first fault. The first example removes it.
                run("fault", "clear", **environment)
                continue
            for arguments in examples(command):
                # They would not end.
                if "serve" in arguments or "--follow" in arguments:
                    command.make_context(name, arguments[1:]).close()
                    continue
                elsewhere = ("http://replica-", "https://lab.")
                arguments = [server if each.startswith(elsewhere) else each for each in arguments]
                arguments += ["--pace", "0"] if name in ("import", "conform") else []
                run("snapshot", "take", "start", **environment)
                done = run(*arguments, **environment)
                # How much of the API other tests have used is not known.
                assert done.returncode in ((0, 1) if "--fail-under" in arguments else (0,)), (
                    f"{arguments}\n{done.stderr}"
                )
                ran += 1
        assert ran > 20
        run("sandbox", "drop", "test-7", **environment)


class TestMistakes:
    @pytest.mark.parametrize(
        ("arguments", "meant"),
        [
            (["stat"], "state"),
            (["snapshot", "tak"], "take"),
            (["requests", "--statu", "404"], "--status"),
            (["fault", "add", "login", "--delayms", "1"], "--delay-ms"),
        ],
    )
    def test_a_misspelt_command_or_option_names_the_nearest_one(self, arguments: list[str], meant: str) -> None:
        result = run(*arguments)
        assert (result.returncode, result.stdout) == (2, "")
        assert "Did you mean" in result.stderr
        assert meant in result.stderr

    @pytest.mark.parametrize("name", [name for name in COMMANDS if any(p.name == "url" for p in COMMANDS[name].params)])
    def test_without_a_server_each_command_says_what_to_start(self, name: str) -> None:
        arguments = {
            "snapshot take": ["a"],
            "snapshot restore": ["a"],
            "snapshot drop": ["a"],
            "sandbox create": ["a"],
            "sandbox drop": ["a"],
            "fault add": ["login"],
            "load": [str(shipped("fixtures/minimal.yaml"))],
            "wait": ["--timeout", "0"],
        }
        result = run(*name.split(), *arguments.get(name, []), APIO_SIMULATOR_PORT="1")
        assert (result.returncode, result.stdout) == (1, "")
        (line,) = result.stderr.splitlines()
        assert line.startswith("apio-simulator: no simulator answers at http://127.0.0.1:1: ")
        assert line.endswith(". Start one with: apio-simulator serve --port 1")

    def test_of_a_server_elsewhere_it_does_not_say_to_start_one_here(self) -> None:
        result = run("reset", "--url", "https://localhost:1")
        assert result.stderr.endswith(". Start one there, or name another with --url.\n")


def completed(*arguments: str, **environment: str) -> list[str]:
    """Return what a shell would offer for the last of the arguments."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        shell = ShellComplete(main, {}, "apio-simulator", "_APIO_SIMULATOR_COMPLETE")
        return [each.value for each in shell.get_completions(list(arguments[:-1]), arguments[-1])]


class TestCompletion:
    def test_commands_and_options_are_completed(self) -> None:
        assert completed("s") == ["sandbox", "schema", "serve", "snapshot", "state"]
        assert completed("snapshot", "") == ["drop", "list", "restore", "take"]
        assert completed("requests", "--st") == ["--status"]
        assert completed("fault", "add", "login", "--abort", "") == ["close", "truncate"]

    @pytest.mark.parametrize("before", [["requests", "--operation"], ["fault", "add"], ["errors"]])
    def test_operations_are_completed_without_a_server(self, simulation: Simulation, before: list[str]) -> None:
        assert completed(*before, "") == sorted(simulation.contract.operations)
        assert completed(*before, "listA") == ["listAvailableAssistants", "listAvailableCallCapacityUsers"]

    @pytest.mark.parametrize("before", [["rule"], ["requests", "--rule"]])
    def test_rules_are_completed_without_a_server(self, simulation: Simulation, before: list[str]) -> None:
        assert completed(*before, "") == list(simulation.ledger)
        assert completed(*before, "cc-1") == [each for each in simulation.ledger if each.startswith("CC-1")]

    def test_it_loads_no_server_for_that(self) -> None:
        program = (
            "import sys; from click.shell_completion import ShellComplete; from simulator.cli import main\n"
            "shell = ShellComplete(main, {}, 'a', '_A')\n"
            "assert shell.get_completions(['errors'], 'log') and shell.get_completions(['rule'], 'CC')\n"
            "print([name for name in ('flask', 'werkzeug', 'marshmallow', 'jinja2') if name in sys.modules])"
        )
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        assert done.stdout == "[]\n"

    def test_names_of_sandboxes_and_snapshots_are_those_of_the_server(self, api: Api, server: str) -> None:
        sandbox = api.root.rpartition("/")[2]
        api.arranged("PUT", "snapshots/start")
        assert completed("requests", "--sandbox", sandbox[:-3], APIO_SIMULATOR_URL=server) == [sandbox]
        several = ("--url", server, "--url", "http://127.0.0.1:1")
        assert completed("coverage", *several, "--sandbox", sandbox[:-3]) == [sandbox]
        assert completed("coverage", "--sandbox", sandbox[:-3], APIO_SIMULATOR_URL=f"{server} x") == [sandbox]
        assert completed("sandbox", "drop", "--url", server, sandbox) == [sandbox]
        assert completed("snapshot", "restore", "--sandbox", sandbox, "--url", server, "") == ["start"]
        assert completed("diff", "--since", "s", APIO_SIMULATOR_URL=server, APIO_SIMULATOR_SANDBOX=sandbox) == ["start"]

    @pytest.mark.rule("S-2")
    def test_the_token_is_sent(self, simulation: Simulation, world: World) -> None:
        with served(simulation.app(world, Settings(control_token="t"))) as server:
            variables = {"APIO_SIMULATOR_URL": server.url}
            assert completed("reset", "--sandbox", "", **variables) == []
            assert completed("reset", "--sandbox", "", **variables, APIO_SIMULATOR_CONTROL_TOKEN="t") == ["default"]
            assert completed("reset", "--control-token", "t", "--sandbox", "", **variables) == ["default"]

    @pytest.mark.parametrize("port", ["1", "x"])
    def test_without_a_server_nothing_is_completed_and_nothing_is_said(
        self, capfd: pytest.CaptureFixture[str], port: str
    ) -> None:
        assert completed("reset", "--sandbox", "", APIO_SIMULATOR_PORT=port) == []
        assert completed("reset", "--url", "nonsense", "--sandbox", "") == []
        assert capfd.readouterr() == ("", "")

    @pytest.mark.parametrize(
        "answer", ["[]", "7", "{}", '{"sandboxes": 7}', '{"sandboxes": [{}]}', '{"sandboxes": [{"name": 7}]}', "x"]
    )
    def test_what_is_no_simulator_completes_nothing(self, answer: str) -> None:
        assert self.answered(answer) == []

    def test_a_name_that_could_steer_the_terminal_is_left_out(self) -> None:
        names = [{"name": name} for name in ("good", "bad\x1b[31m", "$(bad)", "", "x" * 65)]
        assert self.answered(json.dumps({"sandboxes": names})) == ["good"]

    def answered(self, answer: str) -> list[str]:
        def application(_: object, start_response: object) -> Iterator[bytes]:
            start_response("200 OK", [("Content-Type", "application/json")])  # type: ignore[operator]
            return iter([answer.encode()])

        with served(application) as stranger:
            return completed("reset", "--url", stranger.url, "--sandbox", "")
