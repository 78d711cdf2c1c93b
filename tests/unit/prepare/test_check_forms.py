"""Chat files that are no lines of records, and records that no provider takes: named as what they are, once."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

import tasks
from labeltune.errors import DataError
from labeltune.files.jsonl import ChatFile, is_chat_file
from labeltune.prepare.check import Checked, CheckOptions, check, refuse_errors
from labeltune.prepare.check.fix import fix
from labeltune.prepare.split import split

if TYPE_CHECKING:
    from pathlib import Path

ESTIMATE = CheckOptions(tokens="estimate")


def record(text: str, answer: str, **more: Any) -> dict[str, Any]:
    return {
        "messages": [
            {"role": "system", "content": "Name the intent."},
            {"role": "user", "content": text},
            {"role": "assistant", "content": answer, **more},
        ]
    }


RECORDS = [record(f"text {n}", tasks.INTENT.labels[n % 3]) for n in range(12)]
LINES = [json.dumps(one) for one in RECORDS]


def looked_at(path: Path, content: str | bytes) -> Checked:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return check([path], tasks.INTENT, ESTIMATE)


def errors(done: Checked) -> list[tuple[str, int | None, str]]:
    return [(one.code, one.where.line, one.message) for one in done.findings if one.severity == "error"]


FORMS = {
    "commas": (",\n".join(LINES) + "\n", "stray_comma", 1, "a comma behind the record, and behind 10 more"),
    "commas and space": (" , \r\n".join(LINES) + "\n", "stray_comma", 1, "and behind 10 more"),
    "array": (json.dumps(RECORDS, indent=1), "not_lines", None, "this is a JSON array; write one record on each"),
    "array on lines": ("[\n" + ",\n".join(LINES) + "\n]\n", "not_lines", None, "this is a JSON array"),
    "array on one line": (json.dumps(RECORDS), "not_lines", None, "jq -c '.[]' "),
    "pretty": ("\n".join(json.dumps(one, indent=2) for one in RECORDS), "not_lines", None, "over several lines"),
    "one object": (json.dumps(RECORDS[0], indent=2), "not_lines", None, "jq -c . "),
    "a long object": (
        json.dumps({"messages": [{"role": "user", "content": "x" * 70_000}]}, indent=2), "not_lines", None, "over several lines"
    ),
    "Python": ("\n".join(str(one) for one in RECORDS), "not_lines", None, "how Python writes a dict"),
}  # fmt: skip


@pytest.mark.parametrize(("content", "code", "line", "message"), FORMS.values(), ids=FORMS)
def test_data_20_hand_made_faults_are_named_once(
    tmp_path: Path, content: str, code: str, line: int | None, message: str
) -> None:
    path = tmp_path / "train.jsonl"
    [found] = errors(looked_at(path, content))
    assert found[:2] == (code, line)
    assert message in found[2]
    assert is_chat_file(path)
    with pytest.raises(DataError) as caught:
        refuse_errors(path, tasks.INTENT)
    assert message in str(caught.value)
    assert str(caught.value).count("\n") == 0
    with pytest.raises(DataError, match="record|Python"):
        split(path, tasks.INTENT, folder=tmp_path / "parts")


def test_data_20_two_records_on_a_line(tmp_path: Path) -> None:
    content = "\n".join([*LINES[:10], LINES[10] + LINES[11]]) + "\n"
    [found] = errors(looked_at(tmp_path / "train.jsonl", content))
    assert found[:2] == ("bad_json", 11)
    assert "a second object begins at character" in found[2]


@pytest.mark.parametrize("written", ["lost card\n", "lost  card", "Lost card.", "lost\u00a0card"])
def test_data_20_what_differs_in_an_answer_is_shown(tmp_path: Path, written: str) -> None:
    done = looked_at(tmp_path / "train.jsonl", "\n".join([*LINES, json.dumps(record("x", written))]) + "\n")
    [message] = [one.message for one in done.findings if one.code == "respelt_answer"]
    shown = message.removeprefix('answer "').partition('": ')[0]
    assert shown != "lost card"
    assert json.loads(f'"{shown}"') == written


def test_rows_that_are_arrays_or_broken_one_by_one_stay_findings_of_their_lines(tmp_path: Path) -> None:
    done = looked_at(tmp_path / "train.jsonl", "[]\n" + "\n".join(LINES) + '\n{"messages": \n')
    assert [found[:2] for found in errors(done)] == [("bad_record", 1), ("bad_json", 14)]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_calls_27_a_chat_file_of_powershell_is_named_once(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "powershell.jsonl"
    [found] = errors(looked_at(path, ("\r\n".join(LINES) + "\r\n").encode(encoding)))
    if encoding != "utf-32":
        assert found[:2] == ("not_utf8", None)
        assert found[2].startswith("is UTF-16, which no provider reads (Windows PowerShell's > writes that)")
    assert found[0] == "not_utf8"
    with pytest.raises(DataError, match=rf"^{path}: is UTF-\d\d, which no provider reads"):
        refuse_errors(path, tasks.INTENT)


def test_data_18_calls_27_a_byte_order_mark_is_found_and_taken_off(tmp_path: Path) -> None:
    path, out = tmp_path / "bom.jsonl", str(tmp_path / "out.jsonl")
    content = "\n".join(LINES) + "\n"
    done = looked_at(path, b"\xef\xbb\xbf" + content.encode())
    assert errors(done) == [("byte_order_mark", 1, "a byte order mark before the first record")]
    with pytest.raises(DataError, match="byte order mark") as caught:
        refuse_errors(path, tasks.INTENT)
    assert f"labeltune check {path} --fix OUT" in (caught.value.hint or "")
    fixed = fix(path, out, tasks.INTENT, ESTIMATE)
    assert (fixed.mends, (tmp_path / "out.jsonl").read_text()) == ({"byte_order_mark": 1}, content)
    refuse_errors(out, tasks.INTENT)


def test_data_20_commas_are_taken_off(tmp_path: Path) -> None:
    path, out = tmp_path / "commas.jsonl", tmp_path / "out.jsonl"
    path.write_text(",\n".join(LINES) + "\n")
    assert fix(path, str(out), tasks.INTENT, ESTIMATE).mends == {"stray_commas": 11}
    assert out.read_text() == "\n".join(LINES) + "\n"
    with ChatFile(path) as chat, pytest.raises(DataError, match="a comma behind the record"):
        list(chat)


# ------------------------------------------------------------------------------------------- tools and weights

CALL = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": '{"a": 1}'}}
TOOLS = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}]
BEFORE = RECORDS[0]["messages"][:2]


def with_tools(*messages: dict[str, Any], tools: bool = True) -> str:
    document = {"messages": [*BEFORE, *messages]}
    return json.dumps({**document, "tools": TOOLS} if tools else document)


ASKS = {"role": "assistant", "tool_calls": [CALL]}
TOLD = {"role": "tool", "tool_call_id": "call_1", "content": "sunny"}
ANSWER = {"role": "assistant", "content": "lost card"}


def calling(**changed: Any) -> dict[str, Any]:
    return {"role": "assistant", "tool_calls": [{**CALL, "function": {**CALL["function"], **changed}}]}  # type: ignore[dict-item]  # an object


@pytest.mark.parametrize(
    ("line", "code", "message"),
    [
        (with_tools(ASKS), "bad_answer", "the answer calls a tool, and task.toml has labels for answers"),
        (
            with_tools(calling(arguments={"a": 1}), TOLD, ANSWER),
            "bad_tool_call",
            "arguments must be a string of JSON",
        ),
        (with_tools(calling(name=None), TOLD, ANSWER), "bad_tool_call", "must be an object with a name"),
        (
            with_tools({**ASKS, "tool_calls": {"a": 1}}, TOLD, ANSWER),
            "bad_tool_call",
            "tool_calls must be an array",
        ),
        (with_tools(ASKS, TOLD, ANSWER, tools=False), "bad_tool_call", "the record has no 'tools'"),
        (
            with_tools(ASKS, {**TOLD, "content": [{"type": "text", "text": "sunny"}]}, ANSWER),
            "bad_content",
            "content of a tool must be a string",
        ),
        (
            with_tools({"role": "assistant", "function_call": {"name": "look", "arguments": {}}}, ANSWER),
            "bad_tool_call",
            "arguments must be a string of JSON",
        ),
    ],
)
def test_data_16_tools(tmp_path: Path, line: str, code: str, message: str) -> None:
    found = errors(looked_at(tmp_path / "train.jsonl", "\n".join([*LINES, line]) + "\n"))
    assert [one[:2] for one in found] == [(code, 13)]
    assert message in found[0][2]


def test_data_16_without_a_task_an_answer_may_call_a_tool(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    path.write_text("\n".join([*LINES, with_tools(ASKS)]) + "\n")
    assert errors(check([path], None, ESTIMATE)) == []


@pytest.mark.parametrize(
    ("weight", "good"), [(True, False), (False, False), (1.0, False), (2, False), (0, True), (None, True)]
)
def test_data_17_a_weight_is_0_or_1(tmp_path: Path, weight: Any, good: bool) -> None:
    line = json.dumps(record("x", "lost card", weight=weight))
    found = errors(looked_at(tmp_path / "train.jsonl", "\n".join([*LINES, line]) + "\n"))
    assert [one[:2] for one in found] == ([] if good else [("bad_weight", 13)])


def test_data_17_records_that_teach_nothing_are_told_once(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    idle = [json.dumps(record(f"idle {n}", "lost card", weight=0)) for n in range(12)]
    some = looked_at(path, "\n".join([*LINES, *idle[:3]]) + "\n")
    assert errors(some) == []
    assert [(one.where.line, one.message) for one in some.findings if one.code == "untaught"] == [
        (13, "3 records teach nothing: the answer's weight is 0")
    ]
    assert errors(looked_at(path, "\n".join(idle) + "\n")) == [
        ("nothing_to_learn", None, "nothing to learn: the answer of every record has the weight 0")
    ]


@pytest.mark.parametrize("name", ["data.csv", "data.jsonl"])
def test_a_single_label_in_all_rows_is_an_error(tmp_path: Path, name: str) -> None:
    if name == "data.csv":
        content = "text,label\n" + "".join(f"text {n},lost card\n" for n in range(20))
    else:
        content = "\n".join(json.dumps(record(f"text {n}", "lost card")) for n in range(20)) + "\n"
    done = looked_at(tmp_path / name, content)
    assert errors(done) == [
        ("nothing_to_learn", None, 'nothing to learn: the labels of all rows are the same: "lost card"')
    ]
    # It is no fault of a part to measure with.
    good = tmp_path / "train.csv"
    good.write_text("text,label\n" + "".join(f"own {n},{tasks.INTENT.labels[n % 3]}\n" for n in range(30)))
    assert errors(check([good, tmp_path / name], tasks.INTENT, ESTIMATE)) == []
