"""Builds the image without an engine: with buildah, on a base image made by debootstrap."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.contract_checks.check import ROOT, Failed, run

CACHE = ROOT / "build" / "image"
"""Where the base image and built images are kept."""

SUITE = "trixie"
PACKAGES = "ca-certificates,python3,python3-pip,python3-venv"
BASE = f"localhost/python-{SUITE}"
NAME = "localhost/apio-simulator"
DOCKERFILE = ROOT / "Dockerfile"
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")

# Some versions of buildah do not know this option of HEALTHCHECK, and refuse the file.
START_INTERVAL = "--start-interval=0.1s "


@dataclass(frozen=True, slots=True)
class Image:
    """A built image: its configuration as engines read it, the folder with its files, and its size."""

    config: dict[str, Any]
    root: Path
    size: str
    base_size: str
    without_start_interval: bool

    @property
    def environment(self) -> dict[str, str]:
        """The variables that a process in a container gets."""
        return dict(variable.split("=", 1) for variable in self.config["Env"])


def buildah(*arguments: object) -> str:
    """Runs buildah, and returns its output. It keeps everything as folders in the cache; nothing stays mounted."""
    # Only the chroot isolation also works inside a container.
    places = ["--root", CACHE / "storage", "--runroot", CACHE / "run", "--storage-driver", "vfs"]
    return run(["buildah", *places, *arguments]).strip()


def ensure_base() -> None:
    """Make the base image, unless it is in the cache. Raises `Failed` with a tool's output."""
    CACHE.mkdir(parents=True, exist_ok=True)
    if BASE in buildah("images", "--format", "{{.Name}}").split():
        return
    print(f"Making the base image, Debian {SUITE} with Python …", flush=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as name:
        root = Path(name) / "root"
        run(["debootstrap", "--variant=minbase", f"--include={PACKAGES}", SUITE, root])
        # As in real images, there are no devices and no package lists. As in Python's official ones, no bytecode.
        for folder in ("dev", "var/cache/apt", "var/lib/apt/lists"):
            shutil.rmtree(root / folder)
            (root / folder).mkdir()
        for each in root.rglob("*.pyc"):
            each.unlink()
        if CERTIFICATES.exists():
            # Packages may come through a proxy whose certificate only this machine trusts.
            shutil.copy(CERTIFICATES, root / CERTIFICATES.relative_to("/"))
        container = buildah("from", "scratch")
        buildah("copy", "--quiet", container, root, "/")
        path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        buildah("config", "--env", f"PATH={path}", container)
        buildah("commit", "--quiet", "--rm", container, BASE)


@contextmanager
def built(dockerfile: Path = DOCKERFILE) -> Iterator[Image]:
    """Builds the image from the checkout's Dockerfile. Raises `Failed` with buildah's output."""
    # Remove what an interrupted run has left behind.
    buildah("rm", "--all")
    try:
        _build(dockerfile)
        left_out = False
    except Failed as failed:
        if "flag provided but not defined: -start-interval" not in str(failed):
            raise
        older = CACHE / "Dockerfile"
        older.write_text(dockerfile.read_text(encoding="utf-8").replace(START_INTERVAL, ""), encoding="utf-8")
        _build(older)
        left_out = True
    container = buildah("from", "--pull-never", NAME)
    try:
        root = Path(buildah("mount", container))
        sizes = {image["names"][0].partition(":")[0]: image["size"] for image in _images()}
        config = json.loads(buildah("inspect", "--type", "image", NAME))["Docker"]["config"]
        yield Image(config, root, sizes[NAME], sizes[BASE], left_out)
    finally:
        buildah("umount", container)
        buildah("rm", container)


def _build(dockerfile: Path) -> None:
    base = ["--pull-never", "--build-arg", f"PYTHON_IMAGE={BASE}"]
    buildah("build", "--isolation", "chroot", "--format", "docker", *base, "--file", dockerfile, "--tag", NAME, ROOT)
    buildah("rmi", "--prune")


def _images() -> list[dict[str, Any]]:
    images: list[dict[str, Any]] = json.loads(buildah("images", "--json"))
    return [image for image in images if image.get("names")]
