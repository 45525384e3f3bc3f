"""In a real Prometheus that scrapes a real worker under load, each rule and each panel has something to show."""

from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

import pytest

from deploy.kafka.broker import Broker
from deploy.kafka.ports import free_ports
from tests.support.kafka_io import Message, new_topics
from tests.support.prometheus import PROMETHEUS, RECORDED, Prometheus, board_and_panel, panel_queries, program, running
from tests.support.stage import Stage
from tests.support.traffic import reviews
from tests.support.until import until
from tests.watching.report import Seen, Shown

pytestmark = pytest.mark.broker

ANSWER_LIMIT_S = 15.0  # a scrape and an evaluation take a second each
CHOSEN = {"$job": ".*", "$instance": ".*", "$__rate_interval": "1m"}  # what Grafana puts in
QUERIES = panel_queries()


def load() -> Iterator[Message]:
    """Endless reviews, one in ten of them none."""
    for review, readable in zip(reviews(seed=9), cycle([True] * 9 + [False])):
        yield review if readable else review._replace(value=b"no review")


@pytest.fixture(scope="module")
def prometheus(broker: Broker, tiny_artifact: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """The shipped configuration, quicker; it has watched a worker under load, and looks for one that does not run."""
    program("prometheus")  # before a worker is started for nothing
    folder = tmp_path_factory.mktemp("prometheus")
    config = (PROMETHEUS / "prometheus.yml").read_text("utf-8")
    models = {"model": tiny_artifact, "shadow_model": tiny_artifact, "shadow_share": 1}
    with Stage(broker.address, new_topics(broker.address), folder, **models) as stage:
        targets = ", ".join(f"127.0.0.1:{port}" for port in (stage.start().until_ready().port, *free_ports(1)))
        for shipped, here in {"localhost:8080": targets, "15s": "1s", "rules/": f"{PROMETHEUS}/rules/"}.items():
            assert shipped in config
            config = config.replace(shipped, here)
        (folder / "prometheus.yml").write_text(config, "utf-8")
        with running(folder / "prometheus.yml", folder) as prometheus:
            seen = "sentiment:results:rate5m > 0"
            stage.traffic.load_until(lambda: bool(prometheus.values(seen)), load(), "results are seen", most=100_000)
            yield prometheus


@pytest.mark.parametrize("rule", RECORDED)
def test_a_recording_rule_has_a_value(rule: str, prometheus: Prometheus) -> None:
    until(lambda: prometheus.values(rule), ANSWER_LIMIT_S, f"a value of {rule}")


@pytest.mark.parametrize("panel", QUERIES)
def test_a_panel_shows_something(panel: str, prometheus: Prometheus, seen: Seen) -> None:
    query = QUERIES[panel]
    for variable, value in CHOSEN.items():
        query = query.replace(variable, value)
    assert "$" not in query
    values = until(lambda: prometheus.values(query), ANSWER_LIMIT_S, f"a value of {query}")
    seen.panels.append(Shown(*board_and_panel(panel), len(values)))


def test_no_rule_fails(prometheus: Prometheus) -> None:
    until(lambda: {rule["health"] for rule in prometheus.rules()} == {"ok"}, ANSWER_LIMIT_S, "all rules evaluated")


def test_what_is_wrong_here_is_a_pending_alert(prometheus: Prometheus) -> None:
    """One record in ten is no review, one of two workers does not answer; the other scores."""
    wrong = {"SentimentDeadLetters", "SentimentWorkerDown"}
    until(lambda: wrong <= prometheus.pending(), ANSWER_LIMIT_S, f"{wrong} are pending")
    assert "SentimentNoWorkerReady" not in prometheus.pending()
