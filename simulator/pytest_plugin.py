"""The pytest plugin: a simulator for the session, a sandbox for each test, and its calls if the test fails.

The rest of the simulator is only loaded when a test uses one of the plugin's pytest fixtures. The module is long
because pytest looks for all hooks and pytest fixtures of a plugin in one module.
"""

from __future__ import annotations

import argparse
import os
import re
import uuid
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from simulator.document import Source
    from simulator.library import Sandbox, Simulator
    from simulator.settings import Options

URL = "APIO_SIMULATOR_URL"
CONTROL_TOKEN = "APIO_SIMULATOR_CONTROL_TOKEN"  # noqa: S105  # the name of a variable
MARKER = "apio_fixture"
COVERAGE = "apio_coverage"
"""The key under which a worker of pytest-xdist hands over its coverage."""
CALLS_SHOWN = 10
CHANGES_SHOWN = 20
NOT_FOUND = 404
LONGEST_NAME = 50
"""How many characters of the test's name are in the sandbox's name. A unique suffix follows."""

LONGEST_REPLICA = 100
"""How many characters of a replica's name the report shows."""

_SANDBOX = pytest.StashKey["Sandbox"]()
_SEED = pytest.StashKey[Mapping[str, Any]]()
"""The fixture of every sandbox on a server that has another one."""
_SHARED = pytest.StashKey["Simulator"]()
_COVERAGE = pytest.StashKey[Mapping[str, Any]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of the plugin."""
    group = parser.getgroup("apio-simulator")
    group.addoption(
        "--apio-fixture",
        metavar="PATH",
        help="the fixture that every sandbox starts from: a file, or its folder (default: the ini option apio_fixture)",
    )
    group.addoption(
        "--apio-auth",
        metavar="MODE",
        help="whether the API demands credentials: optional or required (default: the ini option apio_auth)",
    )
    group.addoption(
        "--apio-profile",
        metavar="PATH",
        help="what was observed on a real system, for the simulator to follow (default: the ini option apio_profile)",
    )
    parser.addini("apio_fixture", "the same as --apio-fixture; the path is relative to the folder of the ini file")
    parser.addini("apio_auth", "the same as --apio-auth")
    parser.addini("apio_profile", "the same as --apio-profile; the path is relative to the folder of the ini file")
    group.addoption(
        "--apio-shared-server",
        action="store_true",
        help="one simulator for all workers of pytest-xdist, instead of one for each",
    )
    group.addoption(
        "--apio-coverage-fail-under",
        metavar="N",
        type=_per_cent,
        help="fail if fewer operations were called in the tests' sandboxes, in %%",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line(
        "markers",
        f"{MARKER}(source): the fixture that the sandbox starts from: a path relative to the test file, or a document",
    )


@pytest.fixture(scope="session")
def apio_simulator(request: pytest.FixtureRequest) -> Iterator[Simulator]:
    """A simulator for all tests: the one at `APIO_SIMULATOR_URL` if that is set, else one on its own thread.

    To use other options than `--apio-fixture`, `--apio-auth` and `--apio-profile`, define a pytest fixture of this name
    in `conftest.py`.
    """
    from simulator.client import Refused, Unreachable
    from simulator.library import Simulator

    config = request.config
    shared = getattr(config, "workerinput", {}).get(URL)
    url = shared or os.environ.get(URL)
    if not url:
        with Simulator(_path(config, "fixture"), profile=_path(config, "profile"), **_options(config)) as simulator:
            yield simulator
        return
    try:
        connected = Simulator.connect(url, control_token=os.environ.get(CONTROL_TOKEN))
        if not shared:
            _adapt(config, connected)
    except (Refused, Unreachable, ValueError) as problem:
        raise pytest.fail.Exception(f"{URL} is {url!r}, but {problem}", pytrace=False) from None
    yield connected


@pytest.fixture
def apio_sandbox(request: pytest.FixtureRequest, apio_simulator: Simulator) -> Iterator[Sandbox]:
    """A fresh sandbox for the test. Its seed is the one in the marker `apio_fixture`, or else that of all tests."""
    from simulator.client import Refused
    from simulator.errors import BrokenDocument

    name = re.sub("[^A-Za-z0-9_]+", "-", request.node.name)[:LONGEST_NAME].strip("-")
    name = f"{name}-{uuid.uuid4().hex[:12]}"
    try:
        sandbox = apio_simulator.sandbox(name, _seed(request))
    except (BrokenDocument, Refused) as problem:
        remedy = f"; give the token as {CONTROL_TOKEN}" if getattr(problem, "status", None) == 401 else ""
        message = f"the sandbox of the test cannot start: {problem}{remedy}"
        raise pytest.fail.Exception(message, pytrace=False) from None
    with _test_sandbox(sandbox, request.config) as sandbox:
        request.node.stash[_SANDBOX] = sandbox
        yield sandbox
        del request.node.stash[_SANDBOX]


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Refuse a wrong fixture, profile or mode before pytest-xdist starts workers and before the first test."""
    config = session.config
    fixture, profile, options = _path(config, "fixture"), _path(config, "profile"), _options(config)
    if hasattr(config, "workerinput") or (fixture is None and profile is None and not options):
        return
    from simulator.app import standard_simulation
    from simulator.errors import BrokenDocument
    from simulator.settings import Settings

    wrong = "profile"
    try:
        Settings.of(**options)
        simulation = standard_simulation().following(profile)
        wrong = "fixture"
        simulation.world(fixture)
    except BrokenDocument as problem:
        raise pytest.UsageError(f"{_source(config, wrong)}: {problem}") from None
    except ValueError as problem:
        raise pytest.UsageError(f"{_source(config, 'auth')}: {problem}") from None


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, None]:
    """Add the calls and changes in the sandbox to the report of a failed test."""
    outcome = yield
    report = outcome.get_result()
    sandbox = item.stash.get(_SANDBOX, None)
    if report.failed and sandbox is not None:
        section = f"apio-simulator: {sandbox.url}", _what_went_on(sandbox)
        # A section of the failure itself also gets into JUnit files, and is shown with any setting for output.
        if hasattr(report.longrepr, "addsection"):
            report.longrepr.addsection(*section)
        else:
            report.sections.append(section)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker of pytest-xdist where the shared simulator is."""
    stash = node.config.stash
    if node.config.getoption("--apio-shared-server") and not os.environ.get(URL):
        if _SHARED not in stash:
            from simulator.library import Simulator

            fixture, profile = _path(node.config, "fixture"), _path(node.config, "profile")
            stash[_SHARED] = Simulator(fixture, profile=profile, **_options(node.config)).start()
        node.workerinput[URL] = stash[_SHARED].url


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Add the coverage of a worker of pytest-xdist. A worker that crashed hands over none."""
    covered = getattr(node, "workeroutput", {}).get(COVERAGE)
    if covered is not None:
        _add_coverage(node.config, covered)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """In a worker, hand over its coverage. In the main process, fail the session if the coverage is too low."""
    config = session.config
    covered = config.stash.get(_COVERAGE, None)
    if hasattr(config, "workeroutput"):
        config.workeroutput[COVERAGE] = covered
    elif _too_little(config) and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the coverage of the tests' sandboxes."""
    covered = config.stash.get(_COVERAGE, None)
    least = config.getoption("--apio-coverage-fail-under")
    if config.option.collectonly or (covered is None and least is None):
        return
    terminalreporter.section("apio-simulator coverage")
    if covered is not None:
        from simulator.reports.coverage import summary

        sums, _, missing = summary(covered).partition("\n")
        terminalreporter.write_line(sums)
        if missing and config.option.verbose >= 0:
            terminalreporter.write_line(missing)
    if _too_little(config):
        found = f"{_called(config):.1f} % of the operations were called, not {least:g} %"
        terminalreporter.write_line(f"--apio-coverage-fail-under: {found}", red=True, bold=True)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the shared simulator."""
    if _SHARED in config.stash:
        config.stash[_SHARED].stop()


def _per_cent(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 100:
        raise argparse.ArgumentTypeError(f"{text!r} is no percentage; give a number from 0 to 100")
    return number


def _source(config: pytest.Config, option: str) -> str:
    """Returns where an option was given: the name of the flag, or the ini option with its file."""
    if config.getoption(f"--apio-{option}") is not None:
        return f"--apio-{option}"
    return f"apio_{option} in {config.inipath}" if config.inipath else f"apio_{option}"


def _path(config: pytest.Config, option: str) -> Path | None:
    """Returns the path of the fixture or the profile for all tests. An ini file's path is relative to its folder."""
    flag: str | None = config.getoption(f"--apio-{option}")
    if flag is not None:
        return config.invocation_params.dir / flag
    stated: str = config.getini(f"apio_{option}")
    return (config.inipath.parent if config.inipath else config.rootpath) / stated if stated else None


def _options(config: pytest.Config) -> Options:
    """Returns the options of the simulator for all tests, apart from its fixture and its profile."""
    flag, stated = config.getoption("--apio-auth"), config.getini("apio_auth")
    auth = stated or None if flag is None else flag
    return {} if auth is None else {"auth": auth}


def _adapt(config: pytest.Config, simulator: Simulator) -> None:
    """Give every sandbox on a server elsewhere the fixture for all tests.

    Raises `ValueError` if the server has another mode than `--apio-auth`, or another profile than `--apio-profile`: no
    sandbox can have its own.
    """
    fixture, profile, demanded = _path(config, "fixture"), _path(config, "profile"), _options(config).get("auth")
    if fixture is not None:
        from simulator.fixture.folder import fixture_document

        config.stash[_SEED] = fixture_document(fixture).data
    if profile is not None:
        from simulator.app import standard_simulation

        expected = standard_simulation().following(profile).rules()
        if simulator.default.control.get("rules") != expected:
            raise ValueError(
                f"that server does not follow the profile that {_source(config, 'profile')} names: "
                f"start the server with --profile {profile}, or leave the option out"
            )
    if demanded is not None:
        paths = simulator.default.control.get("openapi.json")["paths"]
        optional = any({} in each.get("security", ()) for methods in paths.values() for each in methods.values())
        found = "optional" if optional else "required"
        if found != demanded:
            raise ValueError(
                f"that server runs with --auth {found}, and {_source(config, 'auth')} is {demanded}: "
                f"start the server with --auth {demanded}, or change the option"
            )


def _seed(request: pytest.FixtureRequest) -> Source | None:
    """Returns the fixture in the marker, or else the one of all tests, or `None` if that is the server's own.

    A path in the marker is relative to the directory of the test's file.
    """
    marker = request.node.get_closest_marker(MARKER)
    if marker is None:
        return request.config.stash.get(_SEED, None)
    if len(marker.args) != 1 or marker.kwargs or not isinstance(marker.args[0], str | Path | Mapping):
        given = f"{marker.args}{marker.kwargs or ''}"
        pytest.fail(f"{MARKER} takes the path of a fixture's file or a document, not {given}", pytrace=False)
    source: Source = marker.args[0]
    return source if isinstance(source, Mapping) else request.path.parent / source


def _test_sandbox(sandbox: Sandbox, config: pytest.Config) -> Sandbox:
    """Returns the sandbox, with its coverage saved before each reset and drop."""
    from simulator.library import Sandbox

    class TestSandbox(Sandbox):
        def reset(self) -> None:
            _keep_coverage(config, self)
            super().reset()

        def drop(self) -> None:
            if _keep_coverage(config, self):
                super().drop()
            self._dropped = True

    return TestSandbox(sandbox.control)


def _keep_coverage(config: pytest.Config, sandbox: Sandbox) -> bool:
    """Add the coverage of a sandbox. Returns whether the sandbox still exists."""
    from simulator.client import Refused

    try:
        covered = sandbox.coverage()
    except Refused as refused:
        if refused.status != NOT_FOUND:
            raise
        return False
    _add_coverage(config, covered)
    return True


def _add_coverage(config: pytest.Config, coverage: Mapping[str, Any]) -> None:
    from simulator.reports.coverage import merged

    known = config.stash.get(_COVERAGE, None)
    total = merged([coverage] if known is None else [known, coverage])
    # The names of all sandboxes together would be long.
    config.stash[_COVERAGE] = {**total, "sandbox": "*"}


def _called(config: pytest.Config) -> float:
    """Returns how many per cent of the operations were called."""
    from simulator.reports.coverage import percentage

    covered = config.stash.get(_COVERAGE, None)
    return 0.0 if covered is None else percentage(covered, "operations")


def _too_little(config: pytest.Config) -> bool:
    least = config.getoption("--apio-coverage-fail-under")
    return least is not None and not config.option.collectonly and _called(config) < least


def _what_went_on(sandbox: Sandbox) -> str:
    """Returns the last calls of the sandbox, with the reasons for refusals, and the changes of its state."""
    from simulator.client import Refused, Unreachable
    from simulator.reports.journal import call_text, change_text

    try:
        calls = sandbox.control.get("requests", {"limit": CALLS_SHOWN})
        changes = sandbox.diff()
    except (Refused, Unreachable) as failure:
        if getattr(failure, "status", None) == NOT_FOUND:
            gone = (
                "The sandbox is gone: the test dropped it, a new one took its place (see --sandbox-limit), "
                "or the server has started again."
            )
            return "\n".join([*_replica(sandbox), gone])
        return f"The calls and changes cannot be read: {failure}"
    shown, total = calls["requests"], calls["total"]
    title = f"The last {len(shown)} of {total} calls:" if total > len(shown) else "The calls:"
    more = len(changes) - CHANGES_SHOWN
    if not total:
        # There may have been calls if the journal is switched off. A delayed call is not in it yet.
        asked = "" if changes else " Does the client use the url of apio_sandbox?"
        title = f"The journal holds no call of the API.{asked}"
    return "\n".join(
        [
            *_replica(sandbox),
            title,
            *map(call_text, shown),
            "What has changed:" if changes else "The state is what it was at the start.",
            *map(change_text, changes[:CHANGES_SHOWN]),
            *([f"and {more} more changes"] if more > 0 else []),
        ]
    )


def _replica(sandbox: Sandbox) -> list[str]:
    """Returns a line that names the server that answers for the sandbox, if a proxy in front tells it."""
    from simulator.client import Refused, Unreachable
    from simulator.reports.text import printable

    try:
        name = sandbox.control.replica()
    except (Refused, Unreachable):
        # The calls and changes are there, and must be shown.
        return []
    return [] if name is None else [f"Replica: {printable(name[:LONGEST_REPLICA])}"]
