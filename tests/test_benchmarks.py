"""The benchmarks: how they read wrk's output, judge the figures and show them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path

import pytest

from simulator.app import Simulation
from tests.conftest import wait_until
from tools.benchmarks import __main__ as program
from tools.benchmarks import processes, scenarios
from tools.benchmarks.figures import FIGURES, RATES, Results, ratio
from tools.benchmarks.goals import AIM_NOT_REACHED, AIM_REACHED, MET, MISSED, NOT_MEASURED, Goal, read_goals
from tools.benchmarks.peers import OURS, PACKAGES, TITLES, peers
from tools.benchmarks.plot import plot
from tools.benchmarks.processes import Answer, Running
from tools.benchmarks.report import number, report, table
from tools.benchmarks.scenarios import SCENARIOS, check
from tools.benchmarks.worlds import capacities, collection, fixture
from tools.benchmarks.wrk import SCRIPTS, outcome
from tools.contract_checks.check import Failed, Skipped

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "tools" / "benchmarks"

WRK = """\
Running 3s test @ http://127.0.0.1:4080/
  1 threads and 32 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.40ms    5.02ms 120.26ms   97.81%
    Req/Sec    34.02k     4.59k   43.37k    70.00%
  Latency Distribution
     50%  430.00us
     75%  580.00us
     90%    1.20ms
     99%    {p99}
  101,000 requests in 3.01s, 24.92MB read
Requests/sec:  33554.82
Transfer/sec:      8.28MB
Created: 50412
""".replace("101,000", "101000")


def said(p99: str = "2.50ms", objection: str = "") -> str:
    """Return what wrk prints, with an error message in its usual place."""
    return WRK.replace("{p99}", p99).replace("Requests/sec:", f"{objection}Requests/sec:")


# wrk


@pytest.mark.parametrize(
    ("p99", "milliseconds"), [("2.50ms", 2.5), ("870.00us", 0.87), ("1.70s ", 1_700), ("1.00m ", 60_000)]
)
def test_a_run_of_wrk_has_requests_a_rate_and_a_p99_in_milliseconds(p99: str, milliseconds: float) -> None:
    found = outcome(said(p99))
    assert (found.requests, found.rate) == (101_000, 33_554.82)
    assert found.p99_ms == pytest.approx(milliseconds)


def test_what_a_script_prints_is_read() -> None:
    assert outcome(said()).printed("Created") == 50_412
    with pytest.raises(Failed, match="did not print Deleted"):
        outcome(said()).printed("Deleted")


@pytest.mark.parametrize(
    "objection",
    ["  Non-2xx or 3xx responses: 1\n", "  Socket errors: connect 0, read 0, write 0, timeout 3\n"],
)
def test_a_run_with_an_answer_that_is_no_success_fails(objection: str) -> None:
    with pytest.raises(Failed, match=re.escape(objection.strip())):
        outcome(said(objection=objection))


@pytest.mark.parametrize("output", ["", said().replace("101000", "0"), said("-nan")])
def test_a_run_that_measured_nothing_fails(output: str) -> None:
    with pytest.raises(Failed, match="measured nothing"):
        outcome(output)


# Figures and goals


def test_a_ratio_is_the_median_of_those_measured_in_the_same_turn() -> None:
    assert ratio([10, 90, 40], [10, 30, 10]) == 3
    with pytest.raises(ValueError, match="zip"):
        ratio([10, 20], [10])


def test_a_figure_nobody_has_named_is_refused() -> None:
    results = Results()
    with pytest.raises(KeyError):
        results.add("gte", OURS, 1)
    assert results.figures == {}


@pytest.mark.parametrize(
    ("measured", "verdict"), [(2.0, AIM_REACHED), (1.99, MET), (1.5, MET), (1.49, MISSED), (None, NOT_MEASURED)]
)
def test_where_more_is_better_a_goal_is_a_lower_bound(measured: float | None, verdict: str) -> None:
    assert Goal(OURS, "get", more_is_better=True, required=1.5, aim=2).verdict(measured) == verdict


@pytest.mark.parametrize(
    ("measured", "verdict"), [(0.12, AIM_REACHED), (0.13, MET), (0.2, MET), (0.21, MISSED), (None, NOT_MEASURED)]
)
def test_where_less_is_better_a_goal_is_an_upper_bound(measured: float | None, verdict: str) -> None:
    assert Goal(OURS, "wsgi-get", more_is_better=False, required=0.2, aim=0.12).verdict(measured) == verdict


def test_an_aim_alone_cannot_be_missed() -> None:
    goal = Goal(OURS, "p99", more_is_better=False, aim=1)
    assert [goal.verdict(value) for value in (1, 1.1)] == [AIM_REACHED, AIM_NOT_REACHED]


def test_a_goal_is_about_a_figure_or_its_ratio_to_a_server_or_to_another_figure() -> None:
    results = measured()
    assert Goal(OURS, "get", more_is_better=True).measured(results) == 20_000
    assert Goal(OURS, "get", more_is_better=True, of="mountebank").measured(results) == 2
    assert Goal(OURS, "many-connections", more_is_better=True, of_figure="get").measured(results) == 0.25
    assert Goal(OURS, "get", more_is_better=True, of="prism").measured(results) is None
    assert Goal("flask", "get", more_is_better=True, of="mountebank").measured(results) is None


def test_the_goals_of_the_project_are_read() -> None:
    goals = read_goals()
    assert len(goals) > 15
    assert {goal.subject for goal in goals} == {OURS}
    assert any(goal.of for goal in goals)
    assert any(goal.of_figure for goal in goals)
    for goal in goals:
        if goal.required is not None and goal.aim is not None:
            assert (goal.aim > goal.required) is goal.more_is_better, goal


@pytest.mark.parametrize(
    "entry",
    [
        {"figure": "get"},
        {"figure": "get", "at_least": 1, "aim_at_most": 2},
        {"figure": "gte", "at_least": 1},
        {"figure": "get", "of": "mockserve", "at_least": 1},
        {"figure": "get", "of_figure": "gte", "at_least": 1},
    ],
)
def test_a_goal_that_can_never_be_judged_is_refused(entry: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"direction|there is no"):
        read_goals({"subject": OURS, "goals": [entry]})


# The page and the picture


def measured() -> Results:
    """Return an invented run."""
    results = Results({"Cores": "2", "Date": "2026-01-01"})
    for rate in (19_000, 20_000, 30_000):
        results.add("get", OURS, rate)
        results.add("get", "mountebank", rate / 2)
        results.add("many-connections", OURS, rate / 4)
    results.add("put-in-world", "10", 30)
    results.add("put-in-world", "1,000,000", 31)
    for size, value in {"1,000": 20, "10,000": 200}.items():
        results.add("redacted-path", size, value)
        results.add("redacted-body", size, value / 2)
    results.add("start", OURS, 300)
    results.add("start", "prism", 600)
    results.skipped["WireMock, static stubs"] = "needs java"
    results.failed["PUT: json-server"] = "Non-2xx or 3xx responses: 1"
    return results


def cells(page: str, heading: str) -> dict[str, list[str]]:
    """Return the rows of the first table below a heading, by their first cell."""
    section = page.partition(f"\n## {heading}")[2].partition("\n## ")[0].split("\n\n")[1]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.strip().splitlines()]
    return {first: others for first, *others in rows}


def test_the_page_shows_rates_growth_process_and_what_was_left_out() -> None:
    page = report(measured(), [])
    rates = cells(page, "Requests per second")
    assert rates["Scenario"] == ["apio-simulator", "mountebank, state"]
    assert rates["GET one"] == ["20,000", "10,000"]
    assert rates["GET, 1,000 connections, 50 sandboxes"] == ["5,000", "\N{EN DASH}"]
    assert "| GET one | 2.00 times |" in page
    assert cells(page, "Growth")["PUT, µs"] == ["30.0", "31.0"]
    assert cells(page, "Growth, secrets") == {
        "Bytes": ["1,000", "10,000"],
        "---": ["---:", "---:"],
        "a path made to be slow, µs": ["20.0", "200"],
        "an ordinary body with a password, µs": ["10.0", "100"],
    }
    assert cells(page, "The process")["start to first answer"] == ["300 ms", "600 ms"]
    assert cells(page, "Not measured")["WireMock, static stubs"] == ["needs java"]
    assert cells(page, "Failed")["PUT: json-server"] == ["Non-2xx or 3xx responses: 1"]
    assert cells(page, "Conditions")["Date"] == ["2026-01-01"]
    assert "## In process" not in page


def test_the_page_shows_each_goal_and_the_reason_of_one_that_is_missed_only() -> None:
    goals = [
        Goal(OURS, "get", more_is_better=True, required=3, aim=4, of="mountebank", reason="it sleeps"),
        Goal(OURS, "get", more_is_better=True, required=1.5, of="mountebank", reason="it slept"),
        Goal(OURS, "get", more_is_better=True, aim=25_000, reason="it dreams"),
        Goal(OURS, "p99", more_is_better=False, required=1),
    ]
    page = report(measured(), goals)
    assert "| GET one, to mountebank, state | ≥ 3 times | ≥ 4 times | 2.00 times | **missed: it sleeps** |" in page
    assert "| GET one, to mountebank, state | ≥ 1.5 times | \N{EN DASH} | 2.00 times | met |" in page
    assert "| GET one | \N{EN DASH} | ≥ 25,000 requests/s | 20,000 requests/s | aim not reached: it dreams |" in page
    assert "| p99 of GET | ≤ 1 ms | \N{EN DASH} | \N{EN DASH} | not measured |" in page


@pytest.mark.parametrize(
    ("value", "shown"), [(None, "\N{EN DASH}"), (0.1234, "0.12"), (12.34, "12.3"), (123.4, "123"), (71_241, "71,241")]
)
def test_numbers_have_three_digits_that_count(value: float | None, shown: str) -> None:
    assert number(value) == shown


def test_a_cell_cannot_break_its_table() -> None:
    assert table(["What", "Why"], [["a|b", "two\nlines"]]).splitlines()[-1] == "| a/b | two lines |"


def test_the_picture_has_a_bar_for_each_server_and_none_for_what_only_the_simulator_does() -> None:
    root = ElementTree.fromstring(plot(measured()))
    space = "{http://www.w3.org/2000/svg}"
    texts = [text.text for text in root.iter(f"{space}text")]
    widths = {each.get("class"): float(str(each.get("width"))) for each in root.iter(f"{space}rect")}
    assert {"GET one", "apio-simulator", "20,000", "mountebank, state", "10,000"} <= set(texts)
    assert widths["ours"] == pytest.approx(2 * widths["bar"])
    assert "5,000" not in texts
    assert "prefers-color-scheme: dark" in plot(measured())


def test_the_page_and_the_picture_are_those_of_the_last_run_and_the_goals_of_now() -> None:
    results = Results(**json.loads(program.RESULTS.read_text(encoding="utf-8")))
    page, picture = (program.DOCS / f"benchmarks.{kind}" for kind in ("md", "svg"))
    assert page.read_text(encoding="utf-8") == report(results, read_goals())
    assert picture.read_text(encoding="utf-8") == plot(results)


def test_a_run_that_failed_to_measure_something_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    results = measured()
    assert program.told(results) == 1
    captured = capsys.readouterr()
    assert "FAILED: PUT: json-server: Non-2xx" in captured.err
    assert "skipped: WireMock, static stubs: needs java" in captured.out
    assert "GET one, to mountebank, state" in captured.out
    assert "p99" not in captured.out
    results.failed.clear()
    assert program.told(results) == 0


def test_a_part_that_does_not_exist_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        program.main(["htpp"])
    assert "there is no htpp; there are http, in-process, serving, scale-out and report" in capsys.readouterr().err


def test_a_part_that_cannot_be_measured_does_not_end_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    def skipping(results: Results, *, quick: bool) -> None:
        raise Skipped("needs wrk")

    def failing(results: Results, *, quick: bool) -> None:
        raise Failed("it broke")

    def working(results: Results, *, quick: bool) -> None:
        results.add("get", OURS, 1)

    parts = {"http": skipping, "in-process": failing, "serving": working}
    monkeypatch.setattr(program, "PARTS", parts)
    results = Results()
    program.carry_out(results, list(parts), quick=True)
    assert results.skipped == {"http": "needs wrk"}
    assert results.failed == {"in-process": "it broke"}
    assert results.median("get", OURS) == 1


# Servers and scenarios


def test_names_fit_each_other() -> None:
    assert set(peers()) <= set(TITLES)
    assert set(PACKAGES) <= set(TITLES)
    assert set(SCENARIOS) == set(RATES) <= set(FIGURES)
    for scenario in SCENARIOS.values():
        assert scenario.load.script is None or (SCRIPTS / scenario.load.script).exists()


def test_the_servers_are_pinned_and_no_registry_is_named() -> None:
    wanted = json.loads((FOLDER / "package.json").read_text(encoding="utf-8"))["devDependencies"]
    locked = json.loads((FOLDER / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    assert set(wanted) == set(PACKAGES.values())
    assert {name: locked[f"node_modules/{name}"]["version"] for name in wanted} == wanted
    assert not [name for name, package in locked.items() if "resolved" in package]


def test_the_simulator_does_what_every_server_is_asked_for() -> None:
    peer = peers()[OURS]
    with peer.serving() as server:
        check(server, peer)
        assert server.cpu_seconds() > 0
        assert server.resident_mib() > 10
    assert server.process.poll() is not None


def test_a_server_that_does_not_do_what_its_figures_claim_fails() -> None:
    constant, ours = peers()["flask"], peers()[OURS]
    with constant.serving() as server:
        check(server, constant)
        with pytest.raises(Failed, match="maxCalls"):
            check(server, ours)


@pytest.mark.parametrize(
    ("answered", "objection"),
    [
        (lambda close: Answer(500, b"Reception", stays=not close), "500"),
        (lambda close: Answer(200, b"Reception", stays=True), r"\[True, True\]"),
        (lambda close: Answer(200, b"Reception", stays=False), r"\[False, False\]"),
    ],
)
def test_a_server_with_errors_or_with_connections_of_another_kind_fails(
    answered: Callable[[bool], Answer], objection: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scenarios, "answer", lambda *_, close=False: answered(close))
    with subprocess.Popen(["true"]) as process, pytest.raises(Failed, match=objection):
        check(Running(process, 1, Path()), peers()["flask"])


def test_the_world_of_the_benchmarks_is_a_fixture(simulation: Simulation) -> None:
    world = simulation.fixtures.world_of_content(fixture(users=3))
    assert len(world.directory.tenants["foo"].users) == 3
    assert {f"/{group}/" in collection(group) for group in capacities()} == {True}


def test_a_server_is_ended_with_all_that_it_has_started_whatever_happens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "ENDS_WITHIN_SECONDS", 0.1)
    child = tmp_path / "child"
    lasting = f"'{sys.executable}' -c 'import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(60)'"
    command = ["sh", "-c", f"trap '' TERM; {lasting} & echo $! >child; wait"]

    def interrupted() -> None:
        with processes.running(command, 1, tmp_path) as server:
            wait_until(lambda: child.exists() and child.read_text())
            assert server.process.poll() is None
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    wait_until(lambda: not alive(int(child.read_text())))


def alive(pid: int) -> bool:
    """Return whether a process still runs. An ended one may remain as a zombie if its new parent leaves it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_server_that_does_not_answer_fails_with_what_it_printed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import sys; sys.exit('no such option')"]
    with processes.running(command, 1, tmp_path) as server:
        server.process.wait()
        began = time.monotonic()
        with pytest.raises(Failed, match="no such option"):
            server.until_it_answers("/")
        assert time.monotonic() - began < processes.ANSWERS_WITHIN_SECONDS / 2
