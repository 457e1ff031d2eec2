"""Specmatic sends the contract's examples, and valid and invalid requests made from its schemas."""

from __future__ import annotations

import itertools
import json
import re
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import requests

from simulator.app import create_app
from simulator.server import Server
from tools.contract_checks.check import FOLDER, Check, Failed, needs, node_program, run

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

SETTINGS = {
    "version": 2,
    "contracts": [{"provides": ["openapi.json"]}],
    # Without a limit, filtering's attributes alone have more than 15,000 combinations.
    "test": {"resiliencyTests": {"enable": "all"}, "maxTestRequestCombinations": 10},
    "disableTelemetry": True,
}

# As in simulator/control/schemathesis.toml: a schema cannot say which users exist, that `enable` and `enabled` must
# agree, or that names in a list must differ. Specmatic also ignores `uniqueItems`.
MAY_REFUSE = {"createCallCapacity", "updateCallCapacity", "updateAssistants", "updateFiltering", "updateScreening"}
"""Operations that may answer 400 to a body that Specmatic generated from the schema."""

MOST_REQUESTS = 1_000_000
"""Each request has its own sandbox, and a sandbox is not dropped for another one within two minutes."""

REFUSED = "but response contained status 400"

NAME = re.compile(r"[+-]ve +Scenario: (?P<operation>\w+ \S+) -> (?P<status>\w+)(?P<made>.* where REQUEST\.)?")


@contextmanager
def fresh_worlds() -> Iterator[str]:
    """Yields the address of a simulator in which every request finds the fixture unchanged.

    It requires credentials: Specmatic takes a request without any as invalid, even if `{}` allows it.
    """
    app = create_app(auth="required", sandbox_limit=MOST_REQUESTS)
    numbers = itertools.count()

    def fresh(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        environ["PATH_INFO"] = f"/_sandboxes/{next(numbers)}{environ['PATH_INFO']}"
        return app(environ, start_response)

    server = Server(fresh)
    server.start()
    try:
        yield server.url
    finally:
        server.stop()


def without_lookahead(value: Any) -> Any:
    """Returns a document without the patterns for which Specmatic generates texts that do not match, as it warns."""
    if isinstance(value, dict):
        return {
            key: without_lookahead(each)
            for key, each in value.items()
            if not (key == "pattern" and isinstance(each, str) and "(?!" in each)
        }
    return [without_lookahead(each) for each in value] if isinstance(value, list) else value


def specmatic() -> str:
    """Every test of Specmatic passes, unless a rule refuses its generated body."""
    needs("java")
    node_program("specmatic")
    with tempfile.TemporaryDirectory() as name, fresh_worlds() as address:
        folder = Path(name)
        document = without_lookahead(requests.get(f"{address}/_simulator/openapi.json", timeout=10).json())
        (folder / "openapi.json").write_text(json.dumps(document), encoding="utf-8")
        (folder / "specmatic.yaml").write_text(json.dumps(SETTINGS), encoding="utf-8")
        command = ["java", "-jar", FOLDER / "node_modules" / "specmatic" / "specmatic.jar", "test", "openapi.json"]
        # Lenient mode: Specmatic supports no API key in a cookie, and no `additionalProperties` for an object or null.
        command += ["--lenient", f"--testBaseURL={address}", "--junitReportDir=report"]
        output = ""
        try:
            run(command, cwd=folder, env={"bearerToken": "system-admin"})
        except Failed as failed:
            output = str(failed)
        reports = list((folder / "report").glob("*.xml"))
        if not reports:
            raise Failed(output)
        return judged(ElementTree.parse(reports[0]).getroot(), document)


def judged(report: ElementTree.Element, document: Any) -> str:
    """Returns the counts of a report. Raises `Failed` if a test failed that must pass, or too little was tested."""
    operations = {
        f"{method.upper()} {path.replace('{', '(').replace('}', ':string)')}": operation["operationId"]
        for path, item in document["paths"].items()
        for method, operation in item.items()
    }
    counts = Counter[str]()
    objections: list[str] = []
    missed = {(operation, "2xx") for operation in operations.values()}
    missed |= {
        (operation["operationId"], "4xx")
        for item in document["paths"].values()
        for operation in item.values()
        if "requestBody" in operation
    }
    for test in report.iter("testcase"):
        name = NAME.search(test.attrib["name"])
        if name is None:
            raise Failed(f"a test of no operation: {test.attrib['name']}")
        operation = operations[name["operation"]]
        failure = next((each for each in test if each.tag in ("failure", "error")), None)
        counts["tests"] += 1
        if failure is None:
            counts["passed"] += 1
            missed.discard((operation, re.sub(r"^2..", "2xx", name["status"])))
        elif operation in MAY_REFUSE and name["made"] and failure.attrib["message"].endswith(REFUSED):
            counts["refused"] += 1
        else:
            objections.append(f"{test.attrib['name']}: {failure.attrib['message']}")
    objections += [f"no test of {operation} passed with {status}" for operation, status in sorted(missed)]
    if objections:
        raise Failed("\n".join(objections))
    return f"{counts['tests']} tests, {counts['passed']} passed, {counts['refused']} valid bodies refused by rules"


CHECKS: dict[str, Check] = {"specmatic": specmatic}
