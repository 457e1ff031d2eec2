"""What the example for Testcontainers asks of a Docker engine. A fake engine answers; no container is started."""

from __future__ import annotations

import json
import re
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.test_examples import COMMANDS, copy, run

pytestmark = pytest.mark.examples

IMAGE = "registry.example.com/apio-simulator:0.2.0"


class Engine(ThreadingHTTPServer):
    """A fake Docker engine. It says that each container runs, and that its port is a port of this machine."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answering)
        self.port = self.server_port
        self.created: dict[str, Any] = {}
        self.calls: list[str] = []
        self.healthy_after = 0


class Answering(BaseHTTPRequestHandler):
    server: Engine

    def answer(self) -> None:
        path = re.sub(r"^/v[\d.]+(?=/)", "", urlsplit(self.path).path)
        call = f"{self.command} {path}"
        self.server.calls.append(call)
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or "null")
        if call == "GET /_simulator/health":
            # The container's port is the port of the engine itself.
            self.send(200 if self.server.calls.count(call) > self.server.healthy_after else 503, {})
        elif call == "GET /version":
            self.send(200, {"ApiVersion": "1.44"})
        elif call == f"GET /images/{IMAGE}/json":
            self.send(200, {"Id": "sha256:1"})
        elif call == "POST /containers/create":
            self.server.created = body
            self.send(201, {"Id": "c1"})
        elif call == "POST /containers/c1/start":
            self.send(204)
        elif call == "GET /containers/c1/json":
            ports = {"4080/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(self.server.port)}]}
            self.send(200, {"Id": "c1", "State": {"Status": "running"}, "NetworkSettings": {"Ports": ports}})
        elif call == "DELETE /containers/c1":
            self.send(204)
        else:
            self.send(501, {"message": f"this engine knows no {call}"})

    do_GET = do_POST = do_DELETE = answer  # noqa: N815 (the names that the class prescribes)

    def send(self, status: int, body: object = None) -> None:
        content = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def engine() -> Iterator[Engine]:
    with Engine() as engine:
        threading.Thread(target=engine.serve_forever, daemon=True).start()
        yield engine
        engine.shutdown()


def settings(engine: Engine) -> dict[str, str]:
    """Return variables that make Testcontainers use an engine, and start no container of its own there."""
    return {
        "DOCKER_HOST": f"tcp://127.0.0.1:{engine.server_port}",
        "TESTCONTAINERS_CONNECTION_MODE": "docker_host",
        "TESTCONTAINERS_RYUK_DISABLED": "true",
    }


def test_without_a_simulator_the_suite_starts_one_and_removes_it(engine: Engine, server: str, tmp_path: Path) -> None:
    engine.port = int(server.rpartition(":")[2])
    # The packages are installed. That they can be is tested with the other examples.
    _, tests = COMMANDS["testcontainers"].splitlines()
    done = run(tests, copy("testcontainers", tmp_path), "", **settings(engine))
    assert done.returncode == 0, done.stdout
    assert "3 passed" in done.stdout
    assert engine.created["Image"] == IMAGE
    assert engine.calls[-1] == "DELETE /containers/c1"


def test_a_container_is_ready_when_the_simulator_in_it_is_healthy(engine: Engine, tmp_path: Path) -> None:
    engine.healthy_after = 2
    folder = copy("testcontainers", tmp_path)
    (folder / "world.yaml").touch()
    program = (
        "from pathlib import Path; from apio_simulator import ApioSimulatorContainer\n"
        f"with ApioSimulatorContainer('{IMAGE}', Path('world.yaml')) as simulator: print(simulator.url)"
    )
    done = run(f'"{sys.executable}" -c "{program}"', folder, "", **settings(engine))
    assert done.returncode == 0, done.stdout
    assert done.stdout.splitlines()[-1] == f"http://127.0.0.1:{engine.server_port}"
    assert engine.calls.count("GET /_simulator/health") == 3
    assert engine.created["Env"] == ["APIO_SIMULATOR_ALLOWED_HOST=*"]
    assert engine.created["ExposedPorts"] == {"4080/tcp": {}}
    assert engine.created["HostConfig"]["Binds"] == [f"{folder}/world.yaml:/fixtures/default.yaml:ro"]


def test_a_fixture_that_is_not_there_is_told_before_anything_starts(engine: Engine, tmp_path: Path) -> None:
    program = (
        "from pathlib import Path; from apio_simulator import ApioSimulatorContainer\n"
        f"ApioSimulatorContainer('{IMAGE}', Path('wrold.yaml'))"
    )
    done = run(f'"{sys.executable}" -c "{program}"', copy("testcontainers", tmp_path), "", **settings(engine))
    assert "No such file or directory" in done.stdout
    assert "wrold.yaml" in done.stdout
    assert engine.created == {}
