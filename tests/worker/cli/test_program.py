"""What all commands have in common: help, errors, logging, and commands that other packages add."""

import logging
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import worker
from tests.support.worker_process import ROOT
from tests.worker.cli.runner import LIMIT_S, invoke, start
from worker.cli import main, reference
from worker.cli.program import ADDED
from worker.errors import Fatal
from worker.settings.schema import Settings, flag_name

COMMANDS = list(reference.commands_of(main))
EVERY = [words for words, _ in reference.commands(main)]


@pytest.mark.parametrize("command", EVERY, ids=" ".join)
def test_every_command_explains_itself_with_an_example(command: list[str]) -> None:
    result = invoke(*command, "--help")
    assert result.exit_code == 0
    assert "Example:\n" in result.output
    assert f"sentiment-worker {' '.join(command)}" in result.output


def test_the_page_of_commands_is_up_to_date() -> None:
    """Regenerate it with `python -m worker.cli.reference > docs/commands.md`."""
    assert reference.page() == (ROOT / "docs" / "commands.md").read_text("utf-8")


def test_the_overview_lists_the_commands_untruncated_and_every_exit_status() -> None:
    output = invoke("--help").output
    expected = ["bench", "completion", "config", "demo", "doctor", "lag", "model"]
    expected += ["produce", "replay", "run", "schema", "score", "tail", "topics"]
    assert [name for name in expected if name in output] == expected == COMMANDS
    assert "..." not in output.partition("Commands:")[2].replace("COMMAND [ARGS]...", "")
    for error in Fatal.__subclasses__():
        assert f"{error.exit_code:>5}  {error.__doc__}" in output


def test_the_version_is_the_packages() -> None:
    assert invoke("--version").output == f"{worker.__version__}\n"


@pytest.mark.parametrize("command", ["run", "config", "doctor"])
def test_every_setting_is_a_flag(command: str) -> None:
    flags = {option for parameter in main.commands[command].params for option in parameter.opts}
    assert {flag_name(name) for name in Settings.model_fields} <= flags
    assert "--config" in flags


def test_importing_the_command_line_loads_no_heavy_library() -> None:
    """So that `--help` and `config` are quick."""
    heavy = {"torch", "numpy", "kafka", "confluent_kafka", "rich", "prometheus_client", "onnxruntime"}
    code = f"import sys, worker.cli; print(*sorted({heavy} & set(sys.modules)))"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True, text=True)
    assert loaded.stdout.strip() == ""


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_numpy_starts_no_threads() -> None:
    program = (
        "import os, sys\n"
        "from contextlib import suppress\n"
        "from worker.__main__ import main\n"
        "sys.argv = ['sentiment-worker', '--version']\n"
        "with suppress(SystemExit):\n"
        "    main()\n"
        "import numpy\n"
        "print(len(os.listdir('/proc/self/task')))\n"
    )
    environ = {name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"}
    ran = subprocess.run([sys.executable, "-c", program], env=environ, capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines()[-1] == "1"


# commands that other packages add


def test_a_command_of_another_package_is_listed_and_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "neighbour.py").write_text(
        "import click\n\nhello = click.Command('hello', callback=lambda: print('hi'))\n"
    )
    install(tmp_path, monkeypatch, "hello = neighbour:hello")
    assert "  hello\n" in invoke("--help").output
    assert invoke("hello").output == "hi\n"


def test_a_command_whose_modules_are_missing_is_not_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Like `demo` in an image, which is built without `deploy`."""
    install(tmp_path, monkeypatch, "hello = left_out.cli:hello")
    overview = invoke("--help")
    assert (overview.exit_code, "hello" in overview.output) == (0, False)
    assert "No such command 'hello'" in invoke("hello").output


def install(directory: Path, monkeypatch: pytest.MonkeyPatch, entry_point: str) -> None:
    """Leave what pip leaves when it installs a package that adds a command."""
    about = directory / "neighbour-1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: neighbour\nVersion: 1\n")
    (about / "entry_points.txt").write_text(f"[{ADDED}]\n{entry_point}\n")
    monkeypatch.syspath_prepend(directory)


# errors


@pytest.mark.parametrize(
    ("command", "line"),
    [
        (("config", "--linger-ms", "5000"), "--linger-ms = '5000': must be 0 to 1000"),
        (("run", "--delivery", "exactly_twice"), "--delivery = 'exactly_twice': must be at_least_once or exactly_once"),
    ],
)
def test_a_fatal_error_is_one_line_and_its_exit_status(command: tuple[str, ...], line: str) -> None:
    result = invoke(*command)
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", f"sentiment-worker: {line}\n")


def test_run_reports_a_port_that_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        result = invoke("run", "--http-port", port, "--bootstrap-servers", "127.0.0.1:1", "--log-level", "ERROR")
    assert result.exit_code == 7
    assert result.stderr.startswith(f"sentiment-worker: cannot listen on 127.0.0.1:{port}: ")
    assert result.stderr.count("\n") == 1


def test_an_unexpected_error_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("worker.cli.config.load_effective", fail)
    result = invoke("config")
    assert result.exit_code == 1
    assert isinstance(result.exception, ZeroDivisionError)


def test_an_unreachable_broker_is_reported_in_one_line() -> None:
    with start("tail", "--bootstrap-servers", "127.0.0.1:1") as process:
        stdout, stderr = process.communicate(timeout=LIMIT_S)
    assert (process.returncode, stdout) == (3, b"")
    assert stderr.startswith(b"sentiment-worker: ")
    assert b"127.0.0.1:1" in stderr
    assert stderr.count(b"\n") == 1


# the log of the commands that are not `run`


@pytest.mark.parametrize(
    ("environ", "level", "as_json"),
    [
        ({}, logging.WARNING, False),
        ({"SENTIMENT_LOG_LEVEL": "ERROR", "SENTIMENT_LOG_FORMAT": "json"}, logging.ERROR, True),
        ({"SENTIMENT_LOG_LEVEL": "INFO", "SENTIMENT_LOG_FORMAT": "auto"}, logging.INFO, True),
    ],
)
def test_a_command_logs_warnings_as_text_unless_the_environment_sets_something_else(
    tiny_artifact: Path, monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], level: int, as_json: bool
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert invoke("model", "verify", str(tiny_artifact), "--device", "cpu").exit_code == 0
    root = logging.getLogger()
    [handler] = root.handlers
    line = handler.format(logging.makeLogRecord({"msg": "logged", "levelname": "WARNING"}))
    assert root.level == level
    assert line.startswith("{") is as_json
