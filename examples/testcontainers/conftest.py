"""One simulator for all tests, and a separate sandbox for each."""

import os
import uuid
from collections.abc import Iterator

import httpx
import pytest
from apio_simulator import ApioSimulatorContainer

IMAGE = "registry.example.com/apio-simulator:0.2.0"


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """The address of the simulator: one that is already running, or one in a container."""
    running = os.environ.get("APIO_SIMULATOR_URL")
    if running:
        yield running
        return
    with ApioSimulatorContainer(IMAGE) as simulator:
        yield simulator.url


@pytest.fixture
def api(server: str) -> Iterator[httpx.Client]:
    """A client of the API, in the sandbox of the test."""
    name = str(uuid.uuid4())
    httpx.put(f"{server}/_simulator/sandboxes/{name}").raise_for_status()
    with httpx.Client(base_url=f"{server}/_sandboxes/{name}/api/v1/") as client:
        yield client
    httpx.delete(f"{server}/_simulator/sandboxes/{name}").raise_for_status()
