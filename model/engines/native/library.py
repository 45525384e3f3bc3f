"""The compiled kernel, as ctypes sees it. Everything unsafe about it is in this file.

A call releases the GIL and keeps nothing, so any number of threads may compute at once, also the same rows.
"""

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from model.engines.native.weights import PackedLayer
from model.errors import BatchFailed, EngineUnavailable

LANES: Final = {"avx2": 8, "avx512": 16}  # numbers in a vector, by level, the best last
PRECISIONS: Final = ("fp32", "int16")
_LEVELS: Final = ("none", *LANES)  # the places are the numbers in kernel.cpp, as those of PRECISIONS are
_DONE, _NO_MEMORY = 0, 1


class _Layer(ctypes.Structure):
    _fields_ = (("input", ctypes.c_void_p), ("weights", ctypes.c_void_p), ("scales", ctypes.c_void_p))


class _Network(ctypes.Structure):
    _fields_ = (
        ("units", ctypes.c_int32),
        ("layer_count", ctypes.c_int32),
        ("layers", ctypes.POINTER(_Layer)),
        ("initial", ctypes.c_void_p),
    )


class _Rows(ctypes.Structure):
    _fields_ = (
        ("ids", ctypes.c_void_p),
        ("offsets", ctypes.c_void_p),
        ("start", ctypes.c_void_p),
        ("count", ctypes.c_int32),
        ("backwards", ctypes.c_int32),
        ("next", ctypes.c_void_p),
        ("pooled", ctypes.c_void_p),
    )


class Kernel:
    """The kernel, loaded, at one level of the processor."""

    def __init__(self, level: str | None = None, path: Path | None = None) -> None:
        """`level`: one of LANES, None for the best that the processor has. `path`: of a kernel built elsewhere.

        Raises EngineUnavailable, saying why and what to do.
        """
        self._library = _load(path or _built_kernel())
        best = self._library.best_level()
        if best == 0:
            raise EngineUnavailable("the native engine needs a processor with AVX2 and FMA: choose the engine torch")
        self.level = level or _LEVELS[best]
        if self.level not in LANES or _LEVELS.index(self.level) > best:
            levels = ", ".join(_LEVELS[1 : best + 1])
            raise EngineUnavailable(f"level {level!r} is not to be had here; the choices are {levels}")

    @property
    def lanes(self) -> int:
        """Numbers in a vector of this level."""
        return LANES[self.level]

    def compute(self, network: "Network", rows: "Rows", *, slots: int, precision: str) -> None:
        """Compute rows that no other thread has taken yet, `slots` of them side by side, until none is left.

        `precision` is the one for which `network` was packed. Raises BatchFailed where there is no memory.
        """
        outcome = self._library.compute(
            _LEVELS.index(self.level), PRECISIONS.index(precision), network.c, rows.c, slots
        )
        if outcome == _NO_MEMORY:
            raise BatchFailed(f"no memory to score {rows.count} reviews: use smaller batches")
        if outcome != _DONE:
            raise ValueError(f"the kernel does not know {self.level} {precision}")


def _load(path: Path) -> Any:
    try:
        library = ctypes.CDLL(str(path))
    except OSError as error:
        raise EngineUnavailable(f"{path} cannot be loaded ({error}): install again, or choose the engine torch") from error
    library.compute.argtypes = (ctypes.c_int32, ctypes.c_int32, ctypes.POINTER(_Network), ctypes.POINTER(_Rows), ctypes.c_int32)
    return library


def _built_kernel() -> Path:
    for suffix in EXTENSION_SUFFIXES:
        path = Path(__file__).with_name("kernel" + suffix)
        if path.exists():
            return path
    raise EngineUnavailable(
        "the native engine was not compiled: install a C++ compiler and then this package again, "
        "or choose the engine torch"
    )


class Network:
    """Layers and initial states (starts, layers, 2, units) as the kernel reads them; it holds their memory."""

    def __init__(self, layers: Sequence[PackedLayer], initial: NDArray[np.float32]) -> None:
        self.units = initial.shape[3]
        self._initial = np.ascontiguousarray(initial, np.float32)
        self._layers = tuple(layers)
        structures = [_Layer(_address(x.input), _address(x.weights), _address(x.scales)) for x in layers]
        self.c = _Network(
            self.units, len(layers), (_Layer * len(layers))(*structures), _address(self._initial)
        )


@dataclass(frozen=True, slots=True)
class Words:
    """Rows of word ids, checked by whoever makes them: an id that the table lacks would read foreign memory."""

    ids: NDArray[np.int32]  # all rows, one after another
    offsets: NDArray[np.int64]  # (B + 1,), where each begins and the last one ends; none is empty
    start: NDArray[np.int32]  # (B,), which of the network's initial states each begins with

    def __post_init__(self) -> None:
        _check(self.ids, np.int32)
        _check(self.offsets, np.int64, len(self.start) + 1)
        _check(self.start, np.int32)


class Rows:
    """Words on their way through one network, and what it makes of them; shared by the threads that compute them."""

    def __init__(self, words: Words, *, units: int, backwards: bool) -> None:
        self.count = len(words.start)
        self.pooled = np.empty((self.count, 3, units), np.float32)  # mean, maximum, last of the top layer's states
        self._words = words
        self._next = np.zeros(1, np.int32)
        self.c = _Rows(
            _address(words.ids),
            _address(words.offsets),
            _address(words.start),
            self.count,
            backwards,
            _address(self._next),
            _address(self.pooled),
        )


def _check(array: NDArray[Any], dtype: type, length: int | None = None) -> None:
    if array.dtype != dtype or array.ndim != 1 or not array.flags.c_contiguous or length not in (None, len(array)):
        raise ValueError(f"needed: a contiguous vector of {dtype.__name__}, {length or 'any number'} of them")


def _address(array: NDArray[Any]) -> int:
    if not array.flags.c_contiguous:
        raise ValueError("the kernel reads arrays without gaps only")
    return array.ctypes.data
