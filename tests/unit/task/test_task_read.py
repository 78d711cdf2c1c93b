"""[read] and [defaults] of a task file: how its tables are read, and what commands take by default."""

from __future__ import annotations

from dataclasses import replace

import pytest

import tasks
from labeltune.errors import SettingsError
from labeltune.task import Defaults, ReadOptions, format_task, parse_task

PLAIN = format_task(tasks.INTENT)
READ = ReadOptions(encoding="cp1252", separator="tab", quote="none", header=False, sheet=" Data", strip=True)


def test_what_is_said_is_written_and_read_back() -> None:
    task = replace(tasks.INTENT, read=READ, defaults=Defaults("local", "linear"))
    written = format_task(task)
    assert written.endswith(
        '[read]\nencoding = "cp1252"\nseparator = "tab"\nquote = "none"\nheader = false\nsheet = " Data"\n'
        'strip = true\n\n[defaults]\nprovider = "local"\nmodel = "linear"\n'
    )
    assert parse_task(written) == task
    assert "[read]" not in PLAIN
    assert "[defaults]" not in PLAIN


def test_neither_is_part_of_the_fingerprint() -> None:
    task = replace(tasks.INTENT, read=READ, defaults=Defaults("local", "linear"))
    assert task.fingerprint == tasks.INTENT.fingerprint


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (
            "[read]\nencodin = 'utf-8'",
            'unknown key "encodin" (did you mean "encoding"?); known here: encoding',
        ),
        ("[read]\nformat = 'csv'", 'unknown key "format"'),
        ("[read]\nencoding = 'klingon'", 'encoding = "klingon" is no encoding of text'),
        ("[read]\nencoding = 'base64'", 'encoding = "base64" is no encoding of text'),
        ("[read]\nseparator = '::'", "separator must be one character, or tab, comma"),
        ("[read]\nquote = 'yes'", 'quote = "yes" is not one of "csv", "none"'),
        ("[read]\nheader = 'no'", "header must be true or false"),
        ("[read]\nstrip = 1", "strip must be true or false"),
        ("[read]\nsheet = 2", "sheet must be a string"),
        ("[defaults]\nprovder = 'local'", 'unknown key "provder" (did you mean "provider"?)'),
        ("[defaults]\nmodel = ''", "model must be a name"),
        ("[defaults]\nprovider = 'local\\n'", "provider must be a name"),
        ("[defaults]\nmodel = true", "model must be a string"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(lines: str, message: str) -> None:
    content = PLAIN + lines.replace("'", '"') + "\n"
    line = len(content.splitlines())
    with pytest.raises(SettingsError) as caught:
        parse_task(content)
    assert str(caught.value).startswith(f"task.toml:{line}: {message}")


def test_an_option_beats_what_the_task_keeps() -> None:
    told = ReadOptions(separator=";", strip=False)
    assert told.over(READ) == replace(READ, separator=";", strip=False)
    assert ReadOptions().over(READ) == READ


def test_data_15_labels_that_look_the_same_are_named_twice() -> None:
    # é is one sign in the first label and two in the second.
    labels = '"R\\u00e9clamation", "Re\\u0301clamation"'
    content = PLAIN.replace('"card_arrival"', labels)
    assert content != PLAIN
    with pytest.raises(SettingsError, match="stands there twice, with its accents composed and apart"):
        parse_task(content)


def test_the_label_of_empty_cells_is_one_of_the_field() -> None:
    content = PLAIN.replace('type = "single"\n', 'type = "single"\nempty = "nothing"\n')
    with pytest.raises(SettingsError, match='"nothing" is not a label of "intent"|is not a label of'):
        parse_task(content)
    task = parse_task(content.replace('empty = "nothing"', 'empty = "card_arrival"'))
    assert task.fields[0].empty == "card_arrival"
    assert parse_task(format_task(task)) == task
    assert task.fingerprint != tasks.INTENT.fingerprint
