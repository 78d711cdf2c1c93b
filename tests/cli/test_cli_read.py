"""How tables are read, told once for all commands: options, [read] and [defaults] in the task, hints that work."""

from __future__ import annotations

import csv
import json
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from typer.main import get_command

import tasks
from cli.remote import document, here, ran, run, write_chat
from labeltune.cli.app import COMMANDS, app
from labeltune.task import read_task

if TYPE_CHECKING:
    from typer.testing import Result

__all__ = ["here"]

WORDS = {
    "Account": "login password reset",
    "Billing": "invoice charge refund",
    "Shipping": "parcel late lost",
}
READS = [
    "init",
    "convert",
    "split",
    "check",
    "predict",
    "evaluate",
    "thresholds",
    "baseline",
    "audit injection",
]


def rows(count: int = 30, *, extra: str = "é") -> list[list[str]]:
    labels = list(WORDS)
    return [[f"{WORDS[labels[n % 3]]} {extra} {n}", labels[n % 3]] for n in range(count)]


def proposed(result: Result) -> list[str]:
    """The commands of a hint, as a user pastes them."""
    [hint] = [line for line in result.stderr.splitlines() if line.startswith("→ look at")]
    return [one.strip(", ") for one in re.split(r", (?=labeltune)", hint.partition("then: ")[2])]


def paste(command: str) -> Result:
    words = shlex.split(command)
    assert words[0] == "labeltune"
    return ran(*words[1:])


def commands() -> dict[str, Any]:
    group: Any = get_command(app)
    found = {name: group.get_command(None, name) for name in COMMANDS}
    for name, command in list(found.items()):
        found |= {f"{name} {own}": one for own, one in getattr(command, "commands", {}).items()}
    return found


@pytest.mark.parametrize("name", READS)
def test_options_to_read_a_table_stand_on_every_command_that_reads_one(name: str) -> None:
    options = {opt for param in commands()[name].params for opt in (*param.opts, *param.secondary_opts)}
    wanted = {
        "--format",
        "--encoding",
        "--sep",
        "--quote",
        "--no-header",
        "--header",
        "--sheet",
        "--strip",
        "--no-strip",
    }
    assert wanted <= options


# ---------------------------------------------------------------------------------- from init to evaluate


def start(path: Path, content: bytes, *options: str) -> Result:
    """A fresh task for a table, made with some options."""
    path.write_bytes(content)
    Path("task.toml").unlink()
    return ran("init", path.name, *options)


def whole_way(result: Result) -> None:
    """Paste what the hints say, then train, predict and evaluate without an option."""
    split, convert = proposed(result)
    paste(split)
    chat = paste(convert).stdout.strip()
    ending = Path(shlex.split(split)[2]).suffix
    model = ran("train", chat, "--model", "linear", "-q").stdout.strip()
    ran("predict", f"validation{ending}", "--model", model, "-q")
    report = document(ran("evaluate", "predictions.csv", "--bootstrap", "0", "--json"))
    assert report["rows"] == 6
    assert report["metrics"]["accuracy"] == 1


def test_data_14_options_of_init_hold_for_all_commands(here: Path) -> None:
    content = "text;label\n" + "".join(f"{text};{label}\n" for text, label in rows())
    result = start(here / "l1.csv", content.encode("latin-1"), "--encoding", "latin-1", "--sep", ";")
    assert proposed(result) == ["labeltune split l1.csv", "labeltune convert train.csv"]
    assert '[read]\nencoding = "latin-1"\nseparator = ";"\n' in Path("task.toml").read_text()
    whole_way(result)
    # A baseline reads its tables alike, and an option beats what the task keeps.
    ran("baseline", "train.csv", "validation.csv", "-q")
    assert run("convert", "train.csv", "--encoding", "utf-8").exit_code == 7


def test_tables_without_a_header(here: Path) -> None:
    content = "".join(f"{label}\t{text}\n" for text, label in rows())
    result = start(here / "sms.tsv", content.encode(), "--no-header")
    task = read_task("task.toml")
    assert (task.text, task.fields[0].column, task.read.header) == (("column_2",), "column_1", False)
    whole_way(result)


def test_data_02_quotes_as_text_all_the_way(here: Path) -> None:
    content = "text\tlabel\n" + "".join(
        f"{chr(34) if n == 4 else ''}{text}{chr(34) if n == 7 else ''}\t{label}\n"
        for n, (text, label) in enumerate(rows())
    )
    result = start(here / "quotes.tsv", content.encode())
    assert "quotes.tsv:6: the quotes here are signs of the text" in result.stderr
    assert '[read]\nquote = "none"\n' in Path("task.toml").read_text()
    whole_way(result)


def test_data_03_space_around_labels_is_said_once(here: Path) -> None:
    content = "text,label\n" + "".join(
        f"{text},{label}{' ' * (n % 2)}\n" for n, (text, label) in enumerate(rows())
    )
    result = start(here / "spaced.csv", content.encode())
    assert "[read]\nstrip = true\n" in Path("task.toml").read_text()
    whole_way(result)
    refused = run("evaluate", "predictions.csv", "--no-strip")
    assert refused.exit_code == 7
    assert "--strip takes it off" in refused.stderr
    ran("evaluate", "predictions.csv", "--strip", "-q")


@pytest.mark.parametrize("name", ["data.jsonl", "my data.json", "data.parquet", "data.xlsx"])
def test_data_13_the_hint_of_init_works_for_every_format(here: Path, name: str) -> None:
    from labeltune.files.tables import write_table

    write_table(name, ["text", "label"], rows())
    Path("task.toml").unlink()
    whole_way(ran("init", name))


def test_data_13_the_hint_carries_what_no_task_keeps(here: Path) -> None:
    content = "".join(json.dumps({"text": text, "label": label}) + "\n" for text, label in rows())
    Path("data.log").write_text(content)
    result = ran("init", "data.log", "--format", "jsonl", "-o", "my task.toml")
    split, convert = proposed(result)
    assert split == "labeltune split data.log --format jsonl --task 'my task.toml'"
    assert convert == "labeltune convert train.jsonl -o train.chat.jsonl --format jsonl --task 'my task.toml'"
    paste(split)
    hint = paste(convert).stderr.splitlines()[-1]
    assert hint == (
        "→ labeltune check train.chat.jsonl --task 'my task.toml', then: labeltune train train.chat.jsonl "
        "--task 'my task.toml'"
    )
    refused = run("convert", "train.jsonl", "--format", "jsonl", "--task", "my task.toml")
    assert "→ name another output: -o train.chat.jsonl" in refused.stderr


def test_a_sheet_is_kept(here: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    book.active.append(["About this file"])
    sheet = book.create_sheet("Data")
    for row in [["text", "label"], *rows()]:
        sheet.append(row)
    book.save("data.xlsx")
    Path("task.toml").unlink()
    result = ran("init", "data.xlsx", "--sheet", "Data")
    assert '[read]\nsheet = "Data"\n' in Path("task.toml").read_text()
    whole_way(result)


def test_predictions_that_were_saved_again_are_read_as_the_task_says(here: Path) -> None:
    content = "text;label\n" + "".join(f"{text};{label}\n" for text, label in rows())
    whole_way(start(here / "l1.csv", content.encode("cp1252"), "--encoding", "cp1252", "--sep", ";"))
    written = Path("predictions.csv").read_bytes().decode()
    Path("again.csv").write_bytes(written.encode("cp1252"))
    assert document(ran("evaluate", "again.csv", "--bootstrap", "0", "--json"))["rows"] == 6
    assert (
        document(ran("evaluate", "predictions.csv", "--compare", "again.csv", "--json"))["comparisons"][0][
            "rows"
        ]
        == 6
    )


# ------------------------------------------------------------------------------------------------ clashes


def clash(path: Path) -> Path:
    with path.open("w", newline="") as handle:
        csv.writer(handle).writerows([["text", "label", "answer"], *([*row, "accept"] for row in rows())])
    return path


def test_data_37_a_column_that_predict_adds_is_told_early_and_can_be_kept(here: Path) -> None:
    clash(here / "clash.csv")
    Path("task.toml").unlink()
    assert (
        'column "answer" is called like one that predict adds: predict --prefix P'
        in ran("init", "clash.csv").stderr
    )
    checked = document(run("check", "clash.csv", "--json", "--model", "linear"))
    assert [one["where"]["line"] for one in checked["findings"] if one["code"] == "column_clash"] == [1]
    chat = ran("convert", "clash.csv", "-q").stdout.strip()
    model = ran("train", chat, "--model", "linear", "-q").stdout.strip()
    refused = run("predict", "clash.csv", "--model", model)
    assert refused.exit_code == 7
    [option] = re.findall(r"--prefix \S+", refused.stderr)
    ran("predict", "clash.csv", "--model", model, "-q", *option.split())
    with Path("predictions.csv").open(newline="") as handle:
        first = next(csv.DictReader(handle))
    assert (first["input_answer"], first["answer"]) == ("accept", "Account")
    ran("evaluate", "predictions.csv", "--bootstrap", "0", "-q")
    assert run("predict", "clash.csv", "--model", model, "--prefix", "").exit_code == 7


def test_data_29_a_parent_without_children(here: Path) -> None:
    reasons = ["late", "lost", "rude", "slow"]
    table = [
        [f"{mood} text {n} {reason}", mood, reason]
        for n in range(60)
        for mood, reason in [[("negative", reasons[n // 3 % 4]), ("neutral", ""), ("positive", "")][n % 3]]
    ]
    with Path("moods.csv").open("w", newline="") as handle:
        csv.writer(handle).writerows([["text", "mood", "reason"], *table])
    Path("task.toml").unlink()
    result = ran("init", "moods.csv", "--label", "mood", "--label", "reason")
    assert (
        'reason: an empty cell is the label "none" (empty = "none"), for neutral, positive' in result.stderr
    )
    task = read_task("task.toml")
    assert dict(task.fields[1].children) == {
        "negative": tuple(reasons),
        "neutral": ("none",),
        "positive": ("none",),
    }
    chat = ran("convert", "moods.csv", "-q").stdout.strip()
    answers = [
        json.loads(json.loads(line)["messages"][-1]["content"])
        for line in Path(chat).read_text().splitlines()
    ]
    assert answers[:2] == [{"mood": "negative", "reason": "late"}, {"mood": "neutral", "reason": "none"}]
    model = ran("train", chat, "--model", "linear", "-q").stdout.strip()
    ran("predict", "moods.csv", "--model", model, "-q")
    report = document(ran("evaluate", "predictions.csv", "--bootstrap", "0", "--json"))
    assert (report["rows"], report["invalid"]) == (60, 0)


# ------------------------------------------------------------------------------------------------- types


def test_data_31_types_survive_in_json_lines_and_parquet(here: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    typed = [
        {
            "id": n,
            "text": text,
            "label": label,
            "ok": n % 2 == 0,
            "tags": ["x", "y"],
            "note": None,
            "share": n / 4,
            "huge": 12345678901234567890,
            "meta": {"deep": [1, {"a": None}]},
        }
        for n, (text, label) in enumerate(rows(12))
    ]
    Path("typed.jsonl").write_text("".join(json.dumps(row) + "\n" for row in typed))
    Path("task.toml").write_text(tasks.intent_toml(*WORDS))
    chat = ran("convert", "typed.jsonl", "-o", "c.jsonl", "-q").stdout.strip()
    model = ran("train", chat, "--model", "linear", "-q").stdout.strip()
    ran("predict", "typed.jsonl", "--model", model, "-o", "out.jsonl", "-q")
    written = [json.loads(line) for line in Path("out.jsonl").read_text().splitlines()]
    assert [{key: row[key] for key in typed[0]} for row in written] == typed
    assert all(
        isinstance(row["confidence"], float) and row["predicted_intent"] == row["label"] for row in written
    )
    ran("predict", "typed.jsonl", "--model", model, "-o", "out.parquet", "-q")
    kinds = {field.name: str(field.type) for field in parquet.read_schema("out.parquet")}
    assert (kinds["id"], kinds["ok"], kinds["share"], kinds["confidence"]) == (
        "int64",
        "bool",
        "double",
        "double",
    )
    assert kinds["tags"] == "list<element: string>"
    # Of Parquet, the types of the columns stay what they were.
    columns = {
        "text": [row["text"] for row in typed],
        "label": pa.array([row["label"] for row in typed]).dictionary_encode(),
        "small": pa.array(range(12), pa.int8()),
        "when": pa.array([None, *range(11)], pa.timestamp("ms", tz="UTC")),
    }
    parquet.write_table(pa.table(columns), "typed.parquet")
    ran("predict", "typed.parquet", "--model", model, "-o", "again.parquet", "-q")
    again, source = parquet.read_table("again.parquet"), parquet.read_table("typed.parquet")
    assert again.select(source.column_names).schema.types == source.schema.types
    assert again.select(source.column_names).to_pylist() == source.to_pylist()
    ran("evaluate", "out.jsonl", "--bootstrap", "0", "-q")
    ran("evaluate", "again.parquet", "--bootstrap", "0", "-q")


# ---------------------------------------------------------------------------------------------- [defaults]


def keep(lines: str) -> None:
    task = Path("task.toml")
    task.write_text(task.read_text() + lines)


def test_provider_and_model_may_stand_in_the_task(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LABELTUNE_PROVIDER")
    assert run("jobs", "list").exit_code == 4
    keep('\n[defaults]\nprovider = "local"\nmodel = "linear"\n')
    trained = ran("train", "train.jsonl", "-q").stdout.strip()
    assert trained.startswith("ft:linear:local")
    assert trained in ran("jobs", "list").stdout
    ran("upload", "valid.jsonl", "-q")
    Path("task.toml").write_text(
        Path("task.toml").read_text().replace('model = "linear"', f'model = "{trained}"')
    )
    Path("rows.csv").write_text("text\nabout my lost card please\n")
    ran("predict", "rows.csv", "-q")
    # An option beats the environment, and the environment the file.
    monkeypatch.setenv("LABELTUNE_PROVIDER", "nowhere")
    assert '"nowhere" is no provider' in run("jobs", "list").stderr
    ran("jobs", "list", "--provider", "local")
    other = run(
        "predict", "rows.csv", "--model", "ft:linear:local::none", "--provider", "local", "-o", "o.csv"
    )
    assert other.exit_code == 4


def test_a_provider_that_the_task_names_wrongly_is_named_with_its_line(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LABELTUNE_PROVIDER")
    keep('\n[defaults]\nprovider = "lokal"\n')
    line = len(Path("task.toml").read_text().splitlines())
    result = run("jobs", "list")
    assert result.exit_code == 2
    assert f'task.toml:{line}: "lokal" is no provider (did you mean "local"?)' in result.stderr


@pytest.mark.parametrize(
    "argv", ["predict rows.csv", "train train.jsonl --provider openai", "audit injection rows.csv"]
)
@pytest.mark.parametrize("told", [[], ["--model", ""]], ids=["none", "empty"])
def test_without_any_model_the_two_ways_to_name_one_are_said(here: Path, argv: str, told: list[str]) -> None:
    Path("rows.csv").write_text("text,label\na,lost card\n")
    result = run(*argv.split(), *told)
    assert result.exit_code == 2
    assert "no model: --model says" in result.stderr
    assert 'write model = "…" under [defaults] in the task file' in result.stderr


def test_unknown_keys_in_the_task_end_every_command(here: Path) -> None:
    write_chat(here / "more.jsonl", 12)
    keep("\n[read]\ncoding = 'utf-8'\n")
    line = len(Path("task.toml").read_text().splitlines())
    for argv in (
        ["convert", "x.csv"],
        ["check", "more.jsonl"],
        ["evaluate", "x.csv"],
        ["upload", "more.jsonl"],
    ):
        result = run(*argv)
        assert result.exit_code == 2
        assert f'task.toml:{line}: unknown key "coding"' in result.stderr
