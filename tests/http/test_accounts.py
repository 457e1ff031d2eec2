"""The accounts of a sandbox over HTTP, and the commands that log in."""

from __future__ import annotations

import subprocess
from typing import Any

import httpx
import pytest

from simulator.app import create_app
from tests.conftest import Api, served

pytestmark = pytest.mark.rule("S-12")

HOSTILE = '@it\'s "a" $HOME `id` \\n!\n%2F é😀\u202e\x1b[31m'


def fixture(accounts: dict[str, Any]) -> dict[str, Any]:
    return {"version": 1, "defaultDomain": "example.com", "tenants": {}, "accounts": accounts}


def printed(command: str) -> Any:
    """Run a command in a shell. Return what it prints, and its exit status."""
    command = command.replace("curl ", "curl -sS --fail ", 1)
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=10)
    return done.stdout, done.returncode


def test_the_accounts_are_those_of_the_state(api: Api) -> None:
    shown = api.arranged("GET", "accounts")["accounts"]
    assert all(each.pop("command") for each in shown)
    assert {each.pop("name"): each for each in shown} == api.arranged("GET", "state")["accounts"]


def test_their_order_is_that_of_the_state(api: Api) -> None:
    names = [each["name"] for each in api.arranged("GET", "accounts")["accounts"]]
    assert names == list(api.arranged("GET", "state")["accounts"])


@pytest.mark.rule("A-3")
def test_each_command_logs_in_to_this_sandbox(api: Api) -> None:
    accounts = api.arranged("GET", "accounts")["accounts"]
    for account in accounts:
        body, status = printed(account["command"])
        assert status == 0, account
        assert '"user_level"' in body
    assert api.arranged("POST", "logout")["ended"] == len(accounts)


@pytest.mark.parametrize("text", [HOSTILE, "x" * 3_000, "\x00\x01"])
def test_names_and_passwords_with_signs_of_the_shell_arrive_as_they_are(text: str) -> None:
    with served(create_app(fixture({text: {"password": text, "level": "System Admin"}}))) as server:
        [account] = httpx.get(f"{server.url}/_simulator/accounts").json()["accounts"]
        assert (account["name"], account["password"]) == (text, text)
        assert printed(account["command"])[1] == 0


def test_a_world_without_accounts_lists_none() -> None:
    assert create_app(fixture({})).test_client().get("/_simulator/accounts").json == {"accounts": []}


@pytest.mark.rule("S-2")
def test_they_are_shown_with_the_token_of_the_control_interface_only() -> None:
    client = create_app(control_token="t").test_client()
    assert client.get("/_simulator/accounts").status_code == 401
    assert client.get("/_simulator/accounts", headers={"Authorization": "Bearer t"}).status_code == 200
    assert client.get("/_simulator/accounts", headers={"Host": "evil.example"}).status_code == 403
