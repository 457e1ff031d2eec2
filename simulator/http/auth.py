"""Finds out who calls: bearer tokens, login sessions, and the login operation."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import cast

from werkzeug.http import dump_cookie

from simulator.contract.operation import Answer, Call, Operation
from simulator.control.call import Control
from simulator.directory import Account, Directory, Level
from simulator.errors import CredentialsRequired, Fault, InvalidCredentials, LoginRefused
from simulator.http.context import RequestContext
from simulator.http.routes import Query
from simulator.http.sites import login_warning, missing_session, page_of
from simulator.state.world import Fork

COOKIE = "sessionid"
WARNING = "X-Simulator-Warning"
"""The header of a login's answer that says why a browser may lose the session (A-8)."""
ANONYMOUS = Account(name="anonymous", password="", level=Level.SYSTEM_ADMIN)
"""The account of a request that has no credentials and needs none (A-6)."""


# A cookie ends at a semicolon (RFC 6265), even within quotation marks. A server or a proxy may join several Cookie
# headers with commas. No session id contains a comma.
_SESSION = re.compile(rf"(?:^|[;,])\s*{COOKIE}\s*(?:=\s*([^;,]*)|(?=[;,]|$))")


def authenticate(context: RequestContext, directory: Directory, *, required: bool) -> Account:
    """Return the account of a request. A token takes precedence over a session; if they differ, this is noted (A-5).

    Raises `InvalidCredentials` (A-5), or `CredentialsRequired` if there are none but they are required (A-6).
    """
    request, notes = context.request, context.notes
    authorization, cookies = request.authorization, request.cookies
    owners = [_owner(context, directory, found) for found in _session_ids(cookies)] if cookies else []
    if authorization is not None:
        scheme, _, token = authorization.partition(" ")
        account = directory.tokens.get(token.strip())
        if scheme.lower() != "bearer":
            raise InvalidCredentials(Fault("A-4", "the authorization must be the word Bearer, a blank and the token"))
        if account is None:
            raise InvalidCredentials(Fault("A-5", "no account carries the bearer token"))
        notes.assume("A-5", when=any(owner is not account for owner in owners))
        return account
    if owners:
        first = owners[0]
        if first is None or None in owners:
            reason = "the session is unknown here or has ended; log in again"
            raise InvalidCredentials(Fault("A-5", reason, assumed=True if any(owners) else None), _deletion(context))
        notes.assume("A-5", when=any(owner is not first for owner in owners))
        return first
    if request.origin is not None and context.own_sandbox.sessions.has(request.origin):
        context.warning = missing_session(request, "" if required else ", so it acted as System Admin")
    if required:
        reason = "the simulator runs with --auth required: send a bearer token, or log in and send the session's cookie"
        raise CredentialsRequired(Fault("A-6", reason))
    notes.assume("A-6")
    return ANONYMOUS


def _session_ids(cookies: str) -> list[str]:
    """Return the session ids in the `Cookie` headers."""
    found = [each.rstrip() for each in _SESSION.findall(cookies)]
    return [each[1:-1] if len(each) > 1 and each[0] == each[-1] == '"' else each for each in found]


def _owner(context: RequestContext, directory: Directory, session_id: str) -> Account | None:
    """Return the account of a session, or `None` if the session is unknown or has ended."""
    name = context.own_sandbox.sessions.find(session_id)
    return None if name is None else directory.accounts.get(name)


def _deletion(context: RequestContext) -> str:
    """Return the `Set-Cookie` header that deletes the session's cookie."""
    return dump_cookie(COOKIE, max_age=0, sync_expires=False, path=_cookie_path(context), httponly=True)


def _cookie_path(context: RequestContext) -> str:
    """Return the path of a session's cookie. It keeps the cookies of different sandboxes apart in a browser."""
    return f"{context.request.base}/api/"


class RequestCall(Call):
    """A call together with the context of its request."""

    __slots__ = ("context",)

    def __init__(
        self, context: RequestContext, operation: Operation, path: Mapping[str, str], query: Query, media: str
    ) -> None:
        request = context.request
        super().__init__(
            operation,
            path,
            query,
            request.body,
            request.content_type,
            request.content_encoding,
            media,
            context.notes,
            profile=context.profile,
        )
        self.context = context


def login(call: Call, fork: Fork) -> Answer:
    """POST /api/v1/login/: open a session in the sandbox (A-3). Raises `LoginRefused`."""
    account = fork.directory.accounts.get(call.body["username"])
    if account is None or account.password != call.body["password"]:
        raise LoginRefused(Fault("A-3", "the user name or the password is wrong"))
    context = cast(RequestCall, call).context
    context.account = account.name
    # Every answer contains `is_first_login`, whose exact meaning is assumed.
    call.assume("A-3")
    session_id, first = context.own_sandbox.open_session(account.name, page_of(context.request))
    headers = {"Set-Cookie": dump_cookie(COOKIE, session_id, path=_cookie_path(context), httponly=True)}
    context.warning = login_warning(context.request)
    if context.warning is not None:
        headers[WARNING] = context.warning
    ids = {"tenant_id": account.tenant_id, "group_id": account.group_id, "user_id": account.user_id}
    profile = {"user_level": int(account.level), "is_first_login": first}
    return Answer({"ids": ids, "profile": profile}, headers)


def logout(call: Call, control: Control) -> Answer:
    """POST logout, of the control interface: end the sessions whose cookies are sent, or all if none is sent (A-9)."""
    context = cast(RequestCall, call).context
    session_ids = _session_ids(context.request.cookies or "")
    ended = control.sandbox.end_sessions(session_ids or None)
    return Answer({"ended": ended}, {"Set-Cookie": _deletion(context)})
