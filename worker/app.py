"""The composition root of `run`: the only place where the worker's parts are chosen and joined."""

import gc
import logging
import signal
from collections.abc import Mapping
from typing import Final

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector

import worker
from model.predictor import ModelInfo, Predictor
from worker.broker.clients import Client, client_named
from worker.broker.cluster.admin import require_topics
from worker.broker.contract import Source
from worker.delivery.at_least_once import AtLeastOnce
from worker.delivery.backpressure import Backpressure
from worker.delivery.breaker import Breaker
from worker.delivery.contract import Delivery
from worker.delivery.exactly_once import ExactlyOnce
from worker.delivery.offsets import Offsets
from worker.delivery.outcomes import Outcomes, Target
from worker.errors import SettingsRejected
from worker.inflight import Clocks, InFlight
from worker.loop import Limits, Worker
from worker.monitoring.health import Health
from worker.monitoring.http import serve
from worker.monitoring.metrics import Metrics, ShadowMetrics
from worker.monitoring.observer import Observer, Observers
from worker.monitoring.status.pages import status_pages
from worker.monitoring.status.recorder import Recorder
from worker.scoring.batcher import Batcher
from worker.scoring.cache import Cache, ResultCache
from worker.scoring.inference import BackgroundEngine
from worker.scoring.opening import open_predictor
from worker.scoring.pricing import Pricing
from worker.scoring.reloading import Reloader
from worker.scoring.scorer import Scorer
from worker.scoring.shadow import ModelShadow, Shadow
from worker.settings.connecting import connect_with
from worker.settings.schema import Settings
from worker.shutdown import capture_signals, handled_by

log = logging.getLogger(__name__)

GARBAGE_EVERY: Final = 50_000  # new objects between two collections; the default, 700, is a few dozen reviews


def run(settings: Settings, *, until_empty: bool = False) -> None:
    """Run the worker until a signal stops it or, with `until_empty`, until the input topic is read to its end.

    A second signal ends it without a drain. Raises Fatal if the worker cannot start or must not continue.
    """
    registry = _registry()
    clocks = Clocks()
    health = Health(stall_timeout_s=settings.stall_timeout_ms / 1000, now_s=clocks.monotonic())
    recorder = Recorder(clocks.monotonic(), keeps_reviews=settings.status_reviews)
    pages = status_pages(recorder, health, settings)
    reloader = Reloader(lambda: open_engine(settings, open_predictor(settings)))
    with (
        capture_signals() as stop,
        handled_by(reloader.on_signal, signal.SIGHUP),
        serve(settings.http_host, settings.http_port, registry=registry, health=health, pages=pages) as (host, port),
    ):
        log.info("listening", extra={"http": f"{host}:{port}"})
        # The cheap checks come before loading the model.
        client = client_named(settings.client)
        tracer = open_tracer(settings)
        partitions = require_topics(
            connect_with(settings), [settings.input_topic, settings.output_topic, settings.dlq_topic]
        )
        predictor = open_predictor(settings)
        log.info("starting", extra=_plan(settings, predictor.info))
        metrics = Metrics(registry)
        metrics.watch(health, clocks.monotonic)
        worker = build_worker(
            settings,
            client=client,
            engine=open_engine(settings, predictor),
            reloader=reloader,
            shadow=open_shadow(settings, registry),
            observer=Observers(metrics, health, recorder, tracer),
            partitions=partitions,
            clocks=clocks,
        )
        collect_garbage_less_often()
        worker.run(stop, until_empty=until_empty)


def _registry() -> CollectorRegistry:
    """Return a registry that has the metrics of the Python process."""
    registry = CollectorRegistry()
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=registry)
    return registry


def _plan(settings: Settings, info: ModelInfo) -> dict[str, object]:
    """Return the fields of the log event `starting`."""
    limits = ("max_batch_reviews", "max_batch_tokens", "linger_ms", "max_inflight_records")
    return {
        "version": worker.__version__,
        "input": settings.input_topic,
        "output": settings.output_topic,
        "dead_letters": settings.dlq_topic,
        "group": settings.group_id,
        "client": settings.client,
        "delivery": settings.delivery,
        "model": f"{info.name}@{info.version}",
        "sha256": info.sha256,
        "engine": info.engine,
        "why": info.why,
        "tokenizer": info.tokenizer,
        **{name: getattr(settings, name) for name in limits},
    }


def collect_garbage_less_often() -> None:
    """Raise the threshold: scanning the thousands of objects of the reviews in flight took a tenth of the time."""
    gc.set_threshold(GARBAGE_EVERY)


def open_engine(settings: Settings, predictor: Predictor) -> BackgroundEngine:
    """Return an engine that runs a predictor on its own threads. It is not started."""
    return BackgroundEngine(predictor, isolation_timeout_s=settings.isolation_timeout_ms / 1000)


def open_shadow(settings: Settings, registry: CollectorRegistry) -> Shadow:
    """Load the shadow model, if one is set. It gets one thread, to leave the cores to the live model.

    Raises ModelUnusable.
    """
    if settings.shadow_model is None:
        return Shadow()
    predictor = open_predictor(settings.model_copy(update={"model": settings.shadow_model, "threads": 1}))
    return ModelShadow(predictor, share=settings.shadow_share, comparisons=ShadowMetrics(registry, predictor.info))


def open_tracer(settings: Settings) -> Observer:
    """Return an observer that sends traces if `traces_endpoint` is set, and one that does nothing if not.

    Raises SettingsRejected if OpenTelemetry is not installed.
    """
    if settings.traces_endpoint is None:
        return Observer()
    try:
        from worker.monitoring.otel import OtelTracer, otlp_provider
    except ImportError as exc:
        raise SettingsRejected(
            f"traces_endpoint needs OpenTelemetry ({exc}): run pip install 'sentiment-worker[tracing]', or leave it out"
        ) from exc
    return OtelTracer(
        otlp_provider(settings.traces_endpoint, sample=settings.traces_sample),
        input_topic=settings.input_topic,
        output_topic=settings.output_topic,
        group_id=settings.group_id,
    )


def build_worker(
    settings: Settings,
    *,
    client: Client,
    engine: BackgroundEngine,
    reloader: Reloader,
    shadow: Shadow,
    observer: Observer,
    partitions: Mapping[str, int],
    clocks: Clocks,
) -> Worker:
    """Join the parts. `partitions` is the number of partitions of each topic."""
    source, offsets = _source(settings, client), Offsets()
    inflight = InFlight(
        delivery=_delivery(settings, client, source, offsets, clocks),
        offsets=offsets,
        outcomes=Outcomes(
            output=_target(settings.output_topic, settings.input_topic, partitions),
            dlq=_target(settings.dlq_topic, settings.input_topic, partitions),
            model=engine.predictor.info,
        ),
        held=Backpressure(max_records=settings.max_inflight_records, max_bytes=settings.max_inflight_bytes),
        breaker=Breaker(settings.max_dead_letters_per_minute),
        observer=observer,
        clocks=clocks,
    )
    return Worker(
        source=source,
        scorer=_scorer(settings, engine, reloader, shadow),
        inflight=inflight,
        observer=observer,
        limits=Limits(
            max_poll_records=settings.max_poll_records,
            drain_timeout_s=settings.drain_timeout_ms / 1000,
            handover_timeout_s=settings.handover_timeout_ms / 1000,
        ),
        clocks=clocks,
    )


def _source(settings: Settings, client: Client) -> Source:
    return client.source(
        connect_with(settings),
        topic=settings.input_topic,
        group_id=settings.group_id,
        group_instance_id=settings.group_instance_id,
        session_timeout_ms=settings.session_timeout_ms,
        max_poll_interval_ms=settings.max_poll_interval_ms,
    )


def _scorer(settings: Settings, engine: BackgroundEngine, reloader: Reloader, shadow: Shadow) -> Scorer:
    target_ms = settings.target_p99_ms
    return Scorer(
        engine,
        reloader=reloader,
        batcher=Batcher(
            max_reviews=settings.max_batch_reviews,
            linger_s=settings.linger_ms / 1000,
            max_wait_s=settings.max_wait_ms / 1000,
        ),
        pricing=Pricing(max_tokens=settings.max_batch_tokens, target_s=None if target_ms is None else target_ms / 1000),
        cache=ResultCache(settings.cache_bytes) if settings.cache_bytes else Cache(),
        shadow=shadow,
    )


def _target(topic: str, input_topic: str, partitions: Mapping[str, int]) -> Target:
    return Target(topic, partitions[topic], keeps_partition=partitions[topic] == partitions[input_topic])


def _delivery(settings: Settings, client: Client, source: Source, offsets: Offsets, clocks: Clocks) -> Delivery:
    connection = connect_with(settings)
    interval_s = settings.commit_interval_ms / 1000
    # Half of the time to drain, so that one unanswered commit does not use it up.
    timeout_s = min(settings.session_timeout_ms, settings.drain_timeout_ms) / 1000 / 2
    if settings.delivery == "at_least_once":
        open_sink = client.sink_opener(connection, delivery_timeout_ms=settings.delivery_timeout_ms)
        return AtLeastOnce(source, open_sink, offsets, commit_interval_s=interval_s, commit_timeout_s=timeout_s)
    return ExactlyOnce(
        source,
        client.transactional_sink_opener(
            connection,
            transactional_id=settings.effective_transactional_id(),
            transaction_timeout_ms=settings.transaction_timeout_ms,
            # Later than that a message cannot be stored, because the transaction is over.
            delivery_timeout_ms=min(settings.delivery_timeout_ms, settings.transaction_timeout_ms),
        ),
        offsets,
        checkpoint_interval_s=interval_s,
        # Half, so that a checkpoint comes before the worker holds max_inflight_records and fetching pauses.
        checkpoint_outcomes=max(1, settings.max_inflight_records // 2),
        commit_timeout_s=timeout_s,
        transaction_timeout_s=settings.transaction_timeout_ms / 1000,
        clock=clocks.monotonic,
    )
