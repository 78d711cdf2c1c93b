"""What servers answer that keep the protocol by and large: other shapes, other statuses, other words."""

from __future__ import annotations

import json
import math
from collections import Counter
from typing import Any

import pytest

from faults.fake_provider import ANSWER, FakeProvider, Fate, completion, refuse
from faults.fault_folder import Folder
from labeltune.prediction import traffic
from labeltune.prediction.pace import Pace


def refusing(status: int, document: object, **headers: str) -> Fate:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return Fate("refuse", status, body, {name.replace("_", "-"): value for name, value in headers.items()})


# ------------------------------------------------------------------------------------- answers that are kept


def test_row_23_a_whole_answer_where_more_was_announced(folder: Folder) -> None:
    folder.table(8)
    with FakeProvider(lambda _t, _a: Fate("unended")) as provider:
        outcome = folder.predict(provider)
        assert outcome.code == 0, outcome.stderr
        assert provider.extra == 0


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le"])
def test_row_94_an_answer_in_utf_16(folder: Folder, encoding: str) -> None:
    folder.table(6)
    body = json.dumps(completion("alpha")).encode(encoding)
    with FakeProvider(lambda _t, _a: Fate(body=body)) as provider:
        assert folder.predict(provider).code == 0


def test_row_94_an_older_completion_with_its_tokens_in_columns(folder: Folder) -> None:
    folder.table(6)
    logprobs = {
        "tokens": ["al", "pha"],
        "token_logprobs": [-0.1, -0.2],
        "top_logprobs": [{"al": -0.1, "be": -2.0}, None],
    }
    document = {"object": "text_completion", "choices": [{"text": "alpha", "index": 0, "logprobs": logprobs}]}
    with FakeProvider(lambda _t, _a: Fate(body=json.dumps(document).encode())) as provider:
        outcome = folder.predict(provider, "--probabilities")
        assert outcome.code == 0, outcome.stderr
    for row in folder.predictions():
        assert row["confidence"] == f"{math.exp(-0.3):.6g}"
        assert float(row["probability_beta"]) > 0.1


FINAL = (
    "<|channel|>analysis<|message|>beta or gamma?<|end|><|start|>assistant<|channel|>final<|message|>alpha"
)


@pytest.mark.parametrize(
    "text",
    [
        FINAL,
        f"<|start|>assistant{FINAL}<|return|>",
        "<|channel|>final <|constrain|>label<|message|>alpha",
        "[THINK]beta?[/THINK]alpha",
        "beta?[/THINK]\nalpha",
        "◁think▷beta?◁/think▷alpha",
        "<seed:think>beta?</seed:think>\nalpha",
        "<think>beta?</think>alpha</s>",
        "alpha<|im_end|>",
        "alpha<|eot_id|>\n<|end_of_text|>",
        "alpha<end_of_turn>\n",
    ],
)
def test_row_102_thoughts_and_ends_in_the_words_of_other_templates(folder: Folder, text: str) -> None:
    folder.table(5)
    with FakeProvider(answer=text) as provider:
        outcome = folder.predict(provider)
        assert outcome.code == 0, outcome.stderr
    assert {row["predicted_intent"] for row in folder.predictions()} == {"alpha"}
    assert {row["answer"] for row in folder.predictions()} == {text}


def test_row_102_an_analysis_without_a_final_word_is_no_answer(folder: Folder) -> None:
    folder.table(5)
    with FakeProvider(answer="<|channel|>analysis<|message|>alpha, or rather") as provider:
        outcome = folder.predict(provider)
    assert outcome.code == 3
    assert {row["problem"] for row in folder.predictions()} == {"empty"}
    assert "the model thinks before it answers" in outcome.stderr


# ----------------------------------------------------------------------------------- servers of something else

STRANGE: dict[str, Any] = {
    "wrapped": {"code": 0, "message": "success", "data": completion("alpha")},
    "another interface": {"id": "r", "object": "response", "output": [{"content": [{"text": "alpha"}]}]},
    "a list": [completion("alpha")],
    "a text": json.dumps(completion("alpha")),
    "nothing": None,
    "queued": {"status": "queued", "id": "x"},
    "words": {"detail": "Invalid token"},
    "a number and words": {"id": "x", "choices": None, "base_resp": {"status_code": 1008, "status_msg": "no balance"}},
}  # fmt: skip


@pytest.mark.parametrize("name", STRANGE)
def test_rows_25_and_26_no_reply_is_that_of_a_chat(folder: Folder, name: str) -> None:
    """Not: every row asked, and each of them left with `bad_response` for ever."""
    folder.table(30)
    with FakeProvider(lambda _t, _a: refusing(200, STRANGE[name])) as provider:
        outcome = folder.predict(provider)
        assert outcome.code == 5, outcome.stderr
        assert provider.asked.total() <= 10
        assert not folder.output.exists()
        provider.script = lambda _t, _a: ANSWER
        assert folder.predict(provider).code == 0


def test_row_26_replies_without_a_choice_say_nothing_about_the_other_rows(folder: Folder) -> None:
    """Some filters leave the list of choices empty: a table may begin with such rows."""
    folder.table(30)
    empty = Fate(body=json.dumps({**completion(""), "choices": []}).encode())
    with FakeProvider(lambda text, _a: empty if int(text.split()[1]) < 8 else ANSWER) as provider:
        assert folder.predict(provider).code == 3
    assert Counter(row["problem"] for row in folder.predictions()) == {"": 22, "bad_response": 8}


def test_row_25_a_firewall_that_dislikes_one_row(folder: Folder) -> None:
    folder.table(30)
    page = refusing(403, b"<html><title>Attention Required!</title></html>", content_type="text/html")
    with FakeProvider(lambda text, _a: page if text == "row 17" else ANSWER) as provider:
        outcome = folder.predict(provider)
        assert outcome.code == 3, outcome.stderr
        assert provider.asked["row 17"] == 2
    assert Counter(row["problem"] for row in folder.predictions()) == {"": 29, "unknown": 1}


def test_row_25_a_firewall_that_lets_nobody_in_is_no_question_of_the_key(folder: Folder) -> None:
    folder.table(30)
    page = refusing(403, b"<!DOCTYPE html><title>Just a moment...</title>", content_type="text/html")
    with FakeProvider(lambda _t, _a: page) as provider:
        outcome = folder.predict(provider)
        assert outcome.code == 5
        assert (
            "the answer is not from the API (status 403): <!DOCTYPE html><title>Just a moment"
            in outcome.stderr
        )
        assert "permission" not in outcome.stderr
        assert provider.asked.total() <= 10


@pytest.mark.parametrize(
    ("location", "hint"),
    [
        ("https://api.example.com/v1/chat/completions", "if that is the API's address: --provider https://api.example.com/v1"),
        ("https://login.example.com/?token=secret-1234", "else log in there first"),
    ],
)  # fmt: skip
def test_row_25_a_redirect_leads_on(folder: Folder, location: str, hint: str) -> None:
    folder.table(8)
    with FakeProvider(lambda _t, _a: refusing(301, b"", location=location)) as provider:
        outcome = folder.predict(provider)
    assert hint in outcome.stderr
    assert "secret-1234" not in outcome.stderr


# ------------------------------------------------------------------------------------------------- refusals

FIELD = {
    "type": "extra_forbidden",
    "loc": ["body", "max_completion_tokens"],
    "msg": "Extra inputs are not permitted",
}
ROLE = {"message": "'messages[0].role' does not support 'system' with this model.", "param": "messages[0].role", "code": "unsupported_value"}  # fmt: skip
OLD = {"message": "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.", "param": "max_tokens"}  # fmt: skip
RAW = {
    "message": "Provider returned error",
    "code": 400,
    "metadata": {"raw": '{"error":"logprobs is not supported"}'},
}


@pytest.mark.parametrize(
    ("status", "document", "words"),
    [
        (422, {"object": "error", "message": {"detail": [FIELD]}}, "#rename.max_completion_tokens=max_tokens"),
        (400, {"error": ROLE}, "leave `system` out of the task's [prompt]"),
        (400, {"object": "error", "message": "System role not supported"}, "leave `system` out"),
        (400, {"error": OLD}, "declare no #rename.max_completion_tokens"),
        (400, {"error": RAW}, "--no-confidence"),
        (400, b"Client sent an HTTP request to an HTTPS server.\n", "write https://"),
        (404, {"error": {"message": "No endpoints found that support the requested parameters: logprobs"}}, "--no-confidence"),
    ],
)  # fmt: skip
def test_row_33_a_refusal_of_every_request_shows_the_way_on(
    folder: Folder, status: int, document: object, words: str
) -> None:
    folder.table(30)
    with FakeProvider(lambda _t, _a: refusing(status, document)) as provider:
        outcome = folder.predict(provider)
        assert outcome.code == 2, outcome.stderr
        assert words in outcome.stderr
        assert provider.asked.total() <= 10


@pytest.mark.parametrize(
    ("status", "document", "code", "words"),
    [
        (404, {"error": {"code": "DeploymentNotFound", "message": "The API deployment does not exist."}}, 4, "a deployment's name"),
        (404, {"object": "error", "message": "The model `m` does not exist."}, 4, "the model does not exist: 127.0.0.1"),
        (410, {"error": {"message": "deprecated"}}, 4, "the model does not exist"),
        (400, {"error": {"code": "model_not_found", "message": "no m"}}, 4, "the model does not exist"),
        (403, {"error": {"code": "insufficient_user_quota", "message": "not enough"}}, 6, "quota used up"),
        (401, {"detail": "Invalid API Key"}, 4, ": Invalid API Key [401]"),
    ],
)  # fmt: skip
def test_what_ends_a_run_is_named(
    folder: Folder, status: int, document: object, code: int, words: str
) -> None:
    folder.table(30)
    with FakeProvider(lambda _t, _a: refusing(status, document)) as provider:
        outcome = folder.predict(provider)
    assert outcome.code == code, outcome.stderr
    assert words in outcome.stderr
    assert "no such call" not in outcome.stderr


def test_row_31_a_model_that_goes_away_with_410(folder: Folder) -> None:
    folder.table(40)
    gone = refuse(410, "gone", "The model has been retired")
    with FakeProvider() as provider:
        provider.script = lambda _t, _a: gone if provider.billed.total() >= 10 else ANSWER
        assert folder.predict(provider).code == 4
        provider.script = lambda _t, _a: ANSWER
        assert folder.predict(provider).code == 0


@pytest.mark.parametrize("status", [423, 424, 499])
def test_row_21_refusals_that_another_try_does_not_meet(folder: Folder, status: int) -> None:
    folder.table(8)
    with FakeProvider(lambda _t, n: refusing(status, {"error": "not now"}) if n == 1 else ANSWER) as provider:
        outcome = folder.predict(provider)
        assert outcome.code == 0, outcome.stderr
        assert provider.extra == 0


def test_row_32_a_text_that_is_too_large_says_nothing_about_the_others(folder: Folder) -> None:
    folder.table(30)
    large = refusing(413, b"<html>413 Request Entity Too Large</html>", content_type="text/html")
    with FakeProvider(lambda text, _a: large if int(text.split()[1]) < 8 else ANSWER) as provider:
        assert folder.predict(provider).code == 3
    assert Counter(row["problem"] for row in folder.predictions()) == {"": 22, "rejected": 8}


# --------------------------------------------------------------------------------------------------- waiting


def test_row_96_a_model_that_is_being_loaded_is_waited_for(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.table(6)
    monkeypatch.setattr(traffic, "UNANSWERED_WAIT", 0.0)
    loading = refusing(503, {"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}})
    with FakeProvider() as provider:
        provider.script = lambda _t, _a: loading if provider.asked.total() <= 11 else ANSWER
        outcome = folder.predict(provider)
        assert outcome.code == 0, outcome.stderr
        assert provider.extra == 0


def test_row_18_a_rate_limit_that_asks_to_wait_for_no_time(folder: Folder) -> None:
    pace = Pace(8, lambda: 0.0)
    assert pace.limited(0.0) == 1.0
    assert pace.pause_seconds == 1.0


def test_row_19_what_a_rate_limit_says_is_told_at_the_end(folder: Folder) -> None:
    folder.table(6)
    daily = refusing(429, [{"error": {"message": "You exceeded your current quota"}}], retry_after="86400")
    with FakeProvider(lambda _t, _a: daily) as provider:
        outcome = folder.predict(provider)
    assert outcome.code == 5
    assert "asks to wait 86,400 s; it says: You exceeded your current quota" in outcome.stderr


@pytest.mark.parametrize("key", ['"sk-0123456789"', "OPENAI_API_KEY=$KEY", "${KEY}", "Bearer sk-0123456789"])
def test_a_key_with_what_belongs_to_no_key(folder: Folder, monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    folder.table(6)
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with FakeProvider() as provider:
        outcome = folder.predict(provider)
        assert outcome.code == 4
        assert "holds characters that stand in no key" in outcome.stderr
        assert "0123456789" not in outcome.stderr
        assert not provider.asked
