"""Tables: CSV, TSV, JSON Lines, Parquet, Excel, standard input and DataFrames, as rows of exact text."""

from __future__ import annotations

from labeltune.files.tables.copying import copy_raw, copy_rows, ending_of_copies, ending_of_parts
from labeltune.files.tables.marks import neutralise
from labeltune.files.tables.opening import FORMATS, Source, open_table
from labeltune.files.tables.spreadsheet import take_off_marks
from labeltune.files.tables.table import Table
from labeltune.files.tables.writing import table_writer, write_table
from labeltune.task import ReadOptions

__all__ = [
    "FORMATS",
    "ReadOptions",
    "Source",
    "Table",
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
