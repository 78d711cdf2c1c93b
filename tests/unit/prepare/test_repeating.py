"""`convert --repeat-rare`: how often a row is written, what the file then holds, and what `check` says of it."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from typer.testing import CliRunner

import tasks
from labeltune.cli.app import app
from labeltune.errors import SettingsError
from labeltune.prepare.check import CheckOptions, check
from labeltune.prepare.convert import convert
from labeltune.prepare.repeating import times_to_write

ONE, TWO, THREE = tasks.INTENT.labels


def times(labels: list[str], most: int) -> list[int]:
    kinds = sorted(set(labels))
    return list(
        times_to_write([((kind,),) for kind in kinds], [kinds.index(label) for label in labels], most)
    )


@pytest.mark.parametrize(
    ("labels", "most", "written"),
    [
        ("aaaaaab", 10, [1] * 6 + [6]),
        ("aaaaaab", 4, [1] * 6 + [4]),
        # Nine become ten, not eighteen: one of them stands twice.
        ("aaaaaaaaaabbbbbbbbb", 5, [1] * 10 + [1] * 8 + [2]),
        ("aaaaabb", 5, [1] * 5 + [2, 3]),
        ("aabb", 5, [1] * 4),
        ("aaa", 5, [1] * 3),
    ],
)
def test_a_label_comes_to_the_count_of_the_commonest(labels: str, most: int, written: list[int]) -> None:
    assert times(list(labels), most) == written


def test_the_rarest_label_of_a_row_counts() -> None:
    common, rare, both, none = (("x",),), (("y",),), (("x", "y"),), ((),)
    # x is on 8 rows, y on 2: both rows with y are written four times each.
    assert list(times_to_write([common, rare, both, none], [0] * 7 + [1, 2, 3], 9)) == [1] * 7 + [4, 4, 1]


def test_of_two_levels_the_rarer_one_counts() -> None:
    often, seldom = (("p",), ("c",)), (("p",), ("d",))
    assert list(times_to_write([often, seldom], [0] * 6 + [1] * 2, 9)) == [1] * 6 + [3, 3]


def table(path: Path, counts: dict[str, int]) -> Path:
    rows = [f"{label} number {row},{label}\n" for label, count in counts.items() for row in range(count)]
    path.write_text("text,label\n" + "".join(rows), encoding="utf-8")
    return path


def test_the_file_holds_each_record_as_often_as_is_said(tmp_path: Path) -> None:
    source = table(tmp_path / "train.csv", {ONE: 30, TWO: 12, THREE: 2})
    plain = convert(tasks.INTENT, source, tmp_path / "plain.jsonl")
    done = convert(tasks.INTENT, source, tmp_path / "train.jsonl", repeat_rare=5)
    assert (done.rows, done.written, done.repeated) == (44, 44, 18 + 8)
    assert plain.repeated == 0
    once = (tmp_path / "plain.jsonl").read_bytes().splitlines()
    lines = (tmp_path / "train.jsonl").read_bytes().splitlines()
    # The same records in the same order, repeats one after the other.
    assert list(dict.fromkeys(lines)) == once
    assert [line for place, line in enumerate(lines) if place == 0 or line != lines[place - 1]] == once
    answers = Counter(json.loads(line)["messages"][-1]["content"] for line in lines)
    assert answers == {ONE: 30, TWO: 30, THREE: 10}


def test_check_says_what_the_repeats_are(tmp_path: Path) -> None:
    source = table(tmp_path / "train.csv", {ONE: 30, TWO: 12, THREE: 2})
    chat = tmp_path / "train.jsonl"
    convert(tasks.INTENT, source, chat, repeat_rare=5)
    found = check([str(chat)], tasks.INTENT, CheckOptions()).findings
    assert "duplicate" not in {one.code for one in found}
    [repeated] = [one for one in found if one.code == "repeated"]
    assert repeated.severity == "info"
    assert repeated.message.startswith("26 records repeat the one before, as `convert --repeat-rare`")
    # Where they are not meant: in a validation file, in a table, and apart from each other.
    other = tmp_path / "other.csv"
    other.write_text("text,label\n" + f"quite another text,{ONE}\n" * 12, encoding="utf-8")
    again = check([str(other), str(chat)], tasks.INTENT, CheckOptions()).findings
    assert Counter(one.where.file for one in again if one.code == "duplicate") == {
        str(other): 11,
        str(chat): 26,
    }
    records = chat.read_bytes().splitlines(keepends=True)
    (tmp_path / "apart.jsonl").write_bytes(b"".join([*records, records[0]]))
    apart = check([str(tmp_path / "apart.jsonl")], tasks.INTENT, CheckOptions()).findings
    assert [one.where.line for one in apart if one.code == "duplicate"] == [len(records) + 1]


def test_nothing_is_repeated_where_the_table_is_refused(tmp_path: Path) -> None:
    bad = table(tmp_path / "bad.csv", {ONE: 20, TWO: 2, "no such label": 1})
    target = tmp_path / "bad.jsonl"
    with pytest.raises(Exception, match="no such label"):
        convert(tasks.INTENT, bad, target, repeat_rare=3)
    assert not target.exists()
    skipped = convert(tasks.INTENT, bad, target, on_error="skip", repeat_rare=3)
    assert (skipped.written, skipped.repeated, skipped.left_out) == (22, 4, {"unknown_label": 1})
    with pytest.raises(SettingsError, match="expected a number from 1 on"):
        convert(tasks.INTENT, bad, target, repeat_rare=0)


def test_the_command_counts_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    table(tmp_path / "train.csv", {ONE: 20, TWO: 5, THREE: 20})
    (tmp_path / "task.toml").write_text(tasks.INTENT_TOML, encoding="utf-8")
    result = CliRunner().invoke(app, ["convert", "train.csv", "--repeat-rare", "3", "--json"])
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert (found["rows"], found["written"], found["repeated"]) == (45, 45, 10)
    assert "10 of rare labels are repeated: 55 in all" in result.stderr
