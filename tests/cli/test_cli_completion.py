"""What the shell proposes for a value: what stands on this machine, and never an error."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

import tasks
from cli.remote import document, here, ran, write_chat
from labeltune.cli.app import COMMANDS, app
from labeltune.local.engines import ENGINES
from labeltune.providers import PROFILES
from labeltune.tuning.exporting import FORMS

__all__ = ["here"]


def proposed(line: str) -> list[str]:
    """What bash proposes at the end of a line."""
    words = line.split(" ")
    result = CliRunner().invoke(
        app,
        [],
        prog_name="labeltune",
        env={
            "COMP_WORDS": line,
            "COMP_CWORD": str(len(words) - 1),
            "_LABELTUNE_COMPLETE": "complete_bash",
        },
    )
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    return result.stdout.split()


def test_commands_are_proposed_without_being_made() -> None:
    assert proposed("labeltune ") == list(COMMANDS)
    assert proposed("labeltune tr") == ["train"]
    assert proposed("labeltune jobs c") == ["checkpoints", "cancel"]


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ("labeltune predict x.csv --provider ", ["local", "openai", "azure", "nebius"]),
        ("labeltune predict x.csv --provider a", ["azure"]),
        ("labeltune train x.csv --model li", ["linear"]),
        ("labeltune init x.csv --answer l", ["label", "list"]),
        ("labeltune convert x.csv --format js", ["jsonl", "json"]),
        ("labeltune import x.json --from label", ["label-studio", "label-studio-min", "label-text"]),
        ("labeltune export x.csv --to ", ["doccano", "label-studio", "prodigy", "argilla", "fasttext"]),
        ("labeltune models export m --to ", ["labeltune", "onnx"]),
        ("labeltune models export m --to o", ["onnx"]),
        ("labeltune predict in --distributed ", ["ray", "ray:"]),
        ("labeltune evaluate in --distributed r", ["ray", "ray:"]),
        ("labeltune agreement x.csv --fail-under a", ["alpha="]),
        ("labeltune init table.csv --label ", ["text", "intent", "when"]),
        ("labeltune init table.csv --text text --label i", ["intent"]),
        ("labeltune init nothing.csv --label ", []),
        ("labeltune init --label ", []),
    ],
)
def test_values(line: str, values: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("table.csv").write_text("text,intent,when\nhello,greeting,today\n")
    assert proposed(line) == values


def test_what_is_written_here_again_to_import_nothing_is_what_there_is() -> None:
    assert set(proposed("labeltune predict x.csv --provider ")) == set(PROFILES)
    assert {base.partition(":")[0] for base in proposed("labeltune train x.csv --model ")} == set(ENGINES)


def test_an_export_has_the_forms_that_are_proposed() -> None:
    assert proposed("labeltune models export m --to ") == [*FORMS]


def test_gates_are_the_task_s_metrics(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "macro_f1=" in proposed("labeltune evaluate p.csv --fail-under ")
    assert "kappa=" not in proposed("labeltune evaluate p.csv --fail-under ")
    Path("task.toml").write_text(tasks.INTENT_TOML, encoding="utf-8")
    assert proposed("labeltune evaluate p.csv --fail-under ka") == ["kappa="]
    Path("task.toml").write_text("not a task")
    assert proposed("labeltune evaluate p.csv --fail-under macro") == ["macro_f1="]


def test_models_jobs_and_files_of_this_machine(here: Path) -> None:
    train = write_chat(here / "train.jsonl", 24)
    done = document(ran("train", train, "--model", "linear", "--json"))
    model, job = done["model"], done["job_id"]
    assert model in proposed("labeltune classify hello --model ")
    assert model in proposed("labeltune models show ")
    assert proposed("labeltune jobs show ") == [job]
    assert len(proposed("labeltune files delete ")) > 0
    # What this folder's ledger knows is proposed for other providers, too.
    assert model in proposed("labeltune predict x.csv --provider openai --model ")


def test_nothing_is_proposed_or_made_where_nothing_was_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    home = tmp_path / "home"
    monkeypatch.setenv("LABELTUNE_HOME", str(home))
    assert proposed("labeltune predict x.csv --model ") == []
    home.mkdir()
    (home / "labeltune.db").write_bytes(b"this is no database, and longer than a header of one" * 10)
    assert proposed("labeltune jobs show ") == []
    assert [path.name for path in tmp_path.iterdir()] == ["home"]
