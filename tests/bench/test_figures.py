import pytest

from tests.bench.figures import (
    NotMeasurable,
    Resident,
    growth,
    peer_name,
    rate_of_all_per_s,
    rate_per_s,
    rate_while_sent_per_s,
    scale_name,
    with_ratios,
)


@pytest.mark.parametrize("stamps_ms", [[1000, 1000, 1000, 2000, 3000, 3000], [3000, 1000, 2000, 1000, 3000]])
def test_a_rate_does_not_count_what_was_done_before_its_first_time_stamp(stamps_ms: list[int]) -> None:
    assert rate_per_s(stamps_ms) == 3 / 2


@pytest.mark.parametrize("stamps_ms", [[], [5], [5, 5, 5]])
def test_results_that_came_at_once_have_no_rate(stamps_ms: list[int]) -> None:
    with pytest.raises(NotMeasurable, match="measure more reviews"):
        rate_per_s(stamps_ms)


def test_the_rate_of_a_group_is_that_while_all_of_it_work() -> None:
    fast, slow = range(0, 3001, 2), [*range(1000, 3001, 4), *range(3001, 6000)]
    assert rate_of_all_per_s([fast, slow]) == pytest.approx(500 + 250)


def test_a_partition_without_results_has_no_rate() -> None:
    with pytest.raises(NotMeasurable):
        rate_of_all_per_s([[1, 2], []])


def test_the_rate_left_while_sending_is_that_of_its_later_half() -> None:
    at_first, later, afterwards = (8.0, 9.0, 13.0), range(56, 81), range(81, 400)
    read_s = [*at_first, *(step / 4 for step in later), *(20 + step / 100 for step in afterwards)]
    assert rate_while_sent_per_s(read_s, began_s=8.0, ended_s=20.0) == pytest.approx(4.0)


def test_batches_that_end_at_the_edges_of_the_later_half_do_not_change_the_rate_left() -> None:
    read_s = [batch / 3 for batch in range(60) for _ in range(256)]
    for ended_s in (10.0, 10.1, 10.3, 10.6):
        assert rate_while_sent_per_s(read_s, 0.0, ended_s) == pytest.approx(3 * 256)


def test_no_rate_is_left_where_nothing_was_read_in_time() -> None:
    with pytest.raises(NotMeasurable):
        rate_while_sent_per_s([1.0, 2.0, 30.0], began_s=0.0, ended_s=20.0)


@pytest.mark.parametrize(
    ("measured", "ratios"),
    [
        (
            {"engine_text_reviews_per_s": 400.0, "end_to_end_reviews_per_s": 360.0},
            {"end_to_end_of_engine": 0.9},
        ),
        ({"end_to_end_reviews_per_s": 360.0}, {}),  # the other side was not measured
        ({scale_name(1, 4): 15_000.0}, {"pipeline_of_accelerator": 0.75}),
        ({"pipeline_fast_reviews_per_s": 15_000.0}, {"pipeline_of_fast_accelerator": 0.25}),
    ],
)
def test_a_ratio_is_taken_within_one_round_where_both_sides_are_known(
    measured: dict[str, float], ratios: dict[str, float]
) -> None:
    assert with_ratios(measured) == measured | ratios


def test_the_worker_is_held_against_the_best_peer_with_either_engine() -> None:
    peers = {
        peer_name("naive", "torch"): 10.0,
        peer_name("batch_loop", "torch"): 20.0,
        peer_name("bytewax_flow", "torch"): 40.0,
        peer_name("batch_loop", "ours"): 100.0,
        peer_name("bytewax_flow", "ours"): 80.0,
    }
    found = with_ratios({"beside_peers_reviews_per_s": 120.0, **peers})
    assert (found["of_naive"], found["of_best_peer"], found["of_best_peer_with_our_engine"]) == (12.0, 3.0, 1.2)


def test_memory_that_stays_does_not_grow() -> None:
    found = growth([Resident(1000 * step, 500.0) for step in range(1, 51)], warm_up_part=0.2)
    assert (found.first_quarter_mib, found.last_quarter_mib, found.ratio) == (500.0, 500.0, 0.0)
    assert found.slope_kib_per_1000_reviews == pytest.approx(0.0)
    assert found.warm_up_results == 10_000


def test_memory_that_leaks_a_kibibyte_a_review_shows_it_as_the_slope() -> None:
    samples = [Resident(1000 * step, 500.0 + 1000 * step / 1024) for step in range(1, 51)]
    found = growth(samples, warm_up_part=0.2)
    assert found.slope_kib_per_1000_reviews == pytest.approx(1000.0)
    assert found.last_quarter_mib > found.first_quarter_mib
    assert found.ratio == pytest.approx(found.last_quarter_mib / found.first_quarter_mib - 1)


def test_growth_during_the_warm_up_does_not_count() -> None:
    samples = [Resident(step, 100.0 if step <= 10 else 500.0) for step in range(1, 51)]
    assert growth(samples, warm_up_part=0.2).ratio == 0.0


def test_too_few_looks_at_memory_say_nothing() -> None:
    with pytest.raises(NotMeasurable, match="measure more reviews"):
        growth([Resident(step, 500.0) for step in range(9)], warm_up_part=0.2)
