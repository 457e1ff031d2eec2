"""Makes text that may come from clients safe to print."""

from __future__ import annotations


def printable(text: str) -> str:
    """Returns a text as one line. Control characters, which a terminal would obey, are escaped."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)
