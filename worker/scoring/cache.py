"""Repeated texts are not computed again: they get a kept result, or share one that is being computed. Pure.

The key is the tokenized text. So texts share a result if they differ only in what the network does not read.
Results belong to one model: call `clear` when the model changes.
"""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from model.predictor import TokenizedText
from worker.scoring.isolation import Poison
from worker.scoring.work import Work
from worker.wire.scored import Score

Key = tuple[bytes, bool, float]

ENTRY_BYTES: Final = 512  # estimated size of the Python objects around the ids of one text


@dataclass(frozen=True, slots=True)
class Lookup:
    """What the cache knows about some reviews."""

    known: list[tuple[Work, Score]]
    to_compute: Sequence[Work]  # the caller returns each to `answer` or to `withdraw`
    joined: int = 0  # reviews that wait for the result of another review of the same text
    misses: int = 0


class Cache:
    """Answers reviews whose text was seen before. This class keeps nothing, so that every row is computed."""

    def ask(self, rows: Sequence[Work]) -> Lookup:
        """Look up each row. A row must be computed if its text is neither known nor being computed."""
        return Lookup([], rows)

    def answer(self, computed: Iterable[tuple[Work, Score | Poison]]) -> Iterable[tuple[Work, Score | Poison]]:
        """Return the computed rows and the rows that joined them, each with its result."""
        return computed

    def joined_to(self, row: Work) -> Sequence[Work]:  # noqa: ARG002
        """Return the rows that wait for the result of this row."""
        return ()

    def withdraw(self, row: Work) -> list[Work]:  # noqa: ARG002
        """Forget a row that will not be computed. Return the rows that joined it; they get no answer either."""
        return []

    def clear(self) -> list[Work]:
        """Forget everything. Return the rows that joined others."""
        return []


class ResultCache(Cache):
    """Keeps the results of the most recently used texts, up to `max_bytes`. See Cache."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._scores: OrderedDict[Key, Score] = OrderedDict()  # least recently used first
        self._joined: dict[Key, list[Work]] = {}  # for each text that is being computed
        self.size_bytes = 0

    def __len__(self) -> int:
        return len(self._scores)

    def ask(self, rows: Sequence[Work]) -> Lookup:
        """See Cache."""
        known: list[tuple[Work, Score]] = []
        to_compute: list[Work] = []
        joined = 0
        for row in rows:
            key = _key(row.text)
            if (score := self._scores.get(key)) is not None:
                self._scores.move_to_end(key)
                known.append((row, score))
            elif (others := self._joined.get(key)) is not None:
                others.append(row)
                joined += 1
            else:
                self._joined[key] = []
                to_compute.append(row)
        return Lookup(known, to_compute, joined, misses=len(to_compute))

    def answer(self, computed: Iterable[tuple[Work, Score | Poison]]) -> list[tuple[Work, Score | Poison]]:
        """See Cache. A row comes before those that joined it. Failures are not kept."""
        answers: list[tuple[Work, Score | Poison]] = []
        for row, result in computed:
            key = _key(row.text)
            answers += ((one, result) for one in (row, *self._joined.pop(key)))
            if isinstance(result, Score):
                self._keep(key, result)
        return answers

    def joined_to(self, row: Work) -> Sequence[Work]:
        """See Cache."""
        return self._joined[_key(row.text)]

    def withdraw(self, row: Work) -> list[Work]:
        """See Cache."""
        return self._joined.pop(_key(row.text))

    def clear(self) -> list[Work]:
        """See Cache."""
        joined = [one for others in self._joined.values() for one in others]
        self._scores.clear()
        self._joined.clear()
        self.size_bytes = 0
        return joined

    def _keep(self, key: Key, score: Score) -> None:
        self._scores[key] = score
        self.size_bytes += _size_bytes(key)
        while self.size_bytes > self._max_bytes:
            oldest, _ = self._scores.popitem(last=False)
            self.size_bytes -= _size_bytes(oldest)


def _key(text: TokenizedText) -> Key:
    return text.ids.tobytes(), text.truncated, text.known_share


def _size_bytes(key: Key) -> int:
    return len(key[0]) + ENTRY_BYTES
