"""The compiled kernel, called through ctypes. All unsafe code is in this file.

A call releases the GIL and keeps no state, so any number of threads may compute at once.
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

# The position in each tuple is the number in kernel.cpp.
LEVELS: Final = ("none", "avx2", "avx512", "amx")  # instruction sets, the best last
PRECISIONS: Final = ("fp32", "int16")
_LAYOUTS: Final = (Layout(0), Layout(8), Layout(16), Layout(16, has_tiles=True))  # by level
_DONE, _NO_MEMORY = 0, 1


def _fields(kind: type, *names: str) -> tuple[tuple[str, type], ...]:
    return tuple((name, kind) for name in names)


# The structures of network.h and words.h, field by field.
class _CLayer(ctypes.Structure):
    _fields_ = _fields(ctypes.c_void_p, "input", "weights", "tiles", "scales")


class _CNetwork(ctypes.Structure):
    _fields_ = (
        *_fields(ctypes.c_int32, "units", "layer_count"),
        ("layers", ctypes.POINTER(_CLayer)),
        ("initial", ctypes.c_void_p),
    )


class _CRows(ctypes.Structure):
    _fields_ = (
        *_fields(ctypes.c_void_p, "ids", "offsets", "start"),
        *_fields(ctypes.c_int32, "count", "backwards"),
        *_fields(ctypes.c_void_p, "next", "pooled"),
    )


class _CVocabulary(ctypes.Structure):
    _fields_ = (
        ("bytes", ctypes.c_char_p),
        *_fields(ctypes.c_void_p, "offsets", "slots"),
        ("count", ctypes.c_int32),
        ("mask", ctypes.c_uint32),
    )


class _CTexts(ctypes.Structure):
    _fields_ = (
        ("bytes", ctypes.c_char_p),
        *_fields(ctypes.c_void_p, "offsets", "seams"),
        *_fields(ctypes.c_int32, "count", "head", "tail"),
        *_fields(ctypes.c_void_p, "scratch", "ids", "rows"),
    )


class KernelNetwork:
    """An LSTM's layers and initial states (starts, layers, 2, units) for the kernel. ValueError where sizes differ."""

    def __init__(self, layers: Sequence[PackedLayer], initial: NDArray[np.float32], precision: str) -> None:
        self.units = initial.shape[3]
        self.precision = precision
        for layer, below in zip(layers, [0] + [self.units] * (len(layers) - 1), strict=True):
            gates = 4 * self.units
            if layer.scales.size != gates or layer.weights.size != gates * (below + self.units):
                raise ValueError(f"a layer does not have {self.units} units, as its initial states have")
        self._kept = [initial, *layers]
        structures = [
            _CLayer(_address(x.input), _address(x.weights), _address(x.tiles), _address(x.scales)) for x in layers
        ]
        self.c = _CNetwork(self.units, len(layers), (_CLayer * len(layers))(*structures), _address(initial))


@dataclass(frozen=True, slots=True)
class Words:
    """B rows of word ids. The kernel checks none of these numbers."""

    ids: NDArray[np.int32]  # the rows one after another, none of them empty
    offsets: NDArray[np.int64]  # (B + 1,), where each row begins and the last one ends
    start: NDArray[np.int32]  # (B,), the index of each row's initial states

    def __len__(self) -> int:
        return len(self.start)


class Rows:
    """The words and results of one computation, shared by all threads that compute it."""

    def __init__(self, words: Words, network: KernelNetwork, *, backwards: bool) -> None:
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
    """The kernel, at one level of the processor's instruction sets."""

    def __init__(self, level: str | None = None, path: Path | None = None) -> None:
        """`level` None: the best one. `path`: another kernel than the installed one. Raises EngineUnavailable."""
        self._library = _load(path or _compiled_kernel())
        available = LEVELS[1 : self._library.best_level() + 1]
        if not available:
            raise EngineUnavailable("the native engine needs an x86-64 processor with AVX2: choose the engine torch")
        self.level = level or available[-1]
        if self.level not in available:
            raise EngineUnavailable(f"level {level!r} is not available here; the choices are {', '.join(available)}")
        self.layout = _LAYOUTS[LEVELS.index(self.level)]

    def level_of(self, precision: str) -> str:
        """The level that computes this precision: tiles have no fp32."""
        return "avx512" if (self.level, precision) == ("amx", "fp32") else self.level

    def compute(self, network: KernelNetwork, rows: Rows, *, slots: int) -> None:
        """Compute the rows that no thread has taken, up to `slots` side by side. Raises BatchFailed without memory."""
        level, precision = LEVELS.index(self.level), PRECISIONS.index(network.precision)
        status = self._library.compute(level, precision, ctypes.byref(network.c), ctypes.byref(rows.c), slots)
        if status == _NO_MEMORY:
            raise BatchFailed(f"no memory to score {len(rows.pooled)} reviews: use smaller batches")
        if status != _DONE:
            raise ValueError(f"this kernel does not compute {self.level} {network.precision}")


class Texts:
    """B texts for the kernel, and their ids."""

    def __init__(self, texts: Sequence[bytes], seams: Sequence[int], *, head: int, tail: int) -> None:
        """`texts` in Latin-1; `seams`: for a text that was cut, the length of its first part; for a whole one, -1.

        Raises ValueError where a seam is outside its text or a limit is negative.
        """
        lengths = np.fromiter(map(len, texts), np.int64, len(texts))
        places = np.fromiter(seams, np.int64, len(texts))
        if head < 0 or tail < 0 or (places > lengths).any():
            raise ValueError(f"texts of {lengths} characters cannot be cut at {places} to {head} and {tail} words")
        offsets = np.zeros(len(texts) + 1, np.int64)
        lengths.cumsum(out=offsets[1:])
        scratch = np.empty(lengths.max(initial=0), np.uint8)
        self.ids = np.empty(np.minimum(lengths, head + tail).sum(), np.int32)  # of one text after another
        self.rows = np.empty((len(texts), 4), np.int32)  # numbers of ids, unknown ones and known marks; 1 if truncated
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
    """The kernel's tokenizer for the words of a `WordTokenizer`; it runs on any processor."""

    def __init__(self, words: Sequence[str], path: Path | None = None) -> None:
        """`path`: another compiled kernel than the installed one. Raises EngineUnavailable, with what to do."""
        library = _load(path or _compiled_kernel())
        try:
            index, self._tokenize = library.index_words, library.tokenize
        except AttributeError as error:
            message = f"the native engine was compiled from older sources: install again ({error})"
            raise EngineUnavailable(message) from error
        encoded = [in_latin1(word) or b"" for word in words]  # an empty word keeps the ids of the others
        offsets = np.zeros(len(words) + 1, np.int64)
        np.cumsum([len(word) for word in encoded], out=offsets[1:])
        slots = np.zeros((1 << (2 * len(words)).bit_length(), 2), np.uint32)  # fewer than half will be used
        self._kept = (offsets, slots)
        self._c = _CVocabulary(b"".join(encoded), _address(offsets), _address(slots), len(words), len(slots) - 1)
        index(ctypes.byref(self._c))

    def tokenize(self, texts: Texts) -> None:
        """Fill in `ids` and `rows` of `texts`."""
        self._tokenize(ctypes.byref(self._c), ctypes.byref(texts.c))


def in_latin1(text: str) -> bytes | None:
    """The text as the kernel reads it; None where Latin-1 lacks a character."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return None


def _load(path: Path) -> Any:
    try:
        return ctypes.CDLL(str(path))
    except OSError as error:
        message = f"the native engine cannot be loaded ({error}): install again, or choose the engine torch"
        raise EngineUnavailable(message) from error


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
        raise ValueError(f"the kernel reads contiguous arrays of {dtype}; this one is {array.dtype}")
    return array.ctypes.data
