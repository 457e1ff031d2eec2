"""Replaces texts that may be about people and customers by invented texts of the same shape.

A text stays only if the contract or the format of fixtures publishes it: attributes and the values of enumerations.
Numbers, `true` and `false` stay, too. Every other text is replaced, also under attributes that nobody knows.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from itertools import chain, count
from sys import maxsize
from typing import Any, Literal

from simulator.contract.contract import Contract
from simulator.document import DEEPEST
from simulator.document.values import collections
from simulator.lab.exchange import path_of
from simulator.lab.occurrences import Occurrences, uncovered
from simulator.lab.shapes import shape_of, similar, written
from simulator.lab.vocabulary import published_values

Kind = Literal["names", "numbers", "ids"]
KINDS: tuple[Kind, ...] = ("names", "numbers", "ids")
ALL = "all"

_ATTRIBUTES: Mapping[Kind, str] = {
    "names": "name firstName lastName department departmentName parent cliCustomName cliCustomNameUnicode"
    " call_capacity_name instance_name",
    "numbers": "extension phoneNumber phoneNumbers cliCustomPhoneNumber rolloverForwardTo",
    "ids": "tenantId groupId userId userIds assistantUserIds emailAddress defaultDomain tenant_id group_id user_id",
}
KIND_OF: Mapping[str, Kind] = {name: kind for kind, names in _ATTRIBUTES.items() for name in names.split()}
"""The kind of text that an attribute or a parameter of a path holds. All others hold texts of no kind."""
_MAPS: Mapping[str, Kind] = {"tenants": "ids", "groups": "ids", "users": "ids", "departments": "names"}
"""The attributes of a fixture whose keys are data."""

MOST_REFUSED = 200
"""How many invented texts of one shape are tried for one original."""
SHORTEST_LIMIT = 23
"""The least that the contract limits the length of a text to. Ids have no limit."""
TOO_DEEP = "…"
_SCHEME = "(?:sips?|tel):"
_ADDRESS = re.compile(
    rf"({_SCHEME})?((?!{_SCHEME})[^@]+)(?:@([A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+))?", re.IGNORECASE | re.DOTALL
)

Change = Callable[[str, Kind | None], str]


class Pseudonyms:
    """Gives every original a pseudonym: within one run always the same, and never that of another original.

    `keep` names the kinds that stay as they are, or `all`. Learn everything first: what was learned appears in no
    pseudonym that is made afterwards.
    """

    def __init__(self, contract: Contract, keep: Collection[str] = ()) -> None:
        self.keep = {*KINDS, None} if ALL in keep else set(keep)
        self._values = published_values(contract.document)
        self._originals = Occurrences()
        self._exact: set[str] = set()
        self._covers = Occurrences(maxsize)
        for each in chain(self._values, *self._values.values()):
            self._covers.add(each)
        self._given: dict[str, str] = {}
        self._taken: set[str] = set()
        self._domains: dict[str, str] = {}
        self._counters: Counter[tuple[str, ...]] = Counter()

    def learn(self, value: Any) -> None:
        """Note all originals in a JSON value."""
        self._walk(value, None, self._note)

    def mask(self, value: Any) -> Any:
        """Return a JSON value with pseudonyms in the places of the originals."""
        self.learn(value)
        return self._walk(value, None, self.text)

    def mask_path(self, template: str, parameters: Mapping[str, str]) -> str:
        """Return the path of a template, with pseudonyms in the places of the parameters."""
        return path_of(template, {name: self.text(each, KIND_OF.get(name)) for name, each in parameters.items()})

    def text(self, original: str, kind: Kind | None = None) -> str:
        """Return the pseudonym of a text, or the text itself if texts of its kind stay. An empty text stays."""
        self._note(original, kind)
        if not original or kind in self.keep:
            return original
        if original not in self._given:
            self._given[original] = self._made(original, kind)
            self._taken.add(self._given[original])
        return self._given[original]

    def leaks(self, text: str, published: Iterable[str] = ()) -> list[str]:
        """Return the originals of more than three characters that stand in a text.

        Where one stands inside of a published word, of a number that stayed, or of a text that was kept, it does not
        count. `published` are further words and sentences that the text may have.
        """
        for each in published:
            self._covers.add(each)
        return uncovered(text, self._originals, self._covers)

    def leaks_in(self, value: Any) -> list[str]:
        """Return the originals of more than three characters that stand in the texts of a JSON value, also in keys."""
        return self.leaks("\n".join(_texts(value)))

    def _note(self, original: str, kind: Kind | None) -> str:
        if kind in self.keep:
            self._covers.add(original)
            return original
        if original not in self._exact:
            self._exact.add(original)
            self._originals.add(original)
            scheme, local, domain = _parts(original)
            if domain:
                self._domains.setdefault(domain, "")
                self._originals.add(domain)
            if scheme or domain:
                self._note(local, kind)
        return original

    def _made(self, original: str, kind: Kind | None) -> str:
        if original in self._domains:
            return self._domain(original)
        scheme, local, domain = _parts(original)
        if domain or scheme:
            made = scheme + self.text(local, kind) + (f"@{self._domain(domain)}" if domain else "")
            fits = kind == "ids" or len(made) <= max(len(original), SHORTEST_LIMIT)
            if fits and self._is_free(made):
                return made
        return self._invented(original)

    def _invented(self, original: str) -> str:
        for shape in similar(shape_of(original)):
            for _ in range(MOST_REFUSED):
                self._counters[shape] += 1
                made = written(shape, self._counters[shape])
                if made is None:
                    break
                if self._is_free(made):
                    return made
        raise AssertionError("there is always a longer word")

    def _is_free(self, made: str) -> bool:
        return made not in self._exact and made not in self._taken and not self._originals.inside(made)

    def _domain(self, original: str) -> str:
        """Return a domain that nobody has (RFC 2606)."""
        if not self._domains[original]:
            domains = (each for each in _reserved_domains() if self._is_free(each))
            self._domains[original] = next(domains)
            self._taken.add(self._domains[original])
        return self._domains[original]

    def _walk(self, value: Any, attribute: str | None, change: Change, depth: int = 0) -> Any:
        if depth > DEEPEST:
            return TOO_DEEP
        if isinstance(value, str):
            published = self._values.get(attribute or "", ())
            return value if value in published else change(value, KIND_OF.get(attribute or ""))
        if isinstance(value, list):
            # Only the attribute of an object itself can say that its keys are data.
            inside = [(each, None if isinstance(each, dict) else attribute) for each in value]
            return [self._walk(each, name, change, depth + 1) for each, name in inside]
        if not isinstance(value, dict):
            if isinstance(value, int | float) and not isinstance(value, bool):
                self._covers.add(str(value))
            return value
        kind = _MAPS.get(attribute or "")
        is_map = kind is not None and depth < DEEPEST
        changed = {}
        for key, inner in value.items():
            if is_map:
                changed[change(key, kind)] = self._walk(inner, None, change, depth + 1)
            elif key == "fullPathName" and isinstance(inner, str):
                changed[key] = _path(inner, value.get("groupId"), change)
            else:
                changed[key if key in self._values else change(key, None)] = self._walk(inner, key, change, depth + 1)
        return changed


def _parts(text: str) -> tuple[str, str, str]:
    """Return the scheme of an address such as `sip:a@b.c` with its colon, what stands before the `@`, and the domain.

    Parts that are missing are empty. If the text is not an address, it is the middle part.
    """
    match = _ADDRESS.fullmatch(text)
    return (match[1] or "", match[2], match[3] or "") if match else ("", text, "")


def _path(path: str, group_id: object, change: Change) -> str:
    """Change the parts of a department's path, so that they are equal to the names of departments and group (G-15)."""
    suffix = f" ({group_id})"
    names = path.removesuffix(suffix).split(" \\ ")
    end = f" ({change(str(group_id), 'ids')})" if path.endswith(suffix) else ""
    return " \\ ".join(change(each, "names") for each in names) + end


def _texts(value: Any) -> Iterator[str]:
    """Yield all texts of a JSON value, also the keys."""
    if isinstance(value, str):
        yield value
    for level in collections(value):
        for each in level:
            inner = chain(each, each.values()) if isinstance(each, dict) else each
            yield from (text for text in inner if isinstance(text, str))


def _reserved_domains() -> Iterator[str]:
    yield from ("example.com", "example.net", "example.org")
    for number in count(4):
        for top in ("example.com", "invalid", "test", "localhost"):
            yield f"d{number}.{top}"
