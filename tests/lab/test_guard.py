"""The guard lets through what the permission names, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from simulator.app import standard_simulation
from simulator.lab.exchange import LabRequest
from simulator.lab.guard import Guard, Permission, Scope, is_own, scope_of
from simulator.lab.ledger import Change, Creation, RunLedger

GROUP = "/api/v1/tenants/foo/groups/foogroup"
CAPACITIES = f"{GROUP}/services/call_capacities/"
OWN = f"{CAPACITIES}zz-conform-1-a/"
REAL = f"{CAPACITIES}Reception/"
EXECUTIVE = f"{GROUP}/users/boss/services/executive/"
CRITERIA = f"{EXECUTIVE}criteria/"
PREFIX = "zz-conform-1-"


@pytest.fixture
def ledger(tmp_path: Path) -> RunLedger:
    ledger = RunLedger.begin(tmp_path / "ledger", {})
    ledger.add(Creation(collection=CAPACITIES, name="zz-conform-1-a", path=OWN))
    ledger.add(Creation(collection=CRITERIA, name="zz-conform-1-a", path=f"{CRITERIA}zz-conform-1-a/"))
    ledger.add(Change(path=f"{EXECUTIVE}screening/", body={"enabled": False}, content={}))
    ledger.add(Change(path=REAL, body={"isDefault": True}, content={}))
    return ledger


def scope(permission: Permission) -> Scope:
    found = scope_of(
        standard_simulation().contract, permission, PREFIX, "foo", "foogroup", "foogroup", ("foogroup", "boss")
    )
    return replace(found, scratch_default=REAL, scratch_members=frozenset({"free@example.com"}))


def reason(permission: Permission, method: str, target: str, body: Any, ledger: RunLedger) -> str | None:
    raw = body if isinstance(body, bytes | None) else orjson.dumps(body)
    request = LabRequest(method=method, target=target, body=raw)
    return Guard(standard_simulation().contract).reason_against(request, scope(permission), ledger)


ALLOWED = [
    (Permission.READ, "GET", CAPACITIES, None),
    (Permission.READ, "HEAD", CAPACITIES, None),
    (Permission.READ, "GET", CAPACITIES.rstrip("/"), None),
    (Permission.READ, "GET", "/api/v1/zz-conform-1-unknown/", None),
    (Permission.OWN, "POST", CAPACITIES, {"name": "zz-conform-1-a", "isDefault": False, "maxCalls": 1}),
    (Permission.OWN, "PUT", OWN, {"maxCalls": 1}),
    (Permission.OWN, "PUT", OWN, b"["),
    (Permission.OWN, "PUT", OWN, {"userIds": None}),
    (Permission.OWN, "DELETE", OWN, None),
    (Permission.SCRATCH, "POST", CAPACITIES, {"name": "zz-conform-1-a", "isDefault": True}),
    (Permission.SCRATCH, "PUT", OWN, {"userIds": ["free@example.com", "zz-conform-1-unknown"]}),
    (Permission.SCRATCH, "PUT", REAL, {"isDefault": True}),
    (Permission.SCRATCH, "PUT", f"{EXECUTIVE}screening/", {"enabled": True}),
    (Permission.SCRATCH, "DELETE", f"{CRITERIA}zz-conform-1-a/", None),
]
REFUSED = [
    (Permission.READ, "GET", "/api/v1/tenants/", None, "no operation"),
    (Permission.READ, "GET", f"{CAPACITIES}a/b/", None, "no operation"),
    (Permission.READ, "GET", f"{CAPACITIES}%2E./", None, "dots"),
    (Permission.READ, "OPTIONS", CAPACITIES, None, "only read"),
    (Permission.READ, "POST", "/api/v1/login/", {}, "only read"),
    (Permission.READ, "PUT", OWN, {"maxCalls": 1}, "only read"),
    (Permission.OWN, "POST", "/api/v1/login/", {}, "nothing may be created"),
    (Permission.OWN, "POST", f"{GROUP}x/services/call_capacities/", {"name": "zz-conform-1-a"}, "nothing may be"),
    (Permission.OWN, "POST", CAPACITIES, {"maxCalls": 1}, "must have a name"),
    (Permission.OWN, "POST", CAPACITIES, b"[", "must have a name"),
    (Permission.OWN, "POST", CAPACITIES, {"name": "Reception"}, "not one of the run"),
    (Permission.OWN, "POST", CAPACITIES, {"name": "zz-conform-2-a"}, "not one of the run"),
    (Permission.OWN, "POST", CAPACITIES, {"name": "zz-conform-1-b"}, "ledger"),
    (Permission.OWN, "POST", CAPACITIES, {"name": "zz-conform-1-a", "isDefault": True}, "default"),
    (Permission.OWN, "POST", CAPACITIES, {"name": "zz-conform-1-a", "isDefault": "false"}, "default"),
    (Permission.OWN, "POST", CAPACITIES, {"name": "zz-conform-1-a", "userIds": ["free@example.com"]}, "users"),
    (Permission.OWN, "PUT", REAL, {"maxCalls": 1}, "only be put back"),
    (Permission.OWN, "PUT", f"{CAPACITIES}zz-conform-1-b/", {"maxCalls": 1}, "ledger"),
    (Permission.OWN, "PUT", OWN, {"name": "Reception"}, "not one of the run"),
    (Permission.OWN, "PUT", OWN, {"name": "zz-conform-1-b"}, "ledger"),
    (Permission.OWN, "PUT", OWN, b'{"isDefault": false, "isDefault": true}', "name anything"),
    (Permission.OWN, "PUT", OWN, b'{"name": "Reception",', "name anything"),
    (Permission.OWN, "DELETE", REAL, None, "others"),
    (Permission.OWN, "DELETE", CAPACITIES, None, "ledger"),
    (Permission.OWN, "PATCH", OWN, {}, "no probe"),
    (Permission.OWN, "DELETE", f"{CRITERIA}zz-conform-1-a/", None, "outside"),
    (Permission.OWN, "PUT", f"{EXECUTIVE}screening/", {"enabled": True}, "only be put back"),
    (Permission.SCRATCH, "PUT", OWN, {"userIds": ["taken@example.com"]}, "may not be moved"),
    (Permission.SCRATCH, "PUT", OWN, {"userIds": "taken@example.com"}, "may not be moved"),
    (Permission.SCRATCH, "PUT", REAL, {"isDefault": False}, "only be put back"),
    (Permission.SCRATCH, "PUT", REAL, {"isDefault": True, "maxCalls": 0}, "only be put back"),
    (Permission.SCRATCH, "DELETE", REAL, None, "others"),
    (Permission.SCRATCH, "PUT", f"{EXECUTIVE}filtering/", {"enabled": True}, "ledger"),
    (Permission.SCRATCH, "DELETE", f"{EXECUTIVE}screening/", None, "others"),
]


@pytest.mark.parametrize(("permission", "method", "target", "body"), ALLOWED)
def test_it_lets_through(permission: Permission, method: str, target: str, body: Any, ledger: RunLedger) -> None:
    assert reason(permission, method, target, body, ledger) is None


@pytest.mark.parametrize(("permission", "method", "target", "body", "why"), REFUSED)
def test_it_stops(permission: Permission, method: str, target: str, body: Any, why: str, ledger: RunLedger) -> None:
    found = reason(permission, method, target, body, ledger)
    assert found is not None
    assert why in found


def test_the_default_of_a_scratch_group_is_only_taken_away_once_the_ledger_names_it(tmp_path: Path) -> None:
    ledger = RunLedger.begin(tmp_path / "another", {})
    ledger.add(Creation(collection=CAPACITIES, name="zz-conform-1-a", path=OWN))
    body = {"name": "zz-conform-1-a", "isDefault": True}
    assert "default that would lose" in (reason(Permission.SCRATCH, "POST", CAPACITIES, body, ledger) or "")


@pytest.mark.parametrize(
    ("name", "is_mine"),
    [
        ("zz-conform-1a2b3c4d-a", True),
        ("ZZ-Conform-1A2B3C4D-A", True),
        (" zz-conform-1a2b3c4d-a ", True),
        ("zz-conform-1a2b3c4", True),
        ("zz-conform-1a2b", False),
        ("zz-conform-", False),
        ("", False),
        ("zz-conform-1a2b3c9", False),
        ("Reception", False),
    ],
)
def test_it_knows_the_names_of_a_run(name: str, is_mine: bool) -> None:
    assert is_own(name, "zz-conform-1a2b3c4d-") is is_mine
