"""Many texts to word ids at once: by the kernel in `model/engines/native` where it was compiled, else one by one."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from model.engines.native.binding import Texts, Vocabulary, in_latin1
from model.errors import EngineUnavailable
from model.predictor import TokenizedText
from model.tokenizer import Tokenizer, WordTokenizer, known_share


class BatchTokenizer(Protocol):
    """A `Tokenizer` for many texts."""

    @property
    def description(self) -> str:
        """For people and logs."""
        ...

    def tokenize_all(self, texts: Sequence[str]) -> list[TokenizedText]:
        """What `Tokenizer.tokenize` makes of each, in their order. Never raises; safe from any thread."""
        ...


def batch_tokenizer(tokenizer: Tokenizer) -> BatchTokenizer:
    """The fastest that can be had."""
    if isinstance(tokenizer, WordTokenizer):
        try:
            return NativeTokenizer(tokenizer)
        except EngineUnavailable as error:
            return OneByOne(tokenizer, why=str(error))
    return OneByOne(tokenizer)


class OneByOne:
    """See `BatchTokenizer`: any tokenizer."""

    def __init__(self, tokenizer: Tokenizer, why: str = "") -> None:
        """`why` there is nothing faster, for the log."""
        self._tokenizer = tokenizer
        self.description = f"Python; {why}" if why else "Python"

    def tokenize_all(self, texts: Sequence[str]) -> list[TokenizedText]:
        """See `BatchTokenizer`."""
        return [self._tokenizer.tokenize(text) for text in texts]


class NativeTokenizer:
    """See `BatchTokenizer`: a `WordTokenizer`, by the kernel and without the GIL.

    The kernel knows the letters of Latin-1; the rare text with others is left to Python.
    """

    description = "native"
    # Quotes, dashes, emoji: no word has any of them, so that one character stands for all.
    _NO_LETTER = re.compile(r"[^\w\x00-\xff]")

    def __init__(self, tokenizer: WordTokenizer, kernel: Path | None = None) -> None:
        """`kernel`: one that was compiled elsewhere. Raises EngineUnavailable where there is none."""
        self._tokenizer = tokenizer
        self._vocabulary = Vocabulary(tokenizer.words, kernel)

    def tokenize_all(self, texts: Sequence[str]) -> list[TokenizedText]:
        """See `BatchTokenizer`."""
        parts, seams = self._cut(texts)
        encoded = [in_latin1(part) or in_latin1(self._simplified(part)) for part in parts]
        readable = [(part, seam) for part, seam in zip(encoded, seams, strict=True) if part is not None]
        rows = self._by_kernel([part for part, _ in readable], [seam for _, seam in readable])
        return [
            self._tokenizer.tokenize(text) if part is None else next(rows)
            for text, part in zip(texts, encoded, strict=True)
        ]

    def _cut(self, texts: Sequence[str]) -> tuple[list[str], list[int]]:
        """What is read of each text, and where something was left out: -1 of a whole one."""
        parts, seams = list(texts), [-1] * len(texts)
        for i, text in enumerate(texts):
            if len(text) > self._tokenizer.max_chars:
                first, last = self._tokenizer.ends(text)
                parts[i], seams[i] = first + last, len(first)
        return parts, seams

    def _simplified(self, text: str) -> str:
        """A text with the same words, and the same length."""
        return self._NO_LETTER.sub('"', text.replace("’", "'"))

    def _by_kernel(self, texts: Sequence[bytes], seams: Sequence[int]) -> Iterator[TokenizedText]:
        read = Texts(texts, seams, head=self._tokenizer.head, tail=self._tokenizer.tail)
        self._vocabulary.tokenize(read)
        begin = 0
        for tokens, unknown, marks, truncated in read.rows.tolist():
            ids = read.ids[begin : begin + tokens].copy()  # a row that waits must not keep those of all texts
            yield TokenizedText(ids, unknown, bool(truncated), known_share(tokens, unknown, marks=marks))
            begin += tokens
