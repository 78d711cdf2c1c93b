"""Tables whose rows are values of some types rather than lines of text."""

from __future__ import annotations

from abc import abstractmethod
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar

from labeltune.errors import SettingsError
from labeltune.files.tables.cells import cell_text, row_of_text
from labeltune.files.tables.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["ValueTable", "needs_package"]


class ValueTable(Table):
    """A table of values that become text. A row's line is its number, as the format counts rows."""

    _rows_hint: ClassVar[str] = "each row is a text with its labels"

    @abstractmethod
    def _values(self) -> Iterator[tuple[int, Iterable[Any]]]:
        """The rows and their numbers."""

    def _rows(self) -> Iterator[tuple[int, list[str]]]:
        any_row = False
        for line, values in self._values():
            any_row = True
            try:
                row = row_of_text(values, self.header, self._text, self._may_pass)
            except ValueError as error:
                self.reject("bad_value", line, str(error))
                continue
            yield line, row
        self._finish(any_row=any_row)

    _text = staticmethod(cell_text)


def needs_package(module: str, source: str) -> Any:
    """A module that the base install leaves out. Raises `SettingsError` that says how to install it."""
    try:
        return import_module(module)
    except ImportError as error:
        raise SettingsError(
            f"{source}: Excel and Parquet need one more package each",
            hint=f"pip install {module.replace('_', '-')}",
        ) from error
