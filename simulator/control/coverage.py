"""The operation that shows what a sandbox's clients have exercised."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from simulator.contract.operation import Operation
from simulator.control.call import ControlCall, ControlHandler


def get_coverage(it: ControlCall) -> object:
    """GET coverage (S-8)."""
    coverage = it.sandbox.coverage
    statuses, rules = coverage.statuses.copy(), coverage.rules.copy()
    operations = [_operation_view(each, statuses, rules) for each in it.control.contract.operations.values()]
    documented = [status for each in operations for status in each["statuses"].values() if status["documented"]]
    return {
        "sandbox": it.sandbox_name,
        "operations": operations,
        "undocumented": [
            {"method": method, "path": path, "status": status, "hits": hits}
            for (method, path, status), hits in coverage.undocumented.copy().items()
        ],
        "totals": {
            "operations": len(operations),
            "operations_hit": sum(each["hits"] > 0 for each in operations),
            "statuses": len(documented),
            "statuses_hit": sum(status["hits"] > 0 for status in documented),
        },
    }


def _operation_view(
    operation: Operation, statuses: Mapping[tuple[str, int | None], int], refusals: Mapping[tuple[str, str], int]
) -> dict[str, Any]:
    operation_id = operation.operation_id
    hits = {status: n for (each, status), n in statuses.items() if each == operation_id}
    rules = {rule: n for (each, rule), n in refusals.items() if each == operation_id}
    return {
        "operation_id": operation_id,
        "method": operation.method,
        "path": operation.path,
        "hits": sum(hits.values()),
        "statuses": {
            str(status): {"documented": status in operation.answers, "hits": hits.get(status, 0)}
            for status in sorted({*operation.answers, *filter(None, hits)})
        },
        "rules": rules,
    }


HANDLERS: dict[str, ControlHandler] = {"getCoverage": get_coverage}
