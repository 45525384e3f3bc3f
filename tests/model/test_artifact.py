"""The artifact on disk: what is written is read back, and damage is refused."""

import dataclasses
import hashlib
import json
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from model.artifact import (
    CARD,
    CONFIG,
    MANIFEST,
    TOKENIZER,
    WEIGHTS,
    Artifact,
    Calibration,
    StorageDtype,
    load_artifact,
    save_artifact,
)
from model.artifact_parts import FORMAT_VERSION
from model.errors import ArtifactError
from model.network_config import NetworkConfig
from model.tokenizer import ReferenceTokenizer, WordTokenizer
from tests.support.artifacts import WORDS, Bomb, tiny_bilstm, tiny_reference

FILES = (MANIFEST, CONFIG, TOKENIZER, WEIGHTS, CARD)
every_file = pytest.mark.parametrize("name", FILES)


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return tiny_bilstm(tmp_path_factory.mktemp("model") / "artifact")


@pytest.fixture
def directory(pristine: Artifact, tmp_path: Path) -> Path:
    """A copy to be damaged."""
    return Path(shutil.copytree(pristine.directory, tmp_path / "artifact"))


def sign(directory: Path) -> None:
    """Rewrite the manifest, as an attacker would."""
    files = {
        name: {
            "size_bytes": (directory / name).stat().st_size,
            "sha256": hashlib.sha256((directory / name).read_bytes()).hexdigest(),
        }
        for name in (CONFIG, TOKENIZER, WEIGHTS, CARD)
    }
    manifest = json.dumps({"format_version": FORMAT_VERSION, "files": files}, indent=1) + "\n"
    (directory / MANIFEST).write_text(manifest)


def refused(directory: Path, match: str, *, signed: bool = False) -> None:
    """The artifact is refused with this error, also if its manifest matches."""
    if signed:
        refused(directory, match, signed=True)


def rewrite(path: Path, change: Callable[[dict[str, Any]], object], indent: int | None = 1) -> None:
    """Write what `change` returns for the document, or the document that it changed in place."""
    document = json.loads(path.read_bytes())
    changed = change(document)
    path.write_text(json.dumps(document if changed is None else changed, indent=indent) + "\n")


# Writing and reading back


@pytest.mark.parametrize("make", [tiny_bilstm, tiny_reference])
def test_an_artifact_is_loaded_as_it_was_saved(make: Callable[[Path], Artifact], tmp_path: Path) -> None:
    saved = make(tmp_path / "artifact")
    loaded = load_artifact(saved.directory)
    assert loaded.config == saved.config
    assert loaded.card == saved.card
    assert loaded.sha256 == saved.sha256
    assert loaded.tokenizer.to_json() == saved.tokenizer.to_json()
    assert loaded.weights.keys() == saved.weights.keys()
    for name, weight in saved.weights.items():
        assert np.array_equal(loaded.weights[name], weight)


def test_loaded_weights_are_float32_and_cannot_be_changed(pristine: Artifact) -> None:
    for weight in load_artifact(pristine.directory).weights.values():
        assert weight.dtype == np.float32
        with pytest.raises(ValueError, match="read-only"):
            weight.fill(0)


def test_the_digest_is_that_of_the_manifest(pristine: Artifact) -> None:
    manifest = (pristine.directory / MANIFEST).read_bytes()
    assert pristine.sha256 == hashlib.sha256(manifest).hexdigest()


def test_it_consists_of_five_files_without_any_pickle(pristine: Artifact) -> None:
    assert sorted(path.name for path in pristine.directory.iterdir()) == sorted(FILES)


@pytest.mark.parametrize(("dtype", "size_bytes"), [(np.float16, 2), (np.float32, 4)])
def test_weights_are_stored_in_the_type_asked_for(
    pristine: Artifact, tmp_path: Path, dtype: StorageDtype, size_bytes: int
) -> None:
    saved = resave(pristine, tmp_path / "artifact", storage_dtype=dtype)
    numbers = sum(weight.size for weight in pristine.weights.values())
    stored = safetensors.numpy.load_file(saved.directory / WEIGHTS)
    assert {weight.dtype for weight in stored.values()} == {np.dtype(dtype)}
    assert sum(weight.nbytes for weight in stored.values()) == numbers * size_bytes


def test_float32_storage_changes_no_weight(pristine: Artifact, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    weights = {name: rng.random(weight.shape, np.float32) for name, weight in pristine.weights.items()}
    saved = resave(pristine, tmp_path / "artifact", weights=weights, storage_dtype=np.float32)
    for name, weight in weights.items():
        assert np.array_equal(saved.weights[name], weight)


def test_words_that_utf8_cannot_hold_are_kept(pristine: Artifact, tmp_path: Path) -> None:
    tokenizer = WordTokenizer(["\ud800", "é", "\0"])
    saved = resave(pristine, tmp_path / "artifact", tokenizer=tokenizer)
    assert load_artifact(saved.directory).tokenizer.to_json() == tokenizer.to_json()


def test_saving_again_replaces_the_artifact_and_leaves_nothing_beside_it(pristine: Artifact, tmp_path: Path) -> None:
    directory = tmp_path / "artifact"
    resave(pristine, directory)
    (directory / "left-over.txt").touch()
    resave(pristine, directory, card="# New\n")
    assert load_artifact(directory).card == "# New\n"
    assert [path.name for path in tmp_path.iterdir()] == ["artifact"]
    assert sorted(path.name for path in directory.iterdir()) == sorted(FILES)


def test_a_directory_of_something_else_is_not_replaced(pristine: Artifact, tmp_path: Path) -> None:
    directory = tmp_path / "thesis"
    directory.mkdir()
    (directory / "chapter.txt").write_text("years of work")
    with pytest.raises(ArtifactError, match="is not an artifact: remove it or choose another place"):
        resave(pristine, directory)
    assert (directory / "chapter.txt").read_text() == "years of work"


def test_a_place_that_cannot_be_written_is_named(pristine: Artifact, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ArtifactError, match="cannot be written"):
        resave(pristine, tmp_path / "file" / "artifact")


def test_parts_that_do_not_fit_together_are_not_saved(pristine: Artifact, tmp_path: Path) -> None:
    head = pristine.weights["head.weight"]
    for wrong in (
        {"weights": {**pristine.weights, "head.weight": np.full_like(head, 1e6)}},
        {"weights": {**pristine.weights, "head.weight": head[:, 1:]}},
        {"network": NetworkConfig(vocab_size=13, embedding_dim=6, hidden_dim=9)},
        {"tokenizer": ReferenceTokenizer(WORDS)},
        {"tokenizer": WordTokenizer([*WORDS, "more"])},
        {"storage_dtype": np.int8},
        {"name": ""},
    ):
        with pytest.raises(ArtifactError):
            resave(pristine, tmp_path / "artifact", **wrong)
    assert list(tmp_path.iterdir()) == []


def resave(artifact: Artifact, directory: Path, **changes: Any) -> Artifact:
    parts: dict[str, Any] = {
        "name": artifact.config.name,
        "version": artifact.config.version,
        "network": artifact.config.network,
        "weights": artifact.weights,
        "tokenizer": artifact.tokenizer,
        "calibration": artifact.config.calibration,
        "card": artifact.card,
    }
    return save_artifact(directory, **parts | changes)


# Accidental damage


@every_file
@given(data=st.data())
@settings(deadline=None, max_examples=60)
def test_a_flipped_byte_is_noticed(pristine: Artifact, name: str, data: st.DataObject) -> None:
    path = pristine.directory / name
    content = path.read_bytes()
    position = data.draw(st.integers(0, len(content) - 1))
    flip = data.draw(st.integers(1, 255))
    try:
        path.write_bytes(content[:position] + bytes([content[position] ^ flip]) + content[position + 1 :])
        with pytest.raises(ArtifactError) as refused:
            load_artifact(pristine.directory)
        # A manifest with a wrong size is reported as an error of that file.
        assert name == MANIFEST or name in str(refused.value)
    finally:
        path.write_bytes(content)


def replace(path: Path, make: Callable[[Path], object]) -> None:
    path.unlink()
    make(path)


def swap_with_another(path: Path) -> None:
    other = path.with_name(CONFIG if path.name != CONFIG else TOKENIZER)
    content = other.read_bytes()
    other.write_bytes(path.read_bytes())
    path.write_bytes(content)


def make_huge_json(path: Path) -> None:
    with path.open("wb") as file:
        file.write(b'{"format_version": ')
        file.truncate(20 * 2**30)  # sparse: reading it would take all memory


DAMAGES: dict[str, Callable[[Path], object]] = {
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "empty": lambda path: path.write_bytes(b""),
    "longer": lambda path: path.write_bytes(path.read_bytes() + b" "),
    "deleted": lambda path: path.unlink(),
    "a directory": lambda path: replace(path, Path.mkdir),
    "a pipe": lambda path: replace(path, os.mkfifo),
    "a link to itself": lambda path: replace(path, lambda link: link.symlink_to(link)),
    "swapped": swap_with_another,
    "deep JSON": lambda path: path.write_bytes(b"[" * 60_000),
    "huge JSON": make_huge_json,
    "a huge number": lambda path: path.write_bytes(b'{"format_version": ' + b"9" * 10_000 + b"}"),
}


@every_file
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_named_with_what_to_do(directory: Path, name: str, damage: str) -> None:
    DAMAGES[damage](directory / name)
    refused(directory, f"{directory}.*: .*(copy it or make it again|check its permissions)")


@pytest.mark.parametrize("place", ["absent", "a-file", "a" * 300, "a-loop"])
def test_a_missing_directory_is_named(tmp_path: Path, place: str) -> None:
    (tmp_path / "a-file").touch()
    (tmp_path / "a-loop").symlink_to(tmp_path / "a-loop")
    refused(tmp_path / place, f"{place}: (there is no such directory|cannot be read)")


def test_an_artifact_behind_links_is_loaded(directory: Path, tmp_path: Path) -> None:
    """As Kubernetes mounts them; the digest protects the content at any place."""
    (tmp_path / "mounted").mkdir()
    for name in FILES:
        (tmp_path / "mounted" / name).symlink_to(directory / name)
    (tmp_path / "model").symlink_to(tmp_path / "mounted")
    assert load_artifact(tmp_path / "model").sha256 == load_artifact(directory).sha256


@pytest.mark.parametrize("name", [CONFIG, TOKENIZER, WEIGHTS, CARD])
@pytest.mark.parametrize("size_bytes", [10**18, -1, 0])
def test_a_huge_size_in_the_config_costs_nothing(directory: Path, name: str, size_bytes: int) -> None:
    rewrite(directory / MANIFEST, lambda manifest: manifest["files"][name].update(size_bytes=size_bytes))
    refused(directory, f"{name}: it has .* bytes")


@pytest.mark.parametrize(
    "header",
    [
        (2**63).to_bytes(8, "little"),
        b'{"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,4]}}',
        b'{"a":{"dtype":"F32","shape":[1000000000000],"data_offsets":[0,4000000000000]}}',
    ],
    ids=["header", "shape-that-overflows", "shape"],
)
def test_weights_that_claim_more_than_there_is_are_refused(directory: Path, header: bytes) -> None:
    size = b"" if len(header) == 8 else len(header).to_bytes(8, "little")
    (directory / WEIGHTS).write_bytes(size + header + bytes(16))
    refused(directory, f"{WEIGHTS}: it is not a safetensors file that can be read", signed=True)


def test_other_files_in_the_directory_are_left_alone(directory: Path) -> None:
    (directory / "notes.txt").write_text("mine")
    load_artifact(directory)


# Damage with a matching manifest


def test_a_manifest_cannot_name_files_elsewhere(directory: Path) -> None:
    manifest = json.loads((directory / MANIFEST).read_bytes())
    manifest["files"]["../secret"] = manifest["files"].pop(CARD)
    (directory / MANIFEST).write_text(json.dumps(manifest))
    refused(directory, "must list exactly")


@pytest.mark.parametrize(
    "change",
    [
        lambda manifest: manifest | {"format_version": True},
        lambda manifest: manifest | {"format_version": float(FORMAT_VERSION)},
        lambda manifest: dict(reversed(manifest.items())),
        lambda manifest: manifest | {"files": dict(reversed(manifest["files"].items()))},
        lambda manifest: manifest | {"files": {name: {**entry, "x": 1} for name, entry in manifest["files"].items()}},
        lambda manifest: manifest | {"x": 1},
    ],
)
def test_a_reformatted_manifest_is_refused(directory: Path, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    rewrite(directory / MANIFEST, change)
    refused(directory, f"{MANIFEST}: ")


def test_code_in_the_weights_is_not_run(directory: Path, tmp_path: Path) -> None:
    (directory / WEIGHTS).write_bytes(pickle.dumps(Bomb(tmp_path / "exploded")))
    refused(directory, WEIGHTS, signed=True)
    torch.save(Bomb(tmp_path / "exploded"), directory / WEIGHTS)
    refused(directory, WEIGHTS, signed=True)
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["format_version"], FORMAT_VERSION - 1),
        (["format_version"], None),
        (["golden"], None),
        (["golden"], [None]),
        (["golden", 0, "text"], 3),
        (["golden", 0, "probability"], 1.5),
        (["golden", 0, "probability"], "0.5"),
        (["name"], 3),
        (["name"], ""),
        (["version"], None),
        (["created"], 2026),
        (["architecture"], "transformer"),
        (["architecture"], ["bilstm"]),
        (["architecture"], "sentiment_rnn"),
        (["padding"], "left"),
        (["network"], None),
        (["network"], []),
        (["network", "vocab_size"], 0),
        (["network", "vocab_size"], 12),
        (["network", "vocab_size"], 5_000_000),
        (["network", "vocab_size"], 10**30),
        (["network", "vocab_size"], "13"),
        (["network", "hidden_dim"], True),
        (["network", "hidden_dim"], 8.0),
        (["network", "dropout"], 2.0),
        (["network", "surplus"], 1),
        (["calibration", "temperature"], 0),
        (["calibration", "temperature"], -1.0),
        (["calibration", "temperature"], "warm"),
        (["calibration", "bias"], 10**400),
        (["calibration", "bias"], True),
    ],
    ids=lambda value: str(value)[:30],
)
def test_an_impossible_config_is_refused(directory: Path, path: list[str | int], value: object) -> None:
    document = json.loads((directory / CONFIG).read_bytes())
    *above, last = path
    place = document
    for key in above:
        place = place[key]
    place[last] = value
    (directory / CONFIG).write_text(json.dumps(document))
    refused(directory, str(directory), signed=True)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999", "-1e999"])
def test_a_calibration_that_is_not_finite_is_refused(directory: Path, number: str) -> None:
    config = (directory / CONFIG).read_text()
    (directory / CONFIG).write_text(config.replace('"bias": 0.25', f'"bias": {number}'))
    refused(directory, CONFIG, signed=True)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (TOKENIZER, b"{}"),
        (TOKENIZER, b"[" * 100_000),
        (TOKENIZER, b'{"type": "reference", "max_tokens": 200, "words": ["a"]}'),
        (TOKENIZER, json.dumps({"type": "words", "head": 5, "tail": 7, "words": [*WORDS, "one", "more"]}).encode()),
        (CONFIG, b"[]"),
        (CONFIG, b"\xff\xfe{}"),
        (CARD, b"\xff"),
        (WEIGHTS, b""),
        (WEIGHTS, b"\xff" * 64),
    ],
)
def test_a_signed_file_is_still_checked(directory: Path, name: str, content: bytes) -> None:
    (directory / name).write_bytes(content)
    refused(directory, name, signed=True)


@given(data=st.data())
@settings(deadline=None, max_examples=200)
def test_signed_weights_of_any_bytes_raise_our_error_or_load(
    pristine: Artifact, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Behind the digest, safetensors parses the header: any error of it must become ours."""
    directory = Path(shutil.copytree(pristine.directory, tmp_path_factory.mktemp("signed") / "artifact"))
    content = bytearray((directory / WEIGHTS).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, 1_200))] = data.draw(st.integers(0, 255))
    (directory / WEIGHTS).write_bytes(content)
    sign(directory)
    complaint = complaint_about(directory)
    shutil.rmtree(directory.parent)
    assert complaint is None or WEIGHTS in complaint


def complaint_about(directory: Path) -> str | None:
    try:
        load_artifact(directory)
    except ArtifactError as error:
        return str(error)
    return None


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda w: w | {"head.bias": torch.tensor([torch.nan])}, "head.bias has values that are not finite"),
        (lambda w: w | {"head.bias": torch.tensor([torch.inf])}, "head.bias has values that are not finite"),
        (lambda w: w | {"head.bias": torch.zeros(2)}, "head.bias has the shape"),
        (lambda w: w | {"head.bias": torch.zeros(1, 1)}, "head.bias has the shape"),
        (lambda w: w | {"head.bias": torch.zeros(1, dtype=torch.int64)}, "stored as I64"),
        (lambda w: w | {"head.bias": torch.zeros(1, dtype=torch.bool)}, "stored as BOOL"),
        (lambda w: w | {"head.bias": torch.zeros(1, dtype=torch.bfloat16)}, "stored as BF16"),
        (lambda w: w | {"surplus": torch.zeros(1)}, "see surplus"),
        (lambda w: {name: weight for name, weight in w.items() if name != "head.bias"}, "see head.bias"),
        (lambda _: {}, "does not hold the weights"),
    ],
)
def test_weights_that_do_not_fit_the_network_are_refused(
    directory: Path, change: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]], complaint: str
) -> None:
    weights = safetensors.torch.load_file(directory / WEIGHTS)
    safetensors.torch.save_file(change(weights), directory / WEIGHTS)
    refused(directory, f"{WEIGHTS}: .*{complaint}", signed=True)


# Calibration


@given(
    logits=st.lists(st.floats(-1e6, 1e6), max_size=5),
    temperature=st.floats(1e-3, 1e3),
    bias=st.floats(-50, 50),
)
def test_calibration_is_the_sigmoid_of_the_scaled_logit(logits: list[float], temperature: float, bias: float) -> None:
    probabilities = Calibration(temperature, bias).probabilities(np.array(logits))
    expected = np.exp(-np.logaddexp(0, -(np.array(logits) / temperature + bias)))
    np.testing.assert_allclose(probabilities, expected, rtol=0, atol=1e-12)


def test_a_calibration_that_leaves_no_doubt_overflows_quietly() -> None:
    probabilities = Calibration(5e-324, 0.0).probabilities(np.array([1.0, -1.0, 0.0]))
    assert probabilities.tolist() == [1.0, 0.0, 0.5]


@pytest.mark.parametrize(
    "values",
    [(0.0, 0.0), (-1.0, 0.0), (float("nan"), 0.0), (float("inf"), 0.0), (1.0, float("nan")), (1.0, float("inf"))],
)
def test_a_calibration_without_meaning_cannot_be_made(values: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="must be positive, and both finite"):
        Calibration(*values)


def test_an_artifact_cannot_be_changed_by_its_user(pristine: Artifact) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        pristine.sha256 = ""  # type: ignore[misc]  # that is the test
