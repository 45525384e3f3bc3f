"""Reads the review files and splits them into train, dev and test sets.

Three kinds of reviews never enter training, in any recipe: the official test, the originals of the published
contrast sets and counterfactual sets (Gardner et al. 2020, Kaushik et al. 2020), and the dev sets. A held-out
review is excluded together with every other review of the same text, under any id. A review of other goods
(`DomainFiles`; some are about films too) is excluded if it shares a single long sentence with a held-out one.
"""

import hashlib
import json
import lzma
import random
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.errors import DatasetError

DEV_LIST = "dev_ids.txt.xz"
KEPT_OUT_LIST = "train_ids_kept_out.txt.xz"
DUPLICATES_LIST = "test_ids_dup_of_train.txt.xz"
NOTEBOOK_ORDER_LIST = "notebook_order.txt.xz"

_NOTEBOOK_TRAIN_LINES = 20_000
_NOTEBOOK_VALIDATION_LINES = 2_500
_LINE_BREAK_TAG = re.compile(r"<br\s*/?>", re.IGNORECASE)
_SENTENCE_END = re.compile(r"[.!?]+")
_NO_WORD = re.compile(r"[\W_]+")
_LONG_SENTENCE = 50  # letters and digits; two authors may well write the same shorter one
_MOST_DEV_REVIEWS_PER_DOMAIN = 300
_LEAST_REVIEWS_PER_DEV_REVIEW = 3  # of a domain: at most a third of it is held out
_REPEATED = "other domains: seen before, or shared with what is held out"


@dataclass(frozen=True, slots=True)
class Example:
    """One review of a data file."""

    id: str
    label: int | None  # 0 negative, 1 positive, None where the data set gives no label
    text: str


@dataclass(frozen=True, slots=True)
class Lists:
    """The ids that define the splits; `shipped` reads those of the package."""

    dev: frozenset[str]  # of train; their films do not appear in the rest of train
    kept_out: frozenset[str]  # of train; originals of contrast and counterfactual sets
    test_duplicates: frozenset[str]  # of test; train holds the same texts
    notebook_order: tuple[str, ...]  # of train; the order of the lines in the reference notebook's reviews.txt

    @classmethod
    def shipped(cls) -> "Lists":
        """Read the lists that come with this package."""
        return cls(
            dev=frozenset(_shipped_lines(DEV_LIST)),
            kept_out=frozenset(_shipped_lines(KEPT_OUT_LIST)),
            test_duplicates=frozenset(_shipped_lines(DUPLICATES_LIST)),
            notebook_order=tuple(_shipped_lines(NOTEBOOK_ORDER_LIST)),
        )


@dataclass(frozen=True, slots=True)
class Splits:
    """The reviews by use, and the ids that a batch must never hold."""

    train: tuple[Example, ...]
    dev: tuple[Example, ...]
    unlabelled: tuple[Example, ...]
    domains_dev: dict[str, tuple[Example, ...]]  # domain -> its dev reviews; empty where no other domain is read
    tests: dict[str, tuple[Example, ...]]  # name of a test set -> its reviews, used only in the report
    test_duplicates: frozenset[str]
    forbidden: frozenset[str]  # ids: kept out, dev and every test
    forbidden_texts: frozenset[str]  # the `text_key` of each of them
    excluded: dict[str, int]  # reason -> number of reviews excluded from training for it

    def limited(self, count: int) -> "Splits":
        """At most `count` reviews of each part, for quick trials; the random choice is always the same."""
        return replace(
            self,
            train=_sample(self.train, count),
            dev=_sample(self.dev, count),
            unlabelled=_sample(self.unlabelled, count),
            domains_dev={name: _sample(rows, count) for name, rows in self.domains_dev.items()},
            tests={name: _sample(rows, count) for name, rows in self.tests.items()},
        )


@dataclass(frozen=True, slots=True)
class ImdbFiles:
    """The Large Movie Review Dataset as `python -m training fetch` writes it under one directory."""

    train: tuple[Example, ...]
    test: tuple[Example, ...]
    unlabelled: tuple[Example, ...]

    @classmethod
    def read(cls, data: Path) -> "ImdbFiles":
        """Read `data`/imdb/{train,test,unsup}.jsonl.xz. Raises DatasetError."""
        remedy = "give --data the directory that `python -m training fetch --out DIR` wrote"
        return cls(*_read_parts(data / "imdb", ("train", "test", "unsup"), remedy))


@dataclass(frozen=True, slots=True)
class DomainFiles:
    """FDU-MTL (Liu, Qiu and Huang, ACL 2017): reviews of other goods. An id starts with its domain: "books/train/9"."""

    labelled: tuple[Example, ...]
    unlabelled: tuple[Example, ...]

    @staticmethod
    def are_in(data: Path) -> bool:
        """Whether `data` holds the directory of these files."""
        return (data / "fdu_mtl").is_dir()

    @classmethod
    def read(cls, data: Path) -> "DomainFiles":
        """Read `data`/fdu_mtl/{train,unlabeled}.jsonl.xz. Raises DatasetError."""
        remedy = "`python -m training fetch --out DIR` downloads FDU-MTL; to train without it, give --without domains"
        return cls(*_read_parts(data / "fdu_mtl", ("train", "unlabeled"), remedy))


def read_examples(path: Path) -> Iterator[Example]:
    """The reviews of a .jsonl or .jsonl.xz file: id, label (0, 1 or null), text. DatasetError names file and line."""
    number = 0
    opener: Any = lzma.open if path.suffix == ".xz" else open
    try:
        with opener(path, "rt", encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):  # noqa: B007 (the handlers below name the line)
                yield example_from_json(json.loads(line))
    except OSError as error:
        raise DatasetError(f"cannot read {path}: {error.strerror or error}; check --data") from error
    except (lzma.LZMAError, EOFError) as error:
        raise DatasetError(f"{path} is damaged after line {number} ({error}): fetch or copy it again") from error
    except (ValueError, KeyError, TypeError) as error:
        raise DatasetError(f"{path}, line {number}: not a review with id, label and text ({error})") from error


def production_splits(
    imdb: ImdbFiles, lists: Lists, domains: DomainFiles | None = None, *, learn_domains: bool = True
) -> Splits:
    """Train on all reviews that are not held out; the films of the dev set do not appear in train.

    Where `domains` are given, some reviews of each domain are held out too. The rest join train if `learn_domains`.
    """
    splits = _splits(
        imdb,
        lists,
        train=imdb.train,
        unlabelled=imdb.unlabelled,
        dev_ids=lists.dev,
        tests={"official test": imdb.test},
    )
    if domains is None:
        return splits
    held_out_films = [row for row in imdb.train + imdb.test if row.id in splits.forbidden]
    with_domains = _with_domains(splits, domains, held_out_films)
    if learn_domains:
        return with_domains
    return replace(with_domains, train=splits.train, unlabelled=splits.unlabelled, excluded=splits.excluded)


def reference_splits(imdb: ImdbFiles, lists: Lists) -> Splits:
    """Split as the reference notebook does: 20,000 / 2,500 / 2,500 in its own order of train.

    All of its 2,500 test lines are scored in the report, as in the notebook; they take no part in any choice.
    """
    by_id = {example.id: example for example in imdb.train}
    try:
        ordered = tuple(by_id[id_] for id_ in lists.notebook_order)
    except KeyError as error:
        raise DatasetError(
            f"the notebook's order names {error}, which the train file lacks: the reference recipe needs the whole "
            "data set that `python -m training fetch` writes"
        ) from error
    end = _NOTEBOOK_TRAIN_LINES + _NOTEBOOK_VALIDATION_LINES
    return _splits(
        imdb,
        lists,
        train=ordered[:end],
        unlabelled=(),
        dev_ids=frozenset(lists.notebook_order[_NOTEBOOK_TRAIN_LINES:end]),
        tests={"official test": imdb.test, "notebook test": ordered[end:]},
    )


def check_labels(splits: Splits) -> None:
    """Raise DatasetError unless train, dev and each test have reviews of both labels, and none without a label."""
    for name, rows in {"train": splits.train, "dev": splits.dev, **splits.tests}.items():
        labels = [row.label for row in rows]
        if {*labels} != {0, 1}:
            raise DatasetError(
                f"the {name} part has {labels.count(0):,} negative, {labels.count(1):,} positive and "
                f"{labels.count(None):,} unlabelled reviews: it needs both kinds, all labelled; "
                "give --data the directory that `python -m training fetch` wrote, or a higher --limit"
            )


def hard_targets(examples: Sequence[Example]) -> NDArray[np.float32]:
    """The labels (N,), 0 or 1. Raises ValueError where one is missing."""
    labels = [row.label for row in examples if row.label is not None]
    if len(labels) != len(examples):
        raise ValueError(f"{len(examples) - len(labels)} of {len(examples)} reviews have no label")
    return np.array(labels, np.float32)


def text_key(text: str) -> str:
    """The letters and digits of a text, in order, case folded: equal keys count as the same text."""
    return _NO_WORD.sub("", _LINE_BREAK_TAG.sub(" ", text).casefold())


def _splits(
    imdb: ImdbFiles,
    lists: Lists,
    *,
    train: tuple[Example, ...],
    unlabelled: tuple[Example, ...],
    dev_ids: frozenset[str],
    tests: dict[str, tuple[Example, ...]],
) -> Splits:
    """Take the held-out reviews out of `train` and the unlabelled ones, by id and by text."""
    # The dev set holds no kept-out review and no test either, because it chooses the model.
    kept_out = tuple(row for row in imdb.train if row.id in lists.kept_out)
    never_seen = {text_key(row.text) for rows in (kept_out, *tests.values()) for row in rows}
    dev = tuple(row for row in train if row.id in dev_ids and text_key(row.text) not in never_seen)
    held_out = {"kept out": kept_out, "dev": dev, **tests}
    ids = {name: {row.id for row in rows} for name, rows in held_out.items()}
    texts = {name: {text_key(row.text) for row in rows} for name, rows in held_out.items()}

    def reason(row: Example) -> str | None:
        key = text_key(row.text)
        for name in held_out:
            if row.id in ids[name]:
                return name
            if key in texts[name]:
                return f"same text as {name}"
        return None

    excluded: Counter[str] = Counter()
    return Splits(
        train=_usable(train, reason, excluded),
        dev=dev,
        unlabelled=_usable(unlabelled, reason, excluded),
        domains_dev={},
        tests=tests,
        test_duplicates=lists.test_duplicates,
        forbidden=frozenset().union(lists.kept_out, *ids.values()),
        forbidden_texts=frozenset().union(*texts.values()),
        excluded=dict(excluded),
    )


def _usable(
    rows: Iterable[Example], reason: Callable[[Example], str | None], excluded: Counter[str]
) -> tuple[Example, ...]:
    """The rows that have no reason to be excluded; counts the reasons of the others in `excluded`."""
    usable = []
    for row in rows:
        why = reason(row)
        if why is None:
            usable.append(row)
        else:
            excluded[why] += 1
    return tuple(usable)


def _with_domains(splits: Splits, domains: DomainFiles, held_out_films: Iterable[Example]) -> Splits:
    """Add the domains' reviews, each text once, and hold out the dev reviews of each domain."""
    films = frozenset().union(*(_long_sentences(row.text) for row in held_out_films))
    seen = set(splits.forbidden_texts).union(text_key(row.text) for row in splits.train + splits.unlabelled)

    def reason(row: Example) -> str | None:
        key = text_key(row.text)
        if key in seen or not films.isdisjoint(_long_sentences(row.text)):
            return _REPEATED
        seen.add(key)
        return None

    excluded = Counter(splits.excluded)
    by_domain: dict[str, list[Example]] = {}
    for row in _usable(domains.labelled, reason, excluded):
        by_domain.setdefault(row.id.partition("/")[0], []).append(row)
    dev, train = {}, list(splits.train)
    for name, rows in sorted(by_domain.items()):
        rows.sort(key=lambda row: hashlib.sha256(text_key(row.text).encode()).digest())
        held_out_count = min(len(rows) // _LEAST_REVIEWS_PER_DEV_REVIEW, _MOST_DEV_REVIEWS_PER_DOMAIN)
        dev[name] = tuple(rows[:held_out_count])
        train += rows[held_out_count:]
    held_out = [row for rows in dev.values() for row in rows]
    return replace(
        splits,
        train=tuple(train),
        unlabelled=splits.unlabelled + _usable(domains.unlabelled, reason, excluded),
        domains_dev=dev,
        forbidden=splits.forbidden.union(row.id for row in held_out),
        forbidden_texts=splits.forbidden_texts.union(text_key(row.text) for row in held_out),
        excluded=dict(excluded),
    )


def _long_sentences(text: str) -> frozenset[str]:
    keys = map(text_key, _SENTENCE_END.split(text))
    return frozenset(key for key in keys if len(key) >= _LONG_SENTENCE)


def _sample(rows: tuple[Example, ...], count: int) -> tuple[Example, ...]:
    if len(rows) <= count:
        return rows
    return tuple(random.Random(0).sample(rows, count))  # noqa: S311 (a sample, not a secret)


def example_from_json(record: Any) -> Example:
    """Read one parsed line of a review file. Raises ValueError, KeyError or TypeError where it is not a review."""
    id_, label, text = record["id"], record["label"], record["text"]
    if not isinstance(id_, str) or not isinstance(text, str) or label not in (0, 1, None):
        raise ValueError("id and text are strings, label is 0, 1 or null")
    return Example(id_, label, text)


def _read_parts(directory: Path, names: Sequence[str], remedy: str) -> Iterator[tuple[Example, ...]]:
    paths = [directory / f"{name}.jsonl.xz" for name in names]
    missing = [str(path) for path in paths if not path.is_file()]
    if missing:
        raise DatasetError(f"no {', no '.join(missing)}: {remedy}")
    return (tuple(read_examples(path)) for path in paths)


def _shipped_lines(name: str) -> Iterable[str]:
    packed = files("training").joinpath("lists", name).read_bytes()
    return lzma.decompress(packed).decode("ascii").splitlines()
