"""The site is built without a warning: every link leads somewhere, and docs/README.md knows every page."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.site.hooks import DIAGRAMS, diagrams, pages, slug

ROOT = Path(__file__).parents[2]
BUILD_LIMIT_S = 120
LOADED = re.compile(r"""<(?:script|img|link rel="stylesheet")[^>]*\b(?:src|href)=["']?((?:https?:)?//[^"' >]*)""")


def build(root: Path, site: Path) -> "subprocess.CompletedProcess[str]":
    """As `make docs` does."""
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(site)]
    return subprocess.run(
        command,
        cwd=root,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=BUILD_LIMIT_S,
        check=False,
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    site = tmp_path_factory.mktemp("site")
    built = build(ROOT, site)
    assert built.returncode == 0, built.stdout
    return site


def html_of(page: Path, site: Path) -> Path:
    inside = site / page.relative_to(ROOT)
    return inside.with_name("index.html") if page.name == "README.md" else inside.with_suffix(".html")


def test_every_page_is_on_the_site(site: Path) -> None:
    assert [page for page in pages(ROOT) if not html_of(page, site).is_file()] == []


def test_every_diagram_is_drawn_as_it_is_written_and_described_in_words() -> None:
    """Draw them: python -m tests.browser.diagrams"""
    assert {picture.name for picture in (ROOT / DIAGRAMS).iterdir()} == set(diagrams(ROOT))
    assert [source for source in diagrams(ROOT).values() if "accTitle: " not in source] == []


def test_the_site_loads_nothing_from_elsewhere(site: Path) -> None:
    assert {page.name: found for page in site.rglob("*.html") if (found := LOADED.findall(page.read_text()))} == {}


def test_a_link_that_leads_nowhere_and_a_page_that_the_index_does_not_name_break_the_build(tmp_path: Path) -> None:
    """A small repository, built as ours is: its only good links are to a heading and to a folder."""
    root = tmp_path / "repository"
    (root / "docs").mkdir(parents=True)
    (root / "README.md").write_text("# Start\n")
    wrong = ["none.md", "none.json", "none", "other.md#none", "#none"]
    links = " ".join(f"[a]({target})" for target in ["other.md#a-heading-code-x_y", "../deploy", *wrong])
    (root / "docs/README.md").write_text(f"# Index\n\n## Section\n\n- [Other](other.md)\n\n{links}\n")
    (root / "docs/other.md").write_text("# Other\n\n## A heading: `code`, x_y\n")
    (root / "docs/forgotten.md").write_text("# Forgotten\n")
    shutil.copy(ROOT / "mkdocs.yml", root)
    shutil.copytree(ROOT / "deploy/site", root / "deploy/site")
    built = build(root, tmp_path / "site")
    assert built.returncode != 0
    assert sorted(re.findall(r"link '(.*?)'", built.stdout)) == sorted(wrong)
    assert "forgotten.md" in built.stdout
    assert f"Aborted with {len(wrong) + 1} warnings" in built.stdout


def test_headings_have_the_anchors_that_github_gives_them() -> None:
    assert slug("In: `reviews.raw`", "-") == "in-reviewsraw"
    assert slug("What is fast, and why_not -- yet?", "-") == "what-is-fast-and-why_not----yet"
