"""A client for the call capacities of a group: what a team would write, and wants to test."""

from __future__ import annotations

import time
from typing import Any

import httpx


class Refused(Exception):
    """The API refused a request. The message has the reasons."""


class Capacities:
    """The call capacities of one group. A limit of `None` removes the limit."""

    def __init__(self, base_url: str, tenant: str, group: str) -> None:
        self._client = httpx.Client(base_url=base_url)
        self._path = f"/api/v1/tenants/{tenant}/groups/{group}/services/call_capacities/"

    def log_in(self, username: str, password: str) -> None:
        """Start a session. The client keeps its cookie."""
        self._call("POST", "/api/v1/login/", {"username": username, "password": password})

    def names(self) -> list[str]:
        """Return the names of all capacities."""
        return [each["name"] for each in self._call("GET", self._path)["call_capacities"]]

    def limit(self, name: str, **limits: int | None) -> dict[str, Any]:
        """Change limits, and return the changed capacity."""
        return self._call("PUT", f"{self._path}{name}/", limits)

    def _call(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        answer = self._client.request(method, path, json=body)
        if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:
            time.sleep(float(answer.headers.get("Retry-After", 0)))
            answer = self._client.request(method, path, json=body)
        if answer.is_client_error:
            raise Refused("; ".join(error["details"]["reason"] for error in answer.json()["errors"]))
        result: dict[str, Any] = answer.raise_for_status().json()
        return result
