"""What is kept of a request contains no secrets (S-7)."""

from __future__ import annotations

import time

import orjson
import pytest

from simulator.state.journal import BODY_KEPT
from simulator.state.redaction import (
    REDACTED,
    without_secret_attributes,
    without_secret_header,
    without_secret_parameters,
    without_secrets,
)

pytestmark = pytest.mark.rule("S-7")


@pytest.mark.parametrize(
    "name", ["Authorization", "cookie", "Set-Cookie", "Proxy-Authorization", "X-Api-Key", "X-Auth-Token", "Apikey"]
)
def test_headers_that_authenticate_are_redacted(name: str) -> None:
    assert without_secret_header(name, "s3cret") == REDACTED
    assert without_secret_header("Accept", "*/*") == "*/*"


@pytest.mark.parametrize(
    ("query", "kept"),
    [
        ("token=s3cret&a=1", "token=[redacted]&a=1"),
        ("a=1&PASSWORD=s3cret", "a=1&PASSWORD=[redacted]"),
        ("%74oken=s3cret", "%74oken=[redacted]"),
        ("access_token=s3cret=s3cret", "access_token=[redacted]"),
        ("a=1&pw=s3cret", "a=1&pw=[redacted]"),
        ("user_pw=s3cret", "user_pw=[redacted]"),
        ("a=Bearer%20s3cret", "a=[redacted]"),
        ("a=Basic+s3cret", "a=[redacted]"),
        ("sameGroupOnly=false", "sameGroupOnly=false"),
        ("", ""),
    ],
)
def test_query_parameters_named_like_secrets_are_redacted(query: str, kept: str) -> None:
    assert without_secret_parameters(query) == kept


@pytest.mark.parametrize(
    ("body", "kept"),
    [
        (b'{"username": "u", "password": "s3cret"}', b'{"username":"u","password":"[redacted]"}'),
        (b'{"a": [{"apiToken": {"deep": "s3cret"}}]}', b'{"a":[{"apiToken":"[redacted]"}]}'),
        (b'{"p\\u0061ssword": "s3cret"}', b'{"password":"[redacted]"}'),
        (b'{"password": "s3cret"', b"[redacted]"),
        (b"username=u&password=s3cret", b"[redacted]"),
        (b"[" * 300 + b'{"password": "s3cret"}' + b"]" * 300, None),
        (b'{"name": "Reception"}', b'{"name": "Reception"}'),
        (b"\xff\xfe", b"\xff\xfe"),
    ],
)
def test_attributes_named_like_secrets_are_redacted(body: bytes, kept: bytes | None) -> None:
    result = without_secret_attributes(body)
    assert b"s3cret" not in result
    assert kept is None or result == kept


@pytest.mark.parametrize("body", [b'{ "name" : "100 %" }', b'{"key":  [1.50, "\\u00e9"]}', b'["%"  ]'])
def test_a_body_that_only_looked_as_if_it_held_secrets_is_kept_byte_for_byte(body: bytes) -> None:
    assert without_secret_attributes(body) == body


@pytest.mark.parametrize(
    "body", [b'{"a": "token=x", "a": "%"}', b'{"a": {"b": "token=x"}, "a": "%"}', b'[{"a": "token=x", "a": "%"}]']
)
def test_a_secret_that_a_repeated_name_hides_is_not_kept(body: bytes) -> None:
    assert b"token=x" not in without_secret_attributes(body)


def test_a_deeply_nested_part_of_a_body_is_not_shown() -> None:
    body = b'{"a":' * 99 + b'{"password":"s3cret","b":{"c":1}}' + b"}" * 99
    assert without_secret_attributes(body).endswith(b'{"password":"[redacted]","b":"[redacted]"}' + b"}" * 99)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("/a?password=s3cret&b=1", "/a?password=[redacted]&b=1"),
        ("/a?pw=s3cret", "/a?pw=[redacted]"),
        ("a=password=s3cret", "a=password=[redacted]"),
        ("passed: yes, authors: two, spin: left", "passed: yes, authors: two, spin: left"),
        ("my-api.key-2 : 's3cret'", "my-api.key-2 : '[redacted]'"),
        ("passapi key=s3cret", "passapi key=[redacted]"),
        (r"{\"token\": \"s3cret\"}", r"{\"token\": \"[redacted]\"}"),
        ("Bearer s3cret, Basic s3cret", "Bearer [redacted], Basic [redacted]"),
        ("Authorization: Bearer s3cret", "Authorization: [redacted]"),
        ("password=basic", "password=[redacted]"),
        ("a bearer token is needed", "a bearer token is needed"),
        ("http://user:s3cret@host/", "http://[redacted]@host/"),
        ("/a/Bearer%20s3cret", "/a/Bearer [redacted]"),
        ("/a%2520Bearer%2520s3cret", "/a Bearer [redacted]"),
        ("/a%3Fp%61ssword%3Ds3cret", "/a?password=[redacted]"),
        ("/100%25/%2B", "/100%25/%2B"),
    ],
)
def test_what_follows_the_name_of_a_secret_in_a_text_is_redacted(text: str, kept: str) -> None:
    assert without_secrets(text) == kept


def test_of_a_large_body_what_is_kept_holds_no_secrets_and_is_what_it_would_be_without_the_rest() -> None:
    small = orjson.dumps({"password": "s3cret", "a": ["Bearer s3cret"] * 5_000})
    large = orjson.dumps({"password": "s3cret", "a": ["Bearer s3cret"] * 60_000})
    kept = without_secret_attributes(large)
    assert b"s3cret" not in kept
    assert len(kept) > BODY_KEPT
    assert kept[:BODY_KEPT] == without_secret_attributes(small)[:BODY_KEPT]


def test_of_a_text_that_is_cut_off_an_unfinished_secret_is_not_kept() -> None:
    text = "x" * (BODY_KEPT - 20) + "//user:s3cret" + "y" * 20 + "@host"
    kept = without_secret_attributes(orjson.dumps({"token": "s3cret", "a": text}))
    assert b"s3cret" not in kept
    assert kept.endswith('x//[redacted]…"}'.encode())


HOSTILE = [
    "pass",
    "pass ",
    "pass-",
    "pass=",
    "a=",
    'pass""',
    "api.key",
    "apipass",
    "bearer ",
    "bearer . token ",
    "//",
    "%",
]
HOSTILE += ["auth: bearer  ", "%41", "author", "=", "a b: ", "\\", "é", "pass%3d"]


def seconds(text: str) -> float:
    """Return the processor time that a text takes, the shortest of three."""
    times = []
    for _ in range(3):
        began = time.thread_time()
        without_secrets(f"/api/v1/={text}")
        times.append(time.thread_time() - began)
    return min(times)


@pytest.mark.parametrize("part", HOSTILE)
def test_a_text_eight_times_as_long_takes_about_eight_times_as_long(part: str) -> None:
    size = 2 * 1024 // len(part)
    # If each character were compared with all others, it would take 64 times as long.
    assert seconds(part * size * 8) < 24 * max(seconds(part * size), 0.000_2)


BODIES = {
    "members": orjson.dumps({"password": 1, **{f"key{number}": number for number in range(70_000)}}),
    "items": orjson.dumps({"password": 1, "a": [[]] * 340_000}),
    "nested": b'{"password":1,"a":' + b"[" * 90 + b",".join([b"[1]"] * 250_000) + b"]" * 90 + b"}",
    "a text": orjson.dumps({"password": 1, "a": "pass=" * 200_000}),
    "escaped": orjson.dumps({"password": 1, "a": orjson.dumps({"b": '\\"' * 120_000}).decode()}),
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_no_more_of_a_large_body_is_looked_at_than_is_kept(body: bytes) -> None:
    assert len(body) > 900_000
    # The result is longest for an array of empty arrays: each counts as one byte and takes three.
    assert len(without_secret_attributes(body)) < 4 * BODY_KEPT
