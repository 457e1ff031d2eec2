"""Checks the image, and compose.yaml, which runs it."""

from __future__ import annotations

import re
import shutil
import statistics
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from compose_spec import PyCompose

from simulator import __version__
from tools.contract_checks.check import ROOT, Check, Failed, run
from tools.contract_checks.exchanges import replayed
from tools.image.building import DOCKERFILE, Image
from tools.image.container import Container, Running, entry_point

COMPOSE = ROOT / "compose.yaml"
SCALE_OUT = ROOT / "examples" / "scale-out" / "compose.yaml"
OWN_USER = "10001:10001"
ANY_USER = "1000660000:0"
"""A user that is not in /etc/passwd. Some platforms run containers as such users."""
HEALTH_CHECK_SECONDS = 1.0
TIMES = 11
SIGTERM_CAUGHT = 1 << 14

# Prints every file and folder that the user may write.
WRITABLE = """
import os
for folder, folders, files in os.walk("/"):
    for path in (os.path.join(folder, name) for name in (".", *folders, *files)):
        if not os.path.islink(path) and os.access(path, os.W_OK):
            print(path)
"""


def expect(found: object, wanted: object, what: str) -> None:
    """Raises `Failed` unless the value found is the wanted one."""
    if found != wanted:
        raise Failed(f"{what}: {found!r}, not {wanted!r}")


def checks(image: Image) -> dict[str, Check]:
    """Returns all checks for an image."""
    return {
        "hadolint": hadolint,
        "configuration": lambda: configuration(image),
        "run as its user": lambda: runs(Container(image, OWN_USER)),
        "run as any user": lambda: runs(Container(image, ANY_USER)),
        "nothing can be written": lambda: nothing_can_be_written(image),
        "all is compiled": lambda: all_is_compiled(image),
        "stop while starting": lambda: stops_while_starting(image),
        "health check": lambda: health_check(image),
        "fixtures": lambda: fixtures(image),
        "compose.yaml": lambda: compose(image),
    }


def hadolint() -> str:
    """The Dockerfile's linter has no complaint."""
    run([Path(sys.executable).with_name("hadolint"), "--failure-threshold", "ignore", DOCKERFILE])
    return "no objection"


def configuration(image: Image) -> str:
    """The image's configuration agrees with what the project states."""
    config = image.config
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    health = config["Healthcheck"]
    expect(config["User"], OWN_USER, "user")
    expect(config["Entrypoint"], ["apio-simulator"], "entry point")
    expect(config["Cmd"], ["serve"], "command")
    expect(health["Test"], ["CMD", "apio-simulator", "wait", "--timeout", "2"], "health check")
    expect(list(config["ExposedPorts"]), ["4080/tcp"], "ports")
    prefix = "APIO_SIMULATOR_"
    settings = {name: value for name, value in image.environment.items() if name.startswith(prefix)}
    expect(settings, {f"{prefix}HOST": "0.0.0.0", f"{prefix}FIXTURES": "/fixtures"}, "variables")
    labels = {
        "title": project["name"],
        "description": project["description"],
        "version": __version__,
        "licenses": project["license"],
        "source": project["urls"]["Source"],
    }
    for name, value in labels.items():
        expect(config["Labels"].get(f"org.opencontainers.image.{name}"), value, f"label {name}")
    told = f"{len(labels)} labels"
    if image.without_start_interval:
        return f"{told}; built without --start-interval, which this buildah does not know"
    expect(health["StartInterval"], 100_000_000, "start interval")
    return told


def runs(container: Container) -> str:
    """The entry point starts, becomes healthy, gives every example answer of the contract, and stops."""
    begin = time.monotonic()
    with entry_point(container) as running:
        running.healthy()
        healthy = time.monotonic() - begin
        expect_no_privileges(running)
        exchanges = replayed(running.address)
        stopped = running.stop()
    return f"healthy after {healthy:.2f} s, {exchanges}, stopped in {stopped:.2f} s"


def expect_no_privileges(running: Running) -> None:
    """The first process is the program itself. It runs as this user only, without capabilities."""
    status = process_status(running.pid)
    user, group = running.container.user.split(":")
    expect(status["NSpid"].split()[-1], "1", "number of the process")
    expect(set(status["Uid"].split()), {user}, "user")
    expect(set(status["Gid"].split()), {group}, "group")
    expect(status["Groups"], "", "further groups")
    expect(int(status["CapEff"], 16), 0, "capabilities")
    expect(status["NoNewPrivs"], "1", "no new privileges")
    words = Path(f"/proc/{running.pid}/cmdline").read_text(encoding="utf-8").split("\0")
    program = [Path(word).name for word in words if word]
    if not program[0].startswith("python"):
        raise Failed(f"the first process is {program[0]}, not Python")
    expect(program[1:], ["apio-simulator", "serve"], "command of the first process")


def process_status(pid: int) -> dict[str, str]:
    """Returns what the kernel reports about a process."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def nothing_can_be_written(image: Image) -> str:
    """Neither user can write any file or folder. The image's own user cannot on a writable root either."""
    for user in (OWN_USER, ANY_USER):
        status, found = Container(image, user).run("python", "-c", WRITABLE)
        expect((status, found), (0, ""), f"places that {user} can write")
    loose = {
        str(path.relative_to(image.root))
        for folder in ("opt", "fixtures")
        for path in (image.root / folder, *(image.root / folder).rglob("*"))
        if not path.is_symlink() and (path.stat().st_uid != 0 or path.stat().st_mode & 0o022)
    }
    expect(loose, set(), "files of the image that not only root can write")
    return "two users"


def all_is_compiled(image: Image) -> str:
    """All modules that the server and the health check import are loaded from bytecode. uvloop is among them."""
    with entry_point(Container(image, OWN_USER, variables={"PYTHONVERBOSE": "1"})) as running:
        running.healthy()
        _, said = running.container.run("apio-simulator", "wait")
        said += running.log.read_text(encoding="utf-8")
    modules = set(re.findall(r"^# code object from '?([^'\n]+?)'?$", said, re.MULTILINE))
    expect([each for each in sorted(modules) if not each.endswith(".pyc")], [], "modules without bytecode")
    for package in ("werkzeug", "uvloop"):
        if not any(f"/{package}/" in each for each in modules):
            raise Failed(f"{package} is not among what Python says that it imports: {said[:1000]}")
    return f"{len(modules)} modules"


def stops_while_starting(image: Image) -> str:
    """A signal also ends the process before the server is ready. A first process has to handle it itself."""
    with entry_point(Container(image, OWN_USER)) as running:
        while not int(process_status(running.pid)["SigCgt"], 16) & SIGTERM_CAUGHT:
            if running.process.poll() is not None:
                raise Failed(running.log.read_text(encoding="utf-8"))
            time.sleep(0.001)
        seconds = running.stop()
        if "Ready." in running.log.read_text(encoding="utf-8"):
            raise Failed("SIGTERM has no effect until the server is ready")
    return f"stopped in {seconds:.2f} s"


def health_check(image: Image) -> str:
    """The health check is cheap if all is well. If nothing answers, it fails within the engine's time limit."""
    with entry_point(Container(image, OWN_USER)) as running:
        running.healthy()
        seconds = statistics.median(running.healthy() for _ in range(TIMES))
    if seconds > HEALTH_CHECK_SECONDS:
        raise Failed(f"takes {seconds:.2f} s, more than {HEALTH_CHECK_SECONDS} s")
    begin = time.monotonic()
    status, said = Container(image, OWN_USER, variables={"APIO_SIMULATOR_PORT": "1"}).run(
        *image.config["Healthcheck"]["Test"][1:]
    )
    expect(status, 1, f"status without a server: {said}")
    if time.monotonic() - begin > image.config["Healthcheck"]["Timeout"] / 1e9:
        raise Failed("does not fail within its own timeout")
    return f"median of {TIMES}: {1000 * seconds:.0f} ms"


def fixtures(image: Image) -> str:
    """A fixture at /fixtures is used, or refused by name. The default one is only used if nothing is mounted."""
    minimal = ROOT / "fixtures" / "minimal.yaml"
    with folders(empty={}, one={"my.yaml": minimal}, two={"a.yaml": minimal, "b.yaml": minimal}) as given:
        used: list[tuple[Mapping[Path, str], str]] = [
            ({}, "/fixtures/shipped.yaml: 3 tenants"),
            ({given["one"]: "/fixtures"}, "/fixtures/my.yaml: 1 tenant,"),
            ({ROOT / "fixtures": "/fixtures"}, "/fixtures/default.yaml: 3 tenants"),
            ({minimal: "/fixtures/default.yaml"}, "/fixtures/default.yaml: 1 tenant,"),
        ]
        refused: list[tuple[Mapping[Path, str], str]] = [
            ({given["empty"]: "/fixtures"}, "/fixtures: is empty; put a fixture there"),
            ({given["two"]: "/fixtures"}, "/fixtures: holds several fixtures that can be meant: a.yaml, b.yaml; "),
            (
                {minimal: "/fixtures/my.yaml"},
                "/fixtures: holds several fixtures that can be meant: my.yaml, shipped.yaml; "
                "name the path of one (--fixtures or APIO_SIMULATOR_FIXTURES), like /fixtures/my.yaml, "
                "or call one of them, and only one, default.yaml\n",
            ),
        ]
        for mounts, line in used:
            with entry_point(Container(image, OWN_USER, mounts)) as running:
                running.healthy()
                expect_line(running.log.read_text(encoding="utf-8"), f"  fixture   {line}", mounts)
        for mounts, line in refused:
            status, said = Container(image, OWN_USER, mounts).run("apio-simulator", "serve")
            expect(status, 2, f"status with {mounts}: {said}")
            expect_line(said, line, mounts)
    return f"{len(used)} used, {len(refused)} refused"


def expect_line(text: str, beginning: str, what: object) -> None:
    """Raises `Failed` unless a line of the text begins with `beginning`."""
    if not any(line.startswith(beginning) for line in text.splitlines(keepends=True)):
        raise Failed(f"{what}: no line begins with {beginning!r}: {text}")


@contextmanager
def folders(**contents: Mapping[str, Path]) -> Iterator[dict[str, Path]]:
    """Yields folders that everybody can read, with copies of files."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        for folder, files in contents.items():
            (Path(name) / folder).mkdir()
            for file, source in files.items():
                shutil.copy(source, Path(name) / folder / file)
        yield {folder: Path(name) / folder for folder in contents}


def compose(image: Image) -> str:
    """Both compose.yaml are valid, and the consumer of the first can control the simulator by the service's name."""
    text = COMPOSE.read_text(encoding="utf-8")
    try:
        for file in (COMPOSE, SCALE_OUT):
            PyCompose.from_yaml(file.read_text(encoding="utf-8")).validate()
    except ValueError as error:
        raise Failed(str(error)) from None
    services: dict[str, Any] = yaml.safe_load(text)["services"]
    simulator, consumer = services["simulator"], services["consumer"]
    for service in services.values():
        hardening = [service.get(key) for key in ("read_only", "cap_drop", "security_opt")]
        expect(hardening, [True, ["ALL"], ["no-new-privileges:true"]], "hardening")
    expect(simulator["ports"], ["127.0.0.1:4080:4080"], "published ports")
    expect(consumer["depends_on"], {"simulator": {"condition": "service_healthy"}}, "what the consumer waits for")
    with tempfile.NamedTemporaryFile("w") as hosts:
        hosts.write("127.0.0.1 simulator\n")
        hosts.flush()
        Path(hosts.name).chmod(0o644)
        with entry_point(Container(image, OWN_USER, variables=simulator["environment"])) as running:
            running.healthy()
            variables = {
                name: value.replace(":4080", f":{running.address.rpartition(':')[2]}")
                for name, value in consumer["environment"].items()
            }
            status, said = Container(image, OWN_USER, {Path(hosts.name): "/etc/hosts"}, variables).run(
                *image.config["Entrypoint"], *consumer["command"]
            )
    expect(status, 0, f"status of the consumer: {said}")
    return "valid, and the consumer drives the simulator by its name"
