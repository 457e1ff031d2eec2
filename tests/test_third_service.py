"""One more service is its package, its part of the contract, its rules and an entry in `SERVICES`, and nothing else.

The service here is Voicemail. The documentation of the simulated API has no such service; it is made up for this test.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import httpx
import pytest

from simulator import app
from simulator.app import SERVICES, Simulation, shipped
from simulator.contract.ledger import LEDGER, load_ledger
from simulator.contract.operation import Call
from simulator.directory import Group, User
from simulator.errors import BrokenDocument, Fault, RuleViolation, ServiceNotAssigned
from simulator.services.service import Attempt, Section, Service
from simulator.state.world import Fork, Key
from tests.conftest import Api, served

# The package: model, rules, operations.


class Voicemail(NamedTuple):
    enabled: bool = False
    rings: int = 3
    sends_mail: bool = False


def update(state: Voicemail, changes: Mapping[str, Any], user: User) -> Voicemail:
    state = state._replace(**changes)
    if state.sends_mail and not user.email_address:
        raise RuleViolation(Fault("VM-2", f"the user {user.user_id!r} has no e-mail address", "/sendsMail"))
    return state


def get_voicemail(call: Call, fork: Fork) -> object:
    return show(fork, _user(call, fork))


def update_voicemail(call: Call, fork: Fork) -> object:
    user = _user(call, fork)
    state = update(show(fork, user), call.body, user)
    fork.store(_key(user), state)
    return state


def show(fork: Fork, user: User) -> Voicemail:
    return fork.state(_key(user), Voicemail())


def load(fork: Fork, user: User, section: dict[str, Any], attempt: Attempt) -> None:
    fork.store(_key(user), attempt("", partial(update, Voicemail(), section, user), Voicemail()))


def ids(fork: Fork, group: Group) -> dict[str, list[str]]:
    return {"mailboxes": [each.user_id for each in group.users.values() if "Voicemail" in each.services]}


def _user(call: Call, fork: Fork) -> User:
    user = fork.directory.user(call.path["tenant_id"], call.path["group_id"], call.path["user_id"])
    if "Voicemail" not in user.services:
        reason = f"the service Voicemail is not assigned to the user {user.user_id!r}"
        raise ServiceNotAssigned(Fault("VM-1", reason))
    return user


def _key(user: User) -> Key:
    return ("voicemail", user.tenant_id, user.group_id, user.user_id)


voicemail = Service(
    handlers={"getVoicemail": get_voicemail, "updateVoicemail": update_voicemail},
    user_services=("Voicemail",),
    user_section=Section(
        key="voicemail",
        schema={"$ref": "openapi.yaml#/components/schemas/VoicemailUpdate"},
        service="Voicemail",
        rule="VM-1",
        load=load,
        state_key=_key,
        show=show,
    ),
    ids=ids,
)
CONTRACT_RUN = """
[dictionaries.mailboxes]
values = {{ toml(ids("mailboxes")) }}

[[operations]]
include-operation-id = ["getVoicemail", "updateVoicemail"]
parameters = { "path.user_id" = { dictionary = "mailboxes", probability = 0.9 } }
"""

# Its part of the contract, and its rules.

PARTS_OF_EACH_OPERATION = """
      description: Voicemail of a user.
      tags: [Voicemail]
      x-minimum-right: End User
      x-rules: [VM-1, VM-2]
      security: [{}, {bearerToken: []}, {sessionCookie: []}]
      parameters:
        - $ref: '#/components/parameters/TenantId'
        - $ref: '#/components/parameters/GroupId'
        - $ref: '#/components/parameters/UserId'
"""
RESPONSES = """
      responses:
        '200':
          description: The voicemail.
          content: {application/json: {schema: {$ref: '#/components/schemas/Voicemail'}}}
        '401': {$ref: '#/components/responses/CredentialsRequired'}
        '403': {$ref: '#/components/responses/OutOfScope'}
        '404':
          description: The user does not exist, or does not have the service.
          content: {application/json: {schema: {$ref: '#/components/schemas/ErrorReport'}}}
        '406': {$ref: '#/components/responses/NotAcceptable'}
"""
PATH = f"""
  /api/v1/tenants/{{tenant_id}}/groups/{{group_id}}/users/{{user_id}}/services/voicemail/:
    get:
      operationId: getVoicemail
      summary: Read the voicemail
{PARTS_OF_EACH_OPERATION}
{RESPONSES}
    put:
      operationId: updateVoicemail
      summary: Change the voicemail
{PARTS_OF_EACH_OPERATION}
      requestBody:
        required: true
        content: {{application/json: {{schema: {{$ref: '#/components/schemas/VoicemailUpdate'}}}}}}
{RESPONSES}
        '400':
          description: The body is wrong.
          content: {{application/json: {{schema: {{$ref: '#/components/schemas/ErrorReport'}}}}}}
        '413': {{$ref: '#/components/responses/BodyTooLarge'}}
        '415': {{$ref: '#/components/responses/UnsupportedContentType'}}

"""
PROPERTIES = """
      additionalProperties: false
      properties:
        enabled: {type: boolean}
        rings: {type: integer, minimum: 0, maximum: 20, x-rule: VM-3}
        sendsMail: {type: boolean}
"""
SCHEMAS = f"""
    VoicemailUpdate:
      type: object
{PROPERTIES}
    Voicemail:
      type: object
      required: [enabled, rings, sendsMail]
{PROPERTIES}
"""
RULES = """
- id: VM-1
  statement: Every call about Voicemail answers 404 when the service Voicemail is not assigned to the user.
  basis: [assumed]
  source: the test
- id: VM-2
  statement: Messages are sent by e-mail only to users with an e-mail address.
  basis: [documented]
  source: the test
- id: VM-3
  statement: A caller hears between 0 and 20 rings.
  basis: [platform]
  source: the test
"""

FIXTURE: dict[str, Any] = {
    "version": 1,
    "defaultDomain": "example.com",
    "tenants": {
        "foo": {
            "type": "Enterprise",
            "groups": {
                "bar": {
                    "users": {
                        "ann@example.com": {
                            "firstName": "Ann",
                            "lastName": "Lee",
                            "emailAddress": "ann@example.com",
                            "services": ["Voicemail"],
                            "voicemail": {"enabled": True, "sendsMail": True},
                        },
                        "bob@example.com": {"firstName": "Bob", "lastName": "Ray", "services": ["Voicemail"]},
                        "cid@example.com": {"firstName": "Cid", "lastName": "Day"},
                    }
                }
            },
        }
    },
}
USERS = "tenants/foo/groups/bar/users"
ANN, BOB, CID = (f"{USERS}/{name}/services/voicemail/" for name in ("ann", "bob", "cid"))
PLACE = "/tenants/foo/groups/bar/users"


def patch_of(user: str, **attributes: Any) -> dict[str, Any]:
    return {"tenants": {"foo": {"groups": {"bar": {"users": {f"{user}@example.com": attributes}}}}}}


@pytest.fixture(scope="module")
def larger_simulation(tmp_path_factory: pytest.TempPathFactory) -> Simulation:
    """A simulation that differs from the distribution's only by what belongs to the third service."""
    folder = tmp_path_factory.mktemp("third")
    before, components, after = shipped("openapi.yaml").read_text(encoding="utf-8").partition("\ncomponents:\n")
    schemas = "\n  schemas:\n"
    assert after.count(schemas) == 1
    contract = folder / "openapi.yaml"
    contract.write_text(
        before + PATH + components + after.replace(schemas, schemas + SCHEMAS),
        encoding="utf-8",
    )
    ledger = folder / "ledger.yaml"
    ledger.write_text(LEDGER.read_text(encoding="utf-8") + RULES, encoding="utf-8")
    settings = folder / "schemathesis.toml"
    settings.write_text(CONTRACT_RUN, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(app, "SERVICES", (*SERVICES, replace(voicemail, contract_run=settings)))
        patched.setattr(app, "load_ledger", partial(load_ledger, ledger))
        return Simulation(contract)


@pytest.fixture
def larger_api(larger_simulation: Simulation) -> Iterator[Api]:
    with (
        served(larger_simulation.app(larger_simulation.world(FIXTURE))) as server,
        httpx.Client(base_url=server.url, timeout=10) as client,
    ):
        api = Api(client, "third")
        api.reset()
        yield api


def test_its_operations_read_and_change_what_the_fixture_says(larger_api: Api) -> None:
    assert larger_api.ok("GET", ANN) == {"enabled": True, "rings": 3, "sendsMail": True}
    assert larger_api.ok("GET", BOB) == {"enabled": False, "rings": 3, "sendsMail": False}
    assert larger_api.ok("PUT", BOB, {"rings": 5}) == {"enabled": False, "rings": 5, "sendsMail": False}
    assert larger_api.ok("GET", BOB) == {"enabled": False, "rings": 5, "sendsMail": False}
    assert larger_api.ok("GET", ANN)["rings"] == 3


def test_its_rules_refuse_and_the_journal_explains_by_them(larger_api: Api) -> None:
    assert larger_api.refused("PUT", BOB, {"sendsMail": True}) == (400, {("VM-2", "/sendsMail")})
    assert larger_api.refused("PUT", BOB, {"rings": 21}) == (400, {("VM-3", "/rings")})
    assert larger_api.refused("PUT", BOB, {"ring": 2}) == (400, {("G-4", "/ring")})
    assert larger_api.refused("GET", CID) == (404, {("VM-1", None)})
    assert larger_api.ok("GET", BOB) == {"enabled": False, "rings": 3, "sendsMail": False}
    refused = larger_api.arranged("GET", "requests?rule=VM-2")["requests"]
    assert [each["operationId"] for each in refused] == ["updateVoicemail"]
    assert "has no e-mail address" in refused[0]["explanation"]
    assert refused[0]["explanation"].endswith(
        "Rule VM-2 (documented): Messages are sent by e-mail only to users with an e-mail address."
    )
    [not_assigned] = larger_api.arranged("GET", "requests?rule=VM-1")["requests"]
    assert "VM-1" in not_assigned["assumed"]
    assert "VM-2" not in refused[0]["assumed"]


def test_its_section_is_in_the_state_the_diff_and_a_patch(larger_api: Api) -> None:
    larger_api.ok("PUT", ANN, {"rings": 5})
    section = f"{PLACE}/ann@example.com/voicemail"
    assert larger_api.arranged("GET", "diff")["changes"] == [
        {"op": "replace", "path": f"{section}/rings", "before": 3, "after": 5}
    ]
    state = larger_api.arranged("GET", "state")
    users = state["tenants"]["foo"]["groups"]["bar"]["users"]
    assert users["ann@example.com"]["voicemail"] == {"enabled": True, "rings": 5, "sendsMail": True}
    assert "voicemail" not in users["bob@example.com"]
    shown = larger_api.arranged("GET", "world/foo/bar/ann")
    assert shown["sections"]["voicemail"] == {"service": "Voicemail", "content": users["ann@example.com"]["voicemail"]}
    assert "Voicemail" in shown["assignable"]
    larger_api.arranged("PATCH", "state", patch_of("bob", voicemail={"rings": 1}))
    assert larger_api.ok("GET", BOB)["rings"] == 1
    larger_api.arranged("PUT", "state", state)
    assert larger_api.ok("GET", BOB)["rings"] == 3
    assert larger_api.ok("GET", ANN)["rings"] == 5


def test_a_fixture_that_breaks_its_rules_is_refused_by_place(larger_api: Api) -> None:
    for user, section, rule, place in (
        ("bob", {"sendsMail": True}, "VM-2", "/sendsMail"),
        ("bob", {"rings": 21}, "VM-3", "/rings"),
        ("cid", {"rings": 2}, "VM-1", ""),
    ):
        patch = patch_of(user, voicemail=section)
        response = larger_api.control("PATCH", "state", patch)
        assert response.status_code == 400
        [error] = response.json()["errors"]
        assert error["details"]["rule"] == rule
        assert error["details"]["pointer"] == f"{PLACE}/{user}@example.com/voicemail{place}"


def test_who_loses_it_loses_its_state(larger_api: Api) -> None:
    larger_api.ok("PUT", ANN, {"rings": 5})
    changes = larger_api.arranged("PATCH", "state", patch_of("ann", services=None))["changes"]
    assert {(each["op"], each["path"].rpartition("/")[2]) for each in changes} == {
        ("remove", "services"),
        ("remove", "voicemail"),
    }
    assert larger_api.refused("GET", ANN) == (404, {("VM-1", None)})
    larger_api.arranged("PATCH", "state", patch_of("ann", services=["Voicemail"]))
    assert larger_api.ok("GET", ANN) == {"enabled": False, "rings": 3, "sendsMail": False}


def test_coverage_and_the_documents_have_its_operations_and_rules(larger_api: Api) -> None:
    larger_api.ok("GET", ANN)
    larger_api.refused("PUT", BOB, {"sendsMail": True})
    coverage = larger_api.arranged("GET", "coverage")
    operations = {each["operationId"]: each for each in coverage["operations"]}
    assert operations["getVoicemail"]["hits"] == operations["updateVoicemail"]["hits"] == 1
    assert operations["updateVoicemail"]["rules"] == {"VM-2": 1}
    rules = {each["id"]: each for each in larger_api.arranged("GET", "rules")["rules"]}
    assert rules["VM-3"]["basis"] == ["platform"]
    contract = larger_api.arranged("GET", "openapi.json")
    assert "/api/v1/tenants/{tenant_id}/groups/{group_id}/users/{user_id}/services/voicemail/" in contract["paths"]


def test_the_page_of_a_user_lists_its_section_and_assigns_it(larger_api: Api) -> None:
    def page(user: str) -> str:
        answer = larger_api.control("GET", f"world/foo/bar/{user}", headers={"Accept": "text/html"})
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
        return " ".join(re.sub(r"<[^>]*>", " ", answer.text).split())

    larger_api.ok("PUT", ANN, {"rings": 5})
    assert "enabled yes rings 5 sendsMail yes" in page("ann")
    assert "not assigned Voicemail Assign Voicemail" in page("cid")
    assert "rings" not in page("cid")


def test_its_operations_take_credentials_and_injected_faults_like_all_others(larger_api: Api) -> None:
    assert larger_api("GET", ANN, headers={"Authorization": "Bearer nobody"}).status_code == 401
    larger_api.arranged("POST", "faults", {"operationId": "getVoicemail", "status": 503, "times": 1})
    assert [larger_api("GET", ANN).status_code for _ in range(2)] == [503, 200]


def test_contract_runs_get_its_ids_and_its_settings(larger_api: Api) -> None:
    settings = tomllib.loads(larger_api.control("GET", "schemathesis.toml").text)
    assert settings["dictionaries"]["mailboxes"]["values"] == ["ann@example.com", "bob@example.com"]
    assert settings["dictionaries"]["groups"]["values"] == ["bar"]
    [own] = [each for each in settings["operations"] if "getVoicemail" in each["include-operation-id"]]
    assert own["parameters"]["path.user_id"]["dictionary"] == "mailboxes"


def test_without_the_entry_there_is_no_such_service(simulation: Simulation) -> None:
    assert "getVoicemail" not in simulation.handlers
    with pytest.raises(BrokenDocument, match="voicemail"):
        simulation.world(FIXTURE)
