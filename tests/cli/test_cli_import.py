"""`labeltune import` and `labeltune export`: what is told, what is written, what comes next."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from cli.remote import run
from exports import EXPORTS, ROWS, choices, label, label_studio, lines, text
from labeltune.cli import agreement, import_
from labeltune.collect import importing
from labeltune.evaluation.agreement import BOOTSTRAP, SEED
from waiting import HANG_S

INIT = "labeltune init data.csv --text text --label topic --label sub_topic --label tags"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, export in EXPORTS.items():
        Path(name).write_text(export.content, encoding="utf-8")
    return tmp_path


def test_defaults_are_those_of_the_library() -> None:
    assert import_._OUTPUT == importing.DEFAULT_OUTPUT
    assert (agreement._BOOTSTRAP, agreement._SEED) == (BOOTSTRAP, SEED)


def test_the_result_is_the_table_and_the_story_says_why() -> None:
    result = run("import", "label-studio-several-tags")
    assert (result.exit_code, result.stdout) == (0, "data.csv\n")
    assert result.stderr.splitlines() == [
        'label-studio-several-tags: label-studio, each object is a task with "data" and "annotations"',
        'labels of "topic" are in the columns topic, sub_topic',
        'labels of "tags" are in the column tags',
        "  dropped: 2 cancelled annotation, first at label-studio-several-tags:1",
        f"{ROWS} records, {ROWS - 2} rows in data.csv",
        f"→ {INIT}",
    ]


def test_the_command_that_comes_next_works() -> None:
    hint = run("import", "mistral").stderr.splitlines()[-1].removeprefix("→ ")
    program, *words = shlex.split(hint)
    assert program == "labeltune"
    assert run(*words).exit_code == 0
    assert 'name = "intent"' in Path("task.toml").read_text()
    assert 'name = "tone"' in Path("task.toml").read_text()


@pytest.mark.parametrize(
    ("people", "shared"), [(("anna", "ben"), True), (("anna", "anna"), False), (("anna", ""), False)], ids=str
)
def test_agreement_comes_next_where_two_people_labelled_a_text(people: tuple[str, str], shared: bool) -> None:
    """Where nobody shares a text, there is none to measure, and `agreement` would refuse the table."""
    answers = [("late", "a", people[0]), ("late", "a", people[1]), ("broken", "b", "carl")]
    rows = [
        {"text": text, "label": label, "answer": "accept", "_annotator_id": who}
        for text, label, who in answers
    ]
    Path("two.jsonl").write_text(lines(rows))
    result = run("import", "two.jsonl", "--json")
    assert json.loads(result.stdout)["shared"] is shared
    hint = result.stderr.splitlines()[-1]
    assert ("labeltune agreement data.csv, then: labeltune init" in hint) is shared
    assert run("agreement", "data.csv").exit_code == (0 if shared else 7)


def test_one_row_is_one() -> None:
    Path("one.jsonl").write_text('{"id": 1, "text": "late", "label": ["delivery"]}\n')
    assert "1 record, 1 row in data.csv" in run("import", "one.jsonl").stderr


def test_json_has_all_that_was_told() -> None:
    result = run("import", "prodigy", "-o", "p.parquet", "--json", "-q")
    document = json.loads(result.stdout)
    assert result.stderr == ""
    assert document["output"] == "p.parquet"
    assert (document["format"], document["records"], document["rows"]) == ("prodigy", ROWS, ROWS // 2)
    assert document["dropped"] == {"rejected": ROWS // 4, "ignored": ROWS // 4}
    assert document["places"] == {"rejected": "prodigy:3", "ignored": "prodigy:4"}
    assert document["lost"] == EXPORTS["prodigy"].lost
    assert (document["text"], document["labels"], document["id"]) == (["text"], {"label": ["label"]}, "id")


def test_standard_input_and_output() -> None:
    result = run("import", "-", "-o", "-", stdin=EXPORTS["cohere"].content.encode())
    assert result.exit_code == 0
    assert result.stdout.startswith("text,label\n")
    assert result.stdout.count(label(0)) == ROWS // 3
    # No command that comes next can name what went down a pipe.
    assert result.stderr.splitlines()[-1].endswith("rows on standard output")
    assert run("import", "-", "-o", "-", "--json", stdin=b"x").exit_code == 2
    table = run(
        "import",
        "-",
        "-o",
        "-",
        "--from",
        "label-studio-min",
        stdin=EXPORTS["label-studio-csv"].content.encode(),
    )
    assert table.stdout.startswith("id,annotator,text,topic\n"), table.stderr


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["missing.json"], 2, "missing.json: there is no such file"),
        (["doccano", "--from", "prodigy"], 7, 'doccano:1: expected an "answer" of accept, reject or ignore'),
        (["doccano", "--from", "nothing"], 2, "--from nothing: no such format"),
        (["doccano", "-o", "doccano"], 2, "an input is never overwritten"),
        (["doccano", "-o", "x.docx"], 2, "tables are not written as .docx"),
        (["doccano", "-o", "no/x.csv"], 8, "no/x.csv: cannot be written"),
        (["doccano", "--labels", "missing.json"], 2, "--labels missing.json: cannot be read"),
        (["openai-chat", "--task", "missing.toml"], 2, "missing.toml"),
        ([], 2, "Missing argument"),
    ],
)  # fmt: skip
def test_wrong_input(here: Path, words: list[str], code: int, message: str) -> None:
    before = {path: path.read_bytes() for path in here.iterdir()}
    result = run("import", *words)
    assert result.exit_code == code
    assert message in result.stderr
    assert {path: path.read_bytes() for path in here.iterdir()} == before


def test_text_cannot_drive_the_terminal() -> None:
    Path("x").write_text(
        lines({"\x1b[2J": 1, "text": text(n), "label": ["a"], "id": n} for n in range(2)) + "{\n"
    )
    assert "\x1b" not in run("import", "x").stderr


# --------------------------------------------------------------------------------------------------- export


def test_a_table_without_a_task_is_taken_as_init_would() -> None:
    run("import", "doccano", "-o", "t.csv", "-q")
    result = run("export", "t.csv", "--to", "prodigy")
    assert (result.exit_code, result.stdout) == (0, "t.prodigy.jsonl\n")
    assert "no task file: the columns are taken as init would" in result.stderr
    assert f"t.csv: {ROWS - 1} rows for prodigy in t.prodigy.jsonl" in result.stderr
    first = json.loads(Path("t.prodigy.jsonl").read_text().splitlines()[0])
    assert (first["text"], first["accept"], first["meta"]) == (text(1), [label(1)], {"id": "1"})


def test_a_task_says_what_the_columns_are() -> None:
    run("import", "label-studio-several-tags", "-q")
    run("init", "data.csv", "--text", "text", "--label", "topic", "--label", "tags", "-q")
    refused = run("export", "data.csv", "--to", "doccano")
    assert refused.exit_code == 2
    assert "has place for one field, and the task has 2" in refused.stderr
    assert "label-studio, argilla" in refused.stderr
    result = run("export", "data.csv", "--to", "fasttext", "--field", "topic", "-o", "-")
    assert result.stdout.splitlines()[0].startswith("__label__Parcel parcel 2 is not here")
    assert "␊please" in result.stdout
    assert "written as ␠ and ␊, which import reads back" in result.stderr
    assert "not carried over: fields besides topic (1)" in result.stderr
    document = json.loads(run("export", "data.csv", "--to", "argilla", "--json", "-q").stdout)
    assert (document["format"], document["rows"], document["output"]) == (
        "argilla",
        ROWS - 2,
        "data.argilla.json",
    )


def test_people_who_labelled_one_text_share_its_task() -> None:
    task = label_studio(1, choices("label", "a"))
    task["annotations"].append(
        {"completed_by": {"email": "b@example.com"}, "result": [choices("label", "b")]}
    )
    other = label_studio(2, choices("label", "b"))
    Path("in").write_text(
        json.dumps([task, other, *(label_studio(n, choices("label", "a")) for n in range(3, 9))])
    )
    run("import", "in", "-q")
    assert run("export", "data.csv", "--to", "label-studio", "-o", "out.json").exit_code == 0
    written = json.loads(Path("out.json").read_text())
    assert [len(one["annotations"]) for one in written] == [2, *[1] * 7]
    run("import", "out.json", "-o", "again.csv", "-q")
    assert Path("again.csv").read_text() == Path("data.csv").read_text()


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--to", "cohere"], 2, "--to cohere: no format that is written (it is read only)"),
        (["--to", "doccanno"], 2, 'did you mean "doccano"?'),
        (["--to", "doccano", "--field", "x"], 2, "--field x: no such field"),
        (["--to", "doccano", "-o", "t.csv"], 2, "an input is never overwritten"),
        (
            ["--to", "doccano", "-o", "-", "--json"],
            2,
            "--json and --output - would both write to standard output",
        ),
        ([], 2, "Missing option"),
    ],
)
def test_wrong_exports(words: list[str], code: int, message: str) -> None:
    run("import", "doccano", "-o", "t.csv", "-q")
    before = Path("t.csv").read_text()
    result = run("export", "t.csv", *words)
    assert result.exit_code == code
    assert message in result.stderr
    assert Path("t.csv").read_text() == before


def test_labels_that_the_task_does_not_know_are_refused_together() -> None:
    run("import", "doccano", "-o", "t.csv", "-q")
    run("init", "t.csv", "-q")
    Path("t.csv").write_text(Path("t.csv").read_text() + "90,more text here,Refnd\n91,more text here,Lost\n")
    result = run("export", "t.csv", "--to", "doccano", "-o", "out.jsonl")
    assert result.exit_code == 7
    assert 'label "Refnd" is not in task.toml (did you mean "Refund"?)' in result.stderr
    assert 'label "Lost" is not in task.toml' in result.stderr
    assert not Path("out.jsonl").exists()


# ------------------------------------------------------------------------------------------------ as a process

PEAK = """\
import sys
from pathlib import Path
sys.argv = ["labeltune", "import", sys.argv[1], "-o", "out.csv", "-q"]
from labeltune.__main__ import main
try:
    main()
finally:
    status = Path("/proc/self/status").read_text()
    print(status.partition("VmHWM:")[2].split()[0], file=sys.stderr)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="Linux tells a process its peak memory")
@pytest.mark.parametrize("name", ["prodigy", "label-studio", "fasttext"])
def test_memory_does_not_grow_with_the_export(name: str) -> None:
    """In KiB: ten times as many records need no more."""

    def peak(count: int) -> int:
        if name == "label-studio":
            tasks = (json.dumps(label_studio(n, choices("label", label(n)))) for n in range(count))
            content = f"[{','.join(tasks)}]"
        elif name == "prodigy":
            content = lines(
                {"text": text(n), "_task_hash": n, "label": label(n), "answer": "accept"}
                for n in range(count)
            )
        else:
            content = "".join(f"__label__{label(n)[:4]} text {n} that goes on\n" for n in range(count))
        Path("big").write_text(content)
        done = subprocess.run(
            [sys.executable, "-c", PEAK, "big"], check=False, capture_output=True, text=True, timeout=HANG_S
        )
        assert done.returncode == 0, done.stderr
        assert (
            Path("out.csv").read_text().count(text(0)[:6] if name != "fasttext" else "that goes on") >= count
        )
        return int(done.stderr.splitlines()[-1])

    assert peak(60_000) < peak(6_000) + 6_000
