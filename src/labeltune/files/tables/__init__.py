"""Tables: CSV, TSV, JSON Lines, Parquet, Excel, standard input and DataFrames, as rows of exact text."""

from __future__ import annotations

from labeltune.files.tables.copying import copy_raw, copy_rows, ending_of_copies, ending_of_parts
from labeltune.files.tables.marks import FORMULA_BYTES, neutralise
from labeltune.files.tables.opening import FORMATS, Source, open_table
from labeltune.files.tables.spreadsheet import MarkFinder, take_off_marks
from labeltune.files.tables.table import Table, UnusualTableError
from labeltune.files.tables.writing import table_writer, write_table
from labeltune.task import ReadOptions

__all__ = [
    "FORMATS",
    "FORMULA_BYTES",
    "MarkFinder",
    "ReadOptions",
    "Source",
    "Table",
    "UnusualTableError",
    "copy_raw",
    "copy_rows",
    "ending_of_copies",
    "ending_of_parts",
    "neutralise",
    "open_table",
    "table_writer",
    "take_off_marks",
    "write_table",
]
