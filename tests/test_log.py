"""The log is written by a thread that nobody waits for."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from simulator.log import END_SECONDS, MOST_LINES, PAUSE_SECONDS, LoggedRequest, LogWriter
from tests.conftest import CAPACITIES

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
    """What was written, once nobody writes any more."""
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


def test_where_nobody_reads_lines_are_dropped_and_the_log_says_so_when_somebody_does(pipe: Pipe) -> None:
    reading, writing = pipe
    writer = LogWriter(writing, "text")
    # As much as a pipe takes, and more; when that waits to be written, more lines than may wait for it.
    for _ in range(200):
        writer.request(REQUEST._replace(path="/" + "x" * 1_000))
    time.sleep(10 * PAUSE_SECONDS)
    for _ in range(MOST_LINES + 50):
        writer.request(REQUEST)
    text = ""
    while "dropped" not in text:
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
    command = [sys.executable, "-m", "simulator", "serve", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = re.search(r"http://\S+:\d+", process.stdout.readline())
        assert url is not None
        with httpx.Client(base_url=url[0], timeout=10) as client:
            # Of each call there is a line; a pipe takes some hundreds of them.
            for _ in range(1_500):
                assert client.get(f"/api/v1/{CAPACITIES}").status_code == 200
        began = time.monotonic()
        process.terminate()
        assert process.wait(10) == 0
        assert time.monotonic() - began < 5
