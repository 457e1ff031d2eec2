"""The documents that the control interface serves: the ledger, and the contracts."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import orjson

from simulator.contract.contract import Contract
from simulator.contract.ledger import Rule
from simulator.document import parse_document
from simulator.errors import BrokenDocument

SERVER = "http://127.0.0.1:4080"
"""The server's address in a contract file. A served contract has the real address instead."""

OPTIONAL, REQUIRED = "security: [{}, {", "security: [{"


class Documents:
    """The contracts as they are served: with the server's own address, and whether credentials are required.

    Raises `BrokenDocument` if a contract file lacks a text that has to be replaced.
    """

    def __init__(
        self,
        api: Contract,
        control: Contract,
        ledger: Mapping[str, Rule],
        fixture_schema: bytes,
        *,
        credentials_required: bool,
        token_required: bool,
    ) -> None:
        self._texts = {
            "api": _served(api, required=credentials_required),
            "control": _served(control, required=token_required),
        }
        self.rules = list(ledger.values())
        self.fixture_schema = fixture_schema

    def contract_text(self, which: str, address: str | None) -> str:
        """Returns a contract as YAML. `which` is `api` or `control`; `address` is where the client reaches it."""
        text = self._texts[which]
        return text if address is None else text.replace(SERVER, address)

    def contract_json(self, which: str, address: str | None) -> bytes:
        """Returns the same contract as JSON."""
        return _as_json(self.contract_text(which, address))


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
