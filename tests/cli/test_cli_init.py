from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from labeltune.cli.app import app
from labeltune.task import read_task

runner = CliRunner()


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [f"some longer text {i},{'ab'[i % 2]}" for i in range(20)]
    (tmp_path / "data.csv").write_text("\n".join(["text,label", *rows]) + "\n")


def test_the_result_is_the_path() -> None:
    result = runner.invoke(app, ["init", "data.csv"])
    assert (result.exit_code, result.stdout) == (0, "task.toml\n")
    assert 'text: column "text"' in result.stderr
    assert "label: a single field of 2 labels: a, b" in result.stderr


def test_json_and_quiet() -> None:
    result = runner.invoke(app, ["init", "data.csv", "--json", "-q"])
    assert result.stderr == ""
    document = json.loads(result.stdout)
    assert document["fingerprint"] == read_task("task.toml").fingerprint
    assert document["output"] == "task.toml"


def test_to_standard_output() -> None:
    result = runner.invoke(app, ["init", "data.csv", "-o", "-", "-q"])
    assert result.exit_code == 0
    assert result.stdout.startswith("version = 1\n")
    assert not Path("task.toml").exists()


def test_the_hint_names_the_task_file_where_it_is_another_one() -> None:
    assert "labeltune split data.csv, " in runner.invoke(app, ["init", "data.csv"]).stderr
    result = runner.invoke(app, ["init", "data.csv", "-o", "mine.toml"])
    assert "labeltune split data.csv --task mine.toml, " in result.stderr


def test_from_standard_input() -> None:
    result = runner.invoke(app, ["init", "-", "-q"], input=Path("data.csv").read_text())
    assert (result.exit_code, result.stdout) == (0, "task.toml\n")


@pytest.mark.parametrize(
    ("arguments", "exit_code", "message"),
    [
        (["init", "data.csv", "--answer", "lst"], 2, "lst"),
        (["init", "data.csv", "--label", "lable"], 7, 'no column "lable"'),
        (["init", "missing.csv"], 2, "missing.csv"),
        (["init", "data.csv", "-o", "no/such/folder.toml"], 8, "cannot be written"),
    ],
)
def test_wrong_input(arguments: list[str], exit_code: int, message: str) -> None:
    result = runner.invoke(app, arguments)
    assert result.exit_code == exit_code
    assert message in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("data", "arguments", "fields"),
    [
        ("banking77/train.csv", [], [("label", "single", 77)]),
        ("goemotions/train.csv", [], [("labels", "multi", 28)]),
        ("jigsaw_sample/train.csv", [], [("labels", "multi", 6)]),
    ],
)
@pytest.mark.shared
def test_real_data(
    shared_data: Path, data: str, arguments: list[str], fields: list[tuple[str, str, int]]
) -> None:
    result = runner.invoke(app, ["init", str(shared_data / data), *arguments])
    assert result.exit_code == 0, result.stderr
    task = read_task("task.toml")
    assert [(field.name, field.type, len(field.labels)) for field in task.fields] == fields


def test_our_own_data() -> None:
    data = Path(__file__).resolve().parents[2] / "data" / "customer_inquiries.csv"
    assert runner.invoke(app, ["init", str(data)]).exit_code == 0
    task = read_task("task.toml")
    assert task.field("sub_category").parent == "category"
    assert task.text == ("inquiry",)
