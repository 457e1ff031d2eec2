"""A plugin of pytest that runs tests of the library and of the plugin at a proxy: `-p tests.scale_out.at_proxy`.

It replaces the simulators that those tests start for all, and leaves out the tests that start their own.
"""

from __future__ import annotations

import os
from typing import Any

import pytest

from simulator import Simulator

REPLACED = {"sim", "remote"}
ALONE = {
    # These expect that nobody else uses the server, and that it can list all its sandboxes.
    "test_a_sandbox_bears_the_name_of_its_test_and_is_dropped_afterwards",
    "test_each_is_a_world_of_its_own_until_it_is_dropped",
    "test_of_a_sandbox_that_is_gone_it_says_so_and_brings_none_into_being",
    "test_or_all_use_one_elsewhere",
    "test_the_suite_runs_against_a_server_elsewhere",
}


@pytest.hookimpl(tryfirst=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef[Any], request: Any) -> object:
    """Connect to the proxy instead of starting a simulator."""
    if fixturedef.argname not in REPLACED:
        return None
    simulator = Simulator.connect(os.environ["PROXY"])
    fixturedef.cached_result = (simulator, fixturedef.cache_key(request), None)
    return simulator


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the tests that use one of the simulators."""
    able = [
        item
        for item in items
        if REPLACED & set(getattr(item, "fixturenames", ())) and item.name.partition("[")[0] not in ALONE
    ]
    config.hook.pytest_deselected(items=[item for item in items if item not in able])
    items[:] = able
