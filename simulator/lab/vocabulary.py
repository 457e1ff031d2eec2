"""What the contract and the format of fixtures publish: the names of attributes, and the values of enumerations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from simulator.app import SERVICES
from simulator.document import Document
from simulator.fixture.shape import fixture_shape


def published_values(contract: Document) -> Mapping[str, frozenset[str]]:
    """Return the attributes that the contract and fixtures have, each with its enumerated values, if any."""
    shape = Document("the schemas of a fixture", fixture_shape(SERVICES))
    values: dict[str, set[str]] = {}
    for document, schemas in ((contract, contract.find("/components/schemas")), (shape, shape.data)):
        for schema in _below(schemas):
            for name, attribute in schema.get("properties", {}).items():
                found = values.setdefault(name, set())
                for each in (attribute, attribute.get("items", {})):
                    file, _, pointer = str(each.get("$ref", "")).partition("#")
                    target = (contract if file else document).find(pointer) if pointer else each
                    found.update(value for value in target.get("enum", ()) if isinstance(value, str))
    return {name: frozenset(found) for name, found in values.items()}


def _below(schema: Any) -> Iterator[dict[str, Any]]:
    """Yield all objects in a schema that have properties."""
    if isinstance(schema, dict):
        if isinstance(schema.get("properties"), dict):
            yield schema
        for inner in schema.values():
            yield from _below(inner)
