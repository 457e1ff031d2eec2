"""What the pages of the world need besides the answers: addresses, merge patches, and the panels of the services."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any
from urllib.parse import quote

from simulator.reports.page import PACKAGE
from simulator.services.service import Service

Panel = tuple[str | None, str | None]
"""The key of a service's section, and its template, of a path below the package. Each may be missing."""


OPERATIONS = ("getWorld", "getWorldGroup", "getWorldUser", "listAccounts")
"""The operations whose pages need these values."""

ATTRIBUTES = ("firstName", "lastName", "extension", "phoneNumber", "emailAddress", "department")
"""The attributes of a user that can be edited."""


def page_values(services: Sequence[Service], root: str, url: str) -> dict[str, Any]:
    """Return what the templates of the world use. `root` and `url` lead to the control interface (see `Address`)."""
    return {
        "panels": partial(panels, services),
        "place": partial(place, root),
        "patch_at": patch_at,
        "own_attributes": own_attributes,
        "user_services": [name for each in services for name in each.user_services],
        "export_command": f"curl -s -H 'Accept: application/yaml' -o world.yaml {shlex.quote(f'{url}state')}",
    }


def panels(services: Iterable[Service], owner: str) -> list[Panel]:
    """Return the panels for an `owner`: "group" or "user". A section without a template is shown as a list."""
    found: list[Panel] = []
    for service in services:
        section, template = getattr(service, f"{owner}_section"), getattr(service, f"{owner}_panel")
        if section is not None or template is not None:
            found.append((section and section.key, template and template.relative_to(PACKAGE).as_posix()))
    return found


def place(root: str, *ids: str) -> str:
    """Return the address of a group's or user's page. The ids are those of tenant, group and perhaps user."""
    return "/".join([f"{root}world", *(quote(each, safe="") for each in ids)])


def own_attributes(user: Mapping[str, Any]) -> str:
    """Return the attributes of a user that can be edited, as JSON."""
    return json.dumps({name: user[name] for name in ATTRIBUTES if name in user})


def patch_at(pointer: str, value: object) -> str:
    """Return the merge patch, as JSON, that puts a value at a place of the state."""
    for step in reversed(pointer.split("/")[1:]):
        value = {step.replace("~1", "/").replace("~0", "~"): value}
    return json.dumps(value, ensure_ascii=False)
