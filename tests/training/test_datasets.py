import dataclasses
import json
from pathlib import Path

import pytest

from tests.training.conftest import make_reviews, write_reviews
from training.datasets import (
    DomainFiles,
    Example,
    ImdbFiles,
    Lists,
    Splits,
    check_labels,
    production_splits,
    read_examples,
    reference_splits,
    text_key,
)
from training.errors import DatasetError


def learned(splits: Splits) -> tuple[Example, ...]:
    return splits.train + splits.unlabelled


def test_no_held_out_id_is_left_to_learn_from(imdb: ImdbFiles, lists: Lists) -> None:
    splits = production_splits(imdb, lists)
    ids = {row.id for row in learned(splits)}
    assert ids.isdisjoint(lists.kept_out | lists.dev | {row.id for row in imdb.test})
    assert ids.isdisjoint(splits.forbidden)
    assert len(splits.train) == 240 - len(lists.kept_out | lists.dev)


def test_kept_out_reviews_are_in_no_dev_set_either(imdb: ImdbFiles, lists: Lists) -> None:
    splits = production_splits(imdb, lists)
    assert {row.id for row in splits.dev} == lists.dev - lists.kept_out


def test_the_text_of_a_test_is_in_no_dev_set_under_any_id(imdb: ImdbFiles, lists: Lists) -> None:
    dev = sorted(lists.dev - lists.kept_out)
    train = tuple(
        dataclasses.replace(row, text=imdb.test[0].text.upper()) if row.id == dev[0] else row for row in imdb.train
    )
    splits = production_splits(dataclasses.replace(imdb, train=train), lists)
    assert {row.id for row in splits.dev} == {*dev[1:]}
    assert dev[0] not in {row.id for row in learned(splits)}


def test_a_text_that_is_held_out_is_not_learned_under_another_id(imdb: ImdbFiles, lists: Lists) -> None:
    kept_out = next(row for row in imdb.train if row.id in lists.kept_out - lists.dev)
    dev = next(row for row in imdb.train if row.id in lists.dev - lists.kept_out)
    copies = (
        Example("train/pos/9001_9", 1, imdb.test[3].text.replace(" ", "<br /><br />").upper()),
        Example("train/pos/9002_9", 1, kept_out.text),
        Example("train/unsup/9003_0", None, dev.text),
        Example("train/unsup/9004_0", None, imdb.test[4].text),
    )
    more = dataclasses.replace(imdb, train=imdb.train + copies[:2], unlabelled=imdb.unlabelled + copies[2:])
    splits = production_splits(more, lists)
    assert learned(splits) == learned(production_splits(imdb, lists))
    assert splits.excluded["same text as official test"] == 2
    assert splits.excluded["same text as kept out"] == 1
    assert splits.excluded["same text as dev"] == 1


def test_the_key_of_a_text_is_its_letters_and_digits() -> None:
    assert text_key("It isn't<br />fine. ") == text_key("it is n't FINE \n .")
    assert text_key("a fine film") != text_key("a fine film 2")


SHARED = "no camera in the world could have saved a story as clumsy as this one was"


def domain_files(*more: Example) -> DomainFiles:
    labelled = tuple(Example(f"books/train/{n}", n % 2, f"a book like none of the other {n} books") for n in range(20))
    return DomainFiles(labelled + more, (Example("toys/unlabel/0", None, "a toy"),))


def test_a_third_of_a_small_domain_is_held_out_and_the_rest_is_learned(imdb: ImdbFiles, lists: Lists) -> None:
    films, splits = production_splits(imdb, lists), production_splits(imdb, lists, domain_files())
    assert len(splits.domains_dev["books"]) == 6
    assert splits.forbidden - films.forbidden == {row.id for row in splits.domains_dev["books"]}
    assert len(splits.train) == len(films.train) + 14
    assert {row.id for row in splits.train}.isdisjoint(splits.forbidden)
    assert [row.id for row in splits.unlabelled[len(films.unlabelled) :]] == ["toys/unlabel/0"]


def test_domains_that_are_not_learned_are_scored_all_the_same(imdb: ImdbFiles, lists: Lists) -> None:
    films = production_splits(imdb, lists)
    splits = production_splits(imdb, lists, domain_files(), learn_domains=False)
    assert learned(splits) == learned(films)
    assert splits.domains_dev == production_splits(imdb, lists, domain_files()).domains_dev


def test_a_domain_review_that_repeats_a_film_review_or_shares_a_held_out_sentence_is_left_out(
    imdb: ImdbFiles, lists: Lists
) -> None:
    first, *rest = imdb.test
    imdb = dataclasses.replace(imdb, test=(dataclasses.replace(first, text=f"Two hours gone. {SHARED}!"), *rest))
    copies = (
        Example("dvd/train/0", 1, f"My wife said: {SHARED}. I agree"),
        Example("dvd/train/1", 0, imdb.unlabelled[0].text),
        Example("dvd/train/2", 0, f"It said {SHARED.upper()}, but quoted."),
        Example("dvd/train/3", 0, SHARED.upper() + " ."),
        Example("books/train/99", 0, "A book like none of the other 7 books!"),
    )
    splits = production_splits(imdb, lists, domain_files(*copies))
    assert {row.id for row in splits.train if row.id.startswith("dvd")} == {"dvd/train/0", "dvd/train/2"}
    assert splits.excluded["other domains: seen before, or shared with what is held out"] == 3


def test_without_the_domains_files_the_way_out_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"fdu_mtl.*--without domains"):
        DomainFiles.read(tmp_path)


def test_the_reference_split_follows_the_lines_of_the_notebook() -> None:
    rows = make_reviews("train/all", 25_000, seed=5)
    order = tuple(row.id for row in reversed(rows))
    lists = Lists(frozenset(), frozenset({order[0], order[20_000], order[22_500]}), frozenset(), order)
    splits = reference_splits(ImdbFiles(rows, make_reviews("test/all", 4, seed=6), rows[:3]), lists)
    assert tuple(row.id for row in splits.train) == order[1:20_000]
    assert tuple(row.id for row in splits.dev) == order[20_001:22_500]
    assert tuple(row.id for row in splits.tests["notebook test"]) == order[22_500:]
    assert splits.unlabelled == ()


def test_a_limit_takes_the_same_reviews_every_time(imdb: ImdbFiles, lists: Lists) -> None:
    splits = production_splits(imdb, lists)
    limited = splits.limited(7)
    assert limited == splits.limited(7)
    assert [len(part) for part in (limited.train, limited.dev, limited.unlabelled)] == [7, 7, 7]
    assert set(limited.train) < set(splits.train)


def test_the_shipped_lists_fit_together() -> None:
    lists = Lists.shipped()
    assert (len(lists.dev), len(lists.kept_out), len(lists.test_duplicates)) == (2501, 2458, 123)
    assert len(set(lists.notebook_order)) == len(lists.notebook_order) == 25_000
    assert lists.dev | lists.kept_out < set(lists.notebook_order)
    assert all(id_.startswith("test/") for id_ in lists.test_duplicates)


def test_written_reviews_are_read_back(tmp_path: Path, imdb: ImdbFiles) -> None:
    for name, rows in (("train", imdb.train), ("test", imdb.test), ("unsup", imdb.unlabelled)):
        write_reviews(tmp_path / "imdb" / f"{name}.jsonl.xz", rows)
    assert ImdbFiles.read(tmp_path) == imdb


def test_an_uncompressed_file_is_read_as_well(tmp_path: Path) -> None:
    path = tmp_path / "some.jsonl"
    path.write_text('{"id": "a", "label": 1, "text": "é", "more": 2}\n', "utf-8")
    assert list(read_examples(path)) == [Example("a", 1, "é")]


def test_missing_data_is_named_with_the_command_that_gets_it(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"train\.jsonl\.xz.*training fetch"):
        ImdbFiles.read(tmp_path)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "[1]",
        "{",
        '{"id": "a", "label": 1}',
        '{"id": "a", "label": 3, "text": "b"}',
        '{"id": 1, "label": 1, "text": "b"}',
    ],
)
def test_a_line_that_is_no_review_is_named_by_number(tmp_path: Path, line: str) -> None:
    path = tmp_path / "some.jsonl"
    good = json.dumps({"id": "a", "label": 0, "text": "fine"})
    path.write_text(f"{good}\n{line}\n", "utf-8")
    with pytest.raises(DatasetError, match=r"some\.jsonl, line 2"):
        list(read_examples(path))


def test_a_truncated_file_is_called_damaged(tmp_path: Path, imdb: ImdbFiles) -> None:
    path = tmp_path / "some.jsonl.xz"
    write_reviews(path, imdb.train)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(DatasetError, match="damaged"):
        list(read_examples(path))


def test_a_file_that_is_not_compressed_at_all_is_called_damaged(tmp_path: Path) -> None:
    path = tmp_path / "some.jsonl.xz"
    path.write_text("plain", "utf-8")
    with pytest.raises(DatasetError, match="damaged"):
        list(read_examples(path))


def test_a_part_with_one_kind_of_reviews_or_without_labels_is_named(imdb: ImdbFiles, lists: Lists) -> None:
    splits = production_splits(imdb, lists)
    check_labels(splits)
    negative = tuple(row for row in splits.dev if row.label == 0)
    unlabelled = dataclasses.replace(splits.train[0], label=None)
    for spoiled, complaint in (
        (dataclasses.replace(splits, dev=negative), f"the dev part has {len(negative)} negative, 0 positive"),
        (dataclasses.replace(splits, dev=()), "the dev part has 0 negative, 0 positive"),
        (dataclasses.replace(splits, train=(*splits.train, unlabelled)), "the train part .* 1 unlabelled"),
        (dataclasses.replace(splits, tests={"official test": ()}), "the official test part"),
    ):
        with pytest.raises(DatasetError, match=complaint):
            check_labels(spoiled)


def test_the_reference_recipe_says_what_it_needs_when_a_review_is_missing(imdb: ImdbFiles, lists: Lists) -> None:
    with pytest.raises(DatasetError, match=r"notebook's order names .*training fetch"):
        reference_splits(dataclasses.replace(imdb, train=imdb.train[1:]), lists)
