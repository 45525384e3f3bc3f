"""The commands that need no broker, run as their users run them."""

import json
import logging
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

import worker
from tests.support.until import until
from tests.support.worker_process import set_environment
from worker.cli import main, reference
from worker.cli.program import ADDED
from worker.commands import schema as schemas
from worker.errors import Fatal
from worker.settings.schema import MASK, Settings, flag_name
from worker.wire.scored import ScoredReview

pytestmark = pytest.mark.usefixtures("logging_as_it_was")

ROOT = Path(__file__).parents[2]
CANARY = "canary-7f3a"
LIMIT_S = 60.0  # for a process that imports torch on a busy machine
COMMANDS = list(reference.commands_of(main))
EVERY = list(reference.commands())


@pytest.fixture(autouse=True)
def no_settings_of_whoever_runs_the_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    set_environment(monkeypatch)


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def start(*arguments: str) -> "subprocess.Popen[bytes]":
    """The real program, as a process of its own."""
    command = [sys.executable, "-m", "worker", *arguments]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def results_in(output: bytes | str) -> list[ScoredReview]:
    return [ScoredReview.model_validate_json(line) for line in output.splitlines()]


# help


@pytest.mark.parametrize("command", EVERY, ids=" ".join)
def test_every_command_explains_itself_with_an_example(command: list[str]) -> None:
    result = invoke(*command, "--help")
    assert result.exit_code == 0
    assert "Example:\n" in result.output
    assert f"sentiment-worker {' '.join(command)}" in result.output


def test_the_page_of_commands_is_the_help_of_today() -> None:
    """Renew it: python -m worker.cli.reference > docs/commands.md"""
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


def test_importing_the_command_line_loads_neither_torch_nor_kafka() -> None:
    """So that `--help` answers at once."""
    code = "import sys, worker.cli; print(*sorted({'torch', 'kafka'} & set(sys.modules)))"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True, text=True)
    assert loaded.stdout.strip() == ""


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_numpy_brings_no_threads_of_its_own() -> None:
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


def test_a_command_that_another_package_adds_is_offered_and_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "neighbour.py").write_text(
        "import click\n\nhello = click.Command('hello', callback=lambda: print('hi'))\n"
    )
    install(tmp_path, monkeypatch, "hello = neighbour:hello")
    assert "  hello\n" in invoke("--help").output
    assert invoke("hello").output == "hi\n"


def test_a_command_whose_modules_were_left_out_is_not_offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As `demo` in an image, which is made without `deploy`."""
    install(tmp_path, monkeypatch, "hello = left_out.cli:hello")
    overview = invoke("--help")
    assert (overview.exit_code, "hello" in overview.output) == (0, False)
    assert "No such command 'hello'" in invoke("hello").output


def install(directory: Path, monkeypatch: pytest.MonkeyPatch, entry_point: str) -> None:
    """What pip leaves of a package that adds a command."""
    about = directory / "neighbour-1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: neighbour\nVersion: 1\n")
    (about / "entry_points.txt").write_text(f"[{ADDED}]\n{entry_point}\n")
    monkeypatch.syspath_prepend(directory)


# completion


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script_for_the_shell(shell: str) -> None:
    result = invoke("completion", shell)
    assert result.exit_code == 0
    assert f"_SENTIMENT_WORKER_COMPLETE={shell}_complete" in result.stdout


def test_a_shell_that_asks_hears_commands_and_flags() -> None:
    """What the script runs at each press of the key."""
    asked = {"_SENTIMENT_WORKER_COMPLETE": "bash_complete"}
    words = {"sentiment-worker do": "1", "sentiment-worker lag --wat": "2"}
    heard = [
        CliRunner(env=asked | {"COMP_WORDS": typed, "COMP_CWORD": place}).invoke(
            main, prog_name="sentiment-worker", standalone_mode=True
        )
        for typed, place in words.items()
    ]
    assert [result.stdout.split() for result in heard] == [["plain,doctor"], ["plain,--watch"]]


# errors


def test_a_fatal_error_is_one_line_and_its_exit_status() -> None:
    result = invoke("config", "--linger-ms", "5000")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr == "sentiment-worker: --linger-ms = '5000': must be 0 to 1000\n"


def test_an_error_that_nobody_foresaw_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("worker.cli.run.load_effective", fail)
    result = invoke("config")
    assert result.exit_code == 1
    assert isinstance(result.exception, ZeroDivisionError)


def test_run_refuses_wrong_settings_before_it_does_anything() -> None:
    result = invoke("run", "--delivery", "exactly_twice")
    assert result.exit_code == 2
    assert result.stderr == "sentiment-worker: --delivery = 'exactly_twice': must be at_least_once or exactly_once\n"


def test_run_names_a_port_that_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        result = invoke("run", "--http-port", port, "--bootstrap-servers", "127.0.0.1:1", "--log-level", "ERROR")
    assert result.exit_code == 7
    assert result.stderr.startswith(f"sentiment-worker: cannot listen on 127.0.0.1:{port}: ")
    assert result.stderr.count("\n") == 1


def test_a_broker_that_is_not_there_is_one_line() -> None:
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
def test_a_command_logs_warnings_as_text_unless_the_environment_says_otherwise(
    tiny_artifact: Path, monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], level: int, as_json: bool
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert invoke("model", "verify", str(tiny_artifact), "--device", "cpu").exit_code == 0
    root = logging.getLogger()
    [handler] = root.handlers
    told = handler.format(logging.makeLogRecord({"msg": "told", "levelname": "WARNING"}))
    assert root.level == level
    assert told.startswith("{") is as_json


# config


def test_config_shows_the_effective_value_its_source_and_no_secret(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "worker.toml"
    file.write_text("linger_ms = 1\nmax_wait_ms = 1\nhttp_port = 1\n")
    monkeypatch.setenv("SENTIMENT_LINGER_MS", "2")
    monkeypatch.setenv("SENTIMENT_MAX_WAIT_MS", "2")
    secret = ["--security-protocol", "SASL_SSL", "--sasl-mechanism", "PLAIN", "--sasl-username", "u"]
    arguments = ["config", "--config", str(file), "--linger-ms", "3", *secret, "--sasl-password", CANARY]
    for view in ([], ["--toml"], ["--json"]):
        result = invoke(*arguments, *view)
        assert result.exit_code == 0
        assert CANARY not in result.output
        assert MASK in result.output
    shown = json.loads(result.stdout)
    assert shown["linger_ms"] == {"value": 3, "source": "--linger-ms"}
    assert shown["max_wait_ms"] == {"value": 2, "source": "SENTIMENT_MAX_WAIT_MS"}
    assert shown["http_port"] == {"value": 1, "source": f"{file}: http_port"}


def test_config_as_toml_can_be_given_back(tmp_path: Path) -> None:
    first = invoke("config", "--toml", "--linger-ms", "7", "--status-reviews", "false")
    file = tmp_path / "worker.toml"
    file.write_text(first.stdout)
    values = [json.loads(invoke("config", "--json", *flags).stdout) for flags in (["--config", str(file)], [])]
    changed = {name for name in values[0] if values[0][name]["value"] != values[1][name]["value"]}
    assert changed == {"linger_ms", "status_reviews"}


def test_config_prints_the_page_that_is_committed() -> None:
    assert invoke("config", "--markdown").stdout == (ROOT / "docs" / "configuration.md").read_text("utf-8")


# schema


@pytest.mark.parametrize("name", schemas.DOCUMENTS)
def test_schema_prints_a_document(name: str) -> None:
    assert json.loads(invoke("schema", name).stdout) == schemas.DOCUMENTS[name]()


def test_schema_writes_all_documents(tmp_path: Path) -> None:
    assert invoke("schema", "--all", str(tmp_path / "made")).exit_code == 0
    assert {file.stem for file in (tmp_path / "made").iterdir()} == set(schemas.DOCUMENTS)


@pytest.mark.parametrize("arguments", [[], ["review", "--all", "x"], ["nonsense"]])
def test_schema_wants_either_a_name_or_a_folder(arguments: list[str]) -> None:
    assert invoke("schema", *arguments).exit_code == click.UsageError.exit_code


# score


def test_score_keeps_ids_and_order(tiny_artifact: Path, tmp_path: Path) -> None:
    source, target = tmp_path / "reviews.jsonl", tmp_path / "scored.jsonl"
    reviews = [{"review_id": f"id-{number}", "text": "fine film " * (number % 7)} for number in range(100)]
    del reviews[41]["review_id"]
    source.write_text("".join(json.dumps(review) + "\n" for review in reviews))
    result = invoke(
        "score", "--input", str(source), "--output", str(target), "--model", str(tiny_artifact), "--batch", "8"
    )
    assert (result.exit_code, result.stdout) == (0, "")
    assert re.fullmatch(r"scored 100 reviews in \d+\.\d s, \d+/s\n", result.stderr)
    scored = results_in(target.read_bytes())
    assert [each.review_id for each in scored] == [review.get("review_id", "line-42") for review in reviews]
    assert [each.tokens for each in scored] == [2 * (number % 7) for number in range(100)]
    assert {(each.model.name, each.source) for each in scored} == {("tiny", None)}
    assert scored[0].score == 0.5, "no words, no evidence"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("r.jsonl", '{"text": "a fine film"}\n{"text": "dull"}\n'),
        ("r.csv", 'stars,text\n5,"a fine film"\n1,dull\n'),
        ("r.txt", "a fine film\ndull\n"),
    ],
)
def test_score_gives_the_same_numbers_for_every_format(
    tiny_artifact: Path, tmp_path: Path, name: str, content: str
) -> None:
    source = tmp_path / name
    source.write_text(content)
    by_name = invoke("score", "--input", str(source), "--model", str(tiny_artifact))
    plain = tmp_path / "plain"
    plain.write_text("a fine film\ndull\n")
    as_text = invoke("score", "--input", str(plain), "--format", "text", "--model", str(tiny_artifact))
    assert [each.score for each in results_in(by_name.stdout)] == [each.score for each in results_in(as_text.stdout)]


def test_score_takes_the_model_from_the_environment(
    tiny_artifact: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "r.txt").write_text("fine\n")
    monkeypatch.setenv("SENTIMENT_MODEL", str(tiny_artifact))
    [scored] = results_in(invoke("score", "--input", str(tmp_path / "r.txt")).stdout)
    assert scored.model.name == "tiny"


@pytest.mark.parametrize(("flags", "status"), [([], 1), (["--skip-invalid"], 0)])
def test_score_tells_rows_that_it_cannot_read_and_scores_the_others(
    tiny_artifact: Path, tmp_path: Path, flags: list[str], status: int
) -> None:
    source = tmp_path / "r.jsonl"
    source.write_text('{"text": "a"}\n{"text": 5, "comment": "[red]' + CANARY + '"}\n{"text": "b"}\n')
    result = invoke("score", "--input", str(source), "--model", str(tiny_artifact), *flags)
    assert result.exit_code == status
    assert [each.review_id for each in results_in(result.stdout)] == ["line-1", "line-3"]
    told, summary, failed = result.stderr.splitlines()
    assert told == f"{source}:2: invalid_review: text: Input should be a valid string"
    assert summary.startswith("scored 2 reviews in ")
    assert failed == "sentiment-worker: rows that failed: 1"


@pytest.mark.parametrize("to_file", [True, False])
def test_score_summarizes_as_json_beside_the_results(tiny_artifact: Path, tmp_path: Path, to_file: bool) -> None:
    (tmp_path / "r.txt").write_text("fine\ndull\n")
    output = ["--output", str(tmp_path / "scored.jsonl")] if to_file else []
    result = invoke("score", "--input", str(tmp_path / "r.txt"), "--model", str(tiny_artifact), "--json", *output)
    assert result.exit_code == 0
    summary = json.loads(result.stdout if to_file else result.stderr)
    assert (summary["scored"], summary["failed"]) == (2, 0)
    assert summary["seconds"] > 0


def test_score_without_an_artifact_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "r.txt").write_text("fine\n")
    target = tmp_path / "scored.jsonl"
    flags = ["--input", str(tmp_path / "r.txt"), "--output", str(target), "--model", str(tmp_path / "nowhere")]
    result = invoke("score", *flags)
    assert result.exit_code == 6
    assert result.stderr.startswith(f"sentiment-worker: {tmp_path / 'nowhere'}")
    assert result.stderr.count("\n") == 1
    assert not target.exists()


def test_score_reads_stdin_and_writes_stdout(tiny_artifact: Path) -> None:
    with start("score", "--model", str(tiny_artifact)) as process:
        stdout, stderr = process.communicate('{"review_id": "é", "text": "fine"}\nnot json\n'.encode(), LIMIT_S)
    assert process.returncode == 1
    assert [each.review_id for each in results_in(stdout)] == ["é"]
    assert stderr.splitlines()[0].startswith(b"stdin:2: invalid_json: ")


def test_score_streams(tiny_artifact: Path) -> None:
    """A full chunk is written while the input is still open."""
    with start("score", "--batch", "2", "--model", str(tiny_artifact)) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write(b'{"text": "a"}\n{"text": "b"}\n')
        process.stdin.flush()
        first = [process.stdout.readline() for _ in range(2)]
        assert [each.review_id for each in results_in(b"".join(first))] == ["line-1", "line-2"]
        process.stdin.close()
        assert process.wait(LIMIT_S) == 0


def test_a_reader_that_leaves_is_no_error_worth_a_traceback(tiny_artifact: Path, tmp_path: Path) -> None:
    source = tmp_path / "r.txt"
    source.write_text("fine\n" * 5000)
    with start("score", "--input", str(source), "--batch", "1", "--model", str(tiny_artifact)) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(LIMIT_S) != 0
        assert process.stderr.read() == b""


def test_an_interrupted_score_says_nothing_and_leaves_no_output(tiny_artifact: Path, tmp_path: Path) -> None:
    target = tmp_path / "scored.jsonl"
    with start("score", "--batch", "1", "--output", str(target), "--model", str(tiny_artifact)) as process:
        assert process.stdin
        assert process.stderr
        process.stdin.write(b"fine\n")
        process.stdin.flush()
        until(lambda: any(part.stat().st_size for part in tmp_path.iterdir()), LIMIT_S, "the first result is written")
        process.send_signal(signal.SIGINT)
        assert process.wait(LIMIT_S) == 130
        assert process.stderr.read() == b""
    assert list(tmp_path.iterdir()) == []
