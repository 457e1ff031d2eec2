"""Pages come from templates: clients' input stays text, and other commands do not load Jinja."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any
from urllib.parse import unquote
from xml.etree import ElementTree

import pytest
from jinja2 import UndefinedError

from simulator.reports import coverage, errors
from simulator.reports.page import PACKAGE, render
from tests.conftest import python

HOSTILE = "<script>alert('it')</script> & \"{{ 7 * 7 }}\""
OPERATION = {
    "operationId": HOSTILE,
    "method": HOSTILE,
    "path": HOSTILE,
    "hits": 1,
    "statuses": {"200": {"documented": True, "hits": 1}},
    "rules": {HOSTILE: 1},
    "assumed": {HOSTILE: 1},
    "ignored": {HOSTILE: 1},
}
COVERAGE = {
    "sandbox": HOSTILE,
    "operations": [OPERATION],
    "undocumented": [{"method": HOSTILE, "path": HOSTILE, "status": 404, "hits": 1}],
    "totals": {"operations": 1, "operationsHit": 1, "statuses": 1, "statusesHit": 1},
}
REFUSAL = {
    "code": 40401,
    "message": HOSTILE,
    "rule": HOSTILE,
    "basis": [HOSTILE],
    "assumed": False,
    "status": 404,
    "options": [HOSTILE],
    "request": {"method": HOSTILE, "path": HOSTILE},
    "command": HOSTILE,
    "response": {"body": {"errors": [{"details": {"reason": HOSTILE, "pointer": HOSTILE}}]}},
}
CATALOGUE = {"errors": [REFUSAL, {**REFUSAL, "operationId": HOSTILE}]}

WITHOUT_VALUES = {"reports/page.html", "console/lists.html"}
"""A layout that shows only what pages fill in, and macros that show only what they are given."""


class Elements(HTMLParser):
    """The elements of a page and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.text = ""
        self.links: list[Any] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.names.add(tag)
        self.links += [dict(attrs)] if tag == "link" else []

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize(
    ("page", "times"), [(coverage.as_html(COVERAGE), 13), (errors.as_html(CATALOGUE), 21)], ids=["coverage", "errors"]
)
def test_whatever_clients_have_sent_is_text_on_the_page(page: str, times: int) -> None:
    elements = Elements(page)
    assert "script" not in elements.names
    assert elements.text.count("<script>alert('it')</script> & ") == times
    assert "49" not in elements.text


@pytest.mark.parametrize("page", [coverage.as_html(COVERAGE), errors.as_html(CATALOGUE)], ids=["coverage", "errors"])
def test_a_page_brings_its_icon(page: str) -> None:
    (icon,) = [each["href"] for each in Elements(page).links if each["rel"] == "icon"]
    kind, _, content = icon.partition(",")
    assert kind == "data:image/svg+xml"
    assert ElementTree.fromstring(unquote(content)).tag == "{http://www.w3.org/2000/svg}svg"
    assert not {"#", '"'} & set(content)


@pytest.mark.parametrize(
    "template",
    sorted({path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.html")} - WITHOUT_VALUES),
)
def test_a_value_that_is_missing_is_a_mistake_and_no_blank(template: str) -> None:
    with pytest.raises(UndefinedError):
        render(template)


def test_commands_that_show_no_page_do_not_load_jinja() -> None:
    program = (
        "import sys, simulator.cli\n"
        "from simulator.reports import coverage, errors, journal\n"
        "errors.as_text({'errors': []})\n"
        "print('jinja2' in sys.modules)\n"
        "errors.as_html({'errors': []})\n"
        "print('jinja2' in sys.modules)"
    )
    assert python("-c", program).stdout.split() == ["False", "True"]
