"""What is done to one text: markup out, mojibake mended, space unified, its language found."""

from __future__ import annotations

import re
from functools import cache
from importlib.util import find_spec
from itertools import islice
from typing import Any

from labeltune.errors import AccessError, SettingsError, did_you_mean

__all__ = ["Language", "mended", "need_packages", "text_of_page", "tidy"]

PACKAGES = ("trafilatura", "ftfy", "py3langid")

FEWEST_LETTERS = 20
"""A text of fewer letters has no language that could be told."""
_JUDGED = 1000
"""Characters, from the beginning, by which a language is told: more makes it slower, and no surer."""
SURE = 0.5
"""A language is told if it is at least so probable."""

_INVISIBLE = re.compile("[\u00ad\u200b\u2060\ufeff]")
"""Soft hyphens, zero-width spaces and byte order marks. Joiners (U+200C, U+200D) are letters' own."""
_IN_LINE = re.compile(r"[^\S\n]+")
_LINE_ENDS = re.compile("\r\n?|[\u0085\u2028\u2029]")
_BLANK_LINES = re.compile(r"\n{3,}")
_WHOLE_PAGE = re.compile(r"<(!doctype|html|body|head)\b", re.IGNORECASE)


def need_packages() -> None:
    """Raise `AccessError` if a package of the extra is missing."""
    if any(find_spec(name) is None for name in PACKAGES):
        raise AccessError(
            f"clean needs {', '.join(PACKAGES[:-1])} and {PACKAGES[-1]}",
            hint='pip install "labeltune[clean]"',
        )


def text_of_page(page: str | bytes) -> str:
    """The main text of an HTML page, or all the text of a piece of HTML; empty if there is none.

    Bytes are decoded as the page or its characters tell. Boilerplate (menus, footers, comments) is what
    trafilatura takes for it: Barbaresi, "Trafilatura: A Web Scraping Library and Command-Line Tool for Text
    Discovery and Extraction" (2021).
    """
    import trafilatura
    from trafilatura.utils import decode_file

    content: str = decode_file(page) if isinstance(page, bytes) else page
    if _WHOLE_PAGE.search(content[:2000]):
        found = trafilatura.extract(content, include_comments=False, output_format="txt")
        if found:
            return str(found)
    else:
        # Without a beginning of a page, trafilatura takes it for none.
        content = f"<html><body>{content}</body></html>"
    # A piece of HTML, or a page without a main text: all that is written in it.
    return str(trafilatura.html2txt(content) or "")


def mended(text: str) -> str:
    """The text with mojibake put right: bytes that were decoded as another encoding than their own."""
    import ftfy

    return ftfy.fix_text(text, _ftfy_settings())


@cache
def _ftfy_settings() -> Any:
    """What ftfy mends: only what is broken. Quotes, ligatures and wide letters are the writer's own."""
    from ftfy import TextFixerConfig

    return TextFixerConfig(
        unescape_html=False,
        uncurl_quotes=False,
        fix_latin_ligatures=False,
        fix_character_width=False,
        fix_line_breaks=False,
        normalization=None,
        explain=False,
    )


def tidy(text: str) -> str:
    """The text with one kind of space: single ones in a line, at most one blank line, none at the ends."""
    plain = _IN_LINE.sub(" ", _INVISIBLE.sub("", _LINE_ENDS.sub("\n", text)))
    lines = "\n".join(line.strip() for line in plain.split("\n"))
    return _BLANK_LINES.sub("\n\n", lines).strip()


@cache
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


class Language:
    """Tells whether a text is of the language of an ISO 639-1 code. Raises `SettingsError` for another code.

    The model is py3langid's: Lui and Baldwin, "langid.py: An Off-the-shelf Language Identification Tool"
    (2012), retrained.
    """

    def __init__(self, code: str) -> None:
        codes = sorted(map(str, _identifier().labels))
        if code not in codes:
            raise SettingsError(
                f"--language {code}: not a language that can be told{did_you_mean(code, codes)}",
                hint=f"known are {', '.join(codes)}",
            )
        self.code = code

    def of(self, text: str) -> str | None:
        """The code of the language that the text is in; None if it is too short or nothing is sure enough."""
        if sum(1 for _ in islice(filter(str.isalpha, text), FEWEST_LETTERS)) < FEWEST_LETTERS:
            return None
        code, share = _identifier().classify(text[:_JUDGED])
        return str(code) if share >= SURE else None
