"""A running server reads its fixture again: with --watch when the file changes, and at SIGHUP."""

from __future__ import annotations

import json
import logging
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from simulator.app import Simulation
from simulator.cli.watching import FixtureReader, stamp_of
from simulator.document import MOST_THOROUGHLY
from simulator.server import SIGNAL_SECONDS, Server
from simulator.settings import Settings
from simulator.state.sandboxes import Sandboxes
from tests.conftest import Running, served, serving_process, wait_until

pytestmark = pytest.mark.rule("S-5")

RECEPTION = "/api/v1/tenants/foo/groups/foogroup/services/call_capacities/Reception/"
CAPACITIES = "/api/v1/tenants/t/groups/g/services/call_capacities/"
NAMES = ["one", "two", "three"]


def fixture(number: int) -> dict[str, Any]:
    """Return a fixture that shows its number in several places."""
    capacities = [{"name": name, "isDefault": False, "maxCalls": number} for name in NAMES]
    group = {"services": ["Call Capacity Management"], "callCapacities": capacities}
    return {
        "version": 1,
        "defaultDomain": "example.com",
        "tenants": {"t": {"type": "Enterprise", "groups": {"g": group}}},
        "accounts": {"admin": {"password": str(number), "level": "System Admin"}},
    }


def write(file: Path, number: int) -> None:
    """Replace the file in one step, as many editors do."""
    new = file.with_name("new.tmp")
    new.write_text(json.dumps(fixture(number)), encoding="utf-8")
    os.replace(new, file)


def numbers(url: str) -> set[int]:
    """Return the numbers that the capacities show."""
    return {each["maxCalls"] for each in httpx.get(url + CAPACITIES).json()["call_capacities"]}


class Watched:
    """A fixture, the sandboxes that start from it, and their reader, which reads when `poll` is called."""

    def __init__(self, simulation: Simulation, file: Path, **settings: Any) -> None:
        self.file = file
        write(file, 1)
        self.sandboxes = Sandboxes(simulation.world(file), Settings(**settings))
        self.reader = FixtureReader(
            file, stamp_of(file), simulation.fixtures, self.sandboxes, lambda job: job(), watched=True
        )

    def settle(self) -> None:
        """Poll as often as it takes to notice a change and to see that the file is quiet."""
        for _ in range(3):
            self.reader.poll()

    def password(self, name: str = "default") -> str:
        """Return what a sandbox shows of the fixture."""
        return self.sandboxes.sandbox(name).version.world.directory.accounts["admin"].password


@pytest.fixture
def watched(simulation: Simulation, tmp_path: Path) -> Watched:
    return Watched(simulation, tmp_path / "f.json")


class TestReading:
    def test_the_default_sandbox_has_a_changed_fixture_at_once_and_others_after_their_reset(
        self, watched: Watched, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO)
        assert watched.password("other") == "1"
        write(watched.file, 2)
        watched.settle()
        assert (watched.password(), watched.password("other"), watched.password("new")) == ("2", "1", "2")
        watched.sandboxes.reset("other")
        assert watched.password("other") == "2"
        assert caplog.messages == [
            f"the fixture {watched.file} was read again: 1 tenant, 1 group, 0 users, 1 account; "
            "the sandbox 'default' was reset to it, others take it at their next reset"
        ]

    def test_what_has_changed_since_the_seed_counts_from_the_seed_that_the_sandbox_began_with(
        self, watched: Watched
    ) -> None:
        other = watched.sandboxes.sandbox("other")
        write(watched.file, 2)
        watched.settle()
        assert other.seed is other.version.world
        default = watched.sandboxes.sandbox("default")
        assert default.seed is default.version.world is watched.sandboxes.baseline

    @pytest.mark.rule("G-17")
    def test_a_sandbox_with_a_seed_of_its_own_keeps_it(
        self, watched: Watched, simulation: Simulation, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO)
        for name in ("default", "own"):
            watched.sandboxes.create(name, simulation.world(fixture(7)))
        write(watched.file, 2)
        watched.settle()
        for name in ("default", "own"):
            watched.sandboxes.reset(name)
            assert watched.password(name) == "7"
        assert watched.password("new") == "2"
        assert "the sandbox 'default' keeps the seed of its own" in caplog.text
        watched.sandboxes.create("default", None)
        assert watched.password() == "2"

    def test_snapshots_stay_as_at_any_reset(self, watched: Watched) -> None:
        watched.sandboxes.sandbox("default").take_snapshot("before")
        write(watched.file, 2)
        watched.settle()
        sandbox = watched.sandboxes.sandbox("default")
        sandbox.restore(sandbox.snapshots["before"])
        assert watched.password() == "1"

    def test_a_fixture_that_has_not_changed_is_not_read(self, watched: Watched) -> None:
        before = watched.sandboxes.baseline
        watched.settle()
        assert watched.sandboxes.baseline is before

    def test_a_file_is_not_read_while_it_still_changes(self, watched: Watched) -> None:
        for number in (2, 3, 4):
            write(watched.file, number)
            watched.reader.poll()
            assert watched.password() == "1"
        watched.reader.poll()
        assert watched.password() == "4"

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
    def test_a_pipe_in_the_place_of_the_file_stops_nothing(
        self, watched: Watched, caplog: pytest.LogCaptureFixture
    ) -> None:
        watched.file.unlink()
        os.mkfifo(watched.file)
        # If somebody waits for the pipe after all, the test fails and does not wait for ever.
        writer = threading.Timer(5, lambda: os.close(os.open(watched.file, os.O_WRONLY | os.O_NONBLOCK)))
        writer.start()
        watched.settle()
        writer.cancel()
        assert caplog.messages[-1] == f"{watched.file}: is no file"
        watched.file.unlink()
        write(watched.file, 2)
        watched.settle()
        assert watched.password() == "2"

    def test_of_a_wrong_one_the_log_has_all_reasons_and_the_old_one_stays(
        self, watched: Watched, caplog: pytest.LogCaptureFixture
    ) -> None:
        wrong = fixture(2)
        wrong["tenants"]["t"]["groups"]["g"]["callCapacities"][1]["maxCalls"] = -1
        wrong["accounts"]["admin"]["level"] = "King"
        watched.file.write_text(json.dumps(wrong, indent=1), encoding="utf-8")
        watched.settle()
        assert watched.password() == "1"
        first, *reasons = caplog.messages
        assert first == f"the fixture {watched.file} was read again, but cannot be taken. The server keeps the old one:"
        assert sorted(reason.split(": ")[1] for reason in reasons) == [
            "/accounts/admin/level",
            "/tenants/t/groups/g/callCapacities/1/maxCalls",
        ]
        assert all(reason.startswith(f"{watched.file}:") and reason[-1] == ")" for reason in reasons)
        caplog.clear()
        watched.settle()
        assert not caplog.messages, "it is read once"
        write(watched.file, 3)
        watched.settle()
        assert watched.password() == "3"

    @pytest.mark.parametrize(
        ("content", "words"),
        [(None, "cannot be read: No such file or directory"), (b"{", "is not well-formed YAML"), (b"", "must be a")],
    )
    def test_the_old_one_stays_while_the_file_is_away_or_half_written(
        self, watched: Watched, caplog: pytest.LogCaptureFixture, content: bytes | None, words: str
    ) -> None:
        watched.file.unlink()
        if content is not None:
            watched.file.write_bytes(content)
        watched.settle()
        assert words in caplog.text
        assert watched.password() == "1"
        write(watched.file, 2)
        watched.settle()
        assert watched.password() == "2"

    def test_of_a_folder_it_is_the_file_that_serve_would_take(self, simulation: Simulation, tmp_path: Path) -> None:
        watched = Watched(simulation, tmp_path / "mine.json")
        watched.reader.path = tmp_path
        watched.settle()
        (tmp_path / "default.json").write_text(json.dumps(fixture(2)), encoding="utf-8")
        watched.settle()
        assert watched.password() == "2"

    def test_a_large_one_with_a_mistake_is_not_searched_for_its_line(
        self, watched: Watched, caplog: pytest.LogCaptureFixture
    ) -> None:
        wrong = json.dumps({**fixture(2), "version": 2})
        for padding, place in ((0, f"{watched.file}:1"), (MOST_THOROUGHLY, f"{watched.file}")):
            caplog.clear()
            watched.file.write_text(wrong + " " * padding, encoding="utf-8")
            watched.settle()
            assert caplog.messages[1].startswith(f"{place}: /version: must be 1")

    @pytest.mark.rule("S-10")
    def test_one_that_has_no_room_is_refused(
        self, simulation: Simulation, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        watched = Watched(simulation, tmp_path / "f.json", memory_limit=64 * 1024)
        users = {f"u{number}": {"firstName": "A", "lastName": "B"} for number in range(100)}
        large = fixture(2)
        large["tenants"]["t"]["groups"]["g"]["users"] = users
        watched.file.write_text(json.dumps(large), encoding="utf-8")
        watched.settle()
        assert watched.password() == "1"
        assert "there is no room for this" in caplog.messages[-1]
        assert caplog.messages[-1].endswith("(S-10)")
        write(watched.file, 3)
        watched.settle()
        assert watched.password() == "3"

    def test_many_that_are_read_one_after_the_other_leave_nothing_behind(self, watched: Watched) -> None:
        watched.sandboxes.sandbox("other")
        write(watched.file, 2)
        watched.settle()
        kept = watched.sandboxes.memory.arranged
        for number in range(3, 9):
            write(watched.file, number)
            watched.settle()
        assert watched.password() == "8"
        assert watched.sandboxes.memory.arranged == kept

    def test_without_watch_it_is_read_only_if_asked_for(self, watched: Watched) -> None:
        watched.reader.watched = False
        write(watched.file, 2)
        watched.settle()
        assert watched.password() == "1"
        watched.reader.ask()
        watched.settle()
        assert watched.password() == "2"

    def test_our_own_mistake_is_logged_and_the_next_change_is_read(
        self, watched: Watched, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as patch:
            patch.setattr("simulator.cli.watching.counts", lambda _: 1 / 0)
            write(watched.file, 2)
            watched.settle()
            assert "ZeroDivisionError" in caplog.text
        write(watched.file, 3)
        watched.settle()
        assert watched.password() == "3"


@contextmanager
def watching(simulation: Simulation, file: Path) -> Iterator[tuple[Server, FixtureReader]]:
    """Run a server in this process, and the reader of its fixture."""
    write(file, 1)
    app = simulation.app(simulation.world(file))
    with served(app.wsgi_app) as server:
        sandboxes = app.extensions["sandboxes"]
        yield (
            server,
            FixtureReader(file, stamp_of(file), simulation.fixtures, sandboxes, server.carry_out, watched=True),
        )


class TestBesideOthers:
    @pytest.mark.rule("G-7")
    def test_clients_see_only_whole_worlds_and_never_an_older_one(self, simulation: Simulation, tmp_path: Path) -> None:
        clients, times = 16, 20
        ended = threading.Event()
        started = threading.Barrier(clients + 1)

        def look(client: httpx.Client, url: str) -> list[set[int]]:
            """Read until the end. Return the numbers of each answer."""
            started.wait(10)
            seen = []
            while not ended.is_set():
                listed = client.get(url + CAPACITIES).json()["call_capacities"]
                seen.append({each["maxCalls"] for each in listed} if len(listed) == len(NAMES) else set())
                state = client.get(f"{url}/_simulator/state").json()
                capacities = state["tenants"]["t"]["groups"]["g"]["callCapacities"]
                seen.append({*(each["maxCalls"] for each in capacities), int(state["accounts"]["admin"]["password"])})
                assert client.get(f"{url}/_simulator/diff").json()["changes"] == []
            return seen

        def shows(number: int) -> bool:
            reader.poll()
            return numbers(server.url) == {number}

        with watching(simulation, tmp_path / "f.json") as (server, reader), ThreadPoolExecutor(clients) as pool:
            client = httpx.Client(timeout=10)
            looking = [pool.submit(look, client, server.url) for _ in range(clients)]
            try:
                started.wait(10)
                for number in range(2, 2 + times):
                    write(reader.path, number)
                    wait_until(partial(shows, number))
            finally:
                ended.set()
            for each in looking:
                seen = each.result()
                assert seen
                assert {len(answer) for answer in seen} == {1}
                flat = [number for answer in seen for number in answer]
                assert flat == sorted(flat)
            client.close()

    def test_others_are_answered_while_it_is_read(
        self, simulation: Simulation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        reading, may_go_on = threading.Event(), threading.Event()
        read = simulation.fixtures.world_of_document

        def slowly(*arguments: Any) -> Any:
            reading.set()
            assert may_go_on.wait(10)
            return read(*arguments)

        with watching(simulation, tmp_path / "f.json") as (server, reader):
            monkeypatch.setattr(simulation.fixtures, "world_of_document", slowly)
            write(reader.path, 2)
            reader.poll()
            reader.poll()
            assert reading.wait(10)
            assert numbers(server.url) == {1}
            assert httpx.post(f"{server.url}/_simulator/reset").status_code == 204
            for _ in range(3):
                reader.ask()
                reader.poll()
            may_go_on.set()
            wait_until(lambda: numbers(server.url) == {2})


def said(server: Running, words: str) -> None:
    """Wait until the log of a server contains these words."""
    assert server.process.stderr is not None
    descriptor, text = server.process.stderr.fileno(), ""
    while words not in text:
        assert select.select([descriptor], [], [], 10)[0], text
        more = os.read(descriptor, 100_000).decode()
        assert more, text
        text += more


class TestServe:
    def test_with_watch_a_change_is_read_and_a_wrong_one_is_not_taken(self, tmp_path: Path) -> None:
        file = tmp_path / "f.json"
        write(file, 1)
        with serving_process("--fixtures", str(file), "--watch") as server:
            assert numbers(server.url) == {1}
            write(file, 2)
            wait_until(lambda: numbers(server.url) == {2})
            file.write_text('{"version": 1}', encoding="utf-8")
            said(server, f"{file}:1: /tenants: is required (G-18)")
            assert numbers(server.url) == {2}
            write(file, 3)
            wait_until(lambda: numbers(server.url) == {3})
            server.stop()
            assert server.process.returncode == 0

    @pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="Windows has no SIGHUP")
    def test_at_sighup_it_is_read_once(self, tmp_path: Path) -> None:
        file = tmp_path / "f.json"
        write(file, 1)
        with serving_process("--fixtures", str(tmp_path)) as server:
            write(file, 2)
            server.process.send_signal(signal.SIGHUP)
            wait_until(lambda: numbers(server.url) == {2})
            file.write_text("[", encoding="utf-8")
            server.process.send_signal(signal.SIGHUP)
            said(server, "cannot be taken. The server keeps the old one")
            assert numbers(server.url) == {2}
            server.stop()
            assert server.process.returncode == 0

    @pytest.mark.parametrize(("command", "outlives"), [([], False), (["nohup"], True)], ids=["plain", "nohup"])
    def test_a_server_ends_with_its_terminal_unless_it_was_started_to_outlive_it(
        self, tmp_path: Path, command: list[str], outlives: bool
    ) -> None:
        pty = pytest.importorskip("pty", reason="there are no pseudo-terminals here")
        screen, end = pty.openpty()
        program = (
            # The tests may themselves have been started to outlive their terminal.
            "import fcntl, os, signal, sys, termios; signal.signal(signal.SIGHUP, signal.SIG_DFL); os.setsid(); "
            f"fcntl.ioctl({end}, termios.TIOCSCTTY, 0); os.close({end}); os.execvp(sys.argv[1], sys.argv[1:])"
        )
        serve = [*command, sys.executable, "-m", "simulator", "serve", "--port", "0"]
        with subprocess.Popen(
            [sys.executable, "-c", program, *serve],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=[end],
            text=True,
        ) as process:
            os.close(end)
            try:
                server = Running(process)
                reception = f"{server.url}{RECEPTION}"
                assert httpx.put(reception, json={"maxCalls": 9}).is_success
                os.close(screen)
                if outlives:
                    # Nobody asked for the fixture, so the state stays. Too short a wait could only hide a mistake.
                    time.sleep(3 * SIGNAL_SECONDS)
                    assert httpx.get(reception).json()["maxCalls"] == 9
                    process.terminate()
                assert process.wait(10) == 0
            finally:
                process.kill()
