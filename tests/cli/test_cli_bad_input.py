"""What bad input gets from the commands that go to a provider.

Each time three things: the exit code, nothing on stdout, and a message that says where, what was expected and
what to do next.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from cli.remote import LABELS, here, run

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["here"]

TRAIN = ("train", "train.jsonl", "--model", "linear")


@pytest.fixture(autouse=True)
def _tables(here: Path) -> None:
    (here / "test.csv").write_text(f"text,label\nwhere is it,{LABELS[0]}\n")
    (here / "no_text.csv").write_text("words,label\nwhere is it,lost card\n")
    (here / "ragged.csv").write_text('text,label\nfine,lost card\none,"two",three\n')
    (here / "cp1252.csv").write_bytes("text,label\ncafé,lost card\n".encode("cp1252"))
    (here / "empty.csv").write_text("")
    (here / "wrong.toml").write_text((here / "task.toml").read_text().replace("version = 1", "versio = 1"))
    record = json.loads((here / "train.jsonl").read_text().splitlines()[0])
    lines = [json.dumps(record)] * 12
    (here / "broken.jsonl").write_text("\n".join([*lines[:6], lines[6][:-9], *lines[7:]]) + "\n")
    extra = json.dumps(record | {"id": 1})
    (here / "extra.jsonl").write_text("\n".join([*lines[:4], extra, *lines[5:]]) + "\n")
    record["messages"][-1]["content"] = "lost crd"
    (here / "label.jsonl").write_text("\n".join([*lines[:2], json.dumps(record), *lines[3:]]) + "\n")
    (here / "empty.jsonl").write_text("")
    (here / "latin.jsonl").write_bytes("\n".join(lines).encode() + "\n{é}\n".encode("latin-1"))


@pytest.mark.parametrize(
    ("argv", "code", "said"),
    [
        # a file or job id that the provider does not know
        ("train file-missing --model linear", 10, ["file-missing", "labeltune upload FILE"]),
        ("train train.jsonl file-missing --model linear", 10, ["file-missing", "labeltune upload FILE"]),
        ("jobs show ftjob-missing", 10, ["ftjob-missing", "another provider"]),
        ("jobs watch ftjob-missing", 10, ["ftjob-missing", "another provider"]),
        ("jobs cancel ftjob-missing", 10, ["ftjob-missing", "another provider"]),
        # a model that does not exist
        ("train train.jsonl --model lineal", 4, ["lineal", "linear"]),
        ("predict test.csv --model ft:linear:local::gone", 4, ["ft:linear:local::gone"]),
        # no key: both ways on
        ("upload train.jsonl --provider openai", 4, ["OPENAI_API_KEY", "set ", "--provider local"]),
        ("train train.jsonl --model x --provider openai", 4, ["OPENAI_API_KEY", "--provider local"]),
        ("train train.jsonl --model x --provider nebius", 4, ["NEBIUS_API_KEY", "--provider local"]),
        ("jobs list --provider openai", 4, ["OPENAI_API_KEY", "--provider local"]),
        ("predict test.csv --model x --provider openai", 4, ["OPENAI_API_KEY", "--provider local"]),
        # chat files
        ("upload broken.jsonl", 7, ["broken.jsonl:7: not valid JSON"]),
        ("train broken.jsonl --model linear", 7, ["broken.jsonl:7: not valid JSON"]),
        ("train train.jsonl broken.jsonl --model linear", 7, ["broken.jsonl:7: not valid JSON"]),
        ("upload extra.jsonl", 7, ["extra.jsonl:5: ", "'id'"]),
        ("upload label.jsonl", 7, ['label.jsonl:3: answer "lost crd" is not one of task.toml']),
        ("upload empty.jsonl", 7, ["empty.jsonl: no r"]),
        ("upload latin.jsonl", 7, ["latin.jsonl:13: ", "UTF-8"]),
        ("upload train.jsonl missing.jsonl", 2, ["missing.jsonl: there is no such file", "labeltune convert"]),
        ("upload .", 2, [".: is a folder"]),
        # tables
        ("predict no_text.csv --model x", 7, ["no_text.csv", '"text"']),
        ("predict ragged.csv --model x", 7, ["ragged.csv:3: ", "3"]),
        ("predict cp1252.csv --model x", 7, ["cp1252.csv:2", "--encoding"]),
        ("predict empty.csv --model x", 7, ["empty.csv", "no rows"]),
        ("predict missing.csv --model x", 2, ["missing.csv"]),
        ("predict test.csv --model x -o test.csv", 2, ["test.csv: is the input", "--output"]),
        ("predict test.csv --model x -o nowhere/out.csv", 8, ["nowhere", "is not a folder"]),
        # task file and settings
        ("predict test.csv --model x --task wrong.toml", 2, ["wrong.toml:1: ", 'did you mean "version"']),
        ("predict test.csv --model x --task none.toml", 2, ["none.toml"]),
        ("upload train.jsonl --task wrong.toml", 2, ["wrong.toml:1: ", 'did you mean "version"']),
        ("train train.jsonl --model linear --epochs 0", 2, ["--epochs 0: expected 1 to 50"]),
        ("train train.jsonl --model linear --provider opnai", 2, ['did you mean "openai"']),
        ("train train.jsonl --model linear --provider local#like=x", 2, ["#like=x: local is a provider itself"]),
        ("train train.jsonl --model x --max-cost 1 --provider http://127.0.0.1:9/v1", 6, ["price of x"]),
        # nobody there
        ("upload train.jsonl --provider http://127.0.0.1:9/v1", 5, ["127.0.0.1:9: cannot be reached"]),
        ("jobs list --provider http://127.0.0.1:9/v1", 5, ["127.0.0.1:9: cannot be reached"]),
        ("predict test.csv --model x --provider http://127.0.0.1:9/v1", 5, ["127.0.0.1:9"]),
    ],
)  # fmt: skip
def test_bad_input(here: Path, argv: str, code: int, said: list[str]) -> None:
    before = {path.name for path in here.iterdir()}
    result = run(*argv.split())
    assert result.exit_code == code, result.stderr
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    for text in said:
        assert text in result.stderr
    assert "Traceback" not in result.stderr
    # Nothing half-written stays: only the state, which is hidden.
    assert {path.name for path in here.iterdir()} - before <= {".labeltune"}


@pytest.mark.parametrize(
    "argv",
    ["train file-missing --model linear", "upload broken.jsonl", "predict no_text.csv --model x"],
)
def test_with_json_the_error_is_the_document(here: Path, argv: str) -> None:
    result = run(*argv.split(), "--json", "--quiet")
    error = json.loads(result.stdout)["error"]
    assert error["exit_code"] == result.exit_code != 0
    assert error["message"] in result.stderr
    for finding in error["findings"]:
        assert finding["where"]["file"].split("/")[-1] in argv


def test_every_line_that_is_wrong_is_named_and_the_rest_counted(here: Path) -> None:
    (here / "many.jsonl").write_text("[]\n" * 25 + (here / "train.jsonl").read_text())
    result = run("train", "many.jsonl", "--model", "linear")
    assert (result.exit_code, result.stdout) == (7, "")
    assert [f"many.jsonl:{line}: " in result.stderr for line in range(1, 26)] == [True] * 20 + [False] * 5
    assert "… and 5 more" in result.stderr
