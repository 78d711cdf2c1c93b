"""Records that are known by their bytes: what is found in them is what reading all of their JSON finds."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tasks
from labeltune.errors import LabeltuneError
from labeltune.prepare.check import CheckOptions, check
from labeltune.prepare.check.answers import AnswerReader
from labeltune.prepare.check.converted_records import WrittenForm
from labeltune.prepare.check.prompts import PromptForm
from labeltune.prepare.convert import convert
from labeltune.task import Task, parse_task

ESTIMATE = CheckOptions(tokens="estimate")
SPELLINGS: dict[str, dict[str, Any]] = {
    "convert": {"ensure_ascii": False},
    "json.dumps": {},
    "compact": {"ensure_ascii": False, "separators": (",", ":")},
    "compact, escaped": {"separators": (",", ":")},
}


def found(path: Path, task: Task) -> Any:
    """What is said of a file: findings, counts, examples; or the refusal."""
    try:
        done = check([path], task, ESTIMATE)
    except LabeltuneError as error:
        return str(error)
    # A line that is read with a space before it has its fault one character on.
    findings = [
        (finding.code, finding.where.line, re.sub(r" at character \d+", "", finding.message))
        for finding in done.findings
    ]
    return findings, dict(done.counts), [file.records for file in done.tokens.values()]


def assert_same_if_read_whole(lines: list[bytes], task: Task, path: Path) -> Any:
    """Compare with the same lines with a space before each, which no record has that is known by its bytes."""
    path.write_bytes(b"\n".join(lines) + b"\n")
    known = found(path, task)
    path.write_bytes(b"\n".join(b" " + line if line.strip() else line for line in lines) + b"\n")
    assert found(path, task) == known
    return known


def form(task: Task) -> WrittenForm:
    system = PromptForm(task, task.system_template) if task.system_template else None
    return WrittenForm(system, PromptForm(task, task.user_template), AnswerReader(task))


def line_of(text: str, answer: str, **spelling: Any) -> bytes:
    messages = [
        {"role": "system", "content": "Name the intent."},
        {"role": "user", "content": text},
        {"role": "assistant", "content": answer},
    ]
    return json.dumps({"messages": messages}, **spelling).encode()


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b""])
def test_each_usual_spelling_is_known(spelling: str, end: bytes) -> None:
    text = 'a "b" \\ é \u2028 \n "}, {"role": "assistant", "content": " 😀'
    line = line_of(text, "lost card", **SPELLINGS[spelling]) + end
    read = form(tasks.INTENT).reader(line)(line)
    assert read is not None
    assert (read[0], read[1][0]) == (text, "lost card")


@pytest.mark.parametrize(
    "line",
    [
        line_of("a", "lost card").replace(b'"messages"', b'"key": 1, "messages"'),
        line_of("a", "lost card").replace(b'"a"', b'"a", "weight": 1'),
        line_of("a", "lost card").replace(b"}]}", b'}], "key": 1}'),
        line_of("a", "lost card").replace(b'"a"', b'"a""'),
        line_of("a", "lost card").replace(b'"a"', b'"\\"'),
        line_of("a", "lost card").replace(b'"a"', b'"\xff"'),
        line_of("a", "lost card").replace(b'"a"', b'"\t"'),
        line_of("a", "lost card").replace(b"card", b"card\xff"),
        line_of("a", "lost card")[:-1],
        line_of("<|endoftext|>", "lost card"),
        line_of("a", " "),
        b"",
    ],
)
def test_any_other_line_is_not(line: bytes) -> None:
    assert form(tasks.INTENT).reader(line_of("a", "lost card"))(line) is None


def test_a_prompt_with_a_nul_is_read_whole(tmp_path: Path) -> None:
    task = parse_task(tasks.INTENT_TOML.replace("Name the intent.", "Name\\u0000it."))
    lines = [line_of("a", "lost card").replace(b"Name the intent.", b"Name\\u0000it.")] * 12
    findings, _, records = assert_same_if_read_whole(lines, task, tmp_path / "data.jsonl")
    assert records == [12]
    assert "prompt_differs" not in {code for code, *_ in findings}


PIECES = [b'"', b"\\", b"\xff", b" ", b"\r", b"\0", b"}", b",", b"\\u0000"]
TEXTS = ["", " ", "a", "A", "a ", '"', "\\", "<|im_end|>", "a@b.co", '"}, {"role": "', "é"]
LINES = st.tuples(
    st.one_of(st.sampled_from(TEXTS), st.text(st.characters(exclude_categories=["Cs"]), max_size=8)),
    st.sampled_from(["lost card", "lost card", "lost crad", "Lost card", "", " ", '"', "\\", "<|im_end|>"]),
    st.integers(0, 200),
    st.one_of(st.just(b""), st.sampled_from(PIECES)),
)
"""Text and answer of a record, and what is put into it at which place."""


@settings(
    deadline=None,
    derandomize=True,
    max_examples=150,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(drawn=st.lists(LINES, min_size=1, max_size=12), spelling=st.sampled_from(list(SPELLINGS.values())))
def test_whatever_the_bytes_the_findings_are_those_of_the_json(
    tmp_path: Path, drawn: list[tuple[str, str, int, bytes]], spelling: dict[str, Any]
) -> None:
    lines = []
    for text, answer, place, more in drawn:
        line = line_of(text, answer, **spelling)
        at = place % (len(line) + 1)
        lines.append(line[:at] + more + line[at:])
    assert_same_if_read_whole(lines, tasks.INTENT, tmp_path / "data.jsonl")


@pytest.mark.shared
def test_naughty_strings_and_real_comments(shared_data: Path, tmp_path: Path) -> None:
    strings = json.loads((shared_data / "hostile" / "blns" / "blns.json").read_text(encoding="utf-8"))
    lines = [line_of(text, "lost card", ensure_ascii=False) for text in strings]
    lines += [line_of("a", text, ensure_ascii=False) for text in strings]
    findings, *_ = assert_same_if_read_whole(lines, tasks.INTENT, tmp_path / "data.jsonl")
    assert len(findings) > len(strings)
    task = tasks.TOXIC
    convert(task, shared_data / "jigsaw_sample" / "train.csv", tmp_path / "real.jsonl", on_error="skip")
    lines = (tmp_path / "real.jsonl").read_bytes().split(b"\n")[:2_000]
    findings, *_ = assert_same_if_read_whole(lines, task, tmp_path / "data.jsonl")
    assert findings
