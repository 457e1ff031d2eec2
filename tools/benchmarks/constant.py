"""Flask with a constant answer of the same shape, for comparison. `python constant.py PORT` runs it in waitress."""

from __future__ import annotations

import sys

from flask import Flask, Response

ANSWER = b'{"name":"Reception","isDefault":true,"maxCalls":7,"maxOutgoingCalls":5}\n'


def bare_flask(answer: bytes = ANSWER) -> Flask:
    """Returns an application with the paths of a call capacity and of their list, and one answer for both."""
    app = Flask("bare", static_folder=None)
    collection = "/api/v1/tenants/<a>/groups/<b>/services/call_capacities/"
    for rule in (collection, f"{collection}<c>/"):
        app.add_url_rule(
            rule,
            endpoint=rule,
            methods=["GET", "PUT"],
            view_func=lambda **_: Response(answer, content_type="application/json"),
        )
    return app


if __name__ == "__main__":
    from waitress import serve

    serve(bare_flask(), host="127.0.0.1", port=int(sys.argv[1]))
