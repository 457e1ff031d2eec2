"""The operation that shows which operations, statuses and rules clients have exercised."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from simulator.contract.operation import Call, Operation
from simulator.control.call import Control, ControlHandler
from simulator.state.coverage import Coverage

ALL = "*"
"""Stands for all sandboxes."""


def get_coverage(call: Call, control: Control) -> object:
    """GET coverage: of the sandbox, or of all sandboxes, also deleted ones (S-8)."""
    everything = call.query.get("sandbox") == ALL
    coverage = control.sandboxes.total if everything else control.sandbox.coverage
    return _view(ALL if everything else control.sandbox_name, coverage.copy(), control.contract.operations)


def _view(name: str, coverage: Coverage, documented: Mapping[str, Operation]) -> dict[str, Any]:
    return {
        "sandbox": name,
        "operations": [_operation_view(each, coverage) for each in documented.values()],
        "undocumented": [
            {"method": method, "path": path, "status": status, "hits": hits}
            for (method, path, status), hits in coverage.undocumented.items()
        ],
        "totals": totals(coverage, documented),
    }


def totals(coverage: Coverage, documented: Mapping[str, Operation]) -> dict[str, int]:
    """Returns how many operations and documented statuses there are, and how many of them were exercised."""
    hit = {what for what, hits in coverage.statuses.items() if hits}
    statuses = [(each.operation_id, status) for each in documented.values() for status in each.answers]
    return {
        "operations": len(documented),
        "operations_hit": len({operation_id for operation_id, _ in hit} & documented.keys()),
        "statuses": len(statuses),
        "statuses_hit": sum(each in hit for each in statuses),
    }


def _operation_view(operation: Operation, coverage: Coverage) -> dict[str, Any]:
    def of_this(counts: Mapping[tuple[str, Any], int]) -> dict[Any, int]:
        return {what: hits for (each, what), hits in counts.items() if each == operation.operation_id}

    hits = of_this(coverage.statuses)
    return {
        "operation_id": operation.operation_id,
        "method": operation.method,
        "path": operation.path,
        "hits": sum(hits.values()),
        "statuses": {
            str(status): {"documented": status in operation.answers, "hits": hits.get(status, 0)}
            for status in sorted({*operation.answers, *filter(None, hits)})
        },
        "rules": of_this(coverage.rules),
        "assumed": of_this(coverage.assumed),
        "ignored": of_this(coverage.ignored),
    }


HANDLERS: dict[str, ControlHandler] = {"getCoverage": get_coverage}
