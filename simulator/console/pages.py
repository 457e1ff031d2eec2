"""Makes pages of the answers of the control interface (S-11).

The page of an operation has a template of the operation's name in `console/pages/`. It shows the answer that programs
get. If it shows more, it asks other operations for that.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, NamedTuple, Protocol
from urllib.parse import parse_qsl, quote

from simulator import __version__
from simulator.console import calls, changes, faults, overview, reports, world
from simulator.console.assets import assets
from simulator.contract.ledger import Rule
from simulator.control.call import Control
from simulator.reports.page import PACKAGE, render
from simulator.reports.text import pretty, printable

Data = Mapping[str, Any]
"""An answer of the control interface, as its JSON says it."""

MOST_SANDBOXES = 20
"""How many sandboxes the switcher lists: those that were used last."""

NAVIGATION = (
    ("o", "", "Overview"),
    ("c", "requests", "Calls"),
    ("w", "world", "World"),
    ("d", "diff", "Changes"),
    ("f", "faults", "Faults"),
    ("s", "snapshots", "Snapshots"),
    ("x", "sandboxes", "Sandboxes"),
    ("v", "coverage", "Coverage"),
    ("e", "errors", "Errors"),
    ("r", "rules", "Rules"),
    ("a", "accounts", "Accounts"),
    ("p", "docs", "API docs"),
)
"""The key, address and label of each entry of the navigation. `g` and the key lead there."""


VALUES: Mapping[str, Callable[[Data], dict[str, Any]]] = {
    "getOverview": overview.page_values,
    "getDiff": changes.page_values,
    "listSnapshots": lambda _: {"most_users": changes.MOST_USERS, "most_compared": overview.MOST_COMPARED},
    "listSandboxes": lambda data: {"by_name": {each["name"]: each for each in data["sandboxes"]}},
    "listFaults": lambda _: {"words": faults, "presets": faults.PRESETS},
    "getCoverage": reports.coverage_values,
    "getRequest": calls.call_values,
    "listErrors": reports.errors_values,
    "listRequests": calls.page_values,
    "listRules": reports.rules_values,
}
"""What a template needs besides the answer, by operation."""


class Ask(Protocol):
    """Asks another operation of the control interface, in the same sandbox, for its answer as JSON says it.

    `path` has the parameters of its path. Raises `Refusal` like the operation.
    """

    def __call__(self, operation_id: str, path: Mapping[str, str] | None = None, /, **query: str) -> Any:
        """Return the answer. `query` has query parameters as text."""
        ...


class Address(NamedTuple):
    """Where a page is. All links are relative, so they hold behind a proxy and below a sandbox.

    `root` leads from the page to the control interface, and `top` to the root of the server. `path` is the part of the
    address below the control interface, with its query. `url` is the whole address.
    """

    root: str
    top: str
    path: str
    url: str

    @property
    def query(self) -> dict[str, str]:
        """The parameters of the query."""
        return dict(parse_qsl(self.path.partition("?")[2]))

    @property
    def place(self) -> str:
        """The first step of the path: the page's entry in the navigation."""
        return self.path.partition("?")[0].partition("/")[0]


def address_of(path: str, query: str, base: str, host: str) -> Address:
    """Return the address of a page. `path` begins with `/_simulator/`; `base` is what stands before it.

    In `path`, each character stands for a byte.
    """
    below = quote(path.removeprefix("/_simulator/"), safe="/@!$&'()*+,;=:", encoding="latin-1")
    root = "../" * below.count("/")
    asked = f"{below}?{query}" if query else below
    return Address(root, root + "../" * (1 + base.count("/")), asked, f"http://{host}{base}/_simulator/{asked}")


@cache
def operations_with_pages() -> frozenset[str]:
    """Return the ids of the operations that have a page of their own."""
    return frozenset(path.stem for path in (PACKAGE / "console" / "pages").glob("*.html"))


def waits(operation_id: str, query: Mapping[str, str], control: Control) -> bool:
    """Return whether a page is first shown without an answer, since that takes long, and lets its reader ask for it.

    Raises `UnknownSandbox` if the sandbox does not exist.
    """
    return operation_id == "getDiff" and "since" not in query and changes.is_large(control.sandbox)


def page(operation_id: str, data: Data, control: Control, address: Address, ask: Ask, *, is_private: bool) -> bytes:
    """Return the page that shows the answer `data` of an operation. It is empty if the page `waits`.

    If `is_private` is false, everybody may read the page. Then its frame tells nothing about sandboxes.
    """
    more = VALUES[operation_id](data) if operation_id in VALUES else {}
    if operation_id in world.OPERATIONS:
        more = world.page_values(control.fixtures.services, address.root, address.url.removesuffix(address.path))
    frame = _frame(control, is_private=is_private)
    if operation_id == "getDiff" and data and changes.is_large(control.sandbox):
        # Without a run, a page does not follow what happens: each look at it takes long.
        frame["run"] = ""
    return _render(f"console/pages/{operation_id}.html", control, address, frame, data=data, ask=ask, **more)


def refusal_page(status: int, body: Data, control: Control, address: Address) -> bytes:
    """Return the page that shows why a page is refused. `body` is what programs get."""
    frame = _frame(control, is_private=False)
    return _render("console/refusal.html", control, address, frame, status=status, errors=body["errors"])


def _render(template: str, control: Control, address: Address, frame: Data, **values: object) -> bytes:
    return render(
        template,
        layout="console/frame.html",
        address=address,
        frame=frame,
        navigation=NAVIGATION,
        assets=assets(),
        rule=lambda rule_id: _rule(control.ledger, rule_id),
        shown=shown,
        pretty=pretty,
        curl=f"curl -s {shlex.quote(address.url)}",
        **values,
    ).encode()


def _frame(control: Control, *, is_private: bool) -> dict[str, Any]:
    """Return what the frame of each page shows: the sandbox, its counts, and other sandboxes."""
    frame: dict[str, Any] = {
        "version": __version__,
        "sandbox": control.sandbox_name,
        "only_created": control.settings.sandboxes == "created",
        "run": "",
        "sandboxes": [],
        "counts": {},
        "has_changed": False,
    }
    if not is_private:
        return frame
    sandboxes = control.sandboxes.all()
    sandbox = next((each for each in sandboxes if each.name == control.sandbox_name), None)
    last_used = sorted(sandboxes, key=lambda each: -each.last_use)[:MOST_SANDBOXES]
    frame |= {"run": control.sandboxes.run, "sandboxes": [(each.name, each.requests) for each in last_used]}
    if sandbox is not None:
        frame["counts"] = {
            "requests": sandbox.requests,
            "faults": sum(each.times is None or hits < each.times for each, hits in sandbox.faults.with_hits()),
            "all_faults": len(sandbox.faults),
            "snapshots": len(sandbox.snapshots),
            "sandboxes": len(sandboxes),
        }
        frame["has_changed"] = sandbox.version.world is not sandbox.seed
    return frame


def _rule(ledger: Mapping[str, Rule], rule_id: str) -> Rule | None:
    return ledger.get(rule_id)


def shown(text: object) -> str:
    """Return a text of a client as a page shows it: invisible characters are escaped, line breaks and tabs stay."""
    text = str(text)
    if text.isprintable():
        return text
    lines = text.split("\n")
    return "\n".join("\t".join(map(printable, line.split("\t"))) for line in lines)
