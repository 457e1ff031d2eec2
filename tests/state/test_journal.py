"""The journal keeps the newest exchanges, within its bounds."""

from __future__ import annotations

import pytest

from simulator.state.journal import Content, Exchange, Journal, Message, size_of

pytestmark = pytest.mark.rule("S-3", "S-7")


def content(request: Message) -> Content:
    return Content(
        method="GET",
        path="/",
        query="",
        operation_id=None,
        account=None,
        request=request,
        status=200,
        response=None,
        rule=None,
        assumed=(),
        ignored=(),
        explanation="",
        fault=None,
        abort=None,
    )


def exchange(number: int, of: Content | None = None, *, body: bytes = b"") -> Exchange:
    of = of or content(Message(headers=(), body=body, size=len(body)))
    return Exchange(id=f"run-{number}", number=number, time=0.0, seconds=0.0, content=of, size=of.size)


def numbers(journal: Journal) -> list[int]:
    return [each.number for each in journal.exchanges()]


def test_the_oldest_ones_give_way_beyond_the_number() -> None:
    journal = Journal(limit=3, bytes_limit=1_000_000)
    for number in range(5):
        journal.record(exchange(number))
    assert numbers(journal) == [2, 3, 4]


def test_the_oldest_ones_give_way_beyond_the_bytes_but_the_newest_stays() -> None:
    journal = Journal(limit=100, bytes_limit=25_000)
    for number in range(5):
        journal.record(exchange(number, body=b"x" * 10_000))
    assert numbers(journal) == [3, 4]
    assert 20_000 < journal.bytes <= 25_000
    journal.record(exchange(5, body=b"x" * 100_000))
    assert numbers(journal) == [5]
    journal.record(exchange(6))
    assert numbers(journal) == [6]


def test_everything_that_is_kept_counts_as_bytes() -> None:
    journal = Journal(limit=100, bytes_limit=1_000_000)
    message = Message(headers=(("n" * 1_000, "v" * 2_000),), body=b"b" * 4_000, size=4_000, header_size=3_000)
    large = content(message)._replace(path="p" * 8_000, query="q" * 16_000, explanation="e" * 32_000)
    journal.record(exchange(1, large))
    assert 63_000 <= journal.bytes <= 65_000


def test_many_small_headers_count_as_what_they_take() -> None:
    headers = [("n", "v")] * 1_000
    assert size_of(headers) > 100 * len(headers)
    journal = Journal(limit=100, bytes_limit=250_000)
    for number in range(5):
        message = Message(headers=tuple(headers), body=b"", size=0, header_size=size_of(headers))
        journal.record(exchange(number, content(message)))
    assert numbers(journal) == [4]


def test_clearing_forgets_the_exchanges() -> None:
    journal = Journal(limit=3, bytes_limit=1_000_000)
    journal.record(exchange(1))
    journal.clear()
    assert (numbers(journal), journal.bytes) == ([], 0)


@pytest.mark.rule("S-10")
def test_names_of_what_was_ignored_and_letters_beyond_latin_count_as_what_they_take() -> None:
    plain = content(Message(headers=(), body=b"", size=0))
    names = tuple(f"name {number}" * 10 for number in range(20))
    assert plain._replace(ignored=names).size - plain.size > sum(map(len, names))
    assert plain._replace(path="\U0001f600" * 1_000).size - plain.size > 3_900
