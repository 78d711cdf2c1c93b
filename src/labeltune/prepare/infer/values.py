"""What sort of values a column holds, told from a sample of them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["FLAG_PAIRS", "Sort", "count_words", "is_nested", "is_number", "sort_of"]

Sort = Literal["words", "whole numbers", "numbers", "dates", "URLs", "codes", "nested data"]

MOSTLY = 0.95
"""The share of the values that tells the sort of all: a few may be `N/A` or a note."""

_DIGITS = r"(\d{1,3}([,. '\u2019\u00a0\u202f]\d{3})+|\d+)?([.,]\d+)?([eE][+-]?\d+)?"
_CURRENCY = r"[$€£¥₹]|USD|EUR|GBP|CHF|JPY|CNY|INR|SEK|NOK|DKK|PLN|CZK|BRL|TRY|RUB|kr|zł|Kč|TL"
_NUMBER = re.compile(rf"[+-]?(({_CURRENCY})\s?[+-]?{_DIGITS}|{_DIGITS}\s?(%|{_CURRENCY})?)")
"""As people and programs write numbers: with marks between thousands, and a per cent sign or a currency."""
_WHOLE = re.compile(r"[+-]?\d+(\.0+)?")
_URL = re.compile(
    r"[a-z][a-z0-9+.-]*://\S+|www\.\S+|[^\s@]+@[^\s@]+\.\w+|(/|\.{1,2}/|[a-z]:\\)\S+", re.IGNORECASE
)
_NESTED = re.compile(r"\{.*\}|\[.*\]|\(.*,.*\)", re.DOTALL)
_UUID_OR_HASH = re.compile(r"\{?[0-9a-f]{8}(-?[0-9a-f]{4}){3}-?[0-9a-f]{12}\}?|[0-9a-f]{16,}", re.IGNORECASE)
_CODE = re.compile(r"(?=[^\d]*\d)[\w.:/#-]+")

_DAY_OR_ZONE = r"(mon|tue|wed|thu|fri|sat|sun)[a-z]*|utc|gmt|z|t|am|pm|[a-z]{1,2}[sd]t|st|nd|rd|th|of|at"
_MONTH = r"(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*"
_DATE_PIECE = re.compile(
    rf"(?P<digits>\d+)|(?P<month>{_MONTH})(?![a-z])|({_DAY_OR_ZONE})(?![a-z])|[\s,./:+-]", re.IGNORECASE
)
_YEAR = re.compile(r"(1[89]|20|21)\d\d")
_NUMERIC_DATE = re.compile(
    r"\d{1,2}([./-])\d{1,2}\1(\d{2}|\d{4})|(19|20)\d\d[01]\d[0-3]\d|(19|20)\d\d-[01]?\d"
)
_CLOCK = re.compile(r"\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?")

_WITHOUT_SPACES = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]"
)
_SIGNS_A_WORD = 2
"""In scripts that put no space between words, a word has about two signs."""

_YES_AND_NO = (
    ("1", "0"),
    ("true", "false"),
    ("t", "f"),
    ("yes", "no"),
    ("y", "n"),
    ("ja", "nein"),
    ("j", "n"),
    ("ja", "nee"),
    ("ja", "nej"),
    ("oui", "non"),
    ("si", "no"),
    ("sí", "no"),
    ("sì", "no"),
    ("sim", "não"),
    ("tak", "nie"),
    ("ano", "ne"),
    ("evet", "hayır"),
    ("да", "нет"),
    ("是", "否"),
    ("はい", "いいえ"),
    ("예", "아니오"),
)
FLAG_PAIRS = (
    *_YES_AND_NO,
    *((yes, "") for yes in dict.fromkeys([*(y for y, _ in _YES_AND_NO), "x", "✓", "✔"])),
)
"""How a column says that a label applies, or not, case folded; an empty one is an empty cell."""


def sort_of(values: Sequence[str]) -> Sort:
    """What values these are, the empty ones left out: of what nearly all of them are, else words."""
    values = [value.strip() for value in values]
    for sort, holds in _SORTS.items():
        if values and sum(bool(holds(value)) for value in values) >= MOSTLY * len(values):
            return sort
    return "words"


def count_words(text: str) -> float:
    """How many words a text has; in scripts without spaces, about how many."""
    without = len(_WITHOUT_SPACES.findall(text))
    return len(text.split()) + without / _SIGNS_A_WORD


def is_number(value: str) -> bool:
    """Whether the value is a number, as people and programs write it."""
    return any(sign.isdigit() for sign in value) and bool(_NUMBER.fullmatch(value))


def is_nested(value: str) -> bool:
    """Whether the value looks like an object or a list with others in it."""
    return bool(_NESTED.fullmatch(value.strip()))


def _is_date(value: str) -> bool:
    if _NUMERIC_DATE.fullmatch(value) or _CLOCK.fullmatch(value):
        return True
    numbers: list[str] = []
    month, at = False, 0
    while at < len(value):
        piece = _DATE_PIECE.match(value, at)
        if piece is None:
            return False
        month = month or piece["month"] is not None
        numbers += [piece["digits"]] if piece["digits"] else []
        at = piece.end()
    return len(numbers) >= (1 if month else 3) and (month or any(map(_YEAR.fullmatch, numbers)))


def _is_code(value: str) -> bool:
    return bool(_UUID_OR_HASH.fullmatch(value) or _CODE.fullmatch(value))


_SORTS: dict[Sort, Callable[[str], object]] = {
    "whole numbers": _WHOLE.fullmatch,
    "dates": _is_date,
    "numbers": is_number,
    "URLs": _URL.fullmatch,
    "nested data": is_nested,
    "codes": _is_code,
}
"""Each sort and what tells it, the first that holds counts."""
