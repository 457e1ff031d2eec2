"""What the control interface hands out to read: the ledger, the contracts, and the pages that show them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import orjson

from simulator.contract.contract import Contract
from simulator.contract.ledger import Rule
from simulator.document import parse_document
from simulator.errors import BrokenDocument
from simulator.reports.page import render

SERVER = "http://127.0.0.1:4080"
"""The address that a contract states, which a served contract replaces by its own."""

OPTIONAL, REQUIRED = "security: [{}, {", "security: [{"


class Documents:
    """The texts, as they are served: a contract states the server's own address and whether credentials are required.

    Raises `BrokenDocument` if a contract lacks what is to be replaced.
    """

    def __init__(
        self,
        api: Contract,
        control: Contract,
        ledger: Mapping[str, Rule],
        *,
        credentials_required: bool,
        token_required: bool,
    ) -> None:
        self._texts = {
            "api": _served(api, required=credentials_required),
            "control": _served(control, required=token_required),
        }
        self.rules = list(ledger.values())

    def contract_text(self, which: str, address: str | None) -> str:
        """The YAML text of the contract of the `api` or of the `control` interface, with the client's address."""
        text = self._texts[which]
        return text if address is None else text.replace(SERVER, address)

    def contract_json(self, which: str, address: str | None) -> bytes:
        """The same contract as JSON."""
        return _as_json(self.contract_text(which, address))

    def page(self, which: str) -> bytes:
        """The page that shows the contract."""
        titles = {"api": ("the simulated API", "openapi.json"), "control": ("the control interface", "control.json")}
        title, document = titles[which]
        return render("control/docs.html", title=title, document=document).encode()


@lru_cache(maxsize=8)
def _as_json(text: str) -> bytes:
    return orjson.dumps(parse_document("contract", text).data)


def _served(contract: Contract, *, required: bool) -> str:
    secured = sum(operation.secured for operation in contract.operations.values())
    for text, count in ((SERVER, 1), (OPTIONAL, secured)):
        if contract.text.count(text) != count:
            message = f"must hold {text!r} {count} times, for the served contract to replace"
            raise BrokenDocument([contract.document.problem("", message)])
    return contract.text.replace(OPTIONAL, REQUIRED) if required else contract.text
