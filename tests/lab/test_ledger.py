"""The ledger of a run is on disk before a request is sent."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from simulator.lab.ledger import BrokenLedger, Change, Creation, RunLedger

ENTRY = Creation(collection="/c/", name="zz-conform-1-a", path="/c/zz-conform-1-a/")
CHANGE = Change(path="/c/screening/", body={"enabled": True}, content={"enabled": True, "alertType": "Silent"})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "ledger"


def test_an_entry_is_on_the_disk_when_it_is_added(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda number: synced.append(os.fstat(number).st_size))
    ledger = RunLedger.begin(file, {"prefix": "zz-conform-1-"})
    ledger.add(ENTRY)
    assert synced[-1] == file.stat().st_size
    assert RunLedger.read(file).entries == {ENTRY.path: ENTRY}
    assert RunLedger.read(file).about == {"prefix": "zz-conform-1-"}


def test_what_is_undone_is_no_entry_any_more(file: Path) -> None:
    ledger = RunLedger.begin(file, {})
    ledger.add(ENTRY)
    ledger.add(CHANGE)
    ledger.undone(ENTRY.path)
    assert RunLedger.read(file).entries == {CHANGE.path: CHANGE}
    ledger.end()
    assert file.exists()
    ledger.undone(CHANGE.path)
    ledger.end()
    assert not file.exists()


def test_what_was_there_first_counts(file: Path) -> None:
    ledger = RunLedger.begin(file, {})
    ledger.add(CHANGE)
    ledger.add(Change(path=CHANGE.path, body={}, content={"enabled": False}))
    assert ledger.entries[CHANGE.path] == CHANGE


def test_only_the_owner_can_read_it(file: Path) -> None:
    RunLedger.begin(file, {})
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_another_file_is_never_replaced(file: Path) -> None:
    file.write_text("mine", encoding="utf-8")
    with pytest.raises(FileExistsError):
        RunLedger.begin(file, {})
    assert file.read_text("utf-8") == "mine"


def test_a_last_line_that_was_cut_off_is_left_out(file: Path) -> None:
    ledger = RunLedger.begin(file, {})
    ledger.add(ENTRY)
    with file.open("ab") as stream:
        stream.write(b'{"collection": "/c/", "na')
    assert RunLedger.read(file).entries == {ENTRY.path: ENTRY}


@pytest.mark.parametrize(
    "text", ["", "no JSON\n", '{"version": 2}\n', '{"version": 1}\n{"path": "/c/"}\n', "[]\n", "\xff"]
)
def test_another_file_is_no_ledger(text: str, file: Path) -> None:
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(BrokenLedger):
        RunLedger.read(file)


def test_without_a_ledger_nothing_can_be_noted_and_so_nothing_can_be_written() -> None:
    with pytest.raises(OSError, match="may not write"):
        RunLedger({}).add(ENTRY)


def test_a_line_that_does_not_fit_on_the_disk_spoils_no_other(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = RunLedger.begin(file, {})

    def full(_: int) -> None:
        raise OSError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="no space"):
            ledger.add(ENTRY)
    ledger.add(CHANGE)
    assert RunLedger.read(file).entries == {CHANGE.path: CHANGE}


def test_a_ledger_that_was_removed_takes_no_more_entries(file: Path) -> None:
    ledger = RunLedger.begin(file, {})
    file.unlink()
    with pytest.raises(FileNotFoundError):
        ledger.add(ENTRY)
    assert not file.exists()
