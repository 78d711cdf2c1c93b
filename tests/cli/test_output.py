"""One call in all its modes: what stands on stdout, what on stderr."""

from __future__ import annotations

import io
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeltune.cli import output
from labeltune.cli.output import Output, visible
from labeltune.cli.output.progress_display import show_progress
from labeltune.errors import DataError, Finding, SettingsError, Where


def story(out: Output) -> None:
    out.note("a note [red]")
    out.warn("a warning")
    out.table(["label", "rows"], [["[/red]", 12], ["\x1b[31mx", 1200]], title="balance [b]")
    with out.progress("reading", 3) as progress:
        progress(2, loss=0.5)
        progress.resize(4)
    out.hint("a hint")
    out.result({"output": "x.csv"}, "x.csv", "y.csv")


def test_plain(capsys: pytest.CaptureFixture[str]) -> None:
    story(Output())
    captured = capsys.readouterr()
    assert captured.out == "x.csv\ny.csv\n"
    assert captured.err.startswith("a note [red]\nwarning: a warning\n")
    assert "[/red]" in captured.err
    assert "balance [b]" in captured.err
    assert "1,200" in captured.err
    assert "\x1b" not in captured.err
    assert captured.err.endswith("→ a hint\n")


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    story(Output(json_mode=True))
    captured = capsys.readouterr()
    assert json.loads(captured.out) == {"schema_version": 1, "output": "x.csv"}
    assert "a note" in captured.err


def test_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    out = Output(quiet=True)
    story(out)
    out.error(SettingsError("wrong"))
    captured = capsys.readouterr()
    assert captured.out == "x.csv\ny.csv\n"
    assert captured.err == "error: wrong\n"


def test_an_error_is_the_json_document(capsys: pytest.CaptureFixture[str]) -> None:
    findings = [Finding("unknown_label", "error", "no such label", Where("a.csv", 3))]
    Output(json_mode=True).error(DataError.of(findings, hint="mend it"))
    captured = capsys.readouterr()
    assert captured.err == "error: a.csv:3: no such label\n→ mend it\n"
    error = json.loads(captured.out)["error"]
    assert (error["exit_code"], error["hint"]) == (7, "mend it")
    assert error["findings"][0]["where"] == {"file": "a.csv", "line": 3}


def test_no_colour_goes_to_a_pipe_even_under_actions(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("FORCE_COLOR", "1")
    story(Output())
    assert "\x1b" not in capsys.readouterr().err


def test_a_question_without_a_terminal_names_the_flag(monkeypatch: pytest.MonkeyPatch) -> None:
    out = Output()
    assert out.confirm("Go on?", yes=True)
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    with pytest.raises(SettingsError) as caught:
        out.confirm("Go on?", yes=False, flag="--really")
    assert caught.value.hint == "give --really to go on"


@given(st.text())
def test_any_text_prints_and_drives_no_terminal(text: str) -> None:
    shown = visible(text)
    assert not any(ord(char) < 32 and char not in "\n\t" for char in shown)
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    shown.encode()


def test_what_is_printable_stays_as_it_is() -> None:
    assert visible("naïve 👩\u200d💻\tdone") == "naïve 👩\u200d💻\tdone"
    assert visible("pos\u200b \x1b[31m") == "pos\\u200b \\x1b[31m"


def test_errors_that_escape_are_told_in_the_mode_of_the_command() -> None:
    out = output.configure(json_mode=True, quiet=False)
    assert output.current() is out
    output.reset()
    assert not output.current().json_mode


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_narrow_terminal_shows_how_far_it_is_and_how_long_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("COLUMNS", "80"), ("TERM", "xterm"), ("NO_COLOR", "1")):
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.stderr", terminal := _Terminal())
    with show_progress("training", 15_000, "steps") as progress:
        progress.expect(3_700)
        progress(300, **{"rows/s": 22.3, "loss": 0.8228, "valid_loss": 1.099, "valid_accuracy": 0.5})
    last = re.split(r"[\r\n]", re.sub(r"\x1b\[[0-9?;]*[A-Za-z]", "\n", terminal.getvalue().rstrip()))
    shown = [line for line in last if "300/15000" in line]
    assert shown
    assert all("steps" in line and "1:01:" in line and "rows/s 22.3" in line for line in shown)
    assert max(map(len, shown)) <= 80
