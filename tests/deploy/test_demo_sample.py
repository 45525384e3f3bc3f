"""The shipped sample is what deploy/demo/REVIEWS.md says, and its command makes the same choice."""

import re
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import pytest

from deploy.demo.sample import LabelledReview, choose, read_sample, repeated, write

NAME = re.compile(r"test/(?P<part>pos|neg)/\d+_(?P<stars>\d+)")


@pytest.fixture(scope="module")
def sample() -> list[LabelledReview]:
    return read_sample()


def rows(part: str, count: int) -> list[dict[str, Any]]:
    return [{"id": f"{part}/{number}", "label": number % 2, "text": f"{part} text {number}"} for number in range(count)]


def test_the_sample_holds_two_thousand_different_reviews_in_equal_parts(sample: list[LabelledReview]) -> None:
    assert Counter(review.label for review in sample) == {0: 1000, 1: 1000}
    assert len({review.review_id for review in sample}) == len({review.text for review in sample}) == 2000
    assert all(review.text.strip() for review in sample)


def test_every_label_of_the_sample_agrees_with_part_and_stars_in_the_id(sample: list[LabelledReview]) -> None:
    for review in sample:
        name = NAME.fullmatch(review.review_id)
        assert name is not None
        stars = int(name["stars"])
        assert (name["part"], stars >= 7, stars <= 4) == (
            ("pos", True, False) if review.label else ("neg", False, True)
        )


def test_both_labels_stand_throughout_the_sample(sample: list[LabelledReview]) -> None:
    assert all(20 <= sum(review.label for review in sample[start : start + 100]) <= 80 for start in range(0, 2000, 100))


def test_a_longer_run_repeats_the_sample_under_new_ids() -> None:
    sample = [LabelledReview("a", "one", 0), LabelledReview("b", "two", 1)]
    reviews = list(repeated(sample, 5))
    assert [review.review_id for review in reviews] == ["a", "b", "a#2", "b#2", "a#3"]
    assert [(review.text, review.label) for review in reviews[2:4]] == [("one", 0), ("two", 1)]


def test_no_text_of_the_training_part_is_chosen_and_none_twice() -> None:
    train = rows("train", 5)
    test = rows("test", 40)
    test += [
        {"id": "test/known", "label": 0, "text": "train text 3"},
        {"id": "test/again", "label": 1, "text": "test text 1"},
    ]
    chosen = choose(train, test, per_label=20)
    assert Counter(review.label for review in chosen) == {0: 20, 1: 20}
    assert "test/known" not in {review.review_id for review in chosen}
    assert len({review.text for review in chosen}) == 40


def test_the_choice_does_not_depend_on_the_order_of_the_data() -> None:
    test = rows("test", 200)
    shuffled = Random(1).sample(test, len(test))
    assert choose([], test, per_label=10) == choose([], shuffled, per_label=10)


def test_too_few_reviews_are_refused() -> None:
    with pytest.raises(ValueError, match="too few reviews"):
        choose([], rows("test", 10), per_label=6)


def test_what_was_written_is_read_again_and_equal_reviews_give_equal_bytes(tmp_path: Path) -> None:
    reviews = [LabelledReview("a", "line\u2028separator, \u00e9 and\nbreak", 1), LabelledReview("b", "", 0)]
    first, second = tmp_path / "first.jsonl.xz", tmp_path / "second.jsonl.xz"
    write(reviews, first)
    write(reviews, second)
    assert read_sample(first) == reviews
    assert first.read_bytes() == second.read_bytes()
