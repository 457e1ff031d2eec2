"""Says when a browser may lose the cookie of a login: when the page is of another site than the simulator (A-8)."""

from __future__ import annotations

import ipaddress
import re

from simulator.http.request import Request

OPAQUE = "null"
"""The origin of a page that has none of its own, for example of one that was opened from a file."""

# What a browser sends. The bounds are those of a host name and a port.
_ORIGIN = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{0,30})://([A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(:[0-9]{1,5})?")
_SAME_SITE = {"cross-site": False, "same-site": True, "same-origin": True}
"""Whether page and simulator are the same site, by what the browser says in `Sec-Fetch-Site`."""


def page_of(request: Request) -> str | None:
    """Return the origin of the page that makes a request, or `None` if no page makes it.

    An `Origin` that no browser sends is no page's. So an origin is short, and all its characters are printable.
    """
    origin = request.origin
    return origin if origin is not None and (origin == OPAQUE or _ORIGIN.fullmatch(origin)) else None


def login_warning(request: Request) -> str | None:
    """Return why the page that logs in may lose its session, or `None` if there is no reason."""
    page = page_of(request)
    if page is None or _is_same_site(request):
        return None
    return (
        f"The page's origin {page} and {_address(request)} are different sites, so a browser may not send the cookie "
        f"of this login. {_remedy(request)}"
    )


def missing_session(request: Request, consequence: str) -> str:
    """Return the explanation of a call without credentials by a page that has logged in."""
    remedy = (
        "A page sends the cookie only if it asks for that: in fetch, set the option credentials to include."
        if _is_same_site(request)
        else f"The page and {_address(request)} are different sites. {_remedy(request)}"
    )
    return (
        f"The page's origin {request.origin} has logged in here, but no session arrived with this call{consequence}. "
        f"{remedy}"
    )


def _is_same_site(request: Request) -> bool:
    """Return whether page and simulator are the same site, or nothing shows that they are different.

    What the browser says counts first: it also knows of a proxy in between. Otherwise the schemes and the
    registrable domains must be equal. The last two parts of a host name stand for the registrable domain, because no
    list of public suffixes is at hand. The port does not count.
    """
    said = _SAME_SITE.get(request.fetch_site or "")
    if said is not None:
        return said
    if request.origin == OPAQUE:
        return False
    origin = _ORIGIN.fullmatch(request.origin or "")
    if origin is None or not request.host_name:
        return True
    return origin[1].lower() == "http" and _domain(_name(origin[2])) == _domain(request.host_name)


def _name(host: str) -> str:
    return host.strip("[]").lower().removesuffix(".")


def _domain(name: str) -> str:
    """Return the registrable domain of a host name. For an IP address or a single word, it is the name itself."""
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        return ".".join(name.split(".")[-2:])


def _address(request: Request) -> str:
    return f"http://{request.host}" if request.host_name else "the simulator"


def _remedy(request: Request) -> str:
    if request.origin == OPAQUE:
        return "Serve the page over HTTP, under the same host name."
    origin = _ORIGIN.fullmatch(request.origin or "")
    same_host = origin is not None and _name(origin[2]) == request.host_name
    return f"Use the same {'scheme' if same_host else 'host name'} for both."
