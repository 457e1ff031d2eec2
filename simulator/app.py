"""The composition root: contract, ledger, services and fixture become one WSGI application.

The only module that knows which services there are.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path

from flask import Flask, request
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

from simulator.contract.contract import Contract, load_contract
from simulator.contract.ledger import load_ledger
from simulator.directory import LEVELS
from simulator.errors import Fault, MethodNotAllowed, UnknownPath
from simulator.fixtures import FixtureReader
from simulator.http.api import Api
from simulator.http.auth import login
from simulator.http.control import control_blueprint
from simulator.http.errors import failure, refuse
from simulator.http.gateway import Gateway
from simulator.services.call_capacities.operations import call_capacities
from simulator.services.executive.operations import executive
from simulator.services.service import Handler, Service
from simulator.state.sandbox import Sandboxes
from simulator.state.world import World

logger = logging.getLogger("simulator.app")

SERVICES: tuple[Service, ...] = (call_capacities, executive)
MAX_BODY = 1024 * 1024
SANDBOX_LIMIT = 1_000
AUTH_MODES = ("optional", "required")

_PACKAGE = Path(__file__).parent


def shipped(name: str) -> Path:
    """A file of the distribution: in the wheel it travels inside the package, in a checkout it stands beside it."""
    inside = _PACKAGE / "shipped" / name
    return inside if inside.exists() else _PACKAGE.parent / name


class Simulation:
    """What stands once the contract is read: contract, ledger, and the reader of fixtures.

    Raises `BrokenDocument` if contract, ledger and handlers do not fit each other.
    """

    def __init__(self, contract: Path | None = None) -> None:
        self.ledger = load_ledger()
        handlers: dict[str, Handler] = {"login": login}
        for service in SERVICES:
            handlers.update(service.handlers)
        self.handlers = handlers
        self.contract: Contract = load_contract(contract or shipped("openapi.yaml"), self.ledger, LEVELS, handlers)
        self.fixtures = FixtureReader(SERVICES, self.contract.document, self.ledger)

    def default_world(self) -> World:
        """The world of the default fixture."""
        return self.fixtures.read(shipped("fixtures/default.yaml"))


def create_app(
    simulation: Simulation | None = None,
    world: World | None = None,
    *,
    auth: str = "optional",
    cors_origins: Iterable[str] = (),
    max_body: int = MAX_BODY,
    sandbox_limit: int = SANDBOX_LIMIT,
) -> Flask:
    """The WSGI application: every sandbox of it starts from `world`, or else from the default fixture.

    `auth` is `optional` or `required` (A-6); `cors_origins` restrict CORS, none means any; `max_body` is in bytes.
    """
    if auth not in AUTH_MODES:
        raise ValueError(f"auth must be one of {', '.join(AUTH_MODES)}, not {auth!r}")
    simulation = simulation or Simulation()
    sandboxes = Sandboxes(world or simulation.default_world(), sandbox_limit)
    app = Flask("simulator", static_folder=None, template_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = max_body
    app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False
    # A path without its last slash finds its rule, so that the refusal can say what is missing; no redirects (G-1).
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False
    credentials_required = auth == "required"
    Api(simulation.contract, simulation.handlers, credentials_required=credentials_required).register(app)
    app.register_blueprint(
        control_blueprint(simulation.contract, simulation.ledger, credentials_required=credentials_required)
    )
    app.register_error_handler(HTTPException, _answer_http_error)
    app.register_error_handler(Exception, _answer_failure)
    # Flask's own documentation wraps an application in this way; only its types do not foresee it.
    app.wsgi_app = Gateway(app.wsgi_app, sandboxes, cors_origins)  # type: ignore[method-assign]
    return app


def _answer_http_error(error: HTTPException) -> Response:
    """What Flask itself refuses: paths and methods that are not the contract's."""
    if error.code == 405:
        allowed = sorted(getattr(error, "valid_methods", None) or ())
        reason = f"{request.method} is not possible here; possible: {', '.join(allowed)}"
        return refuse(MethodNotAllowed(Fault("G-10", reason), allowed), request.environ)
    if error.code == 404:
        reason = (
            f"no operation has the path {request.script_root}{request.path}; see {request.script_root}/_simulator/docs"
        )
        return refuse(UnknownPath(Fault("G-1", reason)), request.environ)
    return _answer_failure(error)


def _answer_failure(error: Exception) -> Response:
    logger.error("%s %s failed", request.method, request.path, exc_info=error)
    return failure(f"the simulator failed, and changed nothing: {type(error).__name__}")
