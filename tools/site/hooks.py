"""The README is the site's first page, and links to files of the repository lead to the repository.

MkDocs calls these functions. The pages are written for readers of the checkout, whose links are relative to it.
"""

from __future__ import annotations

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
FIRST = "index.md"
LINK = re.compile(r"(?<=\]\()([^):#\s]+)(?=[#)])")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the README as the first page."""
    files.append(File.generated(config, FIRST, content=(ROOT / "README.md").read_text("utf-8")))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Rewrite the relative links of a page."""
    folder = ROOT if page.file.src_uri == FIRST else DOCS
    return LINK.sub(lambda link: address(folder, link[1], config.repo_url), markdown)


def address(folder: Path, target: str, repository: str | None) -> str:
    """Where a link of a file in this folder leads on the site; PluginError if the target does not exist."""
    path = (folder / target).resolve()
    if path == ROOT / "README.md":
        return FIRST
    if path.is_relative_to(DOCS):
        return path.relative_to(DOCS).as_posix()  # MkDocs itself checks these.
    if not path.exists():
        raise PluginError(f"a link leads nowhere: {target}")
    return f"{repository}/{'tree' if path.is_dir() else 'blob'}/main/{path.relative_to(ROOT).as_posix()}"
