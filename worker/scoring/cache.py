"""Texts that come again are answered without the engine: from the results kept, or together with one on its way. Pure.

What decides a result is the text as the network reads it, so that is the key: texts that differ only in what the
network does not see share one. What is kept holds for one model: `clear` it for another.
"""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Generic

from model.predictor import TokenizedText
from worker.scoring.inference import W
from worker.scoring.isolation import Poison
from worker.wire.scored import Score

Key = tuple[bytes, bool, float]

ENTRY_BYTES: Final = 512  # of Python's objects around the ids of one text, and some to spare


@dataclass(frozen=True, slots=True)
class Asked(Generic[W]):
    """What became of some reviews that were asked for."""

    known: list[tuple[W, Score]]
    to_compute: list[W]  # whoever takes them gives each back, to `answer` or to `withdraw`
    joined: int  # so many others wait for the result of one that is to be computed


class ResultCache(Generic[W]):
    """The results of the texts used last, within a bound, and the reviews that wait for one being computed."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._scores: OrderedDict[Key, Score] = OrderedDict()  # the one used last comes last
        self._joined: dict[Key, list[W]] = {}  # to each text that is being computed
        self.size_bytes = 0

    def __len__(self) -> int:
        return len(self._scores)

    def ask(self, rows: Iterable[W]) -> Asked[W]:
        """Look for a result of each; a text that is neither known nor on its way has to be computed."""
        known: list[tuple[W, Score]] = []
        to_compute: list[W] = []
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
        return Asked(known, to_compute, joined)

    def answer(self, computed: Iterable[tuple[W, Score | Poison]]) -> list[tuple[W, Score | Poison]]:
        """Return each with its result, and behind it those that joined it with the same. Failures are not kept."""
        answers: list[tuple[W, Score | Poison]] = []
        for row, result in computed:
            key = _key(row.text)
            answers += ((one, result) for one in (row, *self._joined.pop(key)))
            if isinstance(result, Score):
                self._keep(key, result)
        return answers

    def joined_to(self, row: W) -> Sequence[W]:
        """Those that wait for the result of one that is to be computed."""
        return self._joined[_key(row.text)]

    def withdraw(self, row: W) -> list[W]:
        """One that will not be computed after all: return those that joined it, who will not be answered either."""
        return self._joined.pop(_key(row.text))

    def clear(self) -> list[W]:
        """Forget all, for another model answers from now on; return those that joined one that is to be computed."""
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
