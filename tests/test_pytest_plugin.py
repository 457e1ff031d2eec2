"""The pytest plugin, in test suites of its own."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import httpcore  # noqa: F401  # a session inside a session forgets what it imports; two copies would not know each other
import pytest

from simulator import Simulator, create_app
from simulator.contract.ledger import load_ledger
from simulator.contract.profile import digest
from tests.conftest import CAPACITIES, python, served

SUITE = f"""
import httpx, pytest

CAPACITIES = "/api/v1/{CAPACITIES}"

def maximum(sandbox):
    return httpx.get(sandbox.url + CAPACITIES + "Reception/").json()["maxCalls"]
"""
CHANGE = """
def test_change(apio_sandbox):
    httpx.put(apio_sandbox.url + CAPACITIES + "Reception/", json={"maxCalls": 9})
    assert maximum(apio_sandbox) == 9

def test_unchanged(apio_sandbox):
    assert maximum(apio_sandbox) == 7
"""
ACME = """
version: 1
defaultDomain: example.com
tenants: {acme: {type: Enterprise}}
accounts: {}
"""

PROFILE = f"""
version: 1
system: {{name: lab-1, observed: 2026-11-27}}
ledger: {digest(load_ledger())}
rules: {{CC-9: {{verdict: contradicted, choice: absent}}}}
"""
WITHOUT_USERS = f"""
import httpx

def test_it(apio_sandbox):
    assert "users" not in httpx.get(apio_sandbox.url + "/api/v1/{CAPACITIES}disposable/").json()
"""


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("APIO_SIMULATOR_URL", raising=False)
    # Other plugins that are installed here would take time to load.
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTEST_PLUGINS", "simulator.pytest_plugin,xdist.plugin")


@pytest.fixture
def remote() -> Iterator[Simulator]:
    with Simulator() as simulator:
        yield simulator


def sandboxes(simulator: Simulator) -> list[str]:
    return [each["name"] for each in simulator.default.control.get("sandboxes")["sandboxes"]]


def test_each_test_has_a_sandbox_of_its_own(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(SUITE + CHANGE)
    pytester.runpytest().assert_outcomes(passed=2)


def test_it_is_active_on_install_and_loads_nothing_where_no_test_asks_for_it(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD")
    monkeypatch.delenv("PYTEST_PLUGINS")
    pytester.makepyfile(
        "import sys\n"
        "def test_inert(): assert {m for m in sys.modules if m.split('.')[0] == 'simulator'} "
        "== {'simulator', 'simulator.pytest_plugin'}\n"
        "def test_no_flask(): assert 'flask' not in sys.modules\n"
    )
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(passed=2)
    result.stdout.no_fnmatch_line("*apio*coverage*")


def test_a_sandbox_bears_the_name_of_its_test_and_is_dropped_afterwards(
    pytester: pytest.Pytester, remote: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("APIO_SIMULATOR_URL", remote.url)
    long = "x" * 80
    pytester.makepyfile(
        SUITE
        + f"""
@pytest.mark.parametrize("value", ["a/b c", "{long}"])
def test_name(apio_sandbox, value):
    name, _, unique = apio_sandbox.name.rpartition("-")
    assert name == ("test_name-a-b-c" if value == "a/b c" else "test_name-" + 40 * "x")
    assert len(unique) == 12
    assert maximum(apio_sandbox) == 7
"""
    )
    pytester.runpytest().assert_outcomes(passed=2)
    assert sandboxes(remote) == ["default"]


@pytest.mark.parametrize("policy", ["any", "created"])
def test_the_suite_runs_against_a_server_elsewhere(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, policy: Literal["any", "created"]
) -> None:
    with Simulator(sandboxes=policy) as remote:
        monkeypatch.setenv("APIO_SIMULATOR_URL", remote.url)
        pytester.makepyfile(
            SUITE + CHANGE + f"\ndef test_where(apio_simulator): assert apio_simulator.url == {remote.url!r}\n"
        )
        pytester.runpytest().assert_outcomes(passed=3)
        assert remote.coverage()["totals"]["operationsHit"] == 2


def test_a_server_that_does_not_answer_is_said_without_a_traceback(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Simulator() as simulator:
        url = simulator.url
    monkeypatch.setattr(Simulator.connect.__func__, "__kwdefaults__", {"control_token": None, "timeout": 0.1})  # type: ignore[attr-defined]  # mypy knows only the bound method
    monkeypatch.setenv("APIO_SIMULATOR_URL", url)
    pytester.makepyfile(SUITE + CHANGE)
    result = pytester.runpytest()
    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines([f"APIO_SIMULATOR_URL is {url!r}, but no simulator answers at {url}: *refused*"])
    result.stdout.no_fnmatch_line("*Traceback*")
    result.stdout.no_fnmatch_line("*During handling*")


def test_an_address_that_is_none_is_said_at_once(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APIO_SIMULATOR_URL", "localhost:4080")
    pytester.makepyfile(SUITE + CHANGE)
    result = pytester.runpytest()
    result.stdout.fnmatch_lines(
        ["APIO_SIMULATOR_URL is 'localhost:4080', but 'localhost:4080' is no address of a server; *"]
    )


def test_a_token_that_is_missing_is_asked_for(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    pytester.makepyfile(SUITE + CHANGE)
    with Simulator(control_token="s3cret") as simulator:
        monkeypatch.setenv("APIO_SIMULATOR_URL", simulator.url)
        result = pytester.runpytest()
        result.stdout.fnmatch_lines(
            ["the sandbox * cannot start: *401*; give the token as APIO_SIMULATOR_CONTROL_TOKEN"]
        )
        monkeypatch.setenv("APIO_SIMULATOR_CONTROL_TOKEN", "")
        pytester.runpytest().stdout.fnmatch_lines(["*control_token must be a text that is not empty*"])
        monkeypatch.setenv("APIO_SIMULATOR_CONTROL_TOKEN", "s3cret")
        pytester.runpytest().assert_outcomes(passed=2)


class TestSeeds:
    def test_a_marker_names_a_file_beside_the_test(self, pytester: pytest.Pytester) -> None:
        directory = pytester.mkdir("suite")
        (directory / "acme.yaml").write_text(ACME)
        (directory / "test_it.py").write_text(
            """
import pytest

@pytest.mark.apio_fixture("acme.yaml")
def test_seed(apio_sandbox):
    assert list(apio_sandbox.state["tenants"]) == ["acme"]
"""
        )
        pytester.runpytest("--strict-markers").assert_outcomes(passed=1)

    def test_a_marker_holds_a_document_and_the_nearest_one_counts(self, pytester: pytest.Pytester) -> None:
        pytester.makepyfile(
            """
import pytest

pytestmark = pytest.mark.apio_fixture("none.yaml")

@pytest.mark.apio_fixture({"version": 1, "defaultDomain": "x", "tenants": {"acme": {"type": "Enterprise"}}})
def test_seed(apio_sandbox):
    assert list(apio_sandbox.state["tenants"]) == ["acme"]
"""
        )
        pytester.runpytest().assert_outcomes(passed=1)

    @pytest.mark.parametrize(
        ("marker", "words"),
        [
            ('"none.yaml"', "cannot start: *none.yaml: cannot be read: No such file or directory"),
            ('"broken.yaml"', "cannot start: *broken.yaml:1:10: is not well-formed YAML: *"),
            ('{"version": 1}', "cannot start: the fixture: /defaultDomain: is required (G-18)"),
            ("", "apio_fixture takes the path of a fixture's file or a document, not ()"),
            ("17", "apio_fixture takes the path of a fixture's file or a document, not (17,)"),
        ],
    )
    def test_a_seed_that_is_none_is_said_without_a_traceback(
        self, pytester: pytest.Pytester, marker: str, words: str
    ) -> None:
        pytester.makefile(".yaml", broken="version: ]")
        pytester.makepyfile(f"import pytest\n@pytest.mark.apio_fixture({marker})\ndef test_seed(apio_sandbox): ...\n")
        result = pytester.runpytest()
        result.assert_outcomes(errors=1)
        result.stdout.fnmatch_lines([f"*{words}"])
        result.stdout.no_fnmatch_line("*During handling*")


class TestOptions:
    """`--apio-fixture`, `--apio-auth`, `--apio-profile`, and the ini options of these names."""

    WHERE = """
import httpx

def test_tenants(apio_sandbox):
    assert list(apio_sandbox.state["tenants"]) == ["acme"]
"""
    LOCKED = f"""
import httpx

def test_status(apio_sandbox):
    assert httpx.get(apio_sandbox.url + "/api/v1/{CAPACITIES}").status_code == 401
"""

    @pytest.fixture
    def world(self, pytester: pytest.Pytester) -> Path:
        """A fixture in the folder `worlds`."""
        file = pytester.mkdir("worlds") / "acme.yaml"
        file.write_text(ACME)
        return file

    @pytest.mark.usefixtures("world")
    @pytest.mark.parametrize("workers", [(), ("-n", "1"), ("-n", "1", "--apio-shared-server")])
    def test_a_suite_starts_from_the_file_that_its_ini_file_names_beside_itself(
        self, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, workers: tuple[str, ...]
    ) -> None:
        pytester.makeini("[pytest]\napio_fixture = worlds/acme.yaml\napio_auth = required")
        pytester.makepyfile(self.WHERE + self.LOCKED)
        monkeypatch.chdir(pytester.mkdir("elsewhere"))
        pytester.runpytest("..", *workers).assert_outcomes(passed=2)

    @pytest.mark.usefixtures("world")
    @pytest.mark.parametrize("workers", [(), ("-n", "1")])
    def test_the_flags_take_precedence_and_their_path_begins_in_the_working_directory(
        self, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, workers: tuple[str, ...]
    ) -> None:
        pytester.makeini("[pytest]\napio_fixture = none.yaml\napio_auth = optional")
        pytester.makepyfile(self.WHERE + self.LOCKED)
        monkeypatch.chdir(pytester.path / "worlds")
        result = pytester.runpytest("..", "--apio-fixture", "acme.yaml", "--apio-auth", "required", *workers)
        result.assert_outcomes(passed=2)

    @pytest.mark.usefixtures("world")
    def test_a_folder_is_as_good_as_its_only_file_and_a_marker_takes_precedence(
        self, pytester: pytest.Pytester
    ) -> None:
        pytester.makepyfile(
            self.WHERE
            + """
import pytest

@pytest.mark.apio_fixture({"version": 1, "defaultDomain": "x", "tenants": {"other": {"type": "Enterprise"}}})
def test_marked(apio_sandbox):
    assert list(apio_sandbox.state["tenants"]) == ["other"]
"""
        )
        pytester.runpytest("--apio-fixture=worlds").assert_outcomes(passed=2)

    @pytest.mark.usefixtures("world")
    def test_an_override_of_the_ini_option_counts_and_an_empty_one_is_none(self, pytester: pytest.Pytester) -> None:
        pytester.makepyfile(self.WHERE)
        pytester.runpytest("-o", "apio_fixture=worlds/acme.yaml", "-o", "apio_auth=").assert_outcomes(passed=1)
        pytester.runpytest("-o", "apio_fixture=").assert_outcomes(failed=1)

    @pytest.mark.parametrize("workers", [(), ("-n", "1")], ids=["alone", "worker"])
    @pytest.mark.parametrize(
        ("options", "words"),
        [
            (["--apio-fixture", "none.yaml"], "--apio-fixture: *none.yaml: cannot be read: No such file or directory"),
            (["--apio-fixture", "bad.yaml"], "--apio-fixture: *bad.yaml:1: /version: must be 1, not 2*"),
            (["--apio-fixture", ""], "--apio-fixture: *holds several fixtures*"),
            (["-o", "apio_fixture=none.yaml"], "apio_fixture in *tox.ini: *none.yaml: cannot be read: *"),
            (["--apio-profile", "none.yaml"], "--apio-profile: *none.yaml: cannot be read: *"),
            (["-o", "apio_profile=good.yaml"], "apio_profile in *tox.ini: *good.yaml:1: /system: is required*"),
            (["--apio-auth", "none"], "--apio-auth: auth must be one of optional, required, not 'none'"),
            (["-o", "apio_auth=none"], "apio_auth in *tox.ini: auth must be one of optional, required, not 'none'"),
        ],
    )
    def test_a_wrong_one_is_an_error_of_usage_before_the_first_test(
        self, pytester: pytest.Pytester, options: list[str], words: str, workers: tuple[str, ...]
    ) -> None:
        pytester.makeini("[pytest]")
        pytester.makefile(".yaml", bad=ACME.replace("version: 1", "version: 2").strip(), good=ACME)
        pytester.makepyfile(SUITE + CHANGE)
        result = pytester.runpytest(*options, *workers)
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines([f"ERROR: {words}"])
        result.stdout.no_fnmatch_line("*passed*")
        result.stdout.no_fnmatch_line("*Traceback*")

    @pytest.mark.usefixtures("world")
    @pytest.mark.parametrize("workers", [(), ("-n", "1", "--apio-shared-server")])
    def test_on_a_server_elsewhere_every_sandbox_starts_from_the_file(
        self,
        pytester: pytest.Pytester,
        remote: Simulator,
        monkeypatch: pytest.MonkeyPatch,
        workers: tuple[str, ...],
    ) -> None:
        monkeypatch.setenv("APIO_SIMULATOR_URL", remote.url)
        pytester.makeini("[pytest]\napio_fixture = worlds/acme.yaml")
        reset = "\ndef test_reset(apio_sandbox):\n    apio_sandbox.reset()\n    test_tenants(apio_sandbox)\n"
        pytester.makepyfile(self.WHERE + reset)
        pytester.runpytest(*workers).assert_outcomes(passed=2)
        assert "acme" not in remote.default.state["tenants"]

    @pytest.mark.rule("S-14")
    @pytest.mark.parametrize("workers", [(), ("-n", "1", "--apio-shared-server")])
    def test_the_server_follows_the_profile_that_the_ini_file_names(
        self, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, workers: tuple[str, ...]
    ) -> None:
        (pytester.mkdir("labs") / "lab.yaml").write_text(PROFILE)
        pytester.makeini("[pytest]\napio_profile = labs/lab.yaml")
        pytester.makepyfile(WITHOUT_USERS)
        monkeypatch.chdir(pytester.mkdir("elsewhere"))
        pytester.runpytest("..", *workers).assert_outcomes(passed=1)

    @pytest.mark.rule("S-14")
    def test_a_server_elsewhere_must_follow_the_profile_that_is_named(
        self, pytester: pytest.Pytester, remote: Simulator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        file = pytester.makefile(".yaml", lab=PROFILE)
        pytester.makepyfile(WITHOUT_USERS)
        with Simulator(profile=file) as simulator:
            monkeypatch.setenv("APIO_SIMULATOR_URL", simulator.url)
            pytester.runpytest("--apio-profile", "lab.yaml").assert_outcomes(passed=1)
        monkeypatch.setenv("APIO_SIMULATOR_URL", remote.url)
        result = pytester.runpytest("--apio-profile", "lab.yaml")
        result.assert_outcomes(errors=1)
        result.stdout.fnmatch_lines(
            ["*but that server does not follow the profile that --apio-profile names: start the server *"]
        )

    @pytest.mark.parametrize(("runs", "demanded"), [("optional", "required"), ("required", "optional")])
    def test_a_server_elsewhere_must_run_in_the_mode_that_is_demanded(
        self, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, runs: Any, demanded: str
    ) -> None:
        pytester.makepyfile("def test_it(apio_sandbox): ...")
        with Simulator(auth=runs, control_token="s3cret") as simulator:
            monkeypatch.setenv("APIO_SIMULATOR_URL", simulator.url)
            monkeypatch.setenv("APIO_SIMULATOR_CONTROL_TOKEN", "s3cret")
            pytester.runpytest("--apio-auth", runs).assert_outcomes(passed=1)
            result = pytester.runpytest("--apio-auth", demanded)
        result.assert_outcomes(errors=1)
        result.stdout.fnmatch_lines(
            [
                f"APIO_SIMULATOR_URL is 'http://*', but that server runs with --auth {runs}, and --apio-auth is "
                f"{demanded}: start the server with --auth {demanded}, or change the option"
            ]
        )
        result.stdout.no_fnmatch_line("*Traceback*")

    @pytest.mark.usefixtures("world")
    def test_a_pytest_fixture_that_takes_the_place_of_the_simulator_has_options_of_its_own(
        self, pytester: pytest.Pytester
    ) -> None:
        pytester.makeconftest(
            """
import pytest
from simulator import Simulator

@pytest.fixture(scope="session")
def apio_simulator():
    with Simulator() as simulator:
        yield simulator
"""
        )
        pytester.makepyfile(SUITE + CHANGE)
        pytester.runpytest("--apio-fixture=worlds", "--apio-auth=required").assert_outcomes(passed=2)


class TestReport:
    def test_of_a_test_that_fails_it_shows_calls_reasons_and_changes(self, pytester: pytest.Pytester) -> None:
        pytester.makepyfile(
            SUITE
            + """
def test_fail(apio_sandbox):
    httpx.put(apio_sandbox.url + CAPACITIES + "Reception/", json={"maxCalls": 9})
    assert httpx.get(apio_sandbox.url + CAPACITIES + "Recepion/").is_success
"""
        )
        result = pytester.runpytest()
        result.assert_outcomes(failed=1)
        result.stdout.fnmatch_lines(
            [
                "*- apio-simulator: http://*/_sandboxes/test_fail-* -*",
                "The calls:",
                f"* PUT /api/v1/{CAPACITIES}Reception/ 200 * ms as anonymous",
                f"* GET /api/v1/{CAPACITIES}Recepion/ 404 * ms as anonymous",
                "* getCallCapacity was refused with 404, *Did you mean 'Reception'? Rule G-9 (vendor): *",
                "What has changed:",
                "~ /tenants/foo/groups/foogroup/callCapacities/Reception/maxCalls: 7 -> 9",
            ],
            consecutive=True,
        )

    @pytest.mark.parametrize(
        ("call", "reason"),
        [
            ("requests(statuss=404)", "TypeError: Sandbox.requests() got an unexpected keyword argument 'statuss'*"),
            (
                "fault(operationID='login')",
                "TypeError: Sandbox.fault() got an unexpected keyword argument 'operationID'*",
            ),
            (
                "requests(operationId='getAlertin')",
                "simulator.client.Refused: there is no operation 'getAlertin'; did you mean 'getAlerting'? (S-7) *",
            ),
            ("restore('x')", "simulator.client.Refused: the sandbox has no snapshot 'x' (S-5) *"),
        ],
    )
    def test_of_a_mistake_in_a_call_it_shows_the_reason_and_the_line_of_the_test(
        self, pytester: pytest.Pytester, call: str, reason: str
    ) -> None:
        pytester.makepyfile(f"def test_fail(apio_sandbox):\n    apio_sandbox.{call}")
        result = pytester.runpytest()
        result.stdout.fnmatch_lines([f">       apio_sandbox.{call}", f"E       {reason}"])
        for file in ("library.py", "client.py"):
            result.stdout.no_fnmatch_line(f"*{file}*")

    def test_of_many_calls_it_shows_the_last(self, pytester: pytest.Pytester) -> None:
        pytester.makepyfile(
            SUITE + "\ndef test_fail(apio_sandbox):\n    for _ in range(12): maximum(apio_sandbox)\n    assert False\n"
        )
        result = pytester.runpytest()
        result.stdout.fnmatch_lines(["The last 10 of 12 calls:", "The state is what it was at the start."])
        assert str(result.stdout).count(" GET /api/v1/") == 10

    def test_it_says_that_no_call_came(self, pytester: pytest.Pytester) -> None:
        pytester.makepyfile("def test_fail(apio_sandbox): assert False")
        pytester.runpytest().stdout.fnmatch_lines(
            ["The journal holds no call of the API. Does the client use *apio_sandbox?"]
        )

    def test_of_a_fixture_that_fails_it_shows_the_same(self, pytester: pytest.Pytester) -> None:
        pytester.makepyfile(
            SUITE
            + """
@pytest.fixture
def client(apio_sandbox):
    maximum(apio_sandbox)
    raise RuntimeError

def test_error(client): ...
"""
        )
        result = pytester.runpytest()
        result.assert_outcomes(errors=1)
        result.stdout.fnmatch_lines(["The calls:", f"* GET /api/v1/{CAPACITIES}Reception/ 200 * ms as anonymous"])

    def test_it_is_in_the_file_for_a_ci_server_too(self, pytester: pytest.Pytester) -> None:
        pytester.makepyfile(SUITE + "\ndef test_fail(apio_sandbox):\n    assert maximum(apio_sandbox) == 8\n")
        pytester.runpytest("--junitxml=report.xml", "--show-capture=no")
        assert f"GET /api/v1/{CAPACITIES}Reception/ 200" in (pytester.path / "report.xml").read_text("utf-8")

    def test_without_a_journal_it_asks_nothing(self, pytester: pytest.Pytester) -> None:
        pytester.makeconftest(
            """
import pytest
from simulator import Simulator

@pytest.fixture(scope="session")
def apio_simulator():
    with Simulator(journal_limit=0) as simulator:
        yield simulator
"""
        )
        pytester.makepyfile(SUITE + CHANGE.replace("== 9", "== 8"))
        result = pytester.runpytest()
        result.stdout.fnmatch_lines(
            ["The journal holds no call of the API.", "What has changed:"],
            consecutive=True,
        )

    def test_of_tests_that_pass_it_shows_nothing(self, pytester: pytest.Pytester) -> None:
        pytester.makepyfile(
            SUITE + CHANGE + "\n@pytest.mark.xfail\ndef test_x(apio_sandbox): assert maximum(apio_sandbox) == 8\n"
        )
        pytester.runpytest("-rA").stdout.no_fnmatch_line("*What has changed*")

    def test_a_server_that_went_away_does_not_hide_the_failure(self, pytester: pytest.Pytester) -> None:
        pytester.makepyfile(
            """
import pytest
from simulator import Simulator

@pytest.fixture(scope="session")
def apio_simulator():
    with Simulator() as simulator:
        yield simulator

def test_fail(apio_simulator, apio_sandbox):
    apio_simulator._server.stop()
    assert "own" == "reason"
"""
        )
        result = pytester.runpytest()
        result.assert_outcomes(failed=1, errors=1)
        result.stdout.fnmatch_lines(
            ["*AssertionError*", "The calls and changes cannot be read: no simulator answers at *"]
        )

    def test_of_a_sandbox_that_is_gone_it_says_so_and_brings_none_into_being(
        self, pytester: pytest.Pytester, remote: Simulator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("APIO_SIMULATOR_URL", remote.url)
        pytester.makepyfile(SUITE + "\ndef test_fail(apio_sandbox):\n    apio_sandbox.drop()\n    assert False\n")
        result = pytester.runpytest()
        result.assert_outcomes(failed=1)
        result.stdout.fnmatch_lines(["The sandbox is gone: the test dropped it, *"])
        assert sandboxes(remote) == ["default"]

    @pytest.mark.parametrize("name", ["r1", "r\u00e9\x1b[31m" + "x" * 200])
    def test_it_names_the_replica_if_a_proxy_in_front_tells_it(
        self, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, name: str
    ) -> None:
        app = create_app(sandboxes="created").wsgi_app

        def proxy(environ: Any, start_response: Any) -> Any:
            def start(line: str, fields: list[tuple[str, str]], *_: object) -> Any:
                return start_response(line, [*fields, ("X-Simulator-Replica", name)])

            return app(environ, start)

        pytester.makepyfile(
            SUITE
            + "\ndef test_fail(apio_sandbox):\n    assert maximum(apio_sandbox) == 8\n"
            + "\ndef test_gone(apio_sandbox):\n    apio_sandbox.drop()\n    assert maximum(apio_sandbox) == 8\n"
        )
        with served(proxy) as server:
            monkeypatch.setenv("APIO_SIMULATOR_URL", server.url)
            result = pytester.runpytest()
        result.assert_outcomes(failed=2)
        shown = [line for line in result.outlines if line.startswith("Replica: ")]
        assert shown == (["Replica: r1"] * 2 if name == "r1" else [shown[0]] * 2)
        assert all(line.isprintable() and len(line) < 120 for line in shown)
        result.stdout.fnmatch_lines(["Replica: *", "The calls:", "*", "Replica: *", "The sandbox is gone: *"])

    def test_a_sandbox_that_went_by_another_way_is_no_error(self, pytester: pytest.Pytester) -> None:
        pytester.makepyfile(
            SUITE
            + """
def gone(sandbox):
    sandbox.control.call("DELETE", f"sandboxes/{sandbox.name}")

def test_at_its_end(apio_sandbox):
    gone(apio_sandbox)

def test_at_a_reset(apio_sandbox):
    gone(apio_sandbox)
    apio_sandbox.reset()
    assert maximum(apio_sandbox) == 7

def test_twice(apio_sandbox):
    apio_sandbox.drop()
    apio_sandbox.drop()
"""
        )
        pytester.runpytest().assert_outcomes(passed=3)

    def test_of_many_changes_it_shows_some(self, pytester: pytest.Pytester) -> None:
        pytester.makepyfile(
            """
def test_fail(apio_sandbox):
    apio_sandbox.patch({"tenants": {f"t{number}": {"type": "Enterprise"} for number in range(30)}})
    assert False
"""
        )
        result = pytester.runpytest()
        result.stdout.fnmatch_lines(["+ /tenants/t*", "and 10 more changes"])
        assert str(result.stdout).count("\n+ /tenants/t") == 20

    def test_a_failure_after_the_sandbox_was_dropped_shows_nothing_of_it(self, pytester: pytest.Pytester) -> None:
        pytester.makepyfile(
            SUITE
            + """
@pytest.fixture
def outer():
    yield
    assert False

def test_it(outer, apio_sandbox):
    maximum(apio_sandbox)
"""
        )
        result = pytester.runpytest()
        result.assert_outcomes(passed=1, errors=1)
        result.stdout.no_fnmatch_line("*apio-simulator: http*")


class TestCoverage:
    def test_what_a_test_resets_or_drops_counts(self, pytester: pytest.Pytester) -> None:
        pytester.makepyfile(
            SUITE
            + """
def test_reset(apio_sandbox):
    maximum(apio_sandbox)
    apio_sandbox.reset()

def test_drop(apio_sandbox):
    httpx.get(apio_sandbox.url + CAPACITIES)
    apio_sandbox.drop()
"""
        )
        pytester.runpytest().stdout.fnmatch_lines(["2 of 20 operations (10 %), *"])

    def test_what_is_kept_does_not_grow_with_the_number_of_tests(self, pytester: pytest.Pytester) -> None:
        pytester.makeconftest(
            """
from simulator.pytest_plugin import _COVERAGE

def pytest_sessionfinish(session):
    print("kept under the name", session.config.stash[_COVERAGE]["sandbox"])
"""
        )
        pytester.makepyfile(SUITE + CHANGE)
        pytester.runpytest("-s").stdout.fnmatch_lines(["*kept under the name [*]"])

    def test_a_session_that_was_interrupted_stays_that(self, pytester: pytest.Pytester) -> None:
        pytester.makepyfile("def test_stop(apio_sandbox): raise KeyboardInterrupt")
        result = pytester.inline_run("--apio-coverage-fail-under", "50", no_reraise_ctrlc=True)
        assert result.ret == pytest.ExitCode.INTERRUPTED

    def test_at_the_end_there_is_a_summary(self, pytester: pytest.Pytester) -> None:
        pytester.makepyfile(SUITE + CHANGE)
        result = pytester.runpytest()
        result.stdout.fnmatch_lines(
            [
                "*= apio-simulator coverage =*",
                "2 of 20 operations (10 %), 2 of 129 documented statuses (2 %)",
                "never called: login, *",
            ]
        )

    def test_in_a_quiet_session_it_is_a_line(self, pytester: pytest.Pytester) -> None:
        pytester.makepyfile(SUITE + CHANGE)
        result = pytester.runpytest("-q")
        result.stdout.fnmatch_lines(["2 of 20 operations (10 %), *"])
        result.stdout.no_fnmatch_line("never called*")

    @pytest.mark.parametrize(("least", "status", "workers"), [("10", 0, ()), ("10.5", 1, ()), ("10.5", 1, ("-n", "2"))])
    def test_too_little_of_it_fails_the_session(
        self, pytester: pytest.Pytester, least: str, status: int, workers: tuple[str, ...]
    ) -> None:
        pytester.makepyfile(SUITE + CHANGE)
        result = pytester.runpytest("--apio-coverage-fail-under", least, *workers)
        assert result.ret == status
        result.assert_outcomes(passed=2)
        result.stdout.fnmatch_lines(["2 of 20 operations (10 %), *"])
        if status:
            result.stdout.fnmatch_lines(
                ["--apio-coverage-fail-under: 10.0 % of the operations were called, not 10.5 %"]
            )

    def test_where_no_test_asked_for_a_sandbox_there_is_too_little(self, pytester: pytest.Pytester) -> None:
        pytester.makepyfile("def test_nothing(): ...")
        assert pytester.runpytest("--apio-coverage-fail-under", "1").ret == 1
        collected = pytester.runpytest("--apio-coverage-fail-under", "1", "--collect-only")
        assert collected.ret == 0
        collected.stdout.no_fnmatch_line("*coverage =*")
        assert pytester.runpytest("--apio-coverage-fail-under", "0").ret == 0

    @pytest.mark.parametrize("least", ["many", "-1", "101", "nan"])
    def test_a_percentage_that_is_none_is_refused(self, pytester: pytest.Pytester, least: str) -> None:
        result = pytester.runpytest(f"--apio-coverage-fail-under={least}")
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines([f"*{least}' is no percentage; give a number from 0 to 100"])


class TestWorkers:
    MANY = "\n@pytest.mark.parametrize('number', range(8))\ndef test_where(apio_simulator, apio_sandbox, number):\n    "

    def where(self, pytester: pytest.Pytester, *arguments: str) -> set[str]:
        (pytester.path / "seen").mkdir()
        write = "import os; open(f'seen/{number}', 'w').write(f'{apio_simulator.url} {os.getpid()}')\n    "
        pytester.makepyfile(SUITE + self.MANY + write + "assert maximum(apio_sandbox) == 7\n")
        pytester.runpytest("-n", "2", *arguments).assert_outcomes(passed=8)
        seen = [file.read_text().split() for file in (pytester.path / "seen").iterdir()]
        assert len({process for _, process in seen}) == 2
        return {url for url, _ in seen}

    def test_each_has_a_simulator_of_its_own(self, pytester: pytest.Pytester) -> None:
        assert len(self.where(pytester)) == 2

    def test_or_all_share_one_that_ends_with_the_session(self, pytester: pytest.Pytester) -> None:
        before = set(threading.enumerate())
        assert len(self.where(pytester, "--apio-shared-server")) == 1
        left = [each.name for each in set(threading.enumerate()) - before]
        assert "apio-simulator" not in left

    def test_or_all_use_one_elsewhere(
        self, pytester: pytest.Pytester, remote: Simulator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("APIO_SIMULATOR_URL", remote.url)
        assert self.where(pytester, "--apio-shared-server") == {remote.url}
        assert sandboxes(remote) == ["default"]


def test_it_knows_pytest_no_further_than_it_must() -> None:
    program = "import sys, simulator.pytest_plugin; assert 'xdist' not in sys.modules and 'orjson' not in sys.modules"
    assert python("-c", program).returncode == 0
