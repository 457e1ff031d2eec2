"""Runs what is in the image as an engine would with `--read-only --cap-drop ALL`, and with less.

The process is the first of its own process and mount namespace, its root is mounted read-only, it has no capability and
can gain none, no /proc, no /dev, no place to write, and only the image's variables. The network is this machine's.
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

# $1 the root, $2 user:group, then pairs of a source and a target below the root up to --, then the command.
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
    """How the image is run: by which `user:group`, with which mounts and variables besides the image's own."""

    image: Image
    user: str
    mounts: Mapping[Path, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)

    def start(self, command: Sequence[str], output: IO[str]) -> subprocess.Popen[str]:
        """Start a command of the image; what it prints goes to `output`."""
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
        """The files that files are mounted over, which an engine makes where there are none."""
        places = [Path(f"{self.image.root}{target}") for source, target in self.mounts.items() if source.is_file()]
        missing = [place for place in places if not place.exists()]
        for place in missing:
            place.touch()
        yield
        for place in missing:
            place.unlink()

    def run(self, *command: str) -> tuple[int, str]:
        """Exit status and output of a command of the image. Raises `Failed` if it does not end."""
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
    """A running entry point: its first process, seen from outside, its address, and its log so far."""

    container: Container
    process: subprocess.Popen[str]
    pid: int
    address: str
    log: Path

    def healthy(self) -> float:
        """Ask with the image's own health command until it says yes; the seconds that the last question took."""
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
        """Send SIGTERM to the first process, as an engine does; the seconds until it ended. Raises `Failed`."""
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
    """The image's entry point with its command, listening at a free port that a variable names."""
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
    """End a process and all that it has started, if it still runs."""
    if unshare.poll() is None:
        # The kernel ends the rest of the namespace with its first process; unshare's end alone would not reach it.
        with contextlib.suppress(Failed, ProcessLookupError):
            os.kill(_first_process(unshare), signal.SIGKILL)
        unshare.wait()


def _first_process(unshare: subprocess.Popen[str]) -> int:
    """The number, outside, of the first process of a namespace."""
    children = Path(f"/proc/{unshare.pid}/task/{unshare.pid}/children")
    while unshare.poll() is None:
        if found := children.read_text(encoding="ascii").split():
            return int(found[0])
        time.sleep(0.001)
    raise Failed(f"unshare ended with {unshare.returncode}")
