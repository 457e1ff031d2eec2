"""What handlers return to be shown: a record, a dictionary, or a `View` of a record."""

from __future__ import annotations


class View:
    """A record with some attributes more, or others, than it has: what an answer shows where that is not one record."""

    def __init__(self, record: object, **attributes: object) -> None:
        self.__dict__.update(attributes)
        self._record = record

    def __getattr__(self, attribute: str) -> object:
        return getattr(self._record, attribute)
