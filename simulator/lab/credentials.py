"""The credentials for a laboratory. They come from the environment or from a file, never from an argument."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simulator.document import read_document
from simulator.errors import BrokenDocument

PREFIX = "APIO_LAB_"
NAMES = ("username", "password", "token", "second_username", "second_password")
VARIABLES = {name: PREFIX + name.upper() for name in NAMES}


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """A token, or a user name and a password for the login; without any, requests carry none.

    The second account has a lower level. It is only used to learn what it may not do (A-1, A-2, A-7). Raises
    `ValueError` if a part is missing, or if there are a token and a user name.
    """

    username: str = ""
    password: str = ""
    token: str = ""
    second_username: str = ""
    second_password: str = ""

    def __post_init__(self) -> None:
        for one, other in (("username", "password"), ("second_username", "second_password")):
            if bool(getattr(self, one)) != bool(getattr(self, other)):
                raise ValueError(f"{one} and {other} go together")
        if self.token and self.username:
            raise ValueError("give a token or a username with its password, not both")
        for each in self.secrets:
            if not each.isprintable():
                raise ValueError("credentials are printable characters only")

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must never be shown."""
        return tuple(filter(None, (getattr(self, name) for name in NAMES)))

    @classmethod
    def of_environment(cls, environment: Mapping[str, str]) -> Credentials:
        """Return the credentials of the variables `APIO_LAB_USERNAME` and so on. Raises `ValueError`."""
        return cls(**{name: environment.get(variable, "") for name, variable in VARIABLES.items()})

    @classmethod
    def of_file(cls, path: Path) -> Credentials:
        """Return the credentials of a YAML or JSON file. Raises `BrokenDocument`, or `ValueError` like the class."""
        document = read_document(path)
        problems = list(document.problems)
        data: Any = document.data
        if not isinstance(data, dict):
            problems.append(document.problem("", f"must be a mapping with some of {', '.join(NAMES)}"))
        else:
            for name, value in data.items():
                if name not in NAMES:
                    problems.append(document.problem(f"/{name}", f"is not known; known are {', '.join(NAMES)}"))
                elif not isinstance(value, str):
                    problems.append(document.problem(f"/{name}", "must be a text; put it into quotation marks"))
        if problems:
            raise BrokenDocument(problems)
        return cls(**data)
