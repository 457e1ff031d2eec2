"""Invents texts of a given shape, one after the other. No two are equal.

A shape says for each place of a text which kind of character stands there: a letter of either case, a letter beyond
ASCII, or a digit. All other characters belong to the shape and stay.
"""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Iterator
from functools import lru_cache
from itertools import count

Shape = tuple[str, ...]
"""The kind of character at each place, a key of `KINDS`, or the character itself."""

CONSONANTS, VOWELS, DIGITS = "bcdfghjklmnprstv", "aeiou", "0123456789"
BEYOND_ASCII = "éèêëàâîïôûüöäçñø"
# Letters alternate, so that the texts can be pronounced. The second alphabet is for every second letter of a word.
KINDS = {
    "lower": (CONSONANTS, VOWELS),
    "upper": (CONSONANTS.upper(), VOWELS.upper()),
    "other lower": (BEYOND_ASCII, BEYOND_ASCII),
    "other upper": (BEYOND_ASCII.upper(), BEYOND_ASCII.upper()),
    "digit": (DIGITS, DIGITS),
}
LONGEST = 200
"""How many characters an invented text may have. The contract allows 161 at most, where it has a limit."""
FORBIDDEN = "\\/"
"""What no invented text has: the separator of departments (G-15), and that of paths (G-12)."""

# The calling codes of countries (E.164).
_COUNTRY = re.compile(r"\+(1|7|2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]|[0-9]{3})")
_MORE = 4
"""By how many letters or digits a text may become longer before another shape is tried."""


def shape_of(text: str) -> Shape:
    """Return the shape of a text, or of the beginning of a very long one.

    The country of a phone number belongs to its shape.
    """
    text = text[:LONGEST]
    country = _COUNTRY.match(text) if is_number(text) else None
    fixed = country[0] if country else ""
    return (*fixed, *map(_kind, text[len(fixed) :]))


def is_number(text: str) -> bool:
    """Return whether a text has digits and no letters, like a phone number or an extension."""
    return any(map(str.isdecimal, text)) and not any(map(str.isalpha, text))


def similar(shape: Shape) -> Iterator[Shape]:
    """Yield the shape, then longer ones, and then words of any length. There is no end."""
    more = "digit" if "digit" in shape and not any(each.endswith(("lower", "upper")) for each in shape) else "lower"
    for i in range(_MORE + 1):
        yield (*shape, *[more] * i)
    for length in count(len(shape) + _MORE + 1):
        yield ("lower",) * length


def written(shape: Shape, number: int) -> str | None:
    """Return the text with this number, from 1, among all texts of a shape. Return `None` if there are not so many.

    Numbers are counted with zeros in front: no phone numbers of a country begin so. The order of other texts looks
    random.
    """
    alphabets, size, stride, first = _counting(shape)
    if number >= size:
        return None
    if {*shape} & (KINDS.keys() - {"digit"}):
        number = (first + number * stride) % size
    characters = []
    for alphabet in reversed(alphabets):
        number, rest = divmod(number, len(alphabet))
        characters.append(alphabet[rest])
    return "".join(reversed(characters))


@lru_cache(maxsize=1_000)
def _kind(character: str) -> str:
    if character.isascii():
        if character.isdigit():
            return "digit"
        if character.isprintable() and not character.isalpha():
            return "-" if character in FORBIDDEN else character
        return "upper" if character.isupper() else "lower"
    return "other upper" if character.isupper() else "other lower"


@lru_cache(maxsize=1_000)
def _counting(shape: Shape) -> tuple[list[str], int, int, int]:
    """Return the alphabet of each place, how many texts there are, and the first one and the step of their order.

    The step has no factor in common with the number of texts. So each text comes once before one comes twice.
    """
    alphabets, letters = [], 0
    for each in shape:
        alphabets.append(KINDS[each][letters % 2] if each in KINDS else each)
        letters = letters + 1 if each in KINDS and each != "digit" else 0
    size = math.prod(map(len, alphabets))
    # The golden section of the size: multiples of it spread evenly.
    step = (math.isqrt(5 * size * size) - size) // 2
    while math.gcd(step, size) != 1:
        step += 1
    return alphabets, size, step, zlib.crc32(repr(shape).encode()) * size >> 32
