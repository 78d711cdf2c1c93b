"""What fuzzing is made of: bytes that look like tables, and the one thing that must hold for all of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from hypothesis import strategies as st

from labeltune.errors import LabeltuneError
from labeltune.files.tables import ReadOptions, write_table
from labeltune.prepare.check import CheckOptions, check
from labeltune.prepare.check.text import format_checked
from labeltune.prepare.convert import convert
from labeltune.task import Task

__all__ = ["chat_bytes", "csv_bytes", "good_files", "is_checked", "jsonl_bytes", "survives"]

_PIECES = (
    *(
        b"text,label\n",
        b"text;label\r\n",
        b"text\tlabel\r",
        b"text|label\n",
        b'"text","label"\n',
        b"label,text,x\n",
    ),
    *(
        b"a,lost card\n",
        b"b;lost card\r\n",
        b"c\tlost card\r",
        b"d|lost card\n",
        b"lost card,e,1\n",
        b"f,nope\n",
    ),
    *(b'"', b'""', b'"g, g",lost card\n', b'"h\nh",lost card\n', b'"i""i"', b",", b";", b"\t", b"|"),
    *(b"\n", b"\r", b"\r\n", b"\0", b" ", b"#", b"\xe2\x80\xa8", b"\xf0\x9f\x98\x80", b"\xc2\xa0"),
    *(b"\xff", b"\xfe\xff", b"\xff\xfe", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\x80", b"\x1a", b"lost card"),
    *(b"\x1f\x8b\x08\0", b"PK\x03\x04", b"PAR1", b"\xd0\xcf\x11\xe0", b"BZh9", b"{", b"[", b"x" * 3000),
)
_HEADERS = (
    b"text,label\n",
    b"label,text\r\n",
    b"text;label\n",
    b"\xef\xbb\xbftext,label\n",
    b"text\tlabel\r",
    b"",
)

csv_bytes = st.builds(
    lambda header, pieces: header + b"".join(pieces),
    st.sampled_from(_HEADERS),
    st.lists(st.one_of(st.sampled_from(_PIECES), st.binary(max_size=8)), max_size=24),
)
"""Bytes near to a CSV table of texts and labels."""

_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6) | st.just("lost card"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
_LINES = st.one_of(
    st.fixed_dictionaries({"text": st.text(max_size=8), "label": st.just("lost card")}).map(json.dumps),
    st.fixed_dictionaries({"text": _VALUES, "label": _VALUES}, optional={"more": _VALUES}).map(json.dumps),
    st.sampled_from(
        ['{"text": "a", "label": "lost card"', '{"text": "\\ud800"}', "{}", "[]", "null", "", " ", "\x00"]
    ),
)
jsonl_bytes = st.builds(
    lambda start, lines, end: start + b"".join(lines) + end,
    st.sampled_from([b"", b"\xef\xbb\xbf", b"\xff\xfe", b'{"text": "a", "label": "lost card"}\n']),
    st.lists(st.one_of(_LINES.map(lambda line: line.encode() + b"\n"), st.binary(max_size=8)), max_size=8),
    st.sampled_from([b"", b"\n", b"\r\n", b"{", b"\xff"]),
)
"""Bytes near to a JSON Lines table."""


def record(text: str, answer: str) -> dict[str, object]:
    """A record as the task of intents makes it."""
    contents = (("system", "Name the intent."), ("user", text), ("assistant", answer))
    return {"messages": [{"role": role, "content": content} for role, content in contents]}


_ROLES = st.sampled_from(["system", "user", "assistant", "tool", ""])
_MESSAGES = st.lists(
    st.fixed_dictionaries({"role": _ROLES, "content": _VALUES}, optional={"weight": _VALUES, "name": _VALUES})
    | _VALUES,
    max_size=4,
)
_RECORDS = st.one_of(
    st.fixed_dictionaries({"messages": _MESSAGES}, optional={"more": _VALUES}),
    st.builds(record, st.text(max_size=8), st.text(max_size=8)),
)
chat_bytes = st.lists(
    st.one_of(_RECORDS.map(lambda own: json.dumps(own).encode() + b"\n"), st.binary(max_size=8)), max_size=8
).map(b"".join)
"""Bytes near to a chat file."""


def good_files(folder: Path, names: Sequence[str]) -> Iterator[bytes]:
    """A good table of each name, and a good chat file: what to start from."""
    rows = [("a", "lost card"), ('b, "b"', "card_arrival"), ("c\nc", "Refund_not_showing_up")] * 4
    for name in names:
        write_table(folder / name, ("text", "label"), rows)
        yield (folder / name).read_bytes()
    records = [record(text, label) for text, label in rows]
    (folder / "c.jsonl").write_text("".join(json.dumps(one, ensure_ascii=False) + "\n" for one in records))
    yield (folder / "c.jsonl").read_bytes()


def is_checked(task: Task, path: Path, content: bytes) -> None:
    """Check bytes as a chat file. Raises what must not happen: any exception but one on purpose."""
    path.write_bytes(content)
    lines = content.count(b"\n") + 1
    for own in (task, None):
        try:
            done = check([path], own, CheckOptions(tokens="estimate"))
        except LabeltuneError as error:
            refusal = str(error)
        else:
            assert sum(file.records for file in done.tokens.values()) <= lines
            assert all(finding.where.line is None or finding.where.line <= lines for finding in done.findings)
            format_checked(done)
            continue
        assert refusal.startswith(str(path)), refusal


def survives(task: Task, path: Path, content: bytes, folder: Path, **how: str) -> bool:
    """Convert bytes in both ways of treating bad rows; whether there was a record. Raises what must not happen.

    That is: any exception but a `LabeltuneError` that names the file, a half-written output, a row that went
    missing, a record that JSON cannot read, or another result where bad rows are but skipped.
    """
    path.write_bytes(content)
    out, rejected = folder / "out.jsonl", folder / "out.rejected.csv"
    good = None
    for on_error in ("stop", "skip"):
        for left in (out, rejected):
            left.unlink(missing_ok=True)
        try:
            done = convert(task, path, out, on_error=on_error, read=ReadOptions(**how))  # type: ignore[arg-type]  # of a table of texts
        except LabeltuneError as error:
            refusal = str(error)
        else:
            lines = out.read_bytes().split(b"\n")
            assert lines.pop() == b""
            assert len([json.loads(line) for line in lines]) == done.written > 0
            assert done.rows == done.written + sum(done.left_out.values())
            if on_error == "stop":
                assert not done.left_out
                good = out.read_bytes()
            else:
                assert good is None or out.read_bytes() == good
            continue
        assert refusal.startswith((str(path), "--")), refusal
        assert not out.exists()
        assert good is None
    return good is not None
