"""`python -m deploy.grafana`: writes the dashboards."""

import json
from pathlib import Path
from typing import Final

from deploy.grafana.boards import DASHBOARDS
from deploy.grafana.panels import Json

FOLDER: Final = Path(__file__).parent / "dashboards"


def to_text(dashboard: Json) -> str:
    """The text of a dashboard's file."""
    return json.dumps(dashboard, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for name, board in DASHBOARDS.items():
        (FOLDER / f"{name}.json").write_text(to_text(board), encoding="utf-8")
