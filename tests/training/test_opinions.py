from pathlib import Path

import numpy as np
import pytest

from training.errors import DatasetError, OutputError
from training.opinions import Opinions

TEXTS = ("A great film.", "A film.", "", "Zoë's \ud800 film")
OPINIONS = Opinions.of(TEXTS, [2.5, 0.0, -0.25, 1.0])


def test_what_was_thought_of_a_text_is_found_by_the_text(tmp_path: Path) -> None:
    OPINIONS.save(tmp_path / "opinions.npz")
    found = Opinions.read(tmp_path / "opinions.npz")
    assert found.about(TEXTS[::-1]).tolist() == [1.0, -0.25, 0.0, 2.5]
    assert found.about([]).tolist() == []


def test_of_equal_texts_the_first_opinion_counts() -> None:
    assert Opinions.of(["b", "a", "b"], [1.0, 2.0, 3.0]).about(["a", "b"]).tolist() == [2.0, 1.0]


def test_a_text_that_was_never_read_is_refused_with_what_to_do() -> None:
    with pytest.raises(DatasetError, match=r"has not read 2 of 3 texts: train --without expert, or .* teach"):
        OPINIONS.about(["A film.", "A great movie.", "Another."])


def test_no_text_can_be_read_out_of_the_file(tmp_path: Path) -> None:
    OPINIONS.save(tmp_path / "opinions.npz")
    with np.load(tmp_path / "opinions.npz") as arrays:
        assert sorted(arrays) == ["keys", "logits"]
        assert all(array.dtype.kind in "uf" for array in arrays.values())


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x03\x04 half a zip"])
def test_a_damaged_file_is_named(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "opinions.npz").write_bytes(content)
    with pytest.raises(DatasetError, match=r"cannot read .*opinions\.npz"):
        Opinions.read(tmp_path / "opinions.npz")
    with pytest.raises(DatasetError, match=r"cannot read .*absent"):
        Opinions.read(tmp_path / "absent")


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"cannot write .*choose another --out"):
        OPINIONS.save(tmp_path)
