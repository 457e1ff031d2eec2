"""Schemathesis generates requests from the contract, in this process, and checks the answers in every way.

It sends the same requests each time. The settings, with ids of the fixture, are those that the simulator provides for
`schemathesis run`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.core.transport import Response

from simulator.app import standard_simulation
from simulator.settings import Auth, Settings

Case = schemathesis.Case[Any]

SIMULATION = standard_simulation()


class Target:
    """A simulator, the contract it serves, and which operations have succeeded so far.

    With `only_fuzzing`, it gets some random requests for each operation, but none for each bound of a schema.
    """

    def __init__(self, auth: Auth, headers: dict[str, str], *, only_fuzzing: bool = False) -> None:
        app = SIMULATION.app(settings=Settings(auth=auth))
        self.client = app.test_client()
        # A run generates other requests each time. A test must generate the same ones.
        text = self.client.get("/_simulator/schemathesis.toml").get_data(as_text=True)
        text = text.replace("[generation]\n", "[generation]\ndeterministic = true\n", 1)
        if only_fuzzing:
            # The settings of single operations count more than those of all.
            text = text.replace("[[operations]]\n", "[[operations]]\nphases.coverage.enabled = false\n")
        settings = SchemathesisConfig.from_str(text)
        self.schema = schemathesis.openapi.from_wsgi("/_simulator/openapi.json", app, config=settings)
        self.schema.config.update(headers=headers)
        # With values from earlier answers, a test would depend on those that ran before it.
        phases = self.schema.config.phases
        phases.coverage.extra_data_sources.responses = False
        phases.fuzzing.extra_data_sources.responses = False
        if only_fuzzing:
            phases.coverage.enabled = False
            phases.fuzzing.generation.max_examples = 5
        self.succeeded: set[str] = set()

    def reset(self) -> None:
        """Go back to the default fixture, so that used names do not accumulate."""
        assert self.client.post("/_simulator/reset").status_code == 204

    def note(self, case: Case, response: Response) -> None:
        if response.status_code < 300:
            self.succeeded.add(case.operation.definition.raw["operationId"])

    def check(self, case: Case) -> None:
        """Send one request to a fresh sandbox."""
        self.reset()
        response = case.call()
        self.note(case, response)
        case.validate_response(response)

    def follow_links(self) -> None:
        """Send sequences of requests, each to a fresh sandbox."""
        target, machine = self, self.schema.as_state_machine()

        # The base class is made from the contract at run time.
        class Sequence(machine):  # type: ignore[misc, valid-type]
            def setup(self) -> None:
                target.reset()

            def after_call(self, response: Response, case: Case) -> None:
                super().after_call(response, case)
                target.note(case, response)

        Sequence.run(settings=self.schema.config.get_hypothesis_settings(phase="stateful"))


OPTIONAL = Target("optional", {})
# Once a request is authenticated, it takes the same way as any other. So few are enough; each is also sent with wrong
# credentials and with none.
REQUIRED = Target("required", {"Authorization": "Bearer system-admin"}, only_fuzzing=True)


def test_the_contract_served_has_an_operation_for_every_handler() -> None:
    for target in (OPTIONAL, REQUIRED):
        assert len(list(target.schema.get_all_operations())) == len(SIMULATION.handlers)


@pytest.fixture
def something_succeeds() -> Iterator[None]:
    OPTIONAL.succeeded.clear()
    REQUIRED.succeeded.clear()
    yield
    assert OPTIONAL.succeeded | REQUIRED.succeeded


@pytest.mark.usefixtures("something_succeeds")
@OPTIONAL.schema.parametrize()
def test_every_generated_request_gets_an_answer_the_contract_documents(case: Case) -> None:
    OPTIONAL.check(case)


@pytest.mark.usefixtures("something_succeeds")
@REQUIRED.schema.parametrize()
def test_every_generated_request_gets_a_documented_answer_where_credentials_are_required(
    case: Case,
) -> None:
    REQUIRED.check(case)


def test_every_generated_sequence_gets_answers_the_contract_documents() -> None:
    OPTIONAL.succeeded.clear()
    OPTIONAL.follow_links()
    # Links lead to 19 operations, and the state machine reaches nearly all of them.
    assert len(OPTIONAL.succeeded) >= 15
