"""Scoring files without Kafka: the `score` command."""

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Final

from model.errors import EngineBroken
from model.predictor import Predictor
from worker.commands.review_files import Row, Unreadable
from worker.errors import ModelUnusable, SettingsRejected
from worker.scoring.isolation import Poison, score_or_isolate
from worker.wire.scored import Model, ScoredReview, encode_scored

MAX_CHUNK_BYTES: Final = 32 * 1024 * 1024  # a few huge reviews make a chunk, too


@dataclass(slots=True)
class Tally:
    """How a file went."""

    scored: int = 0
    failed: int = 0


def score_rows(
    rows: Iterable[Row | Unreadable],
    predictor: Predictor,
    output: BinaryIO,
    *,
    chunk_reviews: int,
    on_failure: Callable[[Unreadable], None],
    on_progress: Callable[[int], None],
) -> Tally:
    """Write one `ScoredReview` a line in the order of the rows; what cannot be read or scored is told instead.

    Raises ModelUnusable when the engine breaks.
    """
    tally = Tally()
    for chunk in _chunks(rows, chunk_reviews):
        for result in _score(chunk, predictor):
            if isinstance(result, Unreadable):
                on_failure(result)
                tally.failed += 1
            else:
                output.write(encode_scored(result) + b"\n")
                tally.scored += 1
        output.flush()
        on_progress(len(chunk))
    return tally


def _chunks(rows: Iterable[Row | Unreadable], chunk_reviews: int) -> Iterator[list[Row | Unreadable]]:
    chunk: list[Row | Unreadable] = []
    size_bytes = 0
    for row in rows:
        chunk.append(row)
        size_bytes += len(row.value) if isinstance(row, Row) else 0
        if len(chunk) == chunk_reviews or size_bytes >= MAX_CHUNK_BYTES:
            yield chunk
            chunk, size_bytes = [], 0
    if chunk:
        yield chunk


def _score(chunk: list[Row | Unreadable], predictor: Predictor) -> Iterator[ScoredReview | Unreadable]:
    """Yield one result for each row, in order."""
    tokenized = predictor.tokenize([row.review.text for row in chunk if isinstance(row, Row)])
    try:
        outcomes = iter(score_or_isolate(predictor.predict, tokenized))
    except EngineBroken as exc:
        raise ModelUnusable(str(exc)) from exc
    model = Model.of(predictor.info)
    scored_at = datetime.now(UTC)
    for row in chunk:
        if isinstance(row, Unreadable):
            yield row
            continue
        outcome = next(outcomes)
        if isinstance(outcome, Poison):
            yield Unreadable(row.line, f"cannot be scored: {outcome.error}")
            continue
        yield ScoredReview.of(
            review_id=f"line-{row.line}" if row.review.review_id is None else row.review.review_id,
            score=outcome,
            model=model,
            scored_at=scored_at,
        )


@contextmanager
def open_output(path: str) -> Iterator[BinaryIO]:
    """Open `path` for writing, or stdout for `-`; a file appears whole under its name, or not at all.

    Raises SettingsRejected when it cannot be written.
    """
    if path == "-":
        yield sys.stdout.buffer
        return
    target = Path(path).resolve()
    if target.exists() and not target.is_file():  # a pipe or a device cannot be replaced
        with _open(target) as output:
            yield output
        return
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    with _open(part) as output:
        try:
            yield output
        except BaseException:
            part.unlink()
            raise
    part.replace(target)


def _open(path: Path) -> BinaryIO:
    try:
        return path.open("wb")
    except OSError as exc:
        raise SettingsRejected(f"--output: {path} cannot be written: {exc.strerror}") from exc
