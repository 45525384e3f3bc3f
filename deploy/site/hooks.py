"""MkDocs hooks: the pages of the site are the repository's Markdown files, at the same paths, so links stay valid.

docs/README.md is also the navigation: its headings are the sections, its list items the pages. A diagram is shown as
the picture that `python -m tests.browser.diagrams` drew of it.
"""

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from posixpath import dirname, join, normpath, relpath
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

PAGES = (
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "docs/**/*.md",
    "examples/**/*.md",
    "model/artifacts/*/MODEL_CARD.md",
    "training/lists/README.md",
    "deploy/demo/REVIEWS.md",
)
INDEX = "docs/README.md"
DECISIONS = "docs/decisions/*.md"
DIAGRAMS = "docs/images/diagrams"
MERMAID = re.compile(r"^```mermaid\n(?P<source>.*?)^```$", re.MULTILINE | re.DOTALL)
TITLE = re.compile(r"^ *accTitle: (.*)$", re.MULTILINE)  # Mermaid's text alternative of a diagram
LINK = re.compile(r"\[(?P<text>[^\[\]]*)\]\((?P<target>[^()\s:#]+)(?:#[^()\s]*)?\)")


def pages(root: Path) -> list[Path]:
    """Return every Markdown file of the documentation."""
    return [path for pattern in PAGES for path in sorted(root.glob(pattern))]


def diagrams(root: Path) -> dict[str, str]:
    """Return the source of every diagram, by the name of its picture."""
    sources = (match["source"] for page in pages(root) for match in MERMAID.finditer(page.read_text("utf-8")))
    return {_picture(source): source for source in sources}


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Set the navigation from docs/README.md, and GitHub's anchors of headings."""
    root = _root(config)
    decisions = [str(path.relative_to(root)) for path in sorted(root.glob(DECISIONS))]
    config.nav = [{"Start": "README.md"}, {"Documentation": INDEX}, *_sections(root / INDEX), {"Decisions": decisions}]
    config.mdx_configs["toc"]["slugify"] = slug
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Publish the pages and the files that they link to, instead of the files of one folder."""
    root = _root(config)
    of_theme = [file for file in files if file.src_dir != config.docs_dir]
    linked = (file for page in pages(root) for file in _linked_files(page))
    ours = [*(root / path for path in config.extra_css), *(root / DIAGRAMS).glob("*.svg")]
    published = dict.fromkeys([*pages(root), *linked, *ours])
    places = {path: path.relative_to(root).as_posix() for path in published}
    return Files(of_theme + [File.generated(config, uri, abs_src_path=str(path)) for path, uri in places.items()])


def on_page_markdown(markdown: str, page: Any, config: MkDocsConfig, **_: object) -> str:
    """Replace diagrams by pictures, and links to folders by their text, because a site has no folders."""
    folder = dirname(page.file.src_uri)
    here = _root(config) / folder
    drawn = MERMAID.sub(lambda diagram: _shown(diagram["source"], folder), markdown)
    return LINK.sub(lambda link: link["text"] if (here / link["target"]).is_dir() else link[0], drawn)


def slug(heading: str, separator: str) -> str:
    """Return GitHub's anchor of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", separator)


def _picture(source: str) -> str:
    return f"{hashlib.sha256(source.encode()).hexdigest()[:12]}.svg"


def _shown(source: str, folder: str) -> str:
    title = TITLE.search(source)
    return f"![{title[1] if title else ''}]({relpath(join(DIAGRAMS, _picture(source)), folder or '.')})"


def _root(config: MkDocsConfig) -> Path:
    return Path(config.config_file_path).parent


def _linked_files(page: Path) -> Iterator[Path]:
    for link in LINK.finditer(page.read_text("utf-8")):
        target = (page.parent / link["target"]).resolve()
        if target.is_file() and target.suffix != ".md":
            yield target


def _sections(index: Path) -> Iterator[dict[str, list[dict[str, str]]]]:
    for section in index.read_text("utf-8").split("\n## ")[1:]:
        title, _, text = section.partition("\n")
        links = re.finditer(rf"^- {LINK.pattern}", text, re.MULTILINE)
        yield {title: [{link["text"]: normpath(join("docs", link["target"]))} for link in links]}
