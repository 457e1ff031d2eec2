"""A folder instead of a fixture's file: it is clear which fixture is meant, or the folder is refused."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from simulator.app import shipped
from simulator.errors import BrokenDocument
from simulator.fixture.folder import NAMES_SHOWN, fixture_file
from tests.conftest import python, serving_process

MINIMAL = shipped("fixtures/minimal.yaml").read_bytes()


def folder(root: Path, *names: str) -> Path:
    """Fill a folder with the minimal fixture, under each of these names."""
    for name in names:
        (root / name).write_bytes(MINIMAL)
    return root


def refusal(path: Path) -> str:
    with pytest.raises(BrokenDocument) as refused:
        fixture_file(path)
    return str(refused.value)


@pytest.mark.parametrize(
    ("names", "used"),
    [
        (["default.yaml"], "default.yaml"),
        (["default.yml"], "default.yml"),
        (["default.json"], "default.json"),
        (["a.yaml", "default.yaml", "z.yaml"], "default.yaml"),
        (["my.yaml"], "my.yaml"),
        (["my.YML"], "my.YML"),
        (["my.json", "README.md", ".my.yaml", "yaml", "fixture.schema.json"], "my.json"),
    ],
)
def test_the_default_is_used_or_else_the_only_fixture(tmp_path: Path, names: list[str], used: str) -> None:
    assert fixture_file(folder(tmp_path, *names)) == tmp_path / used


@pytest.mark.parametrize("names", [["a.yaml", "b.json"], ["default.json", "default.yaml"]])
def test_several_that_can_be_meant_are_refused_with_their_names(tmp_path: Path, names: list[str]) -> None:
    found = f"{tmp_path}: holds several fixtures that can be meant: {', '.join(names)}; "
    path = f"name the path of one (--fixtures or APIO_SIMULATOR_FIXTURES), like {tmp_path / names[0]}, "
    assert refusal(folder(tmp_path, *names)) == f"{found}{path}or call one of them, and only one, default.yaml"


def test_a_folder_without_a_fixture_is_refused_with_what_it_holds(tmp_path: Path) -> None:
    advice = "; put a fixture there (*.yaml, *.yml, *.json), or name the path of one"
    assert refusal(tmp_path).startswith(f"{tmp_path}: is empty{advice}")
    assert refusal(folder(tmp_path, "b.txt", ".a")).startswith(f"{tmp_path}: holds no fixture, only .a, b.txt{advice}")


def test_of_many_names_some_are_said(tmp_path: Path) -> None:
    names = [f"{number:02}.txt" for number in range(NAMES_SHOWN + 2)]
    assert f"only {', '.join(names[:NAMES_SHOWN])} and 2 more; " in refusal(folder(tmp_path, *names))


def test_what_is_no_folder_is_meant_itself(tmp_path: Path) -> None:
    assert fixture_file(tmp_path / "none.yaml") == tmp_path / "none.yaml"
    assert fixture_file(folder(tmp_path, "my.txt") / "my.txt") == tmp_path / "my.txt"


@pytest.mark.parametrize("kind", ["folder", "dangling link"])
def test_what_is_named_like_a_fixture_and_is_none_hides_no_mistake(tmp_path: Path, kind: str) -> None:
    """If a file to be mounted is missing, a container engine makes a folder of its name."""
    folder(tmp_path, "shipped.yaml")
    default = tmp_path / "default.yaml"
    if kind == "folder":
        default.mkdir()
        reason = "Is a directory"
    else:
        default.symlink_to("none.yaml")
        reason = "No such file or directory"
    result = python("-m", "simulator", "serve", "--port", "0", "--fixtures", str(tmp_path))
    assert (result.returncode, result.stderr) == (2, f"{default}: cannot be read: {reason}\n")


# Root can read everything, so on Linux it first gives up its capabilities. The modules are loaded before that, because
# the checkout may belong to another user.
WITHOUT_CAPABILITIES = """
import ctypes, os
from simulator import app, cli, log, server
from simulator.fixture import folder
if os.getuid() == 0:
    version_3, this_process = 0x20080522, 0
    none = (ctypes.c_uint32 * 6)()
    assert ctypes.CDLL(None).capset((ctypes.c_uint32 * 2)(version_3, this_process), none) == 0
cli.main()
"""


@pytest.mark.skipif(sys.platform != "linux" and os.getuid() == 0, reason="this system stops root by no permission")
@pytest.mark.parametrize("closed", ["the folder", "the folder around it", "the file"])
def test_what_must_not_be_read_is_refused_by_name(tmp_path: Path, closed: str) -> None:
    inner = tmp_path / "closed" / "fixtures"
    inner.mkdir(parents=True)
    file = folder(inner, "my.yaml") / "my.yaml"
    named, target = {
        "the folder": (inner, inner),
        "the folder around it": (inner, inner.parent),
        "the file": (file, file),
    }[closed]
    target.chmod(0)
    try:
        result = python("-c", WITHOUT_CAPABILITIES, "serve", "--port", "0", "--fixtures", str(inner))
    finally:
        target.chmod(0o755)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == f"{named}: cannot be read: Permission denied\n"


def test_the_banner_says_which_file_was_used(tmp_path: Path) -> None:
    for options, environment in (
        (["--fixtures", str(folder(tmp_path, "my.yaml"))], {}),
        ([], {"APIO_SIMULATOR_FIXTURES": str(tmp_path)}),
    ):
        with serving_process(*options, **environment) as server:
            (line,) = [line for line in server.banner if "fixture" in line]
            assert line == f"  fixture   {tmp_path}/my.yaml: 1 tenant, 1 group, 2 users, 1 account"


def test_serve_refuses_a_folder_that_does_not_say_which_in_one_line_with_status_2(tmp_path: Path) -> None:
    path = str(folder(tmp_path, "a.yaml", "b.yaml"))
    result = python("-m", "simulator", "serve", "--port", "0", "--fixtures", path)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == refusal(tmp_path) + "\n"
