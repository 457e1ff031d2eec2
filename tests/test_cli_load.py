"""`load`: a fixture replaces the state of a sandbox that runs already."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from simulator.app import Simulation, shipped
from simulator.cli import main
from simulator.settings import Settings
from simulator.state.world import World
from tests.conftest import CAPACITIES, Api, Finished, run, served

MINIMAL = shipped("fixtures/minimal.yaml")
WRONG = """\
version: 1
defaultDomain: example.com
tenants:
  acme:
    type: Enterprise
    groups:
      main:
        services: [Call Capacity Management]
        callCapacities:
          - {name: a, isDefault: true, maxCalls: 5, userIds: [nobody]}
          - {name: b, isDefault: true, maxCalls: -1}
"""
REASONS = (
    ":11: /tenants/acme/groups/main/callCapacities/1/maxCalls: must be 0 or more",
    ":10: /tenants/acme/groups/main/callCapacities/0/userIds/0: the group has no user 'nobody' (CC-7)",
)


def about(api: Api, server: str) -> tuple[str, ...]:
    """Return the options that select the sandbox of a test."""
    return "--url", server, "--sandbox", api.root.rpartition("/")[2]


def piped(content: bytes, *arguments: str) -> Finished:
    """Run `load -` with this standard input."""
    result = CliRunner().invoke(main, ["load", "-", *arguments], input=content, catch_exceptions=False)
    return Finished(arguments, result.exit_code, result.stdout, result.stderr)


@pytest.mark.rule("S-4")
class TestLoad:
    @pytest.mark.parametrize("name", ["saved.yaml", "saved.json"])
    def test_it_brings_back_what_state_has_saved(self, api: Api, server: str, tmp_path: Path, name: str) -> None:
        api.ok("POST", CAPACITIES, {"name": "new", "isDefault": False, "maxCalls": 1})
        changed = api.arranged("GET", "state")
        run("state", "--output", str(tmp_path / name), *about(api, server))
        api.reset()
        assert api.arranged("GET", "state") != changed
        result = run("load", str(tmp_path / name), *about(api, server))
        assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
        assert api.arranged("GET", "state") == changed

    def test_a_reset_goes_back_to_the_seed_all_the_same(self, api: Api, server: str) -> None:
        before = api.arranged("GET", "state")
        assert run("load", str(MINIMAL), *about(api, server)).returncode == 0
        assert list(api.arranged("GET", "state")["tenants"]) == ["acme"]
        api.reset()
        assert api.arranged("GET", "state") == before

    @pytest.mark.parametrize("is_json", [False, True], ids=["yaml", "json"])
    def test_it_reads_standard_input(self, api: Api, server: str, is_json: bool) -> None:
        content = MINIMAL.read_bytes()
        if is_json:
            api.control("PUT", "state", content=content, headers={"Content-Type": "application/yaml"})
            content = json.dumps(api.arranged("GET", "state")).encode()
            api.reset()
        assert piped(content, *about(api, server)).returncode == 0
        assert list(api.arranged("GET", "state")["tenants"]) == ["acme"]

    def test_of_a_folder_it_takes_the_fixture_that_serve_takes(self, api: Api, server: str, tmp_path: Path) -> None:
        (tmp_path / "default.yaml").write_bytes(MINIMAL.read_bytes())
        (tmp_path / "other.yaml").write_text(WRONG, encoding="utf-8")
        assert run("load", str(tmp_path), *about(api, server)).returncode == 0
        assert list(api.arranged("GET", "state")["tenants"]) == ["acme"]

    def test_mistakes_are_named_with_file_line_and_rule_and_change_nothing(
        self, api: Api, server: str, tmp_path: Path
    ) -> None:
        before = api.arranged("GET", "state")
        file = tmp_path / "wrong.yaml"
        file.write_text(WRONG, encoding="utf-8")
        for result, name in (
            (run("load", str(file), *about(api, server)), str(file)),
            (piped(WRONG.encode(), *about(api, server)), "<stdin>"),
        ):
            assert (result.returncode, result.stdout) == (2, "")
            lines = result.stderr.splitlines()
            assert len(lines) == 2
            for line, reason in zip(lines, REASONS, strict=True):
                assert line.startswith(name + reason)
        assert api.arranged("GET", "state") == before

    @pytest.mark.parametrize(
        ("content", "words"),
        [
            (b"version: 1\nversion: 1\n", ":2: /version: stands here twice"),
            (b"version: [", ":2:1: is not well-formed YAML"),
            (b"\xff", ": is not UTF-8 text"),
        ],
    )
    def test_what_is_no_document_is_not_even_sent(self, tmp_path: Path, content: bytes, words: str) -> None:
        file = tmp_path / "wrong.yaml"
        file.write_bytes(content)
        result = run("load", str(file), "--url", "http://127.0.0.1:1")
        assert (result.returncode, result.stdout) == (2, "")
        assert result.stderr.startswith(f"{file}{words}")

    def test_a_file_that_is_not_there_is_named(self, server: str, tmp_path: Path) -> None:
        result = run("load", str(tmp_path / "none.yaml"), "--url", server)
        assert (result.returncode, result.stderr) == (
            2,
            f"{tmp_path / 'none.yaml'}: cannot be read: No such file or directory\n",
        )

    def test_a_fixture_that_is_too_large_is_refused_with_the_option_that_allows_it(
        self, simulation: Simulation, world: World
    ) -> None:
        with served(simulation.app(world, Settings(max_state=100))) as server:
            result = run("load", str(MINIMAL), "--url", server.url)
        assert result.returncode == 1
        assert result.stderr.endswith(
            ": the body is over the limit of 100 bytes (G-10); start the server with a larger --max-state\n"
        )
