"""The tokens of a reply that spell its answer.

Servers list more than those: what the model thought before the answer, the token that ended it, space and the
code fence around JSON that they took off the text. A token may also be part of a character; then its bytes
are what counts. Only where the tokens can be joined to the answer do their log-probabilities say anything
about it.
"""

from __future__ import annotations

import math
import re
from itertools import accumulate
from typing import TYPE_CHECKING, Any, NamedTuple

from labeltune.prediction.replies import answer_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["Token", "has_logprobs", "spelled"]

_LEAST = -1e4
"""Below any log-probability that a sum could use; `exp` of it is 0."""

_AS_BYTES = "bytes:"
"""How OpenAI writes a token that is no text of its own; its bytes stand beside it."""


class _Piece(NamedTuple):
    """A token as it is listed: whether it is what its `token` says, or its bytes, and what of its character
    stands in the pieces before it.
    """

    item: Mapping[str, Any]
    as_text: bool
    raw_before: bytes = b""
    logprob_before: float = 0.0


class Token(NamedTuple):
    """A token, or some that are one character together."""

    start: int
    """Where it begins in the answer, in characters; below 0 where it begins with space before the answer."""
    text: str
    logprob: float
    pieces: tuple[_Piece, ...]

    def alternatives(self) -> Iterator[tuple[str, float]]:
        """What else might have stood here, as text, with its log-probability; itself is mostly among them.

        Read when it is asked for: whoever wants the confidence of an answer alone goes without.
        """
        for piece in self.pieces:
            others = piece.item.get("top_logprobs")
            for other in others if isinstance(others, list) else ():
                try:
                    logprob, text = float(other["logprob"]), _text_of(piece, other)
                except (KeyError, TypeError, ValueError, OverflowError, AttributeError):
                    continue
                # Minus infinity is probability 0, which constrained decoding gives what may not be written.
                if text is not None and logprob < math.inf:
                    yield text, piece.logprob_before + max(logprob, _LEAST)


def _text_of(piece: _Piece, other: Mapping[str, Any]) -> str | None:
    """The text that an alternative to a piece makes; None if it is part of a character."""
    text: str = other["token"]
    if piece.as_text and not text.startswith(_AS_BYTES):
        return text
    return _decoded(piece.raw_before + _raw(other))


def has_logprobs(choice: Mapping[str, Any]) -> bool:
    """Whether the reply has log-probabilities, of whatever."""
    return bool(_listed(choice))


def spelled(choice: Mapping[str, Any]) -> list[Token]:
    """The tokens that spell the answer, in order; empty if there are none, or they cannot be matched."""
    answer = answer_of(choice)
    try:
        tokens = _tokens(_listed(choice), answer)
    except (KeyError, TypeError, ValueError, OverflowError):
        return []
    if not answer:
        return tokens if not any(token.text for token in tokens) else []
    place = _place_of(answer, tokens)
    if place is None:
        return []
    end = place + len(answer)
    found = [token for token in tokens if token.start < end and token.start + len(token.text) > place]
    if not all(math.isfinite(token.logprob) for token in found):
        return []
    return [token._replace(start=token.start - place) for token in found] if place else found


def _listed(choice: Mapping[str, Any]) -> Sequence[Any]:
    logprobs = choice.get("logprobs")
    if not isinstance(logprobs, dict):
        return ()
    content = logprobs.get("content")
    return content if isinstance(content, list) else _of_columns(logprobs)


def _of_columns(logprobs: Mapping[str, Any]) -> Sequence[Any]:
    """The tokens of the older form, which some servers of chats kept: a list of each thing, side by side."""
    tokens, values, tops = (logprobs.get(name) for name in ("tokens", "token_logprobs", "top_logprobs"))
    if not (isinstance(tokens, list) and isinstance(values, list)) or len(tokens) != len(values):
        return ()
    others = tops if isinstance(tops, list) and len(tops) == len(tokens) else [None] * len(tokens)
    return [
        {"token": token, "logprob": value, "top_logprobs": _of_pairs(other)}
        for token, value, other in zip(tokens, values, others, strict=True)
    ]


def _of_pairs(alternatives: Any) -> list[dict[str, Any]]:
    pairs = alternatives.items() if isinstance(alternatives, dict) else ()
    return [{"token": token, "logprob": logprob} for token, logprob in pairs]


def _tokens(items: Sequence[Mapping[str, Any]], answer: str) -> list[Token]:
    """Raises `KeyError`, `TypeError` or `ValueError` for what is no token with a log-probability."""
    texts = [item["token"] for item in items]
    if "".join(texts) != answer:
        return list(_characters(items))
    # What servers list most often: just the answer, each token text by itself.
    starts = accumulate(map(len, texts), initial=0)
    return [
        Token(start, text, float(item["logprob"]), (_Piece(item, as_text=True),))
        for start, text, item in zip(starts, texts, items, strict=False)
    ]


def _characters(items: Sequence[Mapping[str, Any]]) -> Iterator[Token]:
    """The tokens by their bytes; those that are part of a character are joined until it is whole."""
    start, raw, logprob = 0, b"", 0.0
    pieces: list[_Piece] = []
    for item in items:
        pieces.append(_Piece(item, False, raw, logprob))
        raw += _raw(item)
        logprob += float(item["logprob"])
        text = _decoded(raw)
        if text is not None:
            yield Token(start, text, logprob, tuple(pieces))
            start, raw, logprob, pieces = start + len(text), b"", 0.0, []


def _decoded(raw: bytes) -> str | None:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return None


def _raw(item: Mapping[str, Any]) -> bytes:
    listed = item.get("bytes")
    return bytes(listed) if isinstance(listed, list) else str(item["token"]).encode("utf-8", "surrogatepass")


_NOTHING = re.compile(r"(?:\s|<[|/]?[^<>\s]{1,40}>|\[/?[A-Z]{2,12}\]|```)*")
"""What may stand after an answer: space, the end of a code fence, and the tokens that end it."""


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
