"""`labeltune upload`: argv to result, messages and exit code."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import pytest

import tasks
from cli.remote import document, here, ran, run, write_chat

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["here"]


def test_the_result_is_the_ids_in_order(here: Path) -> None:
    first = ran("upload", "train.jsonl", "valid.jsonl")
    ids = first.stdout.splitlines()
    assert [name.startswith("file-") for name in ids] == [True, True]
    assert "labeltune train " + " ".join(ids) + " --provider local" in first.stderr
    again = ran("upload", "valid.jsonl", "train.jsonl", "--quiet")
    assert again.stdout.splitlines() == ids[::-1]
    assert again.stderr == ""
    other = ran("upload", "train.jsonl", "--force")
    assert other.stdout.strip() not in ids


def test_json(here: Path) -> None:
    (file,) = document(ran("upload", "train.jsonl", "--json"))["files"]
    content = (here / "train.jsonl").read_bytes()
    assert file == {
        "path": "train.jsonl",
        "id": file["id"],
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "reused": False,
    }
    assert document(ran("upload", "train.jsonl", "--json")) == {"files": [{**file, "reused": True}]}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "train.jsonl:31: not valid JSON"),
        ('{"messages": []}', "'messages' must be a non-empty array"),
        ('{"messages": [{"role": "user", "content": "x"}]}', "last message must be the assistant's"),
        ('{"messages": [{"role": "assistant", "content": "lost crd"}]}', 'answer "lost crd" is not one of'),
        ('{"messages": [{"role": "user", "content": "<|endoftext|>"}]}', "special token"),
    ],
)
def test_a_bad_line_stops_all_before_anything_is_sent(here: Path, line: str, said: str) -> None:
    with (here / "train.jsonl").open("a") as handle:
        handle.write(line + "\n")
    result = run("upload", "valid.jsonl", "train.jsonl")
    assert result.exit_code == 7
    assert said in result.stderr
    assert result.stdout == ""
    assert not (here / ".labeltune").exists()


def test_findings_as_json(here: Path) -> None:
    with (here / "train.jsonl").open("a") as handle:
        handle.write("[]\n" * 30)
    result = run("upload", "train.jsonl", "--json")
    error = json.loads(result.stdout)["error"]
    assert error["exit_code"] == result.exit_code == 7
    assert error["findings"][0]["where"] == {"file": "train.jsonl", "line": 31}
    assert "and 10 more" in result.stderr


def test_too_few_records(here: Path) -> None:
    write_chat(here / "few.jsonl", 9)
    result = run("upload", "few.jsonl")
    assert result.exit_code == 7
    assert "few.jsonl: 9 records, expected at least 10" in result.stderr


def test_an_empty_file_has_no_records(here: Path) -> None:
    (here / "empty.jsonl").touch()
    for _ in ("with a task", "without"):
        result = run("upload", "empty.jsonl")
        assert (result.exit_code, result.stdout) == (7, "")
        assert "empty.jsonl: no records" in result.stderr
        (here / "task.toml").unlink(missing_ok=True)


def test_a_validation_file_may_be_small(here: Path) -> None:
    write_chat(here / "few.jsonl", 3)
    assert len(ran("upload", "train.jsonl", "few.jsonl").stdout.split()) == 2
    ran("train", "train.jsonl", "few.jsonl", "--model", "linear")


def test_without_a_task_any_answer_goes(here: Path) -> None:
    write_chat(here / "other.jsonl", 12, label="something else")
    assert run("upload", "other.jsonl").exit_code == 7
    (here / "task.toml").unlink()
    assert ran("upload", "other.jsonl").stdout.startswith("file-")
    missing = run("upload", "other.jsonl", "--task", "other.toml")
    assert missing.exit_code == 2
    (here / "task.toml").write_text(tasks.INTENT_TOML.replace("version", "versio"))
    assert run("upload", "other.jsonl").exit_code == 2


def test_no_file_no_key_no_provider(here: Path) -> None:
    assert run("upload", "missing.jsonl").exit_code == 2
    result = run("upload", "train.jsonl", "--provider", "openai")
    assert result.exit_code == 4
    assert "OPENAI_API_KEY" in result.stderr
    assert "--provider local" in result.stderr
    result = run("upload", "train.jsonl", "--provider", "opnai")
    assert result.exit_code == 2
    assert 'did you mean "openai"' in result.stderr


def test_a_folder_that_cannot_hold_the_ledger(here: Path) -> None:
    (here / ".labeltune").write_text("in the way")
    result = run("upload", "train.jsonl")
    assert result.exit_code == 8
    assert ".labeltune" in result.stderr
