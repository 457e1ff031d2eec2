"""The JSON body of a control call: a large one is read with the same result as a small one."""

from __future__ import annotations

import sys
from typing import Any

import httpx
import orjson
import pytest

from simulator.control import body
from simulator.control.body import LARGE, read_json
from simulator.errors import MOST_FAULTS, MalformedBody
from simulator.library import Simulator


@pytest.fixture(params=["fast", "slow"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The test runs twice: all bodies are read like small ones, then all like large ones."""
    way: str = request.param
    monkeypatch.setattr(body, "LARGE", 1 << 40 if way == "fast" else 0)
    return way


@pytest.mark.rule("G-2")
@pytest.mark.usefixtures("way")
@pytest.mark.parametrize(
    "text",
    [
        '{"a": [1, -2, 2.5, 1e3, true, false, null, "x\\u00e9\\ud83d\\ude00", {"b": {}}], "": []}',
        '{"a": [9223372036854775807, 18446744073709551615, -9223372036854775808]}',
        " [] ",
        '"x"',
    ],
)
def test_it_is_what_the_fast_reader_makes_of_it(text: str) -> None:
    assert repr(read_json(text.encode())) == repr(orjson.loads(text))


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("number", [2**64, -(2**63) - 1, 10**300 + 7, 10**500 + 7], ids=lambda number: str(number)[:20])
def test_an_integer_is_what_was_sent_however_large(number: int) -> None:
    assert repr(read_json(b'{"a": [%d]}' % number)) == repr({"a": [number]})


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize(
    ("raw", "rule", "said"),
    [
        (b'{"a": 1,}', "G-2", "the body is not valid JSON"),
        (b'{"a": NaN}', "G-2", "the body is not valid JSON"),
        (b'{"a": "\x01"}', "G-2", "the body is not valid JSON"),
        (b"", "G-2", "the body is not valid JSON"),
        (b"\xef\xbb\xbf{}", "G-2", "the body is not valid JSON"),
        (b'{"a": "\xff"}', "G-2", "the body is not UTF-8"),
        (b'{"a": "\\ud800"}', "G-12", "the body holds a lone surrogate"),
        (b'{"\\ud800": 1}', "G-12", "the body holds a lone surrogate"),
    ],
)
def test_what_is_wrong_is_refused_by_the_same_rule(raw: bytes, rule: str, said: str) -> None:
    with pytest.raises(MalformedBody) as refusal:
        read_json(raw)
    assert [fault.rule for fault in refusal.value.faults] == [rule]
    assert refusal.value.faults[0].reason.startswith(said)


@pytest.mark.rule("S-3")
@pytest.mark.usefixtures("way")
def test_what_is_nested_far_too_deeply_is_refused() -> None:
    with pytest.raises(MalformedBody):
        read_json(b"[" * 100_000 + b"]" * 100_000)


@pytest.mark.rule("G-2")
@pytest.mark.usefixtures("way")
def test_a_name_that_stands_twice_in_an_object_is_refused() -> None:
    with pytest.raises(MalformedBody) as refusal:
        read_json(b'{"a": {"b": 1, "b": 2}}')
    [fault] = refusal.value.faults
    assert (fault.rule, "stands twice in its object" in fault.reason) == ("G-2", True)


@pytest.mark.rule("G-2")
@pytest.mark.parametrize(
    ("media", "content", "said"),
    [
        ("json", b"{" + b",".join([b'"a": 1'] * (MOST_FAULTS + 2)) + b" " * LARGE + b"}", "the name 'a' stands twice"),
        ("json", b"{" + b",".join([b'"a": 1, "a": 1'] * 90) + b" " * LARGE + b"}", "the name 'a' stands twice"),
        ("json", orjson.dumps({f"{number:1001d}": 0 for number in range(MOST_FAULTS + 1)}), "a key has at most 1000"),
        ("yaml", b"a: 1\n" * (MOST_FAULTS + 2), "stands here twice"),
    ],
    ids=["names of a large body", "few of them", "long keys", "keys of YAML"],
)
def test_of_very_many_mistakes_the_first_are_listed_and_it_is_said_that_there_are_more(
    media: str, content: bytes, said: str
) -> None:
    with Simulator() as simulator:
        headers = {"Content-Type": f"application/{media}"}
        answer = httpx.put(f"{simulator.url}/_simulator/state", content=content, headers=headers, timeout=60)
    assert answer.status_code == 400
    reasons = [error["details"]["reason"] for error in answer.json()["errors"]]
    listed = [reason for reason in reasons if said in reason]
    rest = reasons[len(listed) :]
    if len(listed) < MOST_FAULTS:
        assert (len(listed), rest) == (179, [])
    else:
        assert (len(listed), rest) == (MOST_FAULTS, ["there are more than 1,000 faults; no others are listed"])


@pytest.mark.rule("S-3")
def test_a_large_one_is_read_by_python_code_so_that_other_threads_have_their_turn() -> None:
    raw = b"{" + b",".join(b'"%d": ""' % number for number in range(100_000)) + b"}"
    assert len(raw) > LARGE
    calls = 0

    def count(frame: object, event: str, argument: object) -> None:
        nonlocal calls
        calls += event == "call"

    sys.setprofile(count)
    try:
        data: Any = read_json(raw)
    finally:
        sys.setprofile(None)
    assert len(data) == 100_000
    # The fast reader is written in C, and calls next to nothing.
    assert calls > 100_000
