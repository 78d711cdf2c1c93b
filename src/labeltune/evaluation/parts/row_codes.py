"""Which pattern each row shows, kept in a file once there are many rows."""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING

import numpy as np

from labeltune.files.writing import disk_errors

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

    from labeltune.evaluation.metrics.patterns import FloatArray, IntArray

__all__ = ["RowCodes"]

_IN_MEMORY = 16 << 20
_AT_ONCE = 1 << 20
"""How many rows are added up at once."""
_CODE = np.dtype("<i4")


class RowCodes:
    """Whole numbers, one for each row, in the order of the rows. Close it, or use it with `with`.

    Up to 16 MiB of them are held in memory, more in a temporary file.
    """

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115  (closed by `close`)
        self.rows = 0

    def append(self, codes: IntArray) -> None:
        """Take the codes of the rows that follow, (n_rows,). Raises `DiskError`."""
        with disk_errors(tempfile.gettempdir()):
            self._file.seek(self.rows * _CODE.itemsize)
            self._file.write(codes.astype(_CODE).tobytes())
        self.rows += len(codes)

    def cut(self, rows: int) -> None:
        """Forget all but the first rows."""
        self.rows = rows

    def all(self) -> IntArray:
        """All of them, in memory."""
        return self._read(0, self.rows)

    def add_up(self, columns: Sequence[FloatArray]) -> list[float]:
        """The sums over the rows of figures that each code has, (n_codes,) each, as `numpy.sum` has them."""
        if not self.rows:
            return [0.0] * len(columns)
        return [float(one) for one in self._sums(columns, 0, self.rows)]

    def _sums(self, columns: Sequence[FloatArray], start: int, rows: int) -> FloatArray:
        """As numpy does: each half of many numbers by itself, the first of them a multiple of eight long."""
        if rows <= _AT_ONCE:
            codes = self._read(start, rows)
            return np.array([column[codes].sum() for column in columns])
        half = rows // 2
        half -= half % 8
        return self._sums(columns, start, half) + self._sums(columns, start + half, rows - half)

    def _read(self, start: int, rows: int) -> IntArray:
        self._file.seek(start * _CODE.itemsize)
        content = self._file.read(rows * _CODE.itemsize)
        return np.frombuffer(content, dtype=_CODE).astype(np.int64)

    def close(self) -> None:
        """Remove the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
