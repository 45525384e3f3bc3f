"""A recorder after 15 busy minutes, made up and always the same: for tests of the page and for pictures."""

import random
from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final

from model.predictor import ModelInfo
from tests.support.works import work
from worker.broker.contract import Outgoing, Record, TopicPartition
from worker.delivery.outcomes import Outcome
from worker.monitoring.health import Health
from worker.monitoring.observer import Moment, Standing
from worker.monitoring.status.document import StatusDocument, status_document
from worker.monitoring.status.history import SLOT_S, SLOTS
from worker.monitoring.status.recorder import Recorder
from worker.scoring.batcher import Batch, Trigger
from worker.scoring.inference import ScoredBatch
from worker.scoring.pricing import Budget, Prices, Why
from worker.settings.schema import Settings
from worker.wire.reasons import Reason
from worker.wire.scored import Verdict

BEGAN_S: Final = 0.0
NOW_S: Final = 5_000.0
AT: Final = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
WALL_S: Final = AT.timestamp()
MODEL: Final = ModelInfo("imdb-bilstm", "2026.11.25", "6f1c0a4be2d97c35" * 4, "torch cpu fp32, 2 threads", 1e-5)
RAW: Final = "reviews.raw"
SCORES: Final = (0.994, 0.021, 0.973, 0.871, 0.118, 0.007, 0.662)
ERRORS: Final = {
    Reason.INVALID_JSON: "Invalid JSON: expected value at line 1 column 1",
    Reason.INVALID_REVIEW: "text: Field required",
    Reason.KEYLESS_TOMBSTONE: "a null value under no key",
    Reason.UNSCORABLE: "the engine's score is no probability for 1 of 1",
}
INJECTIONS: Final = (
    "<script>document.title = 'owned'</script>",
    '"><img src=x onerror="document.title = \'owned\'">',
    "</table></main><h1>owned</h1>",
    "\u202eowned\u202c &amp; &lt;b&gt;",
)


def outcome(offset: int, *, took_s: float, review_id: str = "", dead_because: Reason | None = None) -> Outcome:
    """The outcome of one record whose timestamp is `took_s` before WALL_S."""
    score = SCORES[offset % len(SCORES)]
    verdict = None if dead_because else Verdict.of(score)
    return Outcome(
        record=Record(TopicPartition(RAW, offset % 4), offset, round((WALL_S - took_s) * 1000), None, None),
        generation=1,
        message=Outgoing("reviews.scored", None, None),
        review_id=review_id,
        verdict=verdict,
        dead_because=dead_because,
        error=ERRORS[dead_because] if dead_because else None,
    )


def busy_recorder(*, review_ids: tuple[str, ...] = (), keeps_reviews: bool = True) -> Recorder:
    """Return the recorder; `review_ids` are the ids of the newest reviews."""
    rng = random.Random(17)
    recorder = Recorder(BEGAN_S, keeps_reviews=keeps_reviews)
    recorder.serving(MODEL)
    for slot in range(SLOTS):
        load = 110 + 60 * (slot > 22) + 14 * rng.random() - 90 * (40 <= slot < 43)
        slow = 4.0 if 43 <= slot < 46 else 1.0
        at_s = NOW_S - 1 - SLOT_S * (SLOTS - slot)
        results = [
            outcome(
                slot * 1000 + number, took_s=slow * rng.lognormvariate(-2.2, 0.5), review_id=f"r-{slot * 1000 + number}"
            )
            for number in range(round(load))
        ]
        recorder.stored(results * round(SLOT_S), at=Moment(at_s, WALL_S))
    recorder.stored(
        [
            outcome(1201 + 7 * n, took_s=0.2, dead_because=reason)
            for n, reason in enumerate([*Reason, Reason.INVALID_REVIEW])
        ],
        at=Moment(NOW_S - 47, WALL_S),
    )
    for number in range(10):
        trigger = rng.choice([Trigger.SIZE, Trigger.SIZE, Trigger.TOKENS, Trigger.IDLE])
        size = {Trigger.SIZE: 256, Trigger.TOKENS: 203}.get(trigger, 41 + 3 * number)
        rows = tuple(work(rng.randint(150, 190), NOW_S - 3 + number * 0.2) for _ in range(size))
        inference_s = 0.1 + 0.05 * rng.random()
        scored = ScoredBatch(Batch(rows, trigger), [], inference_s, inference_s)
        compute(recorder, scored, NOW_S - 2.5 + number * 0.2)
    ids = review_ids or tuple(f"r-{90_000 + 13 * number}" for number in range(10))
    recorder.stored(
        [outcome(number, took_s=0.1, review_id=review_id) for number, review_id in enumerate(ids)],
        at=Moment(NOW_S - 0.4, WALL_S),
    )
    recorder.stands(
        standing(
            NOW_S - 0.6,
            lag={TopicPartition(RAW, number): 120 * number + 8 for number in range(4)},
            held_records=742,
            held_bytes=742 * 811,
            budget=Budget(49_152, Why.TARGET, 0.5, Prices(batch_s=0.0012, token_s=2.5e-6)),
        )
    )
    return recorder


def standing(
    at_s: float,
    *,
    budget: Budget,
    lag: Mapping[TopicPartition, int | None] = MappingProxyType({}),
    held_records: int = 0,
    held_bytes: int = 0,
) -> Standing:
    """The state that the loop reports once a second."""
    return Standing(at_s, lag, held_records, held_bytes, paused=False, budget=budget, broker_silence_s=0.0)


def compute(recorder: Recorder, scored: ScoredBatch, now_s: float) -> None:
    """Let the recorder see a batch that the engine finished at `now_s`."""
    recorder.computed(scored, is_current=lambda _: True, at=Moment(now_s, WALL_S))


def healthy(now_s: float = NOW_S) -> Health:
    """The health of a worker that scores and whose last loop iteration was at `now_s`."""
    health = Health(stall_timeout_s=60.0, now_s=BEGAN_S)
    health.turned(now_s, warm=True, working=False, partitions=4, paused=False)
    return health


def document(
    recorder: Recorder, *, now_s: float = NOW_S, health: Health | None = None, settings: Settings | None = None
) -> StatusDocument:
    """The document of `recorder` at `now_s`."""
    return status_document(recorder.seen(now_s), health or healthy(), settings or Settings(), now_s=now_s, at=AT)
