"""The server carries streams: without threads, within bounds, until the client, the stream or the server ends them."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import httpx
import pytest

from simulator.app import Simulation
from simulator.http.wsgi import PAUSE_SECONDS, Background, Stream
from simulator.server import Server, connection, streaming
from simulator.server import server as server_module
from simulator.server.connection import STALLED_SECONDS
from simulator.server.server import new_event_loop
from simulator.server.streaming import MOST_STREAMS
from simulator.state.world import World
from tests.conftest import CAPACITIES, served, wait_until

pytestmark = pytest.mark.rule("S-13")

EVENTS = "/_simulator/events"


@pytest.fixture(params=[asyncio.SelectorEventLoop, new_event_loop], ids=["asyncio", "fastest"])
def loop(request: pytest.FixtureRequest) -> Any:
    """Python's own event loop, and the fastest available one."""
    return request.param


@pytest.fixture
def server(simulation: Simulation, world: World, loop: Any) -> Iterator[Server]:
    with served(simulation.app(world), event_loop=loop) as server:
        yield server


class Source:
    """An application that answers each request with a stream. `more` adds bytes to it, which are read all at once."""

    def __init__(self) -> None:
        self.reads = 0
        self.closed = 0
        self._waiting = b""
        self._wakes: set[Callable[[], object]] = set()

    def __call__(self, environ: Any, start: Any) -> Any:
        if environ["PATH_INFO"] == "/plain":
            start("200 OK", [("Content-Length", "2")])
            return [b"ok"]
        start("200 OK", [("Content-Type", "text/plain")])
        return Stream(self.read, lambda: b"beat ", self.close, None)

    def read(self, wake: Callable[[], object]) -> tuple[bytes, bool]:
        self.reads += 1
        self._wakes.add(wake)
        part, self._waiting = self._waiting, b""
        return part, b"end" not in part

    def close(self) -> None:
        self.closed += 1

    def more(self, data: bytes) -> None:
        self._waiting += data
        while self._wakes:
            self._wakes.pop()()


class Late(NamedTuple):
    """A stream that opens on a stalled connection."""

    source: Source
    server: Server
    client: socket.socket
    carried: connection.Connection
    open: Callable[[], None]


def turn_of(server: Server, act: Callable[[], object] = int) -> None:
    """Act on the server's thread, and wait until that is done."""
    done = threading.Event()

    def turn() -> None:
        act()
        done.set()

    server.hand_over(turn)
    assert done.wait(10)


def connected(server: Server) -> socket.socket:
    return socket.create_connection((server.host, server.port), timeout=30)


def opened(server: Server, path: str = EVENTS, until: bytes = b"hello") -> socket.socket:
    """Open a stream, and read its beginning."""
    client = connected(server)
    client.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    answer = b""
    while until not in answer:
        part = client.recv(65536)
        assert part, answer
        answer += part
    return client


def rest(client: socket.socket) -> bytes:
    """Return everything that arrives until the server closes."""
    return b"".join(iter(lambda: client.recv(65536), b""))


def test_a_stream_is_sent_as_it_comes_and_the_connection_closes_at_its_end(loop: Any) -> None:
    source = Source()
    with served(source, event_loop=loop) as server, opened(server, "/", b"\r\n\r\n") as client:
        wait_until(lambda: source.reads)
        source.more(b"one ")
        assert client.recv(100) == b"one "
        source.more(b"the end")
        assert rest(client) == b"the end"
        wait_until(lambda: source.closed == 1 and not server.connections)


def test_a_stream_that_fails_is_closed(loop: Any, caplog: pytest.LogCaptureFixture) -> None:
    class Failing(Source):
        def read(self, wake: Callable[[], object]) -> tuple[bytes, bool]:
            raise LookupError("broken")

    source = Failing()
    with served(source, event_loop=loop) as server, opened(server, "/", b"\r\n\r\n") as client:
        assert rest(client) == b""
        wait_until(lambda: source.closed == 1 and not server.connections)
    assert "broken" in caplog.text


def test_what_happens_meanwhile_is_sent_together(loop: Any) -> None:
    source = Source()
    with served(source, event_loop=loop) as server, opened(server, "/", b"\r\n\r\n") as client:
        began = time.monotonic()
        for number in range(2_000):
            source.more(b"%d " % number)
            time.sleep(0.0001)
        source.more(b"end")
        got = rest(client)
        most = (time.monotonic() - began) / PAUSE_SECONDS + 3
    assert got.split() == [*(b"%d" % number for number in range(2_000)), b"end"]
    assert source.reads <= most


def test_a_silent_stream_shows_that_it_is_alive(loop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "BEAT_SECONDS", 0.02)
    with served(Source(), event_loop=loop) as server, opened(server, "/", b"\r\n\r\nbeat beat ") as client:
        assert client.recv(100).startswith(b"beat ")


def test_streams_hold_no_thread_and_others_are_answered_as_before(server: Server) -> None:
    address = f"/api/v1/{CAPACITIES}"
    with contextlib.ExitStack() as stack, httpx.Client(base_url=server.url) as client:
        # The threads for long calls start with the first one.
        stack.enter_context(opened(server))
        threads = threading.active_count()
        clients = [stack.enter_context(opened(server)) for _ in range(MOST_STREAMS - 1)]
        assert len(server.streams) == MOST_STREAMS
        assert threading.active_count() == threads
        for number in range(20):
            assert client.get(f"{address}{number}/").status_code == 404
        for each in clients:
            got = b""
            while got.count(b"event: request") < 20:
                got += each.recv(65536)
            assert got.count(b"event: request") == 20
        assert threading.active_count() == threads


@pytest.mark.rule("S-10")
def test_one_stream_too_many_is_refused_until_another_one_ends(server: Server, simulation: Simulation) -> None:
    shown = simulation.control_contract.document.find(
        "/paths/~1_simulator~1events/get/responses/503/content/application~1json/examples/documented/value"
    )
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(opened(server)) for _ in range(MOST_STREAMS)]
        refused = httpx.get(f"{server.url}{EVENTS}")
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
        assert refused.json() == shown
        clients[0].close()
        wait_until(lambda: len(server.streams) < MOST_STREAMS)
        assert httpx.get(f"{server.url}{EVENTS}?limit=0").status_code == 200


@pytest.mark.parametrize("how", ["close", "shutdown", "reset"])
def test_a_hang_up_is_noticed_at_once_and_nothing_is_left(
    simulation: Simulation, world: World, loop: Any, how: str
) -> None:
    app = simulation.app(world)
    sandbox = app.extensions["sandboxes"].find("default")
    with served(app, event_loop=loop) as server, opened(server) as client:
        wait_until(lambda: sandbox.watchers)
        if how == "shutdown":
            client.shutdown(socket.SHUT_WR)
        elif how == "reset":
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            client.close()
        else:
            client.close()
        wait_until(lambda: not server.streams and not server.connections)
        assert not sandbox.watchers
        assert server.on_its_way == 0


def test_it_is_noticed_too_after_requests_that_are_never_answered(loop: Any) -> None:
    source = Source()
    with served(source, event_loop=loop) as server:
        with connected(server) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" + b"GET /plain HTTP/1.1\r\nHost: x\r\n\r\n" * 1_000)
            wait_until(lambda: source.reads)
            client.sendall(b"GET /plain HTTP/1.1\r\nHost: x\r\n\r\n" * 1_000)
        wait_until(lambda: not server.connections)
        assert (source.closed, server.on_its_way) == (1, 0)


def test_a_client_that_reads_nothing_costs_little_and_is_cut_off(loop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "STALLED_SECONDS", 0.5)
    monkeypatch.setattr(streaming, "PAUSE_SECONDS", 0.001)
    source = Source()
    with served(source, event_loop=loop) as server, opened(server, "/", b"\r\n\r\n"):
        [carried] = server._connections
        sent = 0
        # The buffers of a socket hold a few megabytes.
        while not carried._is_stalled:
            source.more(b"x" * 64 * 1024)
            sent += 64 * 1024
            assert sent < 50_000_000
            wait_until(lambda: not source._waiting or carried._is_stalled)
        reads = source.reads
        source.more(b"x" * 10_000_000)
        assert carried._transport.get_write_buffer_size() <= 256 * 1024
        wait_until(lambda: not server.connections)
        assert source.reads == reads
        assert (source.closed, server.on_its_way) == (1, 0)


@pytest.fixture
def late(loop: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Late]:
    """A client asked for a large answer and a stream, and reads nothing. Later, `open` opens the stream."""
    # So that the stream is asked for before the large answer is sent.
    monkeypatch.setattr(connection, "MOST_UNSENT", 100_000_000)
    source, ready = Source(), threading.Event()

    def app(environ: Any, start: Any) -> Any:
        def make() -> Any:
            assert ready.wait(10)
            return source(environ, start)

        if environ["PATH_INFO"] == "/":
            return Background("stream", make)
        start("200 OK", [])
        return [b"x" * 20_000_000]

    with served(app, event_loop=loop) as server, connected(server) as client:
        client.sendall(b"".join(b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % path for path in (b"/large", b"/")))
        wait_until(lambda: [each for each in server._connections if each._is_stalled])
        [carried] = server._connections
        yield Late(source, server, client, carried, ready.set)


def test_a_stream_waits_too_if_its_client_had_stopped_reading_before(late: Late) -> None:
    size = late.carried._transport.get_write_buffer_size()
    late.open()
    wait_until(lambda: late.carried._streaming)
    for _ in range(10):
        late.source.more(b"x" * 100_000)
        turn_of(late.server)
    time.sleep(2 * PAUSE_SECONDS)
    turn_of(late.server)
    assert late.carried._transport.get_write_buffer_size() - size < 1_000
    late.source.more(b"the end")
    got = rest(late.client)
    assert len(got.partition(b"text/plain")[2]) > 10 * 100_000
    assert got.endswith(b"the end")


def test_if_its_client_sends_no_more_either_it_still_gets_what_is_there(late: Late) -> None:
    late.client.shutdown(socket.SHUT_WR)
    wait_until(lambda: late.carried._has_ended)
    late.source.more(b"what is there")
    late.open()
    assert rest(late.client).endswith(b"what is there")


def test_a_client_that_reads_a_little_of_its_answers_keeps_its_connection(late: Late) -> None:
    expired: list[float] = []

    def expire() -> None:
        if late.carried._transport.get_write_buffer_size() < late.carried._stalled_at:
            expired.append(late.carried.since + STALLED_SECONDS + 1)
            late.carried.expire(expired[0])

    while not expired:
        assert late.client.recv(65536)
        turn_of(late.server, expire)
    turn_of(late.server)
    assert late.server.connections == 1
    late.open()
    late.source.more(b"the end")
    assert rest(late.client).endswith(b"the end")


def test_only_what_its_client_reads_keeps_a_stalled_connection(late: Late) -> None:
    late.open()
    wait_until(lambda: late.carried._streaming)
    # The head of the stream was added to what waits.
    turn_of(late.server, lambda: late.carried.expire(late.carried.since + STALLED_SECONDS + 1))
    wait_until(lambda: not late.server.connections)
    assert (late.source.closed, late.server.on_its_way) == (1, 0)


def test_a_client_that_reads_slowly_gets_everything(loop: Any) -> None:
    source = Source()
    with served(source, event_loop=loop) as server, opened(server, "/", b"\r\n\r\n") as client:
        wait_until(lambda: source.reads)
        source.more(b"x" * 20_000_000)
        wait_until(lambda: [each for each in server._connections if each._is_stalled])
        source.more(b"the end")
        assert len(rest(client)) == 20_000_000 + len(b"the end")


def test_the_stop_ends_streams_within_its_grace(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "GRACE_SECONDS", 60)
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(opened(server)) for _ in range(20)]
        began = time.monotonic()
        server.stop()
        assert time.monotonic() - began < 30
        assert [rest(client) for client in clients] == [b""] * 20


def test_a_stream_counts_neither_as_idle_nor_as_stuck(loop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "IDLE_SECONDS", 0)
    source = Source()
    with served(source, event_loop=loop, request_seconds=1) as server, opened(server, "/", b"\r\n\r\n") as client:
        with connected(server) as idle:
            assert rest(idle) == b""
        [carried] = server._connections
        assert not carried.is_idle
        assert not carried.may_have_hung_up
        carried.expire(server.now + 1_000)
        source.more(b"still here")
        assert client.recv(100) == b"still here"


def test_an_http_1_0_client_gets_it_too(server: Server) -> None:
    with connected(server) as client:
        client.sendall(f"GET {EVENTS}?limit=0 HTTP/1.0\r\n\r\n".encode())
        answer = rest(client)
    assert answer.startswith(b"HTTP/1.0 200 OK\r\n")
    assert b"event: hello" in answer


def test_a_client_that_sends_no_more_gets_what_is_there(server: Server) -> None:
    with connected(server) as client:
        client.sendall(f"GET {EVENTS} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        client.shutdown(socket.SHUT_WR)
        assert b"event: hello" in rest(client)
    wait_until(lambda: not server.connections)


def test_where_nobody_watches_nothing_is_kept_or_called(simulation: Simulation, world: World) -> None:
    app = simulation.app(world)
    sandbox = app.extensions["sandboxes"].find("default")
    client = app.test_client()
    woken: list[int] = []
    sandbox.watchers.add(lambda: woken.append(1))
    for _ in range(3):
        client.get(f"/api/v1/{CAPACITIES}")
    # Who is woken watches no longer, until it has read.
    assert woken == [1]
    assert not sandbox.watchers
