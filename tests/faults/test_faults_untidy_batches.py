"""Batches of providers that keep the protocol by and large: how their lines, statuses and counts are written."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai.types import Batch

from faults.fake_provider import FakeProvider, Fate, completion
from faults.fault_folder import Folder, Outcome
from labeltune.prediction.batch.failures import errors_of
from labeltune.prediction.batch.files import read_line

NAME = "00" * 16
BODY = completion("alpha")


def predict(folder: Folder, provider: FakeProvider, *arguments: str) -> Outcome:
    return folder.predict(provider, "--batch", *arguments)


LINES: dict[str, tuple[dict[str, Any], str]] = {
    "a status as text": ({"response": {"status_code": "200", "body": BODY}}, "answer"),
    "a status with a fraction": ({"response": {"status_code": 200.0, "body": BODY}}, "answer"),
    "no status": ({"response": {"request_id": "r", "body": BODY}}, "answer"),
    "the body itself": ({"response": BODY}, "answer"),
    "the body as text": ({"response": {"status_code": 200, "body": json.dumps(BODY)}}, "answer"),
    "an error without a status": ({"response": {"body": {"error": {"message": "no", "code": 400}}}}, "rejected"),
    "the error beside": ({"response": {"status_code": 400, "body": None}, "error": {"message": "no"}}, "rejected"),
    "a text for an error": ({"response": None, "error": "out of memory"}, "server_error"),
    "no answer at all": ({"response": {"status_code": None}}, "server_error"),
}  # fmt: skip


@pytest.mark.parametrize("name", LINES)
def test_row_48_lines_as_providers_write_them(name: str) -> None:
    line, verdict = LINES[name]
    found = read_line(json.dumps({"custom_id": NAME, **line}).encode())
    assert found is not None
    assert found.reply.verdict == verdict
    if name in ("the error beside", "a text for an error"):
        assert found.reply.said in ("no", "out of memory")


@pytest.mark.parametrize(
    "name", [None, 7, 7.5, True, "", "zz", "request-1", ["a"], {"a": 1}, "\ud800", NAME[:-1]]
)
def test_row_48_names_of_any_kind_are_of_no_request_of_ours(folder: Folder, name: object) -> None:
    folder.table(6)
    with FakeProvider() as provider:
        response = {"status_code": 200, "body": completion("beta")}
        provider.batch_more = [{"custom_id": name, "response": response}]
        outcome = predict(folder, provider)
        assert outcome.code == 0, outcome.stderr
        assert "1 line of no request of ours is left out: {" in outcome.stderr
    assert {row["predicted_intent"] for row in folder.predictions()} == {"alpha"}


def test_row_48_answers_with_an_odd_status_are_not_paid_for_again(folder: Folder) -> None:
    folder.table(6)
    with FakeProvider() as provider:
        provider.batch_script = lambda _text: {"response": {"status_code": "200", "body": BODY}}
        outcome = predict(folder, provider, "--yes")
        assert outcome.code == 0, outcome.stderr
        assert provider.extra == 0


def test_row_51_why_requests_were_not_answered_is_told(folder: Folder) -> None:
    folder.table(6)
    gone = {"status_code": 404, "body": {"error": {"message": "no model m", "code": "model_not_found"}}}
    with FakeProvider() as provider:
        provider.batch_script = lambda text: {"response": gone} if text == "row 1" else None
        outcome = predict(folder, provider)
    assert outcome.code == 3
    assert "not answered [model_not_found]: no model m" in outcome.stderr


@pytest.mark.parametrize("status", ["COMPLETED", "succeeded", "done"])
def test_row_42_other_words_for_a_batch_that_is_over(
    folder: Folder, status: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.table(6)
    with FakeProvider() as provider:
        whole = provider._advance

        def advanced(batch_id: str) -> dict[str, Any]:
            batch = whole(batch_id)
            return {**batch, "status": status} if batch["status"] == "completed" else batch

        monkeypatch.setattr(provider, "_advance", advanced)
        outcome = predict(folder, provider)
        assert outcome.code == 0, outcome.stderr
        assert provider.extra == 0


@pytest.mark.parametrize(
    "counts",
    [None, {"total": None, "completed": None, "failed": None}, {"total": "6", "completed": "6", "failed": "0"}, [6]],
)  # fmt: skip
def test_row_7_counts_of_any_kind(folder: Folder, counts: object, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.table(6)
    with FakeProvider() as provider:
        whole = provider._advance
        monkeypatch.setattr(
            provider, "_advance", lambda one: {**whole(one), "request_counts": counts, "metadata": "x"}
        )
        outcome = predict(folder, provider)
        assert outcome.code == 0, outcome.stderr


def test_row_46_answers_whose_file_is_named_a_moment_later(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.table(6)
    monkeypatch.setattr("labeltune.prediction.batch.collecting.NAMELESS_LOOKS", (0.0, 0.0))
    with FakeProvider() as provider:
        whole, looks = provider._advance, 0

        def advanced(batch_id: str) -> dict[str, Any]:
            nonlocal looks
            looks += 1
            return {**whole(batch_id), **({"output_file_id": None} if looks < 3 else {})}

        monkeypatch.setattr(provider, "_advance", advanced)
        assert predict(folder, provider).code == 0
        assert provider.extra == 0


def test_row_46_answers_whose_file_is_never_named_are_not_asked_for_again(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.table(6)
    monkeypatch.setattr("labeltune.prediction.batch.collecting.NAMELESS_LOOKS", (0.0, 0.0))
    with FakeProvider() as provider:
        whole = provider._advance
        monkeypatch.setattr(provider, "_advance", lambda one: {**whole(one), "output_file_id": None})
        outcome = predict(folder, provider, "--yes")
        assert outcome.code == 5
        assert "counts 6 answers, but names no output file" in outcome.stderr
        monkeypatch.setattr(provider, "_advance", whole)
        assert predict(folder, provider).code == 0
        assert provider.extra == 0


def test_row_7_a_download_that_does_not_come_is_told(folder: Folder) -> None:
    folder.table(6)
    page = Fate("refuse", 200, b"<html>log in</html>", {"content-type": "text/html"})
    with FakeProvider() as provider:
        # The input file is the first, the output the third thing that gets a number.
        provider.fail_next["GET /files/file-3/content"] = [page]
        outcome = predict(folder, provider)
    assert outcome.code == 0, outcome.stderr
    assert "the answer is not from the API: <html>log in</html>; trying again" in outcome.stderr


@pytest.mark.parametrize(
    ("errors", "said"),
    [
        (None, []),
        ([{"code": "x", "message": "bad", "line": 2}], [("x", "bad", 2)]),
        ({"object": "list", "data": [{"code": None, "message": "bad", "line": "2"}]}, [(None, "bad", 2)]),
        ({"data": [None, "words"]}, [(None, "words", None)]),
        ("quota exceeded", [(None, "quota exceeded", None)]),
    ],
)
def test_row_45_why_a_batch_failed_however_it_is_written(errors: object, said: list[Any]) -> None:
    remote = Batch.construct(id="b", status="failed", errors=errors)
    assert [(error.code, error.message, error.line) for error in errors_of(remote)] == said
