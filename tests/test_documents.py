"""Documents: the quick and the thorough reader agree, and lines are found when they are needed."""

from __future__ import annotations

import gc
import json
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from simulator.contract.bodies import parse_yaml
from simulator.document import DEEPEST, LONGEST_KEY, parse_document, read_document, reading, write_yaml
from simulator.document.quick import Unusual, json_data, yaml_data
from simulator.document.thorough import read_thoroughly
from simulator.errors import BrokenDocument, MalformedBody

TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    st.sampled_from(
        ["", "~", "null", "true", "no", "1", "-0", "1.5", ".5", "1e3", "0x1", "#", "a: b", "- a", "*a", "<<"]
    ),
)
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), TEXTS)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4), max_leaves=12
)
LAYOUTS = st.fixed_dictionaries(
    {"default_flow_style": st.sampled_from([None, True, False]), "indent": st.integers(1, 6)}
)
EDITS = st.lists(
    st.tuples(
        st.floats(0, 1), st.integers(0, 2), st.sampled_from([*"\n\t #:,-?&*!|>%@'\"[]{}\\", "\\ud83d", "&a ", "*a "])
    ),
    max_size=3,
)


def edited(text: str, edits: list[tuple[float, int, str]]) -> str:
    for place, taken, put in edits:
        at = int(place * len(text))
        text = text[:at] + put + text[at + taken :]
    return text


def verdict(name: str, text: str, read: Any) -> tuple[Any, ...]:
    """Return the result of reading a text: data with types, problems and lines, or why it is refused."""
    try:
        document = read(name, text)
    except BrokenDocument as broken:
        return (str(broken),)
    return repr(document.data), [str(each) for each in document.problems], document.places


@given(VALUES, LAYOUTS, EDITS)
def test_yaml_is_read_as_a_thorough_reading_finds_it(
    value: Any, layout: dict[str, Any], edits: list[tuple[float, int, str]]
) -> None:
    # The value occurs twice, so the second one is written as an alias.
    text = edited(yaml.dump({"a": value, "b": [value]}, allow_unicode=True, **layout), edits)
    assert verdict("f.yaml", text, parse_document) == verdict("f.yaml", text, read_thoroughly)


@given(VALUES, st.booleans(), st.sampled_from([None, 2]), EDITS)
def test_json_is_read_as_a_thorough_reading_finds_it(
    value: Any, ascii_only: bool, indent: int | None, edits: list[tuple[float, int, str]]
) -> None:
    text = edited(json.dumps(value, ensure_ascii=ascii_only, indent=indent), edits)
    found, expected = verdict("f.json", text, parse_document), verdict("f.json", text, read_thoroughly)
    if found != expected:
        # In some places, JSON allows line breaks and tabs and YAML does not. Then there are no lines.
        assert "is not well-formed YAML" in expected[0]
        assert found == (repr(json.loads(text.removeprefix("\ufeff"))), [], {})


@given(VALUES)
def test_what_is_written_as_yaml_is_read_quickly_and_as_the_same(value: Any) -> None:
    assert repr(yaml_data(write_yaml(value))) == repr(value)


@given(VALUES)
def test_what_is_written_as_yaml_is_the_same_for_other_readers(value: Any) -> None:
    assert yaml.safe_load(write_yaml(value)) == value


def test_a_file_without_end_is_read_up_to_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "LARGEST", 10)
    file = tmp_path / "a.yaml"
    file.write_text("a: 1234567")
    assert read_document(file).data == {"a": 1234567}
    file.write_text("a: 12345678")
    with pytest.raises(BrokenDocument, match="is larger than 10 bytes"):
        read_document(file)


def test_yaml_is_written_plainly_and_in_quotation_marks_only_where_need_be() -> None:
    data: Any = {"a": ["text", "yes", "~", "0o7", "07", "1_000", "1e3", "", "a: b", "é"], "no": {"x": {}, "y": []}}
    data["b"] = [None, True, 1, -1.5, 1e20]
    assert write_yaml(data) == (
        "a:\n- text\n- 'yes'\n- '~'\n- 0o7\n- '07'\n- '1_000'\n- '1e3'\n- ''\n- 'a: b'\n- é\n"
        "'no':\n  x: {}\n  y: []\nb:\n- null\n- true\n- 1\n- -1.5\n- 1.0e+20\n"
    )


UNUSUAL_JSON = {
    "a key twice": '{"a": 1, "a": 2}',
    "a lone surrogate": '["\\ud800"]',
    "halves of two characters": '["\\udc00\\ud800"]',
    "a half behind a backslash": '["\\\\ud83d\\ude00"]',
    "no number": "[NaN, Infinity]",
    "a number of too many digits": f"[{'1' * 5000}]",
    "a number of as many digits as Python takes": f"[{'1' * sys.get_int_max_str_digits()}]",
    "a key that is too long": json.dumps({"k" * (LONGEST_KEY + 1): 1}),
    "nested too deeply": "[" * (DEEPEST + 1) + "]" * (DEEPEST + 1),
    "nested far too deeply": "[" * 50_000 + "]" * 50_000,
    "a control character": '["\x01"]',
    "a comment": "[1] # one",
    "a comma too many": "[1,]",
    "another kind of space": "[\xa01]",
    "nothing": "",
}


@pytest.mark.parametrize("name", UNUSUAL_JSON)
def test_unusual_json_gets_the_thorough_verdict(name: str) -> None:
    text = UNUSUAL_JSON[name]
    assert verdict("f.json", text, parse_document) == verdict("f.json", text, read_thoroughly)


@pytest.mark.parametrize(
    "text",
    [
        json.dumps("😀"),
        '["\\\\ud83d"]',
        '{"a": {"a": [-0, 1.0, 1E5, "\\/"]}}',
        json.dumps({"k" * LONGEST_KEY: 1}),
        "[" * DEEPEST + "]" * DEEPEST,
        "\ufeff{}",
    ],
)
def test_usual_json_needs_no_thorough_reading(text: str) -> None:
    assert json_data(text) == json.loads(text.removeprefix("\ufeff"))


ALIASES = {
    "a value twice": ("a: &a {x: [1]}\nb: [*a, *a]", {"a": {"x": [1]}, "b": [{"x": [1]}, {"x": [1]}]}),
    "a scalar": ("[&a 1, *a]", [1, 1]),
    "an alias in an anchored value": ("[&a [1], &b [*a], *b]", [[1], [[1]], [[1]]]),
}


@pytest.mark.parametrize("name", ALIASES)
def test_aliases_are_read_quickly(name: str) -> None:
    text, data = ALIASES[name]
    assert yaml_data(text) == data


def test_yaml_may_be_as_deep_and_its_keys_as_long_as_is_allowed_and_is_read_quickly() -> None:
    assert yaml_data("[" * DEEPEST + "]" * DEEPEST)
    assert yaml_data("? " + "k" * LONGEST_KEY + "\n: 1")


UNUSUAL_YAML = {
    "an alias of nothing": "[*a]",
    "an alias within itself": "&a [*a]",
    "an anchor twice": "[&a 1, &a 2]",
    "an anchor of a key": "{&a k: 1, b: *a}",
    "an anchor of a key and of a value": "{&a k: 1, b: &a 2}",
    "an alias for a key": "[&a k, {*a : 1}]",
    "a key that is a list": "{[1]: 2}",
    "a key twice": "{a: 1, a: 2}",
    "two documents": "--- 1\n--- 2",
    "no document": "# nothing",
    "a surrogate pair": "['\\ud83d\\ude00']",
    "what is no YAML": "[",
    "a key that is too long": "? " + "k" * (LONGEST_KEY + 1) + "\n: 1",
    "nested too deeply": "[" * (DEEPEST + 1) + "]" * (DEEPEST + 1),
    "aliases that make too much of it": "a0: &a0 [x, x]\n"
    + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 9)),
    "aliases that nest too deeply": "- &a0 []\n" + "".join(f"- &a{i} [*a{i - 1}]\n" for i in range(1, DEEPEST)),
}


@pytest.mark.parametrize("name", UNUSUAL_YAML)
def test_unusual_yaml_is_left_to_the_thorough_reading(name: str) -> None:
    text = UNUSUAL_YAML[name]
    with pytest.raises(Unusual):
        yaml_data(text)
    assert verdict("f.yaml", text, parse_document) == verdict("f.yaml", text, read_thoroughly)


@pytest.mark.parametrize("name", ["f.yaml", "f.json"])
def test_a_good_file_is_not_read_thoroughly_until_a_line_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    calls: list[str] = []

    def counted(name: str, text: str) -> Any:
        calls.append(name)
        return read_thoroughly(name, text)

    monkeypatch.setattr(reading, "read_thoroughly", counted)
    document = parse_document(name, '{"a": 1,\n "b": [2]}')
    assert calls == []
    lines = [document.problem(pointer, "is wrong").line for pointer in ("/b/0", "/b", "/a/x")]
    assert lines == [2, 2, 1]
    assert calls == [name]


def test_what_json_alone_can_lay_out_has_no_lines() -> None:
    document = parse_document("f.json", '{"a"\n: 1}')
    assert (document.data, document.problem("/a", "is wrong").line) == ({"a": 1}, None)


@pytest.mark.parametrize("enabled", [True, False])
def test_the_garbage_collector_is_left_as_it_was(enabled: bool) -> None:
    before = gc.isenabled()
    try:
        (gc.enable if enabled else gc.disable)()
        read_thoroughly("f.yaml", "a: 1")
        assert gc.isenabled() is enabled
    finally:
        (gc.enable if before else gc.disable)()


@pytest.mark.rule("S-3")
@pytest.mark.parametrize("padding", [0, 2_000_000], ids=["small", "large"])
def test_aliases_make_no_more_of_yaml_than_its_size_could_hold_without_them(padding: int) -> None:
    items = f"- &a [{', '.join(['[]'] * 20_000)}]\n"
    # More nodes than the text has characters, but fewer than ten times as many.
    times = 4 * (len(items) + padding) // 20_000
    too_much = items + "- *a\n" * times + "#" * padding
    with pytest.raises(MalformedBody) as refusal:
        parse_yaml(too_much.encode())
    [fault] = refusal.value.faults
    assert (fault.rule, "aliases make far too much of it" in fault.reason) == ("G-2", True)
    data = parse_yaml((items + "- *a\n" * 2 + "#" * padding).encode())
    assert [len(each) for each in data] == [20_000] * 3


@pytest.mark.rule("S-3")
def test_aliases_that_make_too_much_are_refused_before_a_node_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    def root(_: str) -> None:
        raise AssertionError("nodes are made of the text")

    monkeypatch.setattr("simulator.document.thorough._root", root)
    with pytest.raises(MalformedBody) as refusal:
        parse_yaml(b"a: &a [" + b"x, " * 1_000 + b"]\nb: [" + b"*a, " * 1_000 + b"]")
    [fault] = refusal.value.faults
    assert fault.reason == "body:2: its aliases make far too much of it"
