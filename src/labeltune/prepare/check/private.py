"""What should not leave the house: keys, e-mail addresses, card numbers. Shown masked, never whole."""

from __future__ import annotations

import re
import string
from typing import TYPE_CHECKING

import numpy as np

from labeltune.prepare.check.rule import Rule
from labeltune.pricing.tokens import JoinedTexts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from labeltune.prepare.check.part import Batch, Part

__all__ = ["Private", "private_matters"]

_BEGINS_PEM = "-----BEGIN"

# What each kind of key begins with, and the whole of it. The beginnings are looked for in many texts at once.
_KEYS: tuple[tuple[str, str, re.Pattern[str]], ...] = tuple(
    (beginning, name, re.compile(pattern))
    for beginning, name, pattern in (
        ("sk-", "an API key", r"\bsk-(?:[A-Za-z0-9]+-)*[A-Za-z0-9_-]{20,}"),
        ("AKIA", "an AWS access key", r"\bAKIA[0-9A-Z]{16}\b"),
        ("ASIA", "an AWS access key", r"\bASIA[0-9A-Z]{16}\b"),
        ("ghp_", "a GitHub token", r"\bghp_[A-Za-z0-9]{36}"),
        ("gho_", "a GitHub token", r"\bgho_[A-Za-z0-9]{36}"),
        ("ghs_", "a GitHub token", r"\bghs_[A-Za-z0-9]{36}"),
        ("github_pat_", "a GitHub token", r"\bgithub_pat_[A-Za-z0-9_]{22,}"),
        ("glpat-", "a GitLab token", r"\bglpat-[A-Za-z0-9_-]{20,}"),
        ("hf_", "a Hugging Face token", r"\bhf_[A-Za-z0-9]{30,}"),
        ("xox", "a Slack token", r"\bxox[abprs]-[A-Za-z0-9-]{15,}"),
        ("AIza", "a Google API key", r"\bAIza[0-9A-Za-z_-]{35}"),
        ("_live_", "a Stripe key", r"\b[rs]k_live_[0-9A-Za-z]{16,}"),
        (_BEGINS_PEM, "a private key", r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----"),
        ("eyJ", "a JSON web token", r"\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"),
    )
)
_EMAIL = re.compile(
    r"(?<![\w.+-])[\w+-]+(?:\.[\w+-]+)*@(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?\.)+[A-Za-z]{2,}(?![\w-])"
)
_CARD = re.compile(r"(?<![\d.,-])\d(?:[ -]?\d){12,18}(?![\d-])")

# Keys are long rows of such characters, which texts seldom have: these are looked for first.
_KEY_CHARACTERS = (string.ascii_letters + string.digits + "_-").encode()
_AS_KEY = bytes(code in _KEY_CHARACTERS for code in range(256))
_FOUR, _FOURS_IN_KEY = 0x01010101, b"\1\1\1\1"
"""The shortest key has 20 characters: wherever it begins, it fills four rows of four in a row."""

_AS_ZERO = bytes.maketrans(b"123456789", b"0" * 9)
_FEWEST_DIGITS = b"0" * 13


class Private(Rule):
    """Looks at all texts of a batch at once, and at each only where there is something to be found."""

    def batch(self, part: Part, batch: Batch) -> None:
        """See `Rule`."""
        for sign, look in _signs(batch.joined):
            for line, text in zip(batch.lines, batch.texts, strict=True):
                if sign in text:
                    for code, what in look(text):
                        part.add(code, what, line)


def private_matters(text: str) -> list[tuple[str, str]]:
    """What one text holds: each a finding's code, and a sentence with a masked piece of it."""
    return [found for sign, look in _signs(JoinedTexts((text,))) if sign in text for found in look(text)]


def _signs(joined: JoinedTexts) -> Iterator[tuple[str, Callable[[str], Iterator[tuple[str, str]]]]]:
    """What to look for, as far as the texts may hold it: a sign of it, and what looks closely."""
    content, uncommon = joined.content, joined.uncommon
    if _may_have_key(content) or _BEGINS_PEM.encode() in uncommon:
        for beginning, name, pattern in _KEYS:
            if beginning.encode() in content:
                yield beginning, _key_finder(name, pattern)
    if b"@" in uncommon:
        yield "@", _emails
    # Of a card number, thirteen digits or more are left in a row when spaces and dashes are gone.
    if _FEWEST_DIGITS in uncommon.translate(_AS_ZERO, b"-"):
        yield "", _cards


def _may_have_key(content: bytes) -> bool:
    """Whether there are nearly so many characters of keys in a row as in the shortest of them."""
    fours = np.frombuffer(content.translate(_AS_KEY), np.uint32, len(content) // 4) == _FOUR
    return _FOURS_IN_KEY in fours.tobytes()


def _key_finder(name: str, pattern: re.Pattern[str]) -> Callable[[str], Iterator[tuple[str, str]]]:
    def find(text: str) -> Iterator[tuple[str, str]]:
        for match in pattern.finditer(text):
            shown = match[0] if match[0].startswith("-----") else _masked(match[0])
            yield "secret", f"{name}? {shown}"

    return find


def _emails(text: str) -> Iterator[tuple[str, str]]:
    for match in _EMAIL.finditer(text):
        name, _, host = match[0].rpartition("@")
        yield "email", f"an e-mail address: {name[:1]}…@{host[:1]}….{host.rpartition('.')[2]}"


def _cards(text: str) -> Iterator[tuple[str, str]]:
    for match in _CARD.finditer(text):
        digits = [int(digit) for digit in match[0] if digit.isdecimal()]
        if _is_luhn(digits):
            yield "card_number", f"a card number? …{''.join(map(str, digits[-4:]))}"


def _is_luhn(digits: list[int]) -> bool:
    """Whether the last digit is the check digit of the others (ISO/IEC 7812-1, annex B)."""
    doubled = [digit * 2 - 9 * (digit > 4) for digit in digits[-2::-2]]
    # A row of one digit, such as sixteen zeros, is no card.
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0 and len(set(digits)) > 1


def _masked(secret: str) -> str:
    return f"{secret[:4]}…"
