"""Every metric the worker shows, declared once. Names follow Prometheus: base units, `_total`, bounded labels.

Observed per batch, never per review: one call of prometheus-client costs as much as decoding a review.
"""

from bisect import bisect_left
from collections import Counter as TallyCounter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import repeat
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

import worker
from model.predictor import ModelInfo
from worker.broker.contract import TopicPartition
from worker.delivery.outcomes import Outcome, latencies_s
from worker.monitoring.health import Health
from worker.monitoring.observer import Moment, Observer, Standing, W
from worker.scoring.batcher import Batch, Trigger
from worker.scoring.inference import ScoredBatch
from worker.wire.reasons import Reason
from worker.wire.scored import Score

SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
COUNTS: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096)
DIFFERENCES: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
TENTHS: Final = tuple(tenth / 10 for tenth in range(1, 11))


class BatchHistogram(Collector):
    """A histogram that takes the values of a whole batch in one call.

    Written by the loop's thread and read by the scraper's: a scrape may see a batch half counted, as with any
    counter, and never a value twice.
    """

    def __init__(self, name: str, help_text: str, bounds: Sequence[float], registry: CollectorRegistry) -> None:
        self._name, self._help, self._bounds = name, help_text, tuple(bounds)
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0
        registry.register(self)

    def observe_all(self, values: Iterable[float]) -> None:
        """Count each value in the first bucket whose bound is not below it."""
        values = tuple(values)
        for bucket, count in TallyCounter(map(bisect_left, repeat(self._bounds), values)).items():
            self._counts[bucket] += count
        self._sum += sum(values)

    def collect(self) -> Iterator[Metric]:
        """Give Prometheus the cumulative buckets."""
        buckets, total = [], 0
        for bound, count in zip((*self._bounds, float("inf")), self._counts, strict=True):
            total += count
            buckets.append(("+Inf" if bound == float("inf") else str(float(bound)), float(total)))
        yield HistogramMetricFamily(self._name, self._help, buckets=buckets, sum_value=self._sum)

    def describe(self) -> Iterator[Metric]:
        """Name the metric without its samples, so that a second one of the same name is refused."""
        yield HistogramMetricFamily(self._name, self._help)


class Metrics(Observer):
    """All metrics on one registry; children of labelled ones are made here, once."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, help_text: str) -> Counter:
            return Counter(name, help_text, registry=registry)

        def gauge(name: str, help_text: str) -> Gauge:
            return Gauge(name, help_text, registry=registry)

        def histogram(name: str, help_text: str, buckets: Sequence[float]) -> Histogram:
            return Histogram(name, help_text, buckets=buckets, registry=registry)

        # Throughput
        self.read = counter("sentiment_records_read_total", "Records read from the input topic.")
        scored = Counter(
            "sentiment_reviews_scored_total",
            "Scored reviews stored by the broker.",
            ["sentiment"],
            registry=registry,
        )
        self.sentiments = {sentiment: scored.labels(sentiment) for sentiment in ("positive", "negative")}
        dead = Counter(
            "sentiment_dead_letters_total",
            "Records sent to the dead-letter topic, by reason.",
            ["reason"],
            registry=registry,
        )
        self.dead_letters = {reason: dead.labels(reason.value) for reason in Reason}
        self.tombstones = counter("sentiment_tombstones_total", "Null values passed on under their key.")

        # Batches
        batches = Counter(
            "sentiment_batches_total",
            "Batches handed to the engine, by what made them leave.",
            ["trigger"],
            registry=registry,
        )
        self.batches = {trigger: batches.labels(trigger.value) for trigger in Trigger}
        self.budget = gauge("sentiment_batch_budget_tokens", "Padded tokens that the next batch may have.")
        self.batch_price = gauge(
            "sentiment_price_batch_seconds", "Estimated fixed time that the engine takes for a batch."
        )
        self.token_price = gauge(
            "sentiment_price_token_seconds", "Estimated time that the engine takes for each padded token of a batch."
        )
        self.batch_size = histogram("sentiment_batch_size_reviews", "Reviews in a batch.", COUNTS)
        self.padding = histogram("sentiment_batch_padding_ratio", "Padding / padded tokens of a batch.", TENTHS)
        self.tokens = counter("sentiment_tokens_total", "Words the model read.")
        self.unknown_tokens = counter("sentiment_unknown_tokens_total", "Words outside the vocabulary.")
        self.truncated = counter("sentiment_truncated_reviews_total", "Reviews of which words were left out.")
        self.out_of_domain = counter(
            "sentiment_out_of_domain_reviews_total", "Scored texts that are hardly English reviews: few known words."
        )

        # The result cache; all zero where none is in use
        self.cache_hits = counter("sentiment_cache_hits_total", "Reviews answered by a result that was kept.")
        self.cache_joined = counter(
            "sentiment_cache_joined_total", "Reviews answered together with another of the same text."
        )
        self.cache_misses = counter("sentiment_cache_misses_total", "Reviews that had to be computed.")

        # Time
        stages = Histogram(
            "sentiment_stage_seconds",
            "Time of one pass of a stage: admit (decode and tokenize a poll), wait (the oldest review of a "
            "batch before the engine), inference (a batch).",
            ["stage"],
            buckets=SECONDS,
            registry=registry,
        )
        self.admit_s, self.wait_s, self.inference_s = map(stages.labels, ("admit", "wait", "inference"))
        self.engine_s = counter(
            "sentiment_engine_busy_seconds_total", "Time in which the engine computed, one batch or two at once."
        )
        self.end_to_end = BatchHistogram(
            "sentiment_end_to_end_seconds",
            "From the input record's timestamp until the broker has stored its result.",
            SECONDS,
            registry,
        )
        self.score = BatchHistogram("sentiment_score", "P(positive) of scored reviews.", TENTHS, registry)

        # State
        self.lag = Gauge(
            "sentiment_lag_records",
            "Records between the reading position and the end of the partition.",
            ["topic", "partition"],
            registry=registry,
        )
        self.partitions = gauge("sentiment_assigned_partitions", "Partitions this worker owns.")
        self.held_records = gauge("sentiment_held_records", "Records read and not yet finished.")
        self.held_bytes = gauge("sentiment_held_bytes", "Bytes of the records read and not yet finished.")
        self.paused = gauge("sentiment_paused", "1 while fetching is paused because the worker holds enough.")
        # Computed at each scrape: the last value that a stuck loop wrote says nothing about it.
        self.ready = gauge("sentiment_ready", "1 while the worker scores reviews.")
        self.turn_age_s = gauge("sentiment_last_turn_age_seconds", "Since the last loop iteration; large means stuck.")

        # Events
        self.rebalances = counter("sentiment_rebalances_total", "Changes of the assignment.")
        self.skipped_records = counter(
            "sentiment_skipped_records_total", "Records deleted from the topic before they were read."
        )
        self.stale = counter("sentiment_stale_results_total", "Results dropped because their partition was lost.")
        reloads = Counter(
            "sentiment_model_reloads_total",
            "Model reload requests, by result.",
            ["result"],
            registry=registry,
        )
        self.reloads = {result: reloads.labels(result) for result in ("done", "failed")}
        self.replays = counter("sentiment_replays_total", "Returns to the committed offsets after a failed delivery.")

        self._model = Gauge(
            "sentiment_model_info",
            "Constant 1, labelled with the model that scores.",
            ["name", "version", "sha256", "engine"],
            registry=registry,
        )
        build = Gauge(
            "sentiment_build_info", "Constant 1, labelled with the worker's version.", ["version"], registry=registry
        )
        build.labels(worker.__version__).set(1)

    def serving(self, model: ModelInfo) -> None:
        """See Observer. Only this model is named in `sentiment_model_info`."""
        self._model.clear()
        self._model.labels(model.name, model.version, model.sha256, model.engine).set(1)

    def watch(self, health: Health, clock: Callable[[], float]) -> None:
        """Show what `health` says at the moment of each scrape."""
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

    def dispatched(self, batch: Batch[W], *, waited_s: float) -> None:
        """See Observer."""
        self.batches[batch.trigger].inc()
        self.batch_size.observe(len(batch.rows))
        self.wait_s.observe(waited_s)
        if (padding := batch.padding_ratio) is not None:
            self.padding.observe(padding)

    def computed(self, scored: ScoredBatch[W], *, is_current: Callable[[W], bool], at: Moment) -> None:  # noqa: ARG002
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
        kinds = TallyCounter(
            [outcome.verdict.sentiment if outcome.verdict else outcome.dead_because for outcome in outcomes]
        )
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
        """See Observer. The lag of the partition is shown by its next owner."""
        with suppress(KeyError):  # never shown
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
    """How a shadow model compares with the live one; see `worker.scoring.shadow.Comparisons`."""

    def __init__(self, registry: CollectorRegistry, model: ModelInfo) -> None:
        reviews = Counter(
            "sentiment_shadow_reviews_total",
            "Reviews chosen for the shadow model, by whether it finds the live model's sentiment; failed: it could "
            "not score them; skipped: it was too slow, or is broken.",
            ["result"],
            registry=registry,
        )
        self._reviews = {result: reviews.labels(result) for result in ("agrees", "differs", "failed", "skipped")}
        self._difference = BatchHistogram(
            "sentiment_shadow_difference",
            "Difference between P(positive) of the shadow model and of the live one, without its sign.",
            DIFFERENCES,
            registry,
        )
        info = Gauge(
            "sentiment_shadow_model_info",
            "Constant 1, labelled with the shadow model.",
            ["name", "version", "sha256", "engine"],
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
