"""`python -m deploy.grafana`: write the dashboards."""

import json
from pathlib import Path
from typing import Final

from deploy.grafana.boards import DASHBOARDS
from deploy.grafana.panels import Json

FOLDER: Final = Path(__file__).parent / "dashboards"


def to_text(dashboard: Json) -> str:
    """As it stands in its file."""
    return json.dumps(dashboard, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for name, make in DASHBOARDS.items():
        (FOLDER / f"{name}.json").write_text(to_text(make()), encoding="utf-8")
