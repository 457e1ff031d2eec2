"""What the parts of this package leave for each other in the WSGI environment of a request."""

from __future__ import annotations

from flask import request

from simulator.state.sandbox import Sandbox

SANDBOX = "simulator.sandbox"
"""The sandbox that the request's path selected; from the gateway."""

HOST = "simulator.host"
"""The Host header; from the gateway."""

RULE = "simulator.rule"
"""The rule of a refusal; for the log."""


def current_sandbox() -> Sandbox:
    """The sandbox that the path of the present request selected."""
    sandbox: Sandbox = request.environ[SANDBOX]
    return sandbox
