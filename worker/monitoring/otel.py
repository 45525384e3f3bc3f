"""OpenTelemetry: one trace for each batch, linked to the traces of its reviews. Only this module imports OpenTelemetry.

    process reviews.raw              from the arrival of the oldest review until the last result is stored
    ├── wait                         until the engine starts the batch
    ├── inference
    └── send reviews.scored          until the last result is stored

The trace of a review is linked, not continued, because a span has one parent and a batch has hundreds of reviews.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from threading import Thread
from typing import Final

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import TraceIdRatioBased
from opentelemetry.trace import Span, SpanContext, SpanKind, StatusCode, get_current_span, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

import worker
from model.predictor import ModelInfo
from worker.broker.contract import Record, TopicPartition
from worker.delivery.outcomes import Outcome
from worker.monitoring.observer import Moment, Observer
from worker.scoring.inference import ScoredBatch
from worker.scoring.isolation import Poison
from worker.scoring.work import Work
from worker.wire.reasons import Reason

log = logging.getLogger(__name__)

MAX_LINKS: Final = 128  # of a batch, which may have 65,536 reviews; 128 is also OpenTelemetry's default
MAX_EVENTS: Final = 128  # unscorable reviews that a batch names

_Review = tuple[TopicPartition, int, int]  # partition, generation, offset

_PROPAGATOR: Final = TraceContextTextMapPropagator()


def otlp_provider(endpoint: str, *, sample: float) -> TracerProvider:
    """Return a provider that sends a share of all traces, from its own thread. It drops what it cannot send."""
    resource = Resource.create({"service.name": "sentiment-worker", "service.version": worker.__version__})
    provider = TracerProvider(
        sampler=TraceIdRatioBased(sample),
        resource=resource.merge(OTELResourceDetector().detect()),  # OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES
        shutdown_on_exit=False,  # it can take 30 s
    )
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint)))
    return provider


@dataclass(slots=True)
class _OpenBatch:
    """A computed batch, some of whose results are not stored yet."""

    span: Span
    sending: Span
    unsettled: int
    forgotten: int

    def end(self, at_s: float) -> None:
        """End both spans. They failed if a result was not stored."""
        if self.forgotten:
            for span in (self.sending, self.span):
                _fail(span, "not_stored", f"{self.forgotten} reviews were not stored, and will be scored again")
        for span in (self.sending, self.span):
            span.end(_ns(at_s))


class OtelTracer(Observer):
    """See Observer. Keeps each review of a sampled batch until its result is stored or forgotten."""

    def __init__(self, provider: TracerProvider, *, input_topic: str, output_topic: str, group_id: str) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("sentiment-worker", worker.__version__)
        self._process = _messaging("process", input_topic) | {"messaging.consumer.group.name": group_id}
        self._send = _messaging("send", output_topic)
        self._process_name = f"process {input_topic}"
        self._send_name = f"send {output_topic}"
        self._model: Mapping[str, str] = {}
        self._batch_of: dict[_Review, _OpenBatch] = {}

    def serving(self, model: ModelInfo) -> None:
        """See Observer."""
        self._model = {
            "sentiment.model.name": model.name,
            "sentiment.model.version": model.version,
            "sentiment.engine": model.engine,
        }

    def computed(self, scored: ScoredBatch, *, is_current: Callable[[Work], bool], at: Moment) -> None:
        """See Observer."""
        now_s, at_s = at
        began_s = at_s - scored.inference_s
        arrived_s = began_s - scored.waited_s(now_s)
        span = self._tracer.start_span(
            self._process_name, Context(), SpanKind.CONSUMER, self._process, start_time=_ns(arrived_s)
        )
        if not span.is_recording():  # not in the sample
            return
        self._describe(span, scored)
        within = set_span_in_context(span, Context())
        self._tracer.start_span("wait", within, start_time=_ns(arrived_s)).end(_ns(began_s))
        inference = self._tracer.start_span("inference", within, start_time=_ns(began_s))
        _record_failures(scored, inference, span, at_s)
        inference.end(_ns(at_s))
        sending = self._tracer.start_span(self._send_name, within, SpanKind.CLIENT, self._send, start_time=_ns(at_s))
        current = [row for row in scored.batch.rows if is_current(row)]
        batch = _OpenBatch(span, sending, len(current), forgotten=len(scored.batch.rows) - len(current))
        self._batch_of |= {(row.record.partition, row.generation, row.record.offset): batch for row in current}
        if not current:
            batch.end(at_s)

    def stored(self, outcomes: Sequence[Outcome], *, at: Moment) -> None:
        """See Observer."""
        for outcome in outcomes:
            self._settle((outcome.record.partition, outcome.generation, outcome.record.offset), at.epoch_s, stored=True)

    def forgotten(self, partition: TopicPartition, *, at: Moment) -> None:
        """See Observer."""
        for review in [review for review in self._batch_of if review[0] == partition]:
            self._settle(review, at.epoch_s, stored=False)

    def close(self, *, at: Moment, timeout_s: float) -> None:
        """See Observer."""
        for review in list(self._batch_of):
            self._settle(review, at.epoch_s, stored=False)
        # `shutdown` takes 30 s if the collector does not answer, so it gets a thread, which ends with the process.
        closing = Thread(target=self._provider.shutdown, name="last traces", daemon=True)
        closing.start()
        closing.join(timeout_s)
        if closing.is_alive():
            log.warning("the last traces could not be sent within %.3g s", timeout_s)

    def _describe(self, span: Span, scored: ScoredBatch) -> None:
        batch = scored.batch
        span.set_attributes(
            {
                **self._model,
                "messaging.batch.message_count": len(batch.rows),
                "sentiment.batch.tokens": batch.tokens,
                "sentiment.batch.padding_ratio": batch.padding_ratio or 0.0,
                "sentiment.batch.trigger": batch.trigger.value,
            }
        )
        for context in islice(_contexts(row.record for row in batch.rows), MAX_LINKS):
            span.add_link(context)

    def _settle(self, review: _Review, at_s: float, *, stored: bool) -> None:
        batch = self._batch_of.pop(review, None)
        if batch is None:
            return
        batch.unsettled -= 1
        batch.forgotten += not stored
        if not batch.unsettled:
            batch.end(at_s)


def _messaging(operation: str, topic: str) -> dict[str, str]:
    """Return the attributes that OpenTelemetry's conventions for messaging require."""
    return {
        "messaging.system": "kafka",
        "messaging.operation.name": operation,
        "messaging.operation.type": operation,
        "messaging.destination.name": topic,
    }


def _contexts(records: Iterable[Record]) -> Iterator[SpanContext]:
    """Yield the span context in the headers of each record. Skip records without a valid one."""
    for record in records:
        carrier = {
            name: value.decode("latin-1") for name, value in record.headers if name in _PROPAGATOR.fields and value
        }
        context = get_current_span(_PROPAGATOR.extract(carrier, Context())).get_span_context()
        if context.is_valid:
            yield context


def _record_failures(scored: ScoredBatch, inference: Span, span: Span, at_s: float) -> None:
    """Add an event for each review that cannot be scored, and mark the spans as failed."""
    failed = [
        (row.record, result.error)
        for row, result in zip(scored.batch.rows, scored.results, strict=True)
        if isinstance(result, Poison)
    ]
    for record, error in failed[:MAX_EVENTS]:
        attributes: dict[str, str | int] = {
            "exception.message": error,
            "messaging.destination.partition.id": str(record.partition.partition),
            "messaging.kafka.offset": record.offset,
        }
        inference.add_event("exception", attributes, timestamp=_ns(at_s))
    if failed:
        for each in (inference, span):
            _fail(each, Reason.UNSCORABLE.value, f"{len(failed)} of {len(scored.results)} reviews could not be scored")


def _fail(span: Span, error_type: str, description: str) -> None:
    span.set_attribute("error.type", error_type)
    span.set_status(StatusCode.ERROR, description)


def _ns(at_s: float) -> int:
    return round(at_s * 1e9)
