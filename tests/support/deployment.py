"""What all ways of deployment are held to: the settings that they give are accepted, and there is time to stop."""

import re
from collections.abc import Mapping
from pathlib import Path

from worker.settings.schema import Settings
from worker.settings.sources import load_settings

DEPLOY = Path(__file__).parents[2] / "deploy"
DOCKERFILE = (DEPLOY / "docker" / "Dockerfile").read_text("utf-8")
CLOSING_S = 15  # after the drain: the last commit, leaving the group, the end of the engine


def image_environment() -> dict[str, str]:
    """The settings that the image brings."""
    return dict(re.findall(r"\b(SENTIMENT_\w+)=(\S+)", DOCKERFILE))


def variables(text: str) -> dict[str, str]:
    """What a file of `NAME=value` lines says."""
    lines = (line for line in text.splitlines() if line and not line.startswith("#"))
    return dict(line.split("=", 1) for line in lines)


def accepted(environment: Mapping[str, str], mounted: Mapping[str, Path] = {}) -> Settings:
    """The settings in force; fails when one is wrong. Files of the machine to be are here where `mounted` says."""
    return load_settings({}, {name: str(mounted.get(value, value)) for name, value in environment.items()})


def stops_in_time(settings: Settings, granted_s: float) -> bool:
    """Whether a worker that drains to the last moment is not killed."""
    return settings.drain_timeout_ms / 1000 + CLOSING_S <= granted_s
