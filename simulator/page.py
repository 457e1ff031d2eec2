"""Pages in HTML that need nothing else: what the coverage and the error catalogue have in common."""

from __future__ import annotations

import re
from pathlib import Path

_PAGE = Path(__file__).with_suffix(".html")


def page(title: str, content: str) -> str:
    """A page with a title, which is text, and a content, which is HTML."""
    parts = {"title": title, "content": content}
    return re.sub("@([a-z]+)@", lambda name: parts[name[1]], _PAGE.read_text(encoding="utf-8"))
