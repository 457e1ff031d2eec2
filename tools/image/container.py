"""Runs the image as an engine would with `--read-only --cap-drop ALL`, but with even less.

The process is the first of its own process and mount namespace. Its root is mounted read-only. It has no capabilities
and cannot gain any. It has no /proc, no /dev, no place to write, and only the image's variables. It uses this machine's
network.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO

from tools.contract_checks.check import Failed
from tools.image.building import Image

HEALTHY_WITHIN_SECONDS = 20
COMMAND_SECONDS = 20
STOPS_WITHIN_SECONDS = 1.0

# $1 is the root, $2 is user:group. Then come pairs of a source and a target below the root, then --, then the command.
START = """
set -e
root=$1 user=$2; shift 2
mount --bind "$root" "$root"
while [ "$1" != -- ]; do
  mount --bind "$1" "$root$2"
  mount -o remount,bind,ro "$root$2"
  shift 2
done
shift
mount -o remount,bind,ro "$root"
exec setpriv --no-new-privs --bounding-set=-all,+setuid,+setgid,+sys_chroot \
  chroot --userspec="$user" --groups= "$root" "$@"
"""


@dataclass(frozen=True, slots=True)
class Container:
    """How the image is run: the `user:group`, the mounts, and variables in addition to the image's own."""

    image: Image
    user: str
    mounts: Mapping[Path, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)

    def start(self, command: Sequence[str], output: IO[str]) -> subprocess.Popen[str]:
        """Start a command of the image. Its output goes to `output`."""
        pairs = [word for source, target in self.mounts.items() for word in (str(source), target)]
        unshare = [str(shutil.which("unshare")), "--mount", "--pid", "--fork", "sh", "-c", START, "sh"]
        return subprocess.Popen(
            [*unshare, str(self.image.root), self.user, *pairs, "--", *command],
            env={**self.image.environment, **self.variables},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
        )

    @contextmanager
    def mount_points(self) -> Iterator[None]:
        """Creates the files that other files are mounted over, as an engine does, and removes them afterwards."""
        places = [Path(f"{self.image.root}{target}") for source, target in self.mounts.items() if source.is_file()]
        missing = [place for place in places if not place.exists()]
        for place in missing:
            place.touch()
        yield
        for place in missing:
            place.unlink()

    def run(self, *command: str) -> tuple[int, str]:
        """Returns exit status and output of a command of the image. Raises `Failed` if it does not end."""
        with self.mount_points(), tempfile.TemporaryFile("w+") as output:
            process = self.start(command, output)
            try:
                status = process.wait(COMMAND_SECONDS)
            except subprocess.TimeoutExpired:
                raise Failed(f"{' '.join(command)} still runs after {COMMAND_SECONDS} s") from None
            finally:
                end(process)
            output.seek(0)
            return status, output.read()


@dataclass(frozen=True, slots=True)
class Running:
    """A running entry point: its first process (by the number outside), its address, and its log so far."""

    container: Container
    process: subprocess.Popen[str]
    pid: int
    address: str
    log: Path

    def healthy(self) -> float:
        """Run the image's health check until it succeeds. Returns how many seconds the last one took."""
        kind, *command = self.container.image.config["Healthcheck"]["Test"]
        if kind != "CMD":
            raise Failed(f"the health check is of the form {kind}, not CMD")
        end = time.monotonic() + HEALTHY_WITHIN_SECONDS
        while True:
            begin = time.monotonic()
            status, said = self.container.run(*command)
            if status == 0:
                return time.monotonic() - begin
            if self.process.poll() is not None or time.monotonic() > end:
                raise Failed(f"is not healthy: {said}{self.log.read_text(encoding='utf-8')}")

    def stop(self) -> float:
        """Send SIGTERM as an engine does. Returns the seconds until the first process ended. Raises `Failed`."""
        begin = time.monotonic()
        os.kill(self.pid, signal.SIGTERM)
        try:
            status = self.process.wait(STOPS_WITHIN_SECONDS)
        except subprocess.TimeoutExpired:
            raise Failed(f"still runs {STOPS_WITHIN_SECONDS} s after SIGTERM") from None
        if status != 0:
            raise Failed(f"ends with status {status} on SIGTERM: {self.log.read_text(encoding='utf-8')}")
        return time.monotonic() - begin


@contextmanager
def entry_point(container: Container) -> Iterator[Running]:
    """Runs the image's entry point with its command, at a free port given by a variable."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    container = replace(container, variables={**container.variables, "APIO_SIMULATOR_PORT": port})
    config = container.image.config
    with container.mount_points(), tempfile.NamedTemporaryFile("w+") as log:
        process = container.start([*config["Entrypoint"], *config["Cmd"]], log)
        try:
            yield Running(container, process, _first_process(process), f"http://127.0.0.1:{port}", Path(log.name))
        finally:
            end(process)


def end(unshare: subprocess.Popen[str]) -> None:
    """End a process that still runs, and all processes that it has started."""
    if unshare.poll() is None:
        # If the namespace's first process ends, the kernel ends the others. Ending unshare alone would not do this.
        with contextlib.suppress(Failed, ProcessLookupError):
            os.kill(_first_process(unshare), signal.SIGKILL)
        unshare.wait()


def _first_process(unshare: subprocess.Popen[str]) -> int:
    """Returns the number, outside the namespace, of its first process."""
    children = Path(f"/proc/{unshare.pid}/task/{unshare.pid}/children")
    while unshare.poll() is None:
        if found := children.read_text(encoding="ascii").split():
            return int(found[0])
        time.sleep(0.001)
    raise Failed(f"unshare ended with {unshare.returncode}")
