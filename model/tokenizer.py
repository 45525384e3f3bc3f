"""Turns text into word ids, with two tokenizers: the reference notebook's and the production one.

Both accept any str, limit the work for a huge text, and keep no state between calls, so any thread may use them.
`to_json` returns their word list and limits; `tokenizer_from_json` reads them back.
"""

import re
import string
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

import numpy as np

from model.predictor import TokenizedText

UNKNOWN_ID = 1  # of WordTokenizer; the reference has no such id
FIRST_WORD_ID = 2


class ReferenceTokenizer:
    """The notebook's rules: lower case, no punctuation, split at blanks, the first `max_tokens` known words.

    Ids count from 1 by frequency (`words[0]` is 1). A text is first cut to `max_chars`, which is more than the
    longest IMDB review has; a text that was cut counts as truncated.
    """

    _PUNCTUATION = str.maketrans("", "", string.punctuation)

    def __init__(self, words: Sequence[str], max_tokens: int = 200) -> None:
        self.words = tuple(words)
        self.vocab_size = len(self.words) + 1  # words and padding (0): all ids are below it
        self.max_tokens = max_tokens
        self.max_chars = 100 * max_tokens
        self._ids = {word: index for index, word in enumerate(self.words, start=1)}

    @classmethod
    def build(cls, texts: Iterable[str], max_tokens: int = 200) -> Self:
        """All words of `texts`, the most frequent first; equally frequent ones in order of appearance."""
        counts: Counter[str] = Counter()
        for text in texts:
            counts.update(cls._split(text))
        return cls([word for word, _ in counts.most_common()], max_tokens)

    def tokenize(self, text: str) -> TokenizedText:
        """The first `max_tokens` known words; `unknown` counts the unknown words of the text. Never raises."""
        words = self._split(text[: self.max_chars])
        known = [i for i in map(self._ids.get, words) if i is not None]
        kept = known[: self.max_tokens]
        return TokenizedText(
            ids=np.fromiter(kept, np.int32, len(kept)),
            unknown=len(words) - len(known),
            truncated=len(known) > len(kept) or len(text) > self.max_chars,
        )

    def to_json(self) -> dict[str, Any]:
        """JSON values from which `tokenizer_from_json` makes an equal tokenizer."""
        return {"type": "reference", "max_tokens": self.max_tokens, "words": list(self.words)}

    @classmethod
    def _split(cls, text: str) -> list[str]:
        return text.lower().translate(cls._PUNCTUATION).split()


class _WordIds(dict[str, int]):
    """A word's id, or UNKNOWN_ID. A dict, so that `map` looks up words without a Python call for each."""

    def __missing__(self, _word: str) -> int:
        return UNKNOWN_ID


class WordTokenizer:
    """Words (with apostrophes), numbers, ratings out of ten, `!` and `?`; keeps the first `head` and the last `tail`.

    Ids: 0 padding, 1 unknown, words from 2. Head and tail, because opinions are mostly at a review's ends. Of a text
    longer than `max_chars` only the ends that can hold this many tokens are read; it counts as truncated.

    `model/engines/native/words.h` has the same rules in C++.
    """

    # Possessive quantifiers never backtrack, which is faster, and linear in the worst case.
    # "8/10" and "8.5/10" are one word, because their parts would mean nothing or the opposite.
    _WORD = re.compile(r"\w++(?:'\w++|(?:\.\d++)?/10\b)?+|[!?]")
    # Treebank files write "is n't" and "it 's" for "isn't" and "it's".
    _SPLIT_OFF = re.compile(r" (?=n't\b|'(?:s|m|d|re|ve|ll)\b)")
    _CHARS_PER_TOKEN = 16  # about three times the average of English, blank included

    def __init__(self, words: Sequence[str], head: int = 128, tail: int = 272) -> None:
        self.words = tuple(words)
        self.vocab_size = len(self.words) + FIRST_WORD_ID  # words, padding and unknown: all ids are below it
        self.head = head
        self.tail = tail
        self.max_tokens = head + tail
        self.max_chars = self._CHARS_PER_TOKEN * self.max_tokens
        self._ids = _WordIds((word, index) for index, word in enumerate(self.words, start=FIRST_WORD_ID))
        self._known_marks = [mark for mark in "!?" if mark in self._ids]

    @classmethod
    def build(cls, texts: Iterable[str], vocab_size: int = 20_000) -> Self:
        """The `vocab_size` most frequent words of `texts`; equally frequent ones in order of appearance."""
        counts: Counter[str] = Counter()
        for text in texts:
            counts.update(cls.split(text))
        return cls([word for word, _ in counts.most_common(vocab_size)])

    def tokenize(self, text: str) -> TokenizedText:
        """All tokens, or the first `head` and the last `tail` where there are more. Never raises."""
        if len(text) <= self.max_chars:
            words = self.split(text)
            truncated = len(words) > self.max_tokens
            if truncated:
                words = words[: self.head] + words[len(words) - self.tail :]
        else:
            first, last = map(self.split, self.ends(text))
            words = first[: self.head] + last[max(0, len(last) - self.tail) :]
            truncated = True
        ids = list(map(self._ids.__getitem__, words))
        unknown = ids.count(UNKNOWN_ID)
        share = known_share(len(ids), unknown, marks=sum(map(words.count, self._known_marks)))
        return TokenizedText(np.fromiter(ids, np.int32, len(ids)), unknown, truncated, share)

    def to_json(self) -> dict[str, Any]:
        """See `ReferenceTokenizer`."""
        return {"type": "words", "head": self.head, "tail": self.tail, "words": list(self.words)}

    def ends(self, text: str) -> tuple[str, str]:
        """The two parts of a text longer than `max_chars` that are read: its beginning and its end."""
        return text[: self._CHARS_PER_TOKEN * self.head], text[len(text) - self._CHARS_PER_TOKEN * self.tail :]

    @classmethod
    def split(cls, text: str) -> list[str]:
        """All tokens of a text, in order, as strings."""
        plain = text.lower().replace("<br />", " ").replace("_", " ").replace("’", "'")
        if " n't" in plain or " '" in plain:
            plain = cls._SPLIT_OFF.sub("", plain)
        return cls._WORD.findall(plain)


def known_share(tokens: int, unknown: int, *, marks: int) -> float:
    """See `TokenizedText`; `marks`: how many of the tokens are "!" and "?" of the vocabulary.

    They do not count, because they are the same in every language: "太好看了!!!" would be three quarters English.
    """
    words = tokens - marks
    return 1 - unknown / words if words else 0.0


def tokenizer_from_json(document: Mapping[str, Any]) -> "Tokenizer":
    """Inverse of `to_json`. Raises ValueError for anything else."""
    match document:
        case {"type": "reference", "max_tokens": int(max_tokens), "words": list(words), **rest} if not rest:
            _check(words, max_tokens=max_tokens)
            return ReferenceTokenizer(words, max_tokens)
        case {"type": "words", "head": int(head), "tail": int(tail), "words": list(words), **rest} if not rest:
            _check(words, head=head, tail=tail)
            return WordTokenizer(words, head, tail)
    raise ValueError("it is not a tokenizer of a known type with that type's fields")


def _check(words: list[Any], **limits: int) -> None:
    for name, value in limits.items():
        if isinstance(value, bool) or not 1 <= value <= 100_000:
            raise ValueError(f"{name} must be a number from 1 to 100000, but is {value}")
    if not all(isinstance(word, str) for word in words):
        raise ValueError("every word must be a string")
    if len(set(words)) != len(words):
        raise ValueError("a word stands twice in the word list")


Tokenizer = ReferenceTokenizer | WordTokenizer
