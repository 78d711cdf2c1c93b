"""`labeltune train`: argv to result, messages and exit code; it really trains."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import tasks
from cli.remote import LABELS, document, here, ran, run, write_chat
from labeltune.providers import resolve_provider
from labeltune.tuning.ledger import open_ledger

__all__ = ["here"]

TRAIN = ("train", "train.jsonl", "valid.jsonl", "--model", "linear", "--epochs", "2", "--seed", "7")


def test_from_files_to_a_model_and_again(here: Path) -> None:
    first = ran(*TRAIN, "--suffix", "mine")
    model = first.stdout.strip()
    assert model.startswith("ft:linear:local:mine:")
    for said in ("created job ftjob-", "running", "loss", "accuracy", "succeeded", f"--model {model}"):
        assert said in first.stderr
    again = document(ran(*TRAIN, "--suffix", "mine", "--json", "--quiet"))
    assert again["model"] == model
    assert again["reused"]
    assert again["status"] == "succeeded"
    assert again["trained_tokens"] > 0
    # The same from ids, and the fingerprint travels with the job.
    ids = ran("upload", "train.jsonl", "valid.jsonl", "-q").stdout.split()
    assert ids == [again["training_file"], again["validation_file"]]
    by_id = ran("train", *ids, *TRAIN[3:], "--suffix", "mine", "-q")
    assert by_id.stdout.strip() == model
    shown = document(ran("jobs", "show", again["job_id"], "--json"))["job"]
    assert shown["metadata"]["labeltune_task"] == tasks.INTENT.fingerprint
    assert shown["seed"] == 7
    with open_ledger() as ledger:
        entry = ledger.find_model(resolve_provider("local").identity, model)
    assert entry is not None
    assert (entry.job_id, entry.task) == (again["job_id"], tasks.INTENT.fingerprint)


def test_no_wait_prints_the_job(here: Path) -> None:
    result = ran(*TRAIN, "--no-wait")
    job = result.stdout.strip()
    assert job.startswith("ftjob-")
    assert f"labeltune jobs watch {job} --provider local" in result.stderr
    assert ran(*TRAIN, "--no-wait", "-q").stdout.strip() == job
    other = ran(*TRAIN, "--no-wait", "--new-job", "-q").stdout.strip()
    assert other != job
    assert ran(*TRAIN, "--no-wait", "-q").stdout.strip() == other
    longer = ("train", "train.jsonl", "valid.jsonl", "--model", "linear", "--epochs", "3")
    assert ran(*longer, "--no-wait", "-q").stdout.strip() not in (job, other)


def test_dry_run_sends_nothing_and_masks_the_key(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary-0123456789")
    result = ran(*TRAIN[:3], "--model", "gpt-4.1-mini", "--provider", "openai", "--epochs", "2", "--dry-run")
    request = json.loads(result.stdout)
    assert request["url"] == "https://api.openai.com/v1/fine_tuning/jobs"
    assert request["headers"] == {"Authorization": "Bearer ***"}
    assert request["body"]["method"]["supervised"]["hyperparameters"] == {"n_epochs": 2}
    assert request["body"]["training_file"] == "(the id of train.jsonl)"
    assert "nothing was sent; cost: 0." in result.stderr
    assert "sk-canary" not in result.stdout + result.stderr
    assert not (here / ".labeltune").exists()
    shown = document(ran(*TRAIN, "--dry-run", "--json"))
    assert shown["cost_usd"] == 0.0


@pytest.mark.parametrize(
    ("argv", "code", "said"),
    [
        (["--epochs", "0"], 2, "--epochs 0: expected 1 to 50"),
        (["--epochs", "many"], 2, 'expected a whole number, or "auto"'),
        (["--batch-size", "257"], 2, "expected 1 to 256"),
        (["--learning-rate", "-1"], 2, "a multiplier above 0"),
        (["--learning-rate", "nan"], 2, "a multiplier above 0"),
        (["--suffix", "x" * 65], 2, "65 characters, expected 1 to 64"),
        (["--suffix", ""], 2, "0 characters"),
        (["--seed", "-1"], 2, "seed"),
        (["--model", " "], 2, "no model: --model says on which base"),
        (["--model", "lineal"], 4, "lineal"),
        (
            ["--model", "house-3b", "--max-cost", "1", "--provider", "http://127.0.0.1:9/v1"],
            6,
            "price of house-3b is not known",
        ),
        (["--provider", "nebius", "--epochs", "21"], 2, "expected 1 to 20"),
        (["--provider", "nebius", "--learning-rate", "2"], 2, "the rate itself"),
        (["--provider", "openai"], 4, "OPENAI_API_KEY is not set"),
        (["--provider", "http://127.0.0.1:9/v1"], 5, "cannot be reached"),
    ],
)
def test_what_cannot_be(here: Path, argv: list[str], code: int, said: str) -> None:
    result = run("train", "train.jsonl", "--model", "linear", *argv)
    assert result.exit_code == code, result.stderr
    assert said in result.stderr
    assert result.stdout == ""


def test_files_that_are_not_there(here: Path) -> None:
    assert run("train", "missing.jsonl", "--model", "linear").exit_code == 2
    result = run("train", "file-missing", "--model", "linear")
    assert result.exit_code == 10
    assert "file-missing" in result.stderr
    assert "labeltune upload" in result.stderr


def test_a_job_that_fails_says_why_with_the_line(here: Path) -> None:
    # One label only: there is nothing to learn, which the engine finds and no check before it does.
    (here / "task.toml").unlink()
    record = '{"messages": [{"role": "user", "content": "text %d"}, {"role": "assistant", "content": "x"}]}\n'
    (here / "same.jsonl").write_text("".join(record % row for row in range(20)))
    argv = ("train", "same.jsonl", "--model", "linear")
    result = run(*argv)
    assert result.exit_code == 10
    assert "all 20 examples have the same answer" in result.stderr
    assert "--new-job" in result.stderr
    assert result.stdout == ""
    error = json.loads(run(*argv, "--json").stdout)["error"]
    assert error["exit_code"] == 10
    assert len(ran("jobs", "list").stdout.splitlines()) == 1


def test_a_table_is_converted_and_nothing_stale_is_used(here: Path) -> None:
    write_rows(here / "table.csv", 30)
    # What an earlier convert left beside it has nothing to do with this.
    write_chat(here / "table.jsonl", 12, label=LABELS[0])
    first = ran("train", "table.csv", "--model", "linear")
    assert "table.csv: a table, converted with task.toml: 30 records" in first.stderr
    assert ran("train", "table.csv", "--model", "linear").stdout == first.stdout
    write_rows(here / "table.csv", 33)
    assert ran("train", "table.csv", "--model", "linear").stdout != first.stdout


def test_two_tables_of_one_name_are_two_files(here: Path) -> None:
    for folder in ("one", "two"):
        (here / folder).mkdir()
        write_rows(here / folder / "part.csv", 30 if folder == "one" else 12)
    request = document(
        ran("train", "one/part.csv", "two/part.csv", "--model", "linear", "--dry-run", "--json")
    )
    assert "(the id of .labeltune/converted/part-2.jsonl)" in json.dumps(request)
    assert sorted(path.name for path in Path(".labeltune/converted").iterdir()) == [
        "part-2.jsonl",
        "part.jsonl",
    ]


def test_a_table_without_a_task_or_with_a_bad_row_is_refused_with_its_line(here: Path) -> None:
    write_rows(here / "table.csv", 30)
    with (here / "table.csv").open("a", encoding="utf-8") as handle:
        handle.write("what is this,nolabel\n")
    result = run("train", "table.csv", "--model", "linear")
    assert result.exit_code == 7
    assert "table.csv:32:" in result.stderr
    (here / "task.toml").unlink()
    result = run("upload", "table.csv")
    assert result.exit_code == 2
    assert "labeltune init table.csv proposes one" in result.stderr


def write_rows(path: Path, rows: int) -> None:
    lines = [f"{row}: about my {LABELS[row % 3]} please,{LABELS[row % 3]}" for row in range(rows)]
    path.write_text("\n".join(["text,label", *lines]) + "\n", encoding="utf-8")
