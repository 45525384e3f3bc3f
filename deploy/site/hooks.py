"""What MkDocs asks: the pages are those of the repository, at their own places, so that every link means the same.

docs/README.md is also the navigation: its headings are the sections, its list items the pages.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from posixpath import dirname, join, normpath
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
LINK = re.compile(r"\[(?P<text>[^\[\]]*)\]\((?P<target>[^()\s:#]+)(?:#[^()\s]*)?\)")


def pages(root: Path) -> list[Path]:
    """Return every Markdown file of the documentation."""
    return [path for pattern in PAGES for path in sorted(root.glob(pattern))]


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Navigate as docs/README.md does; name headings as GitHub does."""
    root = _root(config)
    decisions = [str(path.relative_to(root)) for path in sorted(root.glob(DECISIONS))]
    config.nav = [{"Start": "README.md"}, {"Documentation": INDEX}, *_sections(root / INDEX), {"Decisions": decisions}]
    config.mdx_configs["toc"]["slugify"] = slug
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Publish the pages, and the files that they link to, instead of what lies in one folder."""
    root = _root(config)
    of_theme = [file for file in files if file.src_dir != config.docs_dir]
    published = dict.fromkeys([*pages(root), *(file for page in pages(root) for file in _linked_files(page))])
    return Files(of_theme + [_file(path, root, config) for path in published])


def on_page_markdown(markdown: str, page: Any, config: MkDocsConfig, **_: object) -> str:
    """Leave of a link to a folder its words: a site has no folders."""
    here = _root(config) / dirname(page.file.src_uri)
    return LINK.sub(lambda link: link["text"] if (here / link["target"]).is_dir() else link[0], markdown)


def slug(heading: str, separator: str) -> str:
    """Return the anchor that GitHub gives to a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", separator)


def _root(config: MkDocsConfig) -> Path:
    return Path(config.config_file_path).parent


def _file(path: Path, root: Path, config: MkDocsConfig) -> File:
    return File.generated(config, path.relative_to(root).as_posix(), abs_src_path=str(path))


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
