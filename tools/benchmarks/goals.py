"""The goals, and whether a run meets them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tools.benchmarks.figures import FIGURES, Results, ratio
from tools.benchmarks.peers import TITLES

FILE = Path(__file__).with_name("goals.yaml")
AIM_REACHED, MET, MISSED = "aim reached", "met", "missed"
AIM_NOT_REACHED, NOT_MEASURED = "aim not reached", "not measured"


@dataclass(frozen=True, slots=True)
class Goal:
    """A bound for a figure of the subject, or for its ratio to another server or to another figure.

    `required` and `aim` are lower bounds if more is better, else upper bounds. One of them may be missing.
    """

    subject: str
    figure: str
    more_is_better: bool
    required: float | None = None
    aim: float | None = None
    of: str | None = None
    of_figure: str | None = None
    reason: str = ""

    @property
    def title(self) -> str:
        """What the goal is about, in words."""
        title = FIGURES[self.figure].title
        if self.of:
            return f"{title}, to {TITLES[self.of]}"
        return f"{title}, to {FIGURES[self.of_figure].title}" if self.of_figure else title

    @property
    def unit(self) -> str:
        """The unit of the goal's bounds."""
        return "times" if self.of or self.of_figure else FIGURES[self.figure].unit

    def measured(self, results: Results) -> float | None:
        """Returns the measured value or ratio, or `None` if one side was not measured."""
        values = results.figures.get(self.figure, {}).get(self.subject)
        if not (self.of or self.of_figure):
            return results.median(self.figure, self.subject)
        others = results.figures.get(self.of_figure or self.figure, {}).get(self.of or self.subject)
        return ratio(values, others) if values and others else None

    def verdict(self, measured: float | None) -> str:
        """Returns in words whether the goal is met, and whether its aim is reached."""
        if measured is None:
            return NOT_MEASURED
        if self.aim is not None and self._within(measured, self.aim):
            return AIM_REACHED
        if self.required is None:
            return AIM_NOT_REACHED
        return MET if self._within(measured, self.required) else MISSED

    def _within(self, measured: float, bound: float) -> bool:
        return measured >= bound if self.more_is_better else measured <= bound


def read_goals(document: Mapping[str, Any] | None = None) -> list[Goal]:
    """Returns the goals of goals.yaml or a similar document. Raises `ValueError` if a goal cannot be judged."""
    if document is None:
        document = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return [_goal(str(document["subject"]), dict(entry)) for entry in document["goals"]]


def _goal(subject: str, entry: dict[str, Any]) -> Goal:
    directions = {key.rpartition("_")[2] for key in entry if key.startswith(("at_", "aim_at_"))}
    if directions not in ({"least"}, {"most"}):
        raise ValueError(f"{entry} needs one direction, at_least or at_most")
    (direction,) = directions
    required, aim = entry.pop(f"at_{direction}", None), entry.pop(f"aim_at_{direction}", None)
    goal = Goal(subject, more_is_better=direction == "least", required=required, aim=aim, **entry)
    for name, known in ((goal.figure, FIGURES), (goal.of_figure, FIGURES), (goal.of, TITLES), (subject, TITLES)):
        if name is not None and name not in known:
            raise ValueError(f"{entry}: there is no {name}")
    return goal
