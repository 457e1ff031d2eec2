"""Test suites that run unchanged with their simulator behind HAProxy, with several workers."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.conftest import CAPACITIES
from tests.scale_out.conftest import Fleet

ROOT = Path(__file__).parents[2]

# What tests do with their sandbox, in enough tests to use all replicas.
SUITE = f"""
import httpx, pytest

@pytest.mark.parametrize("number", range(100, 160))
def test_it(apio_sandbox, number):
    capacities = apio_sandbox.url + "/api/v1/{CAPACITIES}"
    apio_sandbox.snapshot("start")
    apio_sandbox.fault(operationId="deleteCallCapacity", status=503, times=1)
    assert httpx.put(capacities + "Reception/", json={{"maxCalls": number}}).status_code == 200
    assert [httpx.delete(capacities + "disposable/").status_code for _ in range(2)] == [503, 200]
    assert [change["op"] for change in apio_sandbox.diff("start")] == ["replace", "remove"]
    assert [call["status"] for call in apio_sandbox.requests()] == [200, 503, 200]
    apio_sandbox.restore("start")
    assert httpx.get(capacities + "Reception/").json()["maxCalls"] == 7
"""


def run(folder: Path, *arguments: str, **variables: str) -> str:
    """Run pytest in its own process with our plugin, and return what it printed. All tests must pass."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "xdist", "-p", "simulator.pytest_plugin"]
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")},
        # Other plugins that are installed here would take time to load.
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        **variables,
    }
    done = subprocess.run(
        [*command, *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def calls_by_replica(fleet: Fleet) -> dict[str, int]:
    return {name: fleet.covered(name) for name in fleet.replicas.ports}


def test_the_suites_of_the_library_and_the_plugin_pass(fleet: Fleet) -> None:
    suites = ["tests/test_library.py", "tests/test_pytest_plugin.py"]
    printed = run(ROOT, "-p", "tests.scale_out.at_proxy", "-n", "2", "-q", *suites, PROXY=fleet.url)
    passed = re.search(r"(\d+) passed", printed)
    assert passed
    assert int(passed[1]) > 30


def test_the_example_in_python_and_a_suite_with_many_tests_pass(fleet: Fleet, tmp_path: Path) -> None:
    before = calls_by_replica(fleet)
    folder = shutil.copytree(ROOT / "examples" / "python", tmp_path / "python")
    (folder / "test_many.py").write_text(SUITE, encoding="utf-8")
    printed = run(folder, "-n", "4", "--apio-shared-server", APIO_SIMULATOR_URL=fleet.url)
    passed = re.search(r"(\d+) passed", printed)
    assert passed
    assert int(passed[1]) > 60
    # Each test calls the API. The tests are spread over all replicas.
    more = {name: calls - before[name] for name, calls in calls_by_replica(fleet).items()}
    assert min(more.values()) > 0
    assert sum(more.values()) >= 4 * 60
