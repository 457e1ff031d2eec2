"""The client asks slowly and in small numbers, believes no stranger, and never sends anything twice."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from simulator.app import standard_simulation
from simulator.errors import BrokenDocument
from simulator.lab import address as module
from simulator.lab.client import Forbidden, LabClient, Unanswered, Untrustworthy
from simulator.lab.credentials import Credentials
from simulator.lab.exchange import LabAnswer, LabRequest
from tests.conftest import Api

PATH = "/api/v1/tenants/foo/groups/foogroup/services/call_capacities/"
READ = LabRequest(method="GET", target=PATH)
Answer = Callable[[BaseHTTPRequestHandler], None]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.server.arrived.append(self.path)  # type: ignore[attr-defined]
        self.server.answer(self)  # type: ignore[attr-defined]

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def system() -> Iterator[ThreadingHTTPServer]:
    """A system whose answer is `system.answer`. It notes the paths that `arrived`."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.arrived = []  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def answering(status: int, body: bytes = b"{}", **headers: str) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def client_of(system: ThreadingHTTPServer, scheme: str = "http", **options: Any) -> LabClient:
    contract = standard_simulation().contract
    address = f"{scheme}://localhost:{system.server_port}"
    return LabClient(address, contract, options.pop("credentials", None), **{"pace": 0, **options})


def arrived(system: ThreadingHTTPServer) -> list[str]:
    found: list[str] = system.arrived  # type: ignore[attr-defined]
    return found


def test_it_waits_between_two_requests(system: ThreadingHTTPServer) -> None:
    system.answer = answering(200)  # type: ignore[attr-defined]
    waits: list[float] = []
    client = client_of(system, pace=1_000, sleep=waits.append)
    for _ in range(3):
        client.ask(READ)
    assert [round(each, -2) for each in waits] == [1_000, 1_000]


def test_it_sends_no_more_requests_than_it_may(system: ThreadingHTTPServer) -> None:
    system.answer = answering(200)  # type: ignore[attr-defined]
    client = client_of(system, most_requests=2)
    client.ask(READ)
    client.ask(READ)
    with pytest.raises(Untrustworthy, match="has made 2 requests"):
        client.ask(READ)
    assert len(arrived(system)) == 2


@pytest.mark.parametrize("status", [401, 403, 429, 500, 503])
def test_it_stops_if_the_system_wants_it_to(status: int, system: ThreadingHTTPServer) -> None:
    system.answer = answering(status)  # type: ignore[attr-defined]
    with pytest.raises(Untrustworthy, match=f"answered with {status}"):
        client_of(system).ask(READ)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_it_follows_no_redirect(status: int, system: ThreadingHTTPServer) -> None:
    system.answer = answering(status, Location="/api/v1/elsewhere/")  # type: ignore[attr-defined]
    assert client_of(system).ask(READ).status == status
    assert arrived(system) == [PATH]


def test_it_believes_no_certificate_that_nobody_has_signed(system: ThreadingHTTPServer) -> None:
    system.answer = answering(200)  # type: ignore[attr-defined]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(Path(__file__).with_name("selfsigned.pem"))
    system.socket = context.wrap_socket(system.socket, server_side=True)
    with pytest.raises(Unanswered, match="CERTIFICATE_VERIFY_FAILED"):
        client_of(system, "https", credentials=Credentials(token="secret")).ask(READ)
    assert arrived(system) == []


def test_a_large_answer_is_not_read(system: ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch) -> None:
    system.answer = answering(200, b" " * 2_000)  # type: ignore[attr-defined]
    monkeypatch.setattr(module, "MOST_BYTES", 1_000)
    with pytest.raises(Unanswered, match="larger than 1000 bytes"):
        client_of(system).ask(READ)


@pytest.mark.parametrize(
    "beginning", [b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b"HTTP/1.1 200 OK\r\nX-Long: ", b"HTTP/1.1 "]
)
def test_an_answer_that_comes_byte_by_byte_is_given_up(beginning: bytes, system: ThreadingHTTPServer) -> None:
    ended = threading.Event()

    def drip(handler: BaseHTTPRequestHandler) -> None:
        try:
            handler.wfile.write(beginning)
            while not ended.wait(0.01):
                handler.wfile.write(b"1")
        except OSError:
            pass

    system.answer = drip  # type: ignore[attr-defined]
    # If the client does not give up, the test ends all the same.
    end = threading.Timer(20, ended.set)
    end.start()
    try:
        with pytest.raises(Unanswered, match="took too long"):
            client_of(system, timeout=0.5).ask(READ)
    finally:
        end.cancel()
        ended.set()


def test_a_connection_that_breaks_is_not_tried_again(system: ThreadingHTTPServer) -> None:
    def break_off(handler: BaseHTTPRequestHandler) -> None:
        handler.connection.close()

    system.answer = break_off  # type: ignore[attr-defined]
    with pytest.raises(Unanswered):
        client_of(system).ask(READ)
    assert len(arrived(system)) == 1


def test_what_the_guard_stops_is_not_sent(system: ThreadingHTTPServer) -> None:
    with pytest.raises(Forbidden, match="the run may only read"):
        client_of(system).ask(LabRequest(method="POST", target=PATH, body=b"{}"))
    assert arrived(system) == []


def test_messages_have_the_names_of_parameters_and_not_their_values(system: ThreadingHTTPServer) -> None:
    system.answer = answering(500)  # type: ignore[attr-defined]
    with pytest.raises(Untrustworthy) as raised:
        client_of(system).ask(READ)
    assert "{tenant_id}" in str(raised.value)
    assert "foo" not in str(raised.value)


def test_it_logs_in_and_sends_the_session(api: Api, server: str) -> None:
    own = Credentials(username="groupadmin", password="secret", second_username="foouser", second_password="secret")
    client = LabClient(server + api.root, standard_simulation().contract, own, pace=0)
    client.log_in()
    assert client.ask(READ).status == 200
    assert client.ask(LabRequest(method="GET", target=PATH, caller="second")).status == 403
    assert client.is_simulator
    session = client.logins["first"].headers["set-cookie"].partition("=")[2].partition(";")[0]
    assert {"groupadmin", "secret", session} <= set(client.secrets)


def test_a_login_that_fails_ends_the_run(api: Api, server: str) -> None:
    own = Credentials(username="groupadmin", password="wrong")
    client = LabClient(server + api.root, standard_simulation().contract, own, pace=0)
    with pytest.raises(Untrustworthy, match="the login of the account was answered with 401"):
        client.log_in()


@pytest.mark.parametrize(
    "url", ["", "lab", "ftp://lab", "http://", "http://user@lab", "http://lab?x=1", "http://lab#x"]
)
def test_another_text_is_no_address(url: str) -> None:
    with pytest.raises(ValueError, match="is no address"):
        LabClient(url, standard_simulation().contract)


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ({"username": "a"}, "go together"),
        ({"second_password": "a"}, "go together"),
        ({"token": "t", "username": "a", "password": "b"}, "not both"),
        ({"token": "a\nb"}, "printable"),
    ],
)
def test_credentials_that_cannot_be_used_are_refused(parts: dict[str, str], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Credentials(**parts)


def test_credentials_come_from_variables_or_from_a_file(tmp_path: Path) -> None:
    variables = {"APIO_LAB_USERNAME": "a", "APIO_LAB_PASSWORD": "b", "APIO_LAB_SECOND_USERNAME": "", "HOME": "/"}
    assert Credentials.of_environment(variables) == Credentials(username="a", password="b")
    file = tmp_path / "credentials.yaml"
    file.write_text("token: '123'\n", encoding="utf-8")
    assert Credentials.of_file(file) == Credentials(token="123")


def test_every_mistake_in_a_file_of_credentials_is_told_and_no_value(tmp_path: Path) -> None:
    file = tmp_path / "credentials.yaml"
    file.write_text("pasword: hunter2\ntoken: 123\n", encoding="utf-8")
    with pytest.raises(BrokenDocument) as broken:
        Credentials.of_file(file)
    assert "/pasword" in str(broken.value)
    assert "/token" in str(broken.value)
    assert "hunter2" not in str(broken.value)


def test_the_last_header_of_a_name_counts_whatever_its_case(system: ThreadingHTTPServer) -> None:
    system.answer = answering(200, b"{}", **{"X-Some": "one"})  # type: ignore[attr-defined]
    answer: LabAnswer = client_of(system).ask(READ)
    assert answer.headers["x-some"] == "one"
    assert answer.content() == {}


def test_what_is_no_answer_of_http_is_not_quoted(system: ThreadingHTTPServer) -> None:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"Sophie Janssens\r\n\r\n")
        handler.close_connection = True

    system.answer = answer  # type: ignore[attr-defined]
    with pytest.raises(Unanswered, match="no answer of HTTP") as caught:
        client_of(system).ask(READ)
    assert "Janssens" not in str(caught.value)


def test_a_token_that_no_header_can_hold_is_not_shown(system: ThreadingHTTPServer) -> None:
    system.answer = answering(200)  # type: ignore[attr-defined]
    with pytest.raises(Unanswered) as caught:
        client_of(system, credentials=Credentials(token="s\u20acret")).ask(READ)
    assert "20ac" not in ascii(str(caught.value))
