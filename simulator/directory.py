"""The directory: tenants, groups, departments, users and accounts. The services refer to them.

Its records are immutable. The documented API reads them and never changes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

from simulator.errors import Fault, InsufficientRight, OutOfScope, UnknownResource


class Level(IntEnum):
    """The level of an account. A higher level includes the rights of the lower ones (A-1)."""

    END_USER = 0
    GROUP_ADMIN = 8
    TENANT_ADMIN = 12
    SYSTEM_ADMIN = 16

    @property
    def title(self) -> str:
        """The level as the documentation writes it."""
        return self.name.replace("_", " ").title()

    @property
    def scope(self) -> tuple[str, ...]:
        """The path parameters that must name the account's own ids (A-1)."""
        return _SCOPES[self]


_SCOPES = {
    Level.SYSTEM_ADMIN: (),
    Level.TENANT_ADMIN: ("tenant_id",),
    Level.GROUP_ADMIN: ("tenant_id", "group_id"),
    Level.END_USER: ("tenant_id", "group_id", "user_id"),
}
LEVELS: Mapping[str, Level] = {level.title: level for level in Level}


@dataclass(frozen=True, slots=True, kw_only=True)
class Department:
    """A department of a group. The full path also names its parents (G-15)."""

    tenant_id: str
    group_id: str
    department_name: str
    full_path_name: str
    parent: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A user. An unknown attribute is the empty string (G-14)."""

    tenant_id: str
    group_id: str
    user_id: str
    first_name: str
    last_name: str
    extension: str = ""
    phone_number: str = ""
    email_address: str = ""
    department: Department | None = None
    services: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A group and the services assigned to it. Users and departments keep the order of the fixture (G-13)."""

    tenant_id: str
    group_id: str
    services: tuple[str, ...] = ()
    departments: Mapping[str, Department] = field(default_factory=dict)
    users: Mapping[str, User] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """A tenant. `users` holds the users of all its groups, by id."""

    tenant_id: str
    type: str
    groups: Mapping[str, Group]
    users: Mapping[str, User]

    @property
    def is_enterprise(self) -> bool:
        """Whether users of one group may serve those of another (EX-3, EX-4)."""
        return self.type == "Enterprise"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An account that may call: name, password, level, perhaps a fixed token, and the ids that limit its scope."""

    name: str
    password: str
    level: Level
    tenant_id: str | None = None
    group_id: str | None = None
    user_id: str | None = None
    token: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True, weakref_slot=True)
class Directory:
    """A world without the states of its services. `tokens` holds the accounts that have a token, by token (A-4).

    `weight` estimates, in bytes, the world that this directory was read with. Later worlds share the value (S-10).
    """

    default_domain: str
    tenants: Mapping[str, Tenant]
    accounts: Mapping[str, Account]
    tokens: Mapping[str, Account]
    weight: int = field(default=0, compare=False)

    def tenant(self, tenant_id: str) -> Tenant:
        """Return the tenant. Raises `UnknownResource` (G-9)."""
        try:
            return self.tenants[tenant_id]
        except KeyError:
            reason = f"there is no tenant {tenant_id!r}"
            raise UnknownResource(Fault("G-9", reason, asked=tenant_id, known=self.tenants)) from None

    def group(self, tenant_id: str, group_id: str) -> Group:
        """Return the group of a tenant. Raises `UnknownResource` (G-9)."""
        try:
            groups = self.tenant(tenant_id).groups
            return groups[group_id]
        except KeyError:
            reason = f"the tenant {tenant_id!r} has no group {group_id!r}"
            raise UnknownResource(Fault("G-9", reason, asked=group_id, known=groups)) from None

    def user(self, tenant_id: str, group_id: str, user_id: str) -> User:
        """Return the user of a group. Raises `UnknownResource` (G-9)."""
        users = self.group(tenant_id, group_id).users
        user = self.find_user(users, user_id)
        if user is None:
            reason = f"the group {group_id!r} has no user {user_id!r}"
            raise UnknownResource(Fault("G-9", reason, asked=user_id, known=users))
        return user

    def check_exists(self, path: Mapping[str, str]) -> None:
        """Check that tenant, group and user exist, as far as the path names them. Raises `UnknownResource` (G-9)."""
        if "user_id" in path:
            self.user(path["tenant_id"], path["group_id"], path["user_id"])
        elif "group_id" in path:
            self.group(path["tenant_id"], path["group_id"])
        elif "tenant_id" in path:
            self.tenant(path["tenant_id"])

    def find_user(self, users: Mapping[str, User], user_id: str) -> User | None:
        """Return the user with this id, if one of these users has it (G-11)."""
        return users.get(self.exact_user_id(users, user_id))

    def exact_user_id(self, users: Mapping[str, User], user_id: str) -> str:
        """Return the exact id. If no user has this id and it has no domain, it gets the default domain (G-11)."""
        return user_id if "@" in user_id or user_id in users else f"{user_id}@{self.default_domain}"

    def users_of(self, tenant_id: str | None, group_id: str | None) -> Mapping[str, User]:
        """Return the users of a group, or nothing if the group does not exist."""
        tenant = self.tenants.get(tenant_id or "")
        group = tenant.groups.get(group_id or "") if tenant else None
        return group.users if group else {}


def authorize(account: Account, minimum: Level, path: Mapping[str, str], directory: Directory) -> None:
    """Check that the account may use the resource of the path.

    Raises `InsufficientRight` if the account's level is below the minimum (A-2). Raises `OutOfScope` if the resource
    lies outside the account's own tenant, group or user (A-1). The resource need not exist (A-7).
    """
    if account.level < minimum:
        reason = f"the operation needs {minimum.title} or above; the account {account.name!r} is {account.level.title}"
        raise InsufficientRight(Fault("A-2", reason))
    for parameter in account.level.scope:
        own, asked = getattr(account, parameter), path.get(parameter)
        meant = asked
        if parameter == "user_id" and asked is not None:
            meant = directory.exact_user_id(directory.users_of(account.tenant_id, account.group_id), asked)
        if meant == own:
            continue
        kind = parameter.removesuffix("_id")
        rule = "A-2" if parameter == "user_id" else "A-1"
        reason = f"the account {account.name!r} reaches only its own {kind}, {own!r}, not {asked!r}"
        raise OutOfScope(Fault(rule, reason, assumed=True))
