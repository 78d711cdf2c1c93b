"""For which files cells are marked, so that no spreadsheet program takes them for formulas."""

from __future__ import annotations

from pathlib import Path

from labeltune.errors import SettingsError
from labeltune.files.writing import STANDARD_STREAM

__all__ = ["refuse_exact_formats"]

_TEXT_ENDINGS = (".csv", ".txt", ".tsv", ".tab")


def refuse_exact_formats(output: str) -> None:
    """Raise `SettingsError` for a file whose cells are text, whatever they begin with."""
    ending = Path(output.lower().removesuffix(".gz")).suffix
    if output != STANDARD_STREAM and ending not in _TEXT_ENDINGS:
        raise SettingsError(
            f"{output}: --spreadsheet is for {', '.join(_TEXT_ENDINGS)}; in {ending} files text stays text",
            hint="leave --spreadsheet out",
        )
