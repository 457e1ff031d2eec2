"""The simulator's own interface under `/_simulator/`: health, reset, the ledger, the contract and its documentation."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Mapping
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path

import orjson
from flask import Blueprint, Response, request, send_from_directory

from simulator import __version__
from simulator.contract.contract import JSON, Contract
from simulator.contract.ledger import Rule
from simulator.document import parse_document
from simulator.http.auth import HOST, current_sandbox

SERVER = "http://127.0.0.1:4080"
"""The address that the contract states, which a served contract replaces by its own."""

_HOST = re.compile(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")

OPTIONAL_SECURITY, REQUIRED_SECURITY = "security: [{}, {", "security: [{"


def control_blueprint(contract: Contract, ledger: Mapping[str, Rule], *, credentials_required: bool) -> Blueprint:
    """The routes under `/_simulator/`; each acts on the sandbox that the path selected."""
    control = Blueprint("control", __name__, url_prefix="/_simulator")
    served = contract.text
    if credentials_required:
        served = served.replace(OPTIONAL_SECURITY, REQUIRED_SECURITY)
    assets = _swagger_ui()
    page = Path(__file__).with_name("docs.html").read_bytes()
    rules = orjson.dumps({"rules": [asdict(rule) for rule in ledger.values()]})

    def text() -> str:
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
        return Response(status=204)

    @control.get("/rules")
    def list_rules() -> Response:
        return Response(rules, content_type=JSON)

    @control.get("/openapi.yaml")
    def openapi_yaml() -> Response:
        return Response(text(), content_type="application/yaml")

    @control.get("/openapi.json")
    def openapi_json() -> Response:
        return Response(as_json(text()), content_type=JSON)

    @control.get("/docs")
    def documentation() -> Response:
        return Response(page, content_type="text/html; charset=utf-8")

    @control.get("/docs/<path:asset>")
    def documentation_asset(asset: str) -> Response:
        return send_from_directory(assets, asset)

    return control


def _swagger_ui() -> Path:
    """The documentation page's assets, found without importing their package: that would take a tenth of the start."""
    spec = importlib.util.find_spec("flask_swagger_ui")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("flask-swagger-ui, which holds the documentation page's assets, is not installed")
    return Path(spec.origin).parent / "dist"
