"""The command `conform`, against a simulator that plays the laboratory."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml

from simulator.app import standard_simulation
from tests.conftest import Api, Finished, run, wait_until

ACCOUNTS = {
    "APIO_LAB_TOKEN": "system-admin",
    "APIO_LAB_SECOND_USERNAME": "foouser",
    "APIO_LAB_SECOND_PASSWORD": "secret",
}
LOOK = ("--tenant", "foo", "--group", "foogroup")
WRITE = ("--create", "--scratch-group", "foogroup", "--scratch-user", "user_2@sip.netaxis.be")
CONFIRMED = ("--confirm", "127.0.0.1")


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def lab(api: Api, server: str) -> str:
    return server + api.root


def journal(api: Api) -> list[Any]:
    """All calls that arrived, oldest first."""
    found: list[Any] = api.control("GET", "requests", params={"limit": 1000}).json()["requests"]
    return found


def conform(lab: str, *more: str) -> Finished:
    return run("conform", "--against", lab, "--pace", "0", "--max-requests", "2000", *more, **ACCOUNTS)


def test_reading_is_the_default_and_exits_with_0(lab: str, api: Api) -> None:
    done = conform(lab, *LOOK)
    assert done.returncode == 0, done.stderr
    assert "permission read" in done.stdout
    assert "contradicted (0)" in done.stdout
    assert "it needs --create: " in done.stdout
    assert "A simulator gave the answers" in done.stdout
    assert {each["method"] for each in journal(api)} == {"POST", "GET", "HEAD"}
    assert [each["path"] for each in journal(api) if each["method"] == "POST"] == ["/api/v1/login/"]
    assert os.listdir() == []


def test_it_writes_a_profile_that_serve_can_follow_and_evidence(lab: str) -> None:
    done = conform(
        lab, *LOOK, *WRITE, *CONFIRMED, "--profile", "lab.yaml", "--evidence", "lab.jsonl", "--name", "lab-1"
    )
    assert done.returncode == 0, done.stderr
    assert sorted(os.listdir()) == ["lab.jsonl", "lab.yaml"]
    profile = yaml.safe_load(Path("lab.yaml").read_text("utf-8"))
    assert profile["system"]["name"] == "lab-1"
    assert profile["rules"]["CC-7"] == {"verdict": "confirmed"}
    assert standard_simulation().following(Path("lab.yaml")).profile.system == "lab-1"
    lines = [orjson.loads(line) for line in Path("lab.jsonl").read_bytes().splitlines()]
    assert {"GET", "HEAD", "POST", "PUT", "DELETE"} == {each["request"]["method"] for each in lines}
    assert conform(lab, *LOOK, "--follow", "lab.yaml").returncode == 0


def test_what_is_contradicted_exits_with_2_and_is_in_every_format(lab: str) -> None:
    profile = conform(lab, *LOOK, "--profile", "lab.yaml")
    assert profile.returncode == 0
    text = Path("lab.yaml").read_text("utf-8")
    Path("other.yaml").write_text(
        text.replace("CC-9:\n    verdict: confirmed", "CC-9:\n    verdict: contradicted\n    choice: absent"), "utf-8"
    )
    done = conform(lab, *LOOK, "--follow", "other.yaml")
    assert done.returncode == 2
    assert "contradicted (1)" in done.stdout
    assert "an instance without members: /users" in done.stdout
    assert "the simulator cannot do the same" in done.stdout
    report: dict[str, Any] = orjson.loads(conform(lab, *LOOK, "--follow", "other.yaml", "--format", "json").stdout)
    assert [each["rule"] for each in report["rules"] if each["verdict"] == "contradicted"] == ["CC-9"]
    page = conform(lab, *LOOK, "--follow", "other.yaml", "--format", "html").stdout
    assert "Contradicted (1)" in page
    assert 'id="CC-9"' in page


@pytest.mark.parametrize("more", [(), ("--confirm", "localhost"), ("--confirm", "")])
def test_without_the_right_host_nothing_is_sent(more: tuple[str, ...], lab: str, api: Api) -> None:
    for what in (("--create",), ("--scratch-group", "foogroup"), ("--scratch-user", "user_2@sip.netaxis.be")):
        done = conform(lab, *LOOK, *what, *more)
        assert done.returncode == 2
        assert "--confirm 127.0.0.1" in done.stderr
    done = conform(lab, "--clean", "some.ledger", *more)
    assert done.returncode == 2
    assert journal(api) == []


def test_a_dry_run_prints_every_request_and_sends_none(lab: str, api: Api) -> None:
    done = conform(lab, *LOOK, *WRITE, "--dry-run")
    assert done.returncode == 0
    assert journal(api) == []
    lines = done.stdout.splitlines()
    reading = conform(lab, *LOOK, "--dry-run").stdout.splitlines()
    assert set(reading) < set(lines)
    assert {line.split()[0] for line in reading} == {"read"}
    assert any(line.startswith("own     CC-10  PUT ") and line.endswith('{"name":"{newer}"}') for line in lines)


def test_a_dry_run_names_every_method_and_path_of_a_run(lab: str, api: Api) -> None:
    printed = conform(lab, *LOOK, *WRITE, "--dry-run").stdout
    assert conform(lab, *LOOK, *WRITE, *CONFIRMED).returncode == 0
    operations = standard_simulation().contract.operations
    for each in journal(api):
        if each.get("operationId") not in (None, "login"):
            start, _, end = operations[each["operationId"]].path.partition("{group_id}")
            wanted = f"{each['method']} {start.replace('{tenant_id}', 'foo')}"
            last = end.rpartition("}")[2]
            assert any(wanted in line and last in line for line in printed.splitlines()), each


def test_a_system_that_cannot_be_reached_is_told_in_a_line() -> None:
    done = run("conform", "--against", "http://127.0.0.1:9", "--pace", "0", *LOOK)
    assert done.returncode == 1
    assert done.stderr.startswith("apio-simulator: GET /api/v1/tenants/{tenant_id}/")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--against", "lab", *LOOK), "is no address"),
        (("--against", "http://lab"), "--tenant and --group"),
        (("--against", "http://lab", "--clean", "x", "--dry-run"), "--dry-run is for a comparison"),
        (("--against", "http://lab", *LOOK, "--fresh-user", "a", "--scratch-user", "a"), "must not be --scratch-user"),
        (("--against", "http://lab", *LOOK, "--credentials", "none.yaml"), "none.yaml"),
        (("--against", "http://lab", *LOOK, "--follow", "none.yaml"), "none.yaml"),
        (("--against", "http://lab", "--clean", "none.ledger", "--confirm", "lab"), "none.ledger: cannot be read"),
    ],
)
def test_a_mistake_exits_with_2_and_says_what_it_is(options: tuple[str, ...], message: str) -> None:
    done = run("conform", *options)
    assert done.returncode == 2
    assert message in done.stderr


def test_a_user_who_is_no_executive_is_told(lab: str) -> None:
    done = conform(lab, *LOOK, "--scratch-user", "nobody@example.com", *CONFIRMED)
    assert done.returncode == 1
    assert "is no executive" in done.stderr


def test_undecided_rules_can_fail_a_job(lab: str) -> None:
    assert conform(lab, *LOOK, "--fail-on-undecided").returncode == 1


def test_after_ctrl_c_everything_is_put_back(lab: str, api: Api) -> None:
    command = [
        sys.executable,
        "-m",
        "simulator",
        "conform",
        "--against",
        lab,
        "--pace",
        "0.02",
        *LOOK,
        *WRITE,
        *CONFIRMED,
    ]
    process = subprocess.Popen(
        command, env={**os.environ, **ACCOUNTS}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        wait_until(lambda: any(each["method"] == "PUT" for each in journal(api)), 30)
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 1
    assert "the run was interrupted" in out
    assert api.control("GET", "diff").json()["changes"] == []
    assert os.listdir() == []


def test_if_a_file_cannot_be_written_the_report_is_shown_all_the_same(lab: str) -> None:
    done = conform(lab, *LOOK, "--profile", "none/lab.yaml", "--evidence", "none/lab.jsonl")
    assert done.returncode == 1
    assert "contradicted (0)" in done.stdout
    assert done.stderr.count("cannot be written: No such file or directory") == 2


def test_a_dry_run_names_the_login(lab: str) -> None:
    lines = conform(lab, *LOOK, "--dry-run").stdout.splitlines()
    assert lines[0] == "read           POST /api/v1/login/, once for each account"


def test_a_file_that_exists_is_replaced_only_with_force(lab: str) -> None:
    Path("lab.yaml").write_text("mine", encoding="utf-8")
    done = conform(lab, *LOOK, "--profile", "lab.yaml")
    assert done.returncode == 2
    assert "lab.yaml: exists already" in done.stderr
    assert Path("lab.yaml").read_text("utf-8") == "mine"
    assert conform(lab, *LOOK, "--profile", "lab.yaml", "--force").returncode == 0
    assert yaml.safe_load(Path("lab.yaml").read_text("utf-8"))["version"] == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--follow", "a.yaml", "--profile", "b.yaml"), "--follow compares with a profile"),
        (("--evidence", "a.yaml", "--profile", "a.yaml"), "need different files"),
        (("--group", ""), "--group needs the id"),
        (("--fresh-user", "x", "--scratch-user", "x"), "only read"),
        (("--clean", "x", "--dry-run"), "--dry-run is for a comparison"),
    ],
)
def test_options_that_do_not_go_together_are_a_mistake(options: tuple[str, ...], message: str, lab: str) -> None:
    done = conform(lab, *LOOK, *options)
    assert done.returncode == 2
    assert message in done.stderr


def test_the_evidence_shows_what_was_sent(lab: str) -> None:
    assert conform(lab, *LOOK, "--create", *CONFIRMED, "--evidence", "lab.jsonl").returncode == 0
    lines = [orjson.loads(line) for line in Path("lab.jsonl").read_bytes().splitlines()]
    parts = {each["part"]: each for each in lines}
    assert parts["a path without the last slash"]["request"]["path"].endswith("/call_capacities")
    assert parts["another media type"]["request"]["headers"] == {"Accept": "text/html"}
    assert parts["a name twice in an object"]["request"]["bytes"] == '{"maxCalls": 6, "maxCalls": 7}'
    assert "firstName" in parts["users without a capacity"]["laboratory"]["body"]["users"][0]


def test_a_group_that_nobody_is_known_to_be_in_decides_nothing(lab: str) -> None:
    report: dict[str, Any] = orjson.loads(conform(lab, *LOOK, "--group", "foogruop", "--format", "json").stdout)
    found = next(each for each in report["rules"] if each["rule"] == "CC-1")
    assert found["verdict"] == "not decidable"
    assert "is known to exist" in found["parts"][0]["reason"]
