"""The settings that a server provides for a contract run."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from flask.testing import FlaskClient

from simulator.app import Simulation
from simulator.settings import Settings
from simulator.state.world import World

pytestmark = pytest.mark.rule("S-1")

PATH = "/_simulator/schemathesis.toml"
EMPTY: dict[str, Any] = {"version": 1, "defaultDomain": "example.com", "tenants": {}}


def dictionaries(client: FlaskClient) -> dict[str, list[str]]:
    settings = tomllib.loads(client.get(PATH).get_data(as_text=True))
    return {name: each["values"] for name, each in settings["dictionaries"].items()}


def test_the_commands_in_it_are_about_this_server_and_sandbox(simulation: Simulation, world: World) -> None:
    client = simulation.app(world).test_client()
    client.put("/_simulator/sandboxes/mine")
    response = client.get(f"/_sandboxes/mine{PATH}", base_url="http://localhost:4999")
    assert response.headers["Content-Type"] == "application/toml"
    text = response.get_data(as_text=True)
    assert "#   schemathesis run http://localhost:4999/_sandboxes/mine/_simulator/openapi.json\n" in text


def test_ids_are_those_of_the_present_world(simulation: Simulation, world: World) -> None:
    client = simulation.app(world).test_client()
    found = dictionaries(client)
    assert (found["tenants"], found["groups"]) == (["foo"], ["foogroup"])
    assert (found["capacities"], found["disposable_capacities"]) == (["Reception"], ["disposable"])
    assert (found["criteria"], found["disposable_criteria"]) == (["foocriteria"], ["disposable"])
    users = {"a@b": {"firstName": "A", "lastName": "B", "services": ["Executive", "Executive-Assistant"]}}
    group: dict[str, Any] = {"services": ["Call Capacity Management"], "users": users}
    group["callCapacities"] = [{"name": 'a "b"', "isDefault": True, "maxCalls": 1}]
    tenants = {"t": {"type": "Enterprise", "groups": {"empty": {}, "g": group}}}
    accounts = {"a": {"password": "\x7f\n\\é", "level": "System Admin"}}
    state = {**EMPTY, "tenants": tenants, "accounts": accounts}
    assert client.put("/_simulator/state", json=state).status_code == 204
    found = dictionaries(client)
    assert (found["tenants"], found["groups"], found["capacities"]) == (["t"], ["g"], ['a "b"'])
    assert found["passwords"] == ["\x7f\n\\é"]
    assert found["executives"] == found["members"] == found["assistants"] == ["a@b"]


def test_a_world_in_which_there_is_nothing_has_settings_too(simulation: Simulation, world: World) -> None:
    client = simulation.app(world).test_client()
    assert client.put("/_simulator/state", json=EMPTY).status_code == 204
    assert set(map(tuple, dictionaries(client).values())) == {("none",)}


def test_where_credentials_are_required_there_is_a_token(simulation: Simulation, world: World) -> None:
    client = simulation.app(world, Settings(auth="required")).test_client()
    settings = tomllib.loads(client.get(PATH).get_data(as_text=True))
    assert settings["auth"] == {"openapi": {"bearerToken": {"bearer": "system-admin"}}}
    client.patch("/_simulator/state", json={"accounts": None})
    text = client.get(PATH).get_data(as_text=True)
    assert "no System Admin of this world has a token" in text
    assert "auth" not in tomllib.loads(text)
