"""Many texts at once: the kernel gives the ids of `WordTokenizer` for any text; without a kernel, Python reads."""

import random
import re
import string
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from deploy.demo.sample import read_sample
from model.artifact import load_artifact
from model.artifacts import DEFAULT_ARTIFACT
from model.engines.native import binding
from model.engines.native.binding import Texts, Vocabulary
from model.engines.tokenizing import NativeTokenizer, batch_tokenizer
from model.errors import EngineUnavailable
from model.predictor import TokenizedText
from model.tokenizer import ReferenceTokenizer, WordTokenizer
from tests.support.native import compile_kernel, kernel_file

# Everything in the rules, whole and in parts.
PIECES = (
    *("the", "Film", "it", "IS", "a", "n", "t", "s", "don't", "\0", "\n", "\t", "\x1c", "\x7f", "é", "’", "İ"),
    *(" ", " ", "_", "  ", "'", "'", "n't", " n't", " N'T", " 's", " 'M", "'d", " 're", " 'VE", "_'ll", " 'lls", "''"),
    *("8", "10", "0", ".", ".5", "..", "/10", "/10", "/", "/1", "./10", "8.5/10", "!", "?", "<br />", "<BR />"),
    *("<br", " />"),
    *("<", ">", "<br_/>", "<br />'s", "<<br />"),
    *("É", "ß", "µ", "½", "²", "×", "÷", "\xa0", "\x85", "“", "…", "’s", " ’ll", "😀", "\ud800", "Σ", "٣", "ª"),
    *("Ÿ", "ſ"),
)
LATIN = "".join(map(chr, range(256)))
ODD = st.lists(st.sampled_from(PIECES), max_size=40).map("".join)
ODD_LATIN = ODD.map(lambda text: "".join(character for character in text if character in LATIN))
# A few characters around the limit of 64 that four words have, and around the seam behind the first 16.
LONG = st.builds(lambda text, times: (text * times)[:70], ODD_LATIN, st.integers(2, 70))
TEXT = ODD | ODD_LATIN | LONG | st.text(st.sampled_from(LATIN), max_size=70) | st.text(max_size=20)
PROPERTY = settings(deadline=None, max_examples=500)


def as_tuple(row: TokenizedText) -> tuple[object, ...]:
    return row.ids.tolist(), row.ids.dtype, repr(row.unknown), repr(row.truncated), repr(row.known_share)


def assert_equal(tokenizer: WordTokenizer, texts: Sequence[str], kernel: Path) -> None:
    rows = NativeTokenizer(tokenizer, kernel).tokenize_all(texts)
    assert [as_tuple(row) for row in rows] == [as_tuple(tokenizer.tokenize(text)) for text in texts]


def with_known(texts: Sequence[str], known: int, head: int, tail: int) -> WordTokenizer:
    """A tokenizer that knows this many of the texts' words; an id identifies the word."""
    words = dict.fromkeys(word for text in texts for word in WordTokenizer.split(text))
    return WordTokenizer(["İ\ud800", *words][: 1 + known], head, tail)


@given(
    texts=st.lists(TEXT, max_size=6),
    known=st.sampled_from([1000, 1000, 3, 0]),
    head=st.integers(0, 4),
    tail=st.integers(0, 4),
)
@PROPERTY
def test_the_kernel_reads_any_text_as_python_does(texts: list[str], known: int, head: int, tail: int) -> None:
    assert_equal(with_known(texts, known, head, tail), texts, kernel_file())


@given(text=ODD_LATIN)
@example("8./10 8.5/10 8.5/100 8.5/1 8.5.5/10 a.5/10 8/10's 8/10n't /10 8'/10 8'5/10")
@example("is n't n 't n't's 's's it _'s it<br />'s 's_ _n't_ 'lls n'ts")
@PROPERTY
def test_every_word_is_pythons(text: str) -> None:
    assert_equal(with_known([text], 1000, 128, 272), [text], kernel_file())


@given(length=st.integers(6300, 6500), text=ODD_LATIN.filter(bool))
@settings(deadline=None, max_examples=50)
def test_texts_around_the_shipped_limit_are_cut_as_python_cuts_them(length: int, text: str) -> None:
    text = (text * length)[:length]
    assert_equal(with_known([text], 20, 128, 272), [text, text[1:]], kernel_file())


def test_the_demos_reviews_are_read_as_python_reads_them() -> None:
    tokenizer = load_artifact(DEFAULT_ARTIFACT).tokenizer
    assert isinstance(tokenizer, WordTokenizer)
    texts = [review.text for review in read_sample()]
    assert_equal(tokenizer, texts, kernel_file())


@pytest.mark.parametrize(
    "text", ["", "\0", "a" * 1_000_000, "a " * 500_000, "!" * 1_000_000, "'" * 10_000, " " * 10**6]
)
def test_an_odd_text_is_read_as_python_reads_it(text: str) -> None:
    assert_equal(with_known([text], 1, 128, 272), [text, "good", text], kernel_file())


@given(words=st.lists(st.text(st.sampled_from("ab!?'é\0"), max_size=3), max_size=50))
@PROPERTY
def test_any_words_make_a_vocabulary(words: list[str]) -> None:
    """Also words that no text has, and repeated ones."""
    assert_equal(WordTokenizer(words), [*words, " ".join(words)], kernel_file())


@pytest.mark.parametrize("pattern", ["{}", "a{}b", "8{}/10", "a{}n't", "a '{}"])
def test_each_character_of_latin_1_is_to_the_kernel_what_it_is_to_python(pattern: str) -> None:
    texts = [pattern.format(character) for character in LATIN]
    assert_equal(with_known(texts, 10_000, 128, 272), texts, kernel_file())


def test_lower_case_makes_no_letter_of_another_character() -> None:
    """So that one character can replace all of them."""
    characters = map(chr, range(sys.maxunicode + 1))
    assert not [c for c in characters if not re.match(r"\w", c) and (len(c.lower()) != 1 or re.match(r"\w", c.lower()))]


def test_quotes_accents_and_emoji_leave_nothing_to_python() -> None:
    class Unused(WordTokenizer):
        def tokenize(self, text: str) -> TokenizedText:
            raise AssertionError(text)

    rows = NativeTokenizer(Unused(["don't", "café"]), kernel_file()).tokenize_all(["“Don’t”… 😀", "CAFÉ\ud800"])
    assert [row.ids.tolist() for row in rows] == [[2], [3]]


def test_a_text_with_other_letters_is_read_by_python() -> None:
    texts = ["Σ good", "good“", "太好看了!!!", "good"]
    assert_equal(with_known(texts, 10, 128, 272), texts, kernel_file())


def test_a_large_vocabulary_has_each_word() -> None:
    rng = random.Random(1)
    words = list({"".join(rng.choices(string.ascii_lowercase, k=rng.randint(1, 12))) for _ in range(30_000)})
    tokenizer = NativeTokenizer(WordTokenizer(words, head=len(words), tail=1), kernel_file())
    [row] = tokenizer.tokenize_all([" ".join(words)])
    assert row.ids.tolist() == list(range(2, len(words) + 2))


def test_threads_share_a_tokenizer() -> None:
    texts = [review.text for review in read_sample()][:200]
    tokenizer = NativeTokenizer(with_known(texts, 10_000, 128, 272), kernel_file())
    expected = [as_tuple(row) for row in tokenizer.tokenize_all(texts)]
    with ThreadPoolExecutor(4) as pool:
        for rows in pool.map(tokenizer.tokenize_all, [texts] * 20):
            assert [as_tuple(row) for row in rows] == expected


def test_a_row_keeps_no_others_alive() -> None:
    rows = NativeTokenizer(WordTokenizer(["good"]), kernel_file()).tokenize_all(["good film"] * 3)
    assert all(row.ids.base is None for row in rows)


# Refused input


@pytest.mark.parametrize(("seam", "head", "tail"), [(3, 1, 1), (-1, -1, 5), (-1, 5, -1)])
def test_limits_that_the_kernel_would_overstep_are_refused(seam: int, head: int, tail: int) -> None:
    with pytest.raises(ValueError, match="cannot be cut"):
        Texts([b"ab"], [seam], head=head, tail=tail)


def test_a_kernel_of_older_sources_is_refused_with_what_to_do(tmp_path: Path) -> None:
    source = tmp_path / "older.cpp"
    source.write_text("")
    with pytest.raises(EngineUnavailable, match="older sources: install again"):
        Vocabulary(["good"], compile_kernel(tmp_path / "older.so", source=source))


# The choice of a tokenizer


def test_without_a_kernel_python_reads_and_the_log_has_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binding, "EXTENSION_SUFFIXES", [])  # as if it had not been compiled
    tokenizer = WordTokenizer(["good"])
    reading = batch_tokenizer(tokenizer)
    assert reading.description.startswith("Python; the native engine was not compiled: install a C++ compiler")
    assert as_tuple(reading.tokenize_all(["a good film"])[0]) == as_tuple(tokenizer.tokenize("a good film"))


def test_with_a_kernel_it_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binding, "_compiled_kernel", kernel_file)
    assert batch_tokenizer(WordTokenizer(["good"])).description == "native"


def test_the_reference_is_read_by_python() -> None:
    reading = batch_tokenizer(ReferenceTokenizer(["good"]))
    assert reading.description == "Python"
    assert np.array_equal(reading.tokenize_all(["a good film"])[0].ids, [1])
