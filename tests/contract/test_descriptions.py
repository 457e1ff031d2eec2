"""The descriptions in the contract: rights, and what is assumed."""

from __future__ import annotations

from typing import Any

import pytest

from simulator.app import Simulation


@pytest.fixture(scope="module")
def document(simulation: Simulation) -> Any:
    return simulation.contract.document.data


def description(document: Any, operation_id: str) -> str:
    operations = [each for path in document["paths"].values() for each in path.values()]
    found: str = next(each["description"] for each in operations if each["operationId"] == operation_id)
    return " ".join(found.split())


def test_every_operation_says_the_right_it_needs(simulation: Simulation, document: Any) -> None:
    for name, operation in simulation.contract.operations.items():
        said = description(document, name).partition("Minimum right: ")[2]
        assert said == (f"{operation.minimum_right}." if operation.minimum_right else ""), name


@pytest.mark.parametrize(
    ("operation_id", "statement"),
    [
        ("createCallCapacity", "listed twice"),
        ("createCallCapacity", "0 for `maxCalls` means no call"),
        ("createCallCapacity", "a user is in one capacity at most"),
        ("createCallCapacity", "takes the flag away"),
        ("updateCallCapacity", "listed twice"),
        ("updateCallCapacity", "`null` anywhere else is refused"),
        ("updateCallCapacity", "takes the flag away"),
        ("listCallCapacities", "oldest first"),
        ("listAvailableCallCapacityUsers", "members of no capacity"),
        ("listAvailableAssistants", "without the executive"),
        ("listAvailableAssistants", "no effect for a service provider"),
        ("listAvailableAssistants", "query parameter"),
        ("getAssistants", '`""` as `department`'),
        ("updateAssistants", "listed twice"),
        ("updateAssistants", "is the executive"),
        ("getFiltering", "oldest first"),
        ("updateFiltering", "accepted and ignored"),
        ("createCriterion", "`type` may be left out"),
        ("updateCriterion", "`type` may be left out"),
    ],
)
def test_what_is_assumed_of_an_operation_is_introduced_as_such(
    document: Any, operation_id: str, statement: str
) -> None:
    known, _, assumed = description(document, operation_id).partition("Assumed: ")
    assert statement in assumed
    assert statement not in known


def test_what_is_assumed_of_all_operations_is_introduced_as_such(document: Any) -> None:
    known, _, assumed = " ".join(document["info"]["description"].split()).partition("Assumed: ")
    statements = ["does not document is refused", "JSON types are strict", "order of the table in the reference texts"]
    for statement in [*statements, "a bearer token is accepted"]:
        assert statement in assumed
        assert statement not in known


@pytest.mark.parametrize("schema", ["Alerting", "AlertingUpdate"])
def test_the_unicode_name_is_optional_in_the_mode_custom(document: Any, schema: str) -> None:
    said = document["components"]["schemas"][schema]["properties"]["cliCustomNameUnicode"]["description"]
    assert "optional in the name mode `Custom`" in said
