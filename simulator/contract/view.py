"""What handlers return to be shown: a record, a dictionary, or a `View` of a record."""

from __future__ import annotations

from collections.abc import Mapping

_NOTHING: Mapping[str, object] = {}


class View:
    """A record with some attributes more, or others, than it has: what an answer shows where that is not one record."""

    def __init__(self, record: object, **attributes: object) -> None:
        self.__dict__.update(attributes)
        self._record = record

    def __getattr__(self, attribute: str) -> object:
        return getattr(self._record, attribute)


def parts(view: object) -> tuple[Mapping[str, object], object]:
    """Where the attributes of what is shown are: in the mapping, and else in the record."""
    if isinstance(view, dict):
        return view, None
    # By the exact type, for a subclass may have its own way to find an attribute.
    return (view.__dict__, view._record) if type(view) is View else (_NOTHING, view)
