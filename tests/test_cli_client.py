"""The commands that talk to a running server."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import httpx
import pytest
from click.testing import CliRunner

from simulator.app import Simulation
from simulator.cli import calls, main
from simulator.client import Client
from simulator.settings import Settings
from simulator.state.world import World
from tests.conftest import CAPACITIES, EXECUTIVE, Api, python, run, served, wait_until


def about(api: Api, server: str) -> tuple[str, ...]:
    """Return the options that select the sandbox of a test."""
    return "--url", server, "--sandbox", api.root.rpartition("/")[2]


def made_up(**changes: Any) -> dict[str, Any]:
    """Return the coverage of one operation, as written by hand."""
    operation = {
        "operationId": "x",
        "method": "GET",
        "path": "/x/",
        "hits": 1,
        "statuses": {"200": {"documented": True, "hits": 1}},
        "rules": {},
        "assumed": {},
        "ignored": {},
    }
    totals = {"operations": 1, "operationsHit": 1, "statuses": 1, "statusesHit": 1}
    return {"sandbox": "s", "operations": [{**operation, **changes}], "undocumented": [], "totals": totals}


@pytest.fixture
def nobody() -> str:
    """The address of a port where no server listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture
def stranger() -> Iterator[str]:
    """The address of a server that is no simulator."""

    class Answering(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"hello")

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Answering)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


class TestWait:
    def test_it_ends_with_0_when_the_server_is_healthy(self, server: str) -> None:
        assert run("wait", "--url", server).returncode == 0
        assert run("wait", APIO_SIMULATOR_URL=f"{server}/").returncode == 0
        assert run("wait", "--url", server, http_proxy="http://127.0.0.1:9", NO_PROXY="").returncode == 0

    def test_it_waits_for_a_server_that_is_still_to_come(self, simulation: Simulation, world: World) -> None:
        with socket.create_server(("127.0.0.1", 0)) as nobody_yet:
            nobody_yet.settimeout(20)
            port = nobody_yet.getsockname()[1]
            command = [sys.executable, "-m", "simulator", "wait", "--url", f"http://127.0.0.1:{port}"]
            waiting = subprocess.Popen([*command, "--timeout", "20"])
            asked_in_vain, _ = nobody_yet.accept()
            asked_in_vain.close()
        with served(simulation.app(world), port=port):
            assert waiting.wait(20) == 0

    def test_it_ends_with_1_and_a_reason_when_the_time_is_over(self, nobody: str, stranger: str) -> None:
        result = run("wait", "--url", nobody, "--timeout", "0.3")
        assert (result.returncode, result.stdout) == (1, "")
        start = f"Start one with: apio-simulator serve --port {nobody.rpartition(':')[2]}"
        assert result.stderr == f"apio-simulator: no simulator answers at {nobody}: Connection refused. {start}\n"
        result = run("wait", "--url", f"{stranger}/", "--timeout", "2")
        assert (result.returncode, result.stderr) == (
            1,
            f"apio-simulator: what answers at {stranger}/ is no simulator. Name the address of one with --url.\n",
        )

    def test_without_an_address_it_asks_at_the_port_of_the_environment(self, server: str) -> None:
        port = server.rpartition(":")[2]
        assert run("wait", APIO_SIMULATOR_PORT=port).returncode == 0
        assert run("reset", APIO_SIMULATOR_PORT=port).returncode == 0
        elsewhere = run("wait", "--timeout", "0", APIO_SIMULATOR_PORT="1")
        assert "no simulator answers at http://127.0.0.1:1:" in elsewhere.stderr
        assert run("wait", APIO_SIMULATOR_PORT="1", APIO_SIMULATOR_URL=server).returncode == 0
        assert run("wait", "--url", server, APIO_SIMULATOR_PORT="x").returncode == 0

    @pytest.mark.parametrize("port", ["0", "65536", "x"])
    def test_a_port_of_the_environment_that_none_can_call_is_a_mistake(self, port: str) -> None:
        result = run("wait", APIO_SIMULATOR_PORT=port)
        assert result.returncode == 2
        assert f"APIO_SIMULATOR_PORT: {port if port.isdecimal() else repr(port)} is not" in result.stderr
        assert "Name the server to talk to with --url." in result.stderr

    def test_it_does_not_load_the_simulator(self) -> None:
        program = (
            "import sys, simulator.cli, simulator.client; print([n for n in ('flask', 'yaml') if n in sys.modules])"
        )
        assert python("-c", program).stdout.strip() == "[]"

    @pytest.mark.rule("S-2")
    def test_it_needs_no_token_and_no_control_interface(self, simulation: Simulation, world: World) -> None:
        with served(simulation.app(world, Settings(control_token="t", control=False))) as server:
            assert run("wait", "--url", server.url).returncode == 0


class TestCommands:
    @pytest.mark.rule("S-5")
    def test_reset_takes_a_sandbox_back_to_its_seed(self, api: Api, server: str) -> None:
        api.ok("DELETE", f"{CAPACITIES}Reception/")
        result = run("reset", *about(api, server))
        assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
        assert api("GET", f"{CAPACITIES}Reception/").status_code == 200

    @pytest.mark.rule("S-4")
    @pytest.mark.parametrize("name", ["state.yaml", "state.json"])
    def test_a_saved_state_is_a_fixture(
        self, api: Api, server: str, simulation: Simulation, tmp_path: Path, name: str
    ) -> None:
        api.ok("DELETE", f"{CAPACITIES}Reception/")
        file = tmp_path / name
        assert run("state", "--output", str(file), *about(api, server)).returncode == 0
        assert simulation.fixtures.content_of(simulation.fixtures.world_of_file(file)) == api.arranged("GET", "state")
        assert run("state", *about(api, server)).stdout.startswith("version: 1\ndefaultDomain: sip.netaxis.be\n")
        assert file.read_text().startswith("{" if name.endswith("json") else "version: 1\n")

    def test_a_file_that_cannot_be_written_is_said(self, api: Api, server: str, tmp_path: Path) -> None:
        result = run("state", "--output", str(tmp_path / "none" / "x.yaml"), *about(api, server))
        assert result.returncode == 2
        assert "cannot be written: No such file or directory" in result.stderr

    @pytest.mark.rule("S-7")
    def test_requests_shows_the_calls_and_why_they_were_refused(self, api: Api, server: str) -> None:
        api("GET", f"{CAPACITIES}?a=1")
        api("GET", f"{CAPACITIES}reception/")
        lines = run("requests", *about(api, server)).stdout.splitlines()
        assert len(lines) == 3
        assert f" GET /api/v1/{CAPACITIES}?a=1 200 " in lines[0]
        assert f" GET /api/v1/{CAPACITIES}reception/ 404 " in lines[1]
        assert "Did you mean 'Reception'?" in lines[2]

    def test_requests_follows_until_ctrl_c(self, api: Api, server: str) -> None:
        api("GET", CAPACITIES)
        command = [sys.executable, "-m", "simulator", "requests", "--follow", *about(api, server)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as following:
            assert following.stdout is not None
            assert following.stdout.readline().split()[1] == "GET"
            api("DELETE", f"{CAPACITIES}Reception/")
            assert following.stdout.readline().split()[1] == "DELETE"
            following.send_signal(signal.SIGINT)
            out, err = following.communicate(timeout=10)
        assert (following.returncode, out, err) == (0, "", "")

    @pytest.mark.rule("S-13")
    def test_it_goes_on_after_a_break_and_says_so(
        self, simulation: Simulation, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(calls, "RETRY_SECONDS", 0.05)
        shown: list[str] = []
        with served(simulation.app(world)) as server:
            port = server.port
            httpx.get(f"{server.url}/api/v1/{CAPACITIES}1/")
            broken = threading.Event()

            def show(text: str, _: str) -> None:
                shown.append(text)
                if len(shown) == 1:
                    threading.Thread(target=break_off).start()
                elif "/2/" in text:
                    raise KeyboardInterrupt

            def break_off() -> None:
                wait_until(lambda: server.streams)
                server.stop()
                broken.set()

            def restart() -> None:
                broken.wait(10)
                with served(simulation.app(world), port=port) as again:
                    httpx.get(f"{again.url}/api/v1/{CAPACITIES}2/")
                    wait_until(lambda: len(shown) == 2)

            monkeypatch.setattr(calls, "show", show)
            restarting = threading.Thread(target=restart)
            restarting.start()
            result = run("requests", "--follow", "--url", server.url)
            restarting.join()
        assert result.returncode == 0
        assert [text.split()[2].rpartition("s/")[2] for text in shown] == ["1/", "2/"]
        assert result.stderr.endswith("apio-simulator: the server has started again\n")

    @pytest.mark.rule("S-13")
    def test_it_says_when_calls_are_gone(self, api: Api, server: str, monkeypatch: pytest.MonkeyPatch) -> None:
        def show(text: str, _: str) -> None:
            if "/2/" in text:
                raise KeyboardInterrupt
            api.arranged("DELETE", "requests")
            api("GET", f"{CAPACITIES}2/")

        api("GET", f"{CAPACITIES}1/")
        monkeypatch.setattr(calls, "show", show)
        result = run("requests", "--follow", *about(api, server))
        assert result.returncode == 0
        assert result.stderr == "apio-simulator: the journal was cleared, or has lost calls before these\n"

    @pytest.mark.rule("S-2")
    def test_the_token_is_sent(self, simulation: Simulation, world: World) -> None:
        with served(simulation.app(world, Settings(control_token="t"))) as server:
            refused = run("reset", "--url", server.url)
            given = run("reset", "--url", server.url, APIO_SIMULATOR_CONTROL_TOKEN="t")
        assert (refused.returncode, given.returncode) == (1, 0)
        assert "the simulator runs with --control-token" in refused.stderr

    @pytest.mark.rule("S-2")
    @pytest.mark.parametrize("command", ["reset", "state", "requests", "coverage"])
    @pytest.mark.parametrize(
        ("arguments", "environment"),
        [
            (["--control-token", ""], {}),
            (["--control-token", " t"], {}),
            ([], {"APIO_SIMULATOR_CONTROL_TOKEN": ""}),
        ],
    )
    def test_an_empty_token_is_an_error(
        self, server: str, command: str, arguments: list[str], environment: dict[str, str]
    ) -> None:
        result = run(command, "--url", server, *arguments, **environment)
        assert (result.returncode, result.stdout) == (2, "")
        assert "control_token must be a text that is not empty" in result.stderr
        assert "APIO_SIMULATOR_CONTROL_TOKEN" in result.stderr

    @pytest.mark.parametrize("command", ["reset", "state", "requests", "coverage"])
    def test_without_a_server_there_is_a_message_and_status_1(self, nobody: str, command: str) -> None:
        result = run(command, "--url", nobody)
        assert (result.returncode, result.stdout) == (1, "")
        start = f"Start one with: apio-simulator serve --port {nobody.rpartition(':')[2]}"
        assert result.stderr == f"apio-simulator: no simulator answers at {nobody}: Connection refused. {start}\n"

    @pytest.mark.parametrize(
        "url",
        [
            "127.0.0.1:4080",
            "file:///etc/passwd",
            "",
            "http://127.0.0.1:4080/_sandboxes/x",
            "http://127.0.0.1:4080/_replicas/",
            "http://127.0.0.1:4080/_replicas/r1/_simulator",
            "http://127.0.0.1:65536",
            "http://127.0.0.1:0",
            "http://127.0.0.1:x",
            "http://[",
        ],
    )
    def test_an_address_that_is_none_is_a_mistake(self, url: str) -> None:
        result = run("reset", "--url", url)
        assert result.returncode == 2
        assert "is no address of a server; write it like http://127.0.0.1:4080" in result.stderr

    @pytest.mark.rule("G-17")
    @pytest.mark.parametrize("command", ["requests", "state", "coverage"])
    def test_of_a_sandbox_that_does_not_exist_it_says_so(self, api: Api, server: str, command: str) -> None:
        name = api.root.rpartition("/")[2]
        result = run(command, "--url", server, "--sandbox", name[1:])
        assert (result.returncode, result.stdout) == (1, "")
        assert f"no such sandbox: '{name[1:]}'; did you mean '{name}'? (G-17)" in result.stderr

    @pytest.mark.parametrize(
        "command",
        ["sandbox create", "sandbox drop", "snapshot take", "snapshot restore", "snapshot drop", "fault clear"],
    )
    def test_an_empty_name_is_a_mistake_and_nothing_is_asked(self, command: str) -> None:
        result = run(*command.split(), "", "--url", "http://127.0.0.1:1")
        assert result.returncode == 2
        assert "it is empty; perhaps a variable of the shell is not set" in result.stderr

    def test_a_sandbox_that_is_none_is_refused_by_the_server(self, server: str) -> None:
        result = run("reset", "--url", server, "--sandbox", "a b")
        assert result.returncode == 1
        assert "'a%20b' cannot be the name of a sandbox: a name is 1 to 64 letters" in result.stderr


@pytest.mark.rule("S-8")
class TestCoverage:
    @pytest.fixture
    def half(self, api: Api) -> Api:
        """A sandbox with calls of four operations, one with an undocumented status, one with an ignored attribute."""
        api("GET", CAPACITIES)
        api("PUT", f"{CAPACITIES}Reception/", {"maxCalls": -1})
        api.arranged("POST", "faults", {"operationId": "getAlerting", "status": 503})
        api("GET", f"{EXECUTIVE}alerting/")
        api("GET", "<nowhere>/")
        api("PUT", f"{EXECUTIVE}filtering/", {"criteria": [{"name": "foocriteria", "filter": True}]})
        return api

    def test_as_text_it_says_what_was_called_and_what_is_missing(self, half: Api, server: str) -> None:
        lines = run("coverage", *about(half, server)).stdout.splitlines()
        assert len(lines) == 26
        assert lines[0].split() == ["login", "0", "never", "called"]
        assert "updateCallCapacity                  1  400 (1)  missing 200 401" in lines[5]
        assert "503 (1, not documented)" in lines[14]
        assert lines[20] == "called, not documented: GET /api/v1/<nowhere>/ 404 (1)"
        assert lines[21] == "sent, ignored: updateFiltering /criteria/*/filter (1)"
        assert lines[22] == (
            "rests on assumed A-6: listCallCapacities (1), updateCallCapacity (1), updateFiltering (1)"
        )
        assert lines[23] == "rests on assumed G-13: listCallCapacities (1), updateFiltering (1)"
        assert lines[24] == "rests on assumed EX-6: updateFiltering (1)"
        assert lines[25].startswith("4 of 20 operations (20 %), 3 of 129 documented statuses (2 %)")

    def test_as_json_it_is_what_the_server_says(self, half: Api, server: str) -> None:
        assert json.loads(run("coverage", "--format", "json", *about(half, server)).stdout) == half.arranged(
            "GET", "coverage"
        )

    def test_as_junit_an_operation_never_called_is_a_failure(self, half: Api, server: str) -> None:
        suite = ElementTree.fromstring(run("coverage", "--format", "junit", *about(half, server)).stdout)
        assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("149", "16", "126")
        assert len(suite) == 149
        operations = [case for case in suite if case.get("classname") == "operations"]
        assert [case.get("name") for case in operations if case.find("failure") is None] == [
            "listCallCapacities",
            "updateCallCapacity",
            "updateFiltering",
            "getAlerting",
        ]
        seen = [case for case in suite if case not in operations and case.find("skipped") is None]
        assert [(case.get("classname"), case.get("name")) for case in seen] == [
            ("statuses.listCallCapacities", "200"),
            ("statuses.updateCallCapacity", "400"),
            ("statuses.updateFiltering", "200"),
        ]

    def test_as_html_it_is_one_page_that_loads_nothing(self, half: Api, server: str) -> None:
        page = run("coverage", "--format", "html", *about(half, server)).stdout
        assert page.startswith("<!doctype html>")
        assert "//" not in page
        assert "GET /api/v1/&lt;nowhere&gt;/" in page
        assert page.index(">login<") < page.index(">listCallCapacities<")
        assert "<code>/criteria/*/filter</code>" in page
        assert "G-13" in page
        assert not re.search("<a |<script|<link (?!rel=.icon)", page)

    @pytest.mark.parametrize(("least", "status"), [("20", 0), ("20.1", 1), ("100", 1), ("0", 0), ("nan", 1)])
    def test_too_little_of_it_is_status_1(self, half: Api, server: str, least: str, status: int) -> None:
        result = run("coverage", "--fail-under", least, *about(half, server))
        assert result.returncode == status
        assert ("20.0 % of the operations were called, not" in result.stderr) is (status == 1)

    @pytest.mark.parametrize(("least", "status"), [("2.3", 0), ("2.4", 1)])
    def test_too_few_of_the_statuses_are_status_1_too(self, half: Api, server: str, least: str, status: int) -> None:
        result = run("coverage", "--fail-under", "1", "--fail-under-statuses", least, *about(half, server))
        assert result.returncode == status
        assert ("2.3 % of the statuses were seen, not 2.4 %" in result.stderr) is (status == 1)

    def test_several_runs_are_added_up(self, half: Api, server: str, tmp_path: Path) -> None:
        files = [str(tmp_path / name) for name in ("a.json", "b.json")]
        for file in files:
            Path(file).write_text(run("coverage", "--format", "json", *about(half, server)).stdout, encoding="utf-8")
            half("GET", CAPACITIES)
            half("GET", "<nowhere>/")
        one = json.loads(run("coverage", "--merge", files[0], "--format", "json").stdout)
        both = json.loads(run("coverage", "--merge", *files, "--format", "json").stdout)
        (first,) = [each for each in one["operations"] if each["operationId"] == "listCallCapacities"]
        (sums,) = [each for each in both["operations"] if each["operationId"] == "listCallCapacities"]
        assert one == json.loads(Path(files[0]).read_text(encoding="utf-8"))
        assert (first["hits"], sums["hits"], sums["statuses"]["200"]["hits"]) == (1, 3, 3)
        assert sums["assumed"] == {"A-6": 3, "G-13": 3}
        assert [call["hits"] for call in both["undocumented"]] == [3]
        assert both["totals"] == one["totals"]
        assert run("coverage", "--merge", *files, "--fail-under", "21").returncode == 1

    def test_the_coverage_of_all_sandboxes_outlives_them(self, half: Api, server: str) -> None:
        def calls() -> int:
            answer = json.loads(run("coverage", "--url", server, "--sandbox", "*", "--format", "json").stdout)
            assert answer["sandbox"] == "*"
            return sum(each["hits"] for each in answer["operations"] if each["operationId"] == "getCriterion")

        before = calls()
        half("GET", f"{EXECUTIVE}criteria/foocriteria/")
        assert calls() == before + 1
        half.reset()
        assert calls() == before + 1
        assert half.arranged("GET", "coverage?sandbox=*")["sandbox"] == "*"
        assert half.control("GET", "coverage?sandbox=x").status_code == 400

    @pytest.mark.parametrize(
        ("content", "words"),
        [
            (None, "cannot be read: No such file"),
            ("", "holds no coverage; write one with"),
            ("[" * 5000, "holds no coverage; write one with"),
            ("[]", "holds no coverage"),
            ("null", "holds no coverage"),
            ('{"operations": [{"operationId": "x"}], "undocumented": []}', "holds no coverage"),
            (json.dumps(made_up(operationId=7)), "/operations/0/operationId must be a string"),
            (json.dumps(made_up(hits=-1)), "/operations/0/hits must be 0 or more"),
        ],
    )
    def test_a_file_that_is_no_coverage_is_named(self, tmp_path: Path, content: str | None, words: str) -> None:
        file = tmp_path / "c.json"
        if content is not None:
            file.write_text(content, encoding="utf-8")
        result = run("coverage", "--merge", str(file))
        assert (result.returncode, result.stdout) == (2, "")
        assert result.stderr.startswith(f"{file}: ")
        assert words in result.stderr

    def test_a_file_by_hand_can_put_nothing_into_a_page_or_a_suite(self, tmp_path: Path) -> None:
        evil, file = "<script>\x1b\x00", tmp_path / "c.json"
        statuses = {evil: {"documented": True, "hits": 2**63}}
        names = {"method": evil, "path": evil, "operationId": evil, "rules": {evil: 1}, "ignored": {evil: 1}}
        file.write_text(json.dumps(made_up(statuses=statuses, assumed={evil: 1}, **names)), encoding="utf-8")
        page = run("coverage", "--merge", str(file), str(file), "--format", "html").stdout
        assert "<script>" not in page
        assert "&lt;script&gt;" in page
        suite = ElementTree.fromstring(run("coverage", "--merge", str(file), "--format", "junit").stdout)
        assert suite[0].get("name") == r"<script>\x1b\x00"
        assert run("coverage", "--merge", str(file), str(file), "--format", "json").returncode == 0

    @pytest.mark.parametrize("shape", ["json", "junit", "html"])
    def test_what_programs_read_is_utf_8_wherever_it_goes(self, tmp_path: Path, shape: str) -> None:
        file = tmp_path / "c.json"
        file.write_text(json.dumps(made_up(operationId="größer→")), encoding="utf-8")
        done = CliRunner(charset="cp1252").invoke(main, ["coverage", "--merge", str(file), "--format", shape])
        assert "größer→" in done.stdout_bytes.decode("utf-8")

    def test_nothing_is_fully_covered(self, tmp_path: Path) -> None:
        file = tmp_path / "c.json"
        file.write_text(json.dumps({**made_up(), "operations": []}), encoding="utf-8")
        assert run("coverage", "--merge", str(file)).stdout.startswith("0 of 0 operations (0 %)")

    @pytest.mark.parametrize("arguments", [["--merge"], ["a.json"]])
    def test_files_and_merge_go_together(self, arguments: list[str]) -> None:
        assert "--merge goes with the files to add up" in run("coverage", *arguments).stderr


def test_what_clients_send_cannot_steer_a_terminal(api: Api, server: str) -> None:
    api("GET", f"{CAPACITIES}?a%1b%5B31m%0aFAKE=1")
    api("GET", "x%1b%5B31mRED%0aFAKE/")
    for command in ("coverage", "requests"):
        output = run(command, *about(api, server)).stdout
        assert "\x1b" not in output
        assert not any(line.startswith("FAKE") for line in output.splitlines())
        assert r"x\x1b[31mRED\nFAKE/" in output
    assert r"?a\x1b[31m\nFAKE" in run("coverage", *about(api, server)).stdout
    assert "\x1b" not in run("coverage", "--format", "html", *about(api, server)).stdout


def test_ctrl_c_ends_a_command_as_not_done(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> bytes:
        raise KeyboardInterrupt

    monkeypatch.setattr(Client, "call", interrupted)
    result = run("reset", "--url", server)
    assert (result.returncode, result.stdout, result.stderr) == (130, "", "")
