"""Rows without any label: what `init` proposes lets a model learn that none applies."""

from __future__ import annotations

import csv
import json
import random
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.remote import here, ran
from labeltune.cli.app import app

__all__ = ["here"]

TOPICS = {
    "login": "password login account locked reset sign-in",
    "parcel": "parcel courier tracking delivery doorstep depot",
    "invoice": "invoice refund charge billing card payment",
}
SMALL_TALK = "thanks weather garden evening lovely hello weekend music"
FILLER = "please could you the my today again with and about"


def write_table(path: Path, rows: int) -> None:
    """Most rows have no label, as in tables of what rarely happens."""
    rng = random.Random(7)
    with path.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle)
        writer.writerow(["text", *TOPICS])
        for row in range(rows):
            chosen = {name for name in TOPICS if row % 4 == 0 and rng.random() < 0.5}
            words = [word for name in chosen for word in rng.choices(TOPICS[name].split(), k=4)]
            words += rng.choices(FILLER.split(), k=5) + (
                [] if chosen else rng.choices(SMALL_TALK.split(), k=4)
            )
            rng.shuffle(words)
            writer.writerow([f"{' '.join(words)} {row}", *(int(name in chosen) for name in TOPICS)])


def read_rows(name: str) -> list[list[str]]:
    with Path(name).open(newline="", encoding="utf-8") as handle:
        return list(csv.reader(handle))


def share_right(*init_options: str) -> float:
    """The share of the test rows that a model trained with the proposed task gets right as a whole."""
    ran("init", "data.csv", "--force", *init_options)
    ran("split", "data.csv", "--sizes", "train=0.7,test=0.3")
    ran("convert", "train.csv")
    trained = ran("train", "train.jsonl", "--model", "linear", "--new-job", "-q")
    ran("predict", "test.csv", "--model", trained.stdout.strip(), "-o", "p.csv", "--accept-changes", "-q")
    report = json.loads(ran("evaluate", "p.csv", "--bootstrap", "0", "--json", "-q").stdout)
    Path("p.csv").unlink()
    return float(report["metrics"]["exact_match"])


@pytest.mark.usefixtures("here")
def test_data_09_predictions_are_compared_with_columns_of_true_and_false() -> None:
    write_table(Path("flags.csv"), 80)
    rows = [
        [cell.replace("1", "True") if cell in "01" else cell for cell in row]
        for row in read_rows("flags.csv")
    ]
    rows = [["False" if cell == "0" else cell for cell in row] for row in rows]
    predicted = [[{"True": "1", "False": "0"}[cell] for cell in row[1:]] for row in rows[1:]]
    predicted[0] = [""] * 3
    with Path("p.csv").open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle)
        writer.writerow(
            [*rows[0], *(f"predicted_{name}" for name in TOPICS), "answer", "problem", "confidence"]
        )
        writer.writerows([*row, *own, "", "", ""] for row, own in zip(rows[1:], predicted, strict=True))
    ran(
        "init", "p.csv", "--force", "--text", "text", *(word for name in TOPICS for word in ("--label", name))
    )
    report = json.loads(ran("evaluate", "p.csv", "--bootstrap", "0", "--json", "-q").stdout)
    assert (report["rows"], report["invalid"]) == (80, 1)
    assert report["metrics"]["exact_match"] == pytest.approx(79 / 80)


@pytest.mark.usefixtures("here")
def test_a_model_learns_that_no_label_applies() -> None:
    write_table(Path("data.csv"), 400)
    proposed = share_right()
    left_out = share_right("--none", "")
    assert proposed > 0.8
    assert left_out < 0.3


@pytest.mark.parametrize("empty", ["", "[]", "()"], ids=["empty", "list", "tuple"])
def test_rows_whose_list_is_empty_have_no_label(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, empty: str
) -> None:
    """However it is written, such a row is one that training would leave out without a word."""
    monkeypatch.chdir(tmp_path)
    lists = ['"[""a"", ""b""]"', '"[""b""]"', '"[""a""]"'] * 8
    rows = "".join(f"what is said in row {n} of it,{cell}\n" for n, cell in enumerate([*lists, *[empty] * 6]))
    Path("lists.csv").write_text(f"text,labels\n{rows}")
    result = CliRunner().invoke(app, ["init", "lists.csv", "-o", "lists.toml", "--answer", "list"])
    assert result.exit_code == 0, result.stderr
    assert '6 rows have no label: "none" is their answer' in result.stderr


def test_the_table_is_never_overwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("t.csv").write_text("text,label\n" + "".join(f"row {n} of it,{'ab'[n % 2]}\n" for n in range(20)))
    before = Path("t.csv").read_bytes()
    Path("link.csv").symlink_to("t.csv")
    for output in ("t.csv", "./t.csv", "link.csv"):
        result = CliRunner().invoke(app, ["init", "t.csv", "-o", output, "--force"])
        assert result.exit_code == 2
        assert "is the table itself, which is never overwritten" in result.stderr
    assert Path("t.csv").read_bytes() == before
