"""How many tokens UTF-8 is likely to have, from neighbouring characters and from how long words, numbers
and the like go on.

Each character has a class: ASCII letters and signs one each, other characters one for their script. A
weight for each pair of neighbours says how likely a token ends between them: pairs that are rare in what
people write, as in made-up words, end one more often. A second weight goes by how far a character is from
where its run of letters, digits, signs or spaces began. The estimate is their sum, so that what is
estimated of many texts is the sum of what is estimated of each.

The weights stand in `pair_weights.json`, by the names that `terms` and `runs` give;
`benchmarks/fit_tokens.py` fits and writes them.
"""

from __future__ import annotations

import json
import math
import re
import string
from functools import cache
from importlib.resources import files
from itertools import pairwise
from operator import mul
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "BETWEEN_TEXTS",
    "LARGE",
    "RUN_TERMS",
    "classes",
    "estimate",
    "pair_counts",
    "pair_terms",
    "run_positions",
]

BETWEEN_TEXTS = b"\xff"
"""What stands between joined texts is no byte of UTF-8."""
LARGE = 1 << 15
"""Bytes from which on numpy is worth its import."""
_BLOCK = 1 << 18
FARTHEST = 11
"""Characters this far from the beginning of their run, or farther, are alike."""

# ---------------------------------------------------------------------------------- the class of a character

_EDGE, _OTHER = 0, 254
"""The class between texts; that of characters of no known script."""
_TWO = 128
"""From here on, the classes of two-byte characters, by their first byte less 0xC0."""
_THREE = 160
"""From here on, those of three-byte characters, by their place in `_BLOCKS`."""
_FOUR = 250
"""Emoji, mostly."""

_BLOCKS: tuple[tuple[int, int, str], ...] = (
    *((start, start + 0x80, "indic") for start in range(0x900, 0xE00, 0x80)),
    *((start, start + 0x80, "thai") for start in range(0xE00, 0x1000, 0x80)),
    (0x1000, 0x1080, "thai"),  # Myanmar
    (0x1080, 0x1100, "georgian"),
    (0x1780, 0x1800, "thai"),  # Khmer
    (0x1E00, 0x1F00, "letter"),  # Latin with several marks
    (0x1F00, 0x2000, "greek"),
    (0x2000, 0x2040, "mark"),  # dashes and quotes
    (0x2040, 0x2C00, "symbol"),
    (0x3000, 0x3040, "mark"),
    (0x3040, 0x3100, "kana"),
    (0x3400, 0xA000, "han"),
    (0xAC00, 0xD7C0, "hangul"),
    (0xFE00, 0xFE40, "symbol"),
    (0xFF00, 0xFFC0, "mark"),
)
"""From, up to, run: what three-byte characters are told apart by; each bound is a multiple of 64."""

_TWO_RUNS = {
    **dict.fromkeys(range(3, 14), "letter"),
    2: "mark",
    14: "greek",
    15: "greek",
    **dict.fromkeys(range(16, 20), "cyrillic"),
    **dict.fromkeys(range(20, 22), "armenian"),
    **dict.fromkeys(range(22, 24), "hebrew"),
    **dict.fromkeys(range(24, 32), "arabic"),
}

RUNS = (
    "edge",
    "letter",
    "digit",
    "space",
    "line",
    "sign",
    "mark",
    "symbol",
    "greek",
    "cyrillic",
    "arabic",
    "hebrew",
    "armenian",
    "georgian",
    "indic",
    "thai",
    "kana",
    "han",
    "hangul",
    "other",
)
"""Kinds of runs: characters of one kind that follow one another."""


RUN_TERMS = tuple(f"{run} {far}" if run != "edge" else "" for run in RUNS for far in range(FARTHEST + 1))
"""The names of the weights of what `run_positions` counts; an edge has none."""


def _run_name(kind: int) -> str:
    if kind == _EDGE:
        return "edge"
    if kind < _TWO:
        sign = chr(kind)
        names = (
            (string.ascii_letters, "letter"),
            (string.digits, "digit"),
            (" ", "space"),
            (string.punctuation, "sign"),
        )
        return next((name for signs, name in names if sign in signs), "line")
    if kind < _THREE:
        return _TWO_RUNS.get(kind - _TWO, "other")
    if kind < _THREE + len(_BLOCKS):
        return _BLOCKS[kind - _THREE][2]
    return "symbol" if kind == _FOUR else "other"


_RUN_NAMES = tuple(map(_run_name, range(256)))
_RUN_OF = bytes(map(RUNS.index, _RUN_NAMES))
_RUN_STARTS = bytes(run * (FARTHEST + 1) for run in _RUN_OF)
"""The place in `RUN_TERMS` of the first character of a run of this class."""


def _by_byte() -> bytes:
    """The class of a character by its first byte, but for those of three bytes."""
    table = [*range(128), *[_EDGE] * 64, *range(_TWO, _TWO + 32), *[_OTHER] * 16, *[_FOUR] * 16]
    table[0] = ord("\n")  # class 0 is the edge
    table[BETWEEN_TEXTS[0]] = _EDGE
    for digit in string.digits:
        table[ord(digit)] = ord("0")
    return bytes(table)


def _by_block() -> bytes:
    """The class of a three-byte character by its code point over 64."""
    table = bytearray([_OTHER] * 1024)
    for place, (start, stop, _) in enumerate(_BLOCKS):
        table[start // 64 : stop // 64] = bytes([_THREE + place]) * ((stop - start) // 64)
    return bytes(table)


_BY_BYTE, _BY_BLOCK = _by_byte(), _by_block()
_EDGES = bytes([_EDGE])
_CONTINUATIONS = bytes(range(0x80, 0xC0))
_FIRST_OF_THREE = 0xE
_THREE_BYTES = re.compile(rb"[\xe0-\xef].", re.DOTALL)


def classes(content: bytes) -> bytes:
    """The class of each character of texts in UTF-8 that `BETWEEN_TEXTS` may join, with an edge before and
    after.
    """
    found = content.translate(_BY_BYTE, b"" if content.isascii() else _CONTINUATIONS)
    if _OTHER in found:
        found = _told_apart(content, found)
    return b"".join((_EDGES, found, _EDGES))


def _told_apart(content: bytes, found: bytes) -> bytes:
    """The same classes, those of three-byte characters by their blocks."""
    if len(content) < LARGE:
        changed, at = bytearray(found), -1
        for match in _THREE_BYTES.finditer(content):
            first, second = match[0]
            at = found.index(_OTHER, at + 1)
            changed[at] = _BY_BLOCK[(first & 15) << 6 | second & 63]
        return bytes(changed)
    import numpy as np

    data, kinds = np.frombuffer(content, np.uint8), np.frombuffer(found, np.uint8).copy()
    firsts = np.flatnonzero(data >> 4 == _FIRST_OF_THREE)
    block = (data[firsts].astype(np.uint16) & 15) << 6 | data[firsts + 1] & 63
    kinds[kinds == _OTHER] = np.frombuffer(_BY_BLOCK, np.uint8)[block]
    return kinds.tobytes()


# -------------------------------------------------------------------------------------- what has a weight


def _letter(kind: int) -> str:
    sign = chr(kind) if kind < _TWO else ""
    if sign.isalpha():
        return sign.lower()
    return "+" if _RUN_NAMES[kind] == "letter" else "_"


def _group(kind: int) -> str:
    if kind < _TWO and chr(kind).isupper():
        return "upper"
    return "marked" if kind >= _TWO and _RUN_NAMES[kind] == "letter" else _RUN_NAMES[kind]


def pair_terms(first: int, second: int) -> Iterator[str]:
    """The names of the weights that a pair of neighbouring classes adds up: its groups, its letters, its
    second class.
    """
    if first == second == _EDGE:  # a text of nothing has no token
        return
    yield f"{_group(first)} {_group(second)}"
    letters = _letter(first) + _letter(second)
    if letters != "__":
        yield letters
    if second >= _TWO or _RUN_NAMES[second] in ("sign", "line"):
        yield f"class {second}"
        if first == second:
            yield f"twice {_RUN_NAMES[second]}"


def pair_counts(found: bytes) -> NDArray[np.int64]:
    """How often each class is followed by each other: shape (256, 256)."""
    import numpy as np

    return np.bincount(_pairs(found), minlength=1 << 16).reshape(256, 256)


def _pairs(found: bytes) -> NDArray[np.uint16]:
    """(n_classes - 1,) each class and the one that follows it, as one number."""
    import numpy as np

    kinds = np.frombuffer(found, np.uint8)
    pairs = kinds[:-1].astype(np.uint16)
    pairs <<= 8
    pairs |= kinds[1:]
    return pairs


def run_positions(found: bytes) -> NDArray[np.int64]:
    """How often each kind of run (row by row, see `RUNS`) has a character so far from its beginning, up to
    `FARTHEST`.
    """
    import numpy as np

    runs = np.frombuffer(found.translate(_RUN_STARTS), np.uint8)
    same = np.zeros(len(runs), np.uint8)
    np.equal(runs[1:], runs[:-1], out=same[1:].view(bool))
    position, going = same.copy(), same
    for _ in range(FARTHEST - 1):
        going = going[:-1] & same[len(same) - len(going) + 1 :]
        position[len(position) - len(going) :] += going
    position += runs
    return np.bincount(position, minlength=len(RUN_TERMS))


# ------------------------------------------------------------------------------------------ the estimate


@cache
def _weights() -> dict[str, float]:
    weights: dict[str, float] = json.loads(
        (files(__package__) / "pair_weights.json").read_text(encoding="utf-8")
    )
    return weights


class _PairWeights(dict[tuple[int, int], float]):
    """The weight of a pair of classes, worked out when it is first met."""

    def __missing__(self, pair: tuple[int, int]) -> float:
        weights = _weights()
        self[pair] = weight = sum(weights.get(name, 0.0) for name in pair_terms(*pair))
        return weight


_PAIR_WEIGHTS = _PairWeights()


@cache
def _run_weights() -> list[float]:
    weights = _weights()
    return [weights.get(name, 0.0) for name in RUN_TERMS]


@cache
def _run_weight(run: int, length: int) -> float:
    """What a run of so many characters adds up to."""
    start = run * (FARTHEST + 1)
    weights = _run_weights()[start : start + FARTHEST + 1]
    return sum(weights[:length]) + weights[-1] * max(0, length - FARTHEST - 1)


def estimate(content: bytes) -> float:
    """The tokens of o200k_base that texts in UTF-8, joined by `BETWEEN_TEXTS`, are likely to have."""
    return _small(classes(content)) if len(content) < LARGE else _large(content)


_WHOLE = (RUNS.index("letter"), RUNS.index("digit"))
"""No token goes over the end of a word or a number: there are at least as many tokens as of these."""
_RUN = re.compile(rb"(.)\1*", re.DOTALL)


def _small(found: bytes) -> float:
    tokens = sum(map(_PAIR_WEIGHTS.__getitem__, pairwise(found)))
    least = 0
    for match in _RUN.finditer(found.translate(_RUN_OF)):
        start, stop = match.span()
        tokens += _run_weight(match[0][0], stop - start)
        least += match[0][0] in _WHOLE
    return max(tokens, least)


def _large(content: bytes) -> float:
    import numpy as np

    tokens: float = 0.0
    positions = np.zeros(len(RUN_TERMS), np.int64)
    for block in _blocks(content):
        found = classes(block)
        tokens += _pairs_weigh(_pairs(found))
        positions += run_positions(found)
    tokens += sum(map(mul, _run_weights(), positions.tolist()))
    return max(tokens, sum(int(positions[run * (FARTHEST + 1)]) for run in _WHOLE))


def _pairs_weigh(pairs: NDArray[np.uint16]) -> float:
    import numpy as np

    table = _table()
    tokens = float(table.take(pairs).sum(dtype=np.float64))
    if not math.isnan(tokens):
        return tokens
    for pair in np.unique(pairs[np.isnan(table.take(pairs))]).tolist():
        table[pair] = _PAIR_WEIGHTS[pair >> 8, pair & 255]
    return float(table.take(pairs).sum(dtype=np.float64))


@cache
def _table() -> NDArray[np.float32]:
    """(65536,) the weight of each pair that was met, by the number that `_pairs` gives it; NaN of others."""
    import numpy as np

    return np.full(1 << 16, np.nan, np.float32)


def _blocks(content: bytes) -> Iterator[bytes]:
    """Some texts at a time: what numpy makes of them is to stay in the cache."""
    start = 0
    while start < len(content):
        stop = content.find(BETWEEN_TEXTS, start + _BLOCK)
        stop = len(content) if stop < 0 else stop
        yield content[start:stop]
        start = stop + 1
