"""The WSGI variables of a request: what its target and its header fields say."""

from __future__ import annotations

from functools import lru_cache
from urllib.parse import unquote_to_bytes, urlsplit

_WITHOUT_PREFIX = {"CONTENT-TYPE": "CONTENT_TYPE", "CONTENT-LENGTH": "CONTENT_LENGTH"}


@lru_cache(maxsize=1_000)
def target_variables(target: bytes) -> tuple[tuple[str, str], ...]:
    """Returns the WSGI variables of a target. Raises `ValueError` if it cannot be read."""
    text = target.decode("ascii")
    parts = text
    if not text.startswith("/"):
        absolute = urlsplit(text)
        parts = f"{absolute.path or '/'}?{absolute.query}"
    path, _, query = parts.partition("#")[0].partition("?")
    decoded = unquote_to_bytes(path).decode("latin-1") if "%" in path else path
    return (("REQUEST_URI", text), ("PATH_INFO", decoded), ("QUERY_STRING", query))


@lru_cache(maxsize=500)
def field_variables(fields: tuple[tuple[bytes, bytes], ...]) -> tuple[tuple[str, str], ...]:
    """Returns the fields of a header as WSGI variables. Repeated fields are joined by commas, cookies by semicolons.

    They are remembered, because the requests of a connection mostly have the same fields.
    """
    found: dict[str, str] = {}
    repeated: dict[str, list[str]] = {}
    for name, value in fields:
        # `A_B` and `A-B` would become the same variable.
        if b"_" in name:
            continue
        field, text = name.decode("latin-1").upper(), value.decode("latin-1")
        variable = _WITHOUT_PREFIX.get(field) or f"HTTP_{field.replace('-', '_')}"
        if variable in found:
            repeated.setdefault(variable, [found[variable]]).append(text)
        else:
            found[variable] = text
    for variable, texts in repeated.items():
        found[variable] = ("; " if variable == "HTTP_COOKIE" else ", ").join(texts)
    return tuple(found.items())
