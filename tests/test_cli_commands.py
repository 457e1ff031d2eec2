"""The commands for state, sandboxes, calls, faults and rules."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from simulator import client, progress
from simulator.app import Simulation
from simulator.cli import calls, every_command, main, output
from simulator.contract.ledger import load_ledger
from simulator.progress import Progress
from simulator.reports.rules import rule_text
from tests.conftest import CAPACITIES, EXECUTIVE, Api, Finished, run

RECEPTION = f"{CAPACITIES}Reception/"
RECEPTION_PATH = "/tenants/foo/groups/foogroup/callCapacities/Reception/maxCalls"


class Cli:
    """The command line at the server and the sandbox of a test."""

    def __init__(self, api: Api, server: str) -> None:
        self.sandbox = api.root.rpartition("/")[2]
        self.environment = {"APIO_SIMULATOR_URL": server, "APIO_SIMULATOR_SANDBOX": self.sandbox}

    def __call__(self, *arguments: str) -> Finished:
        return run(*arguments, **self.environment)

    def done(self, *arguments: str) -> str:
        """Run a command, which must succeed. Return what it prints."""
        result = self(*arguments)
        assert (result.returncode, result.stderr) == (0, ""), result.stderr
        return result.stdout

    def json(self, *arguments: str) -> Any:
        return json.loads(self.done(*arguments, "--format", "json"))

    def coloured(self, *arguments: str, **environment: str) -> str:
        """Return what a command prints on a terminal that shows colours."""
        result = CliRunner().invoke(
            main, arguments, env={**self.environment, **environment}, color=True, catch_exceptions=False
        )
        return result.stdout


@pytest.fixture
def cli(api: Api, server: str) -> Cli:
    return Cli(api, server)


@pytest.mark.rule("S-5")
class TestDiff:
    def test_it_shows_what_was_added_removed_and_replaced(self, api: Api, cli: Cli) -> None:
        api.ok("PUT", RECEPTION, {"maxCalls": 9})
        api.ok("DELETE", f"{CAPACITIES}disposable/")
        api.ok("POST", CAPACITIES, {"name": "new", "isDefault": False, "maxCalls": 1})
        lines = cli.done("diff").splitlines()
        assert f"~ {RECEPTION_PATH}: 7 -> 9" in lines
        assert sorted(line[0] for line in lines) == ["+", "-", "~"]
        assert cli.json("diff") == api.arranged("GET", "diff")

    def test_it_compares_with_a_snapshot(self, api: Api, cli: Cli) -> None:
        api.ok("PUT", RECEPTION, {"maxCalls": 8})
        cli.done("snapshot", "take", "start")
        api.ok("PUT", RECEPTION, {"maxCalls": 9})
        assert cli.done("diff", "--since", "start") == f"~ {RECEPTION_PATH}: 8 -> 9\n"

    def test_it_says_that_nothing_has_changed(self, cli: Cli) -> None:
        result = cli("diff")
        assert (result.returncode, result.stdout) == (0, "")
        assert result.stderr == "apio-simulator: nothing has changed since the seed\n"
        assert cli.json("diff") == {"since": "seed", "changes": []}

    def test_a_misspelt_snapshot_is_status_1_with_the_nearest_name(self, cli: Cli) -> None:
        cli.done("snapshot", "take", "start")
        result = cli("diff", "--since", "strat")
        assert (result.returncode, result.stdout) == (1, "")
        assert result.stderr == ("apio-simulator: the sandbox has no snapshot 'strat'; did you mean 'start'? (S-5)\n")


@pytest.mark.rule("S-5")
class TestSnapshot:
    def test_a_snapshot_is_taken_listed_restored_and_dropped(self, api: Api, cli: Cli) -> None:
        assert cli.done("snapshot", "take", "start") == ""
        api.ok("PUT", RECEPTION, {"maxCalls": 9})
        assert cli.done("snapshot", "restore", "start") == ""
        assert api.ok("GET", RECEPTION)["maxCalls"] == 7
        header, row = cli.done("snapshot", "list").splitlines()
        (listed,) = cli.json("snapshot", "list")["snapshots"]
        assert header.split() == ["NAME", "TAKEN", "AT"]
        assert row.split() == ["start", listed["takenAt"]]
        assert cli.done("snapshot", "drop", "start") == ""
        empty = cli("snapshot", "list")
        assert (empty.returncode, empty.stdout) == (0, "")
        assert empty.stderr == f"apio-simulator: no snapshots in the sandbox {cli.sandbox!r}\n"

    @pytest.mark.parametrize("name", ["seed", "a b", "../../reset"])
    def test_a_name_that_is_not_allowed_is_refused_by_the_server(self, cli: Cli, name: str) -> None:
        result = cli("snapshot", "take", name)
        assert (result.returncode, result.stdout) == (1, "")
        assert result.stderr.startswith("apio-simulator: ")
        assert cli.json("snapshot", "list") == {"snapshots": []}


@pytest.mark.rule("G-17")
class TestSandbox:
    def test_a_sandbox_is_made_listed_and_dropped(self, api: Api, cli: Cli, server: str) -> None:
        name = f"{cli.sandbox[:50]}-made"
        assert cli.done("sandbox", "create", name) == f"{server}/_sandboxes/{name}\n"
        header, *rows = cli.done("sandbox", "list").splitlines()
        assert header.split() == ["NAME", "AGE", "IDLE", "REQUESTS", "TENANTS", "USERS", "SNAPSHOTS", "FAULTS"]
        (row,) = [row.split() for row in rows if row.startswith(f"{name} ")]
        assert (row[2], row[4]) == ("s", "s")
        assert row[5:] == ["0", "3", "34", "0", "0"]
        listed = {each["name"] for each in cli.json("sandbox", "list")["sandboxes"]}
        assert {"default", cli.sandbox, name} <= listed
        assert cli.done("sandbox", "drop", name) == ""
        again = cli("sandbox", "drop", name)
        assert (again.returncode, again.stdout) == (1, "")
        assert "there is no such sandbox" in again.stderr

    def test_it_may_start_from_a_fixture_of_its_own(self, api: Api, cli: Cli, tmp_path: Path) -> None:
        file = tmp_path / "acme.yaml"
        file.write_text("version: 1\ndefaultDomain: d\ntenants: {acme: {type: Enterprise}}\n", encoding="utf-8")
        cli.done("sandbox", "create", cli.sandbox, "--fixture", str(file))
        assert list(api.arranged("GET", "state")["tenants"]) == ["acme"]

    @pytest.mark.rule("G-18")
    def test_a_faulty_fixture_is_status_2_with_file_and_line(self, cli: Cli, tmp_path: Path) -> None:
        file = tmp_path / "bad.yaml"
        file.write_text("version: 1\ndefaultDomain: d\ntenants:\n  acme: {type: Shop}\n", encoding="utf-8")
        result = cli("sandbox", "create", cli.sandbox, "--fixture", str(file))
        assert (result.returncode, result.stdout) == (2, "")
        assert result.stderr.startswith(f"{file}:4: /tenants/acme/type: must be one of")
        missing = cli("sandbox", "create", cli.sandbox, "--fixture", str(tmp_path / "none.yaml"))
        assert (missing.returncode, "cannot be read" in missing.stderr) == (2, True)


@pytest.mark.rule("S-4")
def test_the_format_of_a_state_is_that_of_the_option_or_else_of_the_file(api: Api, cli: Cli, tmp_path: Path) -> None:
    assert cli.json("state") == api.arranged("GET", "state")
    file = tmp_path / "state.json"
    cli.done("state", "--output", str(file), "--format", "yaml")
    assert file.read_text(encoding="utf-8").startswith("version: 1\n")


@pytest.mark.rule("S-7")
class TestRequests:
    @pytest.fixture
    def called(self, api: Api) -> Api:
        """A sandbox with three calls: a GET, a refused PUT, and a refused GET with an account."""
        api("GET", CAPACITIES)
        api("PUT", RECEPTION, {"maxCalls": 100000})
        api("GET", f"{CAPACITIES}reception/", headers={"Authorization": "Bearer foogroup-admin"})
        return api

    @pytest.mark.parametrize(
        ("options", "statuses"),
        [
            ([], [200, 400, 404]),
            (["--status", "4xx"], [400, 404]),
            (["--status", "404"], [404]),
            (["--operation", "updateCallCapacity"], [400]),
            (["--rule", "G-9"], [404]),
            (["--limit", "2"], [400, 404]),
            (["--status", "4xx", "--limit", "1"], [404]),
        ],
    )
    def test_it_shows_the_calls_that_match(
        self, called: Api, cli: Cli, options: list[str], statuses: list[int]
    ) -> None:
        assert [each["status"] for each in cli.json("requests", *options)["requests"]] == statuses
        lines = [line for line in cli.done("requests", *options).splitlines() if not line.startswith(" ")]
        assert [int(line.split()[3]) for line in lines] == statuses

    def test_with_verbose_it_shows_operation_and_bodies_too(self, called: Api, cli: Cli) -> None:
        text = cli.done("requests", "-v")
        accounts = [line.rpartition(" as ")[2] for line in text.splitlines() if " ms as " in line]
        assert accounts == ["anonymous", "anonymous", "groupadmin"]
        assert '             request   {"maxCalls":100000}\n' in text
        assert '             answer    {"errors":[{"code":40002,' in text
        assert "             operation updateCallCapacity\n" in text
        assert "request   no body" in text

    def test_with_follow_the_filters_hold_for_new_calls_and_json_is_one_call_a_line(
        self, called: Api, cli: Cli, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def show(text: str, shape: str) -> None:
            """Make two calls after the first one that is shown. After the second, press Ctrl-C."""
            output.show(text, shape)
            if "none/" in text:
                raise KeyboardInterrupt
            called("GET", CAPACITIES)
            called("GET", f"{CAPACITIES}none/")

        monkeypatch.setattr(calls, "show", show)
        lines = cli.done("requests", "--follow", "--status", "404", "--limit", "1", "--format", "json").splitlines()
        entries = [json.loads(line) for line in lines]
        assert [each["path"].rpartition("s/")[2] for each in entries] == ["reception/", "none/"]
        assert entries == called.arranged("GET", "requests?status=404")["requests"]

    def test_a_body_cannot_steer_a_terminal(self, api: Api, cli: Cli) -> None:
        api("PUT", RECEPTION, content=b"\x1b[31m\xc2\x9b31m" + b"x" * 70_000)
        text = cli.done("requests", "--verbose")
        assert "\x1b" not in text
        assert "\x9b" not in text
        assert "(70010 bytes)" in text

    def test_an_unknown_name_is_status_1_with_the_nearest_one(self, cli: Cli) -> None:
        result = cli("requests", "--operation", "getAlertin")
        assert (result.returncode, result.stdout) == (1, "")
        assert result.stderr == (
            "apio-simulator: there is no operation 'getAlertin'; did you mean 'getAlerting'? (S-7)\n"
        )
        assert "did you mean 'CC-7'?" in cli("requests", "--rule", "CC-77").stderr
        assert "such as `404`" in cli("requests", "--status", "none").stderr

    def test_it_says_that_no_call_matches(self, called: Api, cli: Cli) -> None:
        result = cli("requests", "--status", "500")
        assert (result.returncode, result.stdout) == (0, "")
        assert result.stderr == f"apio-simulator: no such calls in the sandbox {cli.sandbox!r}\n"


@pytest.mark.rule("S-6")
class TestFault:
    def test_a_fault_is_added_listed_and_cleared(self, api: Api, cli: Cli) -> None:
        added = cli.done("fault", "add", "getAlerting", "--status", "503", "--retry-after", "2", "--times", "1")
        warning = "  warning: the status 503 is not documented by getAlerting\n"
        text = "1 getAlerting after=0 times=1 status=503 retryAfter=2 hits="
        assert added == f"{text}0\n{warning}"
        assert api("GET", f"{EXECUTIVE}alerting/").status_code == 503
        assert cli.done("fault", "list") == f"{text}1\n{warning}"
        cli.done("fault", "add", "*", "--delay-ms", "1")
        cli.done("fault", "clear", "1")
        assert [each["operationId"] for each in cli.json("fault", "list")["faults"]] == ["*"]
        cli.done("fault", "clear")
        empty = cli("fault", "list")
        assert (empty.returncode, empty.stdout) == (0, "")
        assert empty.stderr == f"apio-simulator: no faults in the sandbox {cli.sandbox!r}\n"

    def test_its_options_are_the_attributes_of_the_contract(self, simulation: Simulation) -> None:
        schema = simulation.control_contract.document.find("/components/schemas/FaultInjection")["properties"]
        names = {"".join(f"-{each.lower()}" if each.isupper() else each for each in name) for name in schema}
        command = every_command(main)["fault add"]
        options = {option.removeprefix("--") for each in command.params for option in each.opts}
        assert options - {"format", "url", "sandbox", "control-token"} == (names - {"operation-id"}) | {"operation"}
        (abort,) = [each for each in command.params if each.name == "abort"]
        assert list(abort.type.choices) == schema["abort"]["enum"]  # type: ignore[attr-defined]  # it is a Choice

    def test_all_attributes_are_sent(self, cli: Cli) -> None:
        given = {
            "tenantId": "foo",
            "groupId": "foogroup",
            "userId": "foouser",
            "after": 1,
            "times": 2,
            "delayMs": 3,
            "status": 503,
            "body": {"message": "dówn"},
            "retryAfter": 4,
            "abort": "truncate",
        }
        options = ["--tenant-id", "foo", "--group-id", "foogroup", "--user-id", "foouser", "--after", "1"]
        options += ["--times", "2", "--delay-ms", "3", "--status", "503", "--body", '{"message": "dówn"}']
        added = cli.json("fault", "add", "getAlerting", *options, "--retry-after", "4", "--abort", "truncate")
        assert {name: added[name] for name in given} == given
        assert 'body={"message": "dówn"}' in cli.done("fault", "list")

    @pytest.mark.parametrize(
        ("arguments", "status", "words"),
        [
            (["getAlertin", "--status", "503"], 1, "did you mean 'getAlerting'? (S-6)"),
            (["getAlerting"], 1, "does nothing: give delayMs, status or abort (S-6)"),
            (["getAlerting", "--status", "99"], 1, "/status must be 200 or more, not 99"),
            (["getAlerting", "--status", "503", "--body", "{"], 2, "'{' is no JSON"),
            (["getAlerting", "--status", "503", "--body", "[" * 100_000], 2, "is no JSON"),
            (["getAlerting", "--status", "503", "--body", "NaN"], 2, "'NaN' is no JSON"),
            (["getAlerting", "--status", "503", "--body", "[1]"], 1, "/body must be an object"),
            (["getAlerting", "--abort", "explode"], 2, "'explode' is not one of 'close', 'truncate'"),
            ([], 2, "Missing argument 'OPERATION'"),
        ],
    )
    def test_a_mistake_is_said_and_nothing_is_injected(
        self, cli: Cli, arguments: list[str], status: int, words: str
    ) -> None:
        result = cli("fault", "add", *arguments)
        assert (result.returncode, result.stdout) == (status, "")
        assert words in result.stderr
        assert cli.json("fault", "list") == {"faults": []}


class TestRule:
    def test_it_shows_statement_basis_source_and_what_it_is_tested_by(self, simulation: Simulation) -> None:
        result = run("rule", "CC-7")
        assert (result.returncode, result.stderr) == (0, "")
        text, rule = " ".join(result.stdout.split()), simulation.ledger["CC-7"]
        assert text.startswith(
            f"CC-7 {rule.statement} basis assumed source {rule.source} operations createCallCapacity,"
        )
        assert "createCallCapacity: 400, the group has no user 'nobody'" in text
        assert "curl --path-as-is -X POST" in text

    def test_for_a_program_it_has_the_rule_its_operations_and_all_its_refusals(self, simulation: Simulation) -> None:
        rule = json.loads(run("rule", "CC-7", "--format", "json").stdout)
        (listed,) = [each for each in simulation.rules()["rules"] if each["id"] == "CC-7"]
        assert {name: rule[name] for name in listed} == listed
        assert "updateCallCapacity" in rule["operations"]
        assert rule["errors"] == [each for each in simulation.errors()["errors"] if each["rule"] == "CC-7"]

    def test_it_says_which_options_a_server_needs_and_that_a_rule_refuses_nothing(self, simulation: Simulation) -> None:
        assert "\n              serve --auth required\n" in rule_text(simulation.rule("A-6"))
        assert rule_text(simulation.rule("G-13")).endswith("this rule alone refuses nothing")

    @pytest.mark.rule("S-14")
    def test_it_shows_the_choices_that_a_profile_has(self) -> None:
        shown = " ".join(run("rule", "G-1").stdout.split())
        for name, text in load_ledger()["G-1"].choices.items():
            assert f"choice {name} (with a profile): {text}" in shown
        assert "choice " not in run("rule", "CC-2").stdout

    def test_without_an_argument_it_lists_all(self, simulation: Simulation) -> None:
        lines = run("rule").stdout.splitlines()
        assert [line.split()[0] for line in lines] == list(simulation.ledger)
        assert json.loads(run("rule", "--format", "json").stdout) == simulation.rules()

    @pytest.mark.parametrize("wrong", ["CC-77", "cc-7"])
    def test_an_unknown_one_is_status_2_with_the_nearest_id(self, wrong: str) -> None:
        result = run("rule", wrong)
        assert (result.returncode, result.stdout) == (2, "")
        assert f"the ledger has no rule {wrong!r}; did you mean 'CC-7'?" in result.stderr


def test_errors_of_an_unknown_operation_is_status_2_with_the_nearest_one() -> None:
    result = run("errors", "listCallCapacites")
    assert (result.returncode, result.stdout) == (2, "")
    assert "the catalogue has no operation 'listCallCapacites'; did you mean 'listCallCapacities'?" in result.stderr


class TestColours:
    def test_statuses_and_signs_have_a_colour_on_a_terminal(self, api: Api, cli: Cli) -> None:
        api.ok("PUT", RECEPTION, {"maxCalls": 9})
        api("GET", f"{CAPACITIES}reception/")
        assert " \x1b[32m200\x1b[0m " in cli.coloured("requests")
        assert " \x1b[33m404\x1b[0m " in cli.coloured("requests", "-v")
        assert cli.coloured("diff").startswith("\x1b[33m~\x1b[0m /tenants")

    def test_elsewhere_there_are_none(self, api: Api, cli: Cli) -> None:
        api.ok("PUT", RECEPTION, {"maxCalls": 9})
        for command in ("requests", "diff"):
            assert "\x1b" not in cli.done(command)
            assert "\x1b" not in cli.coloured(command, "--format", "json")

    def test_the_user_decides(self, api: Api, cli: Cli) -> None:
        api.ok("PUT", RECEPTION, {"maxCalls": 9})
        assert "\x1b" not in cli.coloured("diff", NO_COLOR="1")
        assert "\x1b" in cli.coloured("diff", NO_COLOR="")
        assert "\x1b" in run("diff", **cli.environment, FORCE_COLOR="1").stdout
        assert "\x1b" not in run("diff", **cli.environment, FORCE_COLOR="1", NO_COLOR="1").stdout


class TestProgress:
    @pytest.fixture
    def told(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        """What the commands tell a terminal about their progress."""
        told: list[str] = []

        @contextmanager
        def shown(name: str, _: object) -> Iterator[Progress]:
            yield lambda stage, fraction: told.append(
                f"{name}: {stage}{'' if fraction is None else f' {fraction:.0%}'}"
            )

        monkeypatch.setattr(progress, "shown", shown)
        return told

    def test_a_command_that_may_take_long_says_what_it_does(self, cli: Cli, told: list[str], tmp_path: Path) -> None:
        cli.json("state")
        cli.json("diff")
        cli.done("sandbox", "create", cli.sandbox)
        assert told == [
            f"state of {cli.sandbox}: waiting for the answer",
            f"diff of {cli.sandbox}: waiting for the answer",
            f"{cli.sandbox}: making the sandbox",
        ]

    def test_a_merge_of_coverage_says_which_file_it_reads(self, cli: Cli, told: list[str], tmp_path: Path) -> None:
        files = [tmp_path / "a.json", tmp_path / "b.json"]
        for file in files:
            file.write_text(cli.done("coverage", "--format", "json"), encoding="utf-8")
        cli.done("coverage", "--merge", *map(str, files))
        assert told == ["coverage: reading a.json 0%", "coverage: reading b.json 50%", "coverage: adding up"]

    def test_of_a_large_answer_it_says_how_much_has_come(
        self, api: Api, cli: Cli, told: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        state = api.control("GET", "state", headers={"Accept": "application/yaml"}).text
        monkeypatch.setattr(client, "CHUNK", len(state.encode()) // 3 + 1)
        assert cli.done("state") == state
        parts = [each.partition(": ")[2] for each in told]
        assert parts == ["waiting for the answer", "receiving 0%", "receiving 33%", "receiving 67%"]


def test_an_answer_that_is_cut_short_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "CHUNK", 4)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nversion: 1")

        thread = threading.Thread(target=answer)
        thread.start()
        result = run("state", "--url", f"http://127.0.0.1:{listener.getsockname()[1]}")
        thread.join()
    assert (result.returncode, result.stdout) == (1, "")
    assert "IncompleteRead(10 bytes read, 90 more expected)" in result.stderr
