"""check on what others collected to break readers: findings or a refusal, never a crash."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import tasks
from labeltune.errors import LabeltuneError
from labeltune.files.tables import open_table, write_table
from labeltune.prepare.check import CheckOptions, check
from labeltune.prepare.check.text import format_checked
from labeltune.task import Task, parse_task

pytestmark = pytest.mark.shared

ESTIMATE = CheckOptions(tokens="estimate")


def outcome(path: Path, task: Task | None) -> str:
    """What check says: the findings' codes, or the refusal. Anything but a `LabeltuneError` fails the test."""
    try:
        done = check([path], task, ESTIMATE)
    except LabeltuneError as error:
        return f"refused: {error}"
    format_checked(done, every=True)
    return " ".join(sorted({code for _, code in done.counts}))


def task_for(columns: tuple[str, ...]) -> Task:
    """The first column as text, the last as label: whatever a table holds."""
    return parse_task(
        tasks.INTENT_TOML.replace('text = ["text"]', f"text = {json.dumps([columns[0]])}").replace(
            'column = "label"', f"column = {json.dumps(columns[-1])}"
        )
    )


def test_tables_of_csvkit_and_csv_spectrum(shared_data: Path) -> None:
    hostile = shared_data / "hostile"
    paths = [*(hostile / "csv-spectrum").rglob("*.csv"), *(hostile / "csvkit" / "examples").iterdir()]
    assert len(paths) > 50
    for path in paths:
        if not path.is_file():
            continue
        try:
            with open_table(path) as table:
                columns = table.header
        except LabeltuneError:
            columns = ()
        task = task_for(columns) if len(columns) > 1 else tasks.INTENT
        assert outcome(path, task), path


def test_files_of_the_json_test_suite(shared_data: Path, tmp_path: Path) -> None:
    paths = sorted((shared_data / "hostile" / "JSONTestSuite").rglob("*.json"))
    assert len(paths) > 300
    for path in paths:
        copy = tmp_path / "data.jsonl"
        copy.write_bytes(path.read_bytes())
        for task in (tasks.INTENT, None):
            said = outcome(copy, task)
            assert said, path
            # None of them is a record, whether it is JSON or not.
            assert (
                "refused" in said
                or "bad_" in said
                or "unreadable" in said
                or "unknown_key" in said
                or "other_form" in said
                or "not_" in said
            ), (
                path,
                said,
            )


def test_naughty_strings_as_texts_and_answers(shared_data: Path, tmp_path: Path) -> None:
    strings = json.loads((shared_data / "hostile" / "blns" / "blns.json").read_text(encoding="utf-8"))
    path = tmp_path / "data.csv"
    whole = [text for text in strings if "\0" not in text]
    write_table(path, ("text", "label"), [(text, "lost card") for text in whole])
    done = check([path], tasks.INTENT, ESTIMATE)
    assert sum(file.records for file in done.tokens.values()) == len(whole)
    assert "unreadable" not in {code for _, code in done.counts}
    system = {"role": "system", "content": "Name the intent."}
    chat = tmp_path / "data.jsonl"
    for place in (1, 2):
        with chat.open("w", encoding="utf-8") as handle:
            for text in strings:
                contents = ["where", "lost card"]
                contents[place - 1] = text
                user, assistant = contents
                messages = [
                    system,
                    {"role": "user", "content": user},
                    {"role": "assistant", "content": assistant},
                ]
                handle.write(json.dumps({"messages": messages}) + "\n")
        done = check([chat], tasks.INTENT, ESTIMATE)
        format_checked(done)
        assert done.tokens[str(chat)].records == len(strings)
        assert ("bad_answer" in {code for _, code in done.counts}) == (place == 2)
