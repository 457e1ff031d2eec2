"""The wheel works without the checkout: contract, ledger, fixtures and the documentation page travel in it."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from simulator import __version__

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds what the wheel installs."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    assert __version__ in wheel.name
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "installed")
    return folder / "installed"


def run(installed: Path, *arguments: str) -> str:
    """What a Python prints that knows the wheel's content and nothing of the checkout."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=installed.parent,
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_the_contract_and_the_default_fixture_are_found_in_the_package(installed: Path) -> None:
    program = "from simulator.app import shipped; print(shipped('openapi.yaml'), shipped('fixtures/default.yaml'))"
    shipped = installed / "simulator" / "shipped"
    assert run(installed, "-c", program) == f"{shipped}/openapi.yaml {shipped}/fixtures/default.yaml"


def test_the_command_works(installed: Path) -> None:
    fixture = installed / "simulator" / "shipped" / "fixtures" / "minimal.yaml"
    assert run(installed, "-m", "simulator", "validate", str(fixture)).endswith("1 tenant, 1 group, 2 users, 1 account")


def test_the_documentation_page_and_the_types_are_there(installed: Path) -> None:
    program = (
        "from simulator.app import create_app; c = create_app().test_client();"
        "print(c.get('/_simulator/docs').status_code, len(c.get('/_simulator/rules').json['rules']) > 50)"
    )
    assert run(installed, "-c", program) == "200 True"
    assert (installed / "simulator" / "py.typed").exists()


def test_whatever_ships_is_the_checkouts(installed: Path) -> None:
    for name in ("openapi.yaml", "fixtures/default.yaml", "fixtures/minimal.yaml"):
        assert (installed / "simulator" / "shipped" / name).read_bytes() == (ROOT / name).read_bytes()
