"""Sixteen processes, one server: each sees only its own sandbox."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

PROCESSES, ROUNDS = 16, 6

# What each test process of a suite does: arrange, act, then check everything that could leak from the others.
CLIENT = """
import json, sys, urllib.request

server, name, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3])

def call(method, path, body=None):
    request = urllib.request.Request(f"{server}/_sandboxes/{name}{path}", method=method)
    if body is not None:
        request.add_header("Content-Type", "application/json")
        request.data = json.dumps(body).encode()
    with urllib.request.urlopen(request, timeout=30) as answer:
        content = answer.read()
        return json.loads(content) if content else None

capacities = "/api/v1/tenants/foo/groups/foogroup/services/call_capacities/"
wrong = []
call("PUT", f"/_simulator/sandboxes/{name}")
for number in range(rounds):
    call("POST", "/_simulator/reset")
    call("PUT", "/_simulator/snapshots/start")
    call("POST", "/_simulator/faults", {"operationId": "getAlerting", "status": 500})
    mine = {"name": f"{name}-{number}", "isDefault": True, "maxCalls": number, "userIds": ["user_1"]}
    call("POST", capacities, mine)
    call("DELETE", capacities + "disposable/")
    seen = [each["name"] for each in call("GET", capacities)["call_capacities"]]
    journal = call("GET", "/_simulator/requests")
    coverage = call("GET", "/_simulator/coverage")
    diff = call("GET", "/_simulator/diff?since=start")
    facts = {
        "capacities": seen == ["Reception", mine["name"]],
        "journal": [each["method"] for each in journal["requests"]] == ["POST", "DELETE", "GET"],
        "sandbox": all(f"{name}-" in str(journal) and each["sandbox"] == name for each in journal["requests"]),
        "coverage": coverage["totals"]["operationsHit"] == 3,
        "faults": [each["hits"] for each in call("GET", "/_simulator/faults")["faults"]] == [0],
        "snapshots": len(call("GET", "/_simulator/snapshots")["snapshots"]) == 1,
        "diff": len(diff["changes"]) == 3,
    }
    wrong += [(number, fact) for fact, holds in facts.items() if not holds]
print(json.dumps(wrong))
"""


@pytest.mark.rule("G-17", "S-1")
def test_sixteen_processes_on_sixteen_sandboxes_each_see_only_their_own(server: str) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", CLIENT, server, f"process-{number}", str(ROUNDS)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(PROCESSES)
    ]
    results = [process.communicate(timeout=120) for process in processes]
    assert [(json.loads(out or "null"), err) for out, err in results] == [([], "")] * PROCESSES
