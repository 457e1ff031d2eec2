"""Every example request of the reference texts, as printed, in a fresh sandbox.

Where the printed JSON has a comma too many it is left out. A call that needs an earlier one gets it first. Taken in the
order of the text, two of the Executive examples contradict the others: the PUT of filtering names a criterion that is
created later, and the PUT of a criterion renames it to that one's name.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.conftest import CAPACITIES, EXECUTIVE, Api

QUOTED = {"Content-Type": '"application/json"'}

CREATE_CAPACITY = """{ "name": "test_call_capa", "isDefault": true, "maxCalls": 7, "maxOutgoingCalls": 5,
    "userIds" : [ "user_1@sip.netaxis.be", "user_9@sip.netaxis.be" ] }"""
UPDATE_CAPACITY = """{ "isDefault": true, "maxCalls": 5, "maxIncomingCalls": null, "maxOutgoingCalls": 3,
    "userIds" : [ "user_1" ] }"""
ASSISTANTS = '{ "allowOptInOut": true, "assistantUserIds": ["test_user@netaxis.be", "another_user@netaxis.be"] }'
FILTERING = """{ "enabled": false, "mode": "Advanced", "type": "All Calls",
    "criteria": [ { "name": "Test Criteria 1", "active": false } ] }"""
SCREENING = """{ "enabled": true, "alertType": "Ring Splash", "alertMobilityLocation": true,
    "alertAnywhereLocations": false, "alertSharedCallAppearanceLocations": true }"""
ALERTING = """{ "mode": "Sequential", "cliNameMode": "Custom", "cliCustomName": "Test User",
    "cliCustomNameUnicode": "Test User Unicode", "cliPhoneNumberMode": "Custom",
    "cliCustomPhoneNumber": "+32495575607", "callPushRecallAfter": 4, "nextAssistantAfter": 5,
    "rolloverEnabled": true, "rolloverWaitTime": 30, "rolloverAction": "Forward",
    "rolloverForwardTo": "+3223661285" }"""
CRITERION = """{ "name": "Test Criteria 1",
    "timeSchedule": { "level": "User", "name": "My Office Hours", "type": "Time" },
    "holidaySchedule": { "level": "Tenant", "name": "Group Holiday Schedule", "type": "Holiday" }, "filter": false,
    "fromDnCriteria": { "selection": "Specified Only", "includeAnonymousCallers": true,
        "includeUnavailableCallers": true, "phoneNumbers": [ "+3223661285", "+3267219021" ] }, "active": true }"""

CREATE = ("POST", CAPACITIES, CREATE_CAPACITY)
NEW_CRITERION = ("POST", EXECUTIVE + "criteria/", CRITERION)
Request = tuple[str, str, str | None]
EXAMPLES: list[tuple[Request, list[Request], int]] = [
    (CREATE, [], 201),
    (("GET", CAPACITIES, None), [], 200),
    (("GET", CAPACITIES + "test_call_capa/", None), [CREATE], 200),
    (("PUT", CAPACITIES + "test_call_capa/", UPDATE_CAPACITY), [CREATE], 200),
    (("DELETE", CAPACITIES + "test_call_capa/", None), [CREATE], 200),
    (("GET", CAPACITIES + "available_users/", None), [], 200),
    (("GET", EXECUTIVE + "available_assistants/", None), [], 200),
    (("GET", EXECUTIVE + "available_assistants/", '{ "sameGroupOnly": false }'), [], 200),
    (("GET", EXECUTIVE + "assistants/", None), [], 200),
    (("PUT", EXECUTIVE + "assistants/", ASSISTANTS), [], 200),
    (("GET", EXECUTIVE + "filtering/", None), [], 200),
    (("PUT", EXECUTIVE + "filtering/", FILTERING), [NEW_CRITERION], 200),
    (("GET", EXECUTIVE + "screening/", None), [], 200),
    (("PUT", EXECUTIVE + "screening/", SCREENING), [], 200),
    (("GET", EXECUTIVE + "alerting/", None), [], 200),
    (("PUT", EXECUTIVE + "alerting/", ALERTING), [], 200),
    (("GET", EXECUTIVE + "criteria/foocriteria/", None), [], 200),
    (NEW_CRITERION, [], 200),
    (("PUT", EXECUTIVE + "criteria/foocriteria/", CRITERION), [], 200),
    (("DELETE", EXECUTIVE + "criteria/foocriteria/", None), [], 200),
]


def send(api: Api, request: Request, headers: dict[str, str]) -> tuple[int, Any]:
    method, path, body = request
    response = api(method, path, content=body, headers=headers)
    return response.status_code, response.json() if response.content else None


@pytest.mark.rule("G-2", "G-3", "G-6", "EX-3")
@pytest.mark.parametrize("headers", [{}, QUOTED], ids=["no-content-type", "quoted-content-type"])
@pytest.mark.parametrize(("request_", "before", "status"), EXAMPLES, ids=lambda value: str(value)[:60])
def test_a_printed_request_works(
    api: Api, request_: Request, before: list[Request], status: int, headers: dict[str, str]
) -> None:
    for earlier in before:
        assert send(api, earlier, headers)[0] in (200, 201)
    answered, answer = send(api, request_, headers)
    assert answered == status
    if request_[2] is not None and request_[0] != "GET":
        sent = json.loads(request_[2])
        shown = {key: value for key, value in sent.items() if value is not None and key in answer and key != "criteria"}
        assert answer.items() >= shown.items()


@pytest.mark.rule("CC-2", "CC-5", "CC-8", "CC-11")
def test_the_call_capacity_examples_work_one_after_the_other_as_the_text_prints_them(api: Api) -> None:
    statuses = [send(api, request, {})[0] for request, _, _ in EXAMPLES[:6]]
    assert statuses == [201, 200, 200, 200, 200, 200]


def test_every_documented_example_of_the_contract_is_what_a_fresh_sandbox_answers(api: Api) -> None:
    document = api.client.get("/_simulator/openapi.json").json()
    replayed = 0
    for template, methods in document["paths"].items():
        for method, operation in methods.items():
            for name in ("documented", "notAssigned"):
                exchange = documented_exchange(document, operation, name)
                if exchange is None:
                    continue
                path, query, body, status, expected = exchange
                api.reset()
                api.client.cookies.clear()
                address = template.format(**path).removeprefix("/api/v1/")
                response = api(method.upper(), address, body, params=query)
                assert response.status_code == status, f"{operation['operationId']} {name}: {response.text}"
                if expected is not None:
                    assert response.text == json.dumps(expected, ensure_ascii=False, separators=(",", ":"))
                replayed += 1
    assert replayed > 35


PROVOKED: dict[str, tuple[str, str, dict[str, Any]]] = {
    "InvalidLogin": ("POST", "login/", {}),
    "InvalidCallCapacity": ("PUT", CAPACITIES + "Reception/", {"json": {"maxCalls": 100000}}),
    "InvalidSameGroupOnly": ("GET", EXECUTIVE + "available_assistants/", {"params": {"sameGroupOnly": "yes"}}),
    "InvalidExecutive": ("PUT", EXECUTIVE + "assistants/", {"json": {"colour": 1}}),
    "LoginRefused": ("POST", "login/", {"json": {"username": "a", "password": "b"}}),
    "InsufficientRight": ("GET", CAPACITIES, {"headers": {"Authorization": "Bearer foouser"}}),
    "OutOfScope": (
        "GET",
        EXECUTIVE.replace("foouser", "user_1") + "alerting/",
        {"headers": {"Authorization": "Bearer foouser"}},
    ),
    "NotAcceptable": ("GET", CAPACITIES, {"headers": {"Accept": "text/html"}}),
    "BodyTooLarge": ("POST", CAPACITIES, {"content": b"x" * 2_000_000}),
    "UnsupportedContentType": ("POST", CAPACITIES, {"content": b"{}", "headers": {"Content-Type": "text/plain"}}),
}


@pytest.mark.rule("G-8")
@pytest.mark.parametrize("component", PROVOKED)
def test_the_documented_errors_are_what_the_simulator_answers(api: Api, component: str) -> None:
    document = api.client.get("/_simulator/openapi.json").json()
    examples = document["components"]["responses"][component]["content"]["application/json"]["examples"]
    method, path, options = PROVOKED[component]
    assert api(method, path, **options).json() == examples["refused"]["value"]


def test_examples_of_one_name_in_an_operation_are_one_exchange(api: Api) -> None:
    document = api.client.get("/_simulator/openapi.json").json()
    for methods in document["paths"].values():
        for operation in methods.values():
            answers = [resolve(document, response) for response in operation["responses"].values()]
            printed = [
                answer["content"]["application/json"].get("examples", {}) for answer in answers if "content" in answer
            ]
            for name in ("documented", "notAssigned"):
                assert sum(name in examples for examples in printed) <= 1, operation["operationId"]


def resolve(document: Any, value: Any) -> Any:
    while "$ref" in value:
        target = document
        for key in value["$ref"].removeprefix("#/").split("/"):
            target = target[key]
        value = target
    return value


def documented_exchange(document: Any, operation: Any, name: str) -> tuple[Any, Any, Any, int, Any] | None:
    """Path parameters, query, body, status and answer of one example, if the operation has it in full."""
    path, query, body = {}, {}, None
    for reference in operation.get("parameters", []):
        parameter = resolve(document, reference)
        if name not in parameter["examples"]:
            if parameter["required"]:
                return None
            continue
        value = parameter["examples"][name]["value"]
        if parameter["in"] == "path":
            path[parameter["name"]] = value
        else:
            query[parameter["name"]] = str(value).lower()
    if "requestBody" in operation:
        body = operation["requestBody"]["content"]["application/json"]["examples"].get(name, {}).get("value")
    for status, reference in operation["responses"].items():
        response = resolve(document, reference)
        examples = response.get("content", {}).get("application/json", {}).get("examples", {})
        if name == "documented" and status[0] == "2":
            return path, query, body, int(status), examples.get(name, {}).get("value")
        if name == "notAssigned" and name in examples:
            return path, query, body, int(status), examples[name]["value"]
    return None
