"""A trained model on disk: one directory that holds everything needed to score.

    manifest.json         size and sha256 of the files below; its own sha256 names the model in every result
    config.json           `ArtifactConfig`
    tokenizer.json        `Tokenizer.to_json`
    weights.safetensors   the network's weights by name, float16 or float32
    MODEL_CARD.md         for people: data, recipe, figures, limits

Nothing is parsed before its size and digest were checked, and no format is read that can carry code.
"""

import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from model.artifact_parts import (
    FORMAT_VERSION,
    ArtifactConfig,
    Calibration,
    StorageDtype,
    architecture_of,
    check_tokenizer,
    config_from_json,
    config_to_json,
    object_from_json,
    to_json,
    weights_from_bytes,
    weights_to_bytes,
)
from model.errors import ArtifactError
from model.golden import golden_reviews
from model.network_config import AnyNetworkConfig, Weights
from model.tokenizer import Tokenizer, tokenizer_from_json

__all__ = [
    "Artifact",
    "ArtifactConfig",
    "Calibration",
    "StorageDtype",
    "architecture_of",
    "load_artifact",
    "save_artifact",
]

MANIFEST = "manifest.json"
CONFIG = "config.json"
TOKENIZER = "tokenizer.json"
WEIGHTS = "weights.safetensors"
CARD = "MODEL_CARD.md"
_LISTED = (CONFIG, TOKENIZER, WEIGHTS, CARD)

_MAX_MANIFEST_BYTES = 64 * 1024  # the one file that is read before a digest vouches for it
_DIGEST = re.compile(r"[0-9a-f]{64}")
_REMEDY = "the artifact is damaged or was changed by hand: copy it or make it again"


@dataclass(frozen=True, slots=True)
class Artifact:
    """A model, loaded and checked."""

    config: ArtifactConfig
    tokenizer: Tokenizer
    weights: Weights  # those that `config.network` asks for, all finite
    card: str
    sha256: str  # of manifest.json
    directory: Path


def save_artifact(
    directory: Path,
    *,
    name: str,
    version: str,
    network: AnyNetworkConfig,
    weights: Weights,
    tokenizer: Tokenizer,
    calibration: Calibration,
    card: str,
    storage_dtype: StorageDtype = np.float16,
) -> Artifact:
    """Write an artifact and return it as it will be loaded: with the weights rounded to `storage_dtype`.

    An artifact in that place is replaced, by a whole one or not
    at all. Raises ArtifactError where the parts do not fit together or the directory cannot be written.
    """
    created = datetime.now(UTC).isoformat(timespec="seconds")
    config = ArtifactConfig(name, version, created, network, calibration, golden=())
    with _blame(directory, "nothing was written; give parts that fit together"):
        check_tokenizer(tokenizer, config)
        stored = weights_to_bytes(weights, storage_dtype)
        golden = golden_reviews(network, weights_from_bytes(config, stored), tokenizer, calibration)
        files = {
            CONFIG: to_json(config_to_json(replace(config, golden=golden))),
            TOKENIZER: to_json(tokenizer.to_json()),
            WEIGHTS: stored,
            CARD: card.encode(),
        }
    files[MANIFEST] = _manifest({name: (len(content), _sha256(content)) for name, content in files.items()})
    artifact = _decode(files, directory)  # what could not be loaded again is not written
    if directory.exists() and not (directory / MANIFEST).is_file():
        raise ArtifactError(f"{directory}: exists and is not an artifact: remove it or choose another place")
    try:
        _write_then_swap(directory, files)
    except OSError as error:
        raise ArtifactError(f"{directory}: cannot be written ({error.strerror}): choose another place") from error
    return artifact


def load_artifact(directory: Path) -> Artifact:
    """Read and check. Raises ArtifactError, naming the file, what is wrong with it and what to do."""
    _check_directory(directory)
    files = {MANIFEST: _read(directory / MANIFEST, max_bytes=_MAX_MANIFEST_BYTES)}
    with _blame(directory / MANIFEST):
        listed = _listed_files(files[MANIFEST])
    for name, (size_bytes, sha256) in listed.items():
        files[name] = _read(directory / name, max_bytes=size_bytes)
        with _blame(directory / name):
            if len(files[name]) != size_bytes:
                raise ValueError(f"it has {len(files[name])} bytes, {MANIFEST} says {size_bytes}")
            if _sha256(files[name]) != sha256:
                raise ValueError(f"its sha256 is not the one in {MANIFEST}")
    return _decode(files, directory)


@contextmanager
def _blame(path: Path, remedy: str = _REMEDY) -> Iterator[None]:
    """Turn what a decoder complains of into our error, with the file's name and what to do."""
    try:
        yield
    except ValueError as error:
        raise ArtifactError(f"{path}: {error}: {remedy}") from error


def _check_directory(directory: Path) -> None:
    try:
        exists = directory.is_dir()
    except OSError as error:  # a name that is too long, a directory above it that may not be entered
        raise ArtifactError(f"{directory}: cannot be read ({error.strerror}): check the path") from error
    if not exists:
        raise ArtifactError(f"{directory}: there is no such directory: give the directory of an artifact")


def _read(path: Path, *, max_bytes: int) -> bytes:
    try:
        if not path.is_file():
            raise ArtifactError(f"{path}: there is no such file: {_REMEDY}")
        if path.stat().st_size > max_bytes:
            raise ArtifactError(f"{path}: it has more than {max_bytes} bytes: {_REMEDY}")
        return path.read_bytes()
    except OSError as error:
        raise ArtifactError(f"{path}: cannot be read ({error.strerror}): check its permissions") from error


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _manifest(listed: Mapping[str, tuple[int, str]]) -> bytes:
    entries = {name: {"size_bytes": listed[name][0], "sha256": listed[name][1]} for name in _LISTED}
    return to_json({"format_version": FORMAT_VERSION, "files": entries})


def _listed_files(manifest: bytes) -> dict[str, tuple[int, str]]:
    """Size and digest of each file. The names are ours, so that no manifest can point outside its directory."""
    document = object_from_json(manifest)
    if document.get("format_version") != FORMAT_VERSION:
        raise ValueError(f"format_version is not {FORMAT_VERSION}, the one that this program reads")
    entries = document.get("files")
    if not isinstance(entries, dict) or entries.keys() != set(_LISTED):
        raise ValueError(f"it must list exactly {', '.join(_LISTED)}")
    listed = {}
    for name in _LISTED:
        match entries[name]:
            case {"size_bytes": int(size_bytes), "sha256": str(sha256)} if _DIGEST.fullmatch(sha256):
                listed[name] = (int(size_bytes), sha256)  # JSON's true is an int, too
            case _:
                raise ValueError(f"{name} needs a size_bytes and a sha256")
    if _manifest(listed) != manifest:  # its digest names the model: the same content must not have two
        raise ValueError("it is not written as this program writes it")
    return listed


def _decode(files: Mapping[str, bytes], directory: Path) -> Artifact:
    with _blame(directory / CONFIG):
        config = config_from_json(object_from_json(files[CONFIG]))
    with _blame(directory / TOKENIZER):
        tokenizer = tokenizer_from_json(object_from_json(files[TOKENIZER]))
        check_tokenizer(tokenizer, config)
    with _blame(directory / WEIGHTS):
        weights = weights_from_bytes(config, files[WEIGHTS])
    with _blame(directory / CARD):
        card = files[CARD].decode()
    return Artifact(config, tokenizer, weights, card, _sha256(files[MANIFEST]), directory)


def _write_then_swap(directory: Path, files: Mapping[str, bytes]) -> None:
    """A reader finds the old artifact, the new one or, for an instant, none; never a mixture."""
    directory.parent.mkdir(parents=True, exist_ok=True)
    suffix = secrets.token_hex(4)
    fresh = directory.with_name(f".{directory.name}.{suffix}.new")
    stale = directory.with_name(f".{directory.name}.{suffix}.old")
    try:
        fresh.mkdir()
        for name, content in files.items():
            _write_durably(fresh / name, content)
        if directory.exists():
            directory.rename(stale)
        fresh.rename(directory)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.rmtree(stale, ignore_errors=True)


def _write_durably(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
