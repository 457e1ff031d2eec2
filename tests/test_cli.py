"""The command line: how it reports mistakes, and `serve` in its own process."""

from __future__ import annotations

import contextlib
import errno
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from subprocess import PIPE
from typing import ClassVar

import httpx
import pytest

from simulator import __version__
from simulator.app import shipped
from simulator.cli import main
from simulator.cli.client import own_address
from simulator.server import SIGNAL_SECONDS
from tests.conftest import CAPACITIES, Api, python, run, serving_process

RECEPTION = f"/api/v1/{CAPACITIES}Reception/"


class TestServe:
    def test_it_says_who_it_is_and_ends_its_banner_with_ready(self) -> None:
        with serving_process() as server:
            assert server.banner[0].startswith(f"apio-simulator {__version__} at http://127.0.0.1:")
            assert server.banner[-1] == "Ready."
            text = "\n".join(server.banner)
            assert "default.yaml: 3 tenants" in text
            assert "  account   groupadmin: Group Admin of foo/foogroup\n" in text
            assert "foogroup-admin" not in text
            assert f"console   {server.url}/" in text
            assert not server.url.endswith(":0")
            assert httpx.get(server.url + RECEPTION).json()["maxCalls"] == 7

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_it_ends_soon(self, number: int) -> None:
        with serving_process() as server:
            assert httpx.get(server.url + RECEPTION).status_code == 200
            server.stop(number)
            assert server.process.returncode == 0
            with pytest.raises(httpx.ConnectError):
                httpx.get(server.url)

    def test_it_does_not_end_by_itself(self) -> None:
        with serving_process() as server:
            with pytest.raises(subprocess.TimeoutExpired):
                server.process.wait(2.2 * SIGNAL_SECONDS)
            server.stop()
            assert server.process.returncode == 0

    def test_it_ends_while_it_still_starts(self) -> None:
        program = (
            "import os, signal, simulator.app, simulator.cli\n"
            "simulator.app.Simulation.app = lambda *_: os.kill(os.getpid(), signal.SIGTERM)\n"
            "simulator.cli.main(['serve', '--port', '0'])"
        )
        done = python("-c", program)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

    def test_a_connection_is_kept_alive(self, api: Api, server: str) -> None:
        with contextlib.closing(http.client.HTTPConnection(server.removeprefix("http://"))) as connection:
            connection.connect()
            first = connection.sock
            for method, path in [
                ("GET", api.root + RECEPTION),
                ("POST", f"{api.root}/_simulator/reset"),
                ("DELETE", api.root + RECEPTION),
                ("GET", "/"),
            ]:
                connection.request(method, path)
                connection.getresponse().read()
                assert connection.sock is first

    def test_with_json_every_line_is_json_from_the_start_to_the_stop_and_has_the_names_of_the_journal(self) -> None:
        with serving_process("--log-format", "json", "--host", "0.0.0.0") as server:
            for path in ("/_simulator/health", "/api/v1/none", *2 * ["/_sandboxes/one" + RECEPTION], RECEPTION):
                httpx.get(server.url + path, headers={"Authorization": "Bearer foogroup-admin"})
            journal = [
                call
                for base in ("", "/_sandboxes/one")
                for call in httpx.get(f"{server.url}{base}/_simulator/requests").json()["requests"]
            ]
            server.stop()
            assert server.process.stderr is not None
            log = server.process.stderr.read()
            assert server.process.returncode == 0, log
        (banner,) = map(json.loads, server.banner)
        assert (banner["message"], banner["url"], banner["host"]) == ("Ready.", server.url, "0.0.0.0")
        assert "foogroup-admin" not in server.banner[0]
        first, *entries, last = map(json.loads, log.splitlines())
        assert first["message"] == f"apio-simulator {__version__} starts at {server.url}"
        assert last["message"] == "stopped by SIGTERM"
        assert [entry["path"] for entry in entries] == ["/api/v1/none", *3 * [RECEPTION], *2 * ["/_simulator/requests"]]
        assert entries[0]["rule"] == "G-1"
        calls = {call["id"]: call for call in journal}
        for entry in entries[:4]:
            call = calls[entry["id"]]
            assert {*call} - {*entry} <= {"query", "request", "response", "basis", "assumed", "ignored", "explanation"}
            for name in {*entry} - {"time", "level", "durationMs"}:
                assert entry[name] == call[name]
            assert entry["durationMs"] == pytest.approx(call["durationMs"], abs=0.0011)
        # The second of two equal calls has a remembered answer.
        for entry in entries[1:4]:
            assert (entry["operationId"], entry["account"]) == ("getCallCapacity", "groupadmin")

    def test_quiet_means_no_banner_and_only_warnings_and_errors(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = str(free.getsockname()[1])
        program = [sys.executable, "-m", "simulator", "serve", "--port", port]
        environment = {**os.environ, "APIO_SIMULATOR_QUIET": "1", "APIO_SIMULATOR_LOG_LEVEL": "DEBUG"}
        with subprocess.Popen(program, stdout=PIPE, stderr=PIPE, env=environment) as process:
            waited = run("wait", "--timeout", "20", APIO_SIMULATOR_PORT=port)
            httpx.get(f"http://127.0.0.1:{port}/api/v1/none")
            process.terminate()
            assert process.communicate(timeout=10) == (b"", b"")
        assert (waited.returncode, process.returncode) == (0, 0)

    @pytest.mark.skipif(os.name == "nt", reason="there are no pseudo terminals")
    @pytest.mark.parametrize("no_color", ["", "1"])
    def test_a_terminal_shows_passwords_and_says_why_a_call_was_refused(self, no_color: str) -> None:
        terminal, end = os.openpty()
        program = [sys.executable, "-m", "simulator", "serve", "--port", "0", "--journal-limit", "0"]
        environment = {**os.environ, "NO_COLOR": no_color, "TERM": "xterm"}
        with (
            subprocess.Popen(program, stdout=end, stderr=end, env=environment) as process,
            open(terminal, "rb") as screen,
        ):
            os.close(end)
            banner: list[str] = []
            while not banner or banner[-1] != "Ready.":
                banner.append(screen.readline().decode().rstrip())
            url = next(word for word in banner[0].split(" ") if word.startswith("http")).rstrip(",")
            httpx.get(url + RECEPTION.replace("Reception", "Recepion"))
            httpx.get(url + "/_sandboxes/%1b%5b2Jtoken=hunter2xyz/a")
            process.terminate()
            lines = [screen.readline().decode().rstrip() for _ in range(3)]
        assert "  account   groupadmin / secret: Group Admin of foo/foogroup, token foogroup-admin" in banner
        status = "404" if no_color else "\x1b[33m404\x1b[0m"
        named, hostile, stopped = (line[9:] for line in lines)
        assert named.startswith(f"GET /api/v1/{CAPACITIES}Recepion/ {status} ")
        assert named.endswith("'Recepion'. Did you mean 'Reception'?")
        assert hostile.replace(status, "404").isprintable()
        assert "cannot be the name of a sandbox: a name is" in hostile.partition("G-17: ")[2]
        assert "hunter2xyz" not in hostile
        assert stopped == "stopped by SIGTERM"

    def test_a_port_in_use_is_one_clear_line_and_status_2(self, server: str) -> None:
        port = server.rpartition(":")[2]
        second = python("-m", "simulator", "serve", "--port", port)
        assert second.returncode == 2
        assert second.stderr.startswith(f"apio-simulator: cannot listen at '127.0.0.1' port {port}")
        assert len(second.stderr.splitlines()) == 1
        assert second.stdout == ""


class TestOptions:
    def test_every_option_is_an_environment_variable_too_and_the_option_wins(self, tmp_path: Path) -> None:
        fixture = str(shipped("fixtures/minimal.yaml"))
        environment = {
            "APIO_SIMULATOR_PORT": "1",
            "APIO_SIMULATOR_FIXTURES": fixture,
            "APIO_SIMULATOR_AUTH": "required",
            "APIO_SIMULATOR_CORS_ORIGIN": "http://a.example http://b.example",
            "APIO_SIMULATOR_MAX_BODY": "10",
            "APIO_SIMULATOR_LOG_FORMAT": "json",
            "APIO_SIMULATOR_SANDBOXES": "created",
            "APIO_SIMULATOR_SANDBOX_LIMIT": "1",
            "APIO_SIMULATOR_HOST": "localhost",
        }
        with serving_process(**environment) as server:
            banner = json.loads(server.banner[0])
            assert banner["fixture"] == fixture
            assert banner["auth"] == "required"
            answer = httpx.get(server.url + "/api/v1/none", headers={"Origin": "http://b.example"})
            assert answer.headers["Access-Control-Allow-Origin"] == "http://b.example"
            answer = httpx.get(server.url + "/api/v1/none", headers={"Origin": "http://c.example"})
            assert "Access-Control-Allow-Origin" not in answer.headers
            answer = httpx.post(server.url + "/api/v1/login/", json={"username": "a", "password": "b"})
            assert answer.status_code == 413
            assert httpx.get(server.url + "/_sandboxes/x/api/v1/").json()["errors"][0]["code"] == 40404

    @pytest.mark.parametrize(
        ("arguments", "environment", "message"),
        [
            (["serve", "--colour"], {}, "No such option"),
            (["serve", "--auth", "maybe"], {}, "'maybe' is not one of 'optional', 'required'"),
            (["serve", "--sandboxes", "none"], {}, "'none' is not one of 'any', 'created'"),
            (["serve", "--sandboxes", "created", "--no-control"], {}, "nobody can create a sandbox"),
            (["serve", "--port", "70000"], {}, "70000 is not in the range"),
            (["serve", "--cors-origin", "localhost:3000"], {}, "is no origin; write it like http://localhost:3000"),
            (
                ["serve"],
                {"APIO_SIMULATOR_PROT": "1"},
                "APIO_SIMULATOR_PROT is not known; known are APIO_SIMULATOR_ALLOWED_HOST",
            ),
            (["serve"], {"APIO_SIMULATOR_PORT": "x"}, "APIO_SIMULATOR_PORT"),
            (["serve", "--port", "0", "--control-token", ""], {}, "control_token must be a text that is not empty"),
            (["serve", "--port", "0", "--control-token", " t"], {}, "control_token must be a text that is not empty"),
            (["serve", "--port", "0"], {"APIO_SIMULATOR_CONTROL_TOKEN": ""}, "APIO_SIMULATOR_CONTROL_TOKEN"),
            (
                ["serve", "--port", "0"],
                {"APIO_SIMULATOR_CONTROL_TOKEN": " "},
                "control_token must be a text that is not",
            ),
            (["validate"], {}, "Missing argument"),
        ],
    )
    def test_a_mistake_is_said_in_a_line_and_status_2(
        self, arguments: list[str], environment: dict[str, str], message: str
    ) -> None:
        result = run(*arguments, **environment)
        assert (result.returncode, result.stdout) == (2, "")
        assert message in result.stderr
        assert "Traceback" not in result.stderr

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["--fixtures", "none.yaml"], "none.yaml: cannot be read: No such file or directory"),
            (["--host", "256.0.0.1", "--port", "0"], "cannot listen at '256.0.0.1'"),
            (["--host", "a..b", "--port", "0"], "cannot listen at 'a..b'"),
        ],
    )
    def test_so_is_one_that_shows_only_when_the_server_starts(self, arguments: list[str], message: str) -> None:
        result = python("-m", "simulator", "serve", *arguments)
        assert (result.returncode, result.stdout) == (2, "")
        assert message in result.stderr
        assert "Traceback" not in result.stderr

    @pytest.mark.rule("S-14")
    def test_so_is_a_wrong_profile_and_each_of_its_mistakes_is_told(self, tmp_path: Path) -> None:
        profile = tmp_path / "lab.yaml"
        profile.write_text("version: 1\nledger: none\nrules: {CC-99: {verdict: confirmed}}\n", encoding="utf-8")
        result = python("-m", "simulator", "serve", "--profile", str(profile))
        assert (result.returncode, result.stdout) == (2, "")
        places = [line.partition(": ")[0] for line in result.stderr.splitlines()]
        assert sorted(places) == [f"{profile}:1", f"{profile}:2", f"{profile}:3"]

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is always full")
    @pytest.mark.parametrize("command", ["validate", "serve"])
    def test_where_the_output_has_no_room_that_is_said_in_a_line(self, command: str) -> None:
        arguments = [str(shipped("fixtures/minimal.yaml"))] if command == "validate" else ["--port", "0"]
        program = [sys.executable, "-m", "simulator", command, *arguments]
        with open("/dev/full", "w") as full:
            result = subprocess.run(program, stdout=full, stderr=subprocess.PIPE, text=True, timeout=20, check=False)
        reason = os.strerror(errno.ENOSPC)
        assert result.returncode == 2
        lines = [line for line in result.stderr.splitlines() if " starts at " not in line]
        assert lines == [f"apio-simulator: the output cannot be written: {reason}"]

    @pytest.mark.parametrize(
        ("arguments", "environment", "message"),
        [
            (["--log-format", "json", "--nope"], {}, "No such option '--nope'."),
            (["--nope", "--log-format=json"], {}, "No such option '--nope'."),
            (
                ["--port", "x", "--log-format", "json"],
                {},
                "'x' is not a valid integer range.",
            ),
            ([], {"APIO_SIMULATOR_LOG_FORMAT": "json", "APIO_SIMULATOR_PORT": "x"}, "Invalid value for '--port'"),
            ([], {"APIO_SIMULATOR_LOG_FORMAT": "json", "APIO_SIMULATOR_PROT": "1"}, "APIO_SIMULATOR_PROT is not known"),
        ],
    )
    def test_where_the_log_is_json_a_mistake_is_json_too(
        self, arguments: list[str], environment: dict[str, str], message: str
    ) -> None:
        result = run("serve", *arguments, **environment)
        assert (result.returncode, result.stdout) == (2, "")
        (line,) = map(json.loads, result.stderr.splitlines())
        assert line["level"] == "CRITICAL"
        assert message in line["message"]

    def test_where_the_log_is_json_each_mistake_of_a_fixture_is_a_line(self, tmp_path: Path) -> None:
        broken = tmp_path / "broken.yaml"
        broken.write_text("version: 2\ntenants: {t: {type: Shop}}\n", encoding="utf-8")
        result = python("-m", "simulator", "serve", "--fixtures", str(broken), APIO_SIMULATOR_LOG_FORMAT="json")
        assert (result.returncode, result.stdout) == (2, "")
        messages = [json.loads(line)["message"] for line in result.stderr.splitlines()]
        assert messages[0] == f"{broken}:1: /version: must be 1, not 2 (G-18)"
        assert len(messages) == 3

    def test_other_commands_do_not_write_json_because_the_server_logs_it(self) -> None:
        result = run("state", "--nope", APIO_SIMULATOR_LOG_FORMAT="json")
        assert "Error: No such option '--nope'." in result.stderr

    # What Kubernetes sets for a Service `apio-simulator` with the named port `http`, and Docker for a linked container.
    SERVICE_LINKS: ClassVar = {
        "APIO_SIMULATOR_SERVICE_HOST": "10.96.0.7",
        "APIO_SIMULATOR_SERVICE_PORT": "4080",
        "APIO_SIMULATOR_SERVICE_PORT_HTTP": "4080",
        "APIO_SIMULATOR_PORT": "tcp://10.96.0.7:4080",
        "APIO_SIMULATOR_PORT_4080_TCP": "tcp://10.96.0.7:4080",
        "APIO_SIMULATOR_PORT_4080_TCP_PROTO": "tcp",
        "APIO_SIMULATOR_PORT_4080_TCP_PORT": "4080",
        "APIO_SIMULATOR_PORT_4080_TCP_ADDR": "10.96.0.7",
        "APIO_SIMULATOR_PORT_53_UDP": "udp://10.96.0.7:53",
        "APIO_SIMULATOR_PORT_9_SCTP_ADDR": "10.96.0.7",
        "APIO_SIMULATOR_WEB_SERVICE_HOST": "10.96.0.8",
        "APIO_SIMULATOR_WEB_PORT": "tcp://[fd00::8]:80",
        "APIO_SIMULATOR_NAME": "/tests/apio-simulator",
        "APIO_SIMULATOR_ENV_APIO_SIMULATOR_HOST": "0.0.0.0",
    }

    def test_variables_that_tell_where_a_service_is_are_ignored_and_the_log_says_so(self) -> None:
        with serving_process(**self.SERVICE_LINKS) as server:
            server.stop()
            assert server.process.stderr is not None
            line, _started, _stopped = server.process.stderr.read().splitlines()
        assert line.endswith(
            "ignored as service links: APIO_SIMULATOR_ENV_APIO_SIMULATOR_HOST and 13 more; "
            "a pod with enableServiceLinks: false has none"
        )

    def test_commands_ignore_them_without_a_word(self, server: str, monkeypatch: pytest.MonkeyPatch) -> None:
        for command in (["validate", str(shipped("fixtures/minimal.yaml"))], ["wait", "--url", server]):
            result = run(*command, **self.SERVICE_LINKS)
            assert (result.returncode, result.stderr) == (0, "")
        for name, value in self.SERVICE_LINKS.items():
            monkeypatch.setenv(name, value)
        assert own_address() == "http://127.0.0.1:4080"

    @pytest.mark.parametrize(("value", "port"), [("tcp://10.96.0.7:4080", 4080), ("tcp://[::1]:1", 4080), ("81", 81)])
    def test_a_port_that_tells_where_a_service_is_leaves_the_default(
        self, value: str, port: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("APIO_SIMULATOR_PORT", value)
        assert main.commands["serve"].make_context("serve", []).params["port"] == port
        assert own_address() == f"http://127.0.0.1:{port}"
        assert main.commands["serve"].make_context("serve", ["--port", "82"]).params["port"] == 82

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("APIO_SIMULATOR_PROT", "tcp://10.0.0.1:4080"),
            ("APIO_SIMULATOR_LISTEN_PORT", "4080"),
            ("APIO_SIMULATOR_SERVICE_HOSTS", "10.0.0.1"),
            ("APIO_SIMULATOR_SERVICE_PORTS", "4080"),
            ("APIO_SIMULATOR_PORT_HTTP_TCP", "tcp://10.0.0.1:4080"),
            ("APIO_SIMULATOR_PORT_4080_TCP_HOST", "10.0.0.1"),
            ("APIO_SIMULATOR_NAME", "tests"),
            ("APIO_SIMULATOR_WEB_PORT", "tpc://10.0.0.1:80"),
        ],
    )
    def test_a_variable_that_only_looks_like_that_is_not_known(self, name: str, value: str) -> None:
        result = run("wait", "--timeout", "0", **{**self.SERVICE_LINKS, name: value})
        assert result.returncode == 2
        assert f"{name} is not known; known are APIO_SIMULATOR_ALLOWED_HOST, " in result.stderr
        assert "SERVICE_HOST," not in result.stderr

    def test_version(self) -> None:
        assert run("--version").stdout == f"apio-simulator {__version__}\n"


class TestValidate:
    def test_good_fixtures_are_counted(self) -> None:
        result = run("validate", str(shipped("fixtures/default.yaml")), str(shipped("fixtures/minimal.yaml")))
        assert (result.returncode, result.stderr) == (0, "")
        *files, last = result.stdout.splitlines()
        assert [line.partition(": ")[2] for line in files] == [
            "3 tenants, 7 groups, 34 users, 7 accounts",
            "1 tenant, 1 group, 2 users, 1 account",
        ]
        assert last == "valid"

    def test_of_broken_ones_every_fault_is_said(self, tmp_path: Path) -> None:
        broken = tmp_path / "broken.yaml"
        broken.write_text("version: 2\ntenants: {t: {type: Shop}}\n", encoding="utf-8")
        result = run("validate", str(broken), str(shipped("fixtures/minimal.yaml")))
        assert result.returncode == 2
        assert result.stderr.splitlines() == [
            f"{broken}:1: /version: must be 1, not 2 (G-18)",
            f"{broken}:1: /defaultDomain: is required (G-18)",
            f'{broken}:2: /tenants/t/type: must be one of Enterprise, ServiceProvider, not "Shop" (G-18)',
            "2 files, 3 problems",
        ]
        assert "minimal.yaml: 1 tenant" in result.stdout
