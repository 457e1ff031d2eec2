"""The log is written by a thread, and no request waits for it."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import select
import socket
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from simulator.log import END_SECONDS, MOST_LINES, PAUSE_SECONDS, LoggedRequest, LogWriter
from tests.conftest import CAPACITIES, python, serving_process

REQUEST = LoggedRequest(1e9, "GET", "/a", 404, 0.00125, "G-1", None, "default", "run-1")
Pipe = tuple[int, int]


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    """The ends of a pipe, to read and to write."""
    ends = os.pipe()
    yield ends
    for end in ends:
        with contextlib.suppress(OSError):
            os.close(end)


def read_all(pipe: Pipe) -> str:
    """Return what was written, once the other end is closed."""
    reading, writing = pipe
    os.close(writing)
    with os.fdopen(reading, closefd=False) as file:
        return file.read()


def record(message: str, **options: Any) -> logging.LogRecord:
    return logging.makeLogRecord({"msg": message, "levelno": logging.INFO, "levelname": "INFO", **options})


def test_requests_and_what_loggers_say_come_in_their_order(pipe: Pipe) -> None:
    writer = LogWriter(pipe[1], "text")
    writer.handle(record("first"))
    writer.request(REQUEST)
    writer.request(REQUEST._replace(status=None, rule=None, fault="1"))
    writer.handle(record("last", levelno=logging.ERROR, levelname="ERROR"))
    writer.close()
    lines = [re.sub(r"^\d\d:\d\d:\d\d ", "", line) for line in read_all(pipe).splitlines()]
    assert lines == ["first", "GET /a 404 1.25 ms G-1", "GET /a closed 1.25 ms fault 1", "ERROR last"]


def test_as_json_both_have_the_same_form(pipe: Pipe) -> None:
    writer = LogWriter(pipe[1], "json")
    writer.request(REQUEST)
    writer.handle(record("", created=REQUEST.time, fields=REQUEST.facts))
    writer.close()
    direct, logged = map(json.loads, read_all(pipe).splitlines())
    assert direct == logged
    assert (direct["level"], direct["status"], direct["rule"]) == ("INFO", 404, "G-1")


@pytest.mark.parametrize(
    ("name", "shown"), [("groupadmin", "groupadmin"), ("a\n12:00:00\x1b[2J", r"a\n12:00:00\x1b[2J")]
)
def test_a_request_names_the_account_that_acted_and_no_name_forges_a_line(pipe: Pipe, name: str, shown: str) -> None:
    request = REQUEST._replace(account=name)
    writer = LogWriter(pipe[1], "text")
    writer.request(request)
    writer.close()
    assert read_all(pipe)[9:] == f"GET /a 404 1.25 ms as {shown} G-1\n"
    assert request.facts["account"] == name


HOSTILE = "GET /\x1b[2J\r\n12:00:00 GET /forged 200\u2028\x9b31m?pw=hunter2xyz Authorization: Bearer hunter2xyz"


@pytest.mark.rule("S-7")
@pytest.mark.parametrize("log_format", ["text", "json"])
def test_whatever_is_logged_is_one_line_of_printable_characters_without_secrets(log_format: str, pipe: Pipe) -> None:
    writer = LogWriter(pipe[1], log_format)
    writer.handle(record(HOSTILE))
    writer.handle(record("%s\n%s", args=(HOSTILE, "B\u00fccher \ud800"), levelno=logging.WARNING, levelname="WARNING"))
    try:
        raise ValueError(HOSTILE)
    except ValueError as error:
        info = (type(error), error, error.__traceback__)
        writer.handle(
            record("failed", exc_info=info, levelno=logging.ERROR, levelname="ERROR", stack_info="Stack:\n a")
        )
    writer.close()
    text = read_all(pipe)
    lines = text.removesuffix("\n").split("\n")
    assert len(lines) == 3
    assert all(map(str.isprintable, lines))
    assert "hunter2xyz" not in text
    for word in ("forged 200", "B\u00fccher" if log_format == "text" else r"B\u00fccher", "Traceback", "ValueError"):
        assert word in text
    if log_format == "json":
        assert [json.loads(line)["level"] for line in lines] == ["INFO", "WARNING", "ERROR"]


def test_who_logs_wrongly_does_not_fail_and_is_named(pipe: Pipe) -> None:
    writer = LogWriter(pipe[1], "text")
    writer.handle(record("%d", args=("hunter2xyz",), name="library", pathname="a.py", lineno=3))
    writer.close()
    assert read_all(pipe)[9:] == "library says what cannot be formatted, at a.py:3\n"


WRITERS = """
import asyncio, gc, logging, sys, threading, warnings
from simulator.log import configure_logging
configure_logging("text")
warnings.warn("a library warns\\nof token=hunter2xyz")
logging.getLogger("library").error("a library says\\n%s", "password=hunter2xyz")
logging.getLogger("library").info("what nobody needs")
class Unraisable:
    def __del__(self):
        raise ValueError("in the end\\nBearer hunter2xyz")
Unraisable(); gc.collect()
def fail():
    raise ValueError("in a thread\\nBearer hunter2xyz")
thread = threading.Thread(target=fail, name="worker"); thread.start(); thread.join()
thread = threading.Thread(target=sys.exit); thread.start(); thread.join()
async def main():
    asyncio.get_running_loop().call_soon(fail)
    await asyncio.sleep(0.01)
asyncio.run(main())
logging.shutdown()
"""


@pytest.mark.rule("S-7")
def test_libraries_and_the_interpreter_write_to_the_same_log() -> None:
    result = python("-c", WRITERS)
    assert result.returncode == 0
    lines = result.stderr.splitlines()
    expected = [
        "WARNING .*a library warns",
        "ERROR a library says",
        "ERROR .*in the end",
        "CRITICAL worker failed.*thread",
    ]
    expected.append("ERROR Exception in callback.*in a thread")
    assert len(lines) == len(expected), result.stderr
    for line, pattern in zip(lines, expected, strict=True):
        assert re.match(rf"\d\d:\d\d:\d\d {pattern}", line), result.stderr
    assert "hunter2xyz" not in result.stderr


MALFORMED = [
    b"GET /?token=hunter2xyz HTTP/9.9\r\nHost: a\r\n\r\n",
    b"GET /\x1b[2J\nhunter2xyz: Bearer hunter2xyz HTTP/1.1\r\n\r\n",
    b"token=hunter2xyz\r\n12:00:00 GET /forged 200\r\n\r\n",
    b"GET / HTTP/1.1\r\nAuthorization Bearer hunter2xyz\r\n\r\n",
    b"GET / HTTP/1.1\r\nAuthorization: Bearer \x00hunter2xyz\r\n\r\n",
    b"GET http://[hunter2xyz/ HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: hunter2xyz\r\n\r\n",
    b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nhunter2xyz\r\n",
    b"GET /a/Bearer%20hunter2xyz/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    b"GET /_sandboxes/Bearer%20hunter2xyz/a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    b"GET /_simulator/Bearer%2520hunter2xyz?pw=hunter2xyz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    b"GET /a%3Fpw=hunter2xyz%0D%0A%1b[2J%C2%9B HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
]


@pytest.mark.rule("S-7")
@pytest.mark.parametrize("log_format", ["text", "json"])
def test_what_comes_over_the_wire_puts_one_line_without_secrets_into_the_log(log_format: str) -> None:
    with serving_process("--log-format", log_format) as server:
        for request in MALFORMED:
            with socket.create_connection(server.address, timeout=10) as client:
                client.sendall(request)
                client.shutdown(socket.SHUT_WR)
                while client.recv(65536):
                    pass
        server.process.terminate()
        _, log = server.process.communicate(timeout=10)
    lines = log.removesuffix("\n").split("\n")
    assert len(lines) == len(MALFORMED), log
    assert all(map(str.isprintable, lines))
    assert "hunter2xyz" not in log


def test_where_nobody_reads_lines_are_dropped_and_the_log_says_so_when_somebody_does(pipe: Pipe) -> None:
    reading, writing = pipe
    writer = LogWriter(writing, "text")
    # More than fits into a pipe. While that waits to be written, send more lines than may wait behind it.
    for _ in range(200):
        writer.request(REQUEST._replace(path="/" + "x" * 1_000))
    time.sleep(10 * PAUSE_SECONDS)
    for _ in range(MOST_LINES + 50):
        writer.request(REQUEST)
    text = ""
    while "dropped" not in text:
        assert select.select([reading], [], [], 10)[0], "nothing more is written"
        text += os.read(reading, 65536).decode()
    assert "\n50 lines of the log were dropped here, because nobody read those before\n" in text
    assert len(re.findall(r"GET /a 404", text)) == MOST_LINES
    writer.close()


def test_the_end_does_not_wait_for_a_reader_either(pipe: Pipe) -> None:
    writer = LogWriter(pipe[1], "text")
    for _ in range(200):
        writer.request(REQUEST._replace(path="/" + "x" * 1_000))
    began = time.monotonic()
    writer.close()
    assert END_SECONDS / 2 < time.monotonic() - began < END_SECONDS + 5


def test_a_log_that_is_closed_is_no_reason_to_stop(pipe: Pipe) -> None:
    writer = LogWriter(pipe[1], "text")
    os.close(pipe[0])
    writer.request(REQUEST)
    writer.close()


def test_a_server_whose_log_nobody_reads_answers_and_can_be_stopped() -> None:
    with serving_process() as server:
        with httpx.Client(base_url=server.url, timeout=10) as client:
            # Each call writes one line. Some hundreds of them fit into a pipe.
            for _ in range(1_500):
                assert client.get(f"/api/v1/{CAPACITIES}").status_code == 200
        server.stop()
        assert server.process.returncode == 0
