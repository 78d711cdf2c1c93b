from __future__ import annotations

import io
import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from labeltune.errors import ConflictError, DataError, SettingsError
from labeltune.prepare.convert import convert
from labeltune.prepare.split import split
from labeltune.task import ReadOptions, Task
from split_tables import LABELS, contents, intents, options, rows_of, write_csv
from tasks import INTENT

# -------------------------------------------------------------------------------------------------- chat files


def chat_file(tmp_path: Path, count: int = 120) -> Path:
    rows = [[f"text {'x' * n} {n}", LABELS[min(n % 4, 2)]] for n in range(count)]
    convert(INTENT, write_csv(tmp_path / "chat.csv", rows), tmp_path / "chat.jsonl")
    return tmp_path / "chat.jsonl"


@pytest.mark.parametrize("task", [INTENT, None], ids=["task", "no task"])
def test_a_chat_file_stays_a_chat_file(tmp_path: Path, task: Task | None) -> None:
    path = chat_file(tmp_path)
    done = split(path, task, options("train=0.5,test=0.5"), folder=tmp_path)
    assert [Path(part.path).name for part in done.parts.values()] == ["train.jsonl", "test.jsonl"]
    # By the answer: with a task in its order, without in the order in which they occur.
    assert done.parts["test"].labels == {LABELS[0]: 15, LABELS[1]: 15, LABELS[2]: 30}
    lines = [line for content in contents(done).values() for line in content.splitlines(keepends=True)]
    assert sorted(lines) == sorted(path.read_bytes().splitlines(keepends=True))


def test_answers_are_decoded_with_the_task(tmp_path: Path) -> None:
    path = tmp_path / "chat.jsonl"
    spelled = ["lost card", "Lost Card.", '"lost card"', "card_arrival"]
    records = [
        {"messages": [{"role": "user", "content": f"t{n}"}, {"role": "assistant", "content": spelled[n % 4]}]}
        for n in range(40)
    ]
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    assert split(path, INTENT, options("a=0.5,b=0.5"), folder=tmp_path).parts["a"].labels == {
        "card_arrival": 5,
        "Refund_not_showing_up": 0,
        "lost card": 15,
    }
    assert len(split(path, None, options("a=0.5,b=0.5"), folder=tmp_path).parts["a"].labels) == 4


def test_the_prompt_makes_no_duplicates(tmp_path: Path) -> None:
    prompt = " ".join(f"instruction{n}" for n in range(100))
    records = [
        {
            "messages": [
                {"role": "user", "content": f"{prompt}: {text}"},
                {"role": "assistant", "content": "x"},
            ]
        }
        for text in [*(f"text {'y' * n}" for n in range(18)), "the same", "The same!"]
    ]
    path = tmp_path / "chat.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    assert split(path, None, options("a=0.5,b=0.5"), folder=tmp_path).duplicates == 1


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"messages": [', ":3: not valid JSON"),
        ("[1]", ":3: expected an object"),
        ('{"messages": []}', ":3: 'messages' must be a non-empty array"),
        ('{"messages": [{"role": "user", "content": "x"}]}', ":3: the last message must be the assistant's"),
        (
            '{"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "lost crad"}]}',
            ':3: answer "lost crad" is none of task.toml: off_list (did you mean "lost card"?)',
        ),
    ],
)
def test_a_bad_record_is_named(tmp_path: Path, line: str, message: str) -> None:
    path = chat_file(tmp_path, 10)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:2], line, *lines[2:]]))
    with pytest.raises(DataError) as raised:
        split(path, INTENT, folder=tmp_path / "out")
    assert f"{path}{message}" in str(raised.value)
    assert not (tmp_path / "out").exists()


def test_every_bad_answer_is_named(tmp_path: Path) -> None:
    path = tmp_path / "chat.jsonl"
    bad = {"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "no"}]}
    path.write_text((json.dumps(bad) + "\n") * 30)
    with pytest.raises(DataError) as raised:
        split(path, INTENT, folder=tmp_path)
    assert [finding.where.line for finding in raised.value.findings] == list(range(1, 21))
    assert "… and 10 more" in str(raised.value)


def test_chat_files_have_no_columns(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="--group names a column, and a chat file has none"):
        split(chat_file(tmp_path), INTENT, options(group="customer"), folder=tmp_path)
    with pytest.raises(SettingsError, match="--sep"):
        split(chat_file(tmp_path), INTENT, options(read=ReadOptions(separator=";")), folder=tmp_path)


# ---------------------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("content", "chosen", "message"),
    [
        ("", {}, "no rows"),
        ("text,label\n", {}, "no rows"),
        ("text,lable\na,lost card\n", {}, ':1: no labels: expected the column "label"'),
        ("txt,label\na,lost card\n", {}, ':1: no column "text" (did you mean "txt"?), which the task names'),
        (
            "text,label\na,lost card\nb,lost crad\n",
            {},
            ':3: label "lost crad" is not in task.toml (did you mean',
        ),
        ("text,label\na,lost card\nb\n", {}, ":3: expected 2 columns, found 1"),
        (
            "text,label\na,lost card\n",
            {"group": "lable"},
            ':1: no column "lable" (did you mean "label"?), which --group',
        ),
        ("text,label\na,lost card \n", {}, "has space around it; --strip takes it off"),
    ],
)
def test_tables_that_are_refused(tmp_path: Path, content: str, chosen: dict[str, str], message: str) -> None:
    path = tmp_path / "data.csv"
    path.write_text(content)
    with pytest.raises(DataError) as raised:
        split(path, INTENT, options("a=0.5,b=0.5", **chosen), folder=tmp_path / "out")
    assert f"{path}{message}" in str(raised.value) or message in str(raised.value)
    assert not (tmp_path / "out").exists()


def test_space_around_labels(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text("text,label\na,lost card \nb,lost card\n")
    done = split(path, INTENT, options("a=0.5,b=0.5", read=ReadOptions(strip=True)), folder=tmp_path)
    assert sorted(contents(done).values()) == [b"text,label\na,lost card \n", b"text,label\nb,lost card\n"]


def test_a_table_without_labels_is_split_by_chance(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text("text\n" + "".join(f"text {'x' * n}\n" for n in range(20)))
    with pytest.raises(DataError, match="no labels") as raised:
        split(path, INTENT, options(), folder=tmp_path)
    assert "--no-stratify" in (raised.value.hint or "")
    done = split(path, INTENT, options("a=0.5,b=0.5", stratified=False), folder=tmp_path)
    assert [(part.rows, part.labels) for part in done.parts.values()] == [(10, {}), (10, {})]
    assert done.balance.max_deviation == 0


def test_a_table_without_a_task(tmp_path: Path) -> None:
    data = write_csv(tmp_path / "data.csv", intents(20))
    every: list[dict[str, Any]] = [{}, {"stratified": False}, {"keep_duplicates_together": False}]
    for chosen in every:
        with pytest.raises(SettingsError, match="there is no task file") as raised:
            split(data, None, options(**chosen), folder=tmp_path)
        assert "labeltune init" in (raised.value.hint or "")
    free = options("a=0.5,b=0.5", stratified=False, keep_duplicates_together=False)
    assert split(data, None, free, folder=tmp_path).parts["a"].rows == 10


@pytest.mark.parametrize("link", ["none", "symbolic", "hard"])
def test_the_table_itself_is_never_overwritten(tmp_path: Path, link: str) -> None:
    data = write_csv(tmp_path / "train.csv", intents(20))
    folder = tmp_path
    if link != "none":
        folder = tmp_path / "other"
        folder.mkdir()
        (os.symlink if link == "symbolic" else os.link)(data, folder / "train.csv")
    before = data.read_bytes()
    with pytest.raises(SettingsError, match="is the file itself, which is never overwritten"):
        split(data, INTENT, folder=folder)
    assert data.read_bytes() == before
    assert not (folder / "validation.csv").exists()


def test_old_parts_are_replaced(tmp_path: Path) -> None:
    data = write_csv(tmp_path / "data.csv", intents(20))
    (tmp_path / "validation.csv").write_text("old")
    done = split(data, INTENT, folder=tmp_path)
    assert len(rows_of(done.parts["validation"].path)) == 4


def test_standard_output_takes_no_several_files(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="several files"):
        split(write_csv(tmp_path / "data.csv", intents(20)), INTENT, folder="-")


def test_a_file_that_grows_while_it_is_read(tmp_path: Path) -> None:
    data = write_csv(tmp_path / "data.csv", [[str(n), LABELS[n % 3]] for n in range(20_000)])

    def grow(_done: int, _total: int) -> None:
        with data.open("a") as handle:
            handle.write("more,lost card\n")

    chosen = options(keep_duplicates_together=False)
    with pytest.raises(ConflictError, match="changed while it was read"):
        split(data, INTENT, chosen, folder=tmp_path / "out", progress=grow)
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
def test_a_pipe_is_read_once(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.csv"
    os.mkfifo(pipe)
    content = write_csv(tmp_path / "data.csv", intents(30)).read_bytes()
    writer = threading.Thread(target=pipe.write_bytes, args=(content,), daemon=True)
    writer.start()
    done = split(pipe, INTENT, options("a=0.5,b=0.5"), folder=tmp_path / "out")
    writer.join(10)
    assert sorted(rows_of(done.parts["a"].path) + rows_of(done.parts["b"].path)) == sorted(intents(30))


def test_progress_is_told_over_both_passes(tmp_path: Path) -> None:
    data = write_csv(tmp_path / "data.csv", [[str(n), LABELS[n % 3]] for n in range(50_000)])
    told: list[tuple[int, int]] = []
    chosen = options(keep_duplicates_together=False)
    split(data, INTENT, chosen, folder=tmp_path, progress=lambda *seen: told.append(seen))
    size = data.stat().st_size
    assert [total for _, total in told] == [2 * size] * len(told)
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert any(done <= size for done, _ in told)
    assert any(done > size for done, _ in told)


def test_reading_from_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = write_csv(tmp_path / "data.csv", intents(30)).read_bytes()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))
    done = split("-", INTENT, options("a=0.5,b=0.5"), folder=tmp_path)
    assert done.input == "stdin"
    assert [Path(part.path).name for part in done.parts.values()] == ["a.csv", "b.csv"]
