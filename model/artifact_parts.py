"""The parts of an artifact as bytes, and back. Decoding checks everything; its ValueErrors say what is wrong."""

import json
import math
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeVar, get_type_hints

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray
from safetensors import SafetensorError, deserialize

from model.network_config import AnyNetworkConfig, NetworkConfig, SentimentRnnConfig, Shapes, Weights
from model.predictor import GoldenReview
from model.tokenizer import ReferenceTokenizer, Tokenizer, WordTokenizer

FORMAT_VERSION = 2

# Larger sizes are a mistake, and would be slow to build even without memory.
_MAX_SIZE = 10_000_000
_MAX_SIZES = {"network.n_layers": 64}

# The types of stored weights, by their names in safetensors. Engines always get float32.
_STORED = {"F16": np.float16, "F32": np.float32}

StorageDtype = type[np.float16] | type[np.float32]
Numbers = Mapping[str, NDArray[np.floating[Any]]]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Calibration:
    """Probability = sigmoid(logit / temperature + bias), fitted on reviews that were not used for training."""

    temperature: float = 1.0
    bias: float = 0.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.temperature) and self.temperature > 0 and math.isfinite(self.bias)):
            raise ValueError(f"temperature must be positive, and both finite: {self}")

    def probabilities(self, logits: NDArray[np.float64]) -> NDArray[np.float64]:
        """P(positive) of logits, same shape."""
        # The sigmoid as a tanh is exact to float64 rounding, and has no exponential that could overflow. The quotient
        # overflows if the temperature is tiny; the tanh of infinity is right then.
        with np.errstate(over="ignore"):
            return 0.5 * (1.0 + np.tanh(0.5 * (logits / self.temperature + self.bias)))

    def scores(self, logits: NDArray[np.float64], evidence: NDArray[np.float64]) -> NDArray[np.float64]:
        """P(positive) (B,), drawn towards 0.5 where `evidence` (B,) is below 1: see `TokenizedText.evidence`."""
        return 0.5 + evidence * (self.probabilities(logits) - 0.5)


@dataclass(frozen=True, slots=True)
class ArtifactConfig:
    """The content of config.json."""

    name: str
    version: str
    created: str  # RFC 3339
    network: AnyNetworkConfig
    calibration: Calibration
    golden: tuple[GoldenReview, ...]


@dataclass(frozen=True, slots=True)
class _Architecture:
    """The parts that belong to one kind of network."""

    padding: str  # the side on which shorter reviews are padded
    config: type[NetworkConfig] | type[SentimentRnnConfig]
    tokenizer: type[WordTokenizer] | type[ReferenceTokenizer]


_ARCHITECTURES = {
    "bilstm": _Architecture("right", NetworkConfig, WordTokenizer),
    "sentiment_rnn": _Architecture("left", SentimentRnnConfig, ReferenceTokenizer),
}


def architecture_of(config: ArtifactConfig) -> str:
    """The name of this kind of network in config.json."""
    return next(name for name, kind in _ARCHITECTURES.items() if isinstance(config.network, kind.config))


def to_json(document: Mapping[str, Any]) -> bytes:
    """Indented for people and diffs; ASCII, because a lone surrogate in a word has no UTF-8."""
    return (json.dumps(document, indent=1, allow_nan=False) + "\n").encode("ascii")


def from_json(content: bytes) -> Any:
    """Any JSON value. Raises ValueError for anything else, and for JSON nested too deeply."""
    try:
        return json.loads(content, parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError("it is nested too deeply to be read") from None
    except ValueError as error:
        raise ValueError(f"it is not JSON ({error})") from error


def object_from_json(content: bytes) -> dict[str, Any]:
    """A JSON object. Raises ValueError for anything else."""
    match from_json(content):
        case dict() as document:
            return document
    raise ValueError("it is JSON, but not an object")


def _refuse_constant(constant: str) -> None:
    raise ValueError(f"{constant} is not a number in JSON")


def config_to_json(config: ArtifactConfig) -> dict[str, Any]:
    """The JSON object of config.json."""
    architecture = architecture_of(config)
    return {
        "format_version": FORMAT_VERSION,
        "name": config.name,
        "version": config.version,
        "created": config.created,
        "architecture": architecture,
        "padding": _ARCHITECTURES[architecture].padding,
        "network": asdict(config.network),
        "calibration": asdict(config.calibration),
        "golden": [asdict(review) for review in config.golden],
    }


def config_from_json(document: Mapping[str, Any]) -> ArtifactConfig:
    """Inverse of `config_to_json`. Raises ValueError."""
    check_format_version(document)
    architecture = document.get("architecture")
    if not isinstance(architecture, str) or architecture not in _ARCHITECTURES:
        raise ValueError(f"architecture is not one of {', '.join(_ARCHITECTURES)}")
    kind = _ARCHITECTURES[architecture]
    if document.get("padding") != kind.padding:
        raise ValueError(f"padding must be {kind.padding!r} for {architecture}")
    network: AnyNetworkConfig = _read_fields(kind.config, document.get("network"), "network")
    calibration = _read_fields(Calibration, document.get("calibration"), "calibration")
    match document:
        case {"golden": list(reviews)}:
            golden = tuple(_read_fields(GoldenReview, review, "golden") for review in reviews)
        case _:
            raise ValueError("golden must be a list of reviews")
    match document:
        case {"name": str(name), "version": str(version), "created": str(created)} if name and version:
            return ArtifactConfig(name, version, created, network, calibration, golden)
    raise ValueError("name, version and created must be texts, and the first two not empty")


def check_format_version(document: Mapping[str, Any]) -> None:
    """Raise ValueError where the document has another format than this program reads."""
    if document.get("format_version") != FORMAT_VERSION:
        raise ValueError(f"format_version is not {FORMAT_VERSION}, the one that this program reads")


def _read_fields(kind: type[T], document: object, name: str) -> T:
    """A flat dataclass from a JSON object with exactly its fields, each of exactly its type."""
    hints = get_type_hints(kind)
    if not isinstance(document, dict) or document.keys() != hints.keys():
        raise ValueError(f"{name} must be an object with the fields {', '.join(hints)}")
    return kind(**{field: _read_value(document[field], hints[field], f"{name}.{field}") for field in hints})


def _read_value(value: Any, wanted: type, name: str) -> Any:
    """A finite number as float, a size as int, any other value only if it has exactly the `wanted` type."""
    if wanted is float and type(value) in (int, float):
        if not abs(value) <= sys.float_info.max:
            raise ValueError(f"{name} must be finite")
        return float(value)
    if type(value) is not wanted:
        raise ValueError(f"{name} must be of type {wanted.__name__}")
    largest = _MAX_SIZES.get(name, _MAX_SIZE)
    if isinstance(value, int) and not 1 <= value <= largest:
        raise ValueError(f"{name} must be from 1 to {largest}")
    return value


def weights_to_bytes(weights: Weights, storage_dtype: StorageDtype) -> bytes:
    """Weights as safetensors, rounded to `storage_dtype`. Raises ValueError where one is not finite then."""
    with np.errstate(over="ignore"):  # infinite values are refused below, with their names
        rounded: Numbers = {name: weight.astype(storage_dtype) for name, weight in weights.items()}
    _check_finite(rounded)
    return safetensors.numpy.save(dict(rounded))


def weights_from_bytes(config: ArtifactConfig, content: bytes) -> Weights:
    """The weights of `config`'s network, float32 and read-only. Raises ValueError where they do not fit it."""
    try:
        stored = dict(deserialize(content))  # type: ignore[no-untyped-call]  # its stub gives no types
    except SafetensorError as error:
        raise ValueError(f"it is not a safetensors file that can be read ({error})") from error
    _check_shapes({name: (entry["dtype"], tuple(entry["shape"])) for name, entry in stored.items()}, config)
    numbers: Numbers = {
        name: np.frombuffer(entry["data"], _STORED[entry["dtype"]]).reshape(entry["shape"])
        for name, entry in stored.items()
    }
    _check_finite(numbers)
    weights = {name: weight.astype(np.float32) for name, weight in numbers.items()}
    for weight in weights.values():
        weight.setflags(write=False)
    return weights


def _check_shapes(stored: Mapping[str, tuple[str, tuple[int, ...]]], config: ArtifactConfig) -> None:
    wanted: Shapes = config.network.weight_shapes()
    if stored.keys() != wanted.keys():
        differing = ", ".join(sorted(stored.keys() ^ wanted.keys())[:3])
        raise ValueError(f"it does not hold the weights of the network in config.json (see {differing})")
    for name, (dtype, shape) in stored.items():
        if shape != wanted[name]:
            raise ValueError(f"{name} has the shape {shape}; config.json asks for {wanted[name]}")
        if dtype not in _STORED:
            raise ValueError(f"{name} is stored as {dtype}, not as {' or '.join(_STORED)}")


def _check_finite(weights: Numbers) -> None:
    for name, weight in weights.items():
        if not np.isfinite(weight).all():
            raise ValueError(f"{name} has values that are not finite in {weight.dtype}")


def check_tokenizer(tokenizer: Tokenizer, config: ArtifactConfig) -> None:
    """Raise ValueError where `tokenizer` is of another kind than the network's or has ids that the network lacks."""
    architecture = architecture_of(config)
    if type(tokenizer) is not _ARCHITECTURES[architecture].tokenizer:
        raise ValueError(f"it is not of the type that {architecture} needs")
    if tokenizer.vocab_size > config.network.vocab_size:
        raise ValueError(f"it has {tokenizer.vocab_size} ids, the network only {config.network.vocab_size}")
