"""A trained model on disk: one directory that holds everything needed to score.

    manifest.json         size and sha256 of the files below; its own sha256 identifies the model in every result
    config.json           `ArtifactConfig`
    tokenizer.json        `Tokenizer.to_json`
    weights.safetensors   the network's weights by name, float16 or float32
    MODEL_CARD.md         for people: data, recipe, figures, limits

Every file is checked against its size and digest before it is parsed, and no format can carry code.
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

from model import artifact_parts as parts
from model.artifact_parts import ArtifactConfig, Calibration, StorageDtype, architecture_of
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

_MAX_MANIFEST_BYTES = 64 * 1024  # the only file that no digest protects
_DIGEST = re.compile(r"[0-9a-f]{64}")
_REMEDY = "the artifact is damaged or was changed by hand: copy it or make it again"


@dataclass(frozen=True, slots=True)
class Artifact:
    """A model, loaded and checked."""

    config: ArtifactConfig
    tokenizer: Tokenizer
    weights: Weights  # exactly those of `config.network`, float32, all finite
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
    """Write an artifact and return it as it will be loaded, with the weights rounded to `storage_dtype`.

    Replaces an artifact in `directory` completely or not at all. Raises ArtifactError where the parts do not fit
    together or the directory cannot be written.
    """
    created = datetime.now(UTC).isoformat(timespec="seconds")
    config = ArtifactConfig(name, version, created, network, calibration, golden=())
    with _blame(directory, "nothing was written; give parts that fit together"):
        parts.check_tokenizer(tokenizer, config)
        stored = parts.weights_to_bytes(weights, storage_dtype)
        golden = golden_reviews(network, parts.weights_from_bytes(config, stored), tokenizer, calibration)
        files = {
            CONFIG: parts.to_json(parts.config_to_json(replace(config, golden=golden))),
            TOKENIZER: parts.to_json(tokenizer.to_json()),
            WEIGHTS: stored,
            CARD: card.encode(),
        }
    files[MANIFEST] = _manifest({name: (len(content), _sha256(content)) for name, content in files.items()})
    artifact = _decode(files, directory)  # before writing, so that an artifact that cannot be loaded is not written
    if directory.exists() and not (directory / MANIFEST).is_file():
        raise ArtifactError(f"{directory}: exists and is not an artifact: remove it or choose another place")
    try:
        _write_then_swap(directory, files)
    except OSError as error:
        raise ArtifactError(f"{directory}: cannot be written ({error.strerror}): choose another place") from error
    return artifact


def load_artifact(directory: Path) -> Artifact:
    """Read and check an artifact. Raises ArtifactError, which names the file, the problem and what to do."""
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
    """Raise a decoder's ValueError as ArtifactError, with the file's name and what to do."""
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
    return parts.to_json({"format_version": parts.FORMAT_VERSION, "files": entries})


def _listed_files(manifest: bytes) -> dict[str, tuple[int, str]]:
    """Size and digest of each file. The names are fixed, so no manifest can point outside its directory."""
    document = parts.object_from_json(manifest)
    parts.check_format_version(document)
    entries = document.get("files")
    if not isinstance(entries, dict) or entries.keys() != set(_LISTED):
        raise ValueError(f"it must list exactly {', '.join(_LISTED)}")
    listed = {}
    for name in _LISTED:
        match entries[name]:
            case {"size_bytes": int(size_bytes), "sha256": str(sha256)} if _DIGEST.fullmatch(sha256):
                listed[name] = (int(size_bytes), sha256)  # because JSON's true is an int, too
            case _:
                raise ValueError(f"{name} needs a size_bytes and a sha256")
    if _manifest(listed) != manifest:  # its digest identifies the model, so the same content must not have two
        raise ValueError("it is not formatted as this program writes it")
    return listed


def _decode(files: Mapping[str, bytes], directory: Path) -> Artifact:
    with _blame(directory / CONFIG):
        config = parts.config_from_json(parts.object_from_json(files[CONFIG]))
    with _blame(directory / TOKENIZER):
        tokenizer = tokenizer_from_json(parts.object_from_json(files[TOKENIZER]))
        parts.check_tokenizer(tokenizer, config)
    with _blame(directory / WEIGHTS):
        weights = parts.weights_from_bytes(config, files[WEIGHTS])
    with _blame(directory / CARD):
        card = files[CARD].decode()
    return Artifact(config, tokenizer, weights, card, _sha256(files[MANIFEST]), directory)


def _write_then_swap(directory: Path, files: Mapping[str, bytes]) -> None:
    """Write a new directory, then swap. A reader finds the old artifact, the new one or, briefly, none; never a mix."""
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
