"""The loop on tiny networks: they learn, and a run depends only on its seed."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.training.conftest import TINY_PRODUCTION, opinions_on
from training.calibrate import fit_calibration
from training.datasets import Example, ImdbFiles, Lists, Splits, hard_targets, production_splits
from training.errors import CheckpointError, LeakError, OutputError
from training.learners import Learner, build_learner
from training.recipes import INGREDIENTS, ProductionRecipe, Recipe, ReferenceRecipe
from training.suite import read_suite
from training.train import EpochResult, best_epoch, fit

REFERENCE = ReferenceRecipe(
    epochs=4, max_tokens=30, embedding_dim=12, hidden_dim=12, layers=1, batch_reviews=10, peak_learning_rate=0.01
)
PRODUCTION = TINY_PRODUCTION
both = pytest.mark.parametrize("recipe", [REFERENCE, PRODUCTION], ids=["reference", "production"])


@pytest.fixture(scope="module")
def splits(imdb: ImdbFiles, lists: Lists) -> Splits:
    return production_splits(imdb, lists)


def train(
    recipe: Recipe,
    splits: Splits,
    checkpoint: Path,
    on_step: Callable[[int, int, float], None] = lambda *_: None,
) -> tuple[Learner, list[EpochResult]]:
    learner = build_learner(recipe, splits, opinions_on(splits))
    history = fit(learner, recipe, hard_targets(splits.dev), checkpoint, on_step, lambda _: None)
    return learner, history


def same_weights(one: Learner, other: Learner) -> bool:
    pairs = zip(one.network.state_dict().values(), other.network.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


@both
def test_the_recipe_learns_what_the_words_say(recipe: Recipe, splits: Splits, tmp_path: Path) -> None:
    learner, history = train(recipe, splits, tmp_path / "checkpoint.pt")
    assert max(line.dev_accuracy for line in history) > 0.9
    assert history[-1].train_loss < history[0].train_loss
    logits, labels = learner.dev_logits(), hard_targets(splits.dev)
    if recipe.calibrated:
        logits = fit_calibration(logits, labels).probabilities(logits) - 0.5
    accuracy = np.mean((logits >= 0) == labels)
    assert accuracy == history[best_epoch(history, recipe.chosen_by) - 1].dev_accuracy


@both
def test_a_seed_decides_everything(recipe: Recipe, splits: Splits, tmp_path: Path) -> None:
    short = replace(recipe, epochs=1)
    first, _ = train(short, splits, tmp_path / "a.pt")
    torch.rand(7)  # what happened before in this process must not matter
    second, _ = train(short, splits, tmp_path / "b.pt")
    other, _ = train(replace(short, seed=1), splits, tmp_path / "c.pt")
    assert same_weights(first, second)
    assert not same_weights(first, other)


@both
def test_interrupted_and_resumed_equals_uninterrupted(recipe: Recipe, splits: Splits, tmp_path: Path) -> None:
    whole, whole_history = train(recipe, splits, tmp_path / "whole.pt")

    def interrupt(epoch: int, step: int, _loss: float) -> None:
        if (epoch, step) == (3, 2):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(recipe, splits, tmp_path / "parts.pt", interrupt)
    epochs: set[int] = set()
    resumed, history = train(recipe, splits, tmp_path / "parts.pt", lambda epoch, *_: epochs.add(epoch))
    assert min(epochs) == 3
    assert same_weights(whole, resumed)
    assert [replace(line, duration_s=0) for line in history] == [replace(line, duration_s=0) for line in whole_history]


def test_a_finished_run_is_not_trained_again(splits: Splits, tmp_path: Path) -> None:
    first, history = train(REFERENCE, splits, tmp_path / "checkpoint.pt")

    def fail(*_: object) -> None:
        pytest.fail("a step was made")

    again, same_history = train(REFERENCE, splits, tmp_path / "checkpoint.pt", fail)
    assert same_history == history
    assert same_weights(first, again)


def test_a_run_has_all_its_epochs_though_dev_gains_nothing_and_keeps_the_best(splits: Splits, tmp_path: Path) -> None:
    idle = replace(REFERENCE, epochs=5, peak_learning_rate=0.0)
    _, history = train(idle, splits, tmp_path / "checkpoint.pt")
    assert len(history) == 5
    assert best_epoch(history, idle.chosen_by) == 1


def test_the_epoch_is_chosen_by_what_the_recipe_says_and_of_equals_by_the_other() -> None:
    curve = [EpochResult(1, 0.5, 0.8, 0.4, 1.0), EpochResult(2, 0.4, 0.9, 0.3, 1.0), EpochResult(3, 0.3, 0.9, 0.2, 1.0)]
    assert best_epoch(curve, "accuracy") == 3
    curve += [EpochResult(4, 0.3, 0.85, 0.1, 1.0), EpochResult(5, 0.3, 0.88, 0.1, 1.0)]
    assert best_epoch(curve, "accuracy") == 3
    assert best_epoch(curve, "log-loss") == 5


@both
def test_a_held_out_review_that_slipped_into_the_split_stops_the_run(
    recipe: Recipe, splits: Splits, tmp_path: Path
) -> None:
    spoiled = replace(splits, forbidden=splits.forbidden | {splits.train[5].id})
    with pytest.raises(LeakError, match=splits.train[5].id):
        train(recipe, spoiled, tmp_path / "checkpoint.pt")


@both
def test_the_text_of_a_held_out_review_stops_the_run_under_any_id(
    recipe: Recipe, splits: Splits, imdb: ImdbFiles
) -> None:
    copy = replace(splits.train[5], text=imdb.test[7].text.upper())
    with pytest.raises(LeakError, match=splits.train[5].id):
        build_learner(recipe, replace(splits, train=(*splits.train, copy)), opinions_on(splits))


def test_no_held_out_word_enters_the_vocabulary(imdb: ImdbFiles, lists: Lists) -> None:
    splits = production_splits(imdb, lists)
    for recipe in (REFERENCE, PRODUCTION):
        words = set(build_learner(recipe, splits, opinions_on(splits)).tokenizer.to_json()["words"])
        for row in (*splits.dev, *imdb.test, *(r for r in imdb.train if r.id in lists.kept_out)):
            assert row.text.split()[-1].lower() not in words, "each text ends with a word of its own"


@pytest.mark.parametrize("change", [{"seed": 5}, {"epochs": 2}, {"hidden_dim": 6}])
def test_the_checkpoint_of_another_configuration_is_refused(
    splits: Splits, tmp_path: Path, change: dict[str, Any]
) -> None:
    train(replace(REFERENCE, epochs=1), splits, tmp_path / "checkpoint.pt")
    with pytest.raises(CheckpointError, match="another --out"):
        train(replace(REFERENCE, **change), splits, tmp_path / "checkpoint.pt")


def test_the_checkpoint_of_other_reviews_is_refused(splits: Splits, tmp_path: Path) -> None:
    one_epoch = replace(REFERENCE, epochs=1)
    train(one_epoch, splits, tmp_path / "checkpoint.pt")
    with pytest.raises(CheckpointError, match="another --out"):
        train(one_epoch, splits.limited(50), tmp_path / "checkpoint.pt")


def test_the_checkpoint_of_other_texts_under_the_same_ids_is_refused(splits: Splits, tmp_path: Path) -> None:
    one_epoch = replace(REFERENCE, epochs=1)
    train(one_epoch, splits, tmp_path / "checkpoint.pt")
    first = replace(splits.train[0], text="moving moving moving")
    with pytest.raises(CheckpointError, match="another --out"):
        train(one_epoch, replace(splits, train=(first, *splits.train[1:])), tmp_path / "checkpoint.pt")


def test_a_checkpoint_that_cannot_be_written_is_one_clear_error(splits: Splits, tmp_path: Path) -> None:
    (tmp_path / "checkpoint.partial").mkdir()
    with pytest.raises(OutputError, match=r"cannot write .*checkpoint\.pt.*another --out"):
        train(replace(REFERENCE, epochs=1), splits, tmp_path / "checkpoint.pt")


@pytest.mark.parametrize("keep_bytes", [0, 10, 2000])
def test_a_damaged_checkpoint_is_named_with_the_way_out(splits: Splits, tmp_path: Path, keep_bytes: int) -> None:
    path = tmp_path / "checkpoint.pt"
    train(replace(REFERENCE, epochs=1), splits, path)
    path.write_bytes(path.read_bytes()[:keep_bytes])
    with pytest.raises(CheckpointError, match=r"checkpoint\.pt cannot be read.*delete it") as caught:
        train(REFERENCE, splits, path)
    assert "weights_only" not in str(caught.value), "torch's advice to read it without safety is not passed on"


def test_one_cycle_rises_to_its_peak_and_falls_to_almost_nothing() -> None:
    recipe = ProductionRecipe()
    rates = [recipe.learning_rate(n / 1000) for n in range(1000)]
    peak = rates.index(max(rates))
    assert peak == int(1000 * recipe.warm_up_share)
    assert max(rates) == pytest.approx(recipe.peak_learning_rate)
    assert rates[: peak + 1] == sorted(rates[: peak + 1])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)
    assert 0 < rates[-1] < 0.02 * recipe.peak_learning_rate


def test_the_reference_keeps_the_numbers_of_the_notebook() -> None:
    r = ReferenceRecipe()
    assert (r.embedding_dim, r.hidden_dim, r.layers, r.drop_probability) == (400, 256, 2, 0.5)
    assert (r.max_tokens, r.batch_reviews, r.epochs, r.clip_norm, r.learning_rate(0.7)) == (200, 50, 4, 5, 0.001)


def test_unlabelled_reviews_and_parts_of_them_are_learned_too(splits: Splits) -> None:
    ids = {row.id for row in splits.unlabelled}
    whole = build_learner(PRODUCTION, splits, opinions_on(splits)).train.review_ids
    assert all(whole.count(id_) == 1 + PRODUCTION.passages for id_ in ids)
    without = build_learner(PRODUCTION.without("unlabelled"), splits, opinions_on(splits)).train.review_ids
    assert ids.isdisjoint(without)


def test_what_is_made_of_an_ingredient_goes_with_it() -> None:
    assert not {"unlabelled", "expert", "passages"} & {*PRODUCTION.without("unlabelled").ingredients}
    assert not {"expert", "passages"} & {*PRODUCTION.without("expert").ingredients}
    assert {"expert", "unlabelled"} < {*PRODUCTION.without("passages").ingredients}


def test_no_text_of_the_dev_suite_is_learned(splits: Splits) -> None:
    suite = [row.text for rows in read_suite().values() for row in rows]
    leaking = replace(splits, unlabelled=(Example("train/unsup/1_0", None, suite[3].upper()), *splits.unlabelled))
    learner = build_learner(PRODUCTION, leaking, opinions_on(leaking))
    ids = learner.train.review_ids
    assert ids.count("train/unsup/1_0") == 1, "the review itself; its parts, which are the same, are left out"
    assert ids.count(splits.unlabelled[0].id) == 1 + PRODUCTION.passages


@pytest.mark.parametrize("left_out", INGREDIENTS)
def test_every_ingredient_can_be_left_out(left_out: str, splits: Splits) -> None:
    learner = build_learner(PRODUCTION.without(left_out), splits, opinions_on(splits))
    whole = build_learner(PRODUCTION, splits, opinions_on(splits))
    if left_out not in ("pretraining", "domains", "crops"):
        assert len(learner.train) < len(whole.train)
    batches = list(learner.batches(np.random.default_rng(0), last=False))
    assert len(batches) == learner.steps_per_epoch
    assert sum(len(batch.targets) for batch in batches) == len(learner.train)
