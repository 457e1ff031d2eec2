"""Finds known texts inside another text."""

from __future__ import annotations

from collections.abc import Iterator

LEAST = 4
"""How many characters a text has at least that is looked for."""
MOST = 100
"""How many characters of a long text are looked for."""


class Occurrences:
    """Known texts of more than three characters, with a letter or digit. Their case does not matter.

    Of each text, the first `most` characters are looked for.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self.texts: dict[str, str] = {}
        # By the first characters, how long the known texts are that begin so. These are few lengths, even if many texts
        # begin in the same way.
        self._lengths: dict[str, set[int]] = {}

    @property
    def starts(self) -> set[str]:
        """How the known texts begin, in folded case."""
        return set(self._lengths)

    def add(self, text: str) -> None:
        """Add a text to the known ones."""
        folded = text.casefold()[: self._most]
        if len(folded) >= LEAST and any(map(str.isalnum, folded)) and folded not in self.texts:
            self.texts[folded] = text
            self._lengths.setdefault(folded[:LEAST], set()).add(len(folded))

    def at(self, folded: str, place: int) -> Iterator[str]:
        """Yield the known texts that begin at a place of a text, which is given in folded case.

        A number counts only if no other digits are around it.
        """
        for length in self._lengths.get(folded[place : place + LEAST], ()):
            found = folded[place : place + length]
            if found in self.texts and not (_is_number(found) and _is_part(folded, place, place + length)):
                yield found

    def inside(self, text: str) -> bool:
        """Return whether a known text stands somewhere in a text."""
        folded = text.casefold()
        for place in range(len(folded) - LEAST + 1):
            if folded[place : place + LEAST] in self._lengths and any(self.at(folded, place)):
                return True
        return False


def uncovered(text: str, wanted: Occurrences, covers: Occurrences) -> list[str]:
    """Return the wanted texts that stand somewhere in a text, but not inside of a whole word that `covers` knows."""
    folded, reach = text.casefold(), 0
    found: dict[str, None] = {}
    starts = wanted.starts | covers.starts
    for place in range(len(folded) - LEAST + 1):
        # Nearly all places end here.
        if folded[place : place + LEAST] not in starts:
            continue
        for cover in covers.at(folded, place):
            end = place + len(cover)
            if not (_touches(folded, place) or _touches(folded, end)):
                reach = max(reach, end)
        for each in wanted.at(folded, place):
            if place + len(each) > reach:
                found[wanted.texts[each]] = None
    return list(found)


def _is_number(text: str) -> bool:
    return not any(map(str.isalpha, text))


def _is_part(text: str, start: int, end: int) -> bool:
    before, after = text[start - 1 : start], text[end : end + 1]
    return (before.isdecimal() and text[start].isdecimal()) or (after.isdecimal() and text[end - 1].isdecimal())


def _touches(text: str, place: int) -> bool:
    """Return whether letters or digits stand on both sides of a place."""
    return text[place - 1 : place].isalnum() and text[place : place + 1].isalnum()
