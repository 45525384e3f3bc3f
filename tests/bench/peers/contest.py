"""The worker and its peers, one after the other, on the same filled topic with the same artifact."""

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from tests.bench.figures import PEERS, Figures, peer_name, rate_per_s
from tests.bench.parts import Bench, limit_s, scored_by_worker
from tests.bench.processes import ROOT, started
from tests.bench.subjects import Subject
from tests.bench.topics import key_of

PACKAGES: Final[Path] = ROOT / "var" / "peers"  # `make peers` puts them there
NEEDS: Final = {"faststream_batches": "faststream", "quix_sink": "quixstreams", "bytewax_flow": "bytewax"}
ROUNDING: Final = 2e-6  # both sides round their scores


def installed() -> list[str]:
    """The peers whose packages are here."""
    return [peer for peer in PEERS if peer not in NEEDS or _is_here(NEEDS[peer])]


def contest(bench: Bench, subject: Subject, _: Figures) -> Figures:
    """Everybody's rate, and how many results of the peers are not the worker's."""
    reviews, output = bench.counts.end_to_end, scored_by_worker(bench, subject)
    figures = {"beside_peers_reviews_per_s": rate_per_s(bench.topics.stamps_ms(output, reviews))}
    scores = bench.topics.scores(output, reviews)
    tolerance = float(str(subject.about.get("tolerance", 1e-5))) + ROUNDING
    differing = 0
    for peer_engine, reviews in bench.counts.peers.items():
        incoming = bench.filled(reviews)
        expected = {key: scores[key] for key in map(key_of, range(reviews))}
        for peer in installed():
            output = _run(bench, subject, peer, peer_engine, incoming, reviews)
            figures[peer_name(peer, peer_engine)] = rate_per_s(bench.topics.stamps_ms(output, reviews))
            differing += differences(bench.topics.scores(output, reviews), expected, tolerance)
    return {**figures, "peer_results_that_differ": differing}


def differences(found: Mapping[bytes, float], expected: Mapping[bytes, float], tolerance: float) -> int:
    """Results that are missing, or whose score is another. The sentiment follows from the score."""
    return sum(key not in found or abs(found[key] - score) > tolerance for key, score in expected.items())


def _run(bench: Bench, subject: Subject, peer: str, peer_engine: str, incoming: str, reviews: int) -> str:
    """Let a peer score the topic; where its results are."""
    output = bench.topics.create(peer.replace("_", "-"))
    arguments = [
        f"tests.bench.peers.{peer}", "--bootstrap-servers", bench.topics.bootstrap_servers,
        "--input", incoming, "--output", output, "--group", output,
        "--artifact", str(subject.artifact), "--engine", peer_engine, "--reviews", str(reviews),
    ]  # fmt: skip
    with started(peer, arguments, variables={"PYTHONPATH": str(PACKAGES)}) as child:
        child.wait(limit_s(reviews))
    return output


def _is_here(package: str) -> bool:
    return (PACKAGES / package).is_dir() or find_spec(package) is not None
