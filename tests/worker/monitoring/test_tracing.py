"""Traces: the spans of a batch and their links. The worker does not depend on the collector."""

import logging
import signal
import socket
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, Sampler
from opentelemetry.trace import SpanKind, StatusCode

from tests.support.collector import collector
from tests.support.works import work
from tests.worker.rig import GROUP, RAW, SCORED, Rig, ids, review, started, turn_until, with_results_in_flight
from worker.app import open_tracer
from worker.broker.contract import Headers, TopicPartition
from worker.errors import DeliveryFailed, SettingsRejected
from worker.monitoring.observer import Moment
from worker.monitoring.otel import MAX_LINKS, OtelTracer, otlp_provider
from worker.scoring.batcher import Batch, Trigger
from worker.scoring.inference import ScoredBatch
from worker.scoring.work import Work
from worker.settings.schema import Settings
from worker.wire.scored import Score

P0, P1 = TopicPartition(RAW, 0), TopicPartition(RAW, 1)
PROCESS, SEND = f"process {RAW}", f"send {SCORED}"


class Traces:
    """A tracer whose spans stay in memory."""

    def __init__(self, sampler: Sampler = ALWAYS_ON) -> None:
        self._memory = InMemorySpanExporter()
        provider = TracerProvider(sampler=sampler, shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self._memory))
        self.tracer = tracer_to(provider)

    def named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self._memory.get_finished_spans() if span.name == name]

    def one(self, name: str) -> ReadableSpan:
        [span] = self.named(name)
        return span

    def count(self) -> int:
        return len(self._memory.get_finished_spans())


@pytest.fixture
def traces() -> Traces:
    return Traces()


def tracer_to(provider: TracerProvider) -> OtelTracer:
    return OtelTracer(provider, input_topic=RAW, output_topic=SCORED, group_id=GROUP)


def parent(number: int) -> Headers:
    return (("traceparent", f"00-{number:032x}-{number:016x}-01".encode()), ("tracestate", b"shop=1"))


def scored(*works: Work, inference_s: float = 0.25) -> ScoredBatch:
    return ScoredBatch(Batch(works, Trigger.IDLE), [Score(0.5, 2, False, False)] * len(works), inference_s, 0.0)


def compute(traces: Traces, *works: Work) -> None:
    traces.tracer.computed(scored(*works), is_current=lambda _: True, at=Moment(1.0, 1000.0))


def error_of(span: ReadableSpan) -> object:
    return span.status.status_code is StatusCode.ERROR and (span.attributes or {}).get("error.type")


# In the loop


@pytest.mark.parametrize("exactly_once", [False, True])
def test_a_batch_is_one_trace_with_its_attributes(traces: Traces, exactly_once: bool) -> None:
    rig = Rig(observer=traces.tracer, exactly_once=exactly_once)
    traces.tracer.serving(rig.predictor.info)
    rig.send(review("good"), review("good film"), review("so so"))
    rig.run_until_empty()
    process = traces.one(PROCESS)
    assert process.kind is SpanKind.CONSUMER
    assert process.parent is None
    assert dict(process.attributes or {}) == {
        "messaging.system": "kafka",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": RAW,
        "messaging.consumer.group.name": GROUP,
        "messaging.batch.message_count": 3,
        "sentiment.batch.tokens": 5,
        "sentiment.batch.padding_ratio": pytest.approx(1 / 6),
        "sentiment.batch.trigger": "idle",
        "sentiment.model.name": "fake",
        "sentiment.model.version": "1",
        "sentiment.engine": "fake",
    }
    children = [traces.one(name) for name in ("wait", "inference", SEND)]
    assert all(child.parent == process.context for child in children)
    assert children[-1].kind is SpanKind.CLIENT
    assert not any(error_of(span) for span in (process, *children))


def test_a_batch_is_linked_to_the_traces_of_its_reviews_and_results_keep_them(traces: Traces) -> None:
    rig = Rig(observer=traces.tracer)
    for number in (1, 2):
        rig.broker.append(P0, review("good"), key=b"k", headers=parent(number))
    rig.send(review("no trace"))
    rig.run_until_empty()
    process = traces.one(PROCESS)
    assert [(link.context.trace_id, link.context.span_id) for link in process.links] == [(1, 1), (2, 2)]
    assert [link.context.trace_state.get("shop") for link in process.links] == ["1", "1"]
    assert [dict(record.headers).get("traceparent") for record in rig.scored()] == [
        dict(parent(1))["traceparent"], dict(parent(2))["traceparent"], None,
    ]  # fmt: skip


def test_unscorable_reviews_are_events_of_the_inference_span(traces: Traces) -> None:
    rig = Rig(observer=traces.tracer)
    rig.predictor.fail_on("poison")
    rig.send(review("good"), review("poison"))
    rig.run_until_empty()
    inference = traces.one("inference")
    assert [error_of(span) for span in (inference, traces.one(PROCESS))] == ["unscorable"] * 2
    assert inference.status.description == "1 of 2 reviews could not be scored"
    [event] = inference.events
    assert (event.attributes or {})["messaging.kafka.offset"] == 1
    assert not error_of(traces.one(SEND))  # the dead letter was stored


def test_a_batch_that_was_not_stored_is_a_failed_trace_and_its_replay_is_another(traces: Traces) -> None:
    rig = Rig(observer=traces.tracer)
    with_results_in_flight(started(rig), review("x"), review("x"))
    assert traces.named(PROCESS) == []
    rig.sinks[0].settle_oldest(TopicPartition(SCORED, 0), DeliveryFailed("expired"))
    turn_until(rig, lambda: rig.committed() == 2, "all is committed")
    assert [error_of(span) for span in traces.named(PROCESS)] == ["not_stored", False]
    assert [error_of(span) for span in traces.named(SEND)] == ["not_stored", False]


def test_a_batch_left_behind_at_the_stop_is_a_failed_trace(traces: Traces) -> None:
    rig = Rig(observer=traces.tracer, drain_timeout_ms=0)
    with_results_in_flight(started(rig), review("x"))
    rig.stop_now()
    assert error_of(traces.one(PROCESS)) == "not_stored"


def test_a_new_model_is_named_from_its_first_batch_on(traces: Traces) -> None:
    rig = Rig(observer=traces.tracer)
    traces.tracer.serving(rig.predictor.info)
    rig.worker.start()
    rig.send(review("x"))
    turn_until(rig, lambda: rig.committed() == 1, "the first is committed")
    rig.reloader.on_signal(signal.SIGHUP)
    turn_until(rig, lambda: rig.metric("sentiment_model_reloads_total", result="done") == 1, "the model is another")
    rig.send(review("x"))
    turn_until(rig, lambda: rig.committed() == 2, "the second is committed")
    versions = [(span.attributes or {})["sentiment.model.version"] for span in traces.named(PROCESS)]
    assert versions == ["1", "2"]


# The tracer alone


def test_spans_have_the_times_of_their_steps(traces: Traces) -> None:
    rows = [work(arrived_s=0.25), work(arrived_s=0.5, number=1)]
    compute(traces, *rows)
    first, second = (Rig().worker.inflight._outcomes.tombstone(row.record, row.generation) for row in rows)
    traces.tracer.stored([first], at=Moment(0.0, 1001.0))
    assert traces.named(PROCESS) == []
    traces.tracer.stored([second], at=Moment(0.0, 1002.0))
    times = {
        name: (traces.one(name).start_time, traces.one(name).end_time) for name in ("wait", "inference", SEND, PROCESS)
    }
    assert {name: (begin / 1e9, end / 1e9) for name, (begin, end) in times.items() if begin and end} == {
        "wait": (999.25, 999.75),
        "inference": (999.75, 1000.0),
        SEND: (1000.0, 1002.0),
        PROCESS: (999.25, 1002.0),
    }


def test_a_lost_partition_ends_only_the_batches_that_wait_for_it(traces: Traces) -> None:
    compute(traces, work())
    traces.tracer.forgotten(P1, at=Moment(0.0, 1001.0))
    assert traces.named(PROCESS) == []
    traces.tracer.forgotten(P0, at=Moment(0.0, 1001.0))
    assert error_of(traces.one(PROCESS)) == "not_stored"


def test_a_batch_of_only_a_lost_partition_ends_at_once(traces: Traces) -> None:
    traces.tracer.computed(scored(work()), is_current=lambda _: False, at=Moment(1.0, 1000.0))
    assert error_of(traces.one(PROCESS)) == "not_stored"


def test_a_batch_has_at_most_max_links(traces: Traces) -> None:
    compute(traces, *[work(number=number, headers=parent(number + 1)) for number in range(MAX_LINKS + 5)])
    traces.tracer.forgotten(P0, at=Moment(0.0, 1001.0))
    assert [link.context.trace_id for link in traces.one(PROCESS).links] == list(range(1, MAX_LINKS + 1))


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"no",
        b"\xff",
        b"00-" + b"0" * 32 + b"-" + b"1" * 16 + b"-01",
        b"ff-" + b"1" * 32 + b"-" + b"1" * 16 + b"-01",
    ],
)
def test_an_invalid_trace_context_is_ignored(traces: Traces, value: bytes | None) -> None:
    compute(traces, work(headers=(("traceparent", value),)))
    traces.tracer.forgotten(P0, at=Moment(0.0, 1001.0))
    assert list(traces.one(PROCESS).links) == []


@given(st.binary(max_size=80), st.binary(max_size=80))
def test_a_batch_is_traced_whatever_its_headers_are(traceparent: bytes, tracestate: bytes) -> None:
    traces = Traces()
    compute(traces, work(headers=(("traceparent", traceparent), ("tracestate", tracestate))))
    traces.tracer.forgotten(P0, at=Moment(0.0, 1001.0))
    assert traces.named(PROCESS)


def test_a_batch_that_is_not_in_the_sample_leaves_no_span() -> None:
    traces = Traces(ALWAYS_OFF)
    rig = Rig(observer=traces.tracer)
    rig.send(review("x"))
    rig.run_until_empty()
    assert traces.count() == 0
    assert traces.tracer._batch_of == {}


# The collector


def test_the_collector_has_every_span_when_the_worker_has_ended() -> None:
    taken: list[ExportTraceServiceRequest] = []
    with collector(taken.append) as endpoint:
        rig = Rig(observer=open_tracer(Settings(traces_endpoint=endpoint)))
        rig.send(review("x"))
        rig.run_until_empty()
    [resource] = [each for request in taken for each in request.resource_spans]
    assert {span.name for each in resource.scope_spans for span in each.spans} == {PROCESS, "wait", "inference", SEND}
    assert ("service.name", "sentiment-worker") in {(a.key, a.value.string_value) for a in resource.resource.attributes}


def test_without_a_collector_all_reviews_are_scored_and_a_warning_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        endpoint = f"http://127.0.0.1:{nobody.getsockname()[1]}/v1/traces"
    rig = Rig(observer=open_tracer(Settings(traces_endpoint=endpoint)))
    rig.send(*[review("x", review_id=str(number)) for number in range(20)])
    rig.run_until_empty()
    assert ids(rig.scored()) == [str(number) for number in range(20)]
    assert "the last traces could not be sent within 5 s" in caplog.text


def test_close_does_not_wait_for_a_collector_that_does_not_answer(caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        tracer = tracer_to(otlp_provider(f"http://127.0.0.1:{silent.getsockname()[1]}/v1/traces", sample=1.0))
        tracer.computed(scored(work()), is_current=lambda _: True, at=Moment(1.0, 1000.0))
        with caplog.at_level(logging.WARNING, "worker"):
            tracer.close(at=Moment(0.0, 1000.0), timeout_s=0.1)
    assert "the last traces could not be sent within 0.1 s" in caplog.text


# Without traces


def test_opentelemetry_is_imported_only_if_traces_are_set() -> None:
    program = (
        "import sys, worker.cli, worker.app\n"
        "from worker.settings.schema import Settings\n"
        "assert type(worker.app.open_tracer(Settings())) is worker.app.Observer\n"
        "sys.exit('opentelemetry' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)


def test_without_opentelemetry_the_error_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "worker.monitoring.otel")
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)  # as if it were not installed
    with pytest.raises(SettingsRejected, match=r"pip install 'sentiment-worker\[tracing\]'"):
        open_tracer(Settings(traces_endpoint="http://localhost:4318/v1/traces"))
