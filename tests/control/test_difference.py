"""The difference between two contents, as a pure function."""

from __future__ import annotations

from typing import Any

import pytest

from simulator.control.difference import differences

pytestmark = pytest.mark.rule("S-5")


@pytest.mark.parametrize(
    ("before", "after", "changes"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": 1}, {"a": 2}, [{"op": "replace", "path": "/a", "before": 1, "after": 2}]),
        ({}, {"a": 0}, [{"op": "add", "path": "/a", "after": 0}]),
        ({"a": False}, {}, [{"op": "remove", "path": "/a", "before": False}]),
        ({"a/b": {"c~d": 1}}, {"a/b": {}}, [{"op": "remove", "path": "/a~1b/c~0d", "before": 1}]),
        ({"a": {"b": 1}}, {"a": [1]}, [{"op": "replace", "path": "/a", "before": {"b": 1}, "after": [1]}]),
        (
            {"ids": ["x", "y"]},
            {"ids": ["x"]},
            [{"op": "replace", "path": "/ids", "before": ["x", "y"], "after": ["x"]}],
        ),
    ],
)
def test_a_change_says_where_what_was_and_what_is(before: Any, after: Any, changes: list[Any]) -> None:
    assert list(differences(before, after)) == changes


def test_an_item_of_a_list_of_named_things_stands_under_its_name() -> None:
    before = {"capacities": [{"name": "a", "max": 1}, {"name": "b", "max": 2}]}
    after = {"capacities": [{"name": "b", "max": 3}, {"name": "c", "max": 4}]}
    assert [(change["op"], change["path"]) for change in differences(before, after)] == [
        ("remove", "/capacities/a"),
        ("replace", "/capacities/b/max"),
        ("add", "/capacities/c"),
    ]


def test_another_order_is_a_change() -> None:
    before, after = [{"name": "a"}, {"name": "b"}], [{"name": "b"}, {"name": "a"}]
    assert list(differences(before, after, "/list")) == [
        {"op": "replace", "path": "/list", "before": before, "after": after}
    ]


def test_items_that_share_a_name_are_compared_as_a_whole_list() -> None:
    before, after = [{"name": "a"}, {"name": "a", "x": 1}], [{"name": "a"}]
    assert [change["path"] for change in differences(before, after, "/list")] == ["/list"]
