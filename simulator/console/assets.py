"""The console's style sheet and script, as files that a browser may keep for ever."""

from __future__ import annotations

import gzip
import hashlib
from functools import cache
from typing import NamedTuple

from simulator.reports.page import PACKAGE

_FOLDER = PACKAGE / "console" / "assets"


class Asset(NamedTuple):
    """A file of the console. Its name has a digest of its content, so another content has another name."""

    name: str
    media_type: str
    data: bytes
    compressed: bytes


@cache
def assets() -> dict[str, Asset]:
    """Returns style sheet (`css`) and script (`js`), and those of the documentation pages (`swagger_css`, `swagger`).

    Style sheet and script are each made of all files of their kind. The style sheet is a layer, so that the
    documentation pages can lay another one over it.
    """
    page = (PACKAGE / "reports" / "page.css").read_bytes()
    style = b"\n".join([b"@layer console {", page, *_contents("css"), b"}"])
    script = b"\n".join(_contents("js"))
    swagger, swagger_style = ((_FOLDER.parent / f"swagger.{kind}").read_bytes() for kind in ("js", "css"))
    return {
        "css": _asset("console", "css", "text/css", style),
        "js": _asset("console", "js", "text/javascript", script),
        "swagger": _asset("swagger", "js", "text/javascript", swagger),
        "swagger_css": _asset("swagger", "css", "text/css", swagger_style),
    }


def _contents(kind: str) -> list[bytes]:
    return [path.read_bytes() for path in sorted(_FOLDER.glob(f"*.{kind}"))]


def _asset(name: str, kind: str, media_type: str, data: bytes) -> Asset:
    digest = hashlib.sha256(data).hexdigest()[:12]
    return Asset(f"{name}-{digest}.{kind}", media_type, data, gzip.compress(data, mtime=0))
