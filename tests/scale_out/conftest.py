"""What the tests of the proxies share: three replicas that are started once, and a client that counts little time."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

import httpx
import pytest

from tests.conftest import CAPACITIES
from tools.benchmarks.fleet import NAMES, HAProxy, Replicas, haproxy
from tools.contract_checks.check import Skipped

PUBLIC_NAME = "simulator.test"
"""A name under which clients may call the proxy."""
UP = dict.fromkeys(NAMES, "UP")
OPTIONS = ("--sandboxes", "created", "--allowed-host", PUBLIC_NAME)


class Clients:
    """Clients of the API behind a proxy."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.http = httpx.Client(base_url=url, timeout=30)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def call(self, sandbox: str, method: str = "GET", path: str = CAPACITIES, **options: Any) -> httpx.Response:
        """Call the API in a sandbox."""
        return self.http.request(method, f"/_sandboxes/{sandbox}/api/v1/{path}", **options)

    def control(self, sandbox: str, method: str, path: str, **options: Any) -> httpx.Response:
        """Call the control interface of a sandbox."""
        return self.http.request(method, f"/_sandboxes/{sandbox}/_simulator/{path}", **options)

    def create(self, *names: str) -> None:
        """Create sandboxes as the library does, each with a call capacity of its own name."""
        for name in names:
            created = self.control("default", "PUT", f"sandboxes/{name}")
            assert created.status_code == 200, created.text
            added = self.call(name, "POST", json={"name": name, "isDefault": False, "maxCalls": 1})
            assert added.status_code == 201, added.text

    def has_its_own_world(self, name: str) -> bool:
        """Return whether a sandbox has what `create` put into it."""
        answer = self.call(name)
        if answer.status_code != 200:
            return False
        return [each["name"] for each in answer.json()["call_capacities"]] == ["Reception", "disposable", name]

    def home(self, name: str) -> str:
        """Return the replica that answers for a sandbox."""
        return self.call(name).headers["X-Simulator-Replica"]


class Fleet(Clients):
    """HAProxy, its replicas and their clients."""

    def __init__(self, replicas: Replicas, proxy: HAProxy) -> None:
        super().__init__(proxy.url)
        self.replicas, self.proxy = replicas, proxy

    def whole(self) -> None:
        """Let all replicas run and be ready for new sandboxes."""
        self.replicas.start(*NAMES)
        for name, state in self.proxy.states().items():
            if state in ("DRAIN", "MAINT"):
                self.proxy.order(name, "ready")
        self.proxy.until(**UP)

    def covered(self, replica: str) -> int:
        """Return how many calls of operations the coverage of a replica counts."""
        query = {"sandbox": "*"}
        coverage = self.http.get(f"/_replicas/{replica}/_simulator/coverage", params=query).json()
        return sum(each["hits"] for each in coverage["operations"])

    def end(self, replica: str, number: signal.Signals) -> None:
        """End a replica, and wait until HAProxy knows."""
        self.replicas.end(replica, number)
        self.proxy.until(**{replica: "DOWN"})


@pytest.fixture(scope="session")
def replicas() -> Iterator[Replicas]:
    """Three replicas. Tests that end one start it again."""
    # No test may end before its processes have, so the folder is not one of pytest's.
    with TemporaryDirectory() as folder, ExitStack() as stack:
        replicas = Replicas(Path(folder), stack, OPTIONS)
        try:
            replicas.start(*NAMES)
        except Skipped as skipped:
            pytest.skip(str(skipped))
        yield replicas


@pytest.fixture(scope="session")
def started(replicas: Replicas) -> Iterator[Fleet]:
    try:
        with haproxy(replicas) as proxy, Fleet(replicas, proxy) as fleet:
            yield fleet
    except Skipped as skipped:
        pytest.skip(str(skipped))


@pytest.fixture
def fleet(started: Fleet) -> Fleet:
    """All three replicas, each ready."""
    started.whole()
    return started


def names(test: str, number: int) -> list[str]:
    return [f"{test}-{index}" for index in range(number)]
