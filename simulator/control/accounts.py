"""The operation that lists the accounts of a sandbox, and how to log in with them."""

from __future__ import annotations

import json

from simulator.contract.operation import Call
from simulator.contract.view import View
from simulator.control.call import Control, ControlHandler
from simulator.control.recipe import Recipe, command
from simulator.directory import Account


def list_accounts(_: Call, control: Control) -> object:
    """GET accounts: the accounts of the current world, with passwords and tokens (S-12)."""
    accounts = control.sandbox.version.world.directory.accounts.values()
    return {"accounts": [View(each, level=each.level.title, command=login_command(control, each)) for each in accounts]}


def login_command(control: Control, account: Account) -> str:
    """Returns a shell command that logs an account in (A-3). Its password is in it."""
    login = control.contract.operations["login"]
    body = json.dumps({"username": account.name, "password": account.password}, ensure_ascii=False)
    return command(Recipe(method=login.method, path=login.path, body=body.encode()), control.base_url)


HANDLERS: dict[str, ControlHandler] = {"listAccounts": list_accounts}
