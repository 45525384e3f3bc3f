"""A section of a page that a program writes, between two marks."""

import re
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Section:
    """Its page, its name there, and the command that writes it, which the first mark names."""

    page: Path
    name: str
    command: str

    @property
    def _marks(self) -> tuple[str, str]:
        return (
            f"<!-- {self.name}: written by `{self.command}`; do not change it by hand. -->\n",
            f"<!-- the end of {self.name} -->\n",
        )

    def write(self, text: str) -> None:
        """Bring the page up to date."""
        self.page.write_text(self.replaced(self.page.read_text(), text))

    def replaced(self, page: str, text: str) -> str:
        """The page with this text between the marks. Raises ValueError where it has no such marks."""
        begin, end = self._marks
        written, count = re.subn(
            f"{re.escape(begin)}.*?{re.escape(end)}", lambda _: f"{begin}{text}{end}", page, flags=re.DOTALL
        )
        if count != 1:
            raise ValueError(f"the page has {count} places for {self.name}, not one: {begin.strip()}")
        return written

    def read(self) -> str:
        """What stands there now."""
        begin, end = self._marks
        return self.page.read_text().partition(begin)[2].partition(end)[0]
