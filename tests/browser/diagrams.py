"""`python -m tests.browser.diagrams` draws the documentation's Mermaid for the site: docs/images/diagrams.

GitHub draws it by itself. The site shows these pictures, so that it loads no program from elsewhere. Needs npm, to
fetch Mermaid, and a Chromium.
"""

import subprocess
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from deploy.site.hooks import DIAGRAMS, diagrams
from tests.support.browser import chromium

ROOT: Final = Path(__file__).parents[2]
MERMAID: Final = "mermaid@11.16.0"
# Labels as SVG text: as HTML they would not be seen where a picture is shown as a picture.
DRAW: Final = """async source => {
    mermaid.initialize({theme: "neutral", htmlLabels: false, flowchart: {htmlLabels: false}, deterministicIds: true});
    return (await mermaid.render("diagram", source)).svg;
}"""


def main() -> None:
    """Draw what is there, and remove what is no more."""
    drawn = ROOT / DIAGRAMS
    drawn.mkdir(exist_ok=True)
    wanted = diagrams(ROOT)
    for picture in drawn.iterdir():
        if picture.name not in wanted:
            picture.unlink()
    with chromium() as browser:
        page = browser.new_page()
        page.add_script_tag(content=mermaid())
        for name, source in wanted.items():
            (drawn / name).write_text(f"{page.evaluate(DRAW, source)}\n", "utf-8")


def mermaid() -> str:
    """Fetch the program."""
    with TemporaryDirectory() as folder:
        subprocess.run(["npm", "pack", "--silent", MERMAID], cwd=folder, check=True)  # noqa: S607  # wherever it is
        (packed,) = Path(folder).glob("*.tgz")
        with tarfile.open(packed) as archive:
            program = archive.extractfile("package/dist/mermaid.min.js")
            assert program is not None
            return program.read().decode()


if __name__ == "__main__":
    main()
