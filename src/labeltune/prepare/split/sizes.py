"""How large the parts are: `train=0.8,validation=0.2`, or `train=400,test=100`, made row counts exactly."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import TYPE_CHECKING

from labeltune.errors import DataError, SettingsError
from labeltune.wording import counted

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["DEFAULT_SIZES", "check_sizes", "parse_sizes", "row_counts"]

DEFAULT_SIZES = "train=0.8,validation=0.2"

_HINT = (
    "fractions that add up to at most 1 (train=0.8,validation=0.2) or row counts (train=400,validation=100)"
)
_NAME = re.compile(r"\w[\w.+-]{0,99}")
_RESERVED = re.compile(r"(?i:con|prn|aux|nul|com\d|lpt\d)(\..*)?")
"""Names that are no files on Windows."""
_FRACTION = re.compile(r"[0-9]*\.[0-9]+|[0-9]+\.", re.ASCII)
_COUNT = re.compile(r"[0-9]{1,18}", re.ASCII)


def parse_sizes(text: str) -> dict[str, Fraction | int]:
    """The size of each part: a share of all rows if it is written with a point, else a number of rows.

    Raises `SettingsError` for anything else; see `check_sizes`.
    """
    sizes: dict[str, Fraction | int] = {}
    for item in text.split(","):
        name, equals, number = (piece.strip() for piece in item.partition("="))
        if not equals:
            raise SettingsError(f'--sizes: "{item.strip()}" has no size, expected NAME=SIZE', hint=_HINT)
        if name in sizes:
            raise SettingsError(f'--sizes: the part "{name}" stands there twice', hint=_HINT)
        if _FRACTION.fullmatch(number):
            sizes[name] = Fraction(number)
        elif _COUNT.fullmatch(number):
            sizes[name] = int(number)
        else:
            raise SettingsError(
                f'--sizes: "{number}" is no size of "{name}", expected a fraction or a number of rows',
                hint=_HINT,
            )
    check_sizes(sizes)
    return sizes


def check_sizes(sizes: Mapping[str, float | Fraction]) -> None:
    """Raise `SettingsError` unless the names can be files of one folder, and the sizes are of one kind.

    An `int` is a number of rows, anything else a share of all rows.
    """
    if not sizes:
        raise SettingsError("--sizes: no part", hint=_HINT)
    folded: dict[str, str] = {}
    for name, size in sizes.items():
        if not _NAME.fullmatch(name) or name.endswith(".") or _RESERVED.fullmatch(name):
            raise SettingsError(
                f'--sizes: "{name}" cannot be the name of a part, which becomes a file name',
                hint="use letters, digits, - and _",
            )
        other = folded.setdefault(name.casefold(), name)
        if other != name:
            raise SettingsError(f'--sizes: "{other}" and "{name}" are one file where case does not count')
        if size <= 0:
            raise SettingsError(f'--sizes: the part "{name}" has the size {size}, expected more', hint=_HINT)
    if len({isinstance(size, int) for size in sizes.values()}) > 1:
        raise SettingsError("--sizes: fractions and row counts do not go together", hint=_HINT)
    total = sum(map(_exact, sizes.values()))
    if not isinstance(next(iter(sizes.values())), int) and total > 1:
        raise SettingsError(f"--sizes: the fractions add up to {float(total):g}, more than 1", hint=_HINT)


def row_counts(sizes: Mapping[str, float | Fraction], n_rows: int, *, source: str) -> list[int]:
    """The number of rows of each part.

    Shares of rows are rounded so that the parts have together what their shares have together: down, and up
    where most is lacking, in the order of the parts where it is the same. Raises `DataError` if the table
    `source` has too few rows.
    """
    numbers = [_exact(size) for size in sizes.values()]
    if all(isinstance(size, int) for size in sizes.values()):
        counts = [int(number) for number in numbers]
        if sum(counts) > n_rows:
            raise DataError(
                f"{source}: {counted(sum(counts), 'row is', 'rows are')} asked for, and there are {n_rows:,}",
                hint="give smaller sizes, or fractions",
            )
        return counts
    wanted = [number * n_rows for number in numbers]
    counts = [int(number) for number in wanted]
    lacking = sorted(range(len(counts)), key=lambda part: counts[part] - wanted[part])
    for part in lacking[: round(sum(wanted)) - sum(counts)]:
        counts[part] += 1
    for name, number, count in zip(sizes, numbers, counts, strict=True):
        if not count:
            raise DataError(
                f'{source}: the part "{name}" would be empty: {float(number):g} of {n_rows:,} rows is no row',
                hint="give a larger share, or row counts",
            )
    return counts


def _exact(size: float | Fraction) -> Fraction:
    """The number as it is written: 0.1 is a tenth."""
    return Fraction(repr(size)) if isinstance(size, float) else Fraction(size)
