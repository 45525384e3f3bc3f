"""Every metric of the worker. Names follow Prometheus: base units, `_total`, labels with few values.

Observed per batch, not per review, because a call of prometheus-client takes as long as decoding a review.
"""

from bisect import bisect_left
from collections import Counter as Counts
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import repeat
from typing import Final, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

import worker
from model.predictor import ModelInfo
from worker.broker.contract import TopicPartition
from worker.delivery.outcomes import Outcome, latencies_s
from worker.monitoring.health import Health
from worker.monitoring.observer import Moment, Observer, Standing
from worker.scoring.batcher import Batch, Trigger
from worker.scoring.inference import ScoredBatch
from worker.scoring.work import Work
from worker.wire.reasons import Reason
from worker.wire.scored import Score

SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
COUNTS: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096)
DIFFERENCES: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
TENTHS: Final = tuple(tenth / 10 for tenth in range(1, 11))
MODEL_LABELS: Final = ("name", "version", "sha256", "engine")

V = TypeVar("V", bound=str)


class BatchHistogram(Collector):
    """A histogram that takes the values of a whole batch in one call.

    The loop's thread writes it and the scraper's thread reads it. A scrape may see a batch half counted, as with any
    counter, but never a value twice.
    """

    def __init__(self, name: str, help_text: str, bounds: Sequence[float], registry: CollectorRegistry) -> None:
        self._name, self._help, self._bounds = name, help_text, tuple(bounds)
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0
        registry.register(self)

    def observe_all(self, values: Iterable[float]) -> None:
        """Count each value in the first bucket whose bound is not below it."""
        values = tuple(values)
        for bucket, count in Counts(map(bisect_left, repeat(self._bounds), values)).items():
            self._counts[bucket] += count
        self._sum += sum(values)

    def collect(self) -> Iterator[Metric]:
        """Yield the metric with its cumulative buckets."""
        buckets, total = [], 0
        for bound, count in zip((*self._bounds, float("inf")), self._counts, strict=True):
            total += count
            buckets.append(("+Inf" if bound == float("inf") else str(float(bound)), float(total)))
        yield HistogramMetricFamily(self._name, self._help, buckets=buckets, sum_value=self._sum)

    def describe(self) -> Iterator[Metric]:
        """Yield the metric without samples, so that the registry refuses a second one with this name."""
        yield HistogramMetricFamily(self._name, self._help)


class Metrics(Observer):
    """The metrics on one registry. Labelled metrics get their children once, here."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._declare_throughput()
        self._declare_batches()
        self._declare_reviews()
        self._declare_times()
        self._declare_state()
        self._declare_events()

    def _counter(self, name: str, help_text: str) -> Counter:
        return Counter(name, help_text, registry=self._registry)

    def _counters(self, name: str, help_text: str, label: str, values: Iterable[V]) -> dict[V, Counter]:
        """Return a counter for each value of a label."""
        counter = Counter(name, help_text, [label], registry=self._registry)
        return {value: counter.labels(str(value)) for value in values}

    def _gauge(self, name: str, help_text: str, labels: Sequence[str] = ()) -> Gauge:
        return Gauge(name, help_text, labels, registry=self._registry)

    def _histogram(self, name: str, help_text: str, buckets: Sequence[float], labels: Sequence[str] = ()) -> Histogram:
        return Histogram(name, help_text, labels, buckets=buckets, registry=self._registry)

    def _declare_throughput(self) -> None:
        self.read = self._counter("sentiment_records_read_total", "Records read from the input topic.")
        self.sentiments = self._counters(
            "sentiment_reviews_scored_total",
            "Scored reviews stored by the broker.",
            "sentiment",
            ("positive", "negative"),
        )
        self.dead_letters = self._counters(
            "sentiment_dead_letters_total", "Records sent to the dead-letter topic, by reason.", "reason", Reason
        )
        self.tombstones = self._counter(
            "sentiment_tombstones_total", "Tombstones (null values) passed on to the output topic."
        )

    def _declare_batches(self) -> None:
        self.batches = self._counters(
            "sentiment_batches_total", "Batches submitted to the engine, by why they left.", "trigger", Trigger
        )
        self.budget = self._gauge("sentiment_batch_budget_tokens", "Padded tokens that the next batch may have.")
        self.batch_price = self._gauge(
            "sentiment_price_batch_seconds", "Estimated fixed time of a batch in the engine."
        )
        self.token_price = self._gauge(
            "sentiment_price_token_seconds", "Estimated time of each padded token of a batch in the engine."
        )
        self.batch_size = self._histogram("sentiment_batch_size_reviews", "Reviews in a batch.", COUNTS)
        self.padding = self._histogram(
            "sentiment_batch_padding_ratio", "Share of a batch's padded tokens that is padding.", TENTHS
        )

    def _declare_reviews(self) -> None:
        self.tokens = self._counter("sentiment_tokens_total", "Words that the model read.")
        self.unknown_tokens = self._counter("sentiment_unknown_tokens_total", "Words outside the vocabulary.")
        self.truncated = self._counter(
            "sentiment_truncated_reviews_total", "Reviews that were cut because they are too long."
        )
        self.out_of_domain = self._counter(
            "sentiment_out_of_domain_reviews_total",
            "Scored texts with few known words, which are hardly English reviews.",
        )
        # The result cache; all zero if there is none.
        self.cache_hits = self._counter("sentiment_cache_hits_total", "Reviews answered with a kept result.")
        self.cache_joined = self._counter(
            "sentiment_cache_joined_total", "Reviews answered together with another review of the same text."
        )
        self.cache_misses = self._counter("sentiment_cache_misses_total", "Reviews that had to be computed.")

    def _declare_times(self) -> None:
        stages = self._histogram(
            "sentiment_stage_seconds",
            "Time of a stage: admit (decode and tokenize the records of a poll), wait (of the oldest review of a batch "
            "for the engine), inference (of a batch).",
            SECONDS,
            ["stage"],
        )
        self.admit_s, self.wait_s, self.inference_s = map(stages.labels, ("admit", "wait", "inference"))
        self.engine_s = self._counter(
            "sentiment_engine_busy_seconds_total", "Time in which the engine computed, one batch or two at once."
        )
        self.end_to_end = BatchHistogram(
            "sentiment_end_to_end_seconds",
            "From the input record's timestamp until the broker has stored its result.",
            SECONDS,
            self._registry,
        )
        self.score = BatchHistogram("sentiment_score", "P(positive) of scored reviews.", TENTHS, self._registry)

    def _declare_state(self) -> None:
        self.lag = self._gauge(
            "sentiment_lag_records",
            "Records between the reading position and the end of the partition.",
            ["topic", "partition"],
        )
        self.partitions = self._gauge("sentiment_assigned_partitions", "Partitions this worker owns.")
        self.held_records = self._gauge("sentiment_held_records", "Records read and not yet finished.")
        self.held_bytes = self._gauge("sentiment_held_bytes", "Bytes of the records read and not yet finished.")
        self.paused = self._gauge("sentiment_paused", "1 while fetching is paused because the worker holds enough.")
        # Computed at each scrape, because the last value of a stuck loop says nothing.
        self.ready = self._gauge("sentiment_ready", "1 while the worker scores reviews.")
        self.turn_age_s = self._gauge(
            "sentiment_last_turn_age_seconds", "Seconds since the last loop iteration; large means stuck."
        )

    def _declare_events(self) -> None:
        self.rebalances = self._counter("sentiment_rebalances_total", "Changes of the assignment.")
        self.skipped_records = self._counter(
            "sentiment_skipped_records_total", "Records deleted from the topic before they were read."
        )
        self.stale = self._counter("sentiment_stale_results_total", "Results dropped because their partition was lost.")
        self.reloads = self._counters(
            "sentiment_model_reloads_total", "Model reload requests, by result.", "result", ("done", "failed")
        )
        self.replays = self._counter(
            "sentiment_replays_total", "Returns to the committed offsets after a failed delivery."
        )
        self._model = self._gauge(
            "sentiment_model_info", "Constant 1, labelled with the model that scores.", MODEL_LABELS
        )
        build = self._gauge("sentiment_build_info", "Constant 1, labelled with the worker's version.", ["version"])
        build.labels(worker.__version__).set(1)

    def serving(self, model: ModelInfo) -> None:
        """See Observer. `sentiment_model_info` has only this model."""
        self._model.clear()
        self._model.labels(model.name, model.version, model.sha256, model.engine).set(1)

    def watch(self, health: Health, clock: Callable[[], float]) -> None:
        """Read `health` at each scrape."""
        self.ready.set_function(lambda: health.ready(clock())[0])
        self.turn_age_s.set_function(lambda: health.turn_age_s(clock()))

    def reloaded(self, *, succeeded: bool) -> None:
        """See Observer."""
        self.reloads["done" if succeeded else "failed"].inc()

    def admitted(self, *, records: int, took_s: float) -> None:
        """See Observer."""
        self.read.inc(records)
        self.admit_s.observe(took_s)

    def skipped(self, records: int) -> None:
        """See Observer."""
        self.skipped_records.inc(records)

    def looked_up(self, *, hits: int, joined: int, misses: int) -> None:
        """See Observer."""
        self.cache_hits.inc(hits)
        self.cache_joined.inc(joined)
        self.cache_misses.inc(misses)

    def dispatched(self, batch: Batch, *, waited_s: float) -> None:
        """See Observer."""
        self.batches[batch.trigger].inc()
        self.batch_size.observe(len(batch.rows))
        self.wait_s.observe(waited_s)
        if (padding := batch.padding_ratio) is not None:
            self.padding.observe(padding)

    def computed(self, scored: ScoredBatch, *, is_current: Callable[[Work], bool], at: Moment) -> None:  # noqa: ARG002
        """See Observer."""
        self.inference_s.observe(scored.inference_s)
        self.engine_s.inc(scored.engine_s)

    def scored(self, scores: Sequence[Score], *, unknown: int) -> None:
        """See Observer."""
        if not scores:
            return
        probabilities, tokens, truncated, out_of_domain, *_ = zip(*scores, strict=True)
        self.tokens.inc(sum(tokens))
        self.unknown_tokens.inc(unknown)
        self.truncated.inc(sum(truncated))
        self.out_of_domain.inc(sum(out_of_domain))
        self.score.observe_all(probabilities)

    def stored(self, outcomes: Sequence[Outcome], *, at: Moment) -> None:
        """See Observer."""
        kinds = Counts([outcome.verdict.sentiment if outcome.verdict else outcome.dead_because for outcome in outcomes])
        for kind, number in kinds.items():
            if isinstance(kind, Reason):
                self.dead_letters[kind].inc(number)
            elif kind is None:
                self.tombstones.inc(number)
            else:
                self.sentiments[kind].inc(number)
        self.end_to_end.observe_all(latencies_s(outcomes, at.epoch_s))

    def rebalanced(self) -> None:
        """See Observer."""
        self.rebalances.inc()

    def released(self, partition: TopicPartition) -> None:
        """See Observer. The next owner of the partition shows its lag."""
        with suppress(KeyError):  # it has no lag yet
            self.lag.remove(partition.topic, str(partition.partition))

    def dropped(self) -> None:
        """See Observer."""
        self.stale.inc()

    def replayed(self) -> None:
        """See Observer."""
        self.replays.inc()

    def stands(self, standing: Standing) -> None:
        """See Observer."""
        for (topic, partition), records in standing.lag.items():
            if records is not None:
                self.lag.labels(topic, str(partition)).set(records)
        self.partitions.set(len(standing.lag))
        self.held_records.set(standing.held_records)
        self.held_bytes.set(standing.held_bytes)
        self.paused.set(standing.paused)
        self.budget.set(standing.budget.tokens)
        if (prices := standing.budget.prices) is not None:
            self.batch_price.set(prices.batch_s)
            self.token_price.set(prices.token_s)


class ShadowMetrics:
    """Counts how a shadow model compares with the live one. See worker.scoring.shadow.Comparisons."""

    def __init__(self, registry: CollectorRegistry, model: ModelInfo) -> None:
        reviews = Counter(
            "sentiment_shadow_reviews_total",
            "Reviews chosen for the shadow model: its sentiment agrees with the live model's or differs, it failed to "
            "score them, or it skipped them because it is too slow or broken.",
            ["result"],
            registry=registry,
        )
        self._reviews = {result: reviews.labels(result) for result in ("agrees", "differs", "failed", "skipped")}
        self._difference = BatchHistogram(
            "sentiment_shadow_difference",
            "Absolute difference between P(positive) of the shadow model and of the live model.",
            DIFFERENCES,
            registry,
        )
        info = Gauge(
            "sentiment_shadow_model_info",
            "Constant 1, labelled with the shadow model.",
            MODEL_LABELS,
            registry=registry,
        )
        info.labels(model.name, model.version, model.sha256, model.engine).set(1)

    def compared(self, live: Sequence[float], shadow: Sequence[float]) -> None:
        """See Comparisons."""
        pairs = list(zip(live, shadow, strict=True))
        agreeing = sum((ours >= 0.5) == (other >= 0.5) for ours, other in pairs)
        self._reviews["agrees"].inc(agreeing)
        self._reviews["differs"].inc(len(pairs) - agreeing)
        self._difference.observe_all(abs(ours - other) for ours, other in pairs)

    def failed(self, reviews: int) -> None:
        """See Comparisons."""
        self._reviews["failed"].inc(reviews)

    def skipped(self, reviews: int) -> None:
        """See Comparisons."""
        self._reviews["skipped"].inc(reviews)
