"""The programs of examples/ as their readers run them: reviews in by one, a worker, results out by the other."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from deploy.kafka.broker import WayClosed
from deploy.kafka.commands import CommandFailed, run
from deploy.kafka.jars import find_jars, find_java, version_of
from deploy.kafka.launcher import to_stderr
from tests.support.kafka_io import read_all
from tests.support.stage import Stage
from tests.support.worker_process import ROOT, environment

pytestmark = pytest.mark.broker

EXAMPLES = ROOT / "examples"
LIMIT_S = 60.0
FETCH_LIMIT_S = 120.0
REVIEWS = {
    f"r-{number}": {"review_id": f"r-{number}", "text": f"a good film, {number} – “très”"} for number in range(20)
}
CONSOLE_TOOLS = {
    "kafka-console-producer.sh": "org.apache.kafka.tools.ConsoleProducer",
    "kafka-console-consumer.sh": "org.apache.kafka.tools.consumer.ConsoleConsumer",
}

Command = Sequence[str | Path]


def needs(*programs: str) -> None:
    if missing := [program for program in programs if shutil.which(program) is None]:
        pytest.skip(f"this machine has no {', '.join(missing)}")


def kafka_jars() -> Path:
    try:
        return find_jars(to_stderr)
    except WayClosed as error:
        pytest.skip(str(error))


def java_command(*class_path: Path) -> list[str]:
    try:
        return [find_java(), "-cp", ":".join(f"{folder}/*" for folder in class_path)]
    except WayClosed as error:
        pytest.skip(str(error))


@pytest.fixture
def console_tools(tmp_path: Path) -> Path:
    """A folder for the PATH with the two tools: Kafka's scripts start just these classes, of a jar a broker lacks."""
    needs("mvn", "jq")
    jars = kafka_jars()
    artifact = f"-Dartifact=org.apache.kafka:kafka-tools:{version_of(jars)}"
    try:
        run(
            ["mvn", "-B", "-q", "dependency:copy", artifact, f"-DoutputDirectory={tmp_path}/jars"],
            limit_s=FETCH_LIMIT_S,
        )
    except CommandFailed as error:
        pytest.skip(f"the jar of Kafka's tools could not be fetched: {error}")
    java, *class_path = java_command(jars, tmp_path / "jars")
    for name, main_class in CONSOLE_TOOLS.items():
        script = tmp_path / name
        script.write_text(f'#!/bin/sh\nexec "{java}" {class_path[0]} "{class_path[1]}" {main_class} "$@"\n')
        script.chmod(0o755)
    return tmp_path


def goes_through(stage: Stage, producer: Command, consumer: Command) -> None:
    """All reviews that `producer` sends come out of `consumer`, once each and under their keys."""
    topics = {"input_topic": stage.topics.input, "output_topic": stage.topics.output}
    env = environment({"bootstrap_servers": stage.address, **topics})
    lines = "".join(f"{json.dumps(review, ensure_ascii=False)}\n" for review in REVIEWS.values())
    subprocess.run(producer, env=env, input=lines, text=True, encoding="utf-8", check=True, timeout=LIMIT_S)
    stage.start()
    count = str(len(REVIEWS))
    done = subprocess.run([*consumer, count], env=env, stdout=subprocess.PIPE, text=True, check=True, timeout=LIMIT_S)
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    assert sorted(row[0] for row in rows) == sorted(REVIEWS)
    assert all(sentiment == ("positive" if float(score) >= 0.5 else "negative") for _, sentiment, score in rows)
    stored = read_all(stage.address, stage.topics.input)
    assert {(each.key or b"").decode(): json.loads(each.value or b"") for each in stored} == REVIEWS


def test_python(stage: Stage) -> None:
    folder = EXAMPLES / "python"
    goes_through(stage, [sys.executable, folder / "producer.py"], [sys.executable, folder / "consumer.py"])


def test_java(stage: Stage) -> None:
    java = java_command(kafka_jars())
    goes_through(stage, [*java, EXAMPLES / "java/Producer.java"], [*java, EXAMPLES / "java/Consumer.java"])


def test_kcat(stage: Stage) -> None:
    needs("kcat", "jq")
    goes_through(stage, [EXAMPLES / "kcat/producer.sh"], [EXAMPLES / "kcat/consumer.sh"])


def test_console_tools(stage: Stage, console_tools: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{console_tools}:{os.environ['PATH']}")
    goes_through(stage, [EXAMPLES / "console/producer.sh"], [EXAMPLES / "console/consumer.sh"])
