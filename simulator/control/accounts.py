"""The operation that lists the accounts of a sandbox."""

from __future__ import annotations

import json

from simulator.control.call import Control
from simulator.control.recipe import Recipe, command
from simulator.directory import Account


def login_command(control: Control, account: Account) -> str:
    """Returns a shell command that logs an account in (A-3). Its password is in it."""
    login = control.contract.operations["login"]
    body = json.dumps({"username": account.name, "password": account.password}, ensure_ascii=False)
    return command(Recipe(method=login.method, path=login.path, body=body.encode()), control.base_url)
