"""Tools that check exchanges: HTTP requests to a simulator, and its answers."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import quote

import requests
import yaml
from jsonschema_path import SchemaPath
from openapi_core import Config, OpenAPI
from openapi_core.contrib.requests import RequestsOpenAPIRequest, RequestsOpenAPIResponse
from openapi_core.exceptions import OpenAPIError

from tools.contract_checks.check import CONTRACT, Check, Failed, node_program, run, simulator

JSON = "application/json"


class Example(NamedTuple):
    """An example request of the contract, and the example answers with the same name."""

    operation: str
    name: str
    method: str
    path: str
    query: dict[str, str]
    body: Any
    answers: list[tuple[int, Any]]


def examples(contract: SchemaPath) -> Iterator[Example]:
    """Returns the example requests of all operations. One without an example answer gets a success without a body."""
    for template, item in (contract / "paths").str_items():
        for method, operation in item.str_items():
            # Every operation has an example with this name, even without parameters and body.
            given: dict[str, dict[str, dict[str, Any]]] = {"documented": {}}
            for parameter in operation / "parameters" if "parameters" in operation else []:
                name, place = ((parameter / key).read_str() for key in ("name", "in"))
                for example, value in (parameter / "examples").str_items():
                    given.setdefault(example, {}).setdefault(place, {})[name] = (value / "value").read_value()
            if "requestBody" in operation:
                for example, value in (operation / "requestBody" / "content" / JSON / "examples").str_items():
                    given.setdefault(example, {})["body"] = (value / "value").read_value()
            for example, parts in given.items():
                path = {name: quote(value) for name, value in parts.get("path", {}).items()}
                query = {name: json.dumps(value).strip('"') for name, value in parts.get("query", {}).items()}
                yield Example(
                    (operation / "operationId").read_str(),
                    example,
                    method,
                    template.format(**path),
                    query,
                    parts.get("body"),
                    answers(operation / "responses", example),
                )


def answers(responses: SchemaPath, example: str) -> list[tuple[int, Any]]:
    """Returns status and body of the answers with this name, or else the success without a body, if there is one."""
    named: list[tuple[int, Any]] = []
    empty: list[tuple[int, Any]] = []
    for status, response in responses.str_items():
        if "content" not in response:
            empty.append((int(status), None))
        elif "examples" in (media := response / "content" / JSON) and example in media / "examples":
            named.append((int(status), (media / "examples" / example / "value").read_value()))
    return named or empty


def openapi_core() -> str:
    """Each example request, in its own sandbox, gets its example answer. openapi-core validates both."""
    with simulator() as address:
        return replayed(address)


def replayed(address: str) -> str:
    """The same with a running server that has the default fixture. Raises `Failed` with all problems."""
    document = yaml.safe_load(CONTRACT.read_text(encoding="utf-8"))
    objections: list[str] = []
    operations: set[str] = set()
    exchanges = 0
    server = f"{address}/_sandboxes/"
    document["servers"] = [{"url": server + "{example}", "variables": {"example": {"default": "default"}}}]
    contract = OpenAPI.from_dict(document, config=Config(additional_properties_default_policy="forbid"))
    for example in examples(contract.spec):
        url = f"{server}{example.operation}-{example.name}{example.path}"
        response = requests.request(example.method, url, params=example.query, json=example.body, timeout=10)
        request = RequestsOpenAPIRequest(response.request)
        answer = response.status_code, response.json() if response.content else None
        found = [f"answers {answer}, not one of {example.answers}"] if [answer] != example.answers else []
        try:
            contract.validate_request(request)
            contract.validate_response(request, RequestsOpenAPIResponse(response))
        except OpenAPIError as error:
            found.append(f"{error!r} {error.__cause__!r}")
        objections += [f"{example.operation} {example.name}: {each}" for each in found]
        operations.add(example.operation)
        exchanges += 1
    if objections:
        raise Failed("\n".join(objections))
    return f"{len(operations)} operations, {exchanges} exchanges"


def prism() -> str:
    """The tests of the API pass through Prism, a proxy that validates the answers."""
    node_program("prism")
    output = run(
        [sys.executable, "-m", "pytest", "--quiet", "-p", "tools.contract_checks.prism", "tests/services", "tests/http"]
    )
    tests = re.search(r"(\d+) passed", output)
    seen = re.search(r"Prism validated ([^:]*):", output)
    if not tests or not seen:
        raise Failed(output)
    return f"{tests[1]} tests, {seen[1]}"


CHECKS: dict[str, Check] = {"openapi-core": openapi_core, "prism": prism}
