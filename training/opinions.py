"""The expert's opinions of texts. The package contains them instead of the expert, because running it takes a GPU."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import ArrayLike, NDArray

from training.errors import DatasetError, OutputError

_SHIPPED = "opinions.npz"


@dataclass(frozen=True, slots=True)
class Opinions:
    """Log-odds of P(positive) by text, not calibrated; holds the digest of each text, not the text."""

    keys: NDArray[np.uint64]  # (N,), ascending
    logits: NDArray[np.float16]  # (N,)

    @classmethod
    def of(cls, texts: Sequence[str], logits: ArrayLike) -> "Opinions":
        """The opinions with log-odds `logits` (N,) of N texts; of equal texts the first one counts."""
        keys, first = np.unique(_keys(texts), return_index=True)
        return cls(keys, np.asarray(logits, np.float16)[first])

    @classmethod
    def shipped(cls) -> "Opinions":
        """The opinions in this package."""
        with as_file(files("training").joinpath("lists", _SHIPPED)) as path:
            return cls.read(path)

    @classmethod
    def read(cls, path: Path) -> "Opinions":
        """Read what `save` wrote. Raises DatasetError."""
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                return cls(arrays["keys"].astype(np.uint64), arrays["logits"].astype(np.float16))
        except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
            raise DatasetError(
                f"cannot read {path} ({error}): give --opinions the file that `python -m training teach` wrote"
            ) from error

    def save(self, path: Path) -> None:
        """Write a file for `read`. Raises OutputError."""
        try:
            with path.open("wb") as file:
                np.savez_compressed(file, keys=self.keys, logits=self.logits)
        except OSError as error:
            raise OutputError(f"cannot write {path}: {error.strerror or error}; choose another --out") from error

    def about(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Log-odds (B,) of these texts. Raises DatasetError where the expert has not read one of them."""
        keys = _keys(texts)
        places = np.searchsorted(self.keys, keys)
        known = places < len(self.keys)
        known[known] = self.keys[places[known]] == keys[known]
        if not known.all():
            raise DatasetError(
                f"the expert has not read {np.sum(~known):,} of {len(texts):,} texts: train --without expert, or let "
                "it read yours (python -m training teach) and give --opinions its file"
            )
        return self.logits[places].astype(np.float64)


def _keys(texts: Sequence[str]) -> NDArray[np.uint64]:
    digests = (hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest() for text in texts)
    return np.frombuffer(b"".join(digests), "<u8").astype(np.uint64)
