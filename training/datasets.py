"""Reads the review files and decides which review may be used for what.

Three kinds of reviews never enter training, whatever the recipe: the official test, the originals of the
published contrast sets and counterfactual sets (Gardner et al. 2020, Kaushik et al. 2020), and the dev sets.
A review is kept out together with every other review of the same text, under whatever id it stands. Reviews of
other goods (`DomainFiles`), some of which are about films too, are kept out for a single long sentence in common.
"""

import hashlib
import json
import lzma
import random
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from training.errors import DatasetError

DOMAINS_CITATION = (
    "Liu, Qiu and Huang (2017). Adversarial Multi-task Learning for Text Classification. "
    "Proceedings of the 55th Annual Meeting of the Association for Computational Linguistics, 1-10."
)
DEV_LIST = "dev_ids.txt.xz"
KEPT_OUT_LIST = "train_ids_kept_out.txt.xz"
DUPLICATES_LIST = "test_ids_dup_of_train.txt.xz"
NOTEBOOK_ORDER_LIST = "notebook_order.txt.xz"

_NOTEBOOK_TRAIN_LINES = 20_000
_NOTEBOOK_VALIDATION_LINES = 2_500
_LINE_BREAK_TAG = re.compile(r"<br\s*/?>", re.IGNORECASE)
_SENTENCE_END = re.compile(r"[.!?]+")
_NO_WORD = re.compile(r"[\W_]+")
_LONG_SENTENCE = 50  # letters and digits; shorter ones may well have been written twice
_MOST_DEV_REVIEWS_PER_DOMAIN = 300
_DEV_SHARE_OF_DOMAIN = 3  # one in so many, at most
_REPEATED = "other domains: seen before, or shared with what is held out"


@dataclass(frozen=True, slots=True)
class Example:
    """One review of a data file."""

    id: str
    label: int | None  # 0 negative, 1 positive, None where the data set gives no label
    text: str


@dataclass(frozen=True, slots=True)
class Lists:
    """The ids that the splits are made of; `shipped` reads those of the package."""

    dev: frozenset[str]  # of train; their films do not appear in the rest of train
    kept_out: frozenset[str]  # of train; originals of contrast and counterfactual sets
    test_duplicates: frozenset[str]  # of test; their text also stands in train
    notebook_order: tuple[str, ...]  # of train; line by line the reviews.txt of the reference notebook

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
    """Which review is used for what, and which ids a batch must never hold."""

    train: tuple[Example, ...]
    dev: tuple[Example, ...]
    unlabelled: tuple[Example, ...]
    domains_dev: dict[str, tuple[Example, ...]]  # domain -> its dev reviews; empty where no other domain is read
    tests: dict[str, tuple[Example, ...]]  # name of a test set -> its reviews, for the report alone
    test_duplicates: frozenset[str]
    forbidden: frozenset[str]  # ids: kept out, dev and every test
    forbidden_texts: frozenset[str]  # the `text_key` of each of them
    excluded: dict[str, int]  # why -> how many reviews were taken out of training for it

    def limited(self, count: int) -> "Splits":
        """At most `count` reviews of each part, drawn at random but always the same: for quick trials."""
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
    """The Large Movie Review Dataset as `python -m training fetch` lays it out under one directory."""

    train: tuple[Example, ...]
    test: tuple[Example, ...]
    unlabelled: tuple[Example, ...]

    @classmethod
    def read(cls, data: Path) -> "ImdbFiles":
        """Read `data`/imdb/{train,test,unsup}.jsonl.xz. Raises DatasetError."""
        parts = {name: data / "imdb" / f"{name}.jsonl.xz" for name in ("train", "test", "unsup")}
        missing = [str(path) for path in parts.values() if not path.is_file()]
        if missing:
            raise DatasetError(
                f"no {', no '.join(missing)}: give --data the directory that `python -m training fetch --out DIR` made"
            )
        return cls(*(tuple(read_examples(path)) for path in parts.values()))


@dataclass(frozen=True, slots=True)
class DomainFiles:
    """Reviews of books, kitchen goods and so on: FDU-MTL (Liu, Qiu and Huang, ACL 2017).

    An id begins with its domain and a slash, e.g. "books/train/900".
    """

    labelled: tuple[Example, ...]
    unlabelled: tuple[Example, ...]

    @staticmethod
    def stand_in(data: Path) -> bool:
        """Whether there is something to read."""
        return (data / "fdu_mtl").is_dir()

    @classmethod
    def read(cls, data: Path) -> "DomainFiles":
        """Read `data`/fdu_mtl/{train,unlabeled}.jsonl.xz. Raises DatasetError."""
        parts = [data / "fdu_mtl" / f"{name}.jsonl.xz" for name in ("train", "unlabeled")]
        missing = [str(path) for path in parts if not path.is_file()]
        if missing:
            raise DatasetError(
                f"no {', no '.join(missing)}: `python -m training fetch --out DIR` brings FDU-MTL; "
                "the production recipe can do without it: --without domains"
            )
        return cls(*(tuple(read_examples(path)) for path in parts))


def read_examples(path: Path) -> Iterator[Example]:
    """Yield the reviews of a .jsonl or .jsonl.xz file: objects with id, label (0, 1 or null) and text.

    Raises DatasetError naming the file and the line.
    """
    number = 0
    try:
        with _open_text(path) as lines:
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
    """Train on everything that may be used, choose on the dev set whose films train does not have.

    With other domains some of each one's reviews are held out as well; the rest is learned from, if so wished.
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

    Its 2,500 test lines are reported whole, as the notebook does; they take no part in any choice.
    """
    by_id = {example.id: example for example in imdb.train}
    try:
        ordered = tuple(by_id[id_] for id_ in lists.notebook_order)
    except KeyError as error:
        raise DatasetError(
            f"the notebook's order names {error}, which the train file lacks: the reference recipe needs the whole "
            "data set that `python -m training fetch` makes"
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
                "give --data the files that `python -m training fetch` made, or a higher --limit"
            )


def hard_targets(examples: Sequence[Example]) -> NDArray[np.float32]:
    """(N,), 0 or 1. Raises ValueError where a label is missing."""
    labels = [row.label for row in examples if row.label is not None]
    if len(labels) != len(examples):
        raise ValueError(f"{len(examples) - len(labels)} of {len(examples)} reviews have no label")
    return np.array(labels, np.float32)


def text_key(text: str) -> str:
    """What two reviews must share to count as the same text: their letters and digits, in order, whatever the case."""
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
    """Take out of `train` and the unlabelled reviews whatever is held out, by id and by text.

    Kept-out reviews and tests leave the dev set too: what chooses the model also shapes it.
    """
    kept_out = tuple(row for row in imdb.train if row.id in lists.kept_out)
    never_seen = {text_key(row.text) for rows in (kept_out, *tests.values()) for row in rows}
    dev = tuple(row for row in train if row.id in dev_ids and text_key(row.text) not in never_seen)
    held_out = {
        "kept out": kept_out,
        "dev": dev,
        **tests,
    }
    ids = {why: {row.id for row in rows} for why, rows in held_out.items()}
    texts = {why: {text_key(row.text) for row in rows} for why, rows in held_out.items()}
    excluded: dict[str, int] = {}

    def usable(row: Example) -> bool:
        key = text_key(row.text)
        for why in held_out:
            if row.id in ids[why]:
                reason = why
            elif key in texts[why]:
                reason = f"same text as {why}"
            else:
                continue
            excluded[reason] = excluded.get(reason, 0) + 1
            return False
        return True

    return Splits(
        train=tuple(filter(usable, train)),
        dev=dev,
        unlabelled=tuple(filter(usable, unlabelled)),
        domains_dev={},
        tests=tests,
        test_duplicates=lists.test_duplicates,
        forbidden=frozenset().union(lists.kept_out, *ids.values()),
        forbidden_texts=frozenset().union(*texts.values()),
        excluded=excluded,
    )


def _with_domains(splits: Splits, domains: DomainFiles, held_out_films: Iterable[Example]) -> Splits:
    """Add the domains' reviews, each text once, and hold out the dev reviews of each domain."""
    films = frozenset().union(*(_long_sentences(row.text) for row in held_out_films))
    excluded = dict(splits.excluded)
    seen = set(splits.forbidden_texts)
    seen.update(text_key(row.text) for row in splits.train + splits.unlabelled)

    def usable(row: Example) -> bool:
        key = text_key(row.text)
        if key in seen or not films.isdisjoint(_long_sentences(row.text)):
            excluded[_REPEATED] = excluded.get(_REPEATED, 0) + 1
            return False
        seen.add(key)
        return True

    by_domain: dict[str, list[Example]] = {}
    for row in filter(usable, domains.labelled):
        by_domain.setdefault(row.id.partition("/")[0], []).append(row)
    dev, train = {}, list(splits.train)
    for name, rows in sorted(by_domain.items()):
        rows.sort(key=lambda row: hashlib.sha256(text_key(row.text).encode()).digest())
        held_out_count = min(len(rows) // _DEV_SHARE_OF_DOMAIN, _MOST_DEV_REVIEWS_PER_DOMAIN)
        dev[name] = tuple(rows[:held_out_count])
        train += rows[held_out_count:]
    held_out = [row for rows in dev.values() for row in rows]
    return replace(
        splits,
        train=tuple(train),
        unlabelled=splits.unlabelled + tuple(filter(usable, domains.unlabelled)),
        domains_dev=dev,
        forbidden=splits.forbidden.union(row.id for row in held_out),
        forbidden_texts=splits.forbidden_texts.union(text_key(row.text) for row in held_out),
        excluded=excluded,
    )


def _long_sentences(text: str) -> frozenset[str]:
    keys = map(text_key, _SENTENCE_END.split(text))
    return frozenset(key for key in keys if len(key) >= _LONG_SENTENCE)


def _sample(rows: tuple[Example, ...], count: int) -> tuple[Example, ...]:
    if len(rows) <= count:
        return rows
    return tuple(random.Random(0).sample(rows, count))  # noqa: S311 (a sample, not a secret)


def example_from_json(record: Any) -> Example:
    """Check one parsed line of a review file. Raises ValueError, KeyError or TypeError for anything else."""
    id_, label, text = record["id"], record["label"], record["text"]
    if not isinstance(id_, str) or not isinstance(text, str) or label not in (0, 1, None):
        raise ValueError("id and text are strings, label is 0, 1 or null")
    return Example(id_, label, text)


@contextmanager
def _open_text(path: Path) -> Iterator[TextIO]:
    opener: Any = lzma.open if path.suffix == ".xz" else open
    with opener(path, "rt", encoding="utf-8") as lines:
        yield lines


def _shipped_lines(name: str) -> Iterable[str]:
    packed = files("training").joinpath("lists", name).read_bytes()
    return lzma.decompress(packed).decode("ascii").splitlines()
