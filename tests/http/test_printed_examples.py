"""The example requests of the reference texts: which work as printed, and what the others need.

docs/fidelity.md states these results.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import CAPACITIES, EXECUTIVE, Api

ROOT = Path(__file__).parents[2]
QUOTED = '"application/json"'


@dataclass(frozen=True)
class Printed:
    """An example request: its section of the text, and everything that is printed except the host."""

    section: str
    method: str
    path: str
    content_type: str | None = None
    body: str | None = None

    @property
    def mended(self) -> Printed:
        """The request without its mistakes: commas before a closing brace, and another service's address."""
        hunt_groups = "services/hunt_groups/users/available/"
        path = EXECUTIVE + "available_assistants/" if self.path.endswith(hunt_groups) else self.path
        return replace(self, path=path, body=self.body and re.sub(r",(\s*})", r"\1", self.body))

    def sent(self, api: Api) -> int:
        """Send the request. Return the status of the answer."""
        headers = {"Host": "example.com"} | ({"Content-Type": self.content_type} if self.content_type else {})
        return api(self.method, self.path, content=self.body, headers=headers).status_code


CAPACITY = CAPACITIES + "test_call_capa/"
CRITERION = """{ "name": "Test Criteria 1",
    "timeSchedule": { "level": "User", "name": "My Office Hours", "type": "Time" },
    "holidaySchedule": { "level": "Tenant", "name": "Group Holiday Schedule", "type": "Holiday" }, "filter": false,
    "fromDnCriteria": { "selection": "Specified Only", "includeAnonymousCallers": true,
        "includeUnavailableCallers": true, "phoneNumbers": [ "+3223661285", "+3267219021" ] }, "active": true, }"""

CREATE = Printed(
    "Create instance",
    "POST",
    CAPACITIES,
    body="""{ "name": "test_call_capa", "isDefault": true, "maxCalls": 7, "maxOutgoingCalls": 5,
    "userIds" : [ "user_1@sip.netaxis.be", "user_9@sip.netaxis.be" ] }""",
)
FILTERING = Printed(
    "Update Executive's filtering options",
    "PUT",
    EXECUTIVE + "filtering/",
    QUOTED,
    """{ "enabled": false, "mode": "Advanced", "type": "All Calls",
    "criteria": [ { "name": "Test Criteria 1", "active": false } ] }""",
)
NEW_CRITERION = Printed("Create a user's executive filter criteria", "POST", EXECUTIVE + "criteria/", QUOTED, CRITERION)

EXAMPLES = [
    CREATE,
    Printed("Retrieve list instances", "GET", CAPACITIES),
    Printed("Retrieve instance", "GET", CAPACITY),
    Printed(
        "Modify instance",
        "PUT",
        CAPACITY,
        body="""{ "isDefault": true, "maxCalls": 5, "maxIncomingCalls": null, "maxOutgoingCalls": 3,
    "userIds" : [ "user_1" ] }""",
    ),
    Printed("Delete instance", "DELETE", CAPACITY),
    Printed("Retrieve available users", "GET", CAPACITIES + "available_users/"),
    Printed("Display Executive available assistants", "GET", EXECUTIVE + "available_assistants/"),
    Printed(
        "Example request with sameGroupOnly",
        "GET",
        "tenants/foo/groups/foogroup/services/hunt_groups/users/available/",
        body='{ "sameGroupOnly": false }',
    ),
    Printed("Display Executive's assigned assistants", "GET", EXECUTIVE + "assistants/"),
    Printed(
        "Update Executive's assigned assistants",
        "PUT",
        EXECUTIVE + "assistants/",
        QUOTED,
        '{ "allowOptInOut": true, "assistantUserIds": ["test_user@netaxis.be", "another_user@netaxis.be"] }',
    ),
    Printed("Display Executive's filtering options", "GET", EXECUTIVE + "filtering/"),
    FILTERING,
    Printed("Display Executive's screening options", "GET", EXECUTIVE + "screening/"),
    Printed(
        "Update Executive's screening options",
        "PUT",
        EXECUTIVE + "screening/",
        QUOTED,
        """{ "enabled": true, "alertType": "Ring Splash", "alertMobilityLocation": true,
    "alertAnywhereLocations": false, "alertSharedCallAppearanceLocations": true }""",
    ),
    Printed("Display Executive's alerting options", "GET", EXECUTIVE + "alerting/"),
    Printed(
        "Update Executive's alerting options",
        "PUT",
        EXECUTIVE + "alerting/",
        QUOTED,
        """{ "mode": "Sequential", "cliNameMode": "Custom", "cliCustomName": "Test User",
    "cliCustomNameUnicode": "Test User Unicode", "cliPhoneNumberMode": "Custom",
    "cliCustomPhoneNumber": "+32495575607", "callPushRecallAfter": 4, "nextAssistantAfter": 5,
    "rolloverEnabled": true, "rolloverWaitTime": 30, "rolloverAction": "Forward",
    "rolloverForwardTo": "+3223661285", }""",
    ),
    Printed("Display user's executive filter criteria", "GET", EXECUTIVE + "criteria/foocriteria/"),
    NEW_CRITERION,
    Printed("Update a user's executive filter criteria", "PUT", EXECUTIVE + "criteria/foocriteria/", QUOTED, CRITERION),
    Printed("Delete a user's executive criteria", "DELETE", EXECUTIVE + "criteria/foocriteria/", QUOTED),
]
"""All of them, in the order of the text."""

NEEDS = {
    "Retrieve instance": CREATE,
    "Modify instance": CREATE,
    "Delete instance": CREATE,
    "Update Executive's filtering options": NEW_CRITERION.mended,
}
"""The call that must come before an example, even if its mistakes are mended."""


@pytest.fixture(scope="module")
def statuses(server: str) -> dict[str, list[int]]:
    """The status of each example: printed in the order of the text, printed alone, mended in order, mended alone."""
    with httpx.Client(base_url=server, timeout=10) as client:
        found: dict[str, list[int]] = {each.section: [] for each in EXAMPLES}
        for examples in (EXAMPLES, [each.mended for each in EXAMPLES]):
            api = Api(client, "printed")
            api.reset()
            for each in examples:
                found[each.section].append(each.sent(api))
            for each in examples:
                api.reset()
                found[each.section].append(each.sent(api))
    return found


def works(status: int) -> bool:
    return status in (200, 201)


def table(heading: str) -> Iterator[list[str]]:
    """Return the rows of the first table below a heading of docs/fidelity.md, without its header."""
    page = (ROOT / "docs" / "fidelity.md").read_text("utf-8")
    _, _, below = page.partition(f"\n## {heading}\n")
    rows = re.search(r"(?:^\|.*\n)+", below, re.MULTILINE)
    assert rows, heading
    for row in rows[0].splitlines()[2:]:
        yield [cell.strip() for cell in row.strip("|").split("|")]


@pytest.mark.rule("G-2", "G-3", "A-6")
def test_the_page_on_fidelity_says_what_each_example_is_answered(statuses: dict[str, list[int]]) -> None:
    rows = {row[0]: [int(cell) for cell in row[1:5]] for row in table("The documented examples")}
    assert rows == {section: found for section, found in statuses.items() if not all(map(works, found))}


def test_the_number_of_examples_that_work_as_printed_is_right_wherever_it_stands(
    statuses: dict[str, list[int]],
) -> None:
    in_order, alone, mended_in_order, mended_alone = (
        sum(works(found[i]) for found in statuses.values()) for i in range(4)
    )
    assert len(EXAMPLES) == 20
    told = f"{in_order} of the 20 documented example requests"
    for file in ("docs/fixtures.md", "docs/fidelity.md", "fixtures/default.yaml"):
        text = re.sub(r"[\s#]+", " ", (ROOT / file).read_text("utf-8"))
        assert told in text, file
    page = re.sub(r"\s+", " ", (ROOT / "docs" / "fidelity.md").read_text("utf-8"))
    assert f"each alone on a fresh world, {alone} do" in page
    assert f"{mended_in_order} work in the order of the text and {mended_alone} alone" in page


@pytest.mark.rule("G-2", "G-3", "G-6", "EX-3")
@pytest.mark.parametrize("content_type", [None, QUOTED], ids=["no-content-type", "quoted-content-type"])
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda each: each.section)
def test_every_example_works_without_its_slips_after_the_call_it_needs(
    api: Api, example: Printed, content_type: str | None
) -> None:
    if example.section in NEEDS:
        assert works(NEEDS[example.section].sent(api))
    request = replace(example.mended, content_type=content_type)
    headers = {} if content_type is None else {"Content-Type": content_type}
    response = api(request.method, request.path, content=request.body, headers=headers)
    assert response.status_code == (201 if example is CREATE else 200), response.text
    if request.body is not None and request.method != "GET":
        sent, answer = json.loads(request.body), response.json()
        shown = {key: value for key, value in sent.items() if value is not None and key in answer and key != "criteria"}
        assert shown
        assert answer.items() >= shown.items()


@pytest.mark.rule("CC-2", "CC-5", "CC-8", "CC-11")
def test_the_call_capacity_examples_work_one_after_the_other_as_the_text_prints_them(api: Api) -> None:
    assert [each.sent(api) for each in EXAMPLES[:6]] == [201, 200, 200, 200, 200, 200]


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


@pytest.mark.rule("S-7", "S-12")
def test_the_call_in_the_examples_of_the_journal_and_the_overview_is_answered_as_they_say(api: Api) -> None:
    paths = api.client.get("/_simulator/control.json").json()["paths"]

    def example(path: str) -> Any:
        content = paths[path]["get"]["responses"]["200"]["content"]["application/json"]
        return content["examples"]["documented"]["value"]

    (entry,) = example("/_simulator/requests")["requests"]
    (last,) = example("/_simulator/")["lastRequests"]
    api.ok("POST", "login/", {"username": entry["account"], "password": "secret"})
    response = api(entry["method"], entry["path"].removeprefix("/api/v1/"), entry["request"]["body"])
    assert response.json() == entry["response"]["body"]
    (made,) = api.arranged("GET", "requests?rule=CC-4")["requests"]
    changing = {"id", "time", "sandbox", "durationMs"}
    assert entry.keys() - {"request", "response"} <= made.keys()
    for shown in (entry, last):
        for name in shown.keys() - {"request", "response"} - changing:
            assert made[name] == shown[name], name


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
    """Return path, query, body, status and answer of one example, if the operation has all of these."""
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
