"""Validators and linters of OpenAPI documents: both contracts pass them without a word."""

from __future__ import annotations

import sys

from tools.contract_checks.check import CONTRACT, FOLDER, ROOT, Check, node_program, run

DOCUMENTS = [CONTRACT, ROOT / "simulator" / "control" / "control.yaml"]


def openapi_spec_validator() -> str:
    """Validity by the schema of OpenAPI 3.1."""
    run([sys.executable, "-m", "openapi_spec_validator", *DOCUMENTS])
    return f"{len(DOCUMENTS)} documents"


def redocly() -> str:
    """The strict recommendations of Redocly."""
    options = ["--config", FOLDER / "redocly.yaml", "--max-problems", "1000"]
    command = [node_program("redocly"), "lint", *DOCUMENTS, *options]
    run(command, env={"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"})
    return f"{len(DOCUMENTS)} documents"


def spectral() -> str:
    """The rules of Spectral, where a warning fails too."""
    options = ["--ruleset", FOLDER / "spectral.yaml", "--fail-severity", "hint"]
    run([node_program("spectral"), "lint", *options, *DOCUMENTS])
    return f"{len(DOCUMENTS)} documents"


CHECKS: dict[str, Check] = {"openapi-spec-validator": openapi_spec_validator, "redocly": redocly, "spectral": spectral}
