"""The operations of the control interface, by id. Logout and event stream are missing: they are in `http/`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from simulator import __version__
from simulator.contract.operation import JSON, YAML, Call, Content
from simulator.control import accounts, catalogue, contract_run, coverage, faults, overview, requests, state, world
from simulator.control.call import Control, ControlHandler

CONTRACT = Path(__file__).with_name("control.yaml")


def get_health(*_: object) -> object:
    """GET health: whether the server answers (S-1)."""
    return {"status": "ok", "version": __version__}


def probe_health(*_: object) -> object:
    """HEAD health (S-1)."""
    return None


def list_rules(_: Call, control: Control) -> object:
    """GET rules: the ledger (S-1)."""
    return {"rules": control.documents.rules}


def _contract_json(which: str) -> ControlHandler:
    return lambda _, control: Content(JSON, control.documents.contract_json(which, control.address))


def _contract_text(which: str) -> ControlHandler:
    return lambda _, control: Content(YAML, control.documents.contract_text(which, control.address).encode())


def get_fixture_schema(_: Call, control: Control) -> object:
    """GET fixture.schema.json: the JSON Schema of fixtures (S-4)."""
    return Content(JSON, control.documents.fixture_schema)


def _page(*_: object) -> object:
    """GET docs, GET control-docs: the page loads the contract by itself (S-1)."""
    return None


HANDLERS: Mapping[str, ControlHandler] = {
    "getHealth": get_health,
    "probeHealth": probe_health,
    **overview.HANDLERS,
    **world.HANDLERS,
    **accounts.HANDLERS,
    **state.HANDLERS,
    **requests.HANDLERS,
    **faults.HANDLERS,
    **coverage.HANDLERS,
    **catalogue.HANDLERS,
    **contract_run.HANDLERS,
    "listRules": list_rules,
    "getContract": _contract_json("api"),
    "getContractText": _contract_text("api"),
    "getControlContract": _contract_json("control"),
    "getControlContractText": _contract_text("control"),
    "getFixtureSchema": get_fixture_schema,
    "getDocumentation": _page,
    "getControlDocumentation": _page,
}
