"""The operations that show a sandbox's world in parts: its tenants, a group with a page of its users, and a user."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from typing import Any

from simulator.contract.operation import Call
from simulator.contract.view import View
from simulator.control.call import Control, ControlHandler
from simulator.directory import Group, User
from simulator.document import pointer_to
from simulator.errors import Fault, InvalidAttribute
from simulator.state.world import Fork, World

USERS_SHOWN = 50
"""How many users a page holds if the client gives no limit."""

Filter = Callable[[User], bool]


def get_world(_: Call, control: Control) -> object:
    """GET world: the tenants and groups with their sizes (S-12)."""
    directory = control.sandbox.version.world.directory
    return {
        "default_domain": directory.default_domain,
        "accounts": len(directory.accounts),
        "pointer": "",
        "tenants": [
            {
                "tenant_id": tenant.tenant_id,
                "type": tenant.type,
                "pointer": _pointer(tenant.tenant_id),
                "users": len(tenant.users),
                "groups": [
                    {
                        "group_id": group.group_id,
                        "pointer": _pointer(tenant.tenant_id, group.group_id),
                        "services": group.services,
                        "departments": len(group.departments),
                        "users": len(group.users),
                    }
                    for group in tenant.groups.values()
                ],
            }
            for tenant in directory.tenants.values()
        ],
    }


def get_world_group(call: Call, control: Control) -> object:
    """GET world/{tenant_id}/{group_id}: a group, and a page of those users that match (S-12)."""
    world = control.sandbox.version.world
    group = world.directory.group(call.path["tenant_id"], call.path["group_id"])
    members = Counter(each.department.department_name for each in group.users.values() if each.department)
    return View(
        group,
        pointer=_pointer(group.tenant_id, group.group_id),
        assignable=[name for each in control.fixtures.services for name in each.group_services],
        sections=_sections(control, world, group),
        details=_details(control, world, group),
        departments=[View(each, users=members[each.department_name]) for each in group.departments.values()],
        **_page(call.query, group, _filters(call.query, group, control)),
    )


def get_world_user(call: Call, control: Control) -> object:
    """GET world/{tenant_id}/{group_id}/{user_id}: a user (S-12). The id may lack the default domain (G-11)."""
    world = control.sandbox.version.world
    user = world.directory.user(call.path["tenant_id"], call.path["group_id"], call.path["user_id"])
    return View(
        _user(user),
        pointer=_pointer(user.tenant_id, user.group_id, user.user_id),
        assignable=[name for each in control.fixtures.services for name in each.user_services],
        sections=_sections(control, world, user),
        details=_details(control, world, user),
    )


def _pointer(tenant_id: str, group_id: str | None = None, user_id: str | None = None) -> str:
    """Returns the place of a tenant, group or user in the document of the state."""
    steps = (("tenants", tenant_id), ("groups", group_id), ("users", user_id))
    return pointer_to(step for name, identifier in steps if identifier is not None for step in (name, identifier))


def _sections(control: Control, world: World, owner: Group | User) -> dict[str, Any]:
    return {
        section.key: {"service": section.service, "content": content}
        for section, content in control.fixtures.sections_of(world, owner)
    }


def _details(control: Control, world: World, owner: Group | User) -> dict[str, Any]:
    fork = Fork(world)
    return {name: each for service in control.fixtures.services for name, each in service.details(fork, owner).items()}


def _user(user: User) -> View:
    return View(
        user,
        extension=user.extension or None,
        phone_number=user.phone_number or None,
        email_address=user.email_address or None,
        department=user.department and user.department.department_name,
    )


def _page(query: Mapping[str, Any], group: Group, filters: Collection[Filter]) -> dict[str, Any]:
    """Returns the users that match: how many there are, those of the page, and what gets the next page.

    Raises `InvalidAttribute` if the page is to begin after a user who does not exist.
    """
    after, limit = query.get("after"), query.get("limit", USERS_SHOWN)
    if after is not None and after not in group.users:
        raise InvalidAttribute(_unknown("after", "user", after, group.users))
    total, page, is_due, has_more = 0, list[User](), after is None, False
    for user in group.users.values():
        if all(matches(user) for matches in filters):
            total += 1
            if is_due and len(page) < limit:
                page.append(user)
            elif is_due:
                has_more = True
        if user.user_id == after:
            is_due = True
    return {"total": total, "users": [_user(each) for each in page], "next": page[-1].user_id if has_more else None}


def _filters(query: Mapping[str, Any], group: Group, control: Control) -> list[Filter]:
    """Returns the filters in the query. Raises `InvalidAttribute` for an unknown department or service."""
    filters: list[Filter] = []
    if "department" in query:
        department = group.departments.get(query["department"])
        if department is None:
            raise InvalidAttribute(_unknown("department", "department", query["department"], group.departments))
        filters.append(lambda user: user.department == department)
    if "service" in query:
        service, known = query["service"], [name for each in control.fixtures.services for name in each.user_services]
        if service not in known:
            raise InvalidAttribute(_unknown("service", "service", service, known))
        filters.append(lambda user: service in user.services)
    if "q" in query:
        text = query["q"].casefold()
        filters.append(lambda user: text in _searched(user).casefold())
    return filters


def _searched(user: User) -> str:
    return f"{user.user_id}\n{user.first_name} {user.last_name}\n{user.phone_number}\n{user.extension}"


def _unknown(parameter: str, kind: str, asked: str, known: Collection[str]) -> Fault:
    reason = f"the query parameter {parameter} names the {kind} {asked[:100]!r}, which does not exist"
    return Fault("S-12", reason, asked=asked, known=known)


HANDLERS: dict[str, ControlHandler] = {
    "getWorld": get_world,
    "getWorldGroup": get_world_group,
    "getWorldUser": get_world_user,
}
