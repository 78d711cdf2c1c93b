"""Chat files: read line by line with every broken line named, written whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from labeltune.errors import DataError, SettingsError
from labeltune.files import jsonl as module
from labeltune.files.jsonl import ChatFile, is_chat_file

RECORD = {"messages": [{"role": "user", "content": "é\u2028😀"}, {"role": "assistant", "content": "a"}]}
LINE = json.dumps(RECORD, ensure_ascii=False)


def write(folder: Path, content: str | bytes) -> Path:
    path = folder / "c.jsonl"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_records_carry_their_line(tmp_path: Path) -> None:
    path = write(tmp_path, f"\ufeff{LINE}\n\n  \r\n{LINE}\r\n{LINE}")
    with ChatFile(path) as file:
        for _ in range(2):
            assert list(file) == [(1, RECORD), (4, RECORD), (5, RECORD)]
        assert list(file.raw()) == [
            (1, f"{LINE}\n".encode()),
            (4, f"{LINE}\r\n".encode()),
            (5, LINE.encode()),
        ]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"{", "not valid JSON: "),
        (b'{"a": NaN}', "not valid JSON: "),
        (b'{"a": "\\ud800"}', "not valid JSON: "),
        (b'{"a": "\xff"}', "not valid JSON: "),
        (b"[" * 5000, "not valid JSON: "),
        (
            b'{"a": 1} {"b": 2}',
            "not valid JSON: a second object begins at character 10, and a line holds one",
        ),
        (
            "{“a”: 1}".encode(),
            'not valid JSON: "“" (left double quotation mark) at character 2 is no sign of JSON',
        ),
        (
            '{"a":\u00a01}'.encode(),
            "not valid JSON: a sign that is not seen (no-break space) at character 6 is no sign",
        ),
        (b"[]", 'expected an object, {"messages": […]}'),
        (b"1", 'expected an object, {"messages": […]}'),
    ],
)
def test_broken_lines_are_told_together(tmp_path: Path, line: bytes, message: str) -> None:
    path = write(tmp_path, LINE.encode() + b"\n" + line + b"\n\n" + line + b"\n" + LINE.encode())
    with ChatFile(path) as file, pytest.raises(DataError) as caught:
        list(file)
    first, second = str(caught.value).split("\n")
    assert first.startswith(f"{path}:2: {message}")
    assert second.startswith(f"{path}:4: {message}")


def test_broken_lines_are_handed_on(tmp_path: Path) -> None:
    told: list[tuple[int | None, Any]] = []
    line = LINE.encode()
    with ChatFile(write(tmp_path, line + b"\nx\xff\n" + line)) as file:
        file.on_bad = lambda finding, values: told.append((finding.where.line, values))
        assert [line for line, _ in file] == [1, 3]
    assert told == [(2, ("x\ufffd",))]


def test_users_may_find_fault_too(tmp_path: Path) -> None:
    with ChatFile(write(tmp_path, f"{LINE}\n{LINE}\n")) as file:
        with pytest.raises(DataError, match="c.jsonl:2: not to my liking"):
            for line, _ in file:
                if line == 2:
                    file.reject("mine", line, "not to my liking")
        assert [finding.code for finding in file.findings] == ["mine"]


@pytest.mark.parametrize("content", ["", "\n\n", " \n"])
def test_a_file_without_records(tmp_path: Path, content: str) -> None:
    with ChatFile(write(tmp_path, content)) as file, pytest.raises(DataError, match="no records"):
        list(file)


def test_a_line_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LONGEST_RECORD", 1000)
    path = write(tmp_path, f"{LINE}\n" + "x" * 2000)
    with ChatFile(path) as file, pytest.raises(DataError, match="c.jsonl:2: a line of more than 1,000 bytes"):
        list(file)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (LINE, True),
        ("\ufeff\n\n" + LINE, True),
        (f"\ufeff{LINE}\nbroken", True),
        ('{"text": "a"}\n', False),
        ('["messages"]', False),
        ("text,label\n", False),
        ("", False),
    ],
)
def test_what_is_a_chat_file(tmp_path: Path, content: str, expected: bool) -> None:
    assert is_chat_file(write(tmp_path, content)) is expected


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="there is no such file"):
        ChatFile(tmp_path / "c.jsonl")
