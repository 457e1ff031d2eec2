"""The client against the simulator. Each test has its own sandbox, which is dropped afterwards."""

from __future__ import annotations

import pytest
from capacities import Capacities, Refused

from simulator import Sandbox


@pytest.fixture
def capacities(apio_sandbox: Sandbox) -> Capacities:
    return Capacities(apio_sandbox.url, "foo", "foogroup")


def test_a_limit_can_be_taken_away(capacities: Capacities, apio_sandbox: Sandbox) -> None:
    assert "maxOutgoingCalls" not in capacities.limit("Reception", maxOutgoingCalls=None)
    (change,) = apio_sandbox.diff()
    assert (change["op"], change["before"]) == ("remove", 5)


def test_zero_is_a_limit_too(capacities: Capacities) -> None:
    assert capacities.limit("Reception", maxIncomingCalls=0)["maxIncomingCalls"] == 0


def test_the_reason_of_a_refusal_reaches_the_user(capacities: Capacities) -> None:
    with pytest.raises(Refused, match="must be 99999 or less, not 100000"):
        capacities.limit("Reception", maxCalls=100_000)


def test_what_was_refused_is_not_sent_again(capacities: Capacities, apio_sandbox: Sandbox) -> None:
    with pytest.raises(Refused):
        capacities.limit("Recepion", maxCalls=1)
    (call,) = apio_sandbox.requests()
    assert call["rule"] == "G-9"


def test_a_server_that_is_busy_is_asked_once_more(capacities: Capacities, apio_sandbox: Sandbox) -> None:
    apio_sandbox.fault(operationId="listCallCapacities", status=503, times=1, retryAfter=0)
    assert capacities.names() == ["Reception", "disposable"]
    assert [call["status"] for call in apio_sandbox.requests()] == [503, 200]


def test_a_group_admin_sees_the_own_group_only(apio_sandbox: Sandbox) -> None:
    others = Capacities(apio_sandbox.url, "foo", "bargroup")
    others.log_in("groupadmin", "secret")
    with pytest.raises(Refused, match="reaches only its own group"):
        others.names()


def test_a_group_without_the_service_is_refused(capacities: Capacities, apio_sandbox: Sandbox) -> None:
    apio_sandbox.patch({"tenants": {"foo": {"groups": {"foogroup": {"services": []}}}}})
    with pytest.raises(Refused, match="not assigned"):
        capacities.names()


@pytest.mark.apio_fixture("acme.yaml")
def test_a_new_group_has_no_capacities(apio_sandbox: Sandbox) -> None:
    assert Capacities(apio_sandbox.url, "acme", "main").names() == []
