"""What the shell completes: operations and rules, and the names that a running server has."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from textwrap import shorten
from typing import Any

import click
from click.shell_completion import CompletionItem

from simulator.cli.options import PREFIX

Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]

SECONDS = 0.5
"""How long the shell waits for the server at most."""

SERVER_OPTIONS = ("url", "sandbox", "control_token")

_NAME = re.compile("[A-Za-z0-9._-]{1,64}")


def operations(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Returns the operations of the simulated API. They come from the error catalogue, which is read fastest."""
    from simulator.control.recipe import load_refusals

    recipes = (each.recipe for each in load_refusals())
    known = {each.operation_id for each in recipes if each.operation_id and each.path.startswith("/api/")}
    return [CompletionItem(each) for each in sorted(known) if each.startswith(incomplete)]


def rules(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Returns the rules of the ledger, with the beginning of their statements."""
    from simulator.contract.ledger import load_ledger

    ledger = load_ledger().values()
    return [
        CompletionItem(rule.id, help=shorten(rule.statement, 80, placeholder=" …"))
        for rule in ledger
        if rule.id.startswith(incomplete.upper())
    ]


def names(kind: str) -> Complete:
    """Returns what completes the names of `sandboxes` or `snapshots`. Without a server there is nothing to complete."""

    def complete(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from simulator.client import Refused, Unreachable

        try:
            found = _names(_answer(ctx, kind)[kind])
        except (Unreachable, Refused, click.UsageError, ValueError, KeyError, TypeError):
            return []
        return [CompletionItem(name) for name in found if name.startswith(incomplete)]

    return complete


def _answer(ctx: click.Context, path: str) -> Any:
    """Returns the answer to a GET of the control interface, at the server and sandbox of an unfinished command line."""
    from simulator.cli.client import own_address
    from simulator.client import Client

    given = {name: ctx.params.get(name) or os.environ.get(PREFIX + name.upper()) for name in SERVER_OPTIONS}
    # Of several servers, the first one is asked: the shell cannot wait for all.
    url = next(iter(ctx.params.get("urls") or (given["url"] or "").split()), None)
    client = Client(url or own_address(), given["sandbox"] or "default", given["control_token"], timeout=SECONDS)
    return client.get(path)


def _names(entries: Iterable[Any]) -> list[str]:
    """Returns the names in an answer. Perhaps no simulator answers, and the shell must get no other text."""
    return sorted(name for name in (each["name"] for each in entries) if _NAME.fullmatch(name))
