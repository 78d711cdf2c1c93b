"""Predictions by batch when things go wrong: a test for each row of the table of faults, named after the row."""

from __future__ import annotations

import json
import random
import re
import signal
import sqlite3
import subprocess
import time
from contextlib import suppress
from typing import Any

import pytest
from openai.types import Batch

from faults.fake_provider import FakeProvider, Fate, completion, refuse
from faults.fault_folder import KILLS, Folder, Outcome, finish, kill
from waiting import wait_until

ROWS = 40


def predict(folder: Folder, provider: FakeProvider, *arguments: str) -> Outcome:
    return folder.predict(provider, "--batch", *arguments)


def journal(folder: Folder, query: str) -> list[tuple[Any, ...]]:
    (path,) = (folder.path / ".labeltune").glob("predict-*.db")
    connection = sqlite3.connect(path)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def complete(folder: Folder, provider: FakeProvider, count: int = ROWS, *, batches: int = 1) -> None:
    """Every row is there once, in order, and answered; billed once; and nothing is left to do or lying about."""
    rows = folder.predictions()
    assert [row["text"] for row in rows] == [f"row {number}" for number in range(count)]
    assert all(row["predicted_intent"] == "alpha" and not row["problem"] for row in rows)
    assert provider.extra == 0
    assert provider.billed.total() == count
    assert provider.created["/batches"] == batches
    assert predict(folder, provider).code == 0
    assert provider.created["/batches"] == batches
    assert not [
        *(folder.path / ".labeltune").glob("*.upload"),
        *(folder.path / ".labeltune").glob("*.download"),
    ]


def looked_at(provider: FakeProvider) -> bool:
    """Whether a batch was looked at; its thread may add one meanwhile."""
    return any(batch["looks"] for batch in list(provider.batches.values()))


def problems(folder: Folder) -> dict[str, str]:
    return {row["text"]: row["problem"] for row in folder.predictions() if row["problem"]}


# ------------------------------------------------------------------------------------------------- the good case


def test_a_batch_brings_what_online_brings(folder: Folder) -> None:
    """In another order, and yet the same file; a request is sent that equals the online one."""
    texts = ["one", "two", "one", "", "three"]
    folder.rows(texts)
    with FakeProvider() as provider:
        assert predict(folder, provider, "-o", "batch.csv").code == 3  # for the empty text
        assert provider.asked.total() == 0
        assert provider.billed.total() == 3
        (content,) = [body for body in provider.files.values() if b'"url"' in body]
        bodies = [json.loads(line)["body"] for line in content.splitlines()]
        shown = json.loads(folder.predict(provider, "--dry-run", "--json", "-o", "online.csv").stdout)
        assert shown["request"]["body"] == bodies[0]
        assert folder.predict(provider, "-o", "online.csv").code == 3
        # The journal is the same: what the batch answered is not asked again.
        assert provider.asked.total() == 0
        assert (folder.path / "batch.csv").read_bytes() == (folder.path / "online.csv").read_bytes()


def test_the_limit_first_and_the_rest_later(folder: Folder) -> None:
    folder.table(ROWS)
    with FakeProvider() as provider:
        assert predict(folder, provider, "--limit", "10").code == 0
        assert provider.billed.total() == 10
        assert predict(folder, provider).code == 0
        complete(folder, provider, batches=2)


def test_the_budget_is_kept_at_half_the_price(folder: Folder) -> None:
    folder.table(ROWS)
    with FakeProvider() as provider:
        shown = [
            json.loads(folder.predict(provider, "--model", "gpt-4.1", "--dry-run", "--json", *more).stdout)[
                "usd"
            ]
            for more in ((), ("--batch",))
        ]
        assert shown[1] == pytest.approx(shown[0] / 2)
        between = str((shown[0] + shown[1]) / 2)
        assert folder.predict(provider, "--model", "gpt-4.1", "--max-cost", between).code == 6
        assert predict(folder, provider, "--model", "gpt-4.1", "--max-cost", str(shown[1] / 2)).code == 6
        assert provider.created.total() == 0
        assert predict(folder, provider, "--model", "gpt-4.1", "--max-cost", between).code == 0
        assert predict(folder, provider, "--max-cost", "5", "-o", "other.csv").code == 6


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_leaves_the_batch_running(folder: Folder, signum: signal.Signals, code: int) -> None:
    folder.table(ROWS)
    with FakeProvider() as provider:
        provider.batch_statuses = ["in_progress"]
        process = folder.start(provider, "--batch")
        wait_until(lambda: looked_at(provider))
        process.send_signal(signum)
        outcome = finish(process)
        assert outcome.code == code
        assert re.search(r"batch_\d+ goes on without us; the same command collects", outcome.stderr)
        assert "Traceback" not in outcome.stderr
        assert not folder.output.exists()
        provider.batch_statuses = ["completed"]
        assert predict(folder, provider).code == 0
        complete(folder, provider)


def test_online_says_what_is_in_batches(folder: Folder) -> None:
    folder.table(ROWS)
    with FakeProvider() as provider:
        provider.batch_statuses = ["cancelling"]
        provider.fail_next["GET /batches/batch_2"] = [refuse(401, "invalid_api_key")]
        assert predict(folder, provider, "--limit", "10").code == 4
        outcome = folder.predict(provider)
        assert "10 requests are in batches" in outcome.stderr
        assert outcome.code == 3
        provider.batch_statuses = ["completed"]
        assert predict(folder, provider).code == 0
        assert provider.extra == 0


def test_a_refusal_of_every_request_is_no_answer_to_the_rows(folder: Folder) -> None:
    folder.table(ROWS)
    with FakeProvider() as provider:
        provider.batch_script = lambda _: "logprobs_not_supported"
        outcome = predict(folder, provider)
        assert outcome.code == 2
        assert "every request is rejected" in outcome.stderr
        assert not folder.output.exists()
        provider.batch_script = lambda _: None
        assert predict(folder, provider).code == 0
        complete(folder, provider, batches=2)


# ------------------------------------------------------------------------------------------------- 4a Process


def test_row_5_kill_9_after_batch_create(folder: Folder) -> None:
    """The batch is there, its id is not: the next run finds it, on whichever page, and makes no other."""
    folder.table(ROWS)
    with FakeProvider() as provider:
        provider.fail_next["POST /batches"] = [Fate("hang")]
        process = folder.start(provider, "--batch")
        wait_until(lambda: provider.created["/batches"] == 1)
        kill(process)
        assert journal(folder, "SELECT batch FROM batches") == [(None,)]
        for _ in range(3):
            provider._add_batch({"endpoint": "x", "input_file_id": next(iter(provider.files))})
        for batch in list(provider.batches.values())[1:]:
            batch["input_file_id"] = "file-of-others"
        outcome = predict(folder, provider)
        assert outcome.code == 0, outcome.stderr
        assert "belongs to this run" in outcome.stderr
        assert provider.created["/files"] == 2
        complete(folder, provider, batches=4)


def test_row_5_an_answer_that_was_lost(folder: Folder) -> None:
    folder.table(ROWS)
    with FakeProvider() as provider:
        provider.fail_next["POST /batches"] = [Fate("reset")]
        outcome = predict(folder, provider)
        assert outcome.code == 0
        assert "looking whether the batch was created" in outcome.stderr
        complete(folder, provider)


@pytest.mark.parametrize("place", ["POST /files", "POST /batches"])
def test_row_5_killed_before_there_was_a_batch(folder: Folder, place: str) -> None:
    folder.table(ROWS)
    with FakeProvider() as provider:
        provider.fail_next[place] = [Fate("hang")]
        process = folder.start(provider, "--batch")
        wait_until(lambda: provider.created["/files"] == 1)
        wait_until(lambda: place == "POST /files" or provider.created["/batches"] == 1)
        kill(process)
        provider.batches.clear()
        provider.created.clear()
        assert predict(folder, provider).code == 0
        complete(folder, provider)


def test_row_6_kill_9_while_polling(folder: Folder) -> None:
    folder.table(ROWS)
    with FakeProvider() as provider:
        provider.batch_statuses = ["in_progress"]
        process = folder.start(provider, "--batch")
        wait_until(lambda: looked_at(provider))
        kill(process)
        provider.batch_statuses = ["completed"]
        assert predict(folder, provider).code == 0
        complete(folder, provider)


def test_row_7_kill_9_while_downloading(folder: Folder) -> None:
    folder.table(ROWS)
    with FakeProvider() as provider:
        provider.fail_next["GET /files/file-3/content"] = [Fate("hang")]
        process = folder.start(provider, "--batch")
        files = (folder.path / ".labeltune").glob
        wait_until(
            lambda: any(file.stat().st_size for file in files("*.download")) or process.poll() is not None
        )
        kill(process)
        (file,) = files("*.download")
        assert file.stat().st_mode & 0o077 == 0
        assert journal(folder, "SELECT DISTINCT state FROM requests") == [(1,)]
        assert predict(folder, provider).code == 0
        complete(folder, provider)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_rows_5_to_7_kill_9_200_times(folder: Folder, request: pytest.FixtureRequest) -> None:
    """At random moments, while the table grows: each batch is created once, and each row billed once."""
    request.node.user_properties.append(("runs", KILLS))
    chance = random.Random(5)
    count = 0
    with FakeProvider() as provider:
        for _ in range(KILLS):
            count += chance.choice([0, 0, 20])
            folder.table(count + 20)
            provider.batch_statuses = chance.choice([["in_progress"], ["validating", "completed"]])
            process = folder.start(provider, "--batch")
            with suppress(subprocess.TimeoutExpired):
                process.wait(chance.uniform(0.2, 3.0))
            kill(process)
        provider.batch_statuses = ["completed"]
        assert predict(folder, provider).code == 0
        complete(folder, provider, count + 20, batches=provider.created["/batches"])
        assert sum(batch["size"] for batch in provider.batches.values()) == count + 20


def test_row_7_fewer_answers_than_counted(folder: Folder) -> None:
    """Half a file that looks whole is downloaded again."""
    folder.table(ROWS)
    with FakeProvider() as provider:
        half = json.dumps({"custom_id": "00"}).encode() + b"\n"
        provider.fail_next["GET /files/file-3/content"] = [Fate(body=half), Fate("half"), Fate("reset")]
        outcome = predict(folder, provider)
        assert outcome.code == 0, outcome.stderr
        assert f"1 of {ROWS} answers came" in outcome.stderr
        complete(folder, provider)


def test_row_7_never_whole(folder: Folder) -> None:
    folder.table(ROWS)
    with FakeProvider() as provider:
        shorter = [Fate(body=b"{}\n" * count) for count in (3, 5, 4)]
        provider.fail_next["GET /files/file-3/content"] = shorter
        outcome = predict(folder, provider)
        assert outcome.code == 5
        assert "does not come whole" in outcome.stderr
        assert predict(folder, provider).code == 0
        complete(folder, provider)


# ------------------------------------------------------------------------------------ 4c Files, jobs, batches


@pytest.mark.parametrize(
    ("status", "kind"), [("expired", "batch_expired"), ("cancelled", "batch_cancelled")], ids=["43", "44"]
)
def test_rows_43_and_44_a_batch_that_ended_early(folder: Folder, status: str, kind: str) -> None:
    """What it answered is kept; the rest is named, priced, and asked again only with --yes."""
    folder.table(ROWS)
    with FakeProvider() as provider:
        provider.batch_statuses = ["in_progress", *(["cancelling"] if status == "cancelled" else []), status]
        provider.batch_script = lambda text: kind if int(text[4:]) >= 30 else None
        model = ("--model", "gpt-4.1")
        outcome = predict(folder, provider, *model)
        assert outcome.code == 3
        assert f"30 answers kept, 10 {kind}; --yes asks for 10 again, for about $0." in outcome.stderr
        assert set(problems(folder).values()) == {"unknown"}
        assert len(problems(folder)) == 10
        assert predict(folder, provider, *model).code == 3
        assert provider.created["/batches"] == 1
        provider.batch_statuses = ["completed"]
        provider.batch_script = lambda _: None
        outcome = predict(folder, provider, *model, "--yes")
        assert outcome.code == 0, outcome.stderr
        assert provider.billed.total() == ROWS
        assert provider.extra == 0
        assert provider.created["/batches"] == 2
        assert problems(folder) == {}


def test_row_43_offered_once_in_a_run(folder: Folder) -> None:
    """With --yes what expired is asked again in the same run; if that expires too, the run ends."""
    folder.table(ROWS)
    with FakeProvider() as provider:
        provider.batch_statuses = ["expired"]
        provider.batch_script = lambda _: "batch_expired"
        assert predict(folder, provider, "--yes").code == 3
        assert provider.created["/batches"] == 2
        assert len(problems(folder)) == ROWS


def test_row_44_rows_that_a_cancelled_batch_does_not_name(folder: Folder) -> None:
    folder.table(ROWS)
    with FakeProvider() as provider:
        provider.batch_statuses = ["cancelling", "cancelled"]
        provider.batch_script = lambda text: "missing" if text == "row 3" else None
        outcome = predict(folder, provider)
        assert outcome.code == 3
        assert "1 batch_cancelled" in outcome.stderr


def test_row_44_cancelling_without_end() -> None:
    """Ten minutes by a clock that is handed in."""
    from labeltune.errors import TemporaryError
    from labeltune.prediction.batch.watching import Watched, Watcher
    from labeltune.prediction.journal import BatchEntry
    from labeltune.prediction.story import Silence

    clock = [0.0]
    watcher = object.__new__(Watcher)
    watcher._story, watcher._now = Silence(), lambda: clock[0]
    watched = Watched(BatchEntry(1, "k", "file-1", "batch_1"))
    remote = _batch("cancelling")
    assert watcher.moved(watched, remote)
    clock[0] = 599.0
    assert not watcher.moved(watched, remote)
    clock[0] = 601.0
    with pytest.raises(TemporaryError, match="'cancelling'"):
        watcher.moved(watched, remote)


def _batch(status: str) -> Batch:
    return Batch.construct(id="batch_1", status=status, request_counts=None)


def test_row_45_a_batch_fails_validation(folder: Folder) -> None:
    """The line of the batch is shown as the line of the table, although rows before it were left out."""
    folder.rows(["same", "", "same", "other", "bad\nrow", "last"])
    with FakeProvider() as provider:
        provider.batch_statuses = ["validating", "failed"]
        provider.batch_errors = [
            {"code": "invalid_request", "message": "too long", "line": 3, "param": "body"},
            {"code": "invalid_request", "message": "whatever", "line": 99},
        ]
        outcome = predict(folder, provider)
        assert outcome.code == 7
        assert "data.csv:6: too long" in outcome.stderr
        assert ":99: whatever" in outcome.stderr
        assert "nothing was billed" in outcome.stderr
        assert provider.billed.total() == 0
        assert not folder.output.exists()
        provider.batch_statuses = ["completed"]
        assert predict(folder, provider).code == 3  # for the empty text
        assert provider.billed.total() == 4
        assert provider.extra == 0


@pytest.mark.parametrize(
    ("code", "exit_code"),
    [("insufficient_quota", 6), ("model_not_found", 4), ("server_error", 10), ("empty_file", 7)],
)
def test_row_45_other_reasons(folder: Folder, code: str, exit_code: int) -> None:
    folder.table(5)
    with FakeProvider() as provider:
        provider.batch_statuses = ["failed"]
        provider.batch_errors = [{"code": code, "message": "no", "line": None}]
        assert predict(folder, provider).code == exit_code
        assert provider.created["/batches"] == 1


def test_row_46_rows_in_neither_file(folder: Folder) -> None:
    folder.table(ROWS)
    with FakeProvider() as provider:
        provider.batch_script = lambda text: "missing" if text in ("row 3", "row 9") else None
        outcome = predict(folder, provider)
        assert outcome.code == 3
        assert "38 answers kept, 2 missing" in outcome.stderr
        assert problems(folder) == {"row 3": "unknown", "row 9": "unknown"}
        assert predict(folder, provider).code == 3
        assert provider.created["/batches"] == 1
        provider.batch_script = lambda _: None
        assert predict(folder, provider, "--yes").code == 0
        assert provider.extra == 0


def test_row_47_equal_rows_are_one_request(folder: Folder) -> None:
    folder.rows(["same"] * 10 + ["other"])
    with FakeProvider() as provider:
        assert predict(folder, provider).code == 0
        content = next(body for body in provider.files.values() if b'"url"' in body)
        names = [json.loads(line)["custom_id"] for line in content.splitlines()]
        assert len(names) == len(set(names)) == 2
        assert len(folder.predictions()) == 11


def test_row_47_checked_before_the_upload() -> None:
    import io

    from labeltune.errors import DataError
    from labeltune.prediction.batch.files import write_input_file
    from labeltune.prediction.plan import Ask

    asks = [Ask(number, bytes(16), b"{}", lost_before=False) for number in (1, 2)]
    with pytest.raises(DataError, match="same custom_id"):
        write_input_file(io.BytesIO(), iter(asks))


def test_row_48_duplicate_and_foreign_lines(folder: Folder) -> None:
    folder.table(ROWS)
    with FakeProvider() as provider:
        ok = {"status_code": 200, "request_id": "r", "body": completion("beta")}
        provider.batch_more = [
            {"id": "x", "custom_id": "00" * 16, "response": ok, "error": None},
            {"id": "x", "custom_id": "request-7", "response": ok, "error": None},
        ]
        provider.batch_twice = [0, 3]
        outcome = predict(folder, provider)
        assert outcome.code == 0
        assert "2 lines of no request of ours are left out" in outcome.stderr
        assert "2 lines that answer a request again are left out" in outcome.stderr
        complete(folder, provider)


def test_row_48_lines_that_are_none(folder: Folder) -> None:
    folder.table(ROWS)
    with FakeProvider() as provider:
        broken = {"status_code": 200, "request_id": "r", "body": {"choices": None}}
        odd: dict[str, dict[str, Any]] = {
            "row 1": {"response": broken},
            "row 2": {"response": None, "error": None},
            "row 3": {"response": {"status_code": "200"}, "error": "?"},
        }
        provider.batch_script = odd.get
        provider.batch_more = [{"custom_id": 3}, {}]
        outcome = predict(folder, provider)
        assert outcome.code == 3
        assert problems(folder) == {"row 1": "bad_response", "row 2": "unknown", "row 3": "unknown"}


def test_row_49_more_than_one_batch_takes(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """By number; each is created once, and each found again on its own after a kill."""
    monkeypatch.setattr("labeltune.prediction.batch.queue.MOST_REQUESTS", 15)
    folder.table(ROWS)
    with FakeProvider() as provider:
        provider.fail_next["GET /files/file-8/content"] = [refuse(401, "invalid_api_key")]
        assert predict(folder, provider).code == 4
        assert [batch["size"] for batch in provider.batches.values()] == [15, 15, 10]
        assert len(journal(folder, "SELECT id FROM batches WHERE NOT collected")) == 2
        assert predict(folder, provider).code == 0
        complete(folder, provider, batches=3)


def test_row_49_as_many_as_fit_into_one_file() -> None:
    """120,000 rows, and bytes; the limit holds for the whole line."""
    import io

    from labeltune.prediction.batch.files import MOST_REQUESTS, write_input_file
    from labeltune.prediction.plan import Ask

    def ask(number: int, body: bytes) -> Ask:
        return Ask(number, number.to_bytes(16, "big"), body, lost_before=False)

    rest = iter([ask(number, b"{}") for number in range(120_000)])
    sizes = []
    while True:
        handle = io.BytesIO()
        requests, rest = write_input_file(handle, rest)
        if not requests:
            break
        sizes.append(len(requests))
    assert sizes == [MOST_REQUESTS, MOST_REQUESTS, 20_000]

    rest = iter([ask(number, b'"%s"' % (b"x" * 1000)) for number in range(10)])
    handle = io.BytesIO()
    requests, rest = write_input_file(handle, rest, most_bytes=5000)
    assert requests == [0, 1, 2, 3]
    assert len(handle.getvalue()) <= 5000
    assert [left.request for left in rest] == list(range(4, 10))


def test_row_49_the_queue_is_full(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch too many waits until another one is over."""
    monkeypatch.setattr("labeltune.prediction.batch.queue.MOST_REQUESTS", 15)
    folder.table(ROWS)
    with FakeProvider() as provider:
        provider.batch_queue = 30
        outcome = predict(folder, provider)
        assert outcome.code == 0, outcome.stderr
        assert "takes no more batches for now" in outcome.stderr
        complete(folder, provider, batches=provider.created["/batches"])
        assert provider.created["/batches"] >= 4


def test_row_49_smaller_batches_for_a_small_queue(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("labeltune.prediction.batch.queue.LEAST_REQUESTS", 5)
    folder.table(ROWS)
    with FakeProvider() as provider:
        provider.batch_queue = 24
        # What a batch of all rows and one of half of them do not fit into.
        monkeypatch.setattr("labeltune.prediction.batch.queue.MOST_REQUESTS", ROWS)
        assert predict(folder, provider).code == 0
        assert sorted(b["size"] for b in provider.batches.values() if b["status"] == "completed") == [20, 20]
        assert provider.extra == 0


def test_row_49_a_queue_that_stays_full(folder: Folder) -> None:
    folder.table(ROWS)
    with FakeProvider() as provider:
        provider.fail_next["POST /batches"] = [refuse(429, "rate_limit_exceeded")] * 5
        outcome = predict(folder, provider, "--max-wait", "1")
        assert outcome.code == 5
        assert "its queue of batches is full" in outcome.stderr
        provider.fail_next.clear()
        assert predict(folder, provider).code == 0
        complete(folder, provider)


def test_row_50_the_answers_were_deleted(folder: Folder) -> None:
    folder.table(ROWS)
    with FakeProvider() as provider:
        provider.batch_ended_at = int(time.time()) - 40 * 86_400
        gone = refuse(404, "not_found", "No such File object")
        provider.fail_next["GET /files/file-3/content"] = [gone] * 2
        day = time.strftime("%Y-%m-%d", time.gmtime(provider.batch_ended_at + 30 * 86_400))
        for _ in range(2):
            outcome = predict(folder, provider)
            assert outcome.code == 10
            assert f"{ROWS} answers were deleted on {day}" in outcome.stderr
            assert f"--yes asks for {ROWS} again" in outcome.stderr
            provider.fail_next["GET /files/file-3/content"] = [gone]
        assert provider.created["/batches"] == 1
        assert predict(folder, provider, "--yes").code == 0
        assert provider.created["/batches"] == 2
        assert problems(folder) == {}


def test_row_50_the_batch_itself_is_gone(folder: Folder) -> None:
    folder.table(ROWS)
    with FakeProvider() as provider:
        provider.batch_statuses = ["in_progress"]
        provider.fail_next["GET /batches/batch_2"] = [refuse(401, "invalid_api_key")]
        assert predict(folder, provider).code == 4
        provider.batches.clear()
        outcome = predict(folder, provider)
        assert outcome.code == 10
        assert "batch_2 is gone" in outcome.stderr
        provider.batch_statuses = ["completed"]
        assert predict(folder, provider, "--yes").code == 0


def test_row_51_an_error_file_with_server_errors(folder: Folder) -> None:
    folder.table(ROWS)
    codes = {"row 1": "429", "row 2": "500", "row 3": "500", "row 4": "context_length_exceeded"}
    with FakeProvider() as provider:
        provider.batch_script = codes.get
        outcome = predict(folder, provider)
        assert outcome.code == 3
        assert "36 answers kept, 1 429, 2 500; --yes asks for 3 again" in outcome.stderr
        assert "the provider rejected 1 row: context_length_exceeded" in outcome.stderr
        assert problems(folder) == {
            "row 1": "unknown",
            "row 2": "unknown",
            "row 3": "unknown",
            "row 4": "rejected",
        }
        provider.batch_script = lambda _: None
        assert predict(folder, provider, "--yes").code == 3
        assert problems(folder) == {"row 4": "rejected"}
        assert provider.extra == 0
