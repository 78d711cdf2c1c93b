"""What is proposed for tables in the shape of well-known data sets, and that the whole way works with it."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from typer.testing import CliRunner

from labeltune.cli.app import app
from labeltune.prepare.infer import Proposal, init
from shapes import SHAPES, Shape

runner = CliRunner()


def write(shape: Shape, folder: Path) -> Path:
    data = folder / ("data.tsv" if shape.separator == "\t" else "data.csv")
    with data.open("w", newline="", encoding="utf-8") as handle:
        csv.writer(handle, delimiter=shape.separator).writerows(shape.rows())
    return data


def propose(shape: Shape, folder: Path) -> Proposal:
    return init(write(shape, folder), folder / "task.toml")


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_what_is_proposed(shape: Shape, tmp_path: Path) -> None:
    proposal = propose(shape, tmp_path)
    task = proposal.task
    assert task.text == shape.text
    assert task.id == shape.id
    assert {field.name: (field.type, len(field.labels)) for field in task.fields} == shape.fields
    assert {field.name: field.parent for field in task.fields if field.parent} == shape.parents
    assert set(shape.left_out) <= set(proposal.left_out)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_what_is_proposed_works_on_the_whole_way(
    shape: Shape, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    data = write(shape, tmp_path).name
    train = f"train{Path(data).suffix}"
    for command in (
        ["init", data],
        ["split", data, "--sizes", "train=0.8,test=0.2"],
        ["convert", train],
        ["check", "train.jsonl"],
    ):
        result = runner.invoke(app, command)
        assert result.exit_code == 0, f"{command}: {result.stderr}"
    assert Path("train.jsonl").read_text(encoding="utf-8").count("\n") >= 190
