"""`WordTokenizer` for many texts at once, by the kernel in `model/engines/native`, without the GIL."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from model.engines.native.binding import Texts, Vocabulary
from model.predictor import TokenizedText
from model.tokenizer import WordTokenizer, known_share


class NativeTokenizer:
    """Equal to a `WordTokenizer` for every str; the kernel reads those that are ASCII. For any thread."""

    def __init__(self, tokenizer: WordTokenizer, kernel: Path | None = None) -> None:
        """`kernel`: one that was compiled elsewhere. Raises EngineUnavailable where there is none."""
        self._tokenizer = tokenizer
        self._vocabulary = Vocabulary(tokenizer.words, kernel)

    def tokenize_all(self, texts: Sequence[str]) -> list[TokenizedText]:
        """One row a text, in their order; never raises."""
        by_kernel = self._by_kernel([text for text in texts if text.isascii()])
        return [next(by_kernel) if text.isascii() else self._tokenizer.tokenize(text) for text in texts]

    def _by_kernel(self, texts: Sequence[str]) -> Iterator[TokenizedText]:
        read = Texts(*self._cut(texts), head=self._tokenizer.head, tail=self._tokenizer.tail)
        self._vocabulary.tokenize(read)
        begin = 0
        for tokens, unknown, marks, truncated in read.rows.tolist():
            ids = read.ids[begin : begin + tokens].copy()  # a row that waits must not keep all of them
            yield TokenizedText(ids, unknown, bool(truncated), known_share(tokens, unknown, marks=marks))
            begin += tokens

    def _cut(self, texts: Sequence[str]) -> tuple[list[str], list[int]]:
        """What is read of each text, and where a part was left out: -1 of a whole one."""
        parts, seams = list(texts), [-1] * len(texts)
        for i, text in enumerate(texts):
            if len(text) > self._tokenizer.max_chars:
                first, last = self._tokenizer.ends(text)
                parts[i], seams[i] = first + last, len(first)
        return parts, seams
