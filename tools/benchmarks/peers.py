"""The servers that are compared: how each one starts, gets the same call capacities, and what it can do."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tools.benchmarks.processes import Running, answer, free_port, running
from tools.benchmarks.worlds import GROUP, ONE, capacities, collection, fixture
from tools.contract_checks.check import CONTRACT, Failed, needs, node_modules, node_program

FOLDER = Path(__file__).parent
JSON = {"Content-Type": "application/json"}

CHANGES, CREATES, SANDBOXES = "changes", "creates", "sandboxes"
"""Abilities that some servers lack: keeping changes, creating and deleting by name, having several worlds."""

WITHOUT_UVLOOP = "import sys; sys.modules['uvloop'] = None; from simulator.cli import main; main()"

Command = Callable[[Path, int], list[object]]
"""Returns the command that runs a server at a port. Writes the files that it needs into the folder."""

Fill = Callable[[Running], None]
"""Creates the content of a running server."""


@dataclass(frozen=True, slots=True)
class Peer:
    """A server: how it is run, and which of `CHANGES`, `CREATES` and `SANDBOXES` it can do."""

    command: Command
    fill: Fill = lambda _: None
    can: frozenset[str] = frozenset()
    warm_up_seconds: float = 1
    needs: tuple[str, ...] = ()

    @contextmanager
    def serving(self) -> Iterator[Running]:
        """Start the server and create its content. Raises `Skipped` if it cannot run here, `Failed` if it fails."""
        needs(*self.needs)
        with TemporaryDirectory(ignore_cleanup_errors=True) as name:
            folder, port = Path(name), free_port()
            with running(self.command(folder, port), port, folder) as server:
                self.fill(server)
                server.until_it_answers(f"{collection(GROUP)}{ONE}/")
                yield server


def serve(*options: object) -> list[object]:
    """Returns the command that runs the simulator."""
    return [sys.executable, "-m", "simulator", "serve", *options]


def simulator(folder: Path, port: int) -> list[object]:
    """The simulator with its default options: journal, coverage and log are on."""
    return serve("--port", port, "--fixtures", world_file(folder))


def simulator_without_uvloop(folder: Path, port: int) -> list[object]:
    """The same on Python's own event loop, which it uses if uvloop is not installed."""
    return [sys.executable, "-c", WITHOUT_UVLOOP, "serve", "--port", port, "--fixtures", world_file(folder)]


def world_file(folder: Path) -> Path:
    """Writes the world of the benchmarks into the folder, and returns the file."""
    file = folder / "world.json"
    file.write_text(json.dumps(fixture()), encoding="utf-8")
    return file


def flask(folder: Path, port: int) -> list[object]:
    """Flask in waitress, with a constant answer."""
    return [sys.executable, FOLDER / "constant.py", port]


def prism(folder: Path, port: int) -> list[object]:
    """Prism, which answers with the examples of our contract."""
    program = node_program("prism", FOLDER)
    return [program, "mock", CONTRACT, "--host", "127.0.0.1", "--port", port, "--verboseLevel", "silent"]


def json_server(folder: Path, port: int) -> list[object]:
    """json-server with its data in memory: in a module, because it would write a JSON file at each change."""
    world, routes = folder / "world.js", folder / "routes.json"
    world.write_text(f"module.exports = () => ({json.dumps(capacities())});", encoding="utf-8")
    path = collection(":group")
    routes.write_text(json.dumps({path: "/:group", f"{path}:name/": "/:group/:name"}), encoding="utf-8")
    options = ["--host", "127.0.0.1", "--port", port, "--routes", routes, "--id", "name", "--quiet"]
    return [node_program("json-server", FOLDER), *options, world]


def mountebank(folder: Path, port: int) -> list[object]:
    """mountebank with one imposter. Its JavaScript keeps the state."""
    function = (FOLDER / "mountebank.js").read_text(encoding="utf-8")
    stub = {"responses": [{"inject": function}]}
    imposter = {"protocol": "http", "host": "127.0.0.1", "port": port, "stubs": [stub]}
    file = folder / "imposters.json"
    file.write_text(json.dumps({"imposters": [imposter]}), encoding="utf-8")
    options = ["--host", "127.0.0.1", "--port", free_port(), "--allowInjection", "--nologfile", "--loglevel", "error"]
    return [node_program("mb", FOLDER), "start", *options, "--noParse", "--configfile", file]


def created_one_by_one(server: Running) -> None:
    """Create every call capacity by a POST, as a client would."""
    server.until_it_answers(collection(GROUP))
    for group, members in capacities().items():
        for each in members:
            _sent(server, "POST", collection(group), each)


def wiremock(folder: Path, port: int) -> list[object]:
    """WireMock with static stubs, without a journal."""
    (jar,) = node_modules(FOLDER).glob("wiremock/build/wiremock-standalone-*.jar")
    stubs = folder / "mappings"
    stubs.mkdir()
    members = capacities()[GROUP]
    one, many = f"{collection(GROUP)}{ONE}/", collection(GROUP)
    bodies = {("GET", one): members[0], ("PUT", one): members[0], ("GET", many): {"call_capacities": members}}
    for number, ((method, path), body) in enumerate(bodies.items()):
        text = json.dumps(body)
        # Without a length, the answer would only end when the connection is closed.
        response = {"status": 200, "headers": {**JSON, "Content-Length": str(len(text))}, "body": text}
        stub = {"request": {"method": method, "urlPath": path}, "response": response}
        (stubs / f"{number}.json").write_text(json.dumps(stub), encoding="utf-8")
    options = ["--bind-address", "127.0.0.1", "--port", port, "--root-dir", folder]
    return ["java", "-jar", jar, *options, "--no-request-journal", "--disable-request-logging", "--disable-banner"]


def mockserver(folder: Path, port: int) -> list[object]:
    """MockServer, without a log."""
    (jar,) = node_modules(FOLDER).glob("mockserver-node/mockserver-netty-*.jar")
    properties = ["-Dmockserver.localBoundIP=127.0.0.1", "-Dmockserver.logLevel=OFF"]
    return ["java", *properties, "-jar", jar, "run", "--port", port]


def crud_resources(server: Running) -> None:
    """One CRUD resource of MockServer for each group."""
    server.until_it_answers("/mockserver/status", "PUT")
    for group, members in capacities().items():
        resource = {"basePath": collection(group).rstrip("/"), "idField": "name", "initialData": members}
        _sent(server, "PUT", "/mockserver/crud", resource)


def _sent(server: Running, method: str, path: str, content: object) -> None:
    got = answer(server.port, method, path, json.dumps(content).encode())
    if got.status != 201:
        raise Failed(f"{method} {path}: {got.status} {got.body!r}")


JVM_WARM_UP_SECONDS = 8
OURS, STANDARD_LOOP = "simulator", "simulator-standard-loop"
TITLES: Mapping[str, str] = {
    OURS: "apio-simulator",
    STANDARD_LOOP: "apio-simulator, no uvloop",
    "mockserver": "MockServer, CRUD state",
    "wiremock": "WireMock, static stubs",
    "mountebank": "mountebank, state",
    "prism": "Prism, static examples",
    "json-server": "json-server",
    "flask": "bare Flask, constant",
}
"""The servers' titles, in the order in which they are shown."""
PACKAGES: Mapping[str, str] = {
    "mockserver": "mockserver-node",
    "wiremock": "wiremock",
    "mountebank": "mountebank",
    "prism": "@stoplight/prism-cli",
    "json-server": "json-server",
}
"""The servers' packages in package.json."""


def peers() -> dict[str, Peer]:
    """Returns all servers by name. Without uvloop, the simulator is included only once."""
    state = frozenset({CHANGES, CREATES})
    ours = {OURS: Peer(simulator, can=state | {SANDBOXES})}
    if importlib.util.find_spec("uvloop"):
        ours[STANDARD_LOOP] = Peer(simulator_without_uvloop, can=state | {SANDBOXES})
    jvm = ("java",)
    return {
        **ours,
        # MockServer chooses the names of created resources itself.
        "mockserver": Peer(mockserver, crud_resources, frozenset({CHANGES}), JVM_WARM_UP_SECONDS, jvm),
        "wiremock": Peer(wiremock, warm_up_seconds=JVM_WARM_UP_SECONDS, needs=jvm),
        "mountebank": Peer(mountebank, created_one_by_one, state),
        "prism": Peer(prism),
        "json-server": Peer(json_server, can=state),
        "flask": Peer(flask),
    }
