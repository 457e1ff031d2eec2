"""The pages are built as a site that loads nothing from elsewhere."""

from __future__ import annotations

import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from click.testing import CliRunner, Result
from mkdocs.__main__ import cli

ROOT = Path(__file__).parents[1]
SETTINGS = Path("tools", "site", "mkdocs.yml")
FROM_ELSEWHERE = re.compile(r"(?:url\(|@import)\s*['\"]?(?:https?:)?//")


def build(project: Path, site: Path) -> Result:
    return CliRunner().invoke(cli, ["build", "--strict", "-f", str(project / SETTINGS), "-d", str(site)])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the site of the checkout."""
    folder = tmp_path_factory.mktemp("site")
    done = build(ROOT, folder)
    assert done.exit_code == 0, done.stderr
    return folder


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the checkout: the files that the site needs or links to."""
    shutil.copytree((ROOT / SETTINGS).parent, tmp_path / "tools" / "site")
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    (tmp_path / "README.md").write_text("# A page\n\n## Operations\n", encoding="utf-8")
    for target in re.findall(
        r"\]\(\.\./([^):#]+)", "".join(each.read_text("utf-8") for each in ROOT.glob("docs/*.md"))
    ):
        (tmp_path / target).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / target).touch()
    return tmp_path


class Page(HTMLParser):
    """Collects what a page loads, the targets of its links, and its anchors."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.assets: list[str] = []
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, Any]]) -> None:
        values = dict(attrs)
        self.anchors |= {values[name] for name in ("id", "name") if values.get(name)}
        if "href" in values:
            (self.links if tag == "a" or values.get("rel") == "canonical" else self.assets).append(values["href"])
        self.assets += [values[name] for name in ("src", "srcset", "data") if values.get(name)]


def pages(site: Path) -> dict[Path, Page]:
    return {path: Page(path) for path in site.rglob("*.html")}


def file_of(site: Path, page: Path, target: str) -> Path:
    """Return the file that a relative address in a page of the site leads to."""
    path = unquote(urlsplit(target).path)
    return (site / path.lstrip("/") if path.startswith("/") else page.parent / path if path else page).resolve()


def test_the_site_has_the_readme_and_every_page(site: Path) -> None:
    built = {path.name for path in pages(site)}
    assert built == {"index.html", "search.html", "404.html"} | {f"{each.stem}.html" for each in ROOT.glob("docs/*.md")}
    assert "60 seconds to the first answer" in (site / "index.html").read_text("utf-8")


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    loaded = [(path, asset) for path, page in pages(site).items() for asset in page.assets]
    assert len(loaded) > 50
    for path, asset in loaded:
        assert urlsplit(asset)[:2] == ("", ""), f"{path.name}: {asset}"
        assert file_of(site, path, asset).is_file(), f"{path.name}: {asset}"
    for style in [*site.rglob("*.css"), *pages(site)]:
        assert not FROM_ELSEWHERE.search(style.read_text("utf-8")), style.name


def test_every_link_within_the_site_leads_to_a_page_and_a_place_in_it(site: Path) -> None:
    built = pages(site)
    for path, page in built.items():
        for link in page.links:
            if urlsplit(link).scheme or link in ("/", "#", "."):
                continue
            target = file_of(site, path, link)
            assert target.is_file(), f"{path.name}: {link}"
            anchor = unquote(urlsplit(link).fragment)
            assert not anchor or anchor in built[target].anchors, f"{path.name}: {link}"


def test_the_copy_without_a_mistake_is_built(project: Path, tmp_path: Path) -> None:
    done = build(project, tmp_path / "built")
    assert done.exit_code == 0, done.stderr


@pytest.mark.parametrize("link", ["none.md", "faults.md#none", "#none", "../none.yaml"])
def test_a_broken_link_is_an_error(project: Path, tmp_path: Path, link: str) -> None:
    with (project / "docs" / "faults.md").open("a", encoding="utf-8") as page:
        page.write(f"\n[broken]({link})\n")
    done = build(project, tmp_path / "built")
    assert done.exit_code != 0
    assert link.removeprefix("../").removeprefix("faults.md") in done.stderr
