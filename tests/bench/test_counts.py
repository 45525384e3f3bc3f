import pytest

from tests.bench.counts import REVIEWS, Counts
from tests.bench.figures import PEER_ENGINES
from tests.bench.peers.job import BATCH
from worker.settings.schema import Settings

FLATTERED_AT_MOST = 0.035
BATCHES_AT_ONCE = 2


@pytest.mark.parametrize(
    ("reviews", "under_way"),
    [
        (Counts().end_to_end, BATCHES_AT_ONCE * Settings().max_batch_reviews),
        (Counts().pipeline, BATCHES_AT_ONCE * Settings().max_batch_reviews),
        *((reviews, BATCH) for reviews in Counts().peers.values()),
    ],
)
def test_what_was_begun_before_the_first_result_flatters_a_rate_little(reviews: int, under_way: int) -> None:
    assert under_way / reviews <= FLATTERED_AT_MOST


def test_all_follow_from_the_reviews_end_to_end() -> None:
    half = Counts(REVIEWS // 2)
    assert (2 * half.engine, 2 * half.pipeline) == (Counts().engine, Counts().pipeline)
    assert {engine: 2 * reviews for engine, reviews in half.peers.items()} == Counts().peers


def test_a_peer_with_any_engine_has_reviews_that_the_worker_has_scored_too() -> None:
    assert Counts().peers.keys() == PEER_ENGINES.keys()
    assert max(Counts().peers.values()) <= Counts().end_to_end
