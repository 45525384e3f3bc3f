"""Kafka's jars are fetched once and completely, by any number of callers."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from deploy.kafka import jars
from deploy.kafka.broker import WayClosed
from tests.deploy.test_choice import program

# Replaces Maven: records the call, waits a moment, and makes one jar in the given directory.
MVN = """
echo called >> "{calls}"
for argument; do case "$argument" in -DoutputDirectory=*) target=${{argument#*=}} ;; esac; done
/bin/mkdir -p "$target"
/bin/sleep 0.3
echo > "$target/kafka_2.13-4.3.0.jar"
"""


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("KAFKA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(jars, "CACHE", tmp_path / "cache")
    return tmp_path / "cache"


def test_concurrent_callers_fetch_once(cache: Path, tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    program(tmp_path / "bin", "mvn", MVN.format(calls=calls))
    with ThreadPoolExecutor(4) as pool:
        found = set(pool.map(lambda _: jars.find_jars(lambda _: None), range(4)))
    assert calls.read_text().count("called") == 1
    assert {jars.version_of(libs) for libs in found} == {"4.3.0"}
    assert found == {libs for libs in cache.iterdir() if libs.is_dir()}


def test_a_fetch_that_fails_says_why_and_leaves_nothing_that_looks_whole(cache: Path, tmp_path: Path) -> None:
    program(tmp_path / "bin", "mvn", "echo the network is away; exit 1")
    with pytest.raises(WayClosed, match="the network is away"):
        jars.find_jars(lambda _: None)
    assert [path.name for path in cache.iterdir()] == ["lock"]


def test_without_maven_the_error_names_it(cache: Path) -> None:
    assert not cache.exists()
    with pytest.raises(WayClosed, match="`mvn`"):
        jars.find_jars(lambda _: None)
