"""What a file holds, whatever it is called: told by its first bytes."""

from __future__ import annotations

import codecs
import re
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

from labeltune.files.byte_marks import mark_of
from labeltune.files.tables.json_array import is_one_document

if TYPE_CHECKING:
    from labeltune.files.sources import ByteSource

__all__ = ["Content", "look"]

_SAVE_AS = "open it in a spreadsheet program and save it as .xlsx or CSV"
_MAGIC = (
    (b"\x1f\x8b", "gzip", None),
    (b"\xd0\xcf\x11\xe0", "an old Excel file", "excel"),
    (b"PAR1", "Parquet", "parquet"),
    (b"BZh", "bzip2", None),
    (b"\xfd7zXZ", "xz", None),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", None),
    (b"Rar!", "a RAR archive", None),
    (b"\x28\xb5\x2f\xfd", "Zstandard", None),
    (b"%PDF", "a PDF file", None),
    (b"SQLite format 3", "an SQLite database", None),
    (b"ARROW1", "an Arrow or Feather file", None),
    (b"\xff\xff\xff\xff", "a stream of Arrow", None),
    (b"\x93NUMPY", "a NumPy array", None),
    (b"\x89HDF", "an HDF5 file", None),
    (b"\x80\x04", "a Python pickle", None),
    (b"\x80\x05", "a Python pickle", None),
)
_POINTER = b"version https://git-lfs.github.com/spec/"
_OFFICE = (b"[Content_Types].xml", b"_rels/.rels", b"mimetypeapplication/vnd.oasis", b"docProps/", b"xl/")
"""What the first file of a workbook's ZIP archive is called; of an OpenDocument one, with its content."""
_HTML = re.compile(rb"(?is)\s*(<!--.*?-->\s*)*<(!doctype\s+html|html|head|body|table|meta|style|div)\b")
_XML = re.compile(rb"\s*<\?xml\b")
_XML_SHEET = re.compile(rb"(?s)\s*<\?xml.{0,400}(<Workbook|office:spreadsheet)")
_MARKUP = (
    (_HTML, "HTML", f"{_SAVE_AS}; if it is the page of a download, fetch what it links to"),
    (_XML_SHEET, "a spreadsheet in the XML of 2003", _SAVE_AS),
    (_XML, "XML", "export it as CSV or JSON"),
)
"""Text that is no table, the first that fits."""
_JSON_START = re.compile(rb'(?:\xef\xbb\xbf)?\s*(\{\s*["}]|\[\s*[\[{"\d\]-])')
_LISTED = 3


@dataclass(frozen=True, slots=True)
class Content:
    """What some bytes are, for messages, if not plainly a text table; which format reads them; the way on."""

    what: str | None = None
    format: str | None = None
    hint: str | None = None
    is_text: bool = False


def look(source: ByteSource) -> Content:
    """What a file holds."""
    head = source.head()
    if head.startswith(b"PK\x03\x04"):
        return Content("an Excel file", "excel") if head[30:].startswith(_OFFICE) else _look_into(source)
    for magic, what, format in _MAGIC:
        if head.startswith(magic):
            return Content(what, format)
    return _look_at_text(head)


def _look_at_text(head: bytes) -> Content:
    bare = head.removeprefix(codecs.BOM_UTF8)
    if head.startswith(_POINTER):
        return Content("a pointer of Git LFS", None, "fetch the file: git lfs pull", is_text=True)
    for pattern, what, hint in _MARKUP:
        if pattern.match(bare):
            return Content(what, None, hint, is_text=True)
    start = _JSON_START.match(head)
    if start is None:
        return Content(is_text=_is_text(head))
    if start[1].startswith(b"["):
        return Content("a JSON array", "json", is_text=True)
    if is_one_document(head):
        return Content("a JSON object over several lines", "json", is_text=True)
    return Content("JSON", "jsonl", is_text=True)


def _is_text(head: bytes) -> bool:
    signs = bytes(range(0x20, 0x100)) + b"\t\r\n\f"
    return bool(head) and (mark_of(head) is not None or not head.translate(None, signs))


def _look_into(source: ByteSource) -> Content:
    """What a ZIP archive is; if not a workbook, what is in it is named."""
    try:
        with source.open() as stream, zipfile.ZipFile(stream) as archive:
            names = [name for name in archive.namelist() if not name.endswith("/")]
    except (zipfile.BadZipFile, OSError, NotImplementedError):
        return Content("an Excel or ZIP file", "excel")
    if "[Content_Types].xml" in names or "mimetype" in names:
        return Content("an Excel file", "excel")
    if not names:
        return Content("a ZIP archive", None, "unpack it, and name the table in it")
    listed = ", ".join(names[:_LISTED]) + (", …" if len(names) > _LISTED else "")
    return Content(f"a ZIP archive that holds {listed}", None, f"unpack it: unzip {source.name}")
