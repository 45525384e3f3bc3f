"""Inputs that are nearly right: valid ones changed in a few places, texts and JSON of all that is odd."""

import json
import random
from collections.abc import Callable, Sequence
from typing import Any, Final

ODD_BYTES: Final = (
    *(b"\0", b"\xff", b"\xed\xa0\x80", b"\xc0\x80", b"\xef\xbb\xbf", b"\r\n", b"\n\n", b"\t", b"\x1b[2J", b"\x7f"),
    *(b'"', b"\\", b"\\u0000", b"\\ud800", b"\\ud83d\\ude00", b"{", b"}", b"[", b"]", b",", b":", b"'", b"/10", b"_"),
    *(b"null", b"true", b"NaN", b"-Infinity", b"1e999", b"-0", b"0.1e-400", b"9" * 400, b"9" * 5000, b"-1", b"2" * 20),
    *(b"[" * 300, b'{"a":' * 300, b"<br />", b" " * 5000, "é́’İß😀\u2028\u202e".encode(), b"x" * 9000),
)
ALPHABETS: Final = (
    "the film was good bad great not never it's don't 8/10 10/10 ! ? ",
    "abc XYZ_'’`\"\\/.,;:-<br />\t\n\r\0\x1b\x7f",
    "éßİıǅﬁΣςЖ这部电影あ한글عربי̈́̂𝔘😀👩‍👩‍👧\u200b\u2028\u202e\ufeff\uffff\U0010ffff",
    "0123456789٣४௫/10.5²½ ",
    "\ud800\udbff\udc00\udfff\udcff",
    " \u00a0\u3000\x1c\x85\n",
)


def mutated(rng: random.Random, valid: Sequence[bytes], odd: Sequence[bytes] = ODD_BYTES) -> bytes:
    """One of `valid` after one to sixteen changes."""
    data = bytearray(rng.choice(valid))
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        start = rng.randint(0, len(data))
        end = min(len(data), start + rng.choice((0, 1, 2, 8, 100)))
        match rng.randrange(7):
            case 0:
                data[start:end] = rng.randbytes(end - start)
            case 1:
                del data[start:end]
            case 2:
                data[start:start] = data[start:end] * rng.choice((1, 2, 50))
            case 3:
                data[start:end] = rng.choice(odd)
            case 4:
                data[start:start] = rng.choice(odd)
            case 5:
                other = rng.choice(valid)
                data[start:end] = other[rng.randint(0, len(other)) :]
            case _:
                del data[start:]
    return bytes(data)


def text(rng: random.Random) -> str:
    """Up to a few hundred characters; one in a thousand times many more."""
    length = rng.choice((0, 1, 3, 20, 20, 100, 300)) if rng.randrange(1000) else rng.choice((10_000, 100_000))
    alphabets = rng.sample(ALPHABETS, rng.choice((1, 1, 2)))
    pieces = (rng.choices(rng.choice(alphabets), k=rng.choice((1, 2, 10, 40))) for _ in range(length // 10 + 1))
    return "".join(character for piece in pieces for character in piece)[:length]


def json_value(rng: random.Random, depth: int = 3) -> Any:
    """Any JSON value, and what Python writes as JSON though it is none."""
    kind = rng.randrange(9 if depth else 6)
    scalars: tuple[Callable[[], Any], ...] = (
        lambda: rng.choice((None, True, False)),
        lambda: rng.choice((0, -1, 1, 2**31, 2**63, -(2**63), 10**30, rng.randrange(300), rng.randrange(10**8))),
        lambda: rng.choice((0.0, -0.0, 1e308, 5e-324, 0.5, rng.random(), float("nan"), float("inf"))),
        lambda: text(rng),
        lambda: text(rng)[:5],
        lambda: rng.choice(("2026-11-01T12:00:00Z", "2026-11-01", "0001-01-01T00:00:00+23:59", "positive", "1" * 50)),
    )
    if kind < len(scalars):
        return scalars[kind]()
    inner = (json_value(rng, depth - 1) for _ in range(rng.choice((0, 1, 3))))
    return list(inner) if kind == 6 else {text(rng)[:8]: value for value in inner}


def changed_document(rng: random.Random, document: Any) -> Any:
    """A copy with one part of it removed, replaced, or doubled under another name."""
    copy = json.loads(json.dumps(document))
    place = copy
    while True:
        keys: list[Any] = list(place) if isinstance(place, dict) else list(range(len(place)))
        if not keys:
            return copy
        key = rng.choice(keys)
        if isinstance(place[key], dict | list) and rng.random() < 0.7:
            place = place[key]
            continue
        match rng.randrange(4):
            case 0:
                del place[key]
            case 1 if isinstance(place, dict):
                place[text(rng)[:8]] = place[key]
            case 2 if isinstance(place[key], int):
                place[key] = rng.choice((place[key] + 1, -place[key], place[key] * 10**6, float(place[key]), True))
            case _:
                place[key] = json_value(rng)
        return copy


def as_json(rng: random.Random, document: Any) -> bytes:
    """Written in one of the ways that JSON is written in."""
    ascii_only = rng.random() < 0.5
    written = json.dumps(document, ensure_ascii=ascii_only, indent=rng.choice((None, None, 1)))
    return written.encode("utf-8", "surrogatepass")


def deep(rng: random.Random) -> bytes:
    """Brackets within brackets, seldom closed as they should be."""
    depth = rng.choice((100, 250, 1_000, 20_000))
    opening = rng.choice((b"[", b'{"text":', b'[{"a":'))
    return rng.choice((b"", b'{"text": "good", "x": ')) + opening * depth + b"]" * rng.choice((0, depth)) + b"}"
