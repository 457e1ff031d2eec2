"""The banner names addresses that work, and shows passwords only where nobody keeps them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from simulator.app import Simulation
from simulator.cli.banner import MOST_ACCOUNTS, Banner
from simulator.contract.profile import digest
from simulator.settings import Settings
from simulator.state.world import World
from tests.conftest import served
from tests.test_library import NEEDS_IPV6


def banner(world: World, host: str = "127.0.0.1", **settings: Any) -> Banner:
    return Banner(
        url="http://127.0.0.1:4080",
        host=host,
        settings=Settings(**settings).at(host),
        fixture=None,
        directory=world.directory,
    )


def control_line(banner: Banner) -> str:
    (line,) = [line for line in banner.as_text(with_secrets=False).splitlines() if line.startswith("  control")]
    return line.removeprefix("  control   ")


@pytest.mark.rule("S-2")
@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", pytest.param("::", marks=NEEDS_IPV6), "localhost"])
def test_its_links_lead_to_a_control_interface_that_answers(simulation: Simulation, world: World, host: str) -> None:
    settings = Settings().at(host)
    with served(simulation.app(world, settings), host=host) as server:
        shown = Banner(
            url=server.local_url, host=server.host, settings=settings, fixture=None, directory=world.directory
        )
        printed = json.loads(shown.as_json())
        docs, console = printed["docs"], printed["console"]
        assert shown.as_text(with_secrets=False).endswith(f"\n  console   {console}\nReady.")
        assert httpx.get(docs).status_code == 200
        assert httpx.get(console, headers={"Accept": "text/html"}, follow_redirects=True).status_code == 200
        name = "localhost" if host == "localhost" else "[::1]" if host == "::" else "127.0.0.1"
        assert docs == f"http://{name}:{server.port}/_simulator/docs"


@pytest.mark.rule("S-2")
@pytest.mark.parametrize(
    ("host", "allowed", "names", "words"),
    [
        ("127.0.0.1", (), ["localhost"], "localhost and other loopback names;"),
        ("0.0.0.0", (), ["localhost"], "localhost and other loopback names;"),
        ("0.0.0.0", ("simulator",), ["localhost", "simulator"], "localhost and other loopback names, simulator;"),
        ("::", ("localhost",), ["localhost"], "localhost and other loopback names;"),
        ("192.0.2.7", (), ["192.0.2.7"], "192.0.2.7;"),
        ("0.0.0.0", ("simulator", "*"), ["*"], "under any host name"),
    ],
)
def test_it_says_under_which_names_the_control_interface_can_be_called(
    world: World, host: str, allowed: tuple[str, ...], names: list[str], words: str
) -> None:
    shown = banner(world, host, allowed_hosts=allowed)
    assert shown.control_hosts == json.loads(shown.as_json())["controlHosts"] == names
    assert words in control_line(shown)
    assert ("--allowed-host NAME" in control_line(shown)) is ("*" not in allowed)


def test_it_says_when_the_server_listens_at_every_address(world: World) -> None:
    said = {host: banner(world, host).as_text(with_secrets=False) for host in ("127.0.0.1", "0.0.0.0", "::")}
    assert "listens" not in said["127.0.0.1"]
    assert "\n  listens   at every IPv4 address of this machine\n" in said["0.0.0.0"]
    assert "\n  listens   at every IPv6 address of this machine\n" in said["::"]


def test_passwords_and_tokens_are_left_out_with_a_hint_where_they_are(world: World) -> None:
    for shown, hint in (
        (banner(world), "apio-simulator state --url http://127.0.0.1:4080"),
        (banner(world, control=False), "they are in the fixture"),
    ):
        text, secret_text = shown.as_text(with_secrets=False), shown.as_text(with_secrets=True)
        assert "\n  account   groupadmin: Group Admin of foo/foogroup\n" in text
        assert hint in text
        assert "secret" not in text
        assert "foogroup-admin" not in text + shown.as_json()
        assert "groupadmin / secret: Group Admin of foo/foogroup, token foogroup-admin\n" in secret_text
        assert hint not in secret_text


@pytest.mark.rule("S-14")
def test_it_says_what_the_profile_confirms_and_changes_and_what_cannot_be_followed(
    simulation: Simulation, world: World
) -> None:
    rules = {
        "CC-1": {"verdict": "confirmed"},
        "CC-9": {"verdict": "contradicted", "choice": "absent"},
        "EX-9": {"verdict": "contradicted"},
        "EX-11": {"verdict": "contradicted"},
    }
    system = {"name": "lab-1", "observed": "2026-11-27", "simulator": True}
    document = {"version": 1, "system": system, "ledger": digest(simulation.ledger), "rules": rules}
    shown = replace(banner(world), profile=simulation.following(document).profile)
    assert "\n".join(
        [
            "  profile   lab-1, observed 2026-11-27: rules confirmed 1, changed 1, not followed 2",
            "            it was observed on a simulator, so it proves nothing",
            "            the simulator cannot follow the system in EX-9, EX-11",
        ]
    ) in shown.as_text(with_secrets=False)
    assert json.loads(shown.as_json())["profile"] == {
        "system": "lab-1",
        "observed": "2026-11-27",
        "simulator": True,
        "confirmed": ["CC-1"],
        "followed": ["CC-9"],
        "notFollowed": ["EX-9", "EX-11"],
    }
    assert "profile" not in banner(world).as_text(with_secrets=False) + banner(world).as_json()


def test_without_the_control_interface_it_shows_no_links_to_it(world: World) -> None:
    shown = banner(world, control=False)
    assert "_simulator" not in shown.as_text(with_secrets=True) + shown.as_json()
    assert "controlHosts" not in shown.as_json()


def test_it_is_short_and_printable_whatever_the_fixture_is_called(world: World) -> None:
    account = world.directory.accounts["foouser"]
    many = {f"\x1b[2J\nReady.{number}": replace(account, name=f"\x1b[2J\nReady.{number}") for number in range(1_020)}
    shown = replace(banner(world), fixture=Path("a\n\udcff.yaml"), directory=replace(world.directory, accounts=many))
    lines = shown.as_text(with_secrets=True).split("\n")
    assert all(map(str.isprintable, lines))
    assert lines[-1] == "Ready."
    assert lines.count("            and 1,000 more") == 1
    assert len(lines) == MOST_ACCOUNTS + 6
    line = shown.as_json()
    assert line.isprintable()
    assert json.loads(line)["fixture"] == "a\n\udcff.yaml"
