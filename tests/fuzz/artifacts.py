"""Artifacts with one file changed, by accident or by somebody who signed it. See `model.artifact`.

An input is a line that says which file of which artifact, and whether the manifest vouches for it; then its content.
"""

import hashlib
import json
import random
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from model.artifact import CARD, CONFIG, MANIFEST, TOKENIZER, WEIGHTS, load_artifact
from model.artifact_parts import FORMAT_VERSION
from model.engines import load_predictor
from model.errors import ArtifactError, BatchFailed
from model.predictor import score_texts
from tests.fuzz.fuzzer import Target
from tests.fuzz.mutation import ODD_BYTES, as_json, changed_document, deep, json_value, mutated
from tests.support.artifacts import tiny_bilstm, tiny_reference

KINDS: Final = {"bilstm": tiny_bilstm, "reference": tiny_reference}
SIGNED: Final = (CONFIG, TOKENIZER, WEIGHTS, CARD)
IN_MEMORY: Final = Path("/dev/shm")  # noqa: S108  # the directory in it has a name of its own
RUN_ONE_IN: Final = 10  # of those that load
DTYPES: Final = ("F16", "F32", "F64", "BF16", "I8", "U8", "BOOL", "F8_E4M3", "F4", "X")


@contextmanager
def artifacts() -> Iterator[Target]:
    """Two small artifacts, one of each kind of network, repaired after each input."""
    with TemporaryDirectory(prefix="sentiment-fuzz-", dir=IN_MEMORY if IN_MEMORY.is_dir() else None) as directory:
        made = {kind: make(Path(directory) / kind) for kind, make in KINDS.items()}
        pristine = {
            kind: _of_a_fixed_date({path.name: path.read_bytes() for path in artifact.directory.iterdir()})
            for kind, artifact in made.items()
        }
        for kind, files in pristine.items():
            for name, content in files.items():
                (made[kind].directory / name).write_bytes(content)
            _check_scores(made[kind].directory)  # what an engine loads at first is no input's doing

        def make(rng: random.Random) -> bytes:
            kind = rng.choice(list(KINDS))
            name = rng.choices((MANIFEST, CONFIG, TOKENIZER, WEIGHTS, CARD), (3, 4, 4, 8, 1))[0]
            vouched = "signed" if name != MANIFEST and rng.random() < 0.9 else "unsigned"
            return f"{kind} {name} {vouched}\n".encode() + _changed(rng, name, pristine[kind][name])

        def check(data: bytes) -> None:
            first, _, content = data.partition(b"\n")
            kind, name, vouched = first.decode().split()
            files = pristine[kind] | {name: content}
            if vouched == "signed":
                files[MANIFEST] = manifest_of(files)
            place = made[kind].directory
            for changed in {name, MANIFEST}:
                (place / changed).write_bytes(files[changed])
            try:
                _check(place, files)
            finally:
                for changed in {name, MANIFEST}:
                    (place / changed).write_bytes(pristine[kind][changed])

        yield Target(make, check)


def _of_a_fixed_date(files: dict[str, bytes]) -> dict[str, bytes]:
    """The same in every run, so that what is kept of one means the same in the next."""
    document = json.loads(files[CONFIG]) | {"created": "2026-01-01T00:00:00+00:00"}
    dated = files | {CONFIG: (json.dumps(document, indent=1) + "\n").encode()}
    return dated | {MANIFEST: manifest_of(dated)}


def _check(directory: Path, files: Mapping[str, bytes]) -> None:
    """It loads as what its manifest says, in the one way that a manifest says it; or our error names the file."""
    try:
        artifact = load_artifact(directory)
    except ArtifactError as error:
        complaint = str(error)
        assert any(f"{directory / name}: " in complaint for name in files), complaint  # any of five
        return
    assert files[MANIFEST] == manifest_of(files), "one artifact, two digests"
    assert artifact.sha256 == hashlib.sha256(files[MANIFEST]).hexdigest()
    if zlib.crc32(files[WEIGHTS] + files[CONFIG]) % RUN_ONE_IN == 0:
        _check_scores(directory)


def _check_scores(directory: Path) -> None:
    """What was loaded can be used: a probability, or the error that makes a dead letter of one review."""
    for engine in ("onnx", "torch"):
        predictor = load_predictor(directory, engine=engine, device="cpu", threads=1)
        with suppress(BatchFailed):
            predictions = score_texts(predictor, ["the film was good", ""])
            assert ((predictions.probabilities >= 0) & (predictions.probabilities <= 1)).all()


def manifest_of(files: Mapping[str, bytes]) -> bytes:
    """The manifest that vouches for these files, written independently of the code under test."""
    entries = {
        name: {"size_bytes": len(files[name]), "sha256": hashlib.sha256(files[name]).hexdigest()} for name in SIGNED
    }
    return (json.dumps({"format_version": FORMAT_VERSION, "files": entries}, indent=1) + "\n").encode()


def _changed(rng: random.Random, name: str, content: bytes) -> bytes:
    way = rng.random()
    if way < 0.02:
        return deep(rng)
    if way < 0.4:
        return mutated(rng, [content])
    if name == WEIGHTS:
        return _changed_weights(rng, content)
    if name == CARD:
        return rng.choice(ODD_BYTES)
    document = json.loads(content)
    for _ in range(rng.choice((1, 1, 2))):
        document = changed_document(rng, document)
    if name == MANIFEST:  # as the program writes it, so that only what it says is wrong
        shuffled = dict(rng.sample(list(document.items()), len(document)))
        return (json.dumps(shuffled, indent=1) + "\n").encode()
    return as_json(rng, document)


def _changed_weights(rng: random.Random, content: bytes) -> bytes:
    """A header that is JSON and says something else of the same numbers, or numbers that are none."""
    size = int.from_bytes(content[:8], "little")
    header, numbers = json.loads(content[8 : 8 + size]), bytearray(content[8 + size :])
    entry = header[rng.choice(list(header))]
    match rng.randrange(6):
        case 0:
            entry["dtype"] = rng.choice(DTYPES)
        case 1:
            entry["shape"] = rng.choice(([], [0], [10**9], [2**62, 4], [-1], [1] * 100, entry["shape"][::-1]))
        case 2:
            entry["data_offsets"] = [rng.choice((0, 1, 2**40, 2**63, -1, len(numbers))) for _ in range(2)]
        case 3:
            at = rng.randrange(len(numbers))
            numbers[at : at + 4] = rng.choice(
                (b"\xff\xff\xff\x7f", b"\0\0\x80\x7f", b"\xff\x7f\xff\x7f", rng.randbytes(4))
            )
        case 4:
            header["__metadata__"] = json_value(rng)
        case _:
            header = changed_document(rng, header)
    written = json.dumps(header).encode() + b" " * rng.choice((0, 0, 7))
    says = len(written) if rng.random() < 0.9 else rng.choice((0, 1, 2**31, 2**60, 2**64 - 1))
    return says.to_bytes(8, "little") + written + bytes(numbers)
