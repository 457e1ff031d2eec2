"""The command line: how it reports mistakes, and `serve` in its own process."""

from __future__ import annotations

import contextlib
import errno
import http.client
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from simulator import __version__
from simulator.app import shipped
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
            assert "groupadmin / secret: Group Admin of foo/foogroup, token foogroup-admin" in text
            assert f"{server.url}/_simulator/docs" in text
            assert not server.url.endswith(":0")
            assert httpx.get(server.url + RECEPTION).json()["maxCalls"] == 7

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_it_ends_soon(self, number: int) -> None:
        with serving_process() as server:
            assert httpx.get(server.url + RECEPTION).status_code == 200
            assert server.stop(number) < 3
            assert server.process.returncode == 0
            with pytest.raises(httpx.ConnectError):
                httpx.get(server.url)

    def test_it_does_not_end_by_itself(self) -> None:
        with serving_process() as server:
            with pytest.raises(subprocess.TimeoutExpired):
                server.process.wait(2.2 * SIGNAL_SECONDS)
            assert server.stop() < 3
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

    def test_one_log_line_a_request_as_text_or_json(self) -> None:
        with serving_process("--log-format", "json") as server:
            httpx.get(server.url + "/api/v1/none")
            server.stop()
            assert server.process.stderr is not None
            log = server.process.stderr.read()
            assert server.process.returncode == 0, log
        assert "Traceback" not in log, log
        entries = [json.loads(line) for line in log.splitlines()]
        assert [(entry["path"], entry["status"], entry["rule"]) for entry in entries] == [("/api/v1/none", 404, "G-1")]

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
            "APIO_SIMULATOR_SANDBOX_LIMIT": "1",
            "APIO_SIMULATOR_HOST": "localhost",
        }
        with serving_process(**environment) as server:
            assert "minimal.yaml" in server.banner[1]
            assert "credentials required" in server.banner[0]
            answer = httpx.get(server.url + "/api/v1/none", headers={"Origin": "http://b.example"})
            assert answer.headers["Access-Control-Allow-Origin"] == "http://b.example"
            answer = httpx.get(server.url + "/api/v1/none", headers={"Origin": "http://c.example"})
            assert "Access-Control-Allow-Origin" not in answer.headers
            answer = httpx.post(server.url + "/api/v1/login/", json={"username": "a", "password": "b"})
            assert answer.status_code == 413

    @pytest.mark.parametrize(
        ("arguments", "environment", "message"),
        [
            (["serve", "--colour"], {}, "No such option"),
            (["serve", "--auth", "maybe"], {}, "'maybe' is not one of 'optional', 'required'"),
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

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is always full")
    @pytest.mark.parametrize("command", ["validate", "serve"])
    def test_where_the_output_has_no_room_that_is_said_in_a_line(self, command: str) -> None:
        arguments = [str(shipped("fixtures/minimal.yaml"))] if command == "validate" else ["--port", "0"]
        program = [sys.executable, "-m", "simulator", command, *arguments]
        with open("/dev/full", "w") as full:
            result = subprocess.run(program, stdout=full, stderr=subprocess.PIPE, text=True, timeout=20, check=False)
        reason = os.strerror(errno.ENOSPC)
        assert (result.returncode, result.stderr) == (
            2,
            f"apio-simulator: the output cannot be written: {reason}\n",
        )

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
