"""The worker's image is built and run: as any user, read-only, with a Kafka on a private network."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from deploy.compose.__main__ import VARIABLES
from tests.support.containers import container, docker, network
from tests.support.images import Image, kafka_image
from tests.support.until import until

pytestmark = [pytest.mark.broker, pytest.mark.timeout(1200)]

START_LIMIT_S = 120.0
STOP_LIMIT_S = 45
HARDENED = ("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--user=12345:12345")
REVIEW = {"review_id": "r-81", "text": "An honest, moving film."}

SEARCH = """
import json, os

def files():
    for folder, below, names in os.walk("/"):
        below[:] = [name for name in below if os.path.join(folder, name) not in ("/proc", "/sys", "/dev")]
        yield from (os.path.join(folder, name) for name in names)

print(json.dumps([name for name in files() if os.path.isfile(name) and b"WORD" in open(name, "rb").read()]))
"""


@pytest.fixture(scope="module")
def kafka(image: Image) -> Iterator[str]:
    """The network that a Kafka with the worker's topics is on, as `kafka:9092`."""
    with (
        network() as name,
        container(kafka_image(), flags=(f"--network={name}", "--network-alias=kafka", f"--env-file={VARIABLES}")),
    ):
        until(lambda: "reviews.raw: 4" in quietly(image, name, "topics"), START_LIMIT_S, "Kafka has the topics")
        yield name


def on(name: str) -> list[str]:
    return [f"--network={name}", *HARDENED, "--env=SENTIMENT_BOOTSTRAP_SERVERS=kafka:9092"]


def command(image: Image, name: str, *words: str, stdin: str = "") -> str:
    """One command of the worker, in its own container."""
    return docker("run", "--rm", "--interactive", *on(name), image.tag, *words, stdin=stdin)


def quietly(image: Image, name: str, *words: str) -> str:
    try:
        return command(image, name, *words)
    except AssertionError:
        return ""


def config_of(image: Image) -> dict[str, Any]:
    [found] = json.loads(docker("image", "inspect", image.tag))
    return dict(found)


def inside(image: Image, code: str, user: str = "0") -> Any:
    """The JSON that `code` prints in the image's Python."""
    flags = ("--rm", "--network=none", f"--user={user}", "--entrypoint=python")
    return json.loads(docker("run", *flags, image.tag, "-c", code))


def files_with(image: Image, word: str) -> list[str]:
    """Which files of the image hold `word`; nothing is deleted in its last stage, so no layer hides more."""
    code = SEARCH.replace("WORD", word)
    return list(inside(image, code))


def state(name: str) -> dict[str, Any]:
    [found] = json.loads(docker("inspect", name))
    return dict(found["State"])


def test_a_review_goes_through_the_container_is_healthy_and_sigterm_drains_it(image: Image, kafka: str) -> None:
    with container(image.tag, flags=(*on(kafka), "--health-interval=1s")) as worker:
        command(image, kafka, "produce", stdin=json.dumps(REVIEW) + "\n")
        result = json.loads(command(image, kafka, "tail", "--from-beginning", "--limit", "1", "--json"))
        assert (result["review_id"], result["sentiment"]) == ("r-81", "positive")
        until(lambda: state(worker)["Health"]["Status"] == "healthy", START_LIMIT_S, "Docker finds it healthy")
        docker("stop", f"--time={STOP_LIMIT_S}", worker)
        assert state(worker)["ExitCode"] == 0


def test_a_worker_that_does_not_answer_is_unhealthy(image: Image) -> None:
    flags = ("--network=none", "--entrypoint=python", "--health-interval=1s", "--health-start-period=1ms")
    with container(image.tag, "-c", "import signal; signal.pause()", flags=(*flags, "--health-retries=1")) as nobody:
        until(lambda: state(nobody)["Health"]["Status"] == "unhealthy", START_LIMIT_S, "Docker finds it unhealthy")
        assert "/livez does not answer" in state(nobody)["Health"]["Log"][0]["Output"]


def test_nothing_in_the_image_is_the_worker_s_to_change(image: Image) -> None:
    user = config_of(image)["Config"]["User"]
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user), "Kubernetes does not know that a name is not root's"
    code = "import json, os; print(json.dumps([d for d, _, _ in os.walk('/opt') if os.access(d, os.W_OK)]))"
    assert inside(image, code, user) == []


def test_no_secret_of_the_build_is_in_any_layer_or_in_the_history(image: Image) -> None:
    history = docker("history", "--no-trunc", image.tag) + json.dumps(config_of(image))
    assert image.canary not in history
    assert files_with(image, image.canary) == []
    assert files_with(image, "Scores the reviews in a Kafka topic") != [], "it does not find what is there"


def test_the_bill_of_materials_names_what_is_installed(image: Image) -> None:
    sbom = inside(image, "print(open('/opt/sentiment-worker/sbom.cdx.json').read())")
    code = "import json, importlib.metadata as m; print(json.dumps([[d.name, d.version] for d in m.distributions()]))"
    listed = {(each["name"], each["version"]) for each in [*sbom["components"], sbom["metadata"]["component"]]}
    assert sbom["bomFormat"] == "CycloneDX"
    assert {tuple(each) for each in inside(image, code)} == listed


def test_the_image_says_what_it_is_and_stops_by_sigterm(image: Image) -> None:
    config = config_of(image)["Config"]
    labels = {name.removeprefix("org.opencontainers.image."): value for name, value in config["Labels"].items()}
    assert (labels["title"], labels["licenses"], labels["revision"]) == ("sentiment-worker", "MIT", "test")
    assert config["StopSignal"] == "SIGTERM"


def test_the_image_for_cpus_computes_with_the_native_engine(image: Image) -> None:
    words = ("bench", "--reviews=1", "--rounds=1", "--json")
    found = json.loads(docker("run", "--rm", "--network=none", *HARDENED, image.tag, *words))
    if "avx2" not in found["machine"]["flags"]:
        pytest.skip("the native engine needs a processor with AVX2")
    assert found["model"]["engine"].startswith("native "), found["model"]["why"]


def test_the_image_for_cpus_has_no_torch(image: Image) -> None:
    assert inside(image, "import json, importlib.util as u; print(json.dumps(u.find_spec('torch') is None))")
