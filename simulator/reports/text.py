"""Texts for people, whatever clients have put into them."""

from __future__ import annotations


def printable(text: str) -> str:
    """A text in one line, without characters that a terminal would obey or a search would take for no text."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)
