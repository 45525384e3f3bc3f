"""The compiled kernel as Python sees it, by ctypes. Everything about it that is unsafe is in this file.

A call releases the GIL and leaves nothing behind, so any number of threads may compute at once.
"""

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from model.engines.native.weights import Layout, PackedLayer
from model.errors import BatchFailed, EngineUnavailable

# By their places these are the numbers in kernel.cpp.
LEVELS: Final = ("none", "avx2", "avx512", "amx")  # what the processor has, the best last
PRECISIONS: Final = ("fp32", "int16")
_LAYOUTS: Final = (Layout(0), Layout(8), Layout(16), Layout(16, has_tiles=True))  # by level
_DONE, _NO_MEMORY = 0, 1


class _CLayer(ctypes.Structure):
    _fields_ = (
        ("input", ctypes.c_void_p),
        ("weights", ctypes.c_void_p),
        ("tiles", ctypes.c_void_p),
        ("scales", ctypes.c_void_p),
    )


class _CNetwork(ctypes.Structure):
    _fields_ = (
        ("units", ctypes.c_int32),
        ("layer_count", ctypes.c_int32),
        ("layers", ctypes.POINTER(_CLayer)),
        ("initial", ctypes.c_void_p),
    )


class _CRows(ctypes.Structure):
    _fields_ = (
        ("ids", ctypes.c_void_p),
        ("offsets", ctypes.c_void_p),
        ("start", ctypes.c_void_p),
        ("count", ctypes.c_int32),
        ("backwards", ctypes.c_int32),
        ("next", ctypes.c_void_p),
        ("pooled", ctypes.c_void_p),
    )


class _CVocabulary(ctypes.Structure):
    _fields_ = (
        ("bytes", ctypes.c_char_p),
        ("offsets", ctypes.c_void_p),
        ("slots", ctypes.c_void_p),
        ("count", ctypes.c_int32),
        ("mask", ctypes.c_uint32),
    )


class _CTexts(ctypes.Structure):
    _fields_ = (
        ("bytes", ctypes.c_char_p),
        ("offsets", ctypes.c_void_p),
        ("seams", ctypes.c_void_p),
        ("count", ctypes.c_int32),
        ("head", ctypes.c_int32),
        ("tail", ctypes.c_int32),
        ("scratch", ctypes.c_void_p),
        ("ids", ctypes.c_void_p),
        ("rows", ctypes.c_void_p),
    )


class Network:
    """The layers of an LSTM and its initial states (starts, layers, 2, units), kept in memory for the kernel.

    Raises ValueError where they are not of one size.
    """

    def __init__(self, layers: Sequence[PackedLayer], initial: NDArray[np.float32], precision: str) -> None:
        self.units = initial.shape[3]
        self.precision = precision
        for layer, below in zip(layers, [0] + [self.units] * (len(layers) - 1), strict=True):
            gates = 4 * self.units
            if layer.scales.size != gates or layer.weights.size != gates * (below + self.units):
                raise ValueError(f"a layer is not of {self.units} units, as the states with which it begins are")
        self._kept = [initial, *layers]
        structures = [
            _CLayer(_address(x.input), _address(x.weights), _address(x.tiles), _address(x.scales)) for x in layers
        ]
        self.c = _CNetwork(self.units, len(layers), (_CLayer * len(layers))(*structures), _address(initial))


@dataclass(frozen=True, slots=True)
class Words:
    """B rows of word ids. What the numbers point to must exist: nobody looks again."""

    ids: NDArray[np.int32]  # the rows one after another, none of them empty
    offsets: NDArray[np.int64]  # (B + 1,), where each row begins and the last one ends
    start: NDArray[np.int32]  # (B,), with which of the network's initial states each row begins

    def __len__(self) -> int:
        return len(self.start)


class Rows:
    """Words on their way through one network, shared by all threads that compute them."""

    def __init__(self, words: Words, network: Network, *, backwards: bool) -> None:
        self.pooled = np.empty((len(words), 3, network.units), np.float32)  # mean, maximum and last of the states
        self._kept = words
        self._next = np.zeros(1, np.int32)  # the first row that no thread has taken
        self.c = _CRows(
            _address(words.ids, np.int32),
            _address(words.offsets, np.int64),
            _address(words.start, np.int32),
            len(words),
            backwards,
            _address(self._next),
            _address(self.pooled),
        )


class Kernel:
    """The kernel, at one level of what the processor has."""

    def __init__(self, level: str | None = None, path: Path | None = None) -> None:
        """`level` None: the best one. `path`: of a kernel that was compiled elsewhere.

        Raises EngineUnavailable, with the reason and what to do.
        """
        self._library = _load(path or _compiled_kernel())
        available = LEVELS[1 : self._library.best_level() + 1]
        if not available:
            raise EngineUnavailable("the native engine needs an x86-64 processor with AVX2: choose the engine torch")
        self.level = level or available[-1]
        if self.level not in available:
            raise EngineUnavailable(f"level {level!r} cannot be had here; the choices are {', '.join(available)}")
        self.layout = _LAYOUTS[LEVELS.index(self.level)]

    def level_of(self, precision: str) -> str:
        """What computes it: tiles have no fp32."""
        return "avx512" if (self.level, precision) == ("amx", "fp32") else self.level

    def compute(self, network: Network, rows: Rows, *, slots: int) -> None:
        """Compute rows that no thread has taken yet, up to `slots` side by side, until none is left.

        Raises BatchFailed where there is no memory.
        """
        level, precision = LEVELS.index(self.level), PRECISIONS.index(network.precision)
        outcome = self._library.compute(level, precision, ctypes.byref(network.c), ctypes.byref(rows.c), slots)
        if outcome == _NO_MEMORY:
            raise BatchFailed(f"no memory to score {len(rows.pooled)} reviews: use smaller batches")
        if outcome != _DONE:
            raise ValueError(f"this kernel does not compute {self.level} {network.precision}")


class Texts:
    """B texts for the kernel, and what it makes of them."""

    def __init__(self, texts: Sequence[bytes], seams: Sequence[int], *, head: int, tail: int) -> None:
        """`texts` in Latin-1; `seams`: of a text that was cut, where its first end stops; -1 of a whole one.

        Raises ValueError where a seam is outside its text or a limit is negative.
        """
        lengths = np.fromiter(map(len, texts), np.int64, len(texts))
        places = np.fromiter(seams, np.int64, len(texts))
        if head < 0 or tail < 0 or (places > lengths).any():
            raise ValueError(f"texts of {lengths} characters cannot be cut at {places} to {head} and {tail} words")
        offsets = np.zeros(len(texts) + 1, np.int64)
        lengths.cumsum(out=offsets[1:])
        scratch = np.empty(lengths.max(initial=0), np.uint8)
        self.ids = np.empty(np.minimum(lengths, head + tail).sum(), np.int32)  # those of one text after another's
        self.rows = np.empty((len(texts), 4), np.int32)  # of each text: ids, unknown ones, known marks, whether cut
        self._kept = (offsets, places, scratch)
        self.c = _CTexts(
            b"".join(texts),
            _address(offsets),
            _address(places),
            len(texts),
            head,
            tail,
            _address(scratch),
            _address(self.ids),
            _address(self.rows),
        )


class Vocabulary:
    """The kernel's tokenizer for the words of a `WordTokenizer`; any processor will do."""

    def __init__(self, words: Sequence[str], path: Path | None = None) -> None:
        """`path`: of a kernel that was compiled elsewhere. Raises EngineUnavailable, with the reason and what to do."""
        library = _load(path or _compiled_kernel())
        try:
            index, self._tokenize = library.index_words, library.tokenize
        except AttributeError as error:
            raise EngineUnavailable(
                f"the native engine was compiled from older sources: install again ({error})"
            ) from error
        encoded = [in_latin1(word) or b"" for word in words]  # which keeps the others' places
        offsets = np.zeros(len(words) + 1, np.int64)
        np.cumsum([len(word) for word in encoded], out=offsets[1:])
        slots = np.zeros((1 << (2 * len(words)).bit_length(), 2), np.uint32)  # less than half of them will be full
        self._kept = (offsets, slots)
        self._c = _CVocabulary(b"".join(encoded), _address(offsets), _address(slots), len(words), len(slots) - 1)
        index(ctypes.byref(self._c))

    def tokenize(self, texts: Texts) -> None:
        """Fill in what the kernel makes of `texts`."""
        self._tokenize(ctypes.byref(self._c), ctypes.byref(texts.c))


def in_latin1(text: str) -> bytes | None:
    """As the kernel reads it; None where it cannot."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return None


def _load(path: Path) -> Any:
    try:
        return ctypes.CDLL(str(path))
    except OSError as error:
        raise EngineUnavailable(
            f"the native engine cannot be loaded ({error}): install again, or choose the engine torch"
        ) from error


def _compiled_kernel() -> Path:
    for suffix in EXTENSION_SUFFIXES:
        path = Path(__file__).with_name("kernel" + suffix)
        if path.exists():
            return path
    raise EngineUnavailable(
        "the native engine was not compiled: install a C++ compiler and then this package again, "
        "or choose the engine torch"
    )


def _address(array: NDArray[Any], dtype: type | None = None) -> int:
    if not array.flags.c_contiguous or dtype not in (None, array.dtype):
        raise ValueError(f"the kernel reads arrays without gaps, of {dtype}; this is {array.dtype}")
    return array.ctypes.data
