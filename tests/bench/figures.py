"""What is measured, and the arithmetic that makes figures of it. Pure."""

import statistics
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from worker.commands.bench import engine

Figures = Mapping[str, float]  # by name, see FIGURES

LOADS: Final = (10, 25, 50, 75, 90, 95)  # percent of the capacity beside sender and reader
PERCENTILES: Final = {"p50": 50.0, "p95": 95.0, "p99": 99.0, "p99_9": 99.9}
ACCELERATOR_PER_S: Final = 20_000
FAST_ACCELERATOR_PER_S: Final = 60_000
SCALES: Final = ((1, 1), (1, 4), (2, 4), (4, 4), (1, 16))  # workers, partitions
PEERS: Final = ("naive", "batch_loop", "faststream_batches", "quix_sink", "bytewax_flow")
PEER_ENGINES: Final = {"torch": "torch's plain forward", "ours": "our engine"}


def latency_name(load: int, percentile: str) -> str:
    """Of the figure."""
    return f"latency_{load}_{percentile}_ms"


def scale_name(workers: int, partitions: int) -> str:
    """Of the figure."""
    return f"pipeline_{workers}_workers_{partitions}_partitions_reviews_per_s"


def peer_name(peer: str, peer_engine: str) -> str:
    """Of the figure."""
    return f"peer_{peer}_{peer_engine}_reviews_per_s"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" + "s" * (number != 1)


GROUPS: Final[Mapping[str, Mapping[str, str]]] = {
    "Engine": engine.FIGURES,
    "Kafka client": {
        "consume_records_per_s": "read from a filled topic, records/s",
        "consume_processor_us": "read, CPU time per record, us",
        "produce_records_per_s": "write to a topic, records/s",
        "produce_processor_us": "write, CPU time per record, us",
    },
    "Whole pipeline": {
        "end_to_end_reviews_per_s": "end to end, reviews/s",
        "end_to_end_of_engine": "end to end / engine on text",
        "confluent_reviews_per_s": "end to end with confluent, reviews/s",
        "confluent_of_engine": "end to end with confluent / engine on text",
        "exactly_once_reviews_per_s": "end to end exactly once, reviews/s",
        "exactly_once_of_end_to_end": "exactly once / at least once",
        "disturbed_reviews_per_s": "beside a busy neighbour, reviews/s",
        "disturbed_of_end_to_end": "beside a busy neighbour / undisturbed",
    },
    f"Around a simulated accelerator of {ACCELERATOR_PER_S:,} reviews/s": {
        **{
            scale_name(
                workers, partitions
            ): f"{_counted(workers, 'worker')}, {_counted(partitions, 'partition')}, reviews/s"
            for workers, partitions in SCALES
        },
        "pipeline_of_accelerator": "1 worker, 4 partitions / the accelerator alone",
        "pipeline_processor_us": "CPU time per review in the worker, us",
        "pipeline_fast_reviews_per_s": f"1 worker, 4 partitions, accelerator of {FAST_ACCELERATOR_PER_S:,}, reviews/s",
        "pipeline_of_fast_accelerator": f"1 worker, 4 partitions / an accelerator of {FAST_ACCELERATOR_PER_S:,} alone",
    },
    "Peers": {
        **{
            peer_name(peer, key): f"{peer} with {said}, reviews/s"
            for key, said in PEER_ENGINES.items()
            for peer in PEERS
        },
        "beside_peers_reviews_per_s": "the worker, reviews/s",
        "of_naive": "worker / naive with torch's plain forward",
        "of_best_peer": "worker / best peer with torch's plain forward",
        "of_best_peer_with_our_engine": "worker / best peer with our engine",
        "peer_results_that_differ": "results of peers that differ from the worker's",
    },
    "Latency": {
        "left_reviews_per_s": "capacity beside sender and reader, reviews/s",
        "left_of_end_to_end": "capacity beside sender and reader / end to end",
        **{
            latency_name(load, name): f"at {load} % load, {name.replace('_', '.')}, ms"
            for load in LOADS
            for name in PERCENTILES
        },
        "p99_of_p50_at_half_load": "p99 / p50 at half load",
        "send_lateness_p99_ms": "send lateness p99, at the worst load, ms",
    },
}
FIGURES: Final = {name: label for group in GROUPS.values() for name, label in group.items()}

RATIOS: Final = {
    "end_to_end_of_engine": ("end_to_end_reviews_per_s", "engine_text_reviews_per_s"),
    "confluent_of_engine": ("confluent_reviews_per_s", "engine_text_reviews_per_s"),
    "exactly_once_of_end_to_end": ("exactly_once_reviews_per_s", "end_to_end_reviews_per_s"),
    "disturbed_of_end_to_end": ("disturbed_reviews_per_s", "end_to_end_reviews_per_s"),
    "of_naive": ("beside_peers_reviews_per_s", peer_name("naive", "torch")),
    "left_of_end_to_end": ("left_reviews_per_s", "end_to_end_reviews_per_s"),
    "p99_of_p50_at_half_load": (latency_name(50, "p99"), latency_name(50, "p50")),
}


class NotMeasurable(Exception):
    """The numbers do not allow the figure; the message says why."""


def rate_per_s(stamps_ms: Collection[float]) -> float:
    """Results per second from the first time stamp to the last.

    Results of the first stamp are not counted: their work was done before it.
    Raises NotMeasurable where all came at once.
    """
    first_ms, last_ms = min(stamps_ms, default=0), max(stamps_ms, default=0)
    if last_ms == first_ms:
        raise NotMeasurable(f"{len(stamps_ms)} results within one millisecond have no rate: measure more reviews")
    return sum(stamp_ms > first_ms for stamp_ms in stamps_ms) / ((last_ms - first_ms) / 1000)


def rate_of_all_per_s(stamps_ms: Collection[Collection[int]]) -> float:
    """Results per second of a group, from their time stamps by partition, while it works on all partitions.

    A member that gets more of the machine is done first, and leaves it to the others, however long the run is. Raises
    NotMeasurable.
    """
    if not all(stamps_ms):
        raise NotMeasurable("a partition has no result: measure more reviews")
    begun_ms, done_ms = max(map(min, stamps_ms)), min(map(max, stamps_ms))
    return rate_per_s([stamp_ms for each in stamps_ms for stamp_ms in each if begun_ms <= stamp_ms <= done_ms])


def rate_while_sent_per_s(read_s: Iterable[float], began_s: float, ended_s: float) -> float:
    """Results per second in the later half of the time in which more was sent than could be scored.

    By then the worker is behind, and sender and reader are still at work beside it. Raises NotMeasurable.
    """
    half_s = (began_s + ended_s) / 2
    return rate_per_s([1000 * read for read in read_s if half_s <= read <= ended_s])


def with_ratios(figures: Figures) -> dict[str, float]:
    """The figures of one round and the ratios between them, where both sides were measured."""
    derived = {
        ratio: figures[over] / figures[under]
        for ratio, (over, under) in RATIOS.items()
        if over in figures and under in figures
    }
    if (carried := figures.get(scale_name(1, 4))) is not None:
        derived["pipeline_of_accelerator"] = carried / ACCELERATOR_PER_S
    if (carried := figures.get("pipeline_fast_reviews_per_s")) is not None:
        derived["pipeline_of_fast_accelerator"] = carried / FAST_ACCELERATOR_PER_S
    for ratio, peer_engine in (("of_best_peer", "torch"), ("of_best_peer_with_our_engine", "ours")):
        rates = [figures[name] for peer in PEERS if (name := peer_name(peer, peer_engine)) in figures]
        if rates and "beside_peers_reviews_per_s" in figures:
            derived[ratio] = figures["beside_peers_reviews_per_s"] / max(rates)
    return {**figures, **derived}


class Resident(NamedTuple):
    """One look at a process."""

    results: int  # stored since the start
    mib: float


@dataclass(frozen=True, slots=True)
class Growth:
    """Resident memory over a long run, its warm-up left out."""

    warm_up_results: int
    first_quarter_mib: float
    last_quarter_mib: float
    slope_kib_per_1000_reviews: float

    @property
    def ratio(self) -> float:
        """By what part the last quarter is above the first; negative where memory shrank."""
        return self.last_quarter_mib / self.first_quarter_mib - 1


def growth(samples: Sequence[Resident], *, warm_up_part: float) -> Growth:
    """Compare the mean of the first quarter after the warm-up with that of the last, and fit a line (least squares).

    `warm_up_part` of the samples are left out at the start. Raises NotMeasurable where fewer than 8 are left.
    """
    skipped = round(len(samples) * warm_up_part)
    kept = samples[skipped:]
    if len(kept) < 8:
        raise NotMeasurable(f"{len(kept)} samples of memory after the warm-up are too few: measure more reviews")
    quarter = len(kept) // 4
    line = statistics.linear_regression([sample.results for sample in kept], [sample.mib for sample in kept])
    return Growth(
        warm_up_results=samples[skipped - 1].results if skipped else 0,
        first_quarter_mib=statistics.fmean(sample.mib for sample in kept[:quarter]),
        last_quarter_mib=statistics.fmean(sample.mib for sample in kept[-quarter:]),
        slope_kib_per_1000_reviews=line.slope * 1000 * 1024,
    )
