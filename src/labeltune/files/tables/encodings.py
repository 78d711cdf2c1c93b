"""Which encoding a text has: UTF-8, what a byte order mark says, or what was told; nothing is guessed.

Where bytes are not what they should be, the likely encodings are named, each with what it would make of them:
which one is right, a reader of the language sees at once, and no program with certainty.
"""

from __future__ import annotations

from labeltune.errors import SettingsError
from labeltune.files.byte_marks import UTF8, mark_of
from labeltune.task.read_options import encoding_named

__all__ = ["choose_encoding", "doubt", "likely_encodings", "suggestion"]

# fmt: off
_COMMON = (
    "cp1252", "cp1250", "cp1251", "koi8_r", "cp1253", "cp1254", "cp1255", "cp1256", "cp874",
    "gb18030", "big5", "cp932", "euc_jp", "cp949",
)
# fmt: on
"""The encodings in which tables are met: of Windows by language, and those of East Asia."""
_AS_GOOD = 0.06
"""How much more mess a decoded text may be than the best one, on charset-normalizer's scale from 0 to 1."""
_MOST_NAMED = 3
_SHOWN, _LOOKED_AT = 16, 50
_ENOUGH = 24
"""Bytes beyond ASCII; fewer tell nothing about an encoding."""


def choose_encoding(head: bytes, told: str | None, kept: str | None, source: str) -> str:
    """The encoding of a text that begins with `head`, by its own name.

    `told` must fit; `kept`, which was told of another file, counts where there is no mark. Raises
    `SettingsError` if the one that was told does not exist, needs a byte order mark that is not there, or is
    another one than the mark says.
    """
    mark = mark_of(head)
    told = told or (kept if mark is None else None)
    if told is None:
        return UTF8 if mark is None else mark[1]
    name = encoding_named(told)
    if name is None:
        raise SettingsError(
            f"--encoding {told}: no such encoding of text", hint="known are utf-8, utf-16, cp1252, …"
        )
    name = name.removesuffix("-sig")
    if mark is not None and not mark[1].startswith(name):
        raise SettingsError(
            f"{source}: begins with the byte order mark of {mark[1]}, but --encoding says {told}",
            hint="leave --encoding out",
        )
    if mark is None and name in ("utf-16", "utf-32"):
        raise SettingsError(
            f"{source}: has no byte order mark, so --encoding {told} does not say which byte comes first",
            hint=f"give --encoding {name}-le or {name}-be",
        )
    return name if mark is None else mark[1]


def likely_encodings(sample: bytes) -> list[str]:
    """The encodings that the bytes may well have, the likeliest first; at most three, maybe none."""
    return _ranked(sample, _COMMON)[:_MOST_NAMED]


def _ranked(sample: bytes, candidates: tuple[str, ...]) -> list[str]:
    from charset_normalizer import from_bytes

    matches = list(from_bytes(sample, cp_isolation=list(candidates), enable_fallback=False))
    # The least mess, then what reads most like a language; of equal ones, the commonest.
    matches.sort(
        key=lambda match: (
            round(match.chaos, 2),
            -round(match.coherence, 1),
            candidates.index(match.encoding),
        )
    )
    names: dict[str, None] = {}
    for match in matches:
        if match.chaos <= matches[0].chaos + _AS_GOOD:
            # Several encodings may make the same text of the bytes: the first of ours is the commonest.
            same = {match.encoding, *match.could_be_from_charset}
            names[next(name for name in (*candidates, match.encoding) if name in same)] = None
    return list(names)


def suggestion(sample: bytes, utf8: int = 0) -> str:
    """Which encodings may be meant, for a message: each with what it makes of a line of the sample.

    Not where most lines with signs beyond ASCII are UTF-8, as `utf8` ones before the sample: they would be
    spoilt by another encoding.
    """
    first, *rest = sample.splitlines()
    others = [line for line in rest if not line.isascii()]
    valid = utf8 + sum(_is_utf8(line + b"\n") for line in others)
    if valid > utf8 + len(others) - valid + 1:
        names = likely_encodings(first)
        shown = f' ({names[0]}: "{_shown(first, names[0])}")' if names else ""
        return (
            f"most other lines are UTF-8, so this one was written in another encoding{shown}: "
            "write it anew, or take it out"
        )
    names = likely_encodings(sample)
    if not names:
        return "name its encoding with --encoding"
    lines = [line for line in sample.splitlines() if not line.isascii()][:_LOOKED_AT]
    # The line on which they differ most shows best which one is right.
    line = max(lines, key=lambda one: len({_shown(one, name) for name in names}))
    return "likely: " + " or ".join(f'--encoding {name} ("{_shown(line, name)}")' for name in names)


def doubt(sample: bytes, encoding: str, told: str) -> str | None:
    """Why an encoding that decodes all bytes may yet be the wrong one, as a sentence; None if it fits."""
    beyond = sample.translate(None, bytes(range(0x80)))
    if len(beyond) < _ENOUGH or encoding.startswith(("utf-", "utf_")):
        return None
    line = next(line for line in sample.splitlines() if not line.isascii())
    read = f'read as {told}, as it was told, it says "{_shown(line, encoding)}"'
    own = encoding.replace("-", "_")
    if _is_utf8(sample):
        return f'{read}, as UTF-8 "{_shown(line, UTF8)}"'
    likely = _ranked(sample, (*_COMMON, own))
    if not likely or own in likely or _shown(line, encoding) in {_shown(line, name) for name in likely}:
        return None
    return (
        f"{read}; is it "
        + " or ".join(f'"{_shown(line, name)}" ({name})' for name in likely[:_MOST_NAMED])
        + "?"
    )


def _is_utf8(sample: bytes) -> bool:
    """Whether the whole lines of a sample are UTF-8."""
    try:
        sample[: sample.rfind(b"\n") + 1].decode()
    except UnicodeDecodeError:
        return False
    return True


def _shown(line: bytes, encoding: str) -> str:
    """What an encoding makes of a line, from the word with its first byte beyond ASCII on."""
    text = line.decode(encoding, "replace")
    first = next((place for place, sign in enumerate(text) if not sign.isascii()), 0)
    start = max(text.rfind(sign, 0, first) for sign in ' ,;\t|"') + 1
    shown = text[start : start + _SHOWN].strip()
    return "".join(sign if sign.isprintable() else "·" for sign in shown)
