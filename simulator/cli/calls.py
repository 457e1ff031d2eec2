"""The commands for the calls that a sandbox receives: show them, and make them fail."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator, Mapping
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import quote

import click

from simulator.cli import completion
from simulator.cli.client import answers, at_server, at_servers, connected
from simulator.cli.options import name_argument
from simulator.cli.output import as_json, example, format_option, in_colour, show

if TYPE_CHECKING:
    from simulator.client import Client

RETRY_SECONDS = 1.0
"""After how long a stream that has broken off is opened again."""
EVERY_REQUEST = 10**9


@click.command(
    epilog=example(
        "requests --follow",
        "requests --status 4xx --limit 5 -v",
        "requests --url http://replica-1:4080 --url http://replica-2:4080",
    )
)
@click.option("--status", help="Only calls with this status, such as 404, or with one of a class, such as 4xx.")
@click.option("--operation", shell_complete=completion.operations, help="Only calls of this operation.")
@click.option("--rule", shell_complete=completion.rules, help="Only calls that this rule refused.")
@click.option(
    "--limit",
    type=click.IntRange(0),
    help="Only this many calls, the newest ones.  [default: all that the journal has]",
)
@click.option("-v", "--verbose", is_flag=True, help="Also show operation, id and both bodies of each call.")
@click.option("--follow", is_flag=True, help="Also show new calls as they come, until Ctrl-C.")
@format_option(use="json is for programs; with --follow it is one call a line.")
@at_servers
def requests(
    status: str | None,
    operation: str | None,
    rule: str | None,
    limit: int | None,
    verbose: bool,
    follow: bool,
    shape: str,
    urls: tuple[str, ...],
    control_token: str | None,
    sandbox: str,
) -> None:
    """Show the calls that a sandbox received, and why it refused some. The newest is the last.

    With several --url, show the calls to all of these servers in the order of their time, each with its server.
    """
    filters = {"status": status, "operationId": operation, "rule": rule}
    query: dict[str, object] = {name: value for name, value in filters.items() if value is not None}
    most = EVERY_REQUEST if limit is None else limit
    if follow and len(urls) > 1:
        raise click.UsageError("--follow shows the new calls of one server; give --url once")
    found = answers(urls, control_token, sandbox, "requests", {**query, "limit": most})
    answer = next(iter(found.values())) if len(urls) == 1 else _merged(found, most)
    if shape == "json" and not follow:
        show(as_json(answer), shape)
        return
    if not follow and not answer["requests"]:
        such = "such calls" if query or limit == 0 else "calls"
        click.echo(f"apio-simulator: no {such} in the sandbox {sandbox!r}", err=True)

    def tell(entry: Mapping[str, Any]) -> None:
        show(json.dumps(entry, ensure_ascii=False) if shape == "json" else _text(entry, verbose), shape)

    # Ctrl-C is the way to end it.
    with connected(urls[0], control_token, sandbox) as client, contextlib.suppress(KeyboardInterrupt):
        for entry in answer["requests"]:
            tell(entry)
        if follow:
            for entry in _later(client, query, answer["cursor"]):
                tell(entry)


def _merged(found: Mapping[str, Mapping[str, Any]], most: int) -> dict[str, Any]:
    """Returns the newest calls to several servers, in order of time. Each tells its `server`. There is no cursor."""
    entries = [{**entry, "server": url} for url, answer in found.items() for entry in answer["requests"]]
    entries.sort(key=itemgetter("time"))
    return {
        "total": sum(answer["total"] for answer in found.values()),
        "requests": entries[-most:] if most else [],
    }


def _later(client: Client, query: Mapping[str, object], cursor: str) -> Iterator[Mapping[str, Any]]:
    """Yields the matching calls after the cursor, as they come, for ever. After a break it goes on where it was."""
    from simulator.client import Unreachable

    is_broken = False
    while True:
        try:
            for event in client.events({**query, "since": cursor}):
                if is_broken:
                    is_broken = False
                    click.echo("apio-simulator: connected again", err=True)
                if event.kind == "hello" and _run(event.id) != _run(cursor):
                    cursor = event.id
                    click.echo("apio-simulator: the server has started again", err=True)
                elif event.kind == "gap" and _position(event.id):
                    click.echo("apio-simulator: the journal was cleared, or has lost calls before these", err=True)
                elif event.kind == "request" and _position(event.id) > _position(cursor):
                    answer = client.get("requests", {**query, "limit": EVERY_REQUEST, "since": cursor})
                    cursor = answer["cursor"]
                    yield from answer["requests"]
        except Unreachable as failure:
            if not is_broken:
                is_broken = True
                click.echo(f"apio-simulator: {failure}; trying again until Ctrl-C", err=True)
        time.sleep(RETRY_SECONDS)


def _run(cursor: str) -> str:
    return cursor.partition("@")[0]


def _position(cursor: str) -> int:
    return int(cursor.partition("@")[2])


def _text(entry: Mapping[str, Any], verbose: bool) -> str:
    # Imported here, so that the help does not wait for it.
    from simulator.reports.journal import call_text, details_text

    call = call_text(entry, in_colour)
    return f"{call}\n{details_text(entry)}" if verbose else call


@click.group(epilog=example("fault add getAlerting --status 503 --times 1", "fault clear"))
def fault() -> None:
    """Make calls slow, fail or break off, to see how a client copes with that."""


def _not_json(constant: str) -> NoReturn:
    """Refuses NaN and Infinity, which Python would read."""
    raise ValueError(constant)


def _json_object(_: click.Context, __: click.Parameter, text: str | None) -> Any:
    """Returns the JSON of an option. The server checks that it is an object."""
    if text is None:
        return None
    try:
        return json.loads(text, parse_constant=_not_json)
    except (ValueError, RecursionError):
        raise click.BadParameter(f'{text[:100]!r} is no JSON; write it like \'{{"message": "down"}}\'') from None


@fault.command(
    epilog=example(
        "fault add getAlerting --status 503 --retry-after 2 --times 1",
        "fault add '*' --delay-ms 800",
        "fault add updateFiltering --user-id foouser --abort close --after 1",
    )
)
@click.argument("operation", shell_complete=completion.operations)
@click.option("--tenant-id", help="Only calls with this tenant in their path.")
@click.option("--group-id", help="Only calls with this group in their path.")
@click.option("--user-id", help="Only calls with this user in their path, to leave other users alone.")
@click.option("--after", type=int, help="How many calls pass first, to fail in the middle of a sequence.")
@click.option("--times", type=int, help="How many calls are hit, to see whether a client tries again.  [default: all]")
@click.option("--delay-ms", type=int, help="How long the answer waits, in milliseconds, to test a timeout.")
@click.option("--status", type=int, help="The status to answer with. The operation is then not carried out.")
@click.option("--body", callback=_json_object, help="The body to answer with that status, a JSON object.")
@click.option("--retry-after", type=int, help="The Retry-After of that answer in seconds, to test a client's patience.")
@click.option(
    "--abort",
    type=click.Choice(["close", "truncate"]),
    help="Break the connection: close it without an answer, or truncate the answer.",
)
@format_option(use="json is for programs that need the id.")
@at_server
def add(operation: str, shape: str, url: str, control_token: str | None, sandbox: str, **attributes: Any) -> None:
    """Inject a fault into the calls of OPERATION; `*` stands for all operations.

    It needs --delay-ms, --status or --abort. Faults are tried in the order in which they were added.
    """
    given = {_camel_case(name): value for name, value in attributes.items() if value is not None}
    with connected(url, control_token, sandbox) as client:
        answer = client.send("POST", "faults", {"operationId": operation, **given})
    show(as_json(answer) if shape == "json" else _fault_text(answer), shape)


@fault.command("list", epilog=example("fault list"))
@format_option()
@at_server
def list_faults(shape: str, **server: Any) -> None:
    """List the faults of a sandbox: their ids, what they do, and how often they took effect."""
    with connected(**server) as client:
        answer = client.get("faults")
    if shape == "json":
        show(as_json(answer), shape)
    elif answer["faults"]:
        show("\n".join(map(_fault_text, answer["faults"])), shape)
    else:
        click.echo(f"apio-simulator: no faults in the sandbox {server['sandbox']!r}", err=True)


@fault.command(epilog=example("fault clear", "fault clear 1"))
@name_argument("fault_id", required=False, metavar="[ID]")
@at_server
def clear(fault_id: str | None, **server: Any) -> None:
    """Remove all faults of a sandbox, or only the one with this ID."""
    with connected(**server) as client:
        client.call("DELETE", "faults" if fault_id is None else f"faults/{quote(fault_id, safe='')}")


def _camel_case(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(map(str.capitalize, rest))


def _fault_text(injected: Mapping[str, Any]) -> str:
    """Returns a fault as text: id, operation, its attributes by their names in the contract, and its warnings."""
    from simulator.reports.text import printable

    attributes = {name: value for name, value in injected.items() if name not in ("id", "operationId", "warnings")}
    values = (
        f"{name}={value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}"
        for name, value in attributes.items()
    )
    lines = [" ".join([injected["id"], injected["operationId"], *values])]
    lines += [f"  warning: {each}" for each in injected["warnings"]]
    return "\n".join(map(printable, lines))
