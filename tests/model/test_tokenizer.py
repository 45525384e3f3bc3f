"""Both tokenizers: what they promise for any text, and the rules of each."""

import json
import re
import string
from collections import Counter
from copy import copy
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.tokenizer import ReferenceTokenizer, Tokenizer, WordTokenizer, tokenizer_from_json
from tests.model import notebook_numpy

WORDS = ("the", "film", "was", "good", "don't", "dont", "!", "?", "8/10", "café", "42")
AnyTokenizer = ReferenceTokenizer | WordTokenizer
TOKENIZERS = (ReferenceTokenizer(WORDS, max_tokens=6), WordTokenizer(WORDS, head=2, tail=4))

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=300)
WORD = st.sampled_from([*WORDS, "Film", "GOOD", "_good_", "film,", "...", "<br />", "'film'", "don’t", "xyz", "8.5/10"])
REVIEW = st.lists(WORD, max_size=30).map(" ".join)
TEXT = ANY_TEXT | REVIEW
ODD_TEXTS = (
    *("\0", "\ud800", "\udfff\ud800", "\u202egood", "İ"),
    *("😀" * 100_000, "a" * 1_000_000, "a " * 500_000, " " * 10**6),
)

every_tokenizer = pytest.mark.parametrize("tokenizer", TOKENIZERS, ids=lambda tokenizer: type(tokenizer).__name__)


def roomy(tokenizer: AnyTokenizer) -> AnyTokenizer:
    """The same words, and a limit that no text here reaches."""
    return (
        ReferenceTokenizer(WORDS, 10_000)
        if isinstance(tokenizer, ReferenceTokenizer)
        else WordTokenizer(WORDS, 1, 10_000)
    )


def as_tuple(tokenizer: Tokenizer, text: str) -> tuple[list[int], int, bool]:
    row = tokenizer.tokenize(text)
    return row.ids.tolist(), row.unknown, row.truncated


# Every tokenizer, any text


@every_tokenizer
@given(text=TEXT)
@settings(deadline=None)
def test_ids_are_within_the_vocabulary_and_the_limit(tokenizer: Tokenizer, text: str) -> None:
    row = tokenizer.tokenize(text)
    assert row.ids.dtype == np.int32
    assert row.ids.ndim == 1
    assert len(row) <= tokenizer.max_tokens
    assert all(1 <= i < tokenizer.vocab_size for i in row.ids)
    assert row.unknown >= 0


@every_tokenizer
@pytest.mark.parametrize("text", ODD_TEXTS, ids=lambda text: ascii(text[:6]))
def test_no_text_is_refused(tokenizer: Tokenizer, text: str) -> None:
    assert len(tokenizer.tokenize(text)) <= tokenizer.max_tokens


@every_tokenizer
@given(text=TEXT)
@settings(deadline=None)
def test_a_tokenizer_read_back_from_json_gives_the_same_tokens(tokenizer: Tokenizer, text: str) -> None:
    read_back = tokenizer_from_json(json.loads(json.dumps(tokenizer.to_json())))
    assert type(read_back) is type(tokenizer)
    assert read_back.vocab_size == tokenizer.vocab_size
    assert as_tuple(read_back, text) == as_tuple(tokenizer, text)


@every_tokenizer
@given(text=TEXT)
@settings(deadline=None)
def test_truncated_says_whether_there_were_more_words_than_kept(tokenizer: AnyTokenizer, text: str) -> None:
    complete = roomy(tokenizer).tokenize(text)
    assert not complete.truncated
    cut = len(text) > tokenizer.max_chars
    assert tokenizer.tokenize(text).truncated == (cut or len(complete) > tokenizer.max_tokens)


@every_tokenizer
@given(words=st.lists(st.sampled_from(WORDS), min_size=1), repeats=st.integers(1, 400))
@settings(deadline=None)
def test_cutting_a_long_text_of_ordinary_words_changes_no_token(
    tokenizer: AnyTokenizer, words: list[str], repeats: int
) -> None:
    uncut = copy(tokenizer)
    uncut.max_chars = 10**9
    text = " ".join(words * repeats)
    assert tokenizer.tokenize(text).ids.tolist() == uncut.tokenize(text).ids.tolist()


# The reference


@given(text=REVIEW | st.text(max_size=300))
def test_the_reference_follows_the_notebooks_rules(text: str) -> None:
    vocab_to_int = {word: i for i, word in enumerate(WORDS, 1)}
    tokenizer = ReferenceTokenizer(WORDS, max_tokens=200)
    words = notebook_numpy.words(text)
    assert as_tuple(tokenizer, text) == (
        [vocab_to_int[word] for word in words if word in vocab_to_int][:200],
        sum(word not in vocab_to_int for word in words),
        False,
    )


def test_the_reference_drops_unknown_words_before_it_counts_to_the_limit() -> None:
    tokenizer = ReferenceTokenizer(["good", "film"], max_tokens=2)
    assert as_tuple(tokenizer, "a good, a b c film; and good!") == ([1, 2], 5, True)


def test_the_reference_vocabulary_is_ordered_by_frequency() -> None:
    tokenizer = ReferenceTokenizer.build(["B a, c", "a B. a", "d"])
    assert tokenizer.words == ("a", "b", "c", "d")
    assert tokenizer.vocab_size == 5
    assert tokenizer.max_tokens == 200


# The production tokenizer


@given(text=TEXT)
@settings(deadline=None)
def test_words_are_those_of_a_plain_regular_expression(text: str) -> None:
    """Without possessive quantifiers, and without a cut."""
    plain = text.lower().replace("<br />", " ").replace("_", " ").replace("’", "'")
    found = [m[0] for m in re.finditer(r"\w+(?:'\w+|(?:\.\d+)?/10\b)?|[!?]", plain)]
    ids = {word: i for i, word in enumerate(WORDS, 2)}
    expected = [ids.get(word, 1) for word in found]
    assert as_tuple(WordTokenizer(WORDS), text) == (expected, expected.count(1), False)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Good film.<br /><br />I LOVED it", ["good", "film", "i", "loved", "it"]),
        ("don't, don’t 'quoted' it's", ["don't", "don't", "quoted", "it's"]),
        ("8/10, 8.5/10 but 3/100 and 1/2", ["8/10", "8.5/10", "but", "3", "100", "and", "1", "2"]),
        ("really?! _never_ again...", ["really", "?", "!", "never", "again"]),
        ("the end.The rest", ["the", "end", "the", "rest"]),
        ("ÇA VA café", ["ça", "va", "café"]),
    ],
)
def test_what_counts_as_a_word(text: str, words: list[str]) -> None:
    assert set(WordTokenizer.build([text]).words) == set(words)
    tokenizer = WordTokenizer(list(dict.fromkeys(words)))
    assert [tokenizer.words[i - 2] for i in tokenizer.tokenize(text).ids] == words


def test_the_first_and_the_last_words_of_a_long_text_are_kept() -> None:
    tokenizer = WordTokenizer(string.ascii_lowercase, head=2, tail=3)
    assert as_tuple(tokenizer, " ".join("abcde")) == ([2, 3, 4, 5, 6], 0, False)
    assert as_tuple(tokenizer, " ".join("abcdefgh")) == ([2, 3, 7, 8, 9], 0, True)


def test_unknown_counts_only_words_that_were_kept() -> None:
    assert as_tuple(WordTokenizer(["good"], head=1, tail=1), "x good good good") == ([1, 2], 1, True)


def test_the_production_vocabulary_is_the_most_frequent_words() -> None:
    texts = ["a b c", "b c", "c", "d"]
    tokenizer = WordTokenizer.build(texts, vocab_size=3)
    assert tokenizer.words == ("c", "b", "a")
    assert tokenizer.vocab_size == 5
    assert (tokenizer.head, tokenizer.tail) == (128, 272)


@given(texts=st.lists(REVIEW, max_size=5))
def test_a_built_vocabulary_knows_every_word_it_was_built_from(texts: list[str]) -> None:
    for tokenizer in (WordTokenizer.build(texts), ReferenceTokenizer.build(texts)):
        assert sum(tokenizer.tokenize(text).unknown for text in texts) == 0
        assert max(Counter(tokenizer.words).values(), default=1) == 1


# Invalid documents


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"type": "bpe", "words": []},
        {"type": "words", "head": 1, "tail": 1},
        {"type": "words", "head": 1, "tail": 1, "words": ["a"], "more": 1},
        {"type": "words", "head": 0, "tail": 1, "words": ["a"]},
        {"type": "words", "head": True, "tail": 1, "words": ["a"]},
        {"type": "words", "head": 1.5, "tail": 1, "words": ["a"]},
        {"type": "words", "head": 1, "tail": 10**9, "words": ["a"]},
        {"type": "words", "head": 1, "tail": 1, "words": "abc"},
        {"type": "words", "head": 1, "tail": 1, "words": ["a", None]},
        {"type": "words", "head": 1, "tail": 1, "words": ["a", ["b"]]},
        {"type": "reference", "max_tokens": -1, "words": []},
        {"type": "reference", "max_tokens": 200, "words": ["a", "b", "a"]},
    ],
    ids=str,
)
def test_a_document_that_is_not_a_tokenizer_is_refused(document: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"not a tokenizer|must be|stands twice"):
        tokenizer_from_json(document)


def test_words_that_a_treebank_split_are_whole_again() -> None:
    assert WordTokenizer.split("it is n't bad , i 've seen 'em and it 's theirs") == WordTokenizer.split(
        "it isn't bad, i've seen 'em and it's theirs"
    )


@pytest.mark.parametrize(
    ("text", "flagged"),
    [
        ("the film is so good and so true", False),
        ("the film is so good and qqqq", False),
        ("le film qqqq zzzz good", True),
        ("qqqq", True),
        ("qqqq!!!", True),
        ("good!", False),
        ("!?", True),
        ("", True),
    ],
)
def test_a_text_of_unknown_words_is_out_of_domain(text: str, flagged: bool) -> None:
    tokenizer = WordTokenizer(["the", "film", "is", "so", "good", "and", "true", "!"])
    assert tokenizer.tokenize(text).out_of_domain == flagged


def test_the_reference_flags_nothing() -> None:
    assert not ReferenceTokenizer(["good"]).tokenize("qqqq").out_of_domain
