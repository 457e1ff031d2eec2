"""The server with any application: connections, the order of answers, the end, and invalid requests."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import http.client
import os
import socket
import struct
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import httpx
import pytest

from simulator.http.wsgi import Background, ConnectionAborted, Delayed
from simulator.server import GRACE_SECONDS, Server
from simulator.server.connection import MOST_AT_ONCE, MOST_UNSENT
from simulator.server.reading import LARGEST_HEADER
from simulator.server.server import MOST_IN_A_TURN, new_event_loop
from tests.conftest import CAPACITIES, Api, faults, python, served, serving_process, wait_until

RECEPTION = f"/api/v1/{CAPACITIES}Reception/"
Start = Callable[..., Any]
Serving = Callable[..., Server]


@pytest.fixture(params=[asyncio.SelectorEventLoop, new_event_loop], ids=["asyncio", "fastest"])
def serving(request: pytest.FixtureRequest) -> Iterator[Serving]:
    """Starts servers of an application, on Python's own event loop and on the fastest available one."""
    with contextlib.ExitStack() as stack:

        def serve(app: Any, **options: Any) -> Server:
            return stack.enter_context(served(app, event_loop=request.param, **options))

        yield serve


def answering(body: bytes = b"done") -> Callable[[Any, Start], list[bytes]]:
    def app(environ: Any, start: Start) -> list[bytes]:
        start("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
        return [body]

    return app


def echo(environ: Any, start: Start) -> list[bytes]:
    """Answers with method, path and body."""
    said = f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']} ".encode() + environ["wsgi.input"].read()
    start("200 OK", [("Content-Type", "text/plain")])
    return [said]


def connected(server: Server) -> socket.socket:
    return socket.create_connection((server.host, server.port), timeout=30)


def more(client: socket.socket) -> bytes:
    """Return the next bytes, of which there must be some. A closed connection would return none forever."""
    data = client.recv(1 << 20)
    assert data, "the server has closed the connection"
    return data


def received(client: socket.socket) -> bytes:
    """Return everything that arrives until the server closes."""
    return b"".join(iter(lambda: client.recv(65536), b""))


def bodies(answers: bytes) -> list[bytes]:
    """Return the bodies of consecutive answers that have status 200 and a length."""
    found = []
    while answers:
        head, _, rest = answers.partition(b"\r\n\r\n")
        assert head.startswith((b"HTTP/1.1 200 OK\r\n", b"HTTP/1.0 200 OK\r\n")), head
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        found.append(rest[:length])
        answers = rest[length:]
    return found


class TestConnections:
    def test_requests_sent_at_once_are_answered_in_their_order(self, serving: Serving) -> None:
        with connected(serving(echo)) as client:
            client.sendall(
                b"GET /1 HTTP/1.1\r\nHost: x\r\n\r\nPUT /2 HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
                b"GET /3 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
            )
            assert bodies(received(client)) == [b"GET /1 ", b"PUT /2 abc", b"GET /3 "]

    @pytest.mark.parametrize("wait", [Delayed, Background])
    def test_they_are_so_when_one_has_to_be_waited_for(self, serving: Serving, wait: type) -> None:
        def app(environ: Any, start: Start) -> Any:
            if environ["PATH_INFO"] != "/slow":
                return echo(environ, start)
            return wait(0.05 if wait is Delayed else "key", lambda: echo(environ, start))

        with connected(serving(app)) as client:
            client.sendall(
                b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
            )
            assert bodies(received(client)) == [b"GET /slow ", b"GET /2 "]

    @pytest.mark.parametrize("step", [1, 2, 3, 7])
    def test_a_request_may_arrive_byte_by_byte(self, serving: Serving, step: int) -> None:
        request = (
            b"GET /1 HTTP/1.1\r\nHost: x\r\n\r\nM-SEARCH /2 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
            b"PUT /3 HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nConnection: close\r\n\r\nxy"
        )
        with connected(serving(echo)) as client:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for start in range(0, len(request), step):
                client.sendall(request[start : start + step])
                time.sleep(0.0005)
            assert bodies(received(client)) == [b"GET /1 ", b"M-SEARCH /2 abcde", b"PUT /3 xy"]

    def test_a_client_may_end_its_side_before_it_reads(self, serving: Serving) -> None:
        def app(environ: Any, start: Start) -> Any:
            return Background("key", lambda: echo(environ, start))

        with connected(serving(app)) as client:
            client.sendall(b"GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\n")
            client.shutdown(socket.SHUT_WR)
            assert bodies(received(client)) == [b"GET /1 ", b"GET /2 "]

    @pytest.mark.parametrize("rest", [b"", b"GET /cut-short HTTP/1.1\r\nX: "])
    def test_it_also_gets_an_answer_that_is_delayed(self, serving: Serving, rest: bytes) -> None:
        server = serving(lambda environ, start: Delayed(0.1, lambda: echo(environ, start)))
        with connected(server) as client:
            client.sendall(b"GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\n" + rest)
            client.shutdown(socket.SHUT_WR)
            assert bodies(received(client)) == [b"GET /1 ", b"GET /2 "]
        wait_until(lambda: not server.connections)

    def test_one_that_ends_it_without_a_request_gets_its_connection_closed(self, serving: Serving) -> None:
        server = serving(echo)
        with connected(server) as client:
            client.shutdown(socket.SHUT_WR)
            assert received(client) == b""
        wait_until(lambda: not server.connections)

    def test_http_1_0_closes_unless_asked_to_keep(self, serving: Serving) -> None:
        with connected(serving(echo)) as client:
            client.sendall(b"GET /1 HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /2 HTTP/1.0\r\n\r\n")
            answers = received(client)
        assert bodies(answers) == [b"GET /1 ", b"GET /2 "]
        assert answers.count(b"Connection: Keep-Alive\r\n") == 1

    def test_head_states_the_length_of_what_it_leaves_out(self, serving: Serving) -> None:
        with connected(serving(answering(b"12345"))) as client:
            client.sendall(b"HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            head, _, body = received(client).partition(b"\r\n\r\n")
        assert b"Content-Length: 5\r\n" in head
        assert body == b""

    def test_another_protocol_that_is_offered_is_not_taken(self, serving: Serving) -> None:
        # Java's HTTP client sends this with its first request, even if that has a body.
        offer = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAAA\r\n"
        with connected(serving(echo)) as client:
            client.sendall(
                b"GET /1 HTTP/1.1\r\nHost: x\r\n" + offer + b"\r\n"
                b"PUT /2 HTTP/1.1\r\nHost: x\r\n" + offer + b"Content-Length: 3\r\n\r\nabc"
                b"PUT /3 HTTP/1.1\r\nHost: x\r\n" + offer + b"Transfer-Encoding: chunked\r\n\r\n2\r\nde\r\n0\r\n\r\n"
                b"GET /4 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
            )
            assert bodies(received(client)) == [b"GET /1 ", b"PUT /2 abc", b"PUT /3 de", b"GET /4 "]

    def test_the_word_to_send_a_body_comes_after_the_answers_before(self, serving: Serving) -> None:
        def app(environ: Any, start: Start) -> Any:
            return Background("key", lambda: echo(environ, start))

        with connected(serving(app)) as client:
            client.sendall(
                b"GET /1 HTTP/1.1\r\nHost: x\r\n\r\n"
                b"PUT /2 HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\nConnection: close\r\n\r\n"
            )
            answers = b""
            while b"100 Continue\r\n\r\n" not in answers:
                answers += more(client)
            client.sendall(b"abc")
            answers += received(client)
        assert bodies(answers.replace(b"HTTP/1.1 100 Continue\r\n\r\n", b"")) == [b"GET /1 ", b"PUT /2 abc"]
        assert answers.index(b"GET /1") < answers.index(b"100 Continue")

    def test_an_aborted_answer_closes_the_connection_after_those_before(self, serving: Serving) -> None:
        def app(environ: Any, start: Start) -> Any:
            if environ["PATH_INFO"] == "/abort":
                raise ConnectionAborted
            return echo(environ, start)

        with connected(serving(app)) as client:
            client.sendall(
                b"GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /abort HTTP/1.1\r\nHost: x\r\n\r\n"
                b"GET /2 HTTP/1.1\r\nHost: x\r\n\r\n"
            )
            assert bodies(received(client)) == [b"GET /1 "]

    def test_an_answer_shorter_than_it_says_closes_the_connection(self, serving: Serving) -> None:
        def app(environ: Any, start: Start) -> Any:
            start("200 OK", [("Content-Length", "10")])
            return [b"half"]

        with connected(serving(app)) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert received(client).endswith(b"\r\n\r\nhalf")

    def test_an_application_that_fails_below_flask_is_a_failure_of_the_simulator(self, serving: Serving) -> None:
        answer = httpx.get(serving(lambda *_: 1 / 0).url)
        assert answer.status_code == 500
        assert answer.json()["errors"][0]["code"] == 50001


class TestLimits:
    def test_hundreds_of_connections_are_served(self, serving: Serving) -> None:
        server = serving(echo)
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(connected(server)) for _ in range(300)]
            for turn in range(2):
                for client in clients:
                    client.sendall(f"GET /{turn} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
                for client in clients:
                    assert bodies(client.recv(65536)) == [f"GET /{turn} ".encode()]
            assert server.connections == 300
        wait_until(lambda: not server.connections)

    def test_a_thousand_connections_are_served_by_a_server_of_its_own(self) -> None:
        # The server and each client stay below 1,024 files, as many as a process can usually open.
        program = """
import select, socket, sys
host, port, number = sys.argv[1], int(sys.argv[2]), 480
clients = [socket.create_connection((host, port), timeout=20) for _ in range(number)]
for turn in range(3):
    for client in clients:
        client.sendall(b"GET /_simulator/health HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n")
    assert all(client.recv(65536).startswith(b"HTTP/1.1 200 OK") for client in clients)
print("opened", flush=True)
sys.stdin.read()
assert all(select.select([client], [], [], 0)[0] == [] for client in clients)
"""
        with serving_process() as server:
            host, port = map(str, server.address)
            pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
            clients = [subprocess.Popen([sys.executable, "-c", program, host, port], **pipes) for _ in range(2)]
            assert [client.stdout.readline() for client in clients if client.stdout] == ["opened\n"] * 2
            for client in clients:
                client.communicate(timeout=20)
            assert [client.returncode for client in clients] == [0, 0]

    def test_a_slow_reader_costs_a_bounded_part_of_its_answers_and_nobody_elses_time(self, serving: Serving) -> None:
        calls = []

        def app(environ: Any, start: Start) -> Any:
            calls.append(environ["PATH_INFO"])
            return answering(b"x" * 1_000_000)(environ, start)

        server = serving(app)
        with connected(server) as client, connected(server) as other:
            client.sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n" * 200)
            wait_until(lambda: calls)
            for _ in range(3):
                other.sendall(b"GET /other HTTP/1.1\r\nHost: x\r\n\r\n")
                left = 1_000_000
                while left > 0:
                    left -= len(more(other))
            # The buffers of a socket hold a few megabytes.
            assert calls.count("/slow") < 20
            seen = 0
            while seen < 200 * 1_000_000:
                seen += len(more(client))
            assert calls.count("/slow") == 200

    def test_what_is_pipelined_is_not_read_while_its_answers_wait(self, serving: Serving) -> None:
        app = answering(b"x" * 2 * MOST_UNSENT)
        with connected(serving(app)) as client:
            client.settimeout(0.5)
            sent = 0
            with contextlib.suppress(TimeoutError):
                while sent < 200_000_000:
                    sent += client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 10_000)
            assert sent < 100_000_000

    def test_no_answer_waits_until_the_one_before_is_acknowledged(self, serving: Serving) -> None:
        server = serving(echo)
        with connected(server) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            client.recv(65536)
            [connection] = server._connections
            accepted = connection._transport.get_extra_info("socket")
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)

    def test_who_sends_many_requests_at_once_has_to_take_turns(self, serving: Serving) -> None:
        order: list[str] = []

        def app(environ: Any, start: Start) -> list[bytes]:
            if not order:
                other.sendall(b"GET /other HTTP/1.1\r\nHost: x\r\n\r\n")
            order.append(environ["PATH_INFO"])
            return echo(environ, start)

        server = serving(app)
        with connected(server) as other, connected(server) as client:
            wait_until(lambda: server.connections == 2)
            client.sendall(b"GET /many HTTP/1.1\r\nHost: x\r\n\r\n" * 100)
            assert bodies(other.recv(65536)) == [b"GET /other "]
            wait_until(lambda: len(order) == 101)
        assert order.index("/other") < 4 * MOST_AT_ONCE

    def test_however_many_clients_do_so_few_of_them_are_answered_in_a_turn(self, serving: Serving) -> None:
        order: list[str] = []
        all_sent = threading.Event()

        def app(environ: Any, start: Start) -> list[bytes]:
            all_sent.wait(10)
            order.append(environ["PATH_INFO"])
            if len(order) == 1_000:
                other.sendall(b"GET /other HTTP/1.1\r\nHost: x\r\n\r\n")
            return echo(environ, start)

        server = serving(app)
        with connected(server) as other, contextlib.ExitStack() as stack:
            clients = [stack.enter_context(connected(server)) for _ in range(20)]
            wait_until(lambda: server.connections == 21)
            for client in clients:
                client.sendall(b"GET /many HTTP/1.1\r\nHost: x\r\n\r\n" * 100)
            all_sent.set()
            assert bodies(other.recv(65536)) == [b"GET /other "]
            wait_until(lambda: len(order) == 2_001)
        # The rest of the turn in which it came, and a few turns more.
        assert order.index("/other") <= 1_000 + 3 * MOST_IN_A_TURN * MOST_AT_ONCE

    def test_a_connection_that_is_closed_leaves_nothing_for_the_garbage_collector(self, serving: Serving) -> None:
        server = serving(echo)
        gc.collect()
        gc.disable()
        try:
            with connected(server) as client:
                client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                client.recv(65536)
                [connection] = server._connections
                gone: list[Callable[[], object]] = [weakref.ref(connection), weakref.ref(connection._transport)]
                del connection
            wait_until(lambda: server.connections == 0)
            wait_until(lambda: not any(each() for each in gone))
        finally:
            gc.enable()

    @pytest.mark.rule("G-16")
    def test_there_are_at_most_a_thousand_fields_of_a_header(self, serving: Serving) -> None:
        server = serving(echo)
        for number, status in ((998, 200), (1_000, 431)):
            fields = b"".join(b"A: b\r\n" for _ in range(number))
            with connected(server) as client:
                client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n" + fields + b"Connection: close\r\n\r\n")
                assert received(client).startswith(f"HTTP/1.1 {status} ".encode())

    @pytest.mark.rule("G-16")
    @pytest.mark.parametrize("trailer", [b"X: " + b"x" * 400_000, b"X: x\r\n" * 80_000])
    def test_what_follows_a_chunked_body_is_bounded(self, serving: Serving, trailer: bytes) -> None:
        with connected(serving(echo)) as client:
            client.sendall(b"PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n" + trailer)
            assert received(client).startswith(b"HTTP/1.1 431 ")

    @pytest.mark.rule("G-16")
    @pytest.mark.parametrize(
        "begun", [b"GET /" + b"x" * LARGEST_HEADER, b"GET / HTTP/1.1\r\nX: " + b"x" * LARGEST_HEADER]
    )
    def test_a_header_over_the_limit_is_refused_although_its_end_never_comes(
        self, serving: Serving, begun: bytes
    ) -> None:
        with connected(serving(echo)) as client:
            client.sendall(begun)
            answer = received(client)
        assert answer.startswith(b"HTTP/1.1 431 ")
        assert f"the header is over the limit of {LARGEST_HEADER} bytes".encode() in answer

    def test_a_body_over_the_limit_is_refused_before_it_has_come(self, serving: Serving) -> None:
        server = serving(echo, largest_body=1_000)
        chunks = b"".join(b"64\r\n" + b"x" * 100 + b"\r\n" for _ in range(11))
        for request in (b"Content-Length: 1001\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n" + chunks):
            with connected(server) as client:
                client.sendall(b"PUT / HTTP/1.1\r\nHost: x\r\n" + request)
                assert received(client).startswith(b"HTTP/1.1 413 ")

    def test_who_is_refused_while_he_sends_gets_to_read_why(self, serving: Serving) -> None:
        server = serving(echo, largest_body=1_000)
        with connected(server) as client:
            client.sendall(b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 20000000\r\n\r\n")
            for _ in range(20):
                client.sendall(b"x" * 1_000_000)
            assert received(client).startswith(b"HTTP/1.1 413 ")

    def test_small_chunks_are_no_reason_to_refuse_a_body(self, serving: Serving) -> None:
        body = b"x" * 200_000
        with connected(serving(echo)) as client:
            client.sendall(b"PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n")
            client.sendall(b"1\r\nx\r\n" * len(body) + b"0\r\n\r\n")
            assert bodies(received(client)) == [b"PUT / " + body]


class TestTimes:
    """These tests do not wait: they move the clock of the server."""

    @pytest.fixture
    def server(self, serving: Serving) -> Server:
        return serving(
            lambda environ, start: Delayed(600, list) if environ["PATH_INFO"] == "/slow" else echo(environ, start)
        )

    @pytest.fixture
    def clients(self, server: Server) -> Iterator[dict[str, socket.socket]]:
        """Clients: one has sent nothing, one a request, one also part of a second, and one waits for its answer."""
        with contextlib.ExitStack() as stack:
            clients = {
                name: stack.enter_context(connected(server)) for name in ("silent", "idle", "dripping", "waiting")
            }
            for name in ("idle", "dripping"):
                clients[name].sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                clients[name].recv(65536)
            clients["dripping"].sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX: ")
            clients["waiting"].sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
            wait_until(lambda: server.delayed == 1 and server.connections == 4)
            yield clients

    @staticmethod
    def pass_seconds(server: Server, seconds: float) -> None:
        done = threading.Event()

        def expire() -> None:
            for connection in list(server._connections):
                connection.expire(server.now + seconds)
            done.set()

        server.hand_over(expire)
        assert done.wait(5)

    def test_a_request_must_arrive_within_its_time_however_it_drips(
        self, server: Server, clients: dict[str, socket.socket]
    ) -> None:
        self.pass_seconds(server, 20)
        clients["dripping"].sendall(b"x")
        self.pass_seconds(server, 40)
        assert clients["dripping"].recv(1) == b""
        wait_until(lambda: server.connections == 3)

    def test_a_connection_is_kept_for_two_minutes_without_a_request(
        self, server: Server, clients: dict[str, socket.socket]
    ) -> None:
        self.pass_seconds(server, 110)
        for name in ("silent", "idle"):
            clients[name].sendall(b"GET /1 HTTP/1.1\r\nHost: x\r\n\r\n")
            assert bodies(clients[name].recv(65536)) == [b"GET /1 "]
        self.pass_seconds(server, 130)
        for name in ("silent", "idle"):
            assert clients[name].recv(1) == b""
        wait_until(lambda: server.connections == 1)

    def test_one_whose_answer_is_delayed_is_kept_however_long_that_takes(
        self, server: Server, clients: dict[str, socket.socket]
    ) -> None:
        self.pass_seconds(server, 10_000)
        wait_until(lambda: server.connections == 1)
        assert server.delayed == 1

    def test_a_client_that_takes_nothing_is_given_up(self, serving: Serving) -> None:
        server = serving(answering(b"x" * 50_000_000))
        with connected(server) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            client.recv(1)
            time.sleep(0.2)
            self.pass_seconds(server, 20)
            assert server.connections == 1
            for _ in range(2):
                self.pass_seconds(server, 40)
            wait_until(lambda: not server.connections)


class TestRoom:
    @pytest.fixture
    def full(self, serving: Serving) -> Server:
        """A server that has room for three connections."""
        server = serving(echo)
        server.listener.limit = 3
        return server

    def test_the_longest_idle_connection_makes_room_for_a_new_client(self, full: Server) -> None:
        with contextlib.ExitStack() as stack:
            clients = []
            for number in range(3):
                full.hand_over(lambda number=number: setattr(full, "now", full.now + number))  # type: ignore[misc]
                client = stack.enter_context(connected(full))
                client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                assert client.recv(65536)
                clients.append(client)
            assert bodies(httpx_get(full)) == [b"GET /new "]
            assert clients[0].recv(1) == b""
            clients[1].sendall(b"GET /still HTTP/1.1\r\nHost: x\r\n\r\n")
            assert bodies(clients[1].recv(65536)) == [b"GET /still "]

    def test_where_nobody_is_idle_a_new_client_waits_until_somebody_leaves(self, full: Server) -> None:
        with contextlib.ExitStack() as stack:
            busy = [stack.enter_context(connected(full)) for _ in range(3)]
            for client in busy:
                client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX: ")
            wait_until(lambda: full.connections == 3)
            time.sleep(0.05)
            new = stack.enter_context(connected(full))
            new.sendall(b"GET /new HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            new.settimeout(0.1)
            with pytest.raises(TimeoutError):
                new.recv(1)
            new.settimeout(30)
            busy[0].close()
            assert bodies(received(new)) == [b"GET /new "]

    def test_of_those_that_wait_only_one_that_may_have_hung_up_makes_room(self, serving: Serving) -> None:
        server = serving(
            lambda environ, start: Delayed(600, list) if environ["PATH_INFO"] == "/slow" else echo(environ, start)
        )
        server.listener.limit = 3
        with contextlib.ExitStack() as stack:
            for number in range(3):
                client = stack.enter_context(connected(server))
                client.sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
                wait_until(lambda number=number: server.delayed == number + 1)  # type: ignore[misc]
                if number == 1:
                    client.shutdown(socket.SHUT_WR)
                    ended = client
            assert bodies(httpx_get(server)) == [b"GET /new "]
            assert ended.recv(1) == b""
            assert (server.connections, server.delayed) == (2, 3)

    def test_few_file_descriptors_are_no_reason_to_fall_over(self) -> None:
        program = """
import resource, socket, sys, time
from urllib.request import urlopen
from simulator.app import create_app
from simulator.server import Server
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
server = Server(create_app())
server.start()
clients = []
for _ in range(40):
    try:
        client = socket.create_connection((server.host, server.port))
        client.sendall(b"GET /_simulator/health HTTP/1.1\\r\\nX: ")
        clients.append(client)
    except OSError:
        break
began = time.process_time()
time.sleep(0.5)
print(time.process_time() - began < 0.25)
for client in clients:
    client.close()
print(urlopen(server.url + "/_simulator/health").status)
server.stop()
"""
        done = python("-c", program, seconds=60)
        assert (done.stdout.split(), done.stderr) == (["True", "200"], "")


def httpx_get(server: Server) -> bytes:
    with connected(server) as client:
        client.sendall(b"GET /new HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        return received(client)


PUT = b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"


@pytest.mark.rule("S-10")
class TestInTransit:
    """What requests, waiting calls and unread answers take is counted, and what does not fit is refused."""

    def test_a_waiting_call_keeps_its_body_counted_after_its_client_is_gone(self, serving: Serving) -> None:
        server = serving(lambda *_: Delayed(60, list))
        with connected(server) as client:
            client.sendall(PUT % 20_000 + bytes(20_000))
            wait_until(lambda: server.delayed == 1)
            # So the connection is reset, and the server notices.
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        wait_until(lambda: server.connections == 0)
        assert server.on_its_way >= 20_000

    def test_a_waiting_call_takes_room_even_without_a_body(self, serving: Serving) -> None:
        server = serving(lambda *_: Delayed(60, list), transfer_limit=20_000)
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(connected(server)) for _ in range(3)]
            for number, client in enumerate(clients[:2], 1):
                client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                wait_until(lambda number=number: server.delayed == number)  # type: ignore[misc]  # bound at once
            clients[2].sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert clients[2].recv(65_536).startswith(b"HTTP/1.1 503 ")

    def test_an_answer_that_nobody_reads_and_that_does_not_fit_ends_the_connection(self, serving: Serving) -> None:
        large = b"x" * 64 * 1024 * 1024
        for limit, connections in ((1024 * 1024, 0), (128 * 1024 * 1024, 1)):
            server = serving(answering(large), transfer_limit=limit)
            with connected(server) as client:
                client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                assert client.recv(1) == b"H"
                held = connections * 1024 * 1024
                wait_until(lambda: server.connections == connections and server.on_its_way >= held)  # noqa: B023


class TestBackground:
    def test_the_thread_that_answers_gets_its_turn_a_hundred_times_sooner_than_by_default(self) -> None:
        program = """
import signal, sys
from simulator.app import create_app
from simulator.server import Server, run_until_stopped
before = sys.getswitchinterval()
run_until_stopped(Server(create_app()), ready=lambda: signal.raise_signal(signal.SIGTERM))
print(round(before / sys.getswitchinterval()))
"""
        done = python("-c", program, seconds=60)
        assert (done.stdout, done.stderr) == ("100\n", "")

    def test_what_takes_long_holds_nobody_up(self, serving: Serving) -> None:
        go_on = threading.Event()

        def app(environ: Any, start: Start) -> Any:
            if environ["PATH_INFO"] != "/long":
                return echo(environ, start)
            return Background("key", lambda: (go_on.wait(10), echo(environ, start))[1])

        server = serving(app)
        with ThreadPoolExecutor(1) as pool:
            long = pool.submit(httpx.get, f"{server.url}/long")
            for _ in range(10):
                assert httpx.get(f"{server.url}/short").text == "GET /short "
            assert not long.done()
            go_on.set()
            assert long.result().text == "GET /long "

    def test_of_one_key_there_is_one_at_a_time_in_their_order_and_of_several_there_are_several(
        self, serving: Serving
    ) -> None:
        events: list[tuple[str, str]] = []
        go_on = threading.Event()

        def app(environ: Any, start: Start) -> Any:
            path = environ["PATH_INFO"]

            def work() -> list[bytes]:
                events.append(("begin", path))
                if path != "/b/1":
                    go_on.wait(10)
                events.append(("end", path))
                return echo(environ, start)

            return Background(path[:2], work)

        server = serving(app)

        def is_waiting(number: int) -> bool:
            return sum(map(len, server.workers._waiting.values())) == number

        with ThreadPoolExecutor(4) as pool:
            answers = [pool.submit(httpx.get, server.url + "/a/1")]
            wait_until(lambda: events)
            for number, path in enumerate(("/a/2", "/a/3"), start=1):
                answers.append(pool.submit(httpx.get, server.url + path))
                wait_until(partial(is_waiting, number))
            assert httpx.get(f"{server.url}/b/1").text == "GET /b/1 "
            go_on.set()
            assert [answer.result().status_code for answer in answers] == [200] * 3
        assert [path for what, path in events if what == "end"] == ["/b/1", "/a/1", "/a/2", "/a/3"]
        assert events.index(("end", "/a/1")) < events.index(("begin", "/a/2"))

    def test_one_that_fails_is_a_failure_of_the_simulator(self, serving: Serving) -> None:
        def failing() -> list[bytes]:
            raise ZeroDivisionError

        assert httpx.get(serving(lambda *_: Background("key", failing)).url).status_code == 500


class TestTheEnd:
    @pytest.fixture
    def long_grace(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Give what is in flight a minute: on a slow machine, it may need more than a second."""
        monkeypatch.setattr("simulator.server.server.GRACE_SECONDS", 60)

    @pytest.mark.usefixtures("long_grace")
    def test_what_is_in_flight_is_answered(self, serving: Serving) -> None:
        entered = threading.Event()

        def slow(environ: Any, start: Start) -> list[bytes]:
            entered.set()
            time.sleep(0.2)
            return answering(b"x" * 100_000)(environ, start)

        server = serving(slow)
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(httpx.get, server.url)
            assert entered.wait(30)
            server.stop()
            assert len(answer.result().content) == 100_000

    @pytest.mark.usefixtures("long_grace")
    def test_so_is_what_has_arrived_and_waits(self, serving: Serving) -> None:
        entered, go_on = threading.Event(), threading.Event()

        def slow(environ: Any, start: Start) -> list[bytes]:
            entered.set()
            go_on.wait(10)
            return echo(environ, start)

        server = serving(slow)
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(connected(server)) for _ in range(6)]
            wait_until(lambda: server.connections == len(clients))
            for number, client in enumerate(clients):
                client.sendall(f"GET /{number} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            assert entered.wait(30)
            with ThreadPoolExecutor(1) as pool:
                pool.submit(server.stop)
                wait_until(lambda: server.is_stopping)
                go_on.set()
            assert [bodies(received(client)) for client in clients] == [[f"GET /{i} ".encode()] for i in range(6)]

    @pytest.mark.usefixtures("long_grace")
    def test_an_answer_in_flight_is_the_last_one_of_its_connection(self, serving: Serving) -> None:
        entered = threading.Event()

        def app(environ: Any, start: Start) -> Any:
            def work() -> list[bytes]:
                entered.set()
                time.sleep(0.2)
                return echo(environ, start)

            return Background("key", work)

        server = serving(app)
        with connected(server) as client:
            client.sendall(b"GET /1 HTTP/1.1\r\nHost: x\r\n\r\n")
            assert entered.wait(30)
            server.stop()
            answer = received(client)
        assert bodies(answer) == [b"GET /1 "]
        assert b"\r\nConnection: close\r\n" in answer

    def test_what_takes_longer_than_the_grace_is_given_up(self, serving: Serving) -> None:
        go_on, entered = threading.Event(), threading.Event()

        def app(environ: Any, start: Start) -> Any:
            def work() -> list[bytes]:
                entered.set()
                go_on.wait(10)
                return echo(environ, start)

            return Background("key", work)

        before = set(threading.enumerate())
        server = serving(app)
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(httpx.get, server.url)
            assert entered.wait(30)
            began = time.monotonic()
            server.stop()
            assert time.monotonic() - began < GRACE_SECONDS + 30
            with pytest.raises(httpx.RemoteProtocolError):
                answer.result()
        go_on.set()
        wait_until(lambda: set(threading.enumerate()) <= before)

    @pytest.mark.usefixtures("long_grace")
    def test_idle_and_half_heard_clients_are_not_waited_for(self, serving: Serving) -> None:
        server = serving(echo)
        with connected(server) as idle, connected(server) as half:
            half.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX: ")
            wait_until(lambda: server.connections == 2)
            began = time.monotonic()
            server.stop()
            assert time.monotonic() - began < 30
            assert idle.recv(1) == b""

    def test_no_thread_and_no_file_is_left(self, serving: Serving) -> None:
        def files() -> int:
            return len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0

        serving(echo).stop()
        threads, before = threading.active_count(), files()
        for _ in range(20):
            server = serving(lambda environ, start: Background("key", lambda: echo(environ, start)))
            with connected(server) as client:
                client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                assert client.recv(65536)
                server.stop()
        wait_until(lambda: threading.active_count() <= threads)
        assert files() <= before

    def test_to_stop_it_twice_is_to_stop_it(self, serving: Serving) -> None:
        server = serving(echo)
        for _ in range(2):
            server.stop()

    def test_one_that_was_never_started_can_be_stopped(self) -> None:
        server = Server(echo)
        server.stop()
        Server(echo, port=server.port).stop()

    def test_the_port_is_free_even_if_another_process_has_inherited_it(self, serving: Serving) -> None:
        server = serving(echo)
        inherited = os.dup(server.listener._socket.fileno())
        server.stop()
        with pytest.raises(httpx.ConnectError):
            httpx.get(server.url)
        os.close(inherited)


def test_without_poll_there_are_fewer_connections_than_windows_can_watch() -> None:
    program = "import select; del select.poll; from simulator.server import CONNECTIONS; print(CONNECTIONS)"
    assert int(python("-c", program).stdout) <= 510


def raw(server: str, request: bytes) -> tuple[int, set[tuple[str, str | None]]]:
    """Send bytes that no HTTP client would send. Return status and faults of the answer."""
    host, _, port = server.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(request)
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        return answer.status, faults(httpx.Response(answer.status, headers=answer.getheaders(), content=answer.read()))


@pytest.mark.rule("G-8", "G-16")
@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400),
        (b"NONSENSE\r\n\r\n", 400),
        (b"get / HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET / HTTP/2.0\r\nHost: x\r\n\r\n", 400),
        (b"GET /a\xffb/ HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET http://[/ HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n", 400),
        (b"POST /api/v1/login/ HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n", 400),
        (b"POST /api/v1/login/ HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n", 400),
        (b"POST /api/v1/login/ HTTP/1.1\r\nHost: x\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n", 400),
        (b"POST /api/v1/login/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", 400),
        (b"POST /api/v1/login/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 400),
        (b"POST /api/v1/login/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", 400),
        (b"POST /api/v1/login/ HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999999\r\n\r\n", 413),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 300_000 + b"\r\n\r\n", 431),
    ],
    ids=lambda value: str(value)[:70],
)
def test_what_is_no_http_request_gets_an_error_of_the_usual_shape(server: str, request_: bytes, status: int) -> None:
    assert raw(server, request_) == (status, {("G-16", None)})


def test_unfinished_requests_keep_nobody_waiting(server: str) -> None:
    host, _, port = server.removeprefix("http://").partition(":")
    with contextlib.ExitStack() as stack:
        for _ in range(50):
            connection = stack.enter_context(socket.create_connection((host, int(port))))
            connection.sendall(f"PUT {RECEPTION} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{{".encode())
        assert httpx.get(server + "/_simulator/health", timeout=30).status_code == 200


def test_a_client_that_asks_for_it_gets_its_connection_closed(server: str) -> None:
    answer = httpx.post(server + "/_simulator/reset", headers={"Connection": "close"})
    assert (answer.status_code, answer.headers["Connection"]) == (204, "close")
    assert "Content-Type" not in answer.headers


def test_a_body_cut_short_changes_nothing(server: str, api: Api) -> None:
    host, _, port = server.removeprefix("http://").partition(":")
    path = f"{api.root}{RECEPTION}"
    body = b'{"maxCalls": 1}'
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(f"PUT {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n".encode() + body)
        connection.shutdown(socket.SHUT_WR)
        connection.settimeout(30)
        assert connection.recv(100) == b""
    assert api.ok("GET", CAPACITIES + "Reception/")["maxCalls"] == 7
