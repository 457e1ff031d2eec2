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

from simulator.log import END_SECONDS, LONGEST_REASONS, MOST_LINES, LoggedRequest, LogWriter
from tests.conftest import CAPACITIES, python, serving_process, wait_until

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
    assert direct == {
        "time": "2001-09-09T01:46:40.000Z",
        "level": "INFO",
        "id": "run-1",
        "sandbox": "default",
        "method": "GET",
        "path": "/a",
        "status": 404,
        "durationMs": 1.25,
        "rule": "G-1",
    }


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
# Newer versions of Python show the line of the program too. What it says by itself is no secret.
END = "\\nBearer " + "zyx2retnuh"[::-1]
warnings.warn("a library warns\\nof token=hunter2xyz")
logging.getLogger("library").error("a library says\\n%s", "password=hunter2xyz")
logging.getLogger("library").info("what nobody needs")
class Unraisable:
    def __del__(self):
        raise ValueError("in the end" + END)
Unraisable(); gc.collect()
def fail():
    raise ValueError("in a thread" + END)
thread = threading.Thread(target=fail, name="worker"); thread.start(); thread.join()
thread = threading.Thread(target=sys.exit); thread.start(); thread.join()
async def main():
    asyncio.get_running_loop().call_soon(fail)
    await asyncio.sleep(0.01)
asyncio.run(main())
fail()
"""


@pytest.mark.rule("S-7")
def test_libraries_and_the_interpreter_write_to_the_same_log() -> None:
    result = python("-c", WRITERS)
    assert result.returncode == 1
    lines = result.stderr.splitlines()
    expected = [
        "WARNING .*a library warns",
        "ERROR a library says",
        "ERROR .*in the end",
        "CRITICAL worker failed.*thread",
    ]
    expected += ["ERROR Exception in callback.*in a thread", "CRITICAL the process failed.*in a thread"]
    assert len(lines) == len(expected), result.stderr
    for line, pattern in zip(lines, expected, strict=True):
        assert re.match(rf"\d\d:\d\d:\d\d {pattern}", line), result.stderr
    assert "hunter2xyz" not in result.stderr


LEVELS = """
import logging, sys
from simulator.log import configure_logging
sys.stdout = sys.stderr
for level in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR):
    log = configure_logging("text", level)
    for name in ("simulator.a", "library"):
        for each in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR):
            logging.getLogger(name).log(each, "%d %d %s", level, each, name)
    print(log is not None, flush=True)
    logging.getLogger().handlers[0].close()
"""


def test_a_level_shows_what_is_as_important_and_libraries_only_show_warnings_and_errors() -> None:
    lines = python("-c", LEVELS).stderr.splitlines()
    levels = (10, 20, 30, 40)
    expected = {f"{level} {each} simulator.a" for level in levels for each in levels if each >= level}
    expected |= {f"{level} {each} library" for level in levels for each in (30, 40) if each >= level}
    assert {" ".join(line.split()[-3:]) for line in lines if len(line.split()) > 1} == expected
    # Requests are logged at the first two levels.
    assert [line for line in lines if line in ("True", "False")] == ["True", "True", "False", "False"]


@pytest.mark.skipif(os.name == "nt", reason="there are no pseudo terminals")
def test_on_a_terminal_the_reasons_of_a_refusal_are_short_and_printable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    terminal, end = os.openpty()
    writer = LogWriter(end, "text")
    writer.request(REQUEST._replace(reasons=lambda: "\x1b[2J\r\n" + "x" * 10_000))
    writer.close()
    os.close(end)
    with open(terminal, "rb") as screen:
        line = screen.readline().decode().rstrip()
    assert line.isprintable()
    assert line.endswith("ms G-1: \\x1b[2J\\r\\n" + "x" * (LONGEST_REASONS - 11) + "…")


def test_an_account_with_an_unusual_name_keeps_it_in_json(pipe: Pipe) -> None:
    writer = LogWriter(pipe[1], "json")
    for name in ("B\u00fccher", "a\u2028\x1b[2J\n", "\ud800"):
        writer.request(REQUEST._replace(account=name))
    writer.close()
    lines = read_all(pipe).splitlines()
    assert all(map(str.isprintable, lines))
    assert [json.loads(line)["account"] for line in lines] == ["B\u00fccher", "a\u2028\x1b[2J\n", "\ud800"]


def test_as_json_they_write_one_object_a_line_with_the_traceback_apart() -> None:
    result = python("-c", WRITERS.replace('"text"', '"json"'))
    lines = [json.loads(line) for line in result.stderr.splitlines()]
    levels = ["WARNING", "ERROR", "ERROR", "CRITICAL", "ERROR", "CRITICAL"]
    assert [line["level"] for line in lines] == levels
    assert all(line["time"].endswith("Z") and line["message"] for line in lines)
    assert ["Traceback" in line.get("exception", "") for line in lines] == [False, False, True, True, True, True]
    assert lines[-1]["message"] == "the process failed"
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
    # The first line is about the start, the last about the end.
    assert len(lines) == len(MALFORMED) + 2, log
    assert all(map(str.isprintable, lines))
    assert "hunter2xyz" not in log


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_where_nobody_reads_lines_are_dropped_and_the_log_says_so_when_somebody_does(
    log_format: str, pipe: Pipe
) -> None:
    reading, writing = pipe
    writer = LogWriter(writing, log_format)
    # More than fits into a pipe. While that waits to be written, send more lines than may wait behind it.
    writer.request(REQUEST._replace(path="/" + "x" * 200_000))
    wait_until(lambda: not select.select([], [writing], [], 0)[1])
    for _ in range(MOST_LINES + 50):
        writer.request(REQUEST)
    text = ""
    while "dropped" not in text:
        assert select.select([reading], [], [], 10)[0], "nothing more is written"
        text += os.read(reading, 65536).decode()
    writer.close()
    lines = (text + read_all(pipe)).splitlines()
    assert len(lines) == 1 + MOST_LINES + 1
    said = "50 lines of the log were dropped here, because nobody read those before"
    if log_format == "json":
        (told,) = [line for line in map(json.loads, lines) if "message" in line]
        assert (told["level"], told["message"]) == ("WARNING", said)
    else:
        (told,) = [line for line in lines if "GET" not in line]
        assert re.fullmatch(rf"\d\d:\d\d:\d\d WARNING {said}", told)


def test_the_end_does_not_wait_for_a_reader_either(pipe: Pipe) -> None:
    writer = LogWriter(pipe[1], "text")
    for _ in range(200):
        writer.request(REQUEST._replace(path="/" + "x" * 1_000))
    began = time.monotonic()
    writer.close()
    assert END_SECONDS / 2 < time.monotonic() - began < END_SECONDS + 30


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
