"""Turns many texts into word ids: with the kernel in `model/engines/native` where it is compiled, else one by one."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from model.engines.native.binding import Texts, Vocabulary, in_latin1
from model.errors import EngineUnavailable
from model.predictor import TokenizedText
from model.tokenizer import Tokenizer, WordTokenizer, known_share


class OneByOne:
    """Any tokenizer, in Python."""

    def __init__(self, tokenizer: Tokenizer, why: str = "") -> None:
        """`why` nothing faster is available, for the log."""
        self._tokenizer = tokenizer
        self.description = f"Python; {why}" if why else "Python"

    def tokenize_all(self, texts: Sequence[str]) -> list[TokenizedText]:
        """`Tokenizer.tokenize` of each text, in their order. Never raises; safe from any thread."""
        return [self._tokenizer.tokenize(text) for text in texts]


class NativeTokenizer:
    """A `WordTokenizer` in the kernel, without the GIL. Python tokenizes the rare text with letters beyond Latin-1."""

    description = "native"
    # Quotes, dashes, emoji: no word contains any of them, so one character can replace them all.
    _NO_LETTER = re.compile(r"[^\w\x00-\xff]")

    def __init__(self, tokenizer: WordTokenizer, kernel: Path | None = None) -> None:
        """`kernel`: another compiled kernel than the installed one. Raises EngineUnavailable where there is none."""
        self._tokenizer = tokenizer
        self._vocabulary = Vocabulary(tokenizer.words, kernel)

    def tokenize_all(self, texts: Sequence[str]) -> list[TokenizedText]:
        """See `OneByOne`."""
        parts, seams = self._cut(texts)
        # The simplified text has the same words and the same length.
        encoded = [in_latin1(part) or in_latin1(self._NO_LETTER.sub('"', part.replace("’", "'"))) for part in parts]
        readable = [(part, seam) for part, seam in zip(encoded, seams, strict=True) if part is not None]
        rows = self._by_kernel([part for part, _ in readable], [seam for _, seam in readable])
        return [
            self._tokenizer.tokenize(text) if part is None else next(rows)
            for text, part in zip(texts, encoded, strict=True)
        ]

    def _cut(self, texts: Sequence[str]) -> tuple[list[str], list[int]]:
        """The part of each text that is read, and the position where its middle was cut out; -1 for a whole one."""
        parts, seams = list(texts), [-1] * len(texts)
        for i, text in enumerate(texts):
            if len(text) > self._tokenizer.max_chars:
                first, last = self._tokenizer.ends(text)
                parts[i], seams[i] = first + last, len(first)
        return parts, seams

    def _by_kernel(self, texts: Sequence[bytes], seams: Sequence[int]) -> Iterator[TokenizedText]:
        read = Texts(texts, seams, head=self._tokenizer.head, tail=self._tokenizer.tail)
        self._vocabulary.tokenize(read)
        begin = 0
        for tokens, unknown, marks, truncated in read.rows.tolist():
            ids = read.ids[begin : begin + tokens].copy()  # else a waiting row would keep the ids of all texts
            yield TokenizedText(ids, unknown, bool(truncated), known_share(tokens, unknown, marks=marks))
            begin += tokens


BatchTokenizer = NativeTokenizer | OneByOne


def batch_tokenizer(tokenizer: Tokenizer) -> BatchTokenizer:
    """The fastest one available."""
    if isinstance(tokenizer, WordTokenizer):
        try:
            return NativeTokenizer(tokenizer)
        except EngineUnavailable as error:
            return OneByOne(tokenizer, why=str(error))
    return OneByOne(tokenizer)
