from __future__ import annotations

import inspect
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from labeltune.cli.app import app
from labeltune.cli.split import split as command
from labeltune.prepare.split import DEFAULT_SEED, DEFAULT_SIZES
from tasks import INTENT_TOML

runner = CliRunner()
LABELS = ("card_arrival", "Refund_not_showing_up", "lost card")


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [f"text {'x' * n},{LABELS[n % 3]},c{n // 2}" for n in range(60)]
    Path("data.csv").write_text("\n".join(["text,label,customer", *rows]) + "\n")
    Path("task.toml").write_text(INTENT_TOML)


def test_the_result_is_the_paths() -> None:
    result = runner.invoke(app, ["split", "data.csv"])
    assert (result.exit_code, result.stdout) == (0, "train.csv\nvalidation.csv\n")
    assert "data.csv: 60 rows: train 48, validation 12" in result.stderr
    assert "16 (33.33 %)" in result.stderr
    assert "largest deviation of a label's share: 0.000 points" in result.stderr
    assert len(Path("train.csv").read_text().splitlines()) == 49


def test_json() -> None:
    result = runner.invoke(app, ["split", "data.csv", "-o", "work", "--sizes", "train=30,test=15", "--json"])
    document = json.loads(result.stdout)
    assert result.exit_code == 0
    assert "rows and share" in result.stderr
    assert document.pop("seconds") >= 0
    assert document == {
        "schema_version": 1,
        "input": "data.csv",
        "rows": 60,
        "parts": {
            "train": {"path": "work/train.csv", "rows": 30, "labels": dict.fromkeys(LABELS, 10)},
            "test": {"path": "work/test.csv", "rows": 15, "labels": dict.fromkeys(LABELS, 5)},
        },
        "unused": 15,
        "max_deviation": 0.0,
        "rare_labels": {},
        "duplicates": 0,
        "synthetic": 0,
        "seed": 42,
    }


def test_quiet() -> None:
    result = runner.invoke(app, ["split", "data.csv", "-q"])
    assert (result.exit_code, result.stdout, result.stderr) == (0, "train.csv\nvalidation.csv\n", "")


def test_defaults_are_the_library_s() -> None:
    parameters = inspect.signature(command).parameters
    assert parameters["seed"].default == DEFAULT_SEED
    assert runner.invoke(app, ["split", "data.csv", "-q", "-o", "a"]).exit_code == 0
    given = [
        "--sizes",
        DEFAULT_SIZES,
        "--seed",
        str(DEFAULT_SEED),
        "--keep-duplicates-together",
        "--stratify",
    ]
    assert runner.invoke(app, ["split", "data.csv", "-q", "-o", "b", *given]).exit_code == 0
    for name in ("train.csv", "validation.csv"):
        assert Path("a", name).read_bytes() == Path("b", name).read_bytes()


def test_folds() -> None:
    result = runner.invoke(app, ["split", "data.csv", "--folds", "3"])
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        f"fold-{n}/{part}.csv" for n in (1, 2, 3) for part in ("train", "validation")
    ]
    assert "least" in result.stderr


def test_groups_and_no_duplicates() -> None:
    result = runner.invoke(app, ["split", "data.csv", "-q", "--group", "customer"])
    assert result.exit_code == 0
    customers = [
        {line.rsplit(",", 1)[1] for line in Path(name).read_text().splitlines()[1:]}
        for name in ("train.csv", "validation.csv")
    ]
    assert not customers[0] & customers[1]
    Path("same.csv").write_text("text,label\n" + "same,lost card\n" * 10)
    refused = runner.invoke(app, ["split", "same.csv"])
    assert refused.exit_code == 7
    assert "--no-keep-duplicates-together" in refused.stderr
    free = ["--no-keep-duplicates-together", "--sizes", "a=0.5,b=0.5"]
    assert runner.invoke(app, ["split", "same.csv", *free]).stdout == "a.csv\nb.csv\n"


def test_duplicates_are_told() -> None:
    with Path("data.csv").open("a") as handle:
        handle.write("TEXT xxxxx!,lost card,c9\n")
    result = runner.invoke(app, ["split", "data.csv"])
    assert "1 row stays with an earlier one of the same or nearly the same text" in result.stderr


def test_rare_and_absent_labels_are_warned_of() -> None:
    rows = [f"text {'x' * n},{LABELS[2 if n else 0]}" for n in range(40)]
    rows += [f"other {'y' * n},{LABELS[1]}" for n in range(3)]
    Path("rare.csv").write_text("\n".join(["text,label", *rows]) + "\n")
    result = runner.invoke(app, ["split", "rare.csv", "--sizes", "train=0.9,test=0.1"])
    assert result.exit_code == 0
    assert (
        'warning: labels that occur once or twice cannot be in every part: "card_arrival" (1)'
        in result.stderr
    )
    assert 'warning: test has no row of "Refund_not_showing_up"' in result.stderr


def test_of_many_labels_the_worst_are_shown() -> None:
    labels = [f"label {n:03}" for n in range(280)]
    listed = ", ".join(f'"{label}"' for label in labels)
    Path("many.toml").write_text(
        INTENT_TOML.replace('["card_arrival", "Refund_not_showing_up", "lost card"]', f"[{listed}]")
    )
    rows = [f"text {'x' * n},{labels[n % 280]}" for n in range(900)]
    Path("many.csv").write_text("\n".join(["text,label", *rows]) + "\n")
    result = runner.invoke(app, ["split", "many.csv", "-t", "many.toml"])
    assert "the 10 of 280 labels that are furthest off" in result.stderr
    assert len(result.stderr.splitlines()) < 25
    assert all(len(line) <= 200 for line in result.stderr.splitlines())
    document = json.loads(runner.invoke(app, ["split", "many.csv", "-t", "many.toml", "--json", "-q"]).stdout)
    assert len(document["parts"]["train"]["labels"]) == 280


def test_from_standard_input() -> None:
    result = runner.invoke(app, ["split", "-", "-q", "-o", "work"], input=Path("data.csv").read_text())
    assert (result.exit_code, result.stdout) == (0, "work/train.csv\nwork/validation.csv\n")
    assert runner.invoke(app, ["split", "data.csv", "-q"]).exit_code == 0
    assert Path("work/train.csv").read_bytes() == Path("train.csv").read_bytes()


def test_how_the_table_is_read() -> None:
    text = Path("data.csv").read_text().replace(",", ";").replace("lost card", "lost card ")
    Path("data.dat").write_text(text.replace("text", "tëxt"), encoding="latin-1")
    Path("task.toml").write_text(INTENT_TOML.replace('text = ["text"]', 'text = ["tëxt"]'))
    how = ["--format", "csv", "--encoding", "latin-1", "--sep", ";", "--strip"]
    result = runner.invoke(app, ["split", "data.dat", *how])
    assert (result.exit_code, result.stdout) == (0, "train.csv\nvalidation.csv\n"), result.stderr
    assert Path("train.csv").read_bytes().startswith("tëxt;label;customer\n".encode("latin-1"))


def test_a_chat_file_with_and_without_a_task() -> None:
    assert runner.invoke(app, ["convert", "data.csv", "-q"]).exit_code == 0
    result = runner.invoke(app, ["split", "data.jsonl", "-q"])
    assert (result.exit_code, result.stdout) == (0, "train.jsonl\nvalidation.jsonl\n")
    Path("task.toml").unlink()
    again = runner.invoke(app, ["split", "data.jsonl", "-q", "-o", "again"])
    assert again.exit_code == 0
    for name in ("train.jsonl", "validation.jsonl"):
        assert Path(name).read_bytes() == Path("again", name).read_bytes()


def test_without_a_task_file() -> None:
    Path("task.toml").unlink()
    result = runner.invoke(app, ["split", "data.csv"])
    assert result.exit_code == 2
    assert "there is no task file that says which columns hold text and labels" in result.stderr
    assert "labeltune init data.csv proposes one" in result.stderr
    chance = ["--no-stratify", "--no-keep-duplicates-together"]
    assert runner.invoke(app, ["split", "data.csv", *chance]).exit_code == 0
    # One that is named must be there.
    assert runner.invoke(app, ["split", "data.csv", *chance, "-t", "other.toml"]).exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "exit_code", "message"),
    [
        (["missing.csv"], 2, "missing.csv: there is no such file"),
        (
            ["data.csv", "--sizes", "train=0.9,test=0.2"],
            2,
            "--sizes: the fractions add up to 1.1, more than 1",
        ),
        (["data.csv", "--sizes", "../x=0.5"], 2, '"../x" cannot be the name of a part'),
        (["data.csv", "--sizes", "data=0.5"], 2, "data.csv: is the file itself, which is never overwritten"),
        (["data.csv", "--sizes", "a=1", "--folds", "3"], 2, "give either --sizes or --folds"),
        (["data.csv", "--folds", "1"], 2, "--folds 1: expected 2 or more"),
        (["data.csv", "--seed", "-1"], 2, "--seed"),
        (["data.csv", "-o", "-"], 2, "several files do not fit into standard output"),
        (["data.csv", "-o", "data.csv/x"], 8, "cannot be used as a folder"),
        (["data.csv", "--sizes", "a=100"], 7, "data.csv: 100 rows are asked for, and there are 60"),
        (
            ["data.csv", "--group", "custmer"],
            7,
            'no column "custmer" (did you mean "customer"?), which --group names',
        ),
        (["data.csv", "--format", "csvv"], 2, "--format csvv: no such format"),
    ],
    ids=lambda value: " ".join(value[1:]) if isinstance(value, list) else None,
)
@pytest.mark.parametrize("mode", [[], ["--json"], ["--quiet"]], ids=["text", "json", "quiet"])
def test_wrong_input(arguments: list[str], exit_code: int, message: str, mode: list[str]) -> None:
    before = sorted(Path().rglob("*"))
    result = runner.invoke(app, ["split", *arguments, *mode])
    assert result.exit_code == exit_code
    assert message in result.stderr
    if mode == ["--json"]:
        assert json.loads(result.stdout)["error"]["exit_code"] == exit_code
    else:
        assert result.stdout == ""
    assert sorted(Path().rglob("*")) == before


@pytest.mark.shared
def test_hostile_tables_are_split_or_refused(shared_data: Path) -> None:
    """The whole as one part has the bytes of the file; of a refusal nothing remains, and no traceback."""
    files = [
        path
        for path in sorted((shared_data / "hostile").rglob("*"))
        if path.suffix in (".csv", ".tsv", ".jsonl")
    ]
    assert len(files) > 30
    chance = ["--no-stratify", "--no-keep-duplicates-together", "--sizes", "a=1.0", "-q", "-o", "out"]
    Path("task.toml").unlink()
    for path in files:
        result = runner.invoke(app, ["split", str(path), *chance])
        assert result.exit_code in (0, 2, 7), (path, result.stderr)
        assert result.exception is None or isinstance(result.exception, SystemExit), path
        if result.exit_code == 0:
            (written,) = Path("out").iterdir()
            assert written.read_bytes() == path.read_bytes(), path
            written.unlink()
        else:
            assert result.stderr.startswith("error: "), path
        if Path("out").exists():
            assert not list(Path("out").iterdir())
            Path("out").rmdir()
