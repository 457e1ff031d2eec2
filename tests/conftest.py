"""What the tests share: a server for all, a sandbox for each, and ways to run commands, servers and processes."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpcore  # noqa: F401  # if a run of `pytester` loaded it first, it would be loaded twice, with other exceptions
import httpx
import pytest
from click.testing import CliRunner

from simulator.app import Simulation, standard_simulation
from simulator.cli import main
from simulator.server import Server
from simulator.state.world import World

# The first is the quickest: it has no windows.
BROWSERS = ["chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"]
CAPACITIES = "tenants/foo/groups/foogroup/services/call_capacities/"
EXECUTIVE = "tenants/foo/groups/foogroup/users/foouser/services/executive/"
CHROMIUM = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)


class Api:
    """The simulated API in its own sandbox, over real HTTP."""

    def __init__(self, client: httpx.Client, sandbox: str) -> None:
        self.client = client
        self.root = f"/_sandboxes/{sandbox}"

    def __call__(self, method: str, path: str, json: Any = None, **options: Any) -> httpx.Response:
        if json is not None:
            options["json"] = json
        return self.client.request(method, f"{self.root}/api/v1/{path}", **options)

    def ok(self, method: str, path: str, json: Any = None, **options: Any) -> Any:
        """Call the API, which must succeed. Return the body."""
        response = self(method, path, json, **options)
        assert response.is_success, response.text
        return response.json() if response.content else None

    def refused(
        self, method: str, path: str, json: Any = None, **options: Any
    ) -> tuple[int, set[tuple[str, str | None]]]:
        """Call the API, which must refuse. Return the status, and the rule and pointer of each fault."""
        response = self(method, path, json, **options)
        assert response.status_code >= 400, response.text
        return response.status_code, faults(response)

    def control(self, method: str, path: str, json: Any = None, **options: Any) -> httpx.Response:
        """Call the control interface for this sandbox."""
        if json is not None:
            options["json"] = json
        return self.client.request(method, f"{self.root}/_simulator/{path}", **options)

    def arranged(self, method: str, path: str, json: Any = None, **options: Any) -> Any:
        """Call the control interface, which must succeed. Return the body."""
        response = self.control(method, path, json, **options)
        assert response.is_success, response.text
        return response.json() if response.content else None

    def reset(self) -> None:
        self.arranged("POST", "reset")


def faults(response: httpx.Response) -> set[tuple[str, str | None]]:
    """Return rule and pointer of each fault in an error answer. Checks that it has the shape of errors (G-8)."""
    assert response.headers["Content-Type"] == "application/json"
    errors = response.json()["errors"]
    assert errors
    for error in errors:
        assert set(error) == {"code", "message", "details"}
        assert error["code"] // 100 == response.status_code
        assert error["details"].keys() - {"pointer"} == {"reason", "rule"}
    return {(error["details"]["rule"], error["details"].get("pointer")) for error in errors}


@contextmanager
def browsing(address: str, profile: Path) -> Iterator[None]:
    """Show an address in Chromium until the block ends. `profile` is an empty folder for its files."""
    # With a debugging port, Chromium stays open.
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0", f"--user-data-dir={profile}"]
    command = [str(CHROMIUM), *options, address]
    # The program in the path may be a script that starts Chromium, so the whole group is ended.
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    ) as browser:
        try:
            yield
        finally:
            os.killpg(browser.pid, signal.SIGKILL)


def wait_until(true: Callable[[], object], seconds: float = 30) -> None:
    """Wait until a condition holds. Fail if that takes too long."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"it does not come true within {seconds} s"
        time.sleep(0.002)


Finished = subprocess.CompletedProcess[str]


def run(*arguments: str, **environment: str) -> Finished:
    """Run a command in this process. An exception that it does not handle is raised here."""
    result = CliRunner().invoke(main, arguments, env=environment, catch_exceptions=False, prog_name="apio-simulator")
    return Finished(arguments, result.exit_code, result.stdout, result.stderr)


def python(*arguments: str, seconds: float = 30, **environment: str) -> Finished:
    """Run Python in its own process, for tests of exit statuses, signals or loaded modules."""
    variables = {**os.environ, **environment}
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, timeout=seconds, env=variables, check=False
    )


@contextmanager
def served(app: Any, **options: Any) -> Iterator[Server]:
    """Run a server of an application in this process until the block ends."""
    server = Server(app, **options)
    server.start()
    try:
        yield server
    finally:
        server.stop()


class Running:
    """A running `serve`, its banner, and its address."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        assert process.stdout is not None
        self.banner: list[str] = []
        for line in process.stdout:
            self.banner.append(line.rstrip("\n"))
            if "Ready." in line:
                break
        address = re.search(r"http://[^\s\"]+:\d+", "\n".join(self.banner))
        assert address, self.banner
        self.url = address[0]

    @property
    def address(self) -> tuple[str, int]:
        """Host and port, as sockets need them."""
        host, _, port = self.url.removeprefix("http://").rpartition(":")
        return host, int(port)

    def stop(self, number: int = signal.SIGTERM) -> None:
        """Send the signal, and wait until the process has ended. Fail if that takes too long."""
        self.process.send_signal(number)
        self.process.wait(30)


@contextmanager
def serving_process(*arguments: str, **environment: str) -> Iterator[Running]:
    """Run `serve` in its own process at a free port until the block ends."""
    process = subprocess.Popen(
        [sys.executable, "-m", "simulator", "serve", "--port", "0", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )
    try:
        yield Running(process)
    finally:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=30)


@pytest.fixture(scope="session", autouse=True)
def _no_settings_of_the_user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Hide the user's own settings of simulators, proxies and certificates. Each test makes its own settings."""
    with pytest.MonkeyPatch.context() as environment:
        # No test speaks TLS, but each client of httpx reads all certificates: 50 ms for a call that takes 4.
        environment.delenv("SSL_CERT_FILE", raising=False)
        environment.setenv("SSL_CERT_DIR", str(tmp_path_factory.mktemp("no_certificates")))
        for name in os.environ:
            if name.startswith("APIO_SIMULATOR_") or name.lower().endswith("_proxy"):
                environment.delenv(name)
        yield


@pytest.fixture(scope="session", autouse=True)
def _ctrl_c_works() -> None:
    """Let the tests' processes react to Ctrl-C. In the background of a shell, they would inherit ignoring it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def simulation() -> Simulation:
    return standard_simulation()


@pytest.fixture(scope="session")
def world(simulation: Simulation) -> World:
    return simulation.world()


@pytest.fixture(scope="session")
def server(simulation: Simulation, world: World) -> Iterator[str]:
    """The address of a server with the default fixture, for all tests. Its event loop is available everywhere."""
    with served(simulation.app(world), event_loop=asyncio.SelectorEventLoop) as server:
        yield server.url


@pytest.fixture(scope="session")
def shared_client(server: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server, timeout=10) as client:
        yield client


@pytest.fixture
def client(shared_client: httpx.Client) -> httpx.Client:
    shared_client.cookies.clear()
    return shared_client


@pytest.fixture
def api(client: httpx.Client, request: pytest.FixtureRequest) -> Iterator[Api]:
    """A fresh sandbox with the name of the test. It is dropped at the end: only a thousand may exist (G-17)."""
    name = re.sub(r"[^A-Za-z0-9._-]", "_", request.node.nodeid)[-64:]
    api = Api(client, name)
    api.reset()
    yield api
    client.delete(f"/_simulator/sandboxes/{name}")
