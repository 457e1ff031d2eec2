"""The paths of a contract: finds the operation of a request by path and method, and has it answered."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache, partial
from operator import itemgetter
from typing import NamedTuple
from urllib.parse import quote

from flask import Flask, request
from werkzeug.http import parse_options_header
from werkzeug.routing import Map, Rule, RuleFactory
from werkzeug.wrappers import Response

from simulator.contract.contract import Contract
from simulator.contract.operation import JSON, Operation
from simulator.errors import ContractBreach, Fault, MethodNotAllowed, NotAcceptable, Refusal, UnknownPath
from simulator.http.context import RequestContext, context_of
from simulator.http.request import shown_path
from simulator.http.responses import Reply, failed, refused

logger = logging.getLogger("simulator.routes")

NO_SLASH = "the slash at the end is missing"
"""What is wrong with a path that has all but its last slash."""
PATHS_REMEMBERED = 4_096
LONGEST_REMEMBERED = 500
"""How many characters a path or an `Accept` header may have so that its result is remembered."""

Query = Iterable[tuple[str, str]]
Answering = Callable[[RequestContext, Operation, Mapping[str, str], Query, str], Reply]
"""Answers a request to an operation, given the path's parameters, the query and the media type of the answer.

It may raise a refusal.
"""
Refusing = Callable[[Refusal, RequestContext], Reply]
"""Answers a request for which there is no operation."""
Found = tuple[Operation, Mapping[str, str]]
"""An operation, and the path's parameters."""


class _Redirect(Exception):
    """The answer leads to the right address of the path (S-14)."""

    def __init__(self, location: str) -> None:
        self.location = location


class _Template(NamedTuple):
    """A path of the contract: which segments are literals, what they are, and the positions of the parameters."""

    path: str
    is_parameter: list[bool]
    literals_of: Callable[[list[str]], object]
    literals: object
    parameters: list[int]


class Paths(Map):
    """All paths of an application. Other applications share them: making them takes longer than all other steps.

    A path without its last slash is found too: the refusal says that the slash is missing. Nothing is redirected (G-1).
    """

    _are_complete = False

    def __init__(self, rules: Iterable[Rule]) -> None:
        super().__init__(rules, strict_slashes=False, merge_slashes=False)
        self.update()
        self._are_complete = True

    def add(self, rulefactory: RuleFactory) -> None:
        """Add a path. Raises `TypeError` once all are there: the path would be found in other applications too."""
        if self._are_complete:
            raise TypeError("applications of the simulator share their paths, so none can be added")
        super().add(rulefactory)


def rules_of(contract: Contract, only: str | None = None) -> Iterator[Rule]:
    """Yield a rule for each path, or for `only`. It holds for all methods: Flask would answer some itself."""
    for template in contract.paths:
        if only in (None, template):
            yield Rule(template.replace("{", "<").replace("}", ">"), endpoint=template)


class Routes:
    """The paths of one contract. `answer` answers a request once its operation is found, and `refuse` if there is none.

    If `accepts_no_slash` is set, a path is also found without the slash at its end (S-14).
    """

    def __init__(
        self, contract: Contract, answer: Answering, refuse: Refusing = refused, *, accepts_no_slash: bool = False
    ) -> None:
        self.contract = contract
        self.answer = answer
        self.refuse = refuse
        self.accepts_no_slash = accepts_no_slash
        self._templates = _templates(contract.paths)
        self._find_remembered = lru_cache(maxsize=PATHS_REMEMBERED)(self._find)

    def register(self, app: Flask) -> None:
        """Let the app answer the paths of the contract."""
        for template, operations in self.contract.paths.items():
            app.view_functions[template] = partial(self._serve, operations)

    def find(self, path: str, method: str) -> Found | None:
        """Return the operation of a path and a method. The result depends on the contract only."""
        return (self._find_remembered if len(path) < LONGEST_REMEMBERED else self._find)(path, method)

    def _find(self, path: str, method: str) -> Found | None:
        if self.accepts_no_slash and not path.endswith("/"):
            path += "/"
        segments = path.split("/")
        for template in self._templates.get(len(segments), ()):
            if template.literals_of(segments) == template.literals:
                values = [segments[place] for place in template.parameters]
                if all(values):
                    operation = self.contract.paths[template.path].get(method)
                    if operation is None:
                        return None
                    return operation, dict(zip(operation.path_parameters, values, strict=True))
        return None

    def reply(self, context: RequestContext, operation: Operation, path: Mapping[str, str], query: Query = ()) -> Reply:
        """Return the answer to a request to an operation, found by the gateway or by Flask."""
        context.operation = operation
        try:
            media = _media(operation, context.request.accept)
            if query:
                context.notes.ignored.update(dict.fromkeys(operation.ignored_query(name for name, _ in query), "G-4"))
            return self.answer(context, operation, path, query, media)
        except Refusal as refusal:
            return refused(refusal, context, operation)
        except ContractBreach as breach:
            logger.exception("the contract was about to be broken")
            return failed(f"the simulator was about to break its contract, and changed nothing: {breach}")
        except Exception as error:
            logger.exception("%s %s failed", context.request.method, shown_path(context.request.asked)[1])
            return failed(error)

    def _serve(self, operations: Mapping[str, Operation], **path: str) -> Response:
        context = context_of(request.environ)
        try:
            operation = _operation(operations, context)
        except _Redirect as redirect:
            return Reply(308, headers={"Location": redirect.location}).for_flask()
        except Refusal as refusal:
            return self.refuse(refusal, context).for_flask()
        return self.reply(context, operation, path, list(request.args.items(multi=True))).for_flask()


def _templates(paths: Iterable[str]) -> dict[int, list[_Template]]:
    """Return the templates by their number of segments. Where two could match, the one with the literal is first."""
    found: dict[int, list[_Template]] = {}
    for path in paths:
        segments = path.split("/")
        is_parameter = [segment.startswith("{") for segment in segments]
        literals = itemgetter(*[place for place, each in enumerate(is_parameter) if not each])
        template = _Template(
            path, is_parameter, literals, literals(segments), [place for place, each in enumerate(is_parameter) if each]
        )
        found.setdefault(len(segments), []).append(template)
    return {length: sorted(templates, key=lambda each: each.is_parameter) for length, templates in found.items()}


def _operation(operations: Mapping[str, Operation], context: RequestContext) -> Operation:
    """Return the operation of the method. Raises `UnknownPath` (G-1), `_Redirect` or `MethodNotAllowed` (G-10)."""
    method = context.request.method
    template = next(iter(operations.values())).path
    fault = _path_fault(context.request.path, template)
    choice = context.profile.choices.get("G-1") if fault is NO_SLASH else None
    if choice == "redirect":
        query = f"?{context.request.query}" if context.request.query else ""
        raise _Redirect(f"{quote(request.script_root + request.path)}/{query}")
    if fault is not None and choice != "accept":
        right = re.sub("/+", "/", request.path.rstrip("/")) + ("/" if template.endswith("/") else "")
        raise UnknownPath(Fault("G-1", f"{fault}: {request.script_root}{right}"))
    operation = operations.get(method)
    if operation is None:
        reason = f"{method} is not documented here; documented: {', '.join(operations)}"
        raise MethodNotAllowed(Fault("G-10", reason), operations)
    return operation


def _path_fault(path: str, template: str) -> str | None:
    """Return what is wrong with the slashes of a path that Flask has matched to the template."""
    if "//" in path or (path.endswith("/") and not template.endswith("/")):
        return "the path has a slash too many"
    if template.endswith("/") and not path.endswith("/"):
        return NO_SLASH
    return None


def _media(operation: Operation, accept: str | None) -> str:
    """Return the media type of the answer. Raises `NotAcceptable` (G-10)."""
    offered = operation.media or (JSON,)
    media = preferred(accept, offered)
    if media is None:
        reason = f"the answer is {' or '.join(offered)}, which Accept: {(accept or '')[:100]} rules out"
        raise NotAcceptable(Fault("G-10", reason, assumed=False))
    return media


def preferred(accept: str | None, offered: tuple[str, ...]) -> str | None:
    """Return the media type that an `Accept` header prefers, or `None` if it rules out all of them."""
    if not accept:
        return offered[0]
    return (_preferred if len(accept) < LONGEST_REMEMBERED else _preferred.__wrapped__)(accept, offered)


@lru_cache(maxsize=256)
def _preferred(accept: str, offered: tuple[str, ...]) -> str | None:
    """Return the media type that an `Accept` header prefers. For each type, its most specific range counts."""
    items = [parse_options_header(item) for item in accept.split(",") if item.strip()]
    accepted = [(name.lower(), _quality(options.get("q", "1"))) for name, options in items]
    best, preferred = 0.0, None
    for media in offered:
        ranges = ("*/*", f"{media.partition('/')[0]}/*", media)
        specific, quality = -1, 0.0
        for name, wish in accepted:
            if name in ranges and ranges.index(name) >= specific:
                specific, quality = ranges.index(name), wish
        if quality > best:
            best, preferred = quality, media
    return preferred


def _quality(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 1.0
