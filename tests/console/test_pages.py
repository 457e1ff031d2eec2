"""Every page: accessible in light and dark, and as narrow as a phone. Pictures of all of them for people to look at."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from simulator import Simulator
from tests.console.conftest import RULES, Axe
from tests.console.pages import PAGES, README_PICTURE, Shown

if TYPE_CHECKING:
    from playwright.sync_api import Page

HIGHEST_PICTURE = 4000
"""In pixels. Higher pages repeat themselves."""


@pytest.fixture
def folder(pytestconfig: pytest.Config) -> Path | None:
    """Where the pictures go, if they are wanted."""
    folder: Path | None = pytestconfig.getoption("pictures")
    return folder


@pytest.mark.parametrize("shown", PAGES, ids=lambda shown: shown.name)
def test_a_page_is_accessible_and_fits_into_320_pixels(
    shown: Shown, simulator: Simulator, used_page: Page, axe: Axe, folder: Path | None
) -> None:
    shown.open(used_page, simulator)
    axe(used_page, shown.without)
    if folder is not None:
        picture(used_page, shown.name, folder)
    used_page.set_viewport_size({"width": 320, "height": 640})
    assert used_page.evaluate("document.documentElement.scrollWidth") <= 320


def picture(page: Page, name: str, folder: Path) -> None:
    height = min(page.evaluate("document.documentElement.scrollHeight"), HIGHEST_PICTURE)
    for scheme in RULES:
        page.emulate_media(color_scheme=scheme)
        page.screenshot(
            path=folder / f"{name}-{scheme}.png",
            full_page=True,
            clip={"x": 0, "y": 0, "width": page.evaluate("innerWidth"), "height": height},
        )


def test_the_readme_gets_its_picture(simulator: Simulator, page: Page, folder: Path | None, tmp_path: Path) -> None:
    page.set_viewport_size({"width": 1280, "height": 800})
    README_PICTURE.open(page, simulator)
    page.screenshot(path=(folder or tmp_path) / f"{README_PICTURE.name}.png")
