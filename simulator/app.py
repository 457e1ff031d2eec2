"""The composition root: makes one WSGI application from contract, ledger, services and fixture.

No other module knows which services there are.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from copy import copy
from functools import cache, partial
from pathlib import Path
from typing import Any, Unpack

import orjson
from flask import Flask, request
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

from simulator.contract.contract import CONTROL, Contract, load_contract
from simulator.contract.ledger import Rule, load_ledger
from simulator.contract.profile import NO_PROFILE, Profile, read_profile
from simulator.control.call import Control
from simulator.control.catalogue import catalogue
from simulator.control.documents import Documents
from simulator.control.operations import CONTRACT
from simulator.control.recipe import load_refusals
from simulator.directory import LEVELS
from simulator.document import Source, document_of
from simulator.errors import Fault, InvalidAttribute, MethodNotAllowed, UnknownPath, UnknownResource
from simulator.fixture.fixtures import Fixtures
from simulator.fixture.folder import fixture_document
from simulator.http.api import Api
from simulator.http.auth import login
from simulator.http.context import context_of
from simulator.http.control import HANDLERS, ControlInterface, control_rules
from simulator.http.explanation import Explanations
from simulator.http.gateway import Gateway
from simulator.http.recording import Recorder
from simulator.http.request import shown_path
from simulator.http.responses import failed, refused
from simulator.http.routes import Paths, rules_of
from simulator.log import RequestLog, log_request
from simulator.services.call_capacities.operations import call_capacities
from simulator.services.executive.operations import executive
from simulator.services.service import Handler, Service
from simulator.settings import DEFAULTS, Options, Settings
from simulator.state.sandboxes import Sandboxes
from simulator.state.world import World

logger = logging.getLogger("simulator.app")

SERVICES: tuple[Service, ...] = (call_capacities, executive)

LONGEST_SHOWN = 1_000
"""How many characters of an unknown path the answer repeats."""

_PACKAGE = Path(__file__).parent


def shipped(name: str) -> Path:
    """Returns the path of a file of the distribution. It is inside the package in a wheel, beside it in a checkout."""
    inside = _PACKAGE / "shipped" / name
    return inside if inside.exists() else _PACKAGE.parent / name


class Simulation:
    """The contracts, the ledger, the handlers, and the reader of fixtures.

    Its applications follow `profile`. Raises `BrokenDocument` if contract, ledger and handlers do not fit together.
    """

    profile: Profile = NO_PROFILE

    def __init__(self, contract: Path | None = None) -> None:
        self.ledger: Mapping[str, Rule] = load_ledger()
        handlers: dict[str, Handler] = {"login": login}
        for service in SERVICES:
            handlers.update(service.handlers)
        self.handlers = handlers
        self.contract: Contract = load_contract(contract or shipped("openapi.yaml"), self.ledger, LEVELS, handlers)
        self.control_contract = load_contract(CONTRACT, self.ledger, LEVELS, HANDLERS, CONTROL)
        self.fixtures = Fixtures(SERVICES, self.contract.document, self.ledger)
        self._paths_of_apps: dict[bool, Paths] = {}

    def following(self, profile: Source | None) -> Simulation:
        """Returns a simulation that follows a profile: a file or its content (S-14).

        Raises `BrokenDocument` with everything that is wrong with the profile.
        """
        if profile is None:
            return self
        refusing = {each.error["details"]["rule"] for each in load_refusals()}
        document = document_of(profile, "the profile")
        followed = copy(self)
        followed.profile = read_profile(document, self.ledger, refusing, self.fixtures.default_schemas)
        followed.ledger = followed.profile.observed(self.ledger)
        followed.fixtures = self.fixtures.following(followed.profile)
        return followed

    def documents(self, settings: Settings) -> Documents:
        """Returns the contracts and the ledger as a server with these settings serves them."""
        return Documents(
            self.contract,
            self.control_contract,
            self.ledger,
            shipped("fixtures/fixture.schema.json").read_bytes(),
            credentials_required=settings.auth == "required",
            token_required=settings.control_token is not None,
        )

    def world(self, fixture: Source | None = None) -> World:
        """Returns the world of a fixture, by default of the default one. Raises `BrokenDocument` with all problems."""
        source = shipped("fixtures/default.yaml") if fixture is None else fixture
        return self.fixtures.world_of_document(fixture_document(source))

    def errors(self, operation_id: str | None = None) -> Any:
        """Returns the error catalogue, or its part for one operation, as `GET /_simulator/errors` does.

        Raises `InvalidAttribute` with the nearest name if the operation does not exist.
        """
        try:
            view = catalogue(self.ledger, operation_id)
        except InvalidAttribute as refusal:
            raise InvalidAttribute(*(each.with_hint() for each in refusal.faults)) from None
        return orjson.loads(self.control_contract.operations["listErrors"].render(view))

    def rules(self) -> Any:
        """Returns the ledger, as `GET /_simulator/rules` does."""
        return orjson.loads(self.control_contract.operations["listRules"].render({"rules": list(self.ledger.values())}))

    def rule(self, rule_id: str) -> Any:
        """Returns a rule, with the `operations` that follow it, and the `errors` of the catalogue that it refuses.

        Raises `UnknownResource` with the nearest id if the ledger does not have it.
        """
        found = next((each for each in self.rules()["rules"] if each["id"] == rule_id), None)
        if found is None:
            fault = Fault("S-1", f"the ledger has no rule {rule_id[:100]!r}", asked=rule_id, known=self.ledger)
            raise UnknownResource(fault.with_hint())
        operations = (*self.contract.operations.values(), *self.control_contract.operations.values())
        return {
            **found,
            "operations": [each.operation_id for each in operations if rule_id in each.rules],
            "errors": [each for each in self.errors()["errors"] if each["rule"] == rule_id],
        }

    def _paths(self, control: bool) -> Paths:
        """Return the paths of applications with or without a control interface."""
        paths = self._paths_of_apps.get(control)
        if paths is None:
            paths = Paths([*rules_of(self.contract), *control_rules(self.control_contract, is_on=control)])
            self._paths_of_apps[control] = paths
        return paths

    def app(
        self, world: World | None = None, settings: Settings = DEFAULTS, request_log: RequestLog | None = log_request
    ) -> Flask:
        """Returns a WSGI application. Its sandboxes start from `world`, or else from the default fixture.

        They are in `extensions["sandboxes"]`.

        `request_log` is called for each request, unless it is `None` or the settings switch that off.
        """
        sandboxes = Sandboxes(world or self.world(), settings)
        app = Flask("simulator", static_folder=None, template_folder=None)
        app.extensions["sandboxes"] = sandboxes
        app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False
        app.url_map = self._paths(settings.control)
        required = settings.auth == "required"
        api = Api(self.contract, self.handlers, credentials_required=required, profile=self.profile)
        api.routes.register(app)
        control = Control(
            sandboxes=sandboxes,
            fixtures=self.fixtures,
            contract=self.contract,
            ledger=self.ledger,
            documents=self.documents(settings),
            settings=settings,
        )
        interface = ControlInterface(self.control_contract, control)
        interface.register(app)
        app.register_error_handler(HTTPException, partial(_answer_http_error, interface))
        app.register_error_handler(Exception, _answer_failure)
        recorder = Recorder(Explanations(self.contract, self.ledger), settings, request_log)
        # Flask's documentation wraps an application in this way, but its types do not allow it.
        app.wsgi_app = Gateway(  # type: ignore[method-assign]
            app.wsgi_app, sandboxes, api.routes, recorder, settings, self.profile
        )
        return app


@cache
def standard_simulation() -> Simulation:
    """Returns the simulation of the distribution's own contract. It is read once per process, and never changes."""
    return Simulation()


def create_app(fixture: Source | None = None, *, profile: Source | None = None, **options: Unpack[Options]) -> Flask:
    """Returns the plain WSGI application, for clients in the same process. Its sandboxes start from `fixture`.

    It follows `profile`, if there is one (S-14).

    There is no server around it, so a delayed call waits in the thread that makes it. A call that a fault breaks off
    raises `ConnectionAborted`. Raises `BrokenDocument` with everything that is wrong with the profile or the fixture.
    """
    simulation = standard_simulation().following(profile)
    return simulation.app(simulation.world(fixture), Settings.of(**options))


def _answer_http_error(interface: ControlInterface, error: HTTPException) -> Response:
    """Answers what Flask itself refuses: paths and methods that are not in the contract."""
    # The frames of the traceback hold the request, which holds the error: only the garbage collector would free them.
    error.__traceback__ = error.__context__ = None
    context = context_of(request.environ)
    if error.code == 405:
        allowed = sorted(getattr(error, "valid_methods", None) or ())
        reason = f"{request.method} is not possible here; possible: {', '.join(allowed)}"
        return refused(MethodNotAllowed(Fault("G-10", reason), allowed), context).for_flask()
    if error.code == 404:
        reason = (
            f"no operation has the path {request.script_root}{request.path[:LONGEST_SHOWN]}; "
            f"see {request.script_root}/_simulator/docs"
        )
        refusal = UnknownPath(Fault("G-1", reason))
        return interface.refuse(refusal, context).for_flask()
    return _answer_failure(error)


def _answer_failure(error: Exception) -> Response:
    logger.error(
        "%s %s failed", request.method, shown_path(context_of(request.environ).request.asked)[1], exc_info=error
    )
    return failed(error).for_flask()
