"""What real servers answer: errors that come as successes, numbers that are none, thoughts, silence."""

from __future__ import annotations

import json
import math
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from faults.fake_provider import ANSWER, FakeProvider, Fate, completion, refuse
from faults.fault_folder import Folder
from faults.tiny_server import serving
from labeltune.cli.app import app
from waiting import HANG_S


def reply(document: object) -> Fate:
    """A success with this body, which is not billed."""
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return Fate("refuse", 200, body, {"content-type": "application/json"})


def said(content: object, logprobs: Any = None, **message: Any) -> dict[str, Any]:
    document = completion("")
    document["choices"][0]["message"] |= {"content": content, **message}
    document["choices"][0]["logprobs"] = logprobs
    return document


def token(text: str, logprob: float = -0.1, top: tuple[tuple[str, float], ...] = (), raw: bytes = b"") -> Any:
    return {
        "token": text,
        "logprob": logprob,
        "bytes": list(raw or text.encode()),
        "top_logprobs": [{"token": t, "logprob": p, "bytes": list(t.encode())} for t, p in top],
    }


# ------------------------------------------------------------------------------------- errors in successes


@pytest.mark.parametrize(
    "document",
    [
        {"error": {"message": "Provider returned error", "code": 429}, "user_id": "u"},
        {"error": {"message": "slow down", "type": "rate_limit_error"}},
        {"error": {"message": "slow down", "code": "429"}},
        {"choices": [{"finish_reason": "error", "error": {"message": "upstream", "code": 502}, "message": {"content": ""}}]},
        {"choices": [{"error": {"code": 429, "message": "upstream"}, "message": {"content": "alp"}}]},
        {"object": "error", "message": "overloaded", "type": "overloaded_error", "code": 503},
    ],
    ids=["code", "type", "text", "choice", "choice-error", "bare"],
)  # fmt: skip
def test_row_93_calls_01_a_success_that_is_a_rate_limit_or_a_server_error(
    folder: Folder, document: object
) -> None:
    folder.table(12)
    once = ("row 7", 1)
    with FakeProvider(lambda *asked: reply(document) if asked == once else ANSWER) as provider:
        outcome = folder.predict(provider)
        assert outcome.code == 0, outcome.stderr
        assert provider.asked["row 7"] == 2
        assert provider.extra == 0
        assert {row["problem"] for row in folder.predictions()} == {""}


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        ({"message": "No auth credentials", "code": 401}, 4, "key rejected"),
        ({"message": "Insufficient credits", "code": 402}, 6, "Insufficient credits"),
        ({"message": "out", "type": "insufficient_quota"}, 6, "quota used up"),
        ({"message": "no such model", "code": 404}, 4, "model"),
    ],
)
def test_row_93_calls_01_a_success_that_ends_the_run(
    folder: Folder, error: object, code: int, words: str
) -> None:
    folder.table(30)
    with FakeProvider(lambda _t, _a: reply({"error": error})) as provider:
        outcome = folder.predict(provider)
        assert outcome.code == code
        assert words in outcome.stderr
        assert provider.asked.total() <= 10
        provider.script = lambda _t, _a: ANSWER
        assert folder.predict(provider).code == 0


def test_row_93_calls_02_a_server_that_knows_no_such_path(folder: Folder) -> None:
    folder.table(30)
    strange = reply({"error": "Unexpected endpoint or method. (POST /chat/completions)"})
    with FakeProvider(lambda _t, _a: strange) as provider:
        outcome = folder.predict(provider)
        assert outcome.code == 5
        assert "Unexpected endpoint or method. (POST /chat/completions)" in outcome.stderr
        assert provider.asked.total() <= 10
        assert not folder.output.exists()


def test_row_93_an_error_beside_an_answer_is_no_error(folder: Folder) -> None:
    folder.table(6)
    document = {**completion("alpha"), "error": {"message": "a note"}}
    with FakeProvider(lambda _t, _a: reply(document)) as provider:
        assert folder.predict(provider).code == 0


# ---------------------------------------------------------------------------------------- replies as written


ODD = {
    "minus infinity": said("alpha", {"content": [token("alpha", -0.1, (("alpha", -0.1), ("beta", -math.inf)))]}),
    "nan": said("alpha", {"content": [token("alpha", -0.1, (("alpha", -0.1), ("beta", math.nan)))]}),
    "huge count": {**said("alpha"), "usage": {"prompt_tokens": 10**400, "completion_tokens": 1e300}},
    "huge id": {**said("alpha"), "created": 10**30},
    "parts": said([{"type": "text", "text": "al"}, {"type": "image"}, {"type": "output_text", "text": "pha"}]),
    "strings": said(["al", "pha"]),
    "thinking part": said([{"type": "thinking", "thinking": "beta?"}, {"type": "text", "text": "alpha"}]),
    "thought": said("<think>\nbeta or gamma?\n</think>\n\nalpha"),
    "end of a thought": said("beta or gamma?\n</think>\nalpha"),
    "reasoning": said("alpha", reasoning_content="beta or gamma?"),
}  # fmt: skip


@pytest.mark.parametrize("name", ODD)
def test_rows_94_and_102_calls_04_and_18_an_answer_as_servers_write_it(folder: Folder, name: str) -> None:
    folder.table(8)
    body = json.dumps(ODD[name]).encode()
    with FakeProvider(lambda _t, _a: Fate(body=body)) as provider:
        outcome = folder.predict(provider)
        assert outcome.code == 0, outcome.stderr
        assert provider.extra == 0
        assert {row["predicted_intent"] for row in folder.predictions()} == {"alpha"}
        assert folder.predict(provider).code == 0
        assert provider.billed.total() == 8
    if name in ("minus infinity", "nan"):
        assert {row["confidence"] for row in folder.predictions()} == {f"{math.exp(-0.1):.6g}"}


def test_row_94_a_byte_order_mark(folder: Folder) -> None:
    folder.table(6)
    body = b"\xef\xbb\xbf" + json.dumps(completion("alpha")).encode()
    with FakeProvider(lambda _t, _a: Fate(body=body)) as provider:
        assert folder.predict(provider).code == 0


def test_row_94_an_answer_whose_own_log_probability_is_none(folder: Folder) -> None:
    folder.table(6)
    body = json.dumps(said("alpha", {"content": [token("alpha", math.nan)]})).encode()
    with FakeProvider(lambda _t, _a: Fate(body=body)) as provider:
        outcome = folder.predict(provider)
        assert outcome.code == 0
        assert {(row["predicted_intent"], row["confidence"]) for row in folder.predictions()} == {
            ("alpha", "")
        }
        assert outcome.stderr.count("6 of 6 answers have no confidence") == 1


@pytest.mark.parametrize("name", [*ODD])
def test_row_94_calls_04_in_batches(folder: Folder, name: str) -> None:
    folder.table(5)
    with FakeProvider() as provider:
        provider.batch_script = lambda _text: {
            "response": {"status_code": 200, "request_id": "r", "body": ODD[name]},
            "error": None,
        }
        outcome = folder.predict(provider, "--batch")
        assert outcome.code == 0, outcome.stderr
        assert {row["predicted_intent"] for row in folder.predictions()} == {"alpha"}


def test_row_102_a_thought_that_did_not_end_is_no_answer(folder: Folder) -> None:
    folder.table(6)
    document = said("<think>alpha, or rather")
    document["choices"][0]["finish_reason"] = "length"
    with FakeProvider(lambda _t, _a: Fate(body=json.dumps(document).encode())) as provider:
        assert folder.predict(provider).code == 3
        assert {row["problem"] for row in folder.predictions()} == {"truncated"}


@pytest.mark.parametrize(
    "document",
    [
        said("", reasoning_content="alpha, or rather"),
        said("<think>alpha?</think>", reasoning_content=None),
        said("<think>beta?</think>something else"),
    ],
)
def test_row_102_calls_18_a_hint_names_the_thinking(folder: Folder, document: object) -> None:
    folder.table(6)
    with FakeProvider(lambda _t, _a: Fate(body=json.dumps(document).encode())) as provider:
        outcome = folder.predict(provider)
    assert outcome.code == 3
    assert "the model thinks before it answers, which left 6 rows without one" in outcome.stderr
    assert "was it trained with this task" not in outcome.stderr


def test_row_102_calls_18_the_answer_column_keeps_the_thought(folder: Folder) -> None:
    folder.table(6)
    body = json.dumps(said("<think>beta?</think>\nalpha")).encode()
    with FakeProvider(lambda _t, _a: Fate(body=body)) as provider:
        assert folder.predict(provider).code == 0
    row = folder.predictions()[0]
    assert (row["answer"], row["predicted_intent"]) == ("<think>beta?</think>\nalpha", "alpha")


# ------------------------------------------------------------------------------- tokens that spell the answer

WORDS = [token("<think>", -3.0), *[token("word ", -0.4)] * 40, token("</think>", -2.0)]
ALPHA = token("alpha", -0.1, (("alpha", -0.1), ("beta", -2.1)))
SPELLED = {
    "reasoning": said("alpha", {"content": [*WORDS, ALPHA]}, reasoning_content="word " * 40),
    "reasoning without numbers": said("alpha", {"content": [token("<think>", math.nan), ALPHA]}),
    "reasoning that names it": said("alpha", {"content": [token("alpha? ", -1.0), ALPHA]}),
    "end": said("alpha", {"content": [ALPHA, token("<|im_end|>", -0.5)]}),
    "two ends": said("alpha", {"content": [ALPHA, token("</s>"), token("\n")]}),
    "code fence": said(
        "alpha", {"content": [token("```json"), token("\n"), ALPHA, token("\n```"), token("")]}
    ),
    "space": said("alpha", {"content": [token(" alpha", -0.1, ((" alpha", -0.1), (" beta", -2.1)))]}),
    "space and none": said("alpha", {"content": [token(" alpha", -0.1, ((" alpha", -0.1), ("beta", -2.1)))]}),
}


@pytest.mark.parametrize("name", SPELLED)
def test_row_98_calls_11_and_12_only_tokens_that_spell_the_answer_count(folder: Folder, name: str) -> None:
    folder.table(6)
    body = json.dumps(SPELLED[name]).encode()
    with FakeProvider(lambda _t, _a: Fate(body=body)) as provider:
        outcome = folder.predict(provider, "--probabilities")
        assert outcome.code == 0, outcome.stderr
    row = folder.predictions()[0]
    assert float(row["confidence"]) == pytest.approx(math.exp(-0.1), abs=1e-5)
    shares = [float(row[f"probability_{label}"]) for label in ("alpha", "beta", "gamma")]
    alpha, beta = math.exp(-0.1), math.exp(-2.1)
    assert shares == pytest.approx([alpha / (alpha + beta), beta / (alpha + beta), 0.0], abs=1e-5)


def test_row_98_calls_12_tokens_that_are_part_of_a_character(folder: Folder) -> None:
    task = folder.path / "task.toml"
    task.write_text(task.read_text().replace('"gamma"', '"café ☕", "café ☔"'))
    folder.table(6)
    parts = [
        token("café"),
        token(" "),
        token("bytes:\\xe2\\x98", raw=b"\xe2\x98"),
        {
            **token("bytes:\\x95", -0.1, raw=b"\x95"),
            "top_logprobs": [
                {"token": "bytes:\\x95", "logprob": -0.1, "bytes": [0x95]},
                {"token": "bytes:\\x94", "logprob": -2.1, "bytes": [0x94]},
            ],
        },
    ]
    body = json.dumps(said("café ☕", {"content": parts})).encode()
    with FakeProvider(lambda _t, _a: Fate(body=body)) as provider:
        assert folder.predict(provider, "--probabilities").code == 0
    row = folder.predictions()[0]
    assert float(row["confidence"]) == pytest.approx(math.exp(-0.4), abs=1e-5)
    assert float(row["probability_café ☔"]) == pytest.approx(1 / (1 + math.exp(2.0)), abs=1e-5)


def test_row_98_tokens_that_spell_something_else_are_told_once(folder: Folder) -> None:
    folder.table(6)
    body = json.dumps(said("alpha", {"content": [token("beta"), token(" then")]})).encode()
    with FakeProvider(lambda _t, _a: Fate(body=body)) as provider:
        outcome = folder.predict(provider, "--probabilities")
        assert outcome.code == 0
        assert outcome.stderr.count("do not spell them") == 1
        assert "--probabilities: 6 of 6 answers do not tell" in outcome.stderr
    assert {row["confidence"] for row in folder.predictions()} == {""}


# ------------------------------------------------------------------------------------------ silence and storms


@contextmanager
def closer(connections: list[int]) -> Iterator[int]:
    """A server that reads a request and closes the connection; for a hundred connections at most."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        for _ in range(100):
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connections.append(1)
            connection.recv(65536)
            connection.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(HANG_S)


def test_row_95_calls_13_a_server_that_closes_without_a_word(folder: Folder) -> None:
    folder.table(40)
    connections: list[int] = []
    with closer(connections) as port:
        outcome = folder.predict(f"http://127.0.0.1:{port}/v1")
    assert outcome.code == 5
    assert "closes every connection without an answer" in outcome.stderr
    assert "is it https://?" in outcome.stderr
    assert len(connections) <= 15
    assert not folder.output.exists()
    with FakeProvider() as provider:  # nothing is held to be billed: the mended address goes on at once
        outcome = folder.predict(provider)
        assert outcome.code == 0
        assert "maybe billed" not in outcome.stderr
        assert provider.billed.total() == 40


def test_row_95_losses_open_the_breaker(folder: Folder) -> None:
    """Of a server that did answer: not all rows are lost twice before anybody wonders."""
    folder.table(200)
    with FakeProvider() as provider:
        provider.script = lambda _t, _a: ANSWER if provider.billed.total() < 20 else Fate("reset")
        outcome = folder.predict(provider, "--max-wait", "3", "--concurrency", "8")
        assert outcome.code == 5
        assert "trying 1 request every" in outcome.stderr
        assert provider.asked.total() < 80


@pytest.mark.parametrize("status", [500, 503])
def test_row_96_calls_24_a_server_that_always_fails(folder: Folder, status: int) -> None:
    folder.table(40)
    storm = Fate("refuse", status, b"Internal Server Error", {"content-type": "text/plain"})
    with FakeProvider(lambda _t, _a: storm) as provider:
        outcome = folder.predict(provider, "--max-wait", "2")
        assert outcome.code == 5
        assert f"Internal Server Error (status {status}); trying again" in outcome.stderr
        assert "the last error: Internal Server Error" in outcome.stderr
        assert "--no-confidence" in outcome.stderr
        assert provider.asked.total() < 40


# ------------------------------------------------------------------------------------------------- refusals


CONTENT = refuse(400, "content_filter", "The prompt triggered the content management policy")
OF_A_ROW = {
    "content_filter": CONTENT,
    "too long": refuse(400, "context_length_exceeded", "maximum context length is 8192 tokens"),
    "without a code": refuse(400, "", "This model's maximum context length is 8192 tokens"),
    "param": Fate("refuse", 400, b'{"error": {"message": "bad", "param": "messages[1].content", "code": null}}'),
}  # fmt: skip


@pytest.mark.parametrize("name", OF_A_ROW)
@pytest.mark.parametrize("refused", [5, 7, 12])
def test_row_97_calls_05_the_first_rows_are_refused(folder: Folder, name: str, refused: int) -> None:
    folder.table(30)
    bad = {f"row {number}" for number in range(refused)}
    with FakeProvider(lambda text, _: OF_A_ROW[name] if text in bad else ANSWER) as provider:
        outcome = folder.predict(provider)
        assert outcome.code == 3, outcome.stderr
        problems = [row["problem"] for row in folder.predictions()]
        assert problems == ["rejected"] * refused + [""] * (30 - refused)
        assert folder.predict(provider).code == 3
        assert provider.asked.total() == 30


def test_row_97_calls_05_all_rows_are_refused(folder: Folder) -> None:
    folder.table(11)
    with FakeProvider(lambda _t, _a: CONTENT) as provider:
        assert folder.predict(provider).code == 3
        assert provider.asked.total() == 11


def test_row_97_few_rows_of_both_kinds_of_refusal(folder: Folder) -> None:
    """The table ends before it is known whether every request is refused: nobody waits for ever."""
    folder.table(7)
    other = refuse(400, "invalid_value", "no")
    with FakeProvider(lambda text, _: other if text == "row 3" else CONTENT) as provider:
        assert folder.predict(provider, "--concurrency", "7").code == 3


# -------------------------------------------------------------------------------------- names and addresses


def test_calls_20_a_404_of_no_such_path_is_not_a_model_that_is_gone(folder: Folder) -> None:
    folder.table(10)
    nothing = Fate("refuse", 404, b'{"detail":"Not Found"}', {"content-type": "application/json"})
    with FakeProvider(lambda _t, _a: nothing) as provider:
        outcome = folder.predict(provider)
        assert outcome.code == 4
        assert "no such call: POST /v1/chat/completions" in outcome.stderr
        assert "the model" not in outcome.stderr.split("no such call")[1].split("\n")[0]


def test_calls_26_a_run_that_answered_nothing_claims_nothing(folder: Folder) -> None:
    folder.table(10)
    gone = refuse(404, "model_not_found", "The model `typo` does not exist")
    with FakeProvider(lambda _t, _a: gone) as provider:
        assert folder.predict(provider, "--model", "typo").code == 4
        provider.script = lambda _t, _a: ANSWER
        assert folder.predict(provider).code == 0
        assert folder.predict(provider, "--model", "other").code == 9  # now there is something to lose


def test_a_journal_keeps_what_json_does_not_know(folder: Folder, tmp_path: Path) -> None:
    """What is kept with `-Infinity` in it is recovered, and read by evaluate for its cost."""
    folder.table(6)
    body = json.dumps(ODD["minus infinity"]).encode()
    with FakeProvider(lambda _t, _a: Fate(body=body)) as provider:
        assert folder.predict(provider).code == 0
        assert folder.predict(provider, "--recover").code == 0
        assert provider.billed.total() == 6


def test_row_94_a_number_of_any_length_is_recovered(folder: Folder) -> None:
    """What was accepted as an answer is one when the journal is read again."""
    folder.table(6)
    digits = json.dumps(completion("alpha")).replace('"prompt_tokens": 10', '"prompt_tokens": ' + "1" * 5000)
    with FakeProvider(lambda _t, _a: Fate(body=digits.encode())) as provider:
        assert folder.predict(provider).code == 0
        assert folder.predict(provider, "--recover").code == 0
        assert provider.billed.total() == 6


def test_a_key_that_a_refusal_repeats_is_not_kept_in_batches_either(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = "sk-canary-0123456789"
    monkeypatch.setenv("OPENAI_API_KEY", key)
    folder.table(6)
    error = {"error": {"message": f"Incorrect API key provided: {key}", "code": "content_filter"}}
    refused = {"response": {"status_code": 400, "request_id": "r", "body": error}, "error": None}
    with FakeProvider() as provider:
        provider.batch_script = lambda text: refused if text == "row 3" else None
        assert folder.predict(provider, "--batch").code == 3
    kept = [path.read_bytes() for path in (folder.path / ".labeltune").iterdir() if path.is_file()]
    assert any(b"content_filter" in content for content in kept)
    assert not any(key.encode() in content for content in kept)


def test_row_96_only_the_last_error_is_told(folder: Folder) -> None:
    """One that an answer followed explains nothing any more."""
    folder.table(12)
    boom = refuse(500, "server_error", "Internal boom")
    wait = refuse(429, "rate_limit_exceeded", "slow down", retry_after="3600")
    with FakeProvider() as provider:
        provider.script = lambda _t, _a: (
            boom if provider.asked.total() == 1 else wait if provider.billed.total() >= 3 else ANSWER
        )
        outcome = folder.predict(provider, "--concurrency", "1")
        assert outcome.code == 5
        assert "asks to wait 3,600 s" in outcome.stderr
        assert "the last error" not in outcome.stderr


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"a": ' + b"1" * 5000 + b"}"], ids=["nested", "digits"])
def test_row_93_what_cannot_be_read_is_not_from_the_api(body: bytes) -> None:
    with serving(lambda *_: body) as served:
        result = CliRunner().invoke(app, ["jobs", "list", "--provider", served.url])
    assert result.exit_code == 5, result.exception
    assert "the answer is not from the API" in result.stderr


@pytest.mark.parametrize("body", [b"[1]", b"null", b'"welcome"'], ids=["list", "null", "string"])
def test_row_93_json_that_is_no_object_is_not_from_the_api(folder: Folder, body: bytes) -> None:
    folder.table(3)
    with serving(lambda *_: body) as served:
        listed = CliRunner().invoke(app, ["jobs", "list", "--provider", served.url])
        asked = folder.predict(served.url)
    assert listed.exit_code == 5, listed.exception
    assert f"the answer is not from the API: expected an object, not {body.decode()}" in listed.stderr
    # The jobs are looked through for the model's task: what comes instead does not end the run.
    assert asked.code == 3, asked.stderr
    assert "3 rows have no valid answer: 3 bad_response" in asked.stderr


STREAMS = {
    "events": (b'data: {"choices": [{"delta": {"content": "al"}}]}\n\ndata: [DONE]\n\n', "text/event-stream"),
    "lines": (b'{"message": {"content": "al"}, "done": false}\n{"done": true}\n', "application/x-ndjson"),
    "events called json": (b'data: {"choices": []}\n\n', "application/json"),
}


@pytest.mark.parametrize("name", STREAMS)
def test_row_93_calls_02_a_stream_that_nobody_asked_for_is_named(folder: Folder, name: str) -> None:
    folder.table(30)
    body, kind = STREAMS[name]
    with FakeProvider(lambda _t, _a: Fate("refuse", 200, body, {"content-type": kind})) as provider:
        outcome = folder.predict(provider)
        assert outcome.code == 5
        assert "a stream of pieces came instead of one answer" in outcome.stderr
        assert "#chat.stream=false" in outcome.stderr
        assert provider.asked.total() <= 10
        provider.script = lambda _t, _a: ANSWER
        assert folder.predict(f"{provider.url}#chat.stream=false").code == 0
        assert provider.requests[-1]["stream"] is False


def test_row_95_calls_13_a_page_called_json_is_no_lost_answer(folder: Folder) -> None:
    folder.table(30)
    with FakeProvider(lambda _t, _a: reply(b"<html>Sign in</html>")) as provider:
        outcome = folder.predict(provider)
    assert outcome.code == 5
    assert "<html>Sign in</html>" in outcome.stderr
    assert provider.asked.total() <= 10
    assert "maybe billed" not in outcome.stderr


@pytest.mark.parametrize(
    "fate",
    [Fate(body=b'{"id": "x", "choices": [{"mess'), Fate("half"), Fate("reset")],
    ids=["json", "half", "reset"],
)
def test_row_95_calls_13_answers_of_which_none_comes_whole_end_the_run(folder: Folder, fate: Fate) -> None:
    folder.table(40)
    with FakeProvider(lambda _t, _a: fate) as provider:
        outcome = folder.predict(provider)
        assert outcome.code == 5
        assert provider.asked.total() <= 15
        assert not folder.output.exists()
        provider.script = lambda _t, _a: ANSWER
        assert folder.predict(provider).code == 0
        assert provider.extra <= 15
    if fate.kind != "reset":
        assert "not one answer came whole" in outcome.stderr


def test_row_94_bytes_that_are_not_utf8_lose_no_answer(folder: Folder) -> None:
    folder.table(6)
    body = json.dumps({**completion("alpha"), "note": "café"}, ensure_ascii=False).encode("latin-1")
    with FakeProvider(lambda _t, _a: Fate(body=body)) as provider:
        assert folder.predict(provider).code == 0
        assert provider.extra == 0


@pytest.mark.parametrize(
    ("content", "answer"), [({"type": "text", "text": "alpha"}, "alpha"), (5, "5"), (True, "true")]
)
def test_row_102_content_that_is_no_text_is_no_empty_answer(
    folder: Folder, content: object, answer: str
) -> None:
    folder.table(6)
    with FakeProvider(lambda _t, _a: Fate(body=json.dumps(said(content)).encode())) as provider:
        folder.predict(provider)
    assert {row["answer"] for row in folder.predictions()} == {answer}


def test_rows_26_and_93_a_reply_without_an_answer_is_shown_once(folder: Folder) -> None:
    folder.table(12)
    with FakeProvider(lambda _t, _a: reply({"message": {"content": "alpha"}, "done": True})) as provider:
        outcome = folder.predict(provider)
    assert outcome.code == 5
    assert outcome.stderr.count('{"message":{"content":"alpha"},"done":true}') == 1
    assert provider.asked.total() <= 10
    assert not folder.output.exists()


def test_row_94_half_a_character_in_an_answer_is_written_as_such(folder: Folder) -> None:
    folder.table(6)
    body = json.dumps(said("alpha \ud83d")).encode()
    assert b"\\ud83d" in body
    with FakeProvider(lambda _t, _a: Fate(body=body)) as provider:
        outcome = folder.predict(provider)
        assert outcome.code == 3, outcome.stderr
        assert {row["answer"] for row in folder.predictions()} == {"alpha \ufffd"}
        assert folder.predict(provider).code == 3
        assert provider.billed.total() == 6


def test_row_25_a_redirect_says_where_it_leads(folder: Folder) -> None:
    folder.table(30)
    elsewhere = Fate("refuse", 307, b"", {"location": "https://login.example.com/?next=x"})
    with FakeProvider(lambda _t, _a: elsewhere) as provider:
        outcome = folder.predict(provider)
    assert outcome.code == 5
    assert "redirects to https://login.example.com/ (status 307)" in outcome.stderr
    assert provider.asked.total() <= 10
