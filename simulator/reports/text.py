"""Makes text that may come from clients safe to print, and puts texts into a table."""

from __future__ import annotations

import json
from collections.abc import Sequence


def printable(text: str) -> str:
    """Returns a text as one line. Control characters, which a terminal would obey, are escaped."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def pretty(value: object) -> str:
    """Returns a JSON value on several lines. The text is JSON too; invisible characters in it are escaped."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    if text.replace("\n", "").isprintable():
        return text
    return "".join(each if each.isprintable() or each == "\n" else _escaped(each) for each in text)


def _escaped(character: str) -> str:
    """Return a character as JSON escapes it."""
    units = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[i : i + 4]}" for i in range(0, len(units), 4))


def table(rows: Sequence[Sequence[object]]) -> str:
    """Returns the rows as lines with aligned columns: numbers to the right, and all else to the left."""
    cells = [[printable(str(cell)) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    right = [isinstance(cell, int) for cell in rows[-1]]
    lines = (
        "  ".join(
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(row, widths, right, strict=True)
        )
        for row in cells
    )
    return "\n".join(line.rstrip() for line in lines)
