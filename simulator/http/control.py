"""The simulator's own interface under `/_simulator/`: health, reset, the ledger, the contract and its documentation."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Mapping
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path

import orjson
from flask import Blueprint, request, send_from_directory
from werkzeug.wrappers import Response

from simulator import __version__
from simulator.contract.contract import Contract
from simulator.contract.ledger import Rule
from simulator.contract.operation import JSON
from simulator.document import parse_document
from simulator.errors import BrokenDocument
from simulator.http.environ import HOST, current_sandbox
from simulator.http.errors import no_content

SERVER = "http://127.0.0.1:4080"
"""The address that the contract states, which a served contract replaces by its own."""

_HOST = re.compile(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")

OPTIONAL_SECURITY, REQUIRED_SECURITY = "security: [{}, {", "security: [{"


def control_blueprint(contract: Contract, ledger: Mapping[str, Rule], *, credentials_required: bool) -> Blueprint:
    """The routes under `/_simulator/`; each acts on the sandbox that the path selected."""
    control = Blueprint("control", __name__, url_prefix="/_simulator")
    served = _served_text(contract, credentials_required=credentials_required)
    assets = _swagger_ui()
    page = Path(__file__).with_name("docs.html").read_bytes()
    rules = orjson.dumps({"rules": [asdict(rule) for rule in ledger.values()]})

    def contract_text() -> str:
        # Where the Host header is none, the address stays the one that the contract states.
        host = request.environ[HOST]
        return served.replace(SERVER, f"http://{host}{request.script_root}") if _HOST.fullmatch(host) else served

    @lru_cache(maxsize=8)
    def as_json(document: str) -> bytes:
        return orjson.dumps(parse_document("openapi.yaml", document).data)

    @control.get("/health")
    def health() -> Response:
        return Response(orjson.dumps({"status": "ok", "version": __version__}), content_type=JSON)

    @control.post("/reset")
    def reset() -> Response:
        current_sandbox().reset()
        return no_content()

    @control.get("/rules")
    def list_rules() -> Response:
        return Response(rules, content_type=JSON)

    @control.get("/openapi.yaml")
    def openapi_yaml() -> Response:
        return Response(contract_text(), content_type="application/yaml")

    @control.get("/openapi.json")
    def openapi_json() -> Response:
        return Response(as_json(contract_text()), content_type=JSON)

    @control.get("/docs")
    def documentation() -> Response:
        return Response(page, content_type="text/html; charset=utf-8")

    @control.get("/docs/<path:asset>")
    def documentation_asset(asset: str) -> Response:
        return send_from_directory(assets, asset)

    return control


def _served_text(contract: Contract, *, credentials_required: bool) -> str:
    """The contract's text in the credentials mode. Raises `BrokenDocument` if what is to be replaced is not in it."""
    secured = sum(operation.secured for operation in contract.operations.values())
    for text, count in ((SERVER, 1), (OPTIONAL_SECURITY, secured)):
        if contract.text.count(text) != count:
            message = f"must hold {text!r} {count} times, for the served contract to replace"
            raise BrokenDocument([contract.document.problem("", message)])
    return contract.text.replace(OPTIONAL_SECURITY, REQUIRED_SECURITY) if credentials_required else contract.text


def _swagger_ui() -> Path:
    """The documentation page's assets, found without importing their package: that would take a tenth of the start."""
    spec = importlib.util.find_spec("flask_swagger_ui")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("flask-swagger-ui, which holds the documentation page's assets, is not installed")
    return Path(spec.origin).parent / "dist"
