"""Tables of typed columns: Parquet, and pandas DataFrames in memory."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar

from labeltune.errors import DataError
from labeltune.files.tables.headers import name_columns
from labeltune.files.tables.values import ValueTable, needs_package
from labeltune.wording import pasted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import pandas as pd

    from labeltune.files.sources import ByteSource
    from labeltune.files.tables.reading import Reading

__all__ = ["FrameTable", "ParquetTable"]

_BATCH = 4096


def _names_of(metadata: bytes, column: str) -> list[str]:
    """The names of a column's class labels, or of those in its lists; none if it holds something else."""
    try:
        feature = json.loads(metadata)["info"]["features"][column]
        return list((feature.get("feature") or feature).get("names") or ())
    except (ValueError, KeyError, TypeError, AttributeError):
        return []


class ParquetTable(ValueTable):
    """A Parquet file. Its first row is line 1."""

    format: ClassVar[str] = "parquet"

    def __init__(self, source: ByteSource, reading: Reading) -> None:
        super().__init__(source, source.name, reading)
        pyarrow = needs_package("pyarrow", self.source)
        from pyarrow import parquet

        try:
            self._file = parquet.ParquetFile(source.path)
            names = self._file.schema_arrow.names
        except (pyarrow.ArrowException, OSError, ValueError) as error:
            raise DataError(
                f"{self.source}: not a Parquet file that can be read: {error}", hint="fetch or write it again"
            ) from error
        self.header, unnamed = name_columns(self.source, None, names)
        self.unnamed = frozenset(self.header[number - 1] for number in unnamed)
        if not reading.columns:
            self._tell_class_labels()

    def _tell_class_labels(self) -> None:
        """Tell of numbers whose names are in the metadata that Hugging Face's `datasets` writes."""
        metadata = (self.schema.metadata or {}).get(b"huggingface", b"{}")
        named = [name for name in self.header if _names_of(metadata, name)]
        if named:
            numbers = ", ".join(f'"{name}"' for name in named)
            self.notes.append(
                f"{self.source}: {numbers} holds numbers of labels whose names are in the file, too: "
                f"labeltune import {pasted(self.source)} makes a table with the names"
            )

    @property
    def schema(self) -> Any:
        """The names and types of the columns, as pyarrow has them."""
        return self._file.schema_arrow

    def _values(self) -> Iterator[tuple[int, Iterable[Any]]]:
        import pyarrow as pa

        line = 0
        try:
            for batch in self._file.iter_batches(_BATCH):
                for values in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                    line += 1
                    yield line, values
        except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
            raise DataError(
                f"{self.source}:{line + 1}: damaged in this row or soon after: {error}",
                hint="fetch or write the file again",
            ) from error

    def close(self) -> None:
        """Let go of what is open."""
        self._file.close()
        super().close()


class FrameTable(ValueTable):
    """A pandas DataFrame. Its first row is line 1; missing values are empty."""

    format: ClassVar[str] = "dataframe"

    def __init__(self, frame: pd.DataFrame, reading: Reading) -> None:
        super().__init__(None, "DataFrame", reading)
        self._frame = frame
        self.header, unnamed = name_columns(self.source, None, [str(name) for name in frame.columns])
        self.unnamed = frozenset(self.header[number - 1] for number in unnamed)

    def _values(self) -> Iterator[tuple[int, Iterable[Any]]]:
        # Missing values differ by column type (NaN, NaT, NA); all of them say nothing.
        columns = [
            self._frame.iloc[:, index].astype(object).where(self._frame.iloc[:, index].notna(), None)
            for index in range(len(self.header))
        ]
        return enumerate(zip(*columns, strict=True), 1)
