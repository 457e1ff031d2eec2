"""Plain data written as YAML."""

from __future__ import annotations

import io
from functools import lru_cache
from typing import Any

import yaml

from simulator.document.values import scalar

_Dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
_RESOLVER = yaml.resolver.Resolver()
_REPRESENTER = yaml.representer.SafeRepresenter()
_TEXT = "tag:yaml.org,2002:str"


def write_yaml(data: Any) -> str:
    """Return JSON types as YAML text. `parse_document` reads the text back as equal data."""
    stream = io.StringIO()
    dumper = _Dumper(stream, allow_unicode=True, width=120)
    try:
        # Event by event: the nodes of a large world would keep the garbage collector busy.
        dumper.emit(yaml.StreamStartEvent())
        dumper.emit(yaml.DocumentStartEvent(explicit=False))
        _emit(dumper, data)
        dumper.emit(yaml.DocumentEndEvent(explicit=False))
        dumper.emit(yaml.StreamEndEvent())
    finally:
        dumper.dispose()
    return stream.getvalue()


def _emit(dumper: Any, value: Any) -> None:
    if isinstance(value, str):
        dumper.emit(_text(value))
    elif isinstance(value, dict):
        dumper.emit(yaml.MappingStartEvent(None, None, implicit=True, flow_style=False))
        for key, inner in value.items():
            dumper.emit(_key(key))
            _emit(dumper, inner)
        dumper.emit(yaml.MappingEndEvent())
    elif isinstance(value, list):
        dumper.emit(yaml.SequenceStartEvent(None, None, implicit=True, flow_style=False))
        for inner in value:
            _emit(dumper, inner)
        dumper.emit(yaml.SequenceEndEvent())
    else:
        node = _REPRESENTER.represent_data(value)
        dumper.emit(yaml.ScalarEvent(None, node.tag, (True, False), node.value))


def _text(text: str) -> yaml.ScalarEvent:
    """Return the event for a text. The text is quoted if our reader or another one would read another type."""
    style = None if isinstance(scalar(text), str) else "'"
    tag = _RESOLVER.resolve(yaml.ScalarNode, text, (True, False))  # type: ignore[no-untyped-call]  # yaml's types lack it
    return yaml.ScalarEvent(None, _TEXT, (tag == _TEXT, True), text, style=style)


_key = lru_cache(maxsize=1_000)(_text)
"""Remembered, because the same keys come often."""
