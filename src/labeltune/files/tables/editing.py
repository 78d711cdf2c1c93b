"""A table with some cells changed and some rows added; all else is byte for byte what it was."""

from __future__ import annotations

import csv
import io
import json
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from labeltune.errors import DataError
from labeltune.files.tables.cells import NOTHING, Typed, plain_value
from labeltune.files.tables.copying import workbook_like
from labeltune.files.tables.excel import ExcelTable
from labeltune.files.tables.json_array import JsonArrayTable
from labeltune.files.tables.text_table import TextTable
from labeltune.files.tables.writing import json_row, table_writer
from labeltune.task.cells import list_items

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from labeltune.files.tables.row_writer import Handle
    from labeltune.files.tables.table import Table

    Changes = Mapping[int, Mapping[int, str]]
    """By a row's line, its new cells by their position in the header."""

__all__ = ["write_edited"]

_QUOTE = '"'


def write_edited(
    table: Table,
    again: Table,
    output: str,
    whole: Callable[[str], AbstractContextManager[Handle]],
    changes: Changes,
    added: Sequence[Sequence[str]],
) -> None:
    """Write the good rows of a table with the cells of `changes`, and the rows `added` behind them.

    `again` is the table opened once more; `whole` opens the output for bytes, whole or untouched. Tables of
    text keep the bytes of every cell that does not change; of others the values are written. Raises
    `DataError` for a cell that a table without quoting cannot hold.
    """
    if isinstance(table, TextTable):
        with whole(output) as handle:
            (_write_array if isinstance(table, JsonArrayTable) else _write_lines)(
                table, again, handle, changes, added
            )
        return
    with ExitStack() as stack:
        if isinstance(table, ExcelTable) and output.lower().endswith(".xlsx"):
            write = stack.enter_context(workbook_like(table, stack.enter_context(whole(output))))
        else:
            write = stack.enter_context(table_writer(output, table.header, like=table))
        types = _Types()
        for line, values in table:
            types.see(values)
            write(_changed(values, changes.get(line, {})))
        for row in added:
            write(types.of(row))


class _Types:
    """Of which type the values of each column are: what is added should be of it, too."""

    def __init__(self) -> None:
        self._known: dict[int, Typed] = {}

    def see(self, values: Sequence[str]) -> None:
        """One more row."""
        for place, cell in enumerate(values):
            if isinstance(cell, Typed) and cell.value is not None:
                self._known.setdefault(place, cell)

    def of(self, row: Sequence[str]) -> list[str]:
        """A new row, its cells of the types of their columns."""
        return [
            NOTHING if not cell and place in self._known else _of_type(cell, self._known.get(place, ""))
            for place, cell in enumerate(row)
        ]


def _changed(values: Sequence[str], cells: Mapping[int, str]) -> list[str]:
    row = list(values)
    for place, cell in cells.items():
        row[place] = _of_type(cell, row[place])
    return row


def _of_type(cell: str, old: str) -> str:
    """A cell as a value of the type that stood there; as text if it is none."""
    if not isinstance(old, Typed):
        return cell
    try:
        match old.value:
            case bool():
                return Typed(cell, cell == "1")
            case int():
                return Typed(cell, int(cell))
            case float():
                return Typed(cell, float(cell))
            case list():
                return cell if (items := list_items(cell)) is None else Typed(cell, items)
    except ValueError:
        pass
    return str(cell)


# ------------------------------------------------------------------------------------------------------ lines


def _write_lines(
    table: TextTable, again: Table, handle: Handle, changes: Changes, added: Sequence[Sequence[str]]
) -> None:
    """Rows that are bytes, one after the other."""
    handle.write(table.header_bytes or b"")
    end = "\n"
    is_open = False
    types = _Types()
    for line, values, text in _texts(table, again):
        types.see(values)
        bare = text.rstrip("\r\n")
        is_open = bare == text
        end = end if is_open else text[len(bare) :]
        cells = changes.get(line)
        changed = text if not cells else _edited(table, line, values, bare, cells) + text[len(bare) :]
        handle.write(changed.encode(table.encoding))
    if added and is_open:
        handle.write(table.encoded(end))
    for row in added:
        handle.write(table.encoded(_as_line(table, types.of(row)) + end))


def _texts(table: TextTable, again: Table) -> Iterator[tuple[int, list[str], str]]:
    for (line, values), (_, content) in zip(table, again.raw(), strict=True):
        yield line, values, content.decode(table.encoding)


def _edited(table: TextTable, line: int, values: Sequence[str], text: str, cells: Mapping[int, str]) -> str:
    if table.separator is None:
        row = _changed(values, cells)
        return _with_members(text, {table.header[place]: plain_value(row[place]) for place in cells})
    spans = list(_spans(text, table.separator, quoted=table.quoted))
    for place in sorted(cells, reverse=True):
        begin, stop = spans[place]
        was_quoted = table.quoted and text.startswith(_QUOTE, begin)
        text = text[:begin] + _cell(table, line, cells[place], quoted=was_quoted) + text[stop:]
    return text


def _spans(text: str, separator: str, *, quoted: bool) -> Iterator[tuple[int, int]]:
    """Where the values of a row that is well-formed CSV begin and end, their quotes included."""
    begin = 0
    while True:
        at = begin
        while quoted and text.startswith(_QUOTE, at):  # a doubled quote begins where one ended
            at = text.index(_QUOTE, at + 1) + 1
        stop = text.find(separator, at)
        yield begin, len(text) if stop < 0 else stop
        if stop < 0:
            return
        begin = stop + len(separator)


def _cell(table: TextTable, line: int, cell: str, *, quoted: bool) -> str:
    """A cell as the table writes it."""
    separator = table.separator or ","
    special = any(sign in cell for sign in (separator, "\n", "\r"))
    if not table.quoted:
        if special:
            raise DataError(
                f'{table.source}:{line}: "{cell}" holds what separates columns, and the table has no quotes'
            )
        return cell
    if quoted or special or _QUOTE in cell:
        return _QUOTE + cell.replace(_QUOTE, _QUOTE * 2) + _QUOTE
    return cell


def _as_line(table: TextTable, row: Sequence[str]) -> str:
    """A row as the table writes it, without the line's end."""
    if table.separator is None:
        return json_row(table.header, row).decode()
    if not table.quoted:
        return table.separator.join(_cell(table, 0, cell, quoted=False) for cell in row)
    text = io.StringIO()
    csv.writer(text, delimiter=table.separator, lineterminator="").writerow(row)
    return text.getvalue()


# ------------------------------------------------------------------------------------------------------- JSON


def _with_members(text: str, members: Mapping[str, Any]) -> str:
    """A JSON object with other values of some members, and nothing else touched; those it lacks come last."""
    found = dict(_members(text))
    for key in sorted(members.keys() & found.keys(), key=lambda key: -found[key][0]):
        begin, stop = found[key]
        text = text[:begin] + json.dumps(members[key], ensure_ascii=False) + text[stop:]
    for key in members.keys() - found.keys():
        member = json.dumps({key: members[key]}, ensure_ascii=False)[1:-1]
        close = text.rindex("}")
        text = text[:close].rstrip() + (", " if found else "") + member + text[close:]
    return text


def _members(text: str) -> Iterator[tuple[str, tuple[int, int]]]:
    """The keys of a JSON object, each with where its value begins and ends."""
    decoder = json.JSONDecoder()
    at = _past(text, text.index("{") + 1, "")
    while text[at] == _QUOTE:
        key, at = decoder.raw_decode(text, at)
        begin = _past(text, at, ":")
        _, stop = decoder.raw_decode(text, begin)
        yield key, (begin, stop)
        at = _past(text, stop, ",")


def _past(text: str, at: int, sign: str) -> int:
    while text[at].isspace() or text[at] == sign:
        at += 1
    return at


def _write_array(
    table: TextTable, again: Table, handle: Handle, changes: Changes, added: Sequence[Sequence[str]]
) -> None:
    """The rows as a JSON array, each row that does not change the bytes that it was."""
    handle.write(table.mark)
    sign, types = "[\n", _Types()
    for line, values, text in _texts(table, again):
        types.see(values)
        cells = changes.get(line)
        handle.write(table.encoded(sign + (_edited(table, line, values, text, cells) if cells else text)))
        sign = ",\n"
    for row in added:
        handle.write(table.encoded(sign + _as_line(table, types.of(row))))
        sign = ",\n"
    handle.write(table.encoded("\n]\n"))
