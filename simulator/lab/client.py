"""The client for a laboratory. Its guards stand between a run and a system that others use too."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.client import HTTPException
from typing import Any

import orjson

from simulator import __version__
from simulator.contract.contract import Contract
from simulator.contract.operation import JSON
from simulator.directory import Level
from simulator.lab.address import Address
from simulator.lab.credentials import Credentials
from simulator.lab.exchange import Caller, LabAnswer, LabRequest
from simulator.lab.guard import PREFIX, Guard, Scope
from simulator.lab.ledger import RunLedger

PACE_SECONDS = 0.4
MOST_REQUESTS = 1000
TIMEOUT_SECONDS = 30.0
SIMULATOR = "x-simulator-request-id"
"""The header that only a simulator sends."""


class Untrustworthy(Exception):
    """The run cannot go on, or its result cannot be trusted. The message is a sentence without the last full stop."""


class Unanswered(Untrustworthy):
    """A request had no answer. Whether it was carried out is not known."""


class Forbidden(Untrustworthy):
    """The guard does not let a request through."""


class LabClient:
    """Asks a laboratory, one request at a time, and only what `scope` and `ledger` allow.

    `url` may have a path, to which the paths of the API are appended. `pace` is the least time between two requests, in
    seconds. `is_simulator` is set once an answer shows that a simulator gives it. `logins` holds the answers to the
    logins, by account. While `is_cleaning` is set, no status and no number of requests ends the run.

    Raises `ValueError` if `url` is no address.
    """

    def __init__(
        self,
        url: str,
        contract: Contract,
        credentials: Credentials | None = None,
        *,
        pace: float = PACE_SECONDS,
        most_requests: int = MOST_REQUESTS,
        timeout: float = TIMEOUT_SECONDS,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self.address = Address(url)
        self.url = self.address.url
        self.contract = contract
        self.credentials = credentials or Credentials()
        self.pace = pace
        self.most_requests = most_requests
        self.timeout = timeout
        self.scope = Scope()
        self.ledger = RunLedger({})
        self.count = 0
        self.is_simulator = False
        self.is_cleaning = False
        self._sleep = sleep
        self._last = float("-inf")
        self._guard = Guard(contract)
        token = self.credentials.token
        self._authorization: dict[Caller, Mapping[str, str]] = {
            "first": {"Authorization": f"Bearer {token}"} if token else {},
            "none": {},
            "wrong": {"Authorization": f"Bearer {PREFIX}wrong"},
        }
        self.logins: dict[Caller, LabAnswer] = {}

    def log_in(self) -> None:
        """Log in with the accounts that have a user name. Raises `Untrustworthy` if that fails."""
        own = self.credentials
        accounts: dict[Caller, tuple[str, str]] = {
            "first": (own.username, own.password),
            "second": (own.second_username, own.second_password),
        }
        for caller, (username, password) in accounts.items():
            if username:
                answer = self._send(
                    LabRequest(
                        method="POST",
                        target=self.contract.operations["login"].path,
                        body=orjson.dumps({"username": username, "password": password}),
                        headers={"Content-Type": JSON},
                        caller="none",
                    )
                )
                session = answer.headers.get("set-cookie", "").partition(";")[0]
                if answer.status != HTTPStatus.OK or not session:
                    account = "the account" if caller == "first" else "the second account"
                    what = f"{answer.status}" if answer.status != HTTPStatus.OK else "200, but without a session"
                    raise Untrustworthy(f"the login of {account} was answered with {what}")
                self._authorization[caller] = {"Cookie": session}
                self.logins[caller] = answer

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must never be shown: the credentials, and the sessions that they led to."""
        headers = [value for each in self._authorization.values() for value in each.values()]
        sessions = [each.partition("=")[2] for each in headers if "=" in each]
        return (*self.credentials.secrets, *filter(None, sessions))

    def shown(self, path: str) -> str:
        """Return a path for a message: with the names of its parameters, because their values are the system's own."""
        return self._guard.template_of(path)

    def ask(self, request: LabRequest, *, is_refused: bool = False) -> LabAnswer:
        """Send a request and return the answer. If a refusal is expected, 403 is no reason to end the run.

        Raises `Forbidden` if it may not be sent, `Unanswered` if no answer comes, and `Untrustworthy` if the run has to
        end: after too many requests, or because the system refuses the caller, asks for less, or fails.
        """
        call = f"{request.method} {self.shown(request.path)}"
        reason = self._guard.reason_against(request, self.scope, self.ledger)
        if reason is not None:
            raise Forbidden(f"{call} was not sent: {reason}")
        if request.caller not in self._authorization:
            raise Forbidden(f"{call} was not sent: there is no {request.caller} account")
        if self.count >= self.most_requests and not self.is_cleaning:
            raise Untrustworthy(f"the run has made {self.count} requests; --max-requests allows more")
        answer = self._send(request)
        stop = None if self.is_cleaning else _reason_to_stop(request, answer, is_refused)
        if answer.status == HTTPStatus.UNAUTHORIZED and stop is not None and not self._authorization[request.caller]:
            stop = "it needs credentials; set APIO_LAB_USERNAME and APIO_LAB_PASSWORD, or APIO_LAB_TOKEN"
        if stop is not None:
            raise Untrustworthy(f"{call} was answered with {answer.status}: {stop}")
        return answer

    def _send(self, request: LabRequest) -> LabAnswer:
        wait = self._last + self.pace - time.monotonic()
        if wait > 0:
            self._sleep(wait)
        self._last = time.monotonic()
        self.count += 1
        headers = {
            "Accept": JSON,
            "User-Agent": f"apio-simulator/{__version__} conform",
            **self._authorization[request.caller],
            **request.headers,
        }
        try:
            answer = self.address.exchange(request, headers, self.timeout)
        except (OSError, HTTPException, ValueError) as error:
            # Other messages than those of the network quote what was sent or received: a session, or a line of a page.
            told = (error.strerror or str(error)) if isinstance(error, OSError) else ""
            reason = told or f"it is no answer of HTTP ({type(error).__name__})"
            raise Unanswered(f"{request.method} {self.shown(request.path)} has no answer: {reason}") from None
        self.is_simulator = self.is_simulator or SIMULATOR in answer.headers
        return answer


def _reason_to_stop(request: LabRequest, answer: LabAnswer, is_refused: bool) -> str | None:
    """Return why no more requests may be sent after an answer."""
    status, is_read = answer.status, request.method in ("GET", "HEAD")
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return "the system failed"
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return "the system wants fewer requests"
    if request.caller == "first" and status == HTTPStatus.UNAUTHORIZED:
        return "the credentials are not accepted"
    if request.caller == "first" and status == HTTPStatus.FORBIDDEN and is_read and not is_refused:
        return "the account may not read this; name only groups that it may read"
    return None


def level_of(answer: LabAnswer) -> Mapping[str, Any]:
    """Return what the answer to a login says of the account: `user_level`, and the ids of its tenant, group and user.

    Raises `Untrustworthy` if the answer does not have the documented form (A-3).
    """
    try:
        content = answer.content()
        ids = {name: value for name, value in content["ids"].items() if value is not None}
        if not all(isinstance(each, str) for each in ids.values()):
            raise TypeError("an id is a text")
        return {"user_level": Level(int(content["profile"]["user_level"])), **ids}
    except (ValueError, TypeError, KeyError, AttributeError):
        raise Untrustworthy("the answer to the login does not tell the level of the account") from None
