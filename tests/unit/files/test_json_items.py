"""Values of JSON files one by one, with their lines, in constant memory."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from labeltune.errors import DataError
from labeltune.files import json_items as module
from labeltune.files.json_items import json_items
from labeltune.files.sources import ByteSource

ROWS = [
    {"id": n, "text": 'a "q" \\ ] } { [ \n\u2028😀', "deep": {"a": [1, [2.5, None, True]]}} for n in range(50)
]


def items(content: str | bytes, tmp_path: Path) -> list[tuple[int, Any]]:
    path = tmp_path / "x.json"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with ByteSource(path) as source:
        return [*json_items(source)]


@pytest.mark.parametrize("chunk", [1, 7, 1 << 18])
@pytest.mark.parametrize("ascii_", [True, False])
@pytest.mark.parametrize("indent", [None, 2])
def test_the_items_of_an_array(
    indent: int | None, ascii_: bool, chunk: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_CHUNK", chunk)
    content = json.dumps(ROWS, indent=indent, ensure_ascii=ascii_)
    found = items(f"\n {content}\n", tmp_path)
    assert [value for _, value in found] == ROWS
    assert [line for line, _ in found][:2] == ([2, 2] if indent is None else [3, 17])


def test_json_lines_and_objects_over_several_lines(tmp_path: Path) -> None:
    lines = "\n\n".join(map(json.dumps, ROWS))
    assert items(lines, tmp_path) == [(1 + 2 * n, row) for n, row in enumerate(ROWS)]
    assert [
        value for _, value in items("\n".join(json.dumps(row, indent=1) for row in ROWS), tmp_path)
    ] == ROWS
    assert items('["a", {"b": 1}]\n["c", {}]\n', tmp_path) == [(1, ["a", {"b": 1}]), (2, ["c", {}])]
    assert items("[]", tmp_path) == items("", tmp_path) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('[{"a": 1}, {"b": 2]', "x.json:1: not valid JSON: expecting ',' delimiter"),
        ('[\n{"a": 1},\n{"b": "x', "x.json:3: not valid JSON: unterminated string"),
        ('[{"a": 1} {"b": 2}]', 'x.json:1: not valid JSON: expected "," or "]"'),
        ('[{"a": 1}', "x.json:1: not valid JSON: the array does not end"),
        ('[{"a": 1}]]', "x.json:1: not valid JSON: something follows the array"),
        ('{"a": 1}\n{"b": }\n', "x.json:2: not valid JSON"),
        (b'[\n{"a": "\xff"}]', "x.json:2: byte 0xff is not UTF-8"),
        (b'{"a": 1}\n{"a": "\xff"}\n', "x.json:2: byte 0xff is not UTF-8"),
        ("[" + '{"a":' * 100_000, "nested too deep"),
    ],
)
def test_what_is_no_json_is_told_with_its_line(content: str | bytes, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        items(content, tmp_path)
    assert message in str(caught.value)


@pytest.mark.parametrize("form", ["array", "lines"])
def test_memory_does_not_grow_with_the_file(form: str, tmp_path: Path) -> None:
    def peak(count: int) -> int:
        path = tmp_path / f"{count}.json"
        rows = (json.dumps({"id": n, "text": "x" * 200}) for n in range(count))
        between = ",\n" if form == "array" else "\n"
        path.write_text(f"[{between.join(rows)}]" if form == "array" else between.join(rows))
        with ByteSource(path) as source:
            source.head()
            tracemalloc.start()
            try:
                assert sum(1 for _ in json_items(source)) == count
                return tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()

    assert peak(40_000) < 1.5 * peak(8_000)
