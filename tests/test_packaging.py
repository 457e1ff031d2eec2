"""The wheel works without the checkout, and the sdist is the checkout: both contain all that is needed."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from simulator import __version__

ROOT = Path(__file__).parents[1]


def build(source: Path, folder: Path, *targets: str) -> None:
    options = [option for target in targets for option in ("--target", target)]
    command = [sys.executable, "-m", "hatchling", "build", *options, "--directory", str(folder)]
    subprocess.run(command, cwd=source, check=True, capture_output=True)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the sdist, built from the checkout."""
    folder = tmp_path_factory.mktemp("built")
    build(ROOT, folder, "wheel", "sdist")
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    (wheel,) = built.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def unpacked(built: Path) -> Path:
    """The folder of the unpacked sdist."""
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        # The parameter for a filter is not in each Python 3.11, and later ones warn without any filter.
        archive.extraction_filter = lambda member, _: member
        archive.extractall(built)
    return built / sdist.name.removesuffix(".tar.gz")


@pytest.fixture(scope="module")
def installed(wheel: Path) -> Path:
    """A folder that holds what the wheel installs."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(wheel.parent / "installed")
    return wheel.parent / "installed"


@pytest.fixture(scope="module")
def described(installed: Path) -> Path:
    """The folder with the wheel's metadata."""
    return installed / f"apio_simulator-{__version__}.dist-info"


def run(installed: Path, *arguments: str) -> str:
    """Return what Python prints if it has the wheel's content but not the checkout."""
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
    assert run(installed, "-m", "simulator", "validate", str(fixture)).endswith("2 users, 1 account\nvalid")


def test_the_documentation_page_and_the_types_are_there(installed: Path) -> None:
    program = (
        "from simulator.app import create_app; c = create_app().test_client();"
        "print(c.get('/_simulator/docs').status_code, len(c.get('/_simulator/rules').json['rules']) > 50)"
    )
    assert run(installed, "-c", program) == "200 True"
    assert (installed / "simulator" / "py.typed").exists()


def test_the_templates_and_the_error_catalogue_are_there(installed: Path) -> None:
    program = (
        "from simulator.app import create_app; c = create_app().test_client(); h = {'Accept': 'text/html'};"
        "print(*[c.get(f'/_simulator/{each}', headers=h).status_code for each in ('errors', 'coverage')],"
        "c.get('/_simulator/schemathesis.toml').status_code, len(c.get('/_simulator/errors').json['errors']) > 500)"
    )
    assert run(installed, "-c", program) == "200 200 200 True"


def test_whatever_ships_is_the_checkouts(installed: Path) -> None:
    for name in ("openapi.yaml", *(f"fixtures/{each.name}" for each in (ROOT / "fixtures").iterdir())):
        assert (installed / "simulator" / "shipped" / name).read_bytes() == (ROOT / name).read_bytes()


def test_the_wheel_installs_the_package_and_nothing_else(installed: Path, described: Path) -> None:
    assert {path.name for path in installed.iterdir()} == {"simulator", described.name}


def test_the_wheel_says_what_it_is(described: Path) -> None:
    metadata = message_from_bytes((described / "METADATA").read_bytes())
    assert metadata["Version"] == __version__
    assert metadata["License-Expression"] == "MIT"
    assert (described / "licenses" / metadata["License-File"]).read_bytes() == (ROOT / "LICENSE").read_bytes()
    assert "apio-simulator = simulator.cli:main" in (described / "entry_points.txt").read_text().splitlines()


def test_the_wheel_of_the_sdist_is_the_wheel_of_the_checkout(unpacked: Path, wheel: Path, tmp_path: Path) -> None:
    build(unpacked, tmp_path, "wheel")
    assert (tmp_path / wheel.name).read_bytes() == wheel.read_bytes()


def test_the_sdist_holds_what_the_tests_need_and_nothing_that_tools_left(unpacked: Path) -> None:
    names = {path.relative_to(unpacked).as_posix() for path in unpacked.rglob("*")}
    needed = {path.relative_to(ROOT).as_posix() for path in (ROOT / "tests").rglob("*.py")}
    assert names >= needed | {"LICENSE", "Makefile", "README.md", "constraints.txt", "docs/fidelity.md"}
    left = {".venv", "__pycache__", "node_modules", "build", "dist"}
    assert not [name for name in names if left & set(name.split("/"))]


def test_the_image_is_labelled_with_the_version() -> None:
    assert f"\nARG VERSION={__version__}\n" in (ROOT / "Dockerfile").read_text(encoding="utf-8")


@pytest.mark.parametrize(("package", "fixed"), [("marshmallow", "4.1.2"), ("orjson", "3.11.6"), ("werkzeug", "3.1.6")])
def test_versions_with_known_vulnerabilities_are_not_taken(package: str, fixed: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    allowed = {each.name: each.specifier for each in map(Requirement, project["dependencies"])}[package]
    floors = [Version(each.version) for each in allowed if each.operator == ">="]
    assert floors
    assert min(floors) >= Version(fixed)


def test_the_pinned_versions_are_ones_that_the_package_allows() -> None:
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pinned = {canonicalize_name(name): version for name, _, version in (line.partition("==") for line in lines)}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    needed = [each for group in groups for each in map(Requirement, group) if each.name != project["name"]]
    assert len(needed) > 30
    for each in needed:
        assert each.specifier.contains(pinned[canonicalize_name(each.name)]), each
