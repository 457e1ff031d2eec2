"""Write the types of the control interface into `apio.ts`: `python -m tools.contract_checks.typescript`.

The helper `apio.ts` is one file that users copy. Its end is generated from the contract. The examples that use it have
equal copies of it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from simulator.document import read_document
from tools.contract_checks.check import ROOT, node_program, run

CONTROL = ROOT / "simulator" / "control" / "control.yaml"
EXAMPLE = ROOT / "examples" / "typescript"
HELPER = EXAMPLE / "src" / "apio.ts"
COPIES = (ROOT / "examples" / "playwright" / "apio.ts",)
MARK = "// Generated from the simulator's contract"
"""The line that begins with this is the last one written by hand."""
FILTER = "RequestFilter"
"""The type of the query parameters of `GET requests`, which are no schema of the contract."""


def written(helper: str) -> str:
    """Returns the text of the helper with its types generated anew.

    Raises `Skipped` if openapi-typescript cannot be installed.
    """
    by_hand, mark, rest = helper.partition(MARK)
    program = node_program("openapi-typescript", EXAMPLE)
    with TemporaryDirectory() as folder:
        contract, types = Path(folder, "types.json"), Path(folder, "types.ts")
        contract.write_text(json.dumps(_schemas(by_hand)), encoding="utf-8")
        run([program, contract, "--output", types, "--default-non-nullable", "false", "--root-types"], cwd=EXAMPLE)
        text = types.read_text(encoding="utf-8")
    schemas = re.search(
        r"^export (interface components {\n    schemas: {\n.*?^    };\n)", text, re.DOTALL | re.MULTILINE
    )
    names = re.findall(r"^export type \w+ = components\['schemas'\]\['(\w+)'\];$", text, re.MULTILINE)
    assert schemas, text
    aliases = "".join(f'export type {name} = components["schemas"]["{name}"];\n' for name in names)
    types_of_all = schemas[1].replace("@description ", "").replace("    ", "  ") + "}\n"
    return f"{by_hand}{mark}{rest.partition(chr(10))[0]}\n{types_of_all}{aliases}"


def _schemas(program: str) -> dict[str, Any]:
    """Returns an OpenAPI document of the schemas that a program names, and of those that they refer to."""
    control = read_document(CONTROL)
    known: dict[str, Any] = dict(control.find("/components/schemas"))
    known[FILTER] = _filter(control.data)
    wanted = sorted(
        known.keys() & set(re.findall(r"\w+", re.sub(r"class \w+|/\*.*?\*/", "", program, flags=re.DOTALL)))
    )
    # The helper has a class of its own with this name.
    wanted = [name for name in wanted if name != "Sandbox"]
    for name in wanted:
        wanted += [each for each in _references(known[name]) if each not in wanted]
    schemas = {name: known[name] for name in [*known] if name in wanted}
    return {
        "openapi": control.find("/openapi"),
        "info": {"title": "types", "version": "1"},
        "paths": {},
        "components": {"schemas": schemas},
    }


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"].rpartition("/")[2]
        for each in value.values():
            yield from _references(each)
    elif isinstance(value, list):
        for each in value:
            yield from _references(each)


def _filter(control: Any) -> dict[str, Any]:
    """Returns the query parameters of `GET requests` as the schema of an object."""
    operation = control["paths"]["/_simulator/requests"]["get"]
    names = [each["$ref"].rpartition("/")[2] for each in operation["parameters"]]
    parameters = [control["components"]["parameters"][name] for name in names]
    properties = {each["name"]: {**each["schema"], "description": each["description"]} for each in parameters}
    return {"type": "object", "description": "Which calls are meant.", "properties": properties}


if __name__ == "__main__":
    text = written(HELPER.read_text(encoding="utf-8"))
    for path in (HELPER, *COPIES):
        path.write_text(text, encoding="utf-8")
