"""Multipart bodies, written to disk as they arrive."""

from __future__ import annotations

import re
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from labeltune.errors import DiskError
from labeltune.files.writing import atomic_write, disk_errors, sha256_of
from labeltune.local.errors import ApiError, invalid
from labeltune.local.wire import Fields

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from starlette.requests import Request

    from labeltune.local.store import Store

__all__ = ["Form", "Received", "read_form", "received"]

_FORM_OVERHEAD = 1 << 20
"""Bytes of a form that are not its file."""

_MAX_FIELD = 64 << 10
_NESTED = re.compile(r"(\w+)\[(\w+)\]")


@dataclass(frozen=True, slots=True)
class Received:
    """A file of a form: small ones are in memory, others in a temporary file of the store."""

    filename: str
    size: int
    handle: IO[bytes]

    def move_to(self, path: Path) -> str:
        """Put the bytes where they stay; returns their SHA-256."""
        self.handle.seek(0)
        with atomic_write(path) as target:
            shutil.copyfileobj(self.handle, target, 1 << 20)
        path.chmod(0o600)
        return sha256_of(path)


@dataclass(frozen=True, slots=True)
class Form:
    """The fields of a form, and its files by the name of their field."""

    fields: dict[str, Any]
    files: dict[str, Received]

    def file(self, name: str) -> Received:
        """The file that must be there."""
        if name not in self.files:
            invalid(f"Missing required parameter: '{name}'.", param=name, code="missing_required_parameter")
        return self.files[name]

    def read(self, file_name: str) -> Fields:
        """The other fields, as if they had come as JSON. Numbers of forms are text."""
        fields = Fields(self.fields)
        fields.skip((file_name,))
        return fields


async def read_form(request: Request, store: Store, limit: int) -> Form:
    """Read a multipart body whose files are at most `limit` bytes in all; close its files after use."""
    from python_multipart import FormParser
    from python_multipart.exceptions import FormParserError
    from python_multipart.multipart import parse_options_header

    kind, options = parse_options_header(request.headers.get("content-type"))
    boundary = options.get(b"boundary")
    if kind != b"multipart/form-data" or not boundary:
        invalid("The request must be multipart/form-data with a boundary.")
    form = Form({}, {})

    def on_field(field: Any) -> None:
        _put(
            form.fields,
            field.field_name.decode(errors="replace"),
            (field.value or b"").decode(errors="replace"),
        )

    def on_file(file: Any) -> None:
        name = (file.file_name or b"file").decode(errors="replace")
        form.files[file.field_name.decode(errors="replace")] = Received(name, file.size, file.file_object)

    parser = FormParser(
        "multipart/form-data",
        on_field,
        on_file,
        boundary=boundary,
        config={"UPLOAD_DIR": str(store.incoming), "MAX_FIELDS": 32, "MAX_FIELD_SIZE": _MAX_FIELD},
    )
    with _refusals(store):
        try:
            async for chunk in _limited(request, limit):
                parser.write(chunk)
            parser.finalize()
        except FormParserError as error:
            invalid(f"The multipart body cannot be read: {error}")
    return form


async def _limited(request: Request, limit: int) -> AsyncIterator[bytes]:
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit + _FORM_OVERHEAD:
            raise ApiError(413, f"The file is larger than {limit:,} bytes.", param="file")
        if chunk:
            yield chunk


@contextmanager
def _refusals(store: Store) -> Iterator[None]:
    from python_multipart.exceptions import FileError

    with disk_errors(store.incoming):
        try:
            yield
        except FileError as error:
            raise DiskError(f"{store.incoming}: cannot be written") from error


def _put(fields: dict[str, Any], name: str, text: str) -> None:
    """Store a field; `a[b]` is key b of the object a, and digits alone are a number."""
    value: Any = int(text) if text.isdecimal() and text.isascii() and len(text) < 16 else text
    nested = _NESTED.fullmatch(name)
    if nested is None:
        fields[name] = text
        return
    part = fields.setdefault(nested[1], {})
    if isinstance(part, dict):
        part[nested[2]] = value


@contextmanager
def received(form: Form) -> Iterator[Form]:
    """Close the temporary files of a form at the end of the block, which removes them."""
    try:
        yield form
    finally:
        for file in form.files.values():
            file.handle.close()
