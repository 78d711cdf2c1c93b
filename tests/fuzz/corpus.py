"""What fuzzing is made of: bytes that look like tables, and the one thing that must hold for all of them."""

from __future__ import annotations

import json
from pathlib import Path

from hypothesis import strategies as st

from labeltune.convert import convert
from labeltune.errors import LabeltuneError
from labeltune.task import Task

__all__ = ["csv_bytes", "jsonl_bytes", "survives"]

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
            done = convert(task, path, out, on_error=on_error, **how)  # type: ignore[arg-type]  # of a table of texts
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
