from __future__ import annotations

import gzip
import hashlib
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labeltune.errors import DataError
from labeltune.files.tables import ReadOptions, open_table, write_table
from labeltune.prepare.split import DEFAULT_SEED, Split, split
from split_tables import LABELS, contents, intents, options, rows_of, write_csv
from tasks import INTENT, TOXIC, TOXIC_LABELS

# ------------------------------------------------------------------------------------------ rows as they were

HEADER = "text,label"
ROWS = [
    'plain text,"lost card"',
    '"with, comma",lost card',
    '"two\nlines",card_arrival',
    '"and a ""quoted"" word",card_arrival',
    "  spaces  ,Refund_not_showing_up",
    "émoji 😀,Refund_not_showing_up",
    '"",lost card',
    "NA,lost card",
    "01,card_arrival",
    '"next\x85line",card_arrival',
]


def taken_apart(done: Split, start: bytes) -> list[bytes]:
    """The parts without what each must start with."""
    assert all(content.startswith(start) for content in contents(done).values())
    return [content.removeprefix(start) for content in contents(done).values()]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=repr)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("last", [True, False], ids=["ended", "not ended"])
def test_rows_of_csv_keep_their_bytes(tmp_path: Path, end: str, encoding: str, last: bool) -> None:
    path = tmp_path / "data.csv"
    text = end.join([HEADER, *ROWS]) + (end if last else "")
    path.write_bytes(text.encode(encoding))
    done = split(path, INTENT, options("a=0.5,b=0.5"), folder=tmp_path)
    mark = "".encode(encoding)
    plain = "utf-16-le" if encoding == "utf-16" else "utf-8"
    expected = Counter((row + end).encode(plain) for row in ROWS)
    if not last:
        expected[(ROWS[-1] + end).encode(plain)] -= 1
        expected[ROWS[-1].encode(plain)] += 1
    left = +expected
    for content in taken_apart(done, mark + (HEADER + end).encode(plain)):
        at = 0
        while at < len(content):
            row = max((row for row in left if content.startswith(row, at)), key=len)
            at += len(row)
            left -= Counter([row])
    assert not left
    # The parts are tables in their own right.
    assert sorted(rows_of(done.parts["a"].path) + rows_of(done.parts["b"].path)) == sorted(rows_of(str(path)))


@pytest.mark.parametrize("encoding", ["cp932", "latin-1", "iso2022_jp", "utf-16-be"])
def test_rows_of_other_encodings_keep_their_bytes(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "data.csv"
    sign = "é" if encoding == "latin-1" else "日本"
    path.write_bytes(
        "".join([HEADER, "\n", *(f"{sign} {n},lost card\n" for n in range(20))]).encode(encoding)
    )
    done = split(path, INTENT, options("a=1.0", read=ReadOptions(encoding=encoding)), folder=tmp_path)
    assert contents(done)["a"] == path.read_bytes()


def test_rows_that_cannot_keep_their_bytes_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_bytes(
        b"text,label\nplain,lost card\n\x87\x90,lost card\n"
    )  # cp932 has two codes for this sign
    with pytest.raises(DataError, match="data.csv:3: a sign is not written as cp932 writes it"):
        split(path, INTENT, options("a=1.0", read=ReadOptions(encoding="cp932")), folder=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_blank_lines_are_no_rows(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_bytes(b"\ntext,label\n\na,lost card\n\r\nb,lost card\n\n")
    done = split(path, INTENT, options("x=0.5,y=0.5"), folder=tmp_path)
    assert sorted(contents(done).values()) == [
        b"\ntext,label\na,lost card\n",
        b"\ntext,label\nb,lost card\n",
    ]


@pytest.mark.parametrize(
    ("name", "content", "parts"),
    [
        ("d.tsv", "text\tlabel\na,\tlost card\nb\tlost card", ["x.tsv", "y.tsv"]),
        ("d.txt", "text;label\na,;lost card\nb;lost card", ["x.txt", "y.txt"]),
        ("d", "text|label\na,|lost card\nb|lost card", ["x.csv", "y.csv"]),
        ("d.CSV", "text,label\na,lost card\nb,lost card", ["x.csv", "y.csv"]),
        ("d.2024", "text,label\na,lost card\nb,lost card", ["x.csv", "y.csv"]),
        (
            "d.jsonl",
            '{"text": "a",  "label": "lost card"}\n{"label":"lost card", "text": "b"}\n',
            ["x.jsonl", "y.jsonl"],
        ),
        (
            "d.ndjson",
            '{"text": "a", "label": "lost card"}\n{"text": "b", "label": "lost card"}',
            ["x.ndjson", "y.ndjson"],
        ),
    ],
)
def test_tables_stay_in_their_format(tmp_path: Path, name: str, content: str, parts: list[str]) -> None:
    (tmp_path / name).write_text(content)
    done = split(tmp_path / name, INTENT, options("x=1,y=1"), folder=tmp_path / "out")
    assert [Path(part.path).name for part in done.parts.values()] == parts
    lines = content.splitlines(keepends=True)
    header = "" if "json" in name else lines.pop(0)
    written = sorted(content.decode() for content in contents(done).values())
    assert written == sorted(header + line for line in lines)


def test_gzip_stays_gzip(tmp_path: Path) -> None:
    path = tmp_path / "data.csv.gz"
    text = "\n".join([HEADER, *ROWS]) + "\n"
    path.write_bytes(gzip.compress(text.encode()))
    done = split(path, INTENT, options("a=0.5,b=0.5"), folder=tmp_path)
    assert [Path(part.path).name for part in done.parts.values()] == ["a.csv.gz", "b.csv.gz"]
    unpacked = [
        gzip.decompress(content).decode().removeprefix(f"{HEADER}\n") for content in contents(done).values()
    ]
    assert sum(map(len, unpacked)) == len(text) - len(HEADER) - 1
    again = split(path, INTENT, options("a=0.5,b=0.5"), folder=tmp_path / "again")
    assert contents(again) == contents(done)  # no time, no name


def test_parquet_keeps_its_types(tmp_path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    table = pa.table(
        {
            "text": pa.array([f"text {'x' * n}" for n in range(100)]),
            "label": pa.array([LABELS[n % 2] for n in range(100)]).dictionary_encode(),
            "number": pa.array([None if n % 5 == 0 else n for n in range(100)], pa.int32()),
        }
    )
    parquet.write_table(table, tmp_path / "data.parquet", row_group_size=30)
    done = split(tmp_path / "data.parquet", INTENT, options("a=0.5,b=0.2"), folder=tmp_path)
    parts = [parquet.read_table(part.path) for part in done.parts.values()]
    assert [part.num_rows for part in parts] == [50, 20]
    assert all(part.schema.equals(table.schema) for part in parts)
    every = table.to_pylist()
    assert all(row in every for part in parts for row in part.to_pylist())
    assert len({row["text"] for part in parts for row in part.to_pylist()}) == 70


def test_spreadsheets_become_spreadsheets(tmp_path: Path) -> None:
    import openpyxl

    book = openpyxl.Workbook()
    for row in (["text", "label", "number"], *([f"text {'x' * n}", LABELS[n % 2], n] for n in range(20))):
        book.active.append(row)
    book.save(tmp_path / "data.xlsx")
    done = split(tmp_path / "data.xlsx", INTENT, options("a=0.5,b=0.5"), folder=tmp_path)
    assert [Path(part.path).name for part in done.parts.values()] == ["a.xlsx", "b.xlsx"]
    every = rows_of(done.parts["a"].path) + rows_of(done.parts["b"].path)
    assert sorted(every) == sorted(rows_of(str(tmp_path / "data.xlsx")))
    again = split(tmp_path / "data.xlsx", INTENT, options("a=0.5,b=0.5"), folder=tmp_path / "again")
    assert contents(again) == contents(done)


def test_data_frames_become_csv(tmp_path: Path) -> None:
    frame = pd.DataFrame(intents(20), columns=["text", "label"])
    done = split(frame, INTENT, options("a=0.5,b=0.5"), folder=tmp_path)
    assert sorted(rows_of(done.parts["a"].path) + rows_of(done.parts["b"].path)) == sorted(intents(20))
    assert done.input == "DataFrame"


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    st.lists(
        st.tuples(
            st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12),
            st.sampled_from(LABELS),
            st.booleans(),
            st.sampled_from(["\n", "\r\n"]),
            st.sampled_from(["a", "b", "c", ""]),
        ),
        min_size=4,
        max_size=40,
    ),
    st.integers(0, 2**31 - 1),
    st.sampled_from([None, "group"]),
)
def test_the_parts_are_a_partition_of_the_rows(
    tmp_path: Path, rows: list[tuple[str, str, bool, str, str]], seed: int, group: str | None
) -> None:
    """Whatever the texts: each row is in one part, with its bytes, in the order of the file, and groups are whole."""

    def cell(text: str, quoted: bool) -> str:
        quoted = quoted or any(sign in text for sign in '",\r\n')
        return '"' + text.replace('"', '""') + '"' if quoted else text

    written = [
        f"{number},{cell(text, quoted)},{label},{own}{end}".encode()
        for number, (text, label, quoted, end, own) in enumerate(rows)
    ]
    header = b"number,text,label,group\n"
    path = tmp_path / "data.csv"
    path.write_bytes(header + b"".join(written))
    chosen = options("a=0.5,b=0.25", seed=seed, group=group, keep_duplicates_together=False)
    try:
        done = split(path, INTENT, chosen, folder=tmp_path / "out")
    except DataError:  # all rows in one group, say
        assert group is not None
        return
    where: dict[bytes, str] = {}
    for name, content in contents(done).items():
        assert content.startswith(header)
        rest = content.removeprefix(header)
        for row in written:
            if rest.startswith(row):
                assert row not in where
                where[row] = name
                rest = rest.removeprefix(row)
        assert rest == b""
    assert len(where) + done.unused == len(rows)
    if group is not None:
        for own in ("a", "b", "c"):
            # A row that is in no part is in the part of what is left over.
            places = {where.get(row) for row, (*_, other) in zip(written, rows, strict=True) if other == own}
            assert len(places) <= 1


@settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.permutations(["a", "b", "c"]), st.integers(0, 1000))
def test_the_order_of_sizes_changes_no_size(tmp_path: Path, order: list[str], seed: int) -> None:
    shares = {"a": "0.5", "b": "0.3", "c": "0.2"}
    data = write_csv(tmp_path / "data.csv", intents(60))
    sizes = ",".join(f"{name}={shares[name]}" for name in order)
    done = split(data, INTENT, options(sizes, seed=seed), folder=tmp_path)
    assert {name: part.rows for name, part in done.parts.items()} == {"a": 30, "b": 18, "c": 12}


# ------------------------------------------------------------------------------------------------- same bytes


def generated(count: int = 3000) -> bytes:
    """A table from arithmetic alone: six labels, some texts twice, some nearly."""
    lines = [f"id,comment_text,{','.join(TOXIC_LABELS)}"]
    state = 12345
    for number in range(count):
        words = []
        for _ in range(12):
            state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
            words.append(f"w{(state >> 33) % 500}")
        if number % 50 == 1:
            words = lines[-1].split(",")[1].strip('"').split()[:11]
        flags = ["1" if (state >> (8 * k + 3)) % 16 < 2 else "0" for k in range(6)]
        lines.append(f'{number},"{" ".join(words)}",{",".join(flags)}')
    return "\n".join(lines).encode() + b"\n"


def test_the_same_bytes_on_every_machine(tmp_path: Path) -> None:
    # Changes to the algorithm change these hashes; a machine, Python or numpy must not.
    path = tmp_path / "data.csv"
    path.write_bytes(generated())
    done = split(path, TOXIC, options(), folder=tmp_path)
    assert done.duplicates > 0
    hashes = {name: hashlib.sha256(content).hexdigest()[:16] for name, content in contents(done).items()}
    assert hashes == PINNED
    again = split(path, TOXIC, options(seed=DEFAULT_SEED), folder=tmp_path / "again")
    assert contents(again) == contents(done)
    other = split(path, TOXIC, options(seed=7), folder=tmp_path / "other")
    assert contents(other) != contents(done)
    assert [part.rows for part in other.parts.values()] == [part.rows for part in done.parts.values()]


PINNED = {"train": "6484f421d9e6a6f0", "validation": "19d07836ddb7911f", "test": "f4ca8d94fe461dba"}


def test_a_written_table_reads_back(tmp_path: Path) -> None:
    rows = [["=1+1", "a"], ["\x01", "_x0041_"], ["<&>\"'", "é😀"], ["two\nlines", " "], ["", "01"]]
    write_table(tmp_path / "t.xlsx", ["x", "y z"], rows)
    with open_table(tmp_path / "t.xlsx") as table:
        assert table.header == ("x", "y z")
        assert [values for _, values in table] == rows
    with pytest.raises(DataError, match="32,767"):
        write_table(tmp_path / "t.xlsx", ["x"], [["a" * 32_768]])
