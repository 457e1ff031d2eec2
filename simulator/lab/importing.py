"""The fixture that an import writes: what it cannot show, and the content of a crawl with pseudonyms."""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Any

from simulator import __version__
from simulator.app import Simulation
from simulator.document import parse_document, write_yaml
from simulator.lab.crawl import Observed
from simulator.lab.pseudonyms import Pseudonyms
from simulator.lab.twin import Twin

WIDTH = 116
NO_USER = (
    "the system shows no user of these groups; check --tenant and --group, and that the address does not end in /api/v1"
)


class Leak(Exception):
    """Texts of the system would be in the file, though they should have been replaced."""

    def __init__(self, originals: Sequence[str]) -> None:
        super().__init__(f"texts of the system would be in the file, for example {originals[0]!r}")
        self.originals = tuple(originals)


def note_differences(simulation: Simulation, observed: Observed) -> None:
    """Send a simulator with the content the requests that the system got, and note how many of its answers differ.

    A system that follows other rules shows what no fixture can hold. What a refusal says does not count (G-8).
    """
    twin = Twin(simulation, observed.content, {})
    different = 0
    for request, answer in observed.exchanges:
        other = twin.ask(request)
        is_same = other.status == answer.status
        if is_same and answer.status == HTTPStatus.OK:
            is_same = other.content() == answer.content()
        different += not is_same
    if different:
        observed.notes.append(
            f"Answers that a simulator with this fixture gives in another way than the system: {different} of "
            f"{len(observed.exchanges)}."
        )


def fixture_text(
    simulation: Simulation, observed: Observed, keep: Collection[str], requests: int, moment: datetime
) -> str:
    """Return the text of the fixture. `keep` names the kinds of texts that stay as they are.

    Raises `Leak`, or `BrokenDocument` if no simulator can be started with the fixture.
    """
    pseudonyms = Pseudonyms(simulation.contract, keep)
    content = pseudonyms.mask(observed.content)
    leaks = pseudonyms.leaks_in(content)
    if leaks:
        raise Leak(leaks)
    text = write_yaml(content)
    simulation.fixtures.world_of_document(parse_document("the fixture", text))
    return _comments(observed, keep, requests, moment) + text


def people(observed: Observed) -> list[dict[str, Any]]:
    """Return all users that were seen."""
    return [user for group in _groups(observed) for user in group.get("users", {}).values()]


def summary(observed: Observed, requests: int) -> str:
    """Return in words how much was asked and seen."""
    users = people(observed)
    numbers = {
        "request": requests,
        "user": len(users),
        "call capacity": sum(len(each.get("callCapacities", ())) for each in _groups(observed)),
        "executive": sum("executive" in each for each in users),
    }
    return ", ".join(_counted(number, noun) for noun, number in numbers.items())


def _comments(observed: Observed, keep: Collection[str], requests: int, moment: datetime) -> str:
    origin = f"Read from a running system by apio-simulator {__version__} on {moment:%Y-%m-%d at %H:%M %Z}"
    invented = "All names, numbers, ids and other texts are invented. They have the shape of those of the system."
    warning = (
        f"WARNING: this file holds personal data. These texts are the system's own: {', '.join(sorted(keep))}. Do not "
        "publish the file, and delete it when you do not need it any more."
    )
    paragraphs = [
        f"{origin}: {summary(observed, requests)}.",
        warning if keep else invented,
        "What was not seen, and what is a guess:",
        *(f"- {note}" for note in observed.notes),
    ]
    lines = []
    for each in paragraphs:
        lines += textwrap.wrap(each, WIDTH, subsequent_indent="  " if each.startswith("-") else "")
    return "".join(f"# {line}\n" for line in lines)


def _groups(observed: Observed) -> list[dict[str, Any]]:
    return [group for tenant in observed.content["tenants"].values() for group in tenant["groups"].values()]


def _counted(number: int, noun: str) -> str:
    plural = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{number} {noun if number == 1 else plural}"
