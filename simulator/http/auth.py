"""Who calls: bearer tokens, login sessions, and the login operation itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self, cast

from werkzeug.http import dump_cookie, parse_cookie

from simulator.contract.operation import Answer, Call, Operation
from simulator.directory import Account, Directory, Level
from simulator.errors import CredentialsRequired, Fault, InvalidCredentials, LoginRefused
from simulator.http.visit import Visit
from simulator.state.sandbox import Sandbox
from simulator.state.world import Fork

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

COOKIE = "sessionid"
ANONYMOUS = Account(name="anonymous", password="", level=Level.SYSTEM_ADMIN)
"""Who acts when a request carries no credentials and needs none (A-6)."""


def authenticate(environ: WSGIEnvironment, sandbox: Sandbox, directory: Directory, *, required: bool) -> Account:
    """The account of a request; a token counts before a session.

    Raises `InvalidCredentials` (A-5), or `CredentialsRequired` where there are none and some are required (A-6).
    """
    authorization = environ.get("HTTP_AUTHORIZATION")
    if authorization is not None:
        scheme, _, token = authorization.partition(" ")
        account = directory.tokens.get(token.strip())
        if scheme.lower() != "bearer":
            raise InvalidCredentials(Fault("A-4", "the authorization must be the word Bearer, a blank and the token"))
        if account is None:
            raise InvalidCredentials(Fault("A-5", "no account carries the bearer token"))
        return account
    # Several Cookie headers reach an application as one, joined by commas, which end no cookie.
    cookies = environ.get("HTTP_COOKIE", "").replace(f", {COOKIE}=", f"; {COOKIE}=")
    session_id = parse_cookie(cookies).get(COOKIE) if cookies else None
    if session_id is not None:
        name = sandbox.find_session(session_id)
        account = None if name is None else directory.accounts.get(name)
        if account is None:
            raise InvalidCredentials(Fault("A-5", "the session is unknown here or has ended; log in again"))
        return account
    if required:
        reason = "the simulator runs with --auth required: send a bearer token, or log in and send the session's cookie"
        raise CredentialsRequired(Fault("A-6", reason))
    return ANONYMOUS


@dataclass(kw_only=True)
class VisitedCall(Call):
    """A call together with what is known of the request that it came with."""

    visit: Visit

    @classmethod
    def of(
        cls, visit: Visit, operation: Operation, path: Mapping[str, str], query: Iterable[tuple[str, str]], media: str
    ) -> Self:
        """The call that a request makes."""
        return cls(
            operation=operation,
            path=path,
            query_pairs=query,
            raw_body=visit.body,
            content_type=visit.environ.get("CONTENT_TYPE"),
            content_encoding=visit.environ.get("HTTP_CONTENT_ENCODING"),
            media=media,
            notes=visit.notes,
            visit=visit,
        )


def login(call: Call, fork: Fork) -> Answer:
    """POST /api/v1/login/: open a session in the sandbox (A-3). Raises `LoginRefused`."""
    account = fork.directory.accounts.get(call.body["username"])
    if account is None or account.password != call.body["password"]:
        raise LoginRefused(Fault("A-3", "the user name or the password is wrong"))
    visit = cast(VisitedCall, call).visit
    visit.account = account.name
    # What counts as the first login is in every answer.
    call.assume("A-3")
    session_id, first = visit.own_sandbox.open_session(account.name)
    # The path keeps the sessions of different sandboxes apart in a browser.
    cookie = dump_cookie(COOKIE, session_id, path=f"{visit.environ['SCRIPT_NAME']}/api/", httponly=True)
    ids = {"tenant_id": account.tenant_id, "group_id": account.group_id, "user_id": account.user_id}
    profile = {"user_level": int(account.level), "is_first_login": first}
    return Answer({"ids": ids, "profile": profile}, {"Set-Cookie": cookie})
