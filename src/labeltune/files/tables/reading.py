"""What is told about one table, and by whom: the options of this call must fit it, those of the task may."""

from __future__ import annotations

from dataclasses import dataclass

from labeltune.errors import SettingsError
from labeltune.task.read_options import NOTHING_TOLD, ReadOptions

__all__ = ["OPTIONS", "Reading"]

OPTIONS = {
    "encoding": "--encoding",
    "separator": "--sep",
    "quote": "--quote",
    "header": "--no-header",
    "sheet": "--sheet",
}
"""How the options that not all formats have are called."""
_FOR = {
    "encoding": "text tables",
    "separator": "text tables",
    "quote": "CSV and TSV",
    "header": "CSV, TSV and Excel",
    "sheet": "Excel files",
}
_ALWAYS = frozenset({"format", "strip"})


@dataclass(frozen=True, slots=True)
class Reading:
    """How a table is to be read: as `told`, else as `kept` in the task, which was made for a table like it.

    `columns` are those that the task names: what stands in others refuses no row. `may_be_empty`: a header
    without rows is a table, and so is JSON without rows, which has no header.
    """

    told: ReadOptions = NOTHING_TOLD
    kept: ReadOptions = NOTHING_TOLD
    columns: frozenset[str] = frozenset()
    may_be_empty: bool = False

    def fitting(self, source: str, format: str, takes: frozenset[str]) -> ReadOptions:
        """The options of a table whose format `takes` these; raises `SettingsError` if it was told others."""
        for name in self.told.said():
            if name not in takes | _ALWAYS:
                raise SettingsError(f"{source}: {OPTIONS[name]} is for {_FOR[name]}; this is {format}")
        kept = {name: value for name, value in self.kept.said().items() if name in takes | _ALWAYS}
        return self.told.over(ReadOptions(**kept))  # type: ignore[arg-type]  # values of the options' own types
