"""`labeltune predict`: argv to result, messages and exit code, against a provider that counts and a real one."""

from __future__ import annotations

import csv
import gzip
import io
import json
import math
from pathlib import Path
from typing import Any

import pytest

import tasks
from cli.remote import LABELS, document, move_to, ran, run, trained
from faults.fake_provider import ANSWER, FakeProvider, Fate, completion, refuse
from faults.fault_folder import Folder

__all__ = ["trained"]

KEY = "sk-canary-0123456789"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    return Folder(tmp_path)


# ------------------------------------------------------------------------------------------- the output's modes


def test_the_result_is_the_path_and_the_story_is_on_stderr(folder: Folder) -> None:
    folder.table(7)
    with FakeProvider() as provider:
        outcome = folder.predict(provider)
    assert outcome.code == 0
    assert outcome.stdout == "predictions.csv\n"
    assert "7 rows, 7 with a valid answer" in outcome.stderr
    assert "labeltune evaluate predictions.csv" in outcome.stderr
    assert list(folder.predictions()[0]) == [
        *("text", "label"),
        *("predicted_intent", "answer", "problem", "confidence"),
    ]


def test_rows_without_labels_are_not_proposed_to_be_measured(folder: Folder) -> None:
    Path("new.csv").write_text("text\nwhere is it\n", encoding="utf-8")
    with FakeProvider() as provider:
        outcome = folder.predict(provider, data="new.csv")
    assert outcome.code == 0, outcome.stderr
    assert "evaluate" not in outcome.stderr


def test_json_is_one_document(folder: Folder) -> None:
    folder.rows(["one", "two", "two", ""])
    with FakeProvider() as provider:
        outcome = folder.predict(provider, "--json")
    assert outcome.code == 3
    assert json.loads(outcome.stdout) == {
        "schema_version": 1,
        "output": "predictions.csv",
        "model": "m",
        "rows": 4,
        "valid": 3,
        "invalid": 1,
        "problems": {"empty": 1},
        "unsure": 0,
        "asked": 2,
        "kept": 0,
        "maybe_billed": 0,
        "resent": 0,
        "rejections": {},
        "tokens": {"input": 20, "output": 10},
        "usd": None,
    }


def test_quiet_says_nothing(folder: Folder) -> None:
    folder.table(3)
    with FakeProvider() as provider:
        outcome = folder.predict(provider, "--quiet")
    assert (outcome.code, outcome.stdout, outcome.stderr) == (0, "predictions.csv\n", "")


def test_an_error_is_told_in_the_document_too(folder: Folder) -> None:
    with FakeProvider() as provider:
        outcome = folder.predict(provider, "--json", data="no-such.csv")
    assert outcome.code == 2
    assert json.loads(outcome.stdout)["error"]["exit_code"] == 2


# ---------------------------------------------------------------------------------------------- what is written


def read_csv(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode(), newline="")))


def read_rows(path: Path) -> list[dict[str, str]]:
    content = path.read_bytes()
    match path.name.split(".", 1)[1]:
        case "csv.gz":
            return read_csv(gzip.decompress(content))
        case "tsv":
            return list(csv.DictReader(io.StringIO(content.decode()), delimiter="\t"))
        case "jsonl":
            return [json.loads(line) for line in content.splitlines()]
        case "parquet":
            from pyarrow import parquet

            rows: list[dict[str, str]] = parquet.read_table(path).to_pylist()
            return rows
        case "xlsx":
            from openpyxl import load_workbook

            header, *cells = load_workbook(path).active.iter_rows(values_only=True)
            return [dict(zip(header, (cell or "" for cell in row), strict=True)) for row in cells]
    return read_csv(content)


def as_text(value: object) -> str:
    """A value of a typed format as CSV writes it."""
    return "" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)


def test_every_format_holds_the_same_and_costs_nothing_more(folder: Folder) -> None:
    folder.rows(["one", 'two "quoted", and\nmore', "", "=1+1", "ünï"])
    with FakeProvider(lambda text, _: Fate(answer="delta") if text == "ünï" else ANSWER) as provider:
        assert folder.predict(provider, "--probabilities", "-o", "p.csv").code == 3
        expected = read_rows(folder.path / "p.csv")
        for name in ("p.jsonl", "p.parquet", "p.csv.gz", "p.tsv", "p.xlsx"):
            assert folder.predict(provider, "--probabilities", "-o", name).code == 3
            rows = read_rows(folder.path / name)
            assert [{key: as_text(value) for key, value in row.items()} for row in rows] == expected, name
        assert provider.asked.total() == 4
    assert [row["problem"] for row in expected] == ["", "", "empty", "", "off_list"]
    assert [row["predicted_intent"] for row in expected] == ["alpha", "alpha", "", "alpha", ""]


def test_to_standard_output(folder: Folder) -> None:
    folder.table(3)
    with FakeProvider() as provider:
        outcome = folder.predict(provider, "-o", "-")
        assert [row["answer"] for row in read_csv(outcome.stdout.encode())] == ["alpha"] * 3
        assert folder.predict(provider, "-o", "-", "--json").code == 2


def test_a_name_that_is_no_text_is_refused(folder: Folder) -> None:
    folder.table(3)
    (folder.path / "b\udcffd.csv").write_bytes((folder.path / "data.csv").read_bytes())
    with FakeProvider() as provider:
        for outcome in (
            folder.predict(provider, data="b\udcffd.csv"),
            folder.predict(provider, "-o", "-", data="b\udcffd.csv"),
            folder.predict(provider, "-o", "o\udcfft.csv"),
        ):
            assert outcome.code == 2
            assert "the name is not UTF-8" in outcome.stderr
        assert not provider.asked


def test_from_standard_input(folder: Folder) -> None:
    folder.table(3)
    content = (folder.path / "data.csv").read_bytes()
    with FakeProvider() as provider:
        for _ in range(2):
            assert folder.predict(provider, data="-", stdin=content).code == 0
        assert [row["text"] for row in folder.predictions()] == ["row 0", "row 1", "row 2"]
        # Another table under the same name: a stream has none, and what is known is not asked.
        assert folder.predict(provider, data="-", stdin=content + b"more,alpha\n").code == 0
        assert provider.asked.total() == 4


def test_empty_texts_are_not_asked(folder: Folder) -> None:
    folder.rows(["", "  ", "one"])
    with FakeProvider() as provider:
        assert folder.predict(provider).code == 3
        assert [row["problem"] for row in folder.predictions()] == ["empty", "empty", ""]
        assert provider.asked == {"one": 1}


def test_the_limit_first_and_the_rest_later(folder: Folder) -> None:
    folder.table(30)
    with FakeProvider() as provider:
        assert folder.predict(provider, "--limit", "10").code == 0
        assert len(folder.predictions()) == 10
        outcome = folder.predict(provider)
        assert outcome.code == 0
        assert "10 answers kept, 0 maybe billed" in outcome.stderr
        assert provider.billed.total() == 30
        assert provider.extra == 0
        assert document_of(folder.predict(provider, "--json").stdout)["asked"] == 0


def document_of(stdout: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(stdout)
    return content


# ------------------------------------------------------------------------------------------------ what is asked


def test_a_dry_run_shows_the_request_and_sends_nothing(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.rows(["one", "two", "two", ""])
    with FakeProvider() as provider:
        shown = folder.predict(provider, "--dry-run")
        assert shown.code == 0
        assert shown.stdout.startswith(
            f"POST {provider.url}/chat/completions\nAuthorization: Bearer [masked]\n"
        )
        assert "4 rows, 2 requests" in shown.stderr
        assert "nothing was sent" in shown.stderr
        assert KEY not in shown.stdout + shown.stderr
        monkeypatch.delenv("OPENAI_API_KEY")
        content = document_of(
            folder.predict("openai", "--dry-run", "--json", "--model", "gpt-4.1-mini").stdout
        )
        assert content["request"]["body"]["messages"] == [
            {"role": "system", "content": "Name the intent."},
            {"role": "user", "content": "one"},
        ]
        assert content["usd"] > 0
        assert not (folder.path / ".labeltune").exists()
        assert not folder.output.exists()
        assert provider.asked.total() == 0


def test_a_request_is_deterministic_small_and_asks_for_log_probabilities(folder: Folder) -> None:
    folder.table(1)
    with FakeProvider() as provider:
        assert folder.predict(provider).code == 0
        (request,) = provider.requests
    assert request["temperature"] == 0
    assert request["logprobs"] is True
    assert request["top_logprobs"] == 3
    assert request["max_completion_tokens"] < 30
    assert "response_format" not in request  # the answer is the label alone, not JSON
    assert folder.predictions()[0]["confidence"] == f"{math.exp(-0.01 * len('alpha')):.6g}"


def test_without_confidence(folder: Folder) -> None:
    folder.table(1)
    with FakeProvider() as provider:
        assert folder.predict(provider, "--no-confidence").code == 0
        assert "logprobs" not in provider.requests[0]
    assert folder.predictions()[0]["confidence"] == ""


def test_a_column_for_each_label(folder: Folder) -> None:
    folder.table(1)
    with FakeProvider() as provider:
        assert folder.predict(provider, "--probabilities").code == 0
    row = folder.predictions()[0]
    shares = [float(row[f"probability_{label}"]) for label in ("alpha", "beta", "gamma")]
    assert shares == [1.0, 0.0, 0.0]


# --------------------------------------------------------------------------------------------- what is refused


def test_rows_without_a_valid_answer(folder: Folder) -> None:
    folder.table(12)
    fates = {
        "row 9": Fate(answer="delta"),
        "row 10": Fate(body=json.dumps(completion("alp", finish="length")).encode()),
        "row 11": Fate(body=json.dumps(completion("?")).encode()),
    }
    with FakeProvider(lambda text, _: fates.get(text, ANSWER)) as provider:
        outcome = folder.predict(provider)
        assert outcome.code == 3
        assert "3 rows have no valid answer: 2 off_list, 1 truncated" in outcome.stderr
        assert "longest answer" in outcome.stderr
        assert outcome.stdout == "predictions.csv\n"
        row = folder.predictions()[9]
        assert (row["predicted_intent"], row["answer"], row["problem"]) == ("", "delta", "off_list")


def test_a_column_that_would_be_overwritten(folder: Folder) -> None:
    (folder.path / "data.csv").write_text("text,label,answer\none,alpha,mine\n")
    with FakeProvider() as provider:
        outcome = folder.predict(provider)
        assert outcome.code == 7
        assert 'data.csv:1: has the column "answer", which predict adds' in outcome.stderr


def test_a_column_that_the_task_names_is_missing(folder: Folder) -> None:
    (folder.path / "data.csv").write_text("txt,label\none,alpha\n")
    with FakeProvider() as provider:
        outcome = folder.predict(provider)
        assert outcome.code == 7
        assert 'no column "text" (did you mean "txt"?)' in outcome.stderr


def test_labels_are_not_needed(folder: Folder) -> None:
    (folder.path / "data.csv").write_text("text\none\n")
    with FakeProvider() as provider:
        assert folder.predict(provider).code == 0


def test_bad_rows_stop_before_the_first_call(folder: Folder) -> None:
    (folder.path / "data.csv").write_text("text,label\none,alpha\ntwo,alpha,more\n")
    with FakeProvider() as provider:
        outcome = folder.predict(provider)
        assert outcome.code == 7
        assert "data.csv:3:" in outcome.stderr
        assert provider.asked.total() == 0


def test_without_a_key_both_ways_on_are_said(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.table(1)
    monkeypatch.delenv("OPENAI_API_KEY")
    outcome = folder.predict("openai")
    assert outcome.code == 4
    assert "OPENAI_API_KEY" in outcome.stderr
    assert "--provider local" in outcome.stderr


@pytest.mark.parametrize("name", ["p.jsonl", "p.parquet", "p.xlsx", "p.jsonl.gz"])
def test_spreadsheet_is_for_files_that_cannot_say_what_is_text(folder: Folder, name: str) -> None:
    folder.table(1)
    with FakeProvider() as provider:
        assert folder.predict(provider, "--spreadsheet", "-o", name).code == 2
        assert provider.asked.total() == 0


# ------------------------------------------------------------------------------------------ with a trained model


@pytest.fixture
def model(trained: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The model, in a folder of its own with a task and a table."""
    move_to(tmp_path, trained[0], monkeypatch)
    with (tmp_path / "data.csv").open("w", newline="") as handle:
        rows = ((f"again {row}: about my {LABELS[row % 3]} please", LABELS[row % 3]) for row in range(30))
        csv.writer(handle).writerows([("text", "label"), *rows])
    return trained[1]


def test_a_model_answers_online_as_in_a_batch(model: str, tmp_path: Path) -> None:
    online = document(ran("predict", "data.csv", "--model", model, "--probabilities", "--json", "-q"))
    assert online["valid"] == online["rows"] == 30
    assert online["usd"] == 0
    first = (tmp_path / "predictions.csv").read_bytes()
    rows = read_csv(first)
    assert all(row["predicted_intent"] == row["label"] for row in rows)
    for row in rows:
        shares = [float(row[f"probability_{label}"]) for label in LABELS]
        assert sum(shares) == pytest.approx(1, abs=1e-4)
        assert max(shares) == shares[LABELS.index(row["predicted_intent"])]
    for file in (tmp_path / ".labeltune").iterdir():
        file.unlink()
    batch = ran("predict", "data.csv", "--model", model, "--probabilities", "--batch", "--force")
    assert "created batch batch_" in batch.stderr
    assert (tmp_path / "predictions.csv").read_bytes() == first


def test_a_model_of_another_task_is_refused(model: str, tmp_path: Path) -> None:
    (tmp_path / "task.toml").write_text(tasks.INTENT_TOML.replace("Name the intent.", "What is meant?"))
    for more in ((), ("--batch",)):
        result = run("predict", "data.csv", "--model", model, *more)
        assert result.exit_code == 9
        assert f"{model} was trained with another task ({tasks.INTENT.fingerprint})" in result.stderr
        assert "--accept-changes" in result.stderr
        assert not (tmp_path / "predictions.csv").exists()
    ran("predict", "data.csv", "--model", model, "--accept-changes")


def test_a_checkpoint_knows_its_task(model: str, tmp_path: Path) -> None:
    job = document(ran("jobs", "list", "--json"))["jobs"][0]
    steps = document(ran("jobs", "checkpoints", job["id"], "--json"))["checkpoints"]
    checkpoint = steps[-1]["fine_tuned_model_checkpoint"]
    assert ":ckpt-step-" in checkpoint
    (tmp_path / "task.toml").write_text(tasks.INTENT_TOML.replace("Name the intent.", "What is meant?"))
    assert run("predict", "data.csv", "--model", checkpoint).exit_code == 9


def test_an_unknown_model(model: str) -> None:
    del model
    for more in ((), ("--batch",)):
        result = run("predict", "data.csv", "--model", "ft:linear:local::nothere", *more)
        assert result.exit_code == 4, result.stderr
        assert "nothere" in result.stderr


# --------------------------------------------------------------------------------------- outputs, and what they hold


def test_a_nightly_table_is_new_requests(folder: Folder) -> None:
    with FakeProvider() as provider:
        for night, texts in enumerate(
            [["one", "two", "three"], ["three", "four"], ["five"], ["six", "seven", "eight"]]
        ):
            folder.rows(texts)
            outcome = folder.predict(provider)
            assert outcome.code == 0, outcome.stderr
            assert [row["text"] for row in folder.predictions()] == texts, night
        assert provider.billed.total() == 8


def test_another_table_does_not_replace_the_first_one_s_predictions(folder: Folder) -> None:
    folder.table(5)
    folder.rows(["other"], name="other.csv")
    with FakeProvider() as provider:
        assert folder.predict(provider).code == 0
        kept = folder.output.read_bytes()
        refused = folder.predict(provider, data="other.csv")
        assert refused.code == 9
        assert "predictions.csv: holds the predictions of data.csv" in refused.stderr
        assert "-o names another output; --force replaces this one" in refused.stderr
        assert folder.output.read_bytes() == kept
        assert provider.billed.total() == 5
        assert folder.predict(provider, "--force", data="other.csv").code == 0
        assert folder.predict(provider).code == 9


def test_what_was_typed_into_an_output_is_not_wiped(folder: Folder) -> None:
    folder.table(5)
    with FakeProvider() as provider:
        assert folder.predict(provider).code == 0
        noted = folder.output.read_text(encoding="utf-8") + "a note\n"
        folder.output.write_text(noted, encoding="utf-8")
        refused = folder.predict(provider)
        assert refused.code == 9
        assert "predictions.csv: was edited since it was written" in refused.stderr
        assert folder.output.read_text(encoding="utf-8") == noted
        assert folder.predict(provider, "--force").code == 0
        assert len(folder.predictions()) == 5


def test_a_foreign_output_is_left_alone(folder: Folder) -> None:
    folder.table(5)
    folder.output.write_text("mine\n", encoding="utf-8")
    with FakeProvider() as provider:
        refused = folder.predict(provider)
        assert (refused.code, provider.billed.total()) == (9, 0)
        assert "was not written by this command" in refused.stderr


def test_a_typo_in_the_model_claims_nothing(folder: Folder) -> None:
    folder.table(5)
    with FakeProvider(lambda *_: refuse(404, "model_not_found")) as provider:
        assert folder.predict(provider, "--model", "typo").code == 4
    with FakeProvider() as provider:
        assert folder.predict(provider).code == 0


def test_standard_input_has_no_memory_but_an_output_of_its_own(folder: Folder) -> None:
    with FakeProvider() as provider:
        for texts in (["one", "two"], ["one", "changed", "three"]):
            content = "text\n" + "".join(f"{text}\n" for text in texts)
            outcome = folder.predict(provider, data="-", stdin=content.encode())
            assert outcome.code == 0, outcome.stderr
            assert [row["text"] for row in folder.predictions()] == texts
        folder.output.write_text("mine\n", encoding="utf-8")
        assert folder.predict(provider, data="-", stdin=b"text\none\n").code == 9
