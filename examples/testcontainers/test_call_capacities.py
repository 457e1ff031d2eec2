"""A group's call capacities can be changed and removed."""

import httpx

CAPACITIES = "tenants/foo/groups/foogroup/services/call_capacities/"


def test_a_limit_that_is_set_to_null_is_gone(api: httpx.Client) -> None:
    updated = api.put(f"{CAPACITIES}Reception/", json={"maxOutgoingCalls": None}).raise_for_status().json()
    assert "maxOutgoingCalls" not in updated
    assert updated["maxCalls"] == 7


def test_a_capacity_that_is_deleted_is_gone(api: httpx.Client) -> None:
    api.delete(f"{CAPACITIES}Reception/").raise_for_status()
    names = [each["name"] for each in api.get(CAPACITIES).raise_for_status().json()["call_capacities"]]
    assert names == ["disposable"]


def test_a_user_who_is_not_there_cannot_be_a_member(api: httpx.Client) -> None:
    refusal = api.put(f"{CAPACITIES}Reception/", json={"userIds": ["user_1", "nobody"]})
    assert refusal.status_code == 400
    assert refusal.json()["errors"][0]["details"]["pointer"] == "/userIds/1"
