"""The systemd unit: valid, confined, and consistent with the worker's code."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.deployment import DEPLOY, accepted, stops_in_time, variables
from worker.errors import BrokerUnreachable, Fatal, ModelUnusable

UNITS = DEPLOY / "systemd"
UNIT = UNITS / "sentiment-worker.service"
LOGIN = UNITS / "sentiment-worker.service.d" / "login.conf"
MOST_EXPOSURE = 20  # of 100, as systemd counts what a service could do to its machine
FIXED_BY_A_RESTART = {BrokerUnreachable, ModelUnusable}  # ModelUnusable may mean a failed engine


def values(name: str, path: Path = UNIT) -> list[str]:
    return re.findall(rf"^{name}=(.*)$", path.read_text("utf-8"), re.MULTILINE)


def value(name: str) -> str:
    [found] = values(name)
    return str(found)


def environment(*paths: Path) -> dict[str, str]:
    return dict(pair.split("=", 1) for path in paths for pair in values("Environment", path))


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit and its drop-in, with a program that exists here."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("no systemd-analyze on this machine")
    shutil.copytree(UNITS, tmp_path, dirs_exist_ok=True)
    copied = tmp_path / UNIT.name
    copied.write_text(re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", UNIT.read_text("utf-8"), flags=re.MULTILINE))
    return copied


def analyzed(*arguments: object) -> tuple[int, str]:
    command = ["systemd-analyze", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stderr


def test_systemd_understands_every_line(unit: Path) -> None:
    assert analyzed("verify", unit) == (0, "")


def test_the_service_could_do_little_to_its_machine(unit: Path) -> None:
    status, said = analyzed("security", "--offline=true", f"--threshold={MOST_EXPOSURE}", unit)
    assert status == 0, said


def test_the_worker_accepts_the_settings(tmp_path: Path) -> None:
    given = variables((UNITS / "settings.env").read_text("utf-8")) | environment(UNIT)
    assert accepted(given).group_instance_id is not None
    files = {name.partition(":")[0]: tmp_path / name.partition(":")[0] for name in values("LoadCredential", LOGIN)}
    for path in files.values():
        path.write_text("secret")
    settings = accepted(given | environment(LOGIN), {f"%d/{credential}": path for credential, path in files.items()})
    assert settings.sasl_password is not None


def test_a_worker_that_drains_is_not_killed() -> None:
    settings = accepted(variables((UNITS / "settings.env").read_text("utf-8")))
    assert stops_in_time(settings, float(value("TimeoutStopSec")))


def test_what_a_restart_cannot_fix_is_left_to_people() -> None:
    hopeless = {error.exit_code for error in Fatal.__subclasses__() if error not in FIXED_BY_A_RESTART}
    assert set(map(int, value("RestartPreventExitStatus").split())) == hopeless
    assert value("Restart") == "on-failure"


def test_a_broker_that_is_away_for_long_is_waited_for() -> None:
    assert value("StartLimitIntervalSec") == "0", "with a limit, systemd gives up"
