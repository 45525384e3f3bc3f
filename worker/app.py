"""The composition root of `run`: the only place where the worker's parts are chosen and joined."""

import gc
import logging
import signal
import time
from typing import Final

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector

import worker
from model.predictor import ModelInfo, Predictor
from worker.broker.clients import Client, client_named
from worker.broker.cluster.admin import require_topics
from worker.broker.connection import Connection
from worker.broker.contract import Source
from worker.delivery.at_least_once import AtLeastOnce
from worker.delivery.backpressure import Backpressure, HoldLimits
from worker.delivery.breaker import Breaker
from worker.delivery.contract import Delivery
from worker.delivery.exactly_once import ExactlyOnce
from worker.delivery.naming import transactional_id
from worker.delivery.offsets import Offsets
from worker.delivery.outcomes import Outcomes, Target
from worker.errors import SettingsRejected
from worker.loop import Work, Worker
from worker.monitoring.health import Health
from worker.monitoring.http import serve
from worker.monitoring.metrics import Metrics, ShadowMetrics
from worker.monitoring.status.pages import status_pages
from worker.monitoring.status.recorder import Recorder
from worker.monitoring.tracing import UNTRACED, Tracer
from worker.scoring.batcher import Batcher, BatchLimits
from worker.scoring.cache import ResultCache
from worker.scoring.inference import InferenceThreads
from worker.scoring.opening import open_predictor
from worker.scoring.pricing import Pricing
from worker.scoring.reloading import Reloader
from worker.scoring.shadow import Shadow
from worker.settings.connecting import connect_with
from worker.settings.schema import Settings
from worker.shutdown import capture_signals, handled_by

log = logging.getLogger(__name__)

GARBAGE_EVERY: Final = 50_000  # objects; the 700 of the interpreter are a few dozen reviews


def run(settings: Settings, *, until_empty: bool = False) -> None:
    """Serve until a signal says stop, or until the input topic is read to its end.

    Raises Fatal when the worker cannot start or must not go on. A second signal ends it without draining.
    """
    registry = CollectorRegistry()
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=registry)
    now_s = time.monotonic()
    health = Health(stall_timeout_s=settings.stall_timeout_ms / 1000, now_s=now_s)
    recorder = Recorder(now_s, keeps_reviews=settings.status_reviews)
    pages = status_pages(recorder, health, settings)
    reloader = Reloader[Work](lambda: inference_threads(settings, open_predictor(settings)))
    with (
        capture_signals() as stop,
        handled_by(reloader.on_signal, signal.SIGHUP),
        serve(settings.http_host, settings.http_port, registry=registry, health=health, pages=pages) as (host, port),
    ):
        log.info("listening", extra={"http": f"{host}:{port}"})
        client = client_named(settings.client)  # or the model would be loaded before it is missed
        tracer = open_tracer(settings)
        partitions = require_topics(
            connect_with(settings), [settings.input_topic, settings.output_topic, settings.dlq_topic]
        )
        predictor = open_predictor(settings)
        log.info("starting", extra=_plan(settings, predictor.info))
        metrics = Metrics(registry)
        metrics.watch(health, time.monotonic)
        shadow = open_shadow(settings, registry)
        worker = build_worker(
            settings, client, predictor, reloader, partitions, metrics, health, recorder, shadow, tracer
        )
        look_for_garbage_less_often()
        worker.run(stop, until_empty=until_empty)


def _plan(settings: Settings, info: ModelInfo) -> dict[str, object]:
    """Say for the log what this worker is going to do, and with what."""
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


def look_for_garbage_less_often() -> None:
    """Reviews on their way are thousands of objects and no cycles: to look among them took a tenth of the time."""
    gc.set_threshold(GARBAGE_EVERY)


def inference_threads(settings: Settings, predictor: Predictor) -> InferenceThreads[Work]:
    """Make the threads that run a predictor; it is not started."""
    return InferenceThreads(predictor, isolation_timeout_s=settings.isolation_timeout_ms / 1000)


def open_shadow(settings: Settings, registry: CollectorRegistry) -> Shadow | None:
    """Load the second model, if there is to be one, into one lane: the live one has the cores. Raises ModelUnusable."""
    if settings.shadow_model is None:
        return None
    predictor = open_predictor(settings.model_copy(update={"model": settings.shadow_model, "threads": 1}))
    comparisons = ShadowMetrics(registry, predictor.info)
    return Shadow(predictor, share=settings.shadow_share, comparisons=comparisons)


def open_tracer(settings: Settings) -> Tracer:
    """Get ready to send traces, if they are asked for. Raises SettingsRejected where OpenTelemetry is not installed."""
    if settings.traces_endpoint is None:
        return UNTRACED
    try:
        from worker.monitoring.otel import OtelTracer, otlp_provider
    except ImportError as exc:
        raise SettingsRejected(
            f"traces_endpoint needs OpenTelemetry ({exc}): pip install 'sentiment-worker[tracing]', or leave it out"
        ) from exc
    return OtelTracer(
        otlp_provider(settings.traces_endpoint, sample=settings.traces_sample),
        input_topic=settings.input_topic,
        output_topic=settings.output_topic,
        group_id=settings.group_id,
    )


def build_worker(
    settings: Settings,
    client: Client,
    predictor: Predictor,
    reloader: Reloader[Work],
    partitions: dict[str, int],
    metrics: Metrics,
    health: Health,
    recorder: Recorder,
    shadow: Shadow | None = None,
    tracer: Tracer = UNTRACED,
) -> Worker:
    """Join the parts; `partitions` says how many each topic has."""
    connection = connect_with(settings)

    def target(topic: str) -> Target:
        return Target(topic, partitions[topic], keeps_partition=partitions[topic] == partitions[settings.input_topic])

    source = client.source(
        connection,
        topic=settings.input_topic,
        group_id=settings.group_id,
        group_instance_id=settings.group_instance_id,
        session_timeout_ms=settings.session_timeout_ms,
        max_poll_interval_ms=settings.max_poll_interval_ms,
    )
    offsets = Offsets()
    return Worker(
        source=source,
        delivery=_delivery(settings, client, connection, source, offsets),
        engine=inference_threads(settings, predictor),
        reloader=reloader,
        shadow=shadow,
        offsets=offsets,
        batcher=Batcher(
            BatchLimits(
                max_reviews=settings.max_batch_reviews,
                linger_s=settings.linger_ms / 1000,
                max_wait_s=settings.max_wait_ms / 1000,
            )
        ),
        pricing=Pricing(
            max_tokens=settings.max_batch_tokens,
            target_s=None if settings.target_p99_ms is None else settings.target_p99_ms / 1000,
        ),
        cache=ResultCache(settings.cache_bytes) if settings.cache_bytes else None,
        backpressure=Backpressure(
            HoldLimits(records=settings.max_inflight_records, size_bytes=settings.max_inflight_bytes)
        ),
        breaker=Breaker(settings.max_dead_letters_per_minute),
        outcomes=Outcomes(output=target(settings.output_topic), dlq=target(settings.dlq_topic), model=predictor.info),
        metrics=metrics,
        health=health,
        recorder=recorder,
        tracer=tracer,
        preserve_order=settings.preserve_order,
        max_poll_records=settings.max_poll_records,
        drain_timeout_s=settings.drain_timeout_ms / 1000,
        handover_timeout_s=settings.handover_timeout_ms / 1000,
    )


def _delivery(settings: Settings, client: Client, connection: Connection, source: Source, offsets: Offsets) -> Delivery:
    interval_s = settings.commit_interval_ms / 1000
    # A part of the time to drain, so that one commit without an answer does not take it all.
    timeout_s = min(settings.session_timeout_ms, settings.drain_timeout_ms) / 1000 / 2
    if settings.delivery == "at_least_once":
        open_sink = client.sink_opener(connection, delivery_timeout_ms=settings.delivery_timeout_ms)
        return AtLeastOnce(source, open_sink, offsets, commit_interval_s=interval_s, commit_timeout_s=timeout_s)
    return ExactlyOnce(
        source,
        client.transactional_sink_opener(
            connection,
            transactional_id=transactional_id(settings),
            transaction_timeout_ms=settings.transaction_timeout_ms,
            # What is not stored by then cannot be: the transaction is over.
            delivery_timeout_ms=min(settings.delivery_timeout_ms, settings.transaction_timeout_ms),
        ),
        offsets,
        checkpoint_interval_s=interval_s,
        # Before fetching pauses, which it does when max_inflight_records are held until a checkpoint.
        checkpoint_outcomes=max(1, settings.max_inflight_records // 2),
        commit_timeout_s=timeout_s,
        transaction_timeout_s=settings.transaction_timeout_ms / 1000,
    )
