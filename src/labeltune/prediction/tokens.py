"""The tokens of a reply that spell its answer.

Servers list more than those: what the model thought before the answer, the token that ended it, space that
they took off the text. A token may also be part of a character; then its bytes are what counts. Only where
the tokens can be joined to the answer do their log-probabilities say anything about it.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from labeltune.prediction.replies import answer_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["Token", "has_logprobs", "spelled"]

_LEAST = -1e4
"""Below any log-probability that a sum could use; `exp` of it is 0."""


@dataclass(frozen=True, slots=True)
class Token:
    """A token, or some that are one character together."""

    start: int
    """Where it begins in the answer, in characters; below 0 where it begins with space before the answer."""
    text: str
    logprob: float
    alternatives: tuple[tuple[str, float], ...]


def has_logprobs(choice: Mapping[str, Any]) -> bool:
    """Whether the reply has log-probabilities, of whatever."""
    return bool(_listed(choice))


def spelled(choice: Mapping[str, Any]) -> list[Token]:
    """The tokens that spell the answer, in order; empty if there are none, or they cannot be matched."""
    answer = answer_of(choice)
    try:
        tokens = list(_characters([_Piece.of(item) for item in _listed(choice)]))
    except (KeyError, TypeError, ValueError, OverflowError):
        return []
    if not answer:
        return tokens if not any(token.text for token in tokens) else []
    place = _place_of(answer, tokens)
    if place is None:
        return []
    end = place + len(answer)
    return [
        Token(token.start - place, token.text, token.logprob, token.alternatives)
        for token in tokens
        if token.start < end and token.start + len(token.text) > place
    ]


def _listed(choice: Mapping[str, Any]) -> Sequence[Any]:
    logprobs = choice.get("logprobs")
    content = logprobs.get("content") if isinstance(logprobs, dict) else None
    return content if isinstance(content, list) else ()


@dataclass(frozen=True, slots=True)
class _Piece:
    """One listed token: its bytes, and those of its alternatives."""

    raw: bytes
    logprob: float
    alternatives: tuple[tuple[bytes, float], ...]

    @classmethod
    def of(cls, item: Mapping[str, Any]) -> _Piece:
        """Raises `KeyError`, `TypeError` or `ValueError` for what is no token with a log-probability."""
        logprob = float(item["logprob"])
        if not math.isfinite(logprob):
            raise ValueError("the log-probability of a token is not finite")
        others = item.get("top_logprobs") or ()
        return cls(_raw(item), logprob, tuple(_alternatives(others)))


def _alternatives(others: Any) -> Iterator[tuple[bytes, float]]:
    for other in others:
        logprob = float(other["logprob"])
        # Minus infinity is probability 0, which constrained decoding gives what may not be written.
        if logprob == logprob and logprob < math.inf:  # noqa: PLR0124  # not NaN
            yield _raw(other), max(logprob, _LEAST)


def _raw(item: Mapping[str, Any]) -> bytes:
    listed = item.get("bytes")
    if isinstance(listed, list):
        return bytes(listed)
    return str(item["token"]).encode("utf-8", "surrogatepass")


def _characters(pieces: Sequence[_Piece]) -> Iterator[Token]:
    """The pieces as text; those that are part of a character are joined until it is whole."""
    start, raw, logprob = 0, b"", 0.0
    alternatives: list[tuple[str, float]] = []
    for piece in pieces:
        for other, share in piece.alternatives:
            text = _text(raw + other)
            if text is not None:
                alternatives.append((text, logprob + share))
        raw, logprob = raw + piece.raw, logprob + piece.logprob
        text = _text(raw)
        if text is not None:
            yield Token(start, text, logprob, tuple(alternatives))
            start, raw, logprob, alternatives = start + len(text), b"", 0.0, []


def _text(raw: bytes) -> str | None:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return None


_NOTHING = re.compile(r"(?:\s|<[|/]?[^<>\s]{1,40}>|\[/?[A-Z]{2,12}\])*")
"""What may stand after an answer: space, and the tokens that end it."""


def _place_of(answer: str, tokens: Sequence[Token]) -> int | None:
    """Where in the joined tokens the answer begins: the last place after which nothing more is said, and at
    the beginning of a token but for space.
    """
    joined = "".join(token.text for token in tokens)
    place = joined.rfind(answer)
    if place < 0 or not _NOTHING.fullmatch(joined, place + len(answer)):
        return None
    first = next(token for token in tokens if token.start + len(token.text) > place)
    return place if not joined[first.start : place].strip() else None
