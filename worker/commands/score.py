"""Scoring a file without Kafka: the `score` command."""

import os
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Final

import click

from model.predictor import Predictor
from worker.commands.review_files import FileFormat, FileRow, Progress, ReviewRow, UnreadableRow
from worker.commands.terminal import echo_json, open_reviews
from worker.errors import SettingsRejected
from worker.scoring.isolation import Poison, score_or_isolate
from worker.scoring.opening import model_unusable, open_predictor
from worker.settings.schema import Settings
from worker.wire.scored import Model, ScoredReview, encode_scored

MAX_CHUNK_BYTES: Final = 32 * 1024 * 1024  # bounds the memory of a chunk of huge reviews


def score_file(
    settings: Settings, source: str, file_format: FileFormat, output: str, *, chunk_reviews: int, as_json: bool
) -> int:
    """Score the file `source` into the file `output` (`-`: stdin, stdout) and print a summary.

    Returns how many rows failed. Raises ModelUnusable, SettingsRejected.
    """
    predictor = open_predictor(settings)
    started_s = time.monotonic()
    with open_reviews(source, file_format, "Scoring") as (rows, progress), open_output(output) as sink:
        scored = score_rows(rows, predictor, sink, progress, chunk_reviews=chunk_reviews)
    took_s = time.monotonic() - started_s
    if as_json:
        echo_json({"scored": scored, "failed": progress.failed, "seconds": round(took_s, 6)}, err=output == "-")
    else:
        click.echo(f"scored {scored} reviews in {took_s:.1f} s, {scored / took_s:.0f}/s", err=True)
    return progress.failed


def score_rows(
    rows: Iterable[FileRow], predictor: Predictor, output: BinaryIO, progress: Progress, *, chunk_reviews: int
) -> int:
    """Write one `ScoredReview` a line, in the order of the rows, and return how many.

    A row that cannot be read or scored fails. Raises ModelUnusable when the engine breaks.
    """
    scored = 0
    for chunk in _chunks(rows, chunk_reviews):
        for result in _score(chunk, predictor):
            if isinstance(result, UnreadableRow):
                progress.fail(result)
            else:
                output.write(encode_scored(result) + b"\n")
                scored += 1
        output.flush()
        progress.advance(len(chunk))
    return scored


def _chunks(rows: Iterable[FileRow], reviews: int) -> Iterator[list[FileRow]]:
    chunk: list[FileRow] = []
    size_bytes = 0
    for row in rows:
        chunk.append(row)
        size_bytes += len(row.value) if isinstance(row, ReviewRow) else 0
        if len(chunk) == reviews or size_bytes >= MAX_CHUNK_BYTES:
            yield chunk
            chunk, size_bytes = [], 0
    if chunk:
        yield chunk


def _score(chunk: list[FileRow], predictor: Predictor) -> Iterator[ScoredReview | UnreadableRow]:
    """Yield one result for each row, in order."""
    tokenized = predictor.tokenize([row.review.text for row in chunk if isinstance(row, ReviewRow)])
    with model_unusable():
        outcomes = iter(score_or_isolate(predictor.predict, tokenized))
    model = Model.of(predictor.info)
    scored_at = datetime.now(UTC)
    for row in chunk:
        if isinstance(row, UnreadableRow):
            yield row
        elif isinstance(outcome := next(outcomes), Poison):
            yield UnreadableRow(row.line, f"cannot be scored: {outcome.error}")
        else:
            review_id = f"line-{row.line}" if row.review.review_id is None else row.review.review_id
            yield ScoredReview.of(review_id=review_id, score=outcome, model=model, scored_at=scored_at)


@contextmanager
def open_output(path: str) -> Iterator[BinaryIO]:
    """Open `path` for writing, or stdout for `-`. A file appears complete under its name, or not at all.

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
