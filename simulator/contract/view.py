"""Views: what handlers return for the answer. A view is a record, a dictionary, or a `View` of a record."""

from __future__ import annotations

from collections.abc import Mapping

_NOTHING: Mapping[str, object] = {}


class View:
    """A record with added or replaced attributes, for an answer that shows more than the record."""

    def __init__(self, record: object, **attributes: object) -> None:
        self.__dict__.update(attributes)
        self._record = record

    def __getattr__(self, attribute: str) -> object:
        return getattr(self._record, attribute)


def parts(view: object) -> tuple[Mapping[str, object], object]:
    """Return a mapping and a record. An attribute of the view is in the mapping or, if not there, in the record."""
    if isinstance(view, dict):
        return view, None
    # Only the exact type: a subclass may find attributes in its own way.
    return (view.__dict__, view._record) if type(view) is View else (_NOTHING, view)
