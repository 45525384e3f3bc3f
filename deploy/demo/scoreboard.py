"""The numbers of a run, from nothing but what the demo published and read back.

Pure: entries in, numbers out; the entries contain the time. All times are epoch seconds.
"""

import math
from bisect import bisect_left
from collections import Counter, deque
from dataclasses import dataclass
from typing import Final, Literal

from deploy.demo.sample import LabelledReview
from worker.broker.contract import TopicPartition
from worker.commands.bench.figures import percentile

LATEST: Final = 50  # scored reviews kept for showing
NOW_S: Final = 2.0  # "reviews/s now" is the mean of this period
SLICE_S: Final = 0.5  # the resolution of the throughput history


@dataclass(frozen=True, slots=True)
class Published:
    """A review that was passed to the producer."""

    review: LabelledReview
    at_s: float


@dataclass(frozen=True, slots=True)
class Prediction:
    """The worker's score of a review."""

    sentiment: Literal["positive", "negative"]
    score: float  # P(positive)
    out_of_domain: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """One message read back: a scored review, or a dead letter (`prediction` is None)."""

    partition: TopicPartition
    offset: int
    review_id: str
    read_at_s: float
    sent_at_s: float | None  # timestamp of the review's own message, if the answer contains it
    prediction: Prediction | None


Entry = Published | Answer


@dataclass(frozen=True, slots=True)
class ScoredRow:
    """A review and its score."""

    review: LabelledReview
    prediction: Prediction

    @property
    def is_right(self) -> bool:
        """Whether prediction and label agree."""
        return self.prediction.sentiment == self.review.sentiment


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The numbers at one moment."""

    published: int  # reviews
    answered: int  # of them, those with at least one answer
    scored: int  # of them, those with a score
    right: int  # of them, those whose first score agrees with the label
    out_of_domain: int  # of them, those whose first score is flagged as out of domain
    dead_letters: int  # messages in the dead-letter topic
    duplicated: int  # answers to a review after its first one
    unexpected: int  # answers to reviews that were never published
    elapsed_s: float  # from the first review published to the last answer read
    per_s: float  # reviews answered, per second of `elapsed_s`
    per_s_now: float  # answers per second of the last NOW_S
    per_s_history: tuple[float, ...]  # answers per second in every SLICE_S so far, oldest first
    latency_p50_s: float | None  # from the timestamp of the review's message until its answer was read
    latency_p99_s: float | None
    latest: tuple[ScoredRow, ...]  # newest first

    @property
    def lost(self) -> int:
        """Reviews published and not answered; before the end of the run, those still being processed."""
        return self.published - self.answered

    @property
    def accuracy(self) -> float | None:
        """Share of the scored reviews whose score agrees with the label."""
        return self.right / self.scored if self.scored else None

    def complaints(self) -> list[str]:
        """The failures of a run that ended with these numbers; empty if it succeeded."""
        found = {
            "lost": (self.lost, "published and never answered"),
            "duplicated": (self.duplicated, "answered more than once"),
            "unexpected": (self.unexpected, "answers to reviews that were never published"),
        }
        return [f"{number:,} {name} ({meaning})" for name, (number, meaning) in found.items() if number]


class Scoreboard:
    """Counts entries, in any order in which a review is published before it is answered."""

    def __init__(self) -> None:
        self._reviews: dict[str, LabelledReview] = {}
        self._first_published_s: float | None = None
        self._seen: set[tuple[TopicPartition, int]] = set()
        self._answers: Counter[str] = Counter()
        self._scored: set[str] = set()  # ids
        self._right = 0
        self._out_of_domain = 0
        self._dead_letters = 0
        self._unexpected = 0
        self._read_at_s: list[float] = []
        self._latencies_s: list[float] = []
        self._latest: deque[ScoredRow] = deque(maxlen=LATEST)

    def take(self, entry: Entry) -> bool:
        """Count an entry; returns whether it is the first answer to a review. Raises ValueError for a repeated id.

        A message read twice, which can happen in a reader's rebalance, counts once, by its position in the topic.
        """
        if isinstance(entry, Published):
            self._publish(entry)
            return False
        place = (entry.partition, entry.offset)
        if place in self._seen:
            return False
        self._seen.add(place)
        self._dead_letters += entry.prediction is None
        review = self._reviews.get(entry.review_id)
        if review is None:
            self._unexpected += 1
            return False
        self._answers[entry.review_id] += 1
        self._time(entry)
        if entry.prediction is not None:
            self._score(ScoredRow(review, entry.prediction))
        return self._answers[entry.review_id] == 1

    def snapshot(self, now_s: float) -> Snapshot:
        """The numbers at `now_s`, which affects only the throughput."""
        latencies_s = self._latencies_s
        latencies_s.sort()  # cheap, because it is nearly sorted
        self._read_at_s.sort()
        start_s = self._first_published_s
        elapsed_s = self._read_at_s[-1] - start_s if self._read_at_s and start_s is not None else 0.0
        return Snapshot(
            published=len(self._reviews),
            answered=len(self._answers),
            scored=len(self._scored),
            right=self._right,
            out_of_domain=self._out_of_domain,
            dead_letters=self._dead_letters,
            duplicated=self._answers.total() - len(self._answers),
            unexpected=self._unexpected,
            elapsed_s=elapsed_s,
            per_s=len(self._answers) / elapsed_s if elapsed_s > 0 else 0.0,
            per_s_now=self._rate(now_s - NOW_S, now_s),
            per_s_history=self._history(now_s),
            latency_p50_s=percentile(latencies_s, 50) if latencies_s else None,
            latency_p99_s=percentile(latencies_s, 99) if latencies_s else None,
            latest=tuple(self._latest),
        )

    def _publish(self, entry: Published) -> None:
        if entry.review.review_id in self._reviews:
            raise ValueError(f"{entry.review.review_id} was published twice")
        self._reviews[entry.review.review_id] = entry.review
        if self._first_published_s is None:
            self._first_published_s = entry.at_s

    def _score(self, row: ScoredRow) -> None:
        self._latest.appendleft(row)
        if row.review.review_id not in self._scored:
            self._scored.add(row.review.review_id)
            self._right += row.is_right
            self._out_of_domain += row.prediction.out_of_domain

    def _time(self, answer: Answer) -> None:
        self._read_at_s.append(answer.read_at_s)
        if answer.sent_at_s is not None:
            self._latencies_s.append(answer.read_at_s - answer.sent_at_s)

    def _rate(self, from_s: float, to_s: float) -> float:
        """Answers per second from `from_s` to before `to_s`; the time before the first review does not count."""
        from_s = max(from_s, to_s if self._first_published_s is None else self._first_published_s)
        if to_s <= from_s:
            return 0.0
        return (bisect_left(self._read_at_s, to_s) - bisect_left(self._read_at_s, from_s)) / (to_s - from_s)

    def _history(self, now_s: float) -> tuple[float, ...]:
        if self._first_published_s is None:
            return ()
        slices = max(0, math.floor((now_s - self._first_published_s) / SLICE_S))
        starts = (self._first_published_s + number * SLICE_S for number in range(slices))
        return tuple(self._rate(start_s, start_s + SLICE_S) for start_s in starts)
