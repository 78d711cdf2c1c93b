"""Tables whose first line is a row, and tables whose names only look like one."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from labeltune.errors import DataError
from labeltune.prepare.infer import Proposal, init

LABELS = ("Billing", "Shipping", "Account")


def text(i: int) -> str:
    return f"my parcel number {i} has not come and I want to know why"


def propose(folder: Path, rows: list[list[str]], *, separator: str = ",") -> Proposal:
    data = folder / "data.csv"
    with data.open("w", newline="", encoding="utf-8") as handle:
        csv.writer(handle, delimiter=separator).writerows(rows)
    return init(data, folder / "task.toml")


HEADERLESS = {
    "data_01-label and text": [[LABELS[i % 3], text(i)] for i in range(30)],
    "data_01-news: a number, a title, a text": [
        [str(i % 4 + 1), f"Oil is dear {i}", text(i)] for i in range(30)
    ],
    "data_01-Chinese": [[f"快递太慢了，要求退款{i}", str(i % 2)] for i in range(30)],
    "text and label": [[text(i), ("positive", "negative")[i % 2]] for i in range(30)],
    "short texts": [[("ham", "spam")[i % 2], f"hi {i}"] for i in range(30)],
    "several labels": [[text(i), ("joy", "joy|anger", "anger")[i % 3]] for i in range(30)],
    "sentiment in numbers, with an id": [[f"t{i}9", str(i % 3 - 1), text(i)] for i in range(30)],
    "a date before the text": [[f"2024-01-{i % 28 + 1:02d}", text(i), LABELS[i % 3]] for i in range(30)],
    "labels of two levels": [[LABELS[i % 3], f"{LABELS[i % 3]} {i % 2}", text(i)] for i in range(30)],
}  # fmt: skip


@pytest.mark.parametrize("rows", HEADERLESS.values(), ids=HEADERLESS)
@pytest.mark.parametrize("separator", [",", "\t"])
def test_a_first_line_that_is_a_row_is_refused(tmp_path: Path, rows: list[list[str]], separator: str) -> None:
    with pytest.raises(DataError, match="data.csv:1: the first line looks like a row") as raised:
        propose(tmp_path, rows, separator=separator)
    assert "--no-header" in (raised.value.hint or "")
    assert "--header" in (raised.value.hint or "")
    assert not (tmp_path / "task.toml").exists()


NAMED = {
    "plain": (["text", "label"], [[text(i), LABELS[i % 3]] for i in range(30)]),
    "names that nobody knows": (["foo", "bar"], [[text(i), LABELS[i % 3]] for i in range(30)]),
    "other languages": (["文本", "标签"], [[text(i), LABELS[i % 3]] for i in range(30)]),
    "a long question": (
        ["What is the reason for your call today?", "category"],
        [[text(i), LABELS[i % 3]] for i in range(30)],
    ),
    "0 and 1 of pandas": (["0", "1"], [[text(i), str(i % 3)] for i in range(30)]),
    "years": (["text", "label", "2019"], [[text(i), LABELS[i % 3], str(i)] for i in range(30)]),
    "v1 and v2": (["v1", "v2"], [[("ham", "spam")[i % 2], text(i)] for i in range(30)]),
    "labels as names": (
        ["text", *LABELS],
        [[text(i), str(i % 2), str(i % 3 and 1), str(i % 5 and 1)] for i in range(30)],
    ),
}


@pytest.mark.parametrize(("header", "rows"), NAMED.values(), ids=NAMED)
def test_names_of_columns_are_not_doubted(tmp_path: Path, header: list[str], rows: list[list[str]]) -> None:
    assert not [said for said in propose(tmp_path, [header, *rows]).warnings if "first line" in said]


DOUBTFUL = {
    "a label as a name, beside a name": (["text", "spam"], [[text(i), ("ham", "spam")[i % 2]] for i in range(30)]),
    "only long texts": (
        ["the courier was late again and nobody told me", "praise"],
        [[text(i), LABELS[i % 3]] for i in range(30)],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("header", "rows"), DOUBTFUL.values(), ids=DOUBTFUL)
def test_where_it_is_not_certain_there_is_a_warning(
    tmp_path: Path, header: list[str], rows: list[list[str]]
) -> None:
    warnings = propose(tmp_path, [header, *rows]).warnings
    assert any("the first line looks like a row" in warning for warning in warnings)


def test_names_that_stand_among_the_rows_again_are_no_row_at_the_top(tmp_path: Path) -> None:
    part = [["message", "bar"], *([text(i), LABELS[i % 3]] for i in range(30))]
    assert any("stands among the rows again" in said for said in propose(tmp_path, part + part).warnings)
