"""Texts as word pieces, and batches of them."""

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor

from training.batches import pad_right
from training.errors import DatasetError
from training.expert.encoder import END, MASK, PADDING, START

Pieces = NDArray[np.int32]  # (T,), without the marks of beginning and end
MARKS = 2
_MARKS = {"[PAD]": PADDING, "[CLS]": START, "[SEP]": END, "[MASK]": MASK}
_LENGTHS_APART = 0.1  # random change of lengths before sorting, so that batches differ between epochs


def read_tokenizer(checkpoint: Path) -> Tokenizer:
    """The checkpoint's tokenizer, set not to cut or pad. Raises DatasetError, also where its marks are not BERT's."""
    path = checkpoint / "tokenizer.json"
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:
        raise DatasetError(f"cannot read {path} ({error}): give the directory of a BERT") from error
    if any(tokenizer.token_to_id(mark) != id_ for mark, id_ in _MARKS.items()):
        raise DatasetError(f"{path} does not have the marks of the English BERT ({_MARKS}): give another checkpoint")
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def to_pieces(tokenizer: Tokenizer, texts: Sequence[str]) -> list[Pieces]:
    """The pieces of each text, (T,) with T >= 1."""
    plain = [text.replace("<br />", " ") for text in texts]
    found = tokenizer.encode_batch(plain, add_special_tokens=False)
    return [np.array(each.ids or [END], np.int32) for each in found]


def head_and_tail(row: Pieces, width: int) -> Pieces:
    """At most `width` pieces: a third of them from the beginning, the rest from the end."""
    if len(row) <= width:
        return row
    head = width // 3
    return np.concatenate([row[:head], row[len(row) - width + head :]])


def windows(row: Pieces, width: int) -> list[Pieces]:
    """The whole row, in parts of about equal length and at most `width` pieces."""
    return np.array_split(row, -(-len(row) // width))


def crop(row: Pieces, width: int, rng: random.Random) -> Pieces:
    """A random part of at most `width` consecutive pieces."""
    start = rng.randint(0, max(len(row) - width, 0))
    return row[start : start + width]


def batches(
    rows: Sequence[Pieces], most_pieces: int, rng: random.Random | None = None, most_rows: int | None = None
) -> Iterator[list[int]]:
    """Row numbers of batches of similar length, each row once; `rng` varies the batches and their order.

    A batch's rows times its longest row, marks included, is at most `most_pieces`; a longer row is a batch by itself.
    """
    order = list(range(len(rows)))
    if rng:
        apart = [rng.uniform(1 - _LENGTHS_APART, 1 + _LENGTHS_APART) for _ in order]
        order.sort(key=lambda row: len(rows[row]) * apart[row])
    else:
        order.sort(key=lambda row: len(rows[row]))
    made: list[list[int]] = []
    longest = 0
    for row in order:
        longest = max(longest, len(rows[row]) + MARKS)
        if not made or longest * (len(made[-1]) + 1) > most_pieces or len(made[-1]) == most_rows:
            made.append([])
            longest = len(rows[row]) + MARKS
        made[-1].append(row)
    if rng:
        rng.shuffle(made)
    yield from made


def stack(rows: Sequence[Pieces], device: torch.device) -> Tensor:
    """(B, longest + 2) int64 on `device`: beginning, pieces, end, padding."""
    return pad_right([np.concatenate([[START], row, [END]], dtype=np.int32) for row in rows]).to(device)
