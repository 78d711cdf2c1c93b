"""Words that depend on a number, and names as a shell takes them."""

from __future__ import annotations

import os
import shlex

__all__ = ["counted", "pasted", "sized"]


def counted(number: int, one: str, many: str | None = None) -> str:
    """A number with its noun, or with noun and verb: `1 row`, `1,200 rows`.

    `many` is what stands for more than one, if it is not `one` with an s.
    """
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"


def sized(count: float) -> str:
    """Bytes in the largest unit that makes at least one of them; powers of 1000."""
    value, unit = float(count), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if value < 999.5:
            break
        value, unit = value / 1000, larger
    return f"{value:.0f} {unit}" if value >= 9.95 or unit == "B" else f"{value:.1f} {unit}"


def pasted(name: str | os.PathLike[str]) -> str:
    """A name as a shell takes it for one word, when a proposed command is pasted.

    One with bytes that are no UTF-8, or with signs that cannot be seen, is spelled with `$'…'`, which bash,
    zsh and ksh understand.
    """
    text = os.fspath(name)
    if text.isprintable():
        return shlex.quote(text)
    return "$'" + "".join(map(_spelled, text)) + "'"


def _spelled(sign: str) -> str:
    if sign in "'\\":
        return f"\\{sign}"
    if sign.isprintable():
        return sign
    # A byte that is no UTF-8 stands in a name as a surrogate; half a sign from elsewhere is none of those.
    errors = "surrogateescape" if "\udc80" <= sign <= "\udcff" else "surrogatepass"
    return "".join(f"\\x{byte:02x}" for byte in sign.encode("utf-8", errors))
