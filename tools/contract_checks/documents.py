"""Validators and linters of OpenAPI documents. Both contracts pass them without a warning."""

from __future__ import annotations

import sys

from tools.contract_checks.check import CONTRACT, FOLDER, ROOT, Check, node_program, run

DOCUMENTS = [CONTRACT, ROOT / "simulator" / "control" / "control.yaml"]


def openapi_spec_validator() -> str:
    """The contracts are valid by the schema of OpenAPI 3.1."""
    run([sys.executable, "-m", "openapi_spec_validator", *DOCUMENTS])
    return f"{len(DOCUMENTS)} documents"


def redocly() -> str:
    """The contracts follow Redocly's strict recommendations."""
    options = ["--config", FOLDER / "redocly.yaml", "--max-problems", "1000"]
    command = [node_program("redocly"), "lint", *DOCUMENTS, *options]
    run(command, env={"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"})
    return f"{len(DOCUMENTS)} documents"


def spectral() -> str:
    """The contracts follow Spectral's rules. A warning fails too."""
    options = ["--ruleset", FOLDER / "spectral.yaml", "--fail-severity", "hint"]
    run([node_program("spectral"), "lint", *options, *DOCUMENTS])
    return f"{len(DOCUMENTS)} documents"


CHECKS: dict[str, Check] = {"openapi-spec-validator": openapi_spec_validator, "redocly": redocly, "spectral": spectral}
