"""Excel workbooks written: one sheet of text cells, the smallest file that every spreadsheet program reads.

Text cells are never formulas, whatever they begin with. Own code, because what the libraries write holds the
time of writing, and the same rows are to give the same bytes.
"""

from __future__ import annotations

import re
import zipfile
from contextlib import contextmanager
from html import escape
from typing import TYPE_CHECKING

from labeltune.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from labeltune.files.tables.row_writer import Handle, WriteRow

__all__ = ["MOST_ROWS", "workbook_writer"]

MOST_ROWS = 1 << 20
"""Rows of a sheet, the header among them: Excel's limit."""
LONGEST_CELL = 32_767
"""Characters of a cell: Excel's limit."""

_ENVIRONMENT = "http://schemas.openxmlformats.org"
_SHEET = f'xmlns="{_ENVIRONMENT}/spreadsheetml/2006/main"'
_XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_RELATIONS = f'{_XML}<Relationships xmlns="{_ENVIRONMENT}/package/2006/relationships">'
_OF_OFFICE = f"{_ENVIRONMENT}/officeDocument/2006/relationships"
_TYPES = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_FRAME = {
    "[Content_Types].xml": f'{_XML}<Types xmlns="{_ENVIRONMENT}/package/2006/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    f'<Override PartName="/xl/workbook.xml" ContentType="{_TYPES}.sheet.main+xml"/>'
    f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{_TYPES}.worksheet+xml"/></Types>',
    "_rels/.rels": f'{_RELATIONS}<Relationship Id="rId1" Type="{_OF_OFFICE}/officeDocument"'
    ' Target="xl/workbook.xml"/></Relationships>',
    "xl/workbook.xml": f'{_XML}<workbook {_SHEET} xmlns:r="{_OF_OFFICE}"><sheets>'
    '<sheet name="$SHEET" sheetId="1" r:id="rId1"/></sheets></workbook>',
    "xl/_rels/workbook.xml.rels": f'{_RELATIONS}<Relationship Id="rId1" Type="{_OF_OFFICE}/worksheet"'
    ' Target="worksheets/sheet1.xml"/></Relationships>',
}
_LONG_AGO = (1980, 1, 1, 0, 0, 0)
_NOT_XML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\r\ufffe\uffff]|_(?=x[0-9A-Fa-f]{4}_)")
"""What XML cannot hold, or would change, and what looks like its replacement."""


@contextmanager
def workbook_writer(
    handle: Handle, header: Sequence[str] | None, *, sheet: str = "Sheet1"
) -> Iterator[WriteRow]:
    """What writes the rows of a workbook with one sheet; without a header, only them.

    Raises `DataError` for what no sheet can hold.
    """
    written = 0
    with zipfile.ZipFile(handle, "w", zipfile.ZIP_DEFLATED) as book:
        for name, content in _FRAME.items():
            book.writestr(zipfile.ZipInfo(name, _LONG_AGO), content.replace("$SHEET", escape(sheet)))
        sheet_name = zipfile.ZipInfo("xl/worksheets/sheet1.xml", _LONG_AGO)
        sheet_name.compress_type = zipfile.ZIP_DEFLATED
        with book.open(sheet_name, "w", force_zip64=True) as cells:

            def write(row: Sequence[str]) -> None:
                nonlocal written
                written += 1
                if written > MOST_ROWS:
                    raise DataError(f"a sheet holds {MOST_ROWS:,} rows at most", hint="write CSV instead")
                cells.write(f'<row r="{written}">{"".join(map(_cell, row))}</row>'.encode())

            cells.write(f"{_XML}<worksheet {_SHEET}><sheetData>".encode())
            if header is not None:
                write(header)
            yield write
            cells.write(b"</sheetData></worksheet>")


def _cell(value: str) -> str:
    if len(value) > LONGEST_CELL:
        raise DataError(
            f"a cell of a sheet holds {LONGEST_CELL:,} characters at most", hint="write CSV instead"
        )
    text = escape(_NOT_XML.sub(lambda found: f"_x{ord(found[0]):04X}_", value), quote=False)
    return f'<c t="inlineStr"><is><t xml:space="preserve">{text}</t></is></c>' if value else "<c/>"
