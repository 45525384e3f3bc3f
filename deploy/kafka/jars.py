"""Kafka's jars, from KAFKA_HOME or fetched once through Maven, and the Java that runs them."""

import fcntl
import hashlib
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from deploy.kafka.broker import WayClosed
from deploy.kafka.commands import found, run

PROJECT = Path(__file__).resolve().parents[2]
HOME_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
# In a checkout, where `make clean` removes them; else in the user's cache, not in the installed package.
CACHE = (PROJECT / "var" if (PROJECT / "Makefile").is_file() else HOME_CACHE / "sentiment-worker") / "kafka-libs"
POM = Path(__file__).with_name("pom.xml")
KAFKA_JAR = "kafka_2.13-*.jar"
JAVA_MIN = 17  # for Kafka 4
FETCH_LIMIT_S = 600.0


def find_java() -> str:
    """The path of a Java that can run the broker, from JAVA_HOME or else the PATH. Raises WayClosed."""
    home = os.environ.get("JAVA_HOME")
    java = shutil.which("java", path=str(Path(home) / "bin")) if home else None
    java = java or found("java")
    version = re.search(r'version "(\d+)', run([java, "-version"], limit_s=30))
    if version is None or int(version[1]) < JAVA_MIN:
        raise WayClosed(f"Kafka needs Java {JAVA_MIN} or later; {java} is {version[1] if version else 'unknown'}")
    return java


def find_jars(report: Callable[[str], None]) -> Path:
    """The directory of Kafka's jars; the first call may fetch 44 MB. Raises WayClosed."""
    home = os.environ.get("KAFKA_HOME")
    libs = Path(home) / "libs" if home else _fetched(report)
    if not any(libs.glob(KAFKA_JAR)):
        raise WayClosed(f"{libs} has no {KAFKA_JAR}: set KAFKA_HOME to an unpacked Kafka, or unset it")
    return libs


def version_of(libs: Path) -> str:
    """The version of the Kafka in `libs`, from the name of its jar."""
    return next(libs.glob(KAFKA_JAR)).stem.rpartition("-")[2]


def _fetched(report: Callable[[str], None]) -> Path:
    # Named by the pom's digest and moved there when complete, so a directory with this name is complete and current.
    libs = CACHE / hashlib.sha256(POM.read_bytes()).hexdigest()[:12]
    if libs.is_dir():
        return libs
    mvn = found("mvn")
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # released when the file is closed or the process ends
        if not libs.is_dir():
            report("fetching Kafka's jars through Maven, 44 MB, once")
            _fetch(mvn, libs)
    return libs


def _fetch(mvn: str, libs: Path) -> None:
    with TemporaryDirectory(dir=CACHE) as partial:
        copy = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={partial}/libs"]
        command = [mvn, "-B", "-q", "-f", str(POM), *copy]
        run(command, limit_s=FETCH_LIMIT_S, failure="Kafka's jars could not be fetched: ")
        (Path(partial) / "libs").rename(libs)
