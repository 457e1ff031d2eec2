"""What is kept of a request holds no secrets (S-7)."""

from __future__ import annotations

import pytest

from simulator.state.redaction import (
    REDACTED,
    without_secret_attributes,
    without_secret_header,
    without_secret_parameters,
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
