"""A pytest plugin that sends the tests' calls of the API through Prism: `pytest -p tools.contract_checks.prism`.

A test fails if an answer breaks the contract, and the run fails if an operation never succeeded through Prism. Requests
that Prism cannot forward go to the server directly. So do those to a sandbox with injected faults, which break the
contract and connections on purpose.
"""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Generator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tools.contract_checks.check import CONTRACT, Failed, node_program

STARTS_WITHIN_SECONDS = 60


class Prism:
    """Prism as a proxy in front of a server, and the calls it has seen. Raises `Failed` if it does not start."""

    def __init__(self, server: str) -> None:
        self.server = httpx.URL(server)
        document = yaml.safe_load(CONTRACT.read_text(encoding="utf-8"))
        # The tests use sandboxes, which are not part of the contract.
        document["paths"] = {f"/_sandboxes/{{sandbox}}{path}": item for path, item in document["paths"].items()}
        # A path without a parameter is matched before one with a parameter.
        self.paths = [
            (
                re.compile(re.sub(r"{\w+}", "[^/]+", path)),
                {method.upper(): str(operation["operationId"]) for method, operation in item.items()},
            )
            for path, item in document["paths"].items()
        ]
        for item in document["paths"].values():
            item["parameters"] = [{"name": "sandbox", "in": "path", "required": True, "schema": {"type": "string"}}]
        self.exchanges = 0
        self.with_faults: set[str] = set()
        self.successes = Counter({each: 0 for _, methods in self.paths for each in methods.values()})
        self.folder = tempfile.TemporaryDirectory()
        contract, self.log = (Path(self.folder.name) / name for name in ("openapi.json", "log"))
        contract.write_text(json.dumps(document), encoding="utf-8")
        command = [node_program("prism"), "proxy", contract, server, "--port", "0", "--cors", "false"]
        # Tests send faulty requests. Prism would report them in a header that cannot hold every text, and crash.
        command += ["--validate-request", "false"]
        with self.log.open("w") as log:
            self.process = subprocess.Popen([str(word) for word in command], stdout=log, stderr=subprocess.STDOUT)
        self.url = self._address()

    def _address(self) -> httpx.URL:
        end = time.monotonic() + STARTS_WITHIN_SECONDS
        while time.monotonic() < end and self.process.poll() is None:
            listening = re.search(r"listening on (http://\S+)\s", self.log.read_text(encoding="utf-8"))
            if listening:
                return httpx.URL(listening[1])
            time.sleep(0.1)
        said = self.log.read_text(encoding="utf-8")
        self.stop()
        raise Failed(f"Prism does not start: {said}")

    def stop(self) -> None:
        """Stop the proxy."""
        self.process.kill()
        self.process.wait()
        self.folder.cleanup()

    def operation(self, request: httpx.Request) -> str | None:
        """Returns the operation that a request calls, or `None`."""
        path = request.url.raw_path.decode().partition("?")[0]
        methods = next((methods for pattern, methods in self.paths if pattern.fullmatch(path)), {})
        return methods.get(request.method)

    def redirect(self, request: httpx.Request) -> None:
        """Send a request to the server through the proxy, if the proxy can forward it. Tests may have other servers."""
        if request.url.port != self.server.port:
            return
        sandbox, _, rest = request.url.path.removeprefix("/_sandboxes/").partition("/")
        if request.method == "POST" and rest == "_simulator/faults":
            self.with_faults.add(sandbox)
        # Prism sends its own Host.
        is_host_kept = request.headers["Host"] == self.server.netloc.decode()
        if sandbox not in self.with_faults and is_host_kept and self.operation(request) and carried(request):
            request.url = request.url.copy_with(host=self.url.host, port=self.url.port)

    def judge(self, response: httpx.Response) -> None:
        """Fail the test if an answer through the proxy breaks the contract, or comes from the proxy itself."""
        if response.url.port != self.url.port:
            return
        response.read()
        assert "X-Simulator-Request-Id" in response.headers, f"Prism itself answers {response.request}: {response.text}"
        violations = json.loads(response.headers.get("sl-violations", "[]"))
        broken = [each for each in violations if each["location"][0] == "response"]
        assert not broken, f"{response.request}, {response.status_code}: {broken}"
        self.exchanges += 1
        operation = self.operation(response.request)
        if operation and response.is_success:
            self.successes[operation] += 1


def carried(request: httpx.Request) -> bool:
    """Whether Prism forwards a request unchanged. It refuses a GET with a body, and rewrites other bodies."""
    if not request.content:
        return True
    try:
        read = json.loads(request.content)
        rewritten = json.dumps(read, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except (ValueError, RecursionError):
        return False
    return (
        request.method != "GET"
        and request.headers.get("Content-Type") == "application/json"
        and "Content-Encoding" not in request.headers
        and request.content == rewritten
    )


PRISM = pytest.StashKey[Prism]()


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(
    fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
) -> Generator[None, Any, Any]:
    """Put Prism between the tests' shared client and the server."""
    made = yield
    if fixturedef.argname == "shared_client":
        prism = request.config.stash[PRISM] = Prism(str(made.base_url))
        made.event_hooks = {"request": [prism.redirect], "response": [prism.judge]}
    return made


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Stop Prism, and fail the run if it did not see a success of every operation."""
    prism = session.config.stash[PRISM]
    prism.stop()
    if not all(prism.successes.values()):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print what Prism has seen."""
    prism = config.stash[PRISM]
    seen = f"{prism.exchanges} exchanges, each operation with {min(prism.successes.values())} successes or more"
    terminalreporter.write_line(f"Prism validated {seen}: {dict(prism.successes)}")
