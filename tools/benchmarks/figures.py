"""The figures that are measured: by name and server, each with all repetitions."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

Figures = dict[str, dict[str, list[float]]]
"""The name of a figure, then of a server (or a size), then one value for each repetition."""


@dataclass(frozen=True, slots=True)
class Figure:
    """The title of a figure, and its unit."""

    title: str
    unit: str


RATE = "requests/s"
RATES = {
    "get": Figure("GET one", RATE),
    "list": Figure("list", RATE),
    "put": Figure("PUT", RATE),
    "create-delete": Figure("create, delete", RATE),
    "mix": Figure("9 reads : 1 write", RATE),
    "one-connection": Figure("GET, one connection", RATE),
    "new-connections": Figure("GET, a new connection each", RATE),
    "many-connections": Figure("GET, 1,000 connections, 50 sandboxes", RATE),
}
FIGURES: Mapping[str, Figure] = {
    **RATES,
    "p99": Figure("p99 of GET", "ms"),
    "cpu": Figure("processor time of a GET", "µs"),
    "wsgi-get": Figure("GET in process", "µs"),
    "wsgi-put": Figure("PUT in process", "µs"),
    "put-in-world": Figure("PUT", "µs"),
    "reset": Figure("reset", "µs"),
    "snapshot": Figure("snapshot", "µs"),
    "new-sandbox": Figure("a sandbox made and dropped", "µs"),
    "sandbox-memory": Figure("memory of an idle sandbox", "KiB"),
    "used-sandbox-memory": Figure("memory of a sandbox after ten calls that change something", "KiB"),
    "redacted-path": Figure("a path made to be slow", "µs"),
    "redacted-body": Figure("an ordinary body with a password", "µs"),
    "start": Figure("start to first answer", "ms"),
    "library-start": Figure("the library's server, start to first answer, once imported", "ms"),
    "library-restart": Figure("the same, a second one in the process", "ms"),
    "memory-start": Figure("memory after the first answer", "MiB"),
    "memory": Figure("memory after 100,000 requests", "MiB"),
    "memory-later": Figure("memory after 1,000,000 requests", "MiB"),
    "health-alone": Figure("worst wait of health, nothing else to do", "ms"),
    "health-patch": Figure("worst wait of health during a PATCH of 100,000 users", "ms"),
    "health-patches": Figure("worst wait of health during four of them at once", "ms"),
    "get-unwatched": Figure("GET one, nobody watches", RATE),
    "get-watched": Figure("GET one, with a console open", RATE),
    "scale-get": Figure("GET", RATE),
    "scale-get-replicas": Figure("GET, processor time of the replicas", "µs"),
    "scale-get-proxy": Figure("GET, processor time of HAProxy", "µs"),
    "scale-put": Figure("PUT", RATE),
    "scale-put-replicas": Figure("PUT, processor time of the replicas", "µs"),
    "scale-put-proxy": Figure("PUT, processor time of HAProxy", "µs"),
}


@dataclass(slots=True)
class Results:
    """The results of a run: its conditions, its figures, what was skipped and why, and what failed."""

    conditions: dict[str, str] = field(default_factory=dict)
    figures: Figures = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    def add(self, figure: str, server: str, value: float) -> None:
        """Keep the value of one repetition. Raises `KeyError` if the figure is not known."""
        if figure not in FIGURES:
            raise KeyError(figure)
        self.figures.setdefault(figure, {}).setdefault(server, []).append(float(f"{value:.4g}"))

    def median(self, figure: str, server: str) -> float | None:
        """Returns the median of the repetitions, or `None` if there are none."""
        values = self.figures.get(figure, {}).get(server)
        return statistics.median(values) if values else None


def ratio(values: Sequence[float], others: Sequence[float]) -> float:
    """Returns the median of the ratios in each round: first with first, second with second."""
    return statistics.median(one / other for one, other in zip(values, others, strict=True))
