"""`labeltune check`: argv to result, messages and exit code."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

import tasks
from labeltune.cli.app import app

INTENTS = tasks.INTENT.labels
GOOD = "text,label\n" + "".join(f"question {n} {n}{n} about it,{INTENTS[n % 3]}\n" for n in range(330))


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LABELTUNE_PRICES", str(tmp_path / "prices.toml"))
    monkeypatch.setitem(sys.modules, "toktok", None)  # tokens are estimated
    Path("prices.toml").write_text("")
    Path("task.toml").write_text(tasks.INTENT_TOML)
    Path("good.csv").write_text(GOOD)
    Path("warned.csv").write_text(GOOD + "ask a@b.co,lost card\n")
    Path("bad.csv").write_text(GOOD + "ask a@b.co,lost card\nwhere,lost crad\n")


def run(*argv: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(app, ["check", *argv], input=stdin)


def document(result: Result) -> Any:
    content = json.loads(result.stdout)
    assert content.pop("schema_version") == 1
    return content


def test_the_report_is_the_result() -> None:
    result = run("bad.csv", "good.csv")
    assert result.exit_code == 11
    assert (
        'bad.csv:333: error unknown_label: label "lost crad" is not in task.toml (did you mean "lost card"?)'
        in result.stdout
    )
    assert "bad.csv:332: warning email: an e-mail address: a…@b….co" in result.stdout
    assert "good.csv:2: error overlap: the same text as bad.csv:2\n" in result.stdout
    assert "good.csv: … and 310 more overlap" in result.stdout
    assert "validation" in result.stdout
    assert "tokens, estimated" in result.stdout
    assert "gpt-4.1-mini" in result.stdout
    assert result.stderr.splitlines()[-1] == "error: 331 errors, 1 warning: not fit for training yet"


def test_warnings_alone_are_no_failure() -> None:
    result = run("warned.csv")
    assert result.exit_code == 0
    assert "no errors, 1 warning" in result.stderr
    assert run("good.csv").exit_code == 0


def test_quiet() -> None:
    result = run("warned.csv", "-q")
    assert (result.exit_code, result.stderr) == (0, "")
    assert "warning email" in result.stdout
    assert run("bad.csv", "--quiet").stderr.startswith("error: 1 error, 1 warning")


def test_json() -> None:
    result = run("bad.csv", "good.csv", "--json", "--model", "gpt-4o-mini")
    assert result.exit_code == 11
    found = document(result)
    assert set(found) == {"findings", "counts", "tokens", "cost"}
    assert found["findings"][1] == {
        "code": "unknown_label",
        "severity": "error",
        "message": 'label "lost crad" is not in task.toml (did you mean "lost card"?)',
        "where": {"file": "bad.csv", "line": 333},
    }
    assert found["counts"]["good.csv"] == {"overlap": 330}
    assert set(found["tokens"]["bad.csv"]) == {"records", "tokens", "estimated"}
    assert found["tokens"]["bad.csv"]["records"] == 331
    assert found["tokens"]["bad.csv"]["estimated"] is True
    assert list(found["cost"]) == ["gpt-4o-mini"]
    assert set(found["cost"]["gpt-4o-mini"]) >= {
        "epochs", "training_usd", "thousand_predictions_usd", "thousand_predictions_batch_usd",
    }  # fmt: skip
    whole = run("good.csv", "other.csv", "--json")
    assert whole.exit_code == 2
    assert document(whole)["error"]["exit_code"] == 2


def test_a_finding_of_the_whole_file_has_no_line() -> None:
    Path("few.csv").write_text("text,label\nwhere,lost card\n")
    findings = document(run("few.csv", "--json"))["findings"]
    assert {"file": "few.csv", "line": None} in [finding["where"] for finding in findings]


def test_all_findings() -> None:
    Path("twice.csv").write_text(GOOD + GOOD.partition("\n")[2])
    assert run("twice.csv").stdout.count("warning duplicate") == 5
    assert run("twice.csv", "--all").stdout.count("warning duplicate") == 330


def test_fix_says_what_it_did_and_checks_the_copy() -> None:
    Path("dirty.csv").write_text(GOOD + " where ,lost card \nwhere,lost card\n ,lost card\n")
    assert run("dirty.csv").exit_code == 11
    result = run("dirty.csv", "--fix", "clean.csv")
    assert result.exit_code == 0
    assert Path("clean.csv").read_text() == GOOD + "where,lost card\n"
    assert "dirty.csv: 331 of 333 rows are in clean.csv" in result.stderr
    assert "exact duplicates left out: 1 (line 333)" in result.stderr
    found = document(run("dirty.csv", "--fix", "clean.csv", "--json"))
    assert found["fixed"]["mends"] == {"surrounding_space": 1, "exact_duplicates": 1, "rows_without_text": 1}
    assert found["findings"] == []
    assert "nothing to mend" in run("good.csv", "--fix", "clean.csv").stderr
    remains = run("bad.csv", "--fix", "clean.csv")
    assert remains.exit_code == 11
    assert "clean.csv:333: error unknown_label" in remains.stdout
    assert run("good.csv", "bad.csv", "--fix", "clean.csv").exit_code == 2


def test_ways_to_read() -> None:
    Path("odd.txt").write_bytes((GOOD.replace(",", "~") + "café~ lost card\n").encode("cp1252"))
    assert run("odd.txt", "--sep", "~", "--encoding", "cp1252", "--format", "csv", "--strip").exit_code == 0
    assert run("-", stdin=GOOD).exit_code == 0
    assert run("good.csv", "--task", "none.toml").exit_code == 2


def test_chat_files_need_no_task() -> None:
    record = {"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]}
    Path("chat.jsonl").write_text((json.dumps(record) + "\n") * 12)
    assert run("chat.jsonl").exit_code == 11
    Path("task.toml").unlink()
    result = run("chat.jsonl")
    assert result.exit_code == 0
    assert "not compared with a task" in result.stderr
    assert run("good.csv").exit_code == 2


def test_what_cannot_be_read_at_all() -> None:
    Path("empty.csv").write_text("")
    assert run("empty.csv").exit_code == 7
    Path("other.csv").write_text("a,b\n1,2\n")
    assert run("other.csv").exit_code == 7
    assert run("none.csv").exit_code == 2


def test_data_cannot_drive_the_terminal() -> None:
    Path("odd.csv").write_text(GOOD + "x,\x1b[31mred[/red]\n")
    result = run("odd.csv")
    assert "\x1b" not in result.stdout
    assert "\\x1b[31mred[/red]" in result.stdout


def test_a_closed_pipe() -> None:
    Path("twice.csv").write_text(GOOD + GOOD.partition("\n")[2] * 3)
    command = f"{sys.executable} -m labeltune check twice.csv --all | head -n 1"
    done = subprocess.run(
        ["bash", "-c", f"{command}; echo ${{PIPESTATUS[0]}}"], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] in ("0", "141")
    assert "Traceback" not in done.stderr
