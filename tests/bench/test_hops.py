import pytest

from tests.bench.hops import OTHER, hop_of, shares, table

LOOP = "<module> (tests/bench/carrier.py:60);Worker.run (worker/loop.py:120);Worker.turn (worker/loop.py:140)"


@pytest.mark.parametrize(
    ("frames", "hop"),
    [
        ("Worker._admit (worker/loop.py:220);Worker._read (w.py:240);decode_review (m.py:9)", "decode"),
        ("Worker._admit (worker/loop.py:220);Offsets.received (worker/delivery/offsets.py:9)", "admit: the rest"),
        ("Worker._collect (worker/loop.py:330);ClientSink.send (worker/sink.py:9)", "produce: sink"),
        ("InFlight._finish (worker/inflight.py:330);Metrics.stored (worker/monitoring/metrics.py:9)", "metrics"),
        ("Worker._keep_house (worker/loop.py:390)", OTHER),
    ],
)  # fmt: skip
def test_a_stack_belongs_to_the_hop_that_its_frames_name(frames: str, hop: str) -> None:
    assert hop_of(f"{LOOP};{frames}") == hop


def test_shares_are_of_the_samples_after_the_start() -> None:
    found = shares(
        [
            "<module> (tests/bench/carrier.py:1);_find_and_load (<frozen importlib._bootstrap>:1) 500",
            f"{LOOP};KafkaSource.poll (worker/broker/kafka_python/source.py:1) 30",
            "_bootstrap (threading.py:1);run (threading.py:2);Sender.run (kafka/producer/sender.py:3) 10",
        ]
    )
    assert (found["read"], found["produce: client thread"]) == (0.75, 0.25)
    assert sum(found.values()) == 1


def test_the_table_has_a_row_for_each_hop_and_a_column_for_each_client() -> None:
    rounds = {"slow": [{"read": 12.34}, {"read": 14.0}, {"read": 11.0}], "fast": [{"read": 0.5}, {"read": 0.6}]}
    lines = table(rounds, "2026-01-01", {"cores": 2, "cpu": "a processor"}).splitlines()
    assert lines[0] == "Run on 2026-01-01, 2 cores of a processor; 3 rounds."
    assert lines[2] == "| hop | slow | fast |"
    assert lines[-1] == "| read | 12.34 (11.00 to 14.00) | 0.55 (0.50 to 0.60) |"
