"""What tables look like that people and programs really write, and what `init` makes of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from labeltune.cli.init import _next
from labeltune.errors import DataError
from labeltune.files.tables import ReadOptions, open_table
from labeltune.prepare.infer import Proposal, init

LABELS = ("Billing", "Shipping", "Account")
ROWS = [(f"the order number {number} has not arrived yet", LABELS[number % 3]) for number in range(30)]


def csv(rows: Sequence[Sequence[str]], header: str = "text,label\n") -> str:
    return header + "".join(f"{','.join(row)}\n" for row in rows)


def proposed(path: Path, content: str | bytes) -> Proposal:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return init(path, path.with_suffix(".toml"))


def test_data_01_headerless_rows_with_user_names_are_refused(tmp_path: Path) -> None:
    rows = [
        f'"{number % 2 * 4}","{1467810369 + number}","NO_QUERY","user{number}","{text}"\n'
        for number, (text, _) in enumerate(ROWS)
    ]
    with pytest.raises(DataError, match="the first line looks like a row") as caught:
        proposed(tmp_path / "t.csv", "".join(rows))
    assert "--no-header" in str(caught.value.hint)


@pytest.mark.parametrize("separator", [",", ";", "\t", "|", "^"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_data_22_a_line_that_tells_spreadsheets_the_separator(
    tmp_path: Path, separator: str, end: str
) -> None:
    content = f"sep={separator}\n{csv(ROWS).replace(',', separator)}".replace("\n", end)
    proposal = proposed(tmp_path / "t.csv", content)
    assert proposal.task.text == ("text",)
    assert proposal.task.fields[0].labels == tuple(sorted(LABELS))
    with open_table(tmp_path / "t.csv", task=proposal.task) as table:
        assert next(iter(table)) == (3, [ROWS[0][0], "Billing"])
        assert b"".join([table.header_bytes or b"", *(raw for _, raw in table.raw())]) == content.encode()


def test_data_22_texts_without_a_name_are_no_index(tmp_path: Path) -> None:
    rows = [(text, label, f"x{number}") for number, (text, label) in enumerate(ROWS)]
    proposal = proposed(tmp_path / "t.csv", csv(rows, ",label,id\n"))
    assert proposal.task.text == ("column_1",)
    assert 'a column of texts has no name: "column_1" here' in proposal.conclusions[0]


@pytest.mark.parametrize("end", ["be", "le"])
def test_data_25_utf16_without_a_mark_is_named_by_its_end(tmp_path: Path, end: str) -> None:
    content = csv(ROWS).encode(f"utf-16-{end}")
    with pytest.raises(DataError, match=f"--encoding utf-16-{end}"):
        proposed(tmp_path / "t.csv", content)
    proposal = init(tmp_path / "t.csv", tmp_path / "t.toml", read=ReadOptions(encoding=f"utf-16-{end}"))
    assert proposal.task.text == ("text",)


def test_data_18_a_second_byte_order_mark_is_part_of_no_name(tmp_path: Path) -> None:
    assert proposed(tmp_path / "t.csv", "\ufeff\ufeff" + csv(ROWS)).task.text == ("text",)
    twice = "\ufeff" + csv(ROWS) + "\ufeff" + csv(ROWS)
    warnings = proposed(tmp_path / "u.csv", twice).warnings
    assert warnings == ("the line of names stands among the rows again; take it out",)


def test_data_06_labels_that_stand_alone_among_lists_are_lists_of_one(tmp_path: Path) -> None:
    rows = [
        {"text": text, "label": label if number % 2 else [label]} for number, (text, label) in enumerate(ROWS)
    ]
    proposal = proposed(tmp_path / "t.jsonl", "".join(f"{json.dumps(row)}\n" for row in rows))
    assert proposal.task.fields[0].labels == tuple(sorted(LABELS))


@pytest.mark.parametrize("name", ["t.json", "t.jsonl"])
def test_data_21_rows_under_one_key(tmp_path: Path, name: str) -> None:
    rows = [{"text": text, "label": label} for text, label in ROWS]
    proposal = proposed(tmp_path / name, json.dumps({"data": rows}) + "\n")
    assert proposal.task.fields[0].labels == tuple(sorted(LABELS))


@pytest.mark.parametrize(
    ("name", "more"), [("t.json", {}), ("t.jsonl", {}), ("t.json", {"version": 1, "by": 'a "tool"'})]
)
def test_data_21_rows_under_one_key_of_a_long_line(
    tmp_path: Path, name: str, more: dict[str, object]
) -> None:
    rows = [{"text": f"{text} again", "label": label} for text, label in ROWS * 50]
    content = json.dumps({**more, "data": rows})
    assert len(content) > 1 << 16
    assert proposed(tmp_path / name, content).task.fields[0].labels == tuple(sorted(LABELS))


def test_data_21_a_first_row_that_is_a_long_line_is_a_row(tmp_path: Path) -> None:
    rows = [{"spans": [{"s": "x" * 70_000}], "text": text, "label": label} for text, label in ROWS]
    path = tmp_path / "t.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    with open_table(path) as table:
        assert table.format == "jsonl"


def test_data_21_objects_in_rows_are_named_with_a_way_on(tmp_path: Path) -> None:
    rows = [{"data": {"text": text, "label": label}} for text, label in ROWS]
    with pytest.raises(DataError, match='no column holds text: column "data" holds objects') as caught:
        proposed(tmp_path / "t.jsonl", "".join(f"{json.dumps(row)}\n" for row in rows))
    assert "labeltune import" in str(caught.value.hint)


def test_data_34_one_column_may_have_another_separator(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        proposed(tmp_path / "t.csv", csv(ROWS).replace(",", "^"))
    assert "--sep" in str(caught.value.hint)
    assert init(tmp_path / "t.csv", tmp_path / "t.toml", read=ReadOptions(separator="^")).task.text == (
        "text",
    )


def test_data_13_the_hint_leads_on_where_labels_are_missing(tmp_path: Path) -> None:
    rows = [(text, label if number % 5 else "") for number, (text, label) in enumerate(ROWS)]
    proposal = proposed(tmp_path / "t.csv", csv(rows))
    assert _next("t.csv", "task.toml", ReadOptions(), proposal) == (
        "labeltune convert t.csv --on-error skip, labeltune split t.jsonl"
    )


def test_labels_with_commas_are_told_apart(tmp_path: Path) -> None:
    rows = [(text, '"Billing, late"' if number % 2 else "Account") for number, (text, _) in enumerate(ROWS)]
    assert (
        'label: a single field of 2 labels: Account, "Billing, late"'
        in proposed(tmp_path / "t.csv", csv(rows)).conclusions
    )


@pytest.mark.parametrize(
    ("content", "hint"),
    [
        ("text,label\na\0b,A\nc,B\n", "tr -d '\\000'"),
        ('text,label\n"a,A\nc,B\n', "--quote none"),
        ("text,label\na,A,x\nc,B\n", "mend these rows"),
    ],
)  # fmt: skip
def test_rows_75_to_79_say_what_to_do(tmp_path: Path, content: str, hint: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(content)
    with open_table(path) as table, pytest.raises(DataError) as caught:
        list(table)
    assert hint in str(caught.value.hint)


@pytest.mark.parametrize(
    ("first", "last", "told"),
    [
        pytest.param((), ("Total", "30"), "in one row only: 30;", id="totals"),
        pytest.param(("Freitext", "Kategorie"), (), "in one row only: Kategorie;", id="second header"),
        pytest.param(("---", "---"), (), "in one row only: ---;", id="ruling line"),
        pytest.param(("What?", "Category"), ("x", "{ImportId}"), "in one row only: Category, {ImportId};", id="survey"),
    ],
)  # fmt: skip
def test_lines_that_are_no_rows_are_told_by_their_labels(
    tmp_path: Path, first: tuple[str, ...], last: tuple[str, ...], told: str
) -> None:
    rows = [row for row in (first, *ROWS, last) if row]
    (warning,) = proposed(tmp_path / "t.csv", csv(rows)).warnings
    assert warning.startswith(f'column "label": {told}')


def test_lists_without_a_label_among_lists_of_one_are_told(tmp_path: Path) -> None:
    rows = [{"text": text, "labels": [label] if label != "Account" else []} for text, label in ROWS]
    proposal = proposed(tmp_path / "t.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    assert proposal.task.fields[0].type == "single"
    assert proposal.warnings == (
        'column "labels" is empty in 10 rows: no label there; convert --on-error skip leaves them out',
    )
    assert proposal.lacks_labels


def test_lines_in_quotes_as_a_whole_are_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no column looks like labels") as caught:
        proposed(
            tmp_path / "t.csv", '"text,label"\n' + "".join(f'"{text},{label}"\n' for text, label in ROWS)
        )
    assert str(caught.value.hint).startswith("each line stands in quotes as a whole")


def test_rare_labels_among_rare_ones_are_no_slips(tmp_path: Path) -> None:
    rows = [(text, f"{label}{number % 4}") for number, (text, label) in enumerate(ROWS)]
    assert proposed(tmp_path / "t.csv", csv([*rows, ("one more row of text", "Other")])).warnings == ()


@pytest.mark.parametrize("quotes", ['""', "''", "“”", "«»"])
def test_labels_in_quotes_of_their_own_are_told(tmp_path: Path, quotes: str) -> None:
    rows = [(text, f" {quotes[0]}{label}{quotes[1]}") for text, label in ROWS]
    warnings = proposed(tmp_path / "t.csv", csv(rows)).warnings
    assert any(
        "every label stands in quotes, which answers will have, too" in warning for warning in warnings
    )


def test_nested_data_among_labels_is_told_with_the_command_that_reads_it(tmp_path: Path) -> None:
    rows = [(text, f'"{{""choices"": [""{label}"", ""Other""]}}"') for text, label in ROWS[:20]]
    data = tmp_path / "t.csv"
    (warning,) = proposed(data, csv([*rows, *ROWS])).warnings
    assert f"labeltune import {data} takes apart" in warning


@pytest.mark.parametrize(
    ("separator", "stop", "told"),
    [
        ("\n\n###\n\n", " END", r"'\n\n###\n\n' and ' END'"),
        (" ->", "\n", r"' ->' and '\n'"),
        ("\nTopic:", "", r"'\nTopic:'"),
        ("", " END", "' END'"),
        ("", "", None),
        (" please", "", None),
    ],
)
def test_separators_and_stops_of_the_older_fine_tuning_are_told(
    tmp_path: Path, separator: str, stop: str, told: str | None
) -> None:
    rows = [
        {"prompt": f"{text}, item {number}{separator}", "completion": f" {label}{stop}"}
        for number, (text, label) in enumerate(ROWS)
    ]
    path = tmp_path / "t.jsonl"
    warnings = proposed(path, "".join(json.dumps(row) + "\n" for row in rows)).warnings
    about = [warning for warning in warnings if "older fine-tuning" in warning]
    assert len(about) == (told is not None)
    assert all(f"all end with {told}: labeltune import {path} takes that off" in warning for warning in about)


@pytest.mark.parametrize("columns", [1, 2])
def test_rows_that_nobody_judged_are_told(tmp_path: Path, columns: int) -> None:
    def flags(number: int) -> tuple[str, ...]:
        judged = (str(number % 3 % 2), str(number % 2))[:columns]
        return judged if number % 4 else ("-1",) * columns

    rows = [(text, *flags(number)) for number, (text, _) in enumerate(ROWS)]
    header = ",".join(("text", "toxic", "insult")[: columns + 1]) + "\n"
    warnings = proposed(tmp_path / "t.csv", csv(rows, header)).warnings
    assert any("hold -1 beside 0 and 1" in warning for warning in warnings) == (columns > 1)
