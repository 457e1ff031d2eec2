"""Progress: one line on a terminal while work takes long, and nothing elsewhere."""

from __future__ import annotations

import io
import os
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import TextIO

import pytest

from simulator import progress
from simulator.app import Simulation, shipped
from simulator.progress import shown, unseen
from tests.conftest import python, wait_until

pty = pytest.importorskip("pty", reason="there are no pseudo-terminals here")


class Terminal:
    """Both ends of a pseudo-terminal: the stream that a program writes to, and the screen."""

    def __init__(self) -> None:
        self.screen, self.end = pty.openpty()
        self.stream: TextIO = os.fdopen(self.end, "w", encoding="utf-8")

    def read(self) -> str:
        """Wait for new text on the screen, and return it. Fail if that takes too long."""
        assert select.select([self.screen], [], [], 10)[0], "nothing more is written"
        return os.read(self.screen, 100_000).decode()

    def has(self, words: str) -> bool:
        """Return whether the new text contains these words."""
        return words in self.read()

    def rest(self) -> str:
        """End the writing, and return the rest of the text."""
        self.stream.close()
        text = ""
        try:
            while more := self.read():
                text += more
        except OSError:  # on Linux: the other end is closed
            pass
        os.close(self.screen)
        return text


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.setattr(progress, "DELAY_SECONDS", 0.0)
    monkeypatch.setattr(progress, "INTERVAL_SECONDS", 0.001)
    return Terminal()


def test_a_terminal_shows_what_is_being_done_and_how_far_it_is_and_is_clean_in_the_end(terminal: Terminal) -> None:
    with shown("big.yaml", terminal.stream) as report:
        report("reading", None)
        wait_until(lambda: terminal.has("\rbig.yaml: reading …"))
        report("seeding", 0.42)
        wait_until(lambda: terminal.has("\rbig.yaml: seeding 42% …"))
    last = terminal.rest().split("\r")
    assert last[-2:] == [" " * len("big.yaml: seeding 42% …"), ""]


def test_a_shorter_line_hides_the_longer_one_before_it(terminal: Terminal) -> None:
    with shown("f", terminal.stream) as report:
        report("a long stage", None)
        wait_until(lambda: terminal.has("a long stage"))
        report("short", None)
        wait_until(lambda: terminal.has("\rf: short …".ljust(len("\rf: a long stage …"))))
    terminal.rest()


def test_a_line_is_no_longer_than_the_terminal_is_wide(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "10")
    with shown("a-long-name.yaml", terminal.stream) as report:
        report("reading", None)
        text = terminal.read()
    assert {len(each) for each in (text + terminal.rest()).split("\r")} == {0, 9}


def test_what_is_done_soon_is_not_shown(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "DELAY_SECONDS", 600.0)
    began = time.monotonic()
    with shown("f", terminal.stream) as report:
        report("reading", 0.5)
        time.sleep(0.1)
    assert time.monotonic() - began < 300
    assert terminal.rest() == ""


def test_what_is_no_terminal_gets_nothing() -> None:
    closed = io.StringIO()
    closed.close()
    for stream in (None, io.StringIO(), closed):
        with shown("f", stream) as report:
            assert report is unseen


def test_a_terminal_that_goes_away_does_not_stop_the_work(terminal: Terminal) -> None:
    with shown("f", terminal.stream) as report:
        terminal.read()
        os.close(terminal.screen)
        time.sleep(0.05)
        report("reading", 0.5)
    # The text that could not be written is still in the stream's buffer, so closing fails.
    with pytest.raises(OSError, match="Input/output"):
        terminal.stream.close()


def test_reading_a_fixture_says_how_far_it_is(simulation: Simulation, tmp_path: Path) -> None:
    file = tmp_path / "f.yaml"
    users = "".join(f"          u{i}: {{firstName: A, lastName: B}}\n" for i in range(2_500))
    file.write_text(
        f"version: 1\ndefaultDomain: d\ntenants:\n  t:\n    type: Enterprise\n    groups:\n      g:\n        users:\n"
        f"{users}      h: {{}}\n",
        encoding="utf-8",
    )
    told: list[tuple[str, float | None]] = []
    simulation.fixtures.world_of_file(file, lambda stage, fraction: told.append((stage, fraction)))
    stages = [stage for stage, _ in told]
    seeding = "seeding 2,500 users,"
    assert stages == ["reading", "reading", "reading", "checking", seeding, seeding]
    fractions = [fraction for _, fraction in told]
    assert fractions[0] is fractions[3] is None
    assert fractions[1:3] == pytest.approx([0.4, 0.8], abs=0.02)
    assert fractions[4:] == [0.0, 1.0]


PROGRAM = """
import sys, simulator.cli, simulator.progress
simulator.progress.DELAY_SECONDS = simulator.progress.INTERVAL_SECONDS = 0.001
simulator.cli.main(sys.argv[1:])
"""


COMMANDS = {"validate": (["validate"], 0), "serve": (["serve", "--host", "256.0.0.1", "--port", "0", "--fixtures"], 2)}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_shows_it_on_the_terminal_of_its_errors(terminal: Terminal, name: str) -> None:
    (command, status), fixture = COMMANDS[name], shipped("fixtures/default.yaml")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *command, str(fixture)],
        stdout=subprocess.PIPE,
        stderr=terminal.end,
        timeout=20,
        check=False,
        env={**os.environ, "COLUMNS": "500"},
    )
    assert done.returncode == status
    assert b"\r" not in done.stdout
    written = terminal.rest()
    assert written.startswith(f"\r{fixture}")
    assert " \r" in written


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_shows_nothing_where_its_errors_go_to_a_file_or_nowhere(name: str) -> None:
    command, status = COMMANDS[name]
    arguments = ["-c", PROGRAM, *command, str(shipped("fixtures/default.yaml"))]
    done = python(*arguments)
    assert (done.returncode, "\r" in done.stderr) == (status, False)
    closed = ["sh", "-c", 'exec "$@" 2>&-', "sh", sys.executable, *arguments]
    assert subprocess.run(closed, capture_output=True, timeout=20, check=False).returncode == status
