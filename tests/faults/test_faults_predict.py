"""Paid calls when things go wrong: a test for each row of the table of faults, named after the row."""

from __future__ import annotations

import errno
import json
import os
import random
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email.utils import formatdate
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from faults.clock import SLEEPER, Clock
from faults.fake_provider import ANSWER, FakeProvider, Fate, completion, refuse
from faults.fault_folder import KILLS, Folder, finish, kill
from labeltune.cli.app import app
from labeltune.errors import DiskError
from labeltune.prediction.journal import Journal
from labeltune.prediction.journal.commits import GroupCommit
from waiting import HANG_S, wait_until

KEY = "sk-canary-0123456789"


def journal_of(folder: Folder) -> Path:
    path: Path
    (path,) = (folder.path / ".labeltune").glob("predict-*.db")
    return path


def states(folder: Folder) -> dict[int, int]:
    """How many requests are in each state: 0 todo, 1 sent, 2 done, 3 failed, 4 unknown."""
    connection = sqlite3.connect(journal_of(folder))
    try:
        assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        return dict(connection.execute("SELECT state, count(*) FROM requests GROUP BY state").fetchall())
    finally:
        connection.close()


def complete(folder: Folder, provider: FakeProvider, count: int) -> None:
    """The output holds every row once, in order, answered; and nothing more is asked by running it again."""
    rows = folder.predictions()
    assert [row["text"] for row in rows] == [f"row {number}" for number in range(count)]
    assert all(row["predicted_intent"] == "alpha" and not row["problem"] for row in rows)
    before = provider.asked.total()
    assert folder.predict(provider).code == 0
    assert provider.asked.total() == before


# -------------------------------------------------------------------------------------------------- 4a Process

IGNORING = """\
import os, signal, sys
signal.signal(signal.SIG{}, signal.SIG_IGN)
os.execv(sys.executable, [sys.executable, "-m", "labeltune", *sys.argv[1:]])
"""
"""The command, started with a signal ignored."""


def answers_end_after(provider: FakeProvider, count: int) -> None:
    """What is asked when so many answers were made waits for ever."""
    provider.script = lambda _text, _attempt: ANSWER if provider.billed.total() < count else Fate(delay=3600)


def has_begun(provider: FakeProvider, process: subprocess.Popen[str], billed: int) -> bool:
    """Whether a run has brought an answer, or is over."""
    return provider.billed.total() > billed or process.poll() is not None


def killed_again_and_again(folder: Folder, kills: int, rows: int, flight: int) -> None:
    """Each run gets some more of the answers, so that none ends before it is killed, however late that is."""
    chance = random.Random(7)
    folder.table(rows)
    each = rows // (kills + 1)
    with FakeProvider(delay=0.01) as provider:
        for number in range(1, kills + 1):
            answers_end_after(provider, number * each)
            before = provider.billed.total()
            process = folder.start(provider, "--concurrency", str(flight))
            wait_until(partial(has_begun, provider, process, before))
            time.sleep(chance.uniform(0.0, 0.15))
            assert process.poll() is None
            kill(process)
            assert not folder.output.exists()
            assert states(folder).get(1, 0) <= flight
        provider.script = lambda _text, _attempt: ANSWER
        assert finish(folder.start(provider, "--concurrency", str(flight))).code == 0
        assert provider.extra <= kills * flight
        complete(folder, provider, rows)


def test_row_8_kill_9_in_predict(folder: Folder) -> None:
    killed_again_and_again(folder, kills=6, rows=600, flight=8)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_row_8_kill_9_in_predict_200_times(folder: Folder, request: pytest.FixtureRequest) -> None:
    request.node.user_properties.append(("runs", KILLS))
    killed_again_and_again(folder, kills=KILLS, rows=100 * KILLS, flight=8)


def test_row_8_says_what_is_kept_and_what_may_be_billed(folder: Folder) -> None:
    folder.table(300)
    with FakeProvider(delay=0.02) as provider:
        answers_end_after(provider, 100)
        process = folder.start(provider, "--concurrency", "8")
        wait_until(lambda: provider.billed.total() > 60)
        kill(process)
        lost = states(folder)[1]
        provider.script = lambda _text, _attempt: ANSWER
        outcome = folder.predict(provider)
        assert f"answers kept, {lost} maybe billed" in outcome.stderr
        assert outcome.code == 0


def test_row_8_strict_after_a_kill(folder: Folder) -> None:
    """With --resend 0 what was in flight is not asked again: the rows are unknown."""
    folder.table(300)
    with FakeProvider(delay=0.02) as provider:
        answers_end_after(provider, 100)
        process = folder.start(provider, "--concurrency", "8", "--resend", "0")
        wait_until(lambda: provider.billed.total() > 60)
        kill(process)
        lost = states(folder)[1]
        provider.script = lambda _text, _attempt: ANSWER
        outcome = folder.predict(provider, "--resend", "0")
        assert provider.extra == 0
        assert outcome.code == (3 if lost else 0)
        assert sum(row["problem"] == "unknown" for row in folder.predictions()) == lost


@pytest.mark.parametrize(
    ("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_rows_10_and_12_a_signal_drains(folder: Folder, signum: signal.Signals, code: int) -> None:
    folder.table(400)
    with FakeProvider(delay=0.1) as provider:
        process = folder.start(provider, "--concurrency", "12")
        wait_until(lambda: provider.billed.total() > 30)
        process.send_signal(signum)
        outcome = finish(process)
        assert outcome.code == code
        assert "stopping: waiting for" in outcome.stderr
        assert ("Ctrl-C again" in outcome.stderr) == (signum == signal.SIGINT)
        assert "Traceback" not in outcome.stderr
        assert outcome.stdout == ""
        assert not folder.output.exists()
        assert states(folder).get(1, 0) == 0
        assert states(folder)[2] == provider.billed.total()
        provider.delay = 0.0
        assert folder.predict(provider).code == 0
        assert provider.extra == 0
        complete(folder, provider, 400)


@pytest.mark.parametrize("name", ["INT", "TERM", "HUP"])
def test_rows_10_and_12_a_signal_that_is_ignored_stops_nothing(folder: Folder, name: str) -> None:
    """`nohup`, and what a script starts in the background."""
    folder.table(400)
    with FakeProvider(delay=0.1) as provider:
        process = folder.start(provider, "--concurrency", "12", program=("-c", IGNORING.format(name)))
        wait_until(lambda: provider.billed.total() > 30)
        process.send_signal(getattr(signal, f"SIG{name}"))
        provider.delay = 0.0
        outcome = finish(process)
        assert outcome.code == 0, outcome.stderr
        assert "stopping" not in outcome.stderr
        complete(folder, provider, 400)


def test_row_11_ctrl_c_twice_drops(folder: Folder) -> None:
    folder.table(100)
    with FakeProvider() as provider:
        provider.script = lambda text, _: Fate(delay=3600 if int(text.split()[1]) > 20 else 0.0)
        process = folder.start(provider, "--concurrency", "8", "--timeout", "3600")
        # Eight leave at a time: when eight of the slow ones are here, the answers of all quick ones have arrived.
        wait_until(lambda: provider.asked.total() == 21 + 8)
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        # Two signals that come before the first is heard are one.
        assert any("Ctrl-C again" in line for line in process.stderr)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        outcome = finish(process)
        assert outcome.code == 130
        assert "8 answers dropped, maybe billed" in outcome.stderr
        assert states(folder)[1] == 8
        provider.script = lambda _text, _attempt: ANSWER
        assert "8 maybe billed" in folder.predict(provider).stderr
        complete(folder, provider, 100)


def test_row_13_a_process_that_slept(folder: Folder) -> None:
    """Stopped for longer than the deadline: what was in flight is lost or answered, everything else goes on."""
    folder.table(400)
    with FakeProvider(delay=0.05) as provider:
        process = folder.start(provider, "--concurrency", "4", program=("-c", SLEEPER))
        wait_until(lambda: provider.billed.total() > 10)
        process.send_signal(signal.SIGSTOP)
        provider.delay = 0.0
        wait_until(lambda: provider.in_flight == 0)
        process.send_signal(signal.SIGUSR1)
        process.send_signal(signal.SIGCONT)
        assert finish(process).code == 0
        assert provider.extra <= 4
        complete(folder, provider, 400)


def test_row_14_commits_are_flushed_to_the_disk(folder: Folder) -> None:
    """A power cut is a kill that also loses what was not flushed: every commit is (`synchronous` = FULL)."""
    from labeltune.prediction.journal import open_journal

    with open_journal(folder.path / "x.db") as journal:
        assert journal._database.one("PRAGMA synchronous")[0] == 2
        assert journal._database.one("PRAGMA journal_mode")[0] == "wal"


def test_row_15_a_second_process(folder: Folder) -> None:
    folder.table(200)
    with FakeProvider() as provider:
        answers_end_after(provider, 20)
        process = folder.start(provider, "--concurrency", "4")
        wait_until(lambda: provider.billed.total() > 3)
        # What is billed is on its way; what is done has arrived.
        wait_until(lambda: states(folder).get(2, 0) > 3)
        asked = states(folder)
        second = folder.predict(provider)
        assert second.code == 9
        assert f"pid {process.pid} on host {socket.gethostname()} holds this run" in second.stderr
        assert states(folder)[2] >= asked[2]
        kill(process)
        provider.script = lambda _text, _attempt: ANSWER
        assert folder.predict(provider).code == 0


def test_row_16_a_closed_pipe_is_silent(folder: Folder) -> None:
    folder.table(3000)
    with FakeProvider() as provider:
        assert folder.predict(provider, "-q").code == 0
        command = (
            f"{sys.executable} -m labeltune {' '.join(folder.arguments(provider, '-o', '-', '-q'))} | head -1"
        )
        script = f"set -o pipefail; {command}; exit ${{PIPESTATUS[0]}}"
        done = subprocess.run(
            ["bash", "-c", script], cwd=folder.path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 141
        assert done.stderr == ""
        assert done.stdout.startswith("text,label,predicted_intent")


def test_row_17_a_retry_date_is_read_against_the_reply_s_own(folder: Folder) -> None:
    """The provider's clock is a day ahead of ours: the wait is two seconds all the same."""
    folder.table(5)
    ahead = time.time() + 86_400
    dated = {"retry-after": formatdate(ahead + 2, usegmt=True), "date": formatdate(ahead, usegmt=True)}
    limited = Fate("refuse", 429, b"{}", dated)
    with FakeProvider(
        lambda text, attempt: limited if (text, attempt) == ("row 0", 1) else ANSWER
    ) as provider:
        began = time.monotonic()
        assert folder.predict(provider).code == 0
        assert time.monotonic() - began > 1.5
        assert provider.extra == 0


# ------------------------------------------------------------------------------------------ 4b Network and API


@pytest.mark.parametrize(
    "headers",
    [
        {"retry_after": "1"},
        {"retry_after_ms": "1000"},
        {"x_ratelimit_remaining_requests": "0", "x_ratelimit_reset_requests": "1s"},
    ],
    ids=["seconds", "milliseconds", "ratelimit"],
)
def test_row_18_a_rate_limit_pauses_everyone(folder: Folder, headers: dict[str, str]) -> None:
    folder.table(200)
    limited = refuse(429, "rate_limit_exceeded", "slow down", **headers)
    times: list[float] = []
    refused: list[float] = []

    def script(text: str, attempt: int) -> Fate:
        times.append(time.monotonic())
        if (text, attempt) != ("row 20", 1):
            return ANSWER
        refused.append(times[-1])
        return limited

    with FakeProvider(script) as provider:
        outcome = folder.predict(provider, "--concurrency", "4")
        assert outcome.code == 0
        assert "waiting 1 s (rate limit)" in outcome.stderr
        assert provider.extra == 0
        # Until the refusal was read, some more were sent: a few, and not the 180 that are left.
        assert sum(0 < at - refused[0] < 0.9 for at in times) < 40
        complete(folder, provider, 200)


def test_row_18_fewer_are_in_flight_after_a_rate_limit() -> None:
    from labeltune.prediction.pace import Pace

    clock = [0.0]
    pace = Pace(50, lambda: clock[0])
    for _ in range(45):
        pace.answered()
    assert pace.limit == 50
    assert pace.limited(2.0) == 2.0
    assert pace.limited(2.0) == 2.0
    assert pace.limit == 40
    assert pace.pause_seconds == 2.0


def test_row_19_a_longer_wait_than_allowed(folder: Folder) -> None:
    folder.table(40)
    limited = refuse(429, "rate_limit_exceeded", retry_after="300")
    with FakeProvider(lambda text, _: limited if text == "row 20" else ANSWER, delay=0.02) as provider:
        outcome = folder.predict(provider, "--max-wait", "10")
        assert outcome.code == 5
        assert "300 s" in outcome.stderr
        assert not folder.output.exists()
        assert states(folder).get(1, 0) == 0
        provider.script = lambda _text, _attempt: ANSWER
        assert folder.predict(provider).code == 0
        assert provider.extra == 0


@pytest.mark.parametrize("code", ["insufficient_quota", "credit_balance_exhausted"])
def test_row_20_the_quota_is_used_up(folder: Folder, code: str) -> None:
    folder.table(200)
    quota = refuse(429, code, "You exceeded your quota", retry_after="1")
    with FakeProvider(delay=0.01) as provider:
        provider.script = lambda _t, _a: quota if provider.billed.total() >= 50 else ANSWER
        outcome = folder.predict(provider, "--concurrency", "8")
        assert outcome.code == 6
        assert "quota used up" in outcome.stderr
        assert f"{provider.billed.total()} rows were answered" in outcome.stderr
        assert provider.asked.total() <= 50 + 2 * 8
        assert states(folder)[2] == provider.billed.total()
        provider.script = lambda _text, _attempt: ANSWER
        assert folder.predict(provider).code == 0
        assert provider.extra == 0


@pytest.mark.parametrize("status", [500, 503])
def test_row_21_a_storm_of_server_errors(
    folder: Folder, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("labeltune.prediction.pace.PROBE_FIRST", 0.05)
    folder.table(100)
    storm = refuse(status, "server_error", "overloaded")

    def script(_text: str, _attempt: int) -> Fate:
        # Ten in a row, whatever is in flight when it begins and when the breaker opens, and a try that fails.
        return storm if 20 < provider.asked.total() <= 20 + 16 else ANSWER

    with FakeProvider(script) as provider:
        outcome = folder.predict(provider, "--concurrency", "4")
        assert outcome.code == 0
        assert "server errors" in outcome.stderr
        assert "trying 1 request" in outcome.stderr
        assert provider.asked.total() == 100 + 16
        assert provider.extra == 0
        complete(folder, provider, 100)


def test_row_21_a_storm_that_does_not_end(folder: Folder) -> None:
    folder.table(50)
    storm = refuse(500, "server_error", "overloaded")
    with FakeProvider(lambda text, _: ANSWER if int(text[4:]) < 10 else storm) as provider:
        outcome = folder.predict(provider, "--max-wait", "2")
        assert outcome.code == 5
        assert "10 rows were answered" in outcome.stderr
        assert states(folder) == {0: 40, 2: 10}


LOST = {
    "22 reset": Fate("reset"),
    "23 half a body": Fate("half"),
    "24 broken JSON": Fate(body=json.dumps(completion("alpha")).encode()[:-40]),
    "27 slow": Fate("slow"),
    "28 hang": Fate("hang"),
}


@contextmanager
def time_passes(clock: Clock, provider: FakeProvider, name: str, *, lost: int) -> Iterator[None]:
    """While the block asks 30 rows: once all answers but the lost ones are here, the deadline passes."""

    def wait() -> None:
        wait_until(lambda: len(clock.answers) == 30 - lost and provider.in_flight == lost)
        clock.forward(100)

    if name not in ("27 slow", "28 hang"):
        yield
        return
    waiting = threading.Thread(target=wait)
    waiting.start()
    yield
    waiting.join()


@pytest.mark.parametrize("name", LOST)
def test_rows_22_to_28_a_lost_answer_is_asked_for_once_more(folder: Folder, name: str, clock: Clock) -> None:
    folder.table(30)
    # None of the first five, which leave together: one that comes back before any answer is not held to be lost.
    bad = {"row 7", "row 17", "row 29"}
    fate = LOST[name]
    with FakeProvider(lambda t, attempt: fate if t in bad and attempt == 1 else ANSWER) as provider:
        with time_passes(clock, provider, name, lost=3):
            outcome = folder.predict(provider)
        assert outcome.code == 0
        assert "3 rows were sent again, maybe billed twice" in outcome.stderr
        assert provider.extra <= 3
        assert all(provider.asked[text] == (2 if text in bad else 1) for text in provider.asked)
        complete(folder, provider, 30)


@pytest.mark.parametrize("name", LOST)
def test_rows_22_to_28_strict(folder: Folder, name: str, clock: Clock) -> None:
    folder.table(30)
    fate = LOST[name]
    with FakeProvider(lambda text, _: fate if text == "row 17" else ANSWER) as provider:
        with time_passes(clock, provider, name, lost=1):
            outcome = folder.predict(provider, "--resend", "0")
        assert outcome.code == 3
        assert "1 unknown" in outcome.stderr
        assert provider.extra == 0
        assert folder.predictions()[17]["problem"] == "unknown"
        assert folder.predict(provider, "--resend", "0").code == 3
        assert provider.asked["row 17"] == 1


def test_row_22_at_most_resend_times(folder: Folder) -> None:
    folder.table(10)
    with FakeProvider(lambda text, _: Fate("reset") if text == "row 7" else ANSWER) as provider:
        assert folder.predict(provider, "--resend", "2").code == 3
        assert provider.asked["row 7"] == 3
        # A rerun is the user's wish to try again: it counts as sending again.
        assert folder.predict(provider, "--resend", "1").code == 3
        assert provider.asked["row 7"] == 4
        provider.script = lambda _text, _attempt: ANSWER
        assert folder.predict(provider).code == 0


def test_row_25_a_page_instead_of_the_api(folder: Folder) -> None:
    folder.table(50)
    page = Fate("refuse", 200, b"<html><title>Log in</title></html>", {"content-type": "text/html"})
    with FakeProvider() as provider:
        provider.script = lambda _t, _a: page if provider.billed.total() >= 10 else ANSWER
        outcome = folder.predict(provider, "--concurrency", "2")
        assert outcome.code == 5
        assert "the answer is not from the API: <html><title>Log in" in outcome.stderr
        assert provider.asked.total() <= 10 + 3 + 2
        provider.script = lambda _text, _attempt: ANSWER
        assert folder.predict(provider).code == 0
        assert provider.extra == 0


@pytest.mark.parametrize("body", [b"{}", b'{"choices": null}', b"[]", b'{"choices": [{}]}', b"3"])
def test_row_26_a_reply_without_an_answer(folder: Folder, body: bytes) -> None:
    folder.table(10)
    with FakeProvider(lambda text, _: Fate(body=body) if text == "row 4" else ANSWER) as provider:
        assert folder.predict(provider).code == 3
        assert folder.predictions()[4]["problem"] == "bad_response"
        assert folder.predict(provider).code == 3
        assert provider.asked["row 4"] == 1
        connection = sqlite3.connect(journal_of(folder))
        assert connection.execute("SELECT raw FROM answers WHERE kind <> ''").fetchall() == [(body,)]
        connection.close()


def test_row_29_the_key_is_rejected_in_the_middle(folder: Folder) -> None:
    folder.table(100)
    rejected = refuse(401, "invalid_api_key", f"Incorrect API key provided: {KEY}")
    with FakeProvider() as provider:
        provider.script = lambda _t, _a: rejected if provider.billed.total() >= 30 else ANSWER
        outcome = folder.predict(provider, "--concurrency", "4")
        assert outcome.code == 4
        assert "key rejected" in outcome.stderr
        assert f"{provider.billed.total()} rows were answered in this run, nothing is lost" in outcome.stderr
        assert KEY not in outcome.stderr + outcome.stdout
        provider.script = lambda _text, _attempt: ANSWER
        assert folder.predict(provider).code == 0
        assert provider.extra == 0


def test_row_31_the_model_goes_away(folder: Folder) -> None:
    folder.table(100)
    gone = refuse(404, "model_not_found", "The model `m` does not exist")
    with FakeProvider() as provider:
        provider.script = lambda _t, _a: gone if provider.billed.total() >= 30 else ANSWER
        outcome = folder.predict(provider, "--concurrency", "4")
        assert outcome.code == 4
        assert "the model no longer exists" in outcome.stderr
        assert states(folder)[2] == provider.billed.total()


def test_row_32_one_row_is_rejected(folder: Folder) -> None:
    folder.table(30)
    too_long = refuse(400, "context_length_exceeded", "too long")
    with FakeProvider(lambda text, _: too_long if text == "row 2" else ANSWER) as provider:
        outcome = folder.predict(provider)
        assert outcome.code == 3
        assert "context_length_exceeded" in outcome.stderr
        assert folder.predictions()[2]["problem"] == "rejected"
        assert sum(row["problem"] == "" for row in folder.predictions()) == 29
        assert folder.predict(provider).code == 3
        assert provider.asked["row 2"] == 1


def test_row_33_every_request_is_rejected(folder: Folder) -> None:
    folder.table(100)
    bad = refuse(400, "invalid_request_error", "logprobs are not supported")
    with FakeProvider(lambda _text, _attempt: bad) as provider:
        outcome = folder.predict(provider)
        assert outcome.code == 2
        assert "every request is rejected: logprobs are not supported" in outcome.stderr
        assert "--no-confidence" in outcome.stderr
        assert provider.asked.total() == 5
        assert not folder.output.exists()
        provider.script = lambda _text, _attempt: ANSWER
        assert folder.predict(provider).code == 0


def test_row_34_nobody_there(folder: Folder) -> None:
    folder.table(10)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        outcome = folder.predict(f"http://127.0.0.1:{port}/v1")
    assert outcome.code == 5
    assert "cannot be reached" in outcome.stderr
    assert states(folder) == {0: 10}


@contextmanager
def plain_speaker() -> Iterator[int]:
    """A port that answers whatever comes with words."""

    def answer(listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                with client, suppress(OSError):
                    client.recv(1 << 16)
                    client.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=answer, args=(listener,), daemon=True).start()
        yield listener.getsockname()[1]


def test_row_35_tls_that_is_none(folder: Folder) -> None:
    folder.table(10)
    with plain_speaker() as port:
        outcome = folder.predict(f"https://127.0.0.1:{port}/v1")
    assert outcome.code == 5
    assert "does not speak TLS on this port" in outcome.stderr
    assert "is it http://?" in outcome.stderr
    assert "certificate" not in outcome.stderr
    assert states(folder) == {0: 10}


def test_row_36_the_budget(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.table(200)
    with FakeProvider() as provider:
        outcome = folder.predict(provider, "--max-cost", "1")
        assert outcome.code == 6
        assert "price" in outcome.stderr
        prices = folder.path / "prices.toml"
        prices.write_text('[[model]]\nname = "m"\ninput = 100.0\noutput = 1000.0\n')
        monkeypatch.setenv("LABELTUNE_PRICES", str(prices))
        outcome = folder.predict(provider, "--max-cost", "0.1")
        assert outcome.code == 6
        assert "estimate $" in outcome.stderr
        assert "> limit $0.10" in outcome.stderr
        assert provider.asked.total() == 0
        # The estimate is below the limit, what the provider counts is above: 10 and 5 tokens, $0.006 a row.
        outcome = folder.predict(provider, "--max-cost", "0.6", "--concurrency", "4", "--limit", "120")
        assert outcome.code == 6
        assert "of --max-cost $0.60" in outcome.stderr
        assert 100 <= provider.billed.total() <= 101 + 4
        assert states(folder)[2] == provider.billed.total()


# --------------------------------------------------------------------------------------------- 4d Disk and state


def small_disk(folder: Folder, megabytes: int, command: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a command where `.labeltune` is a disk of its own, of that size."""
    (folder.path / ".labeltune").mkdir(mode=0o700)
    script = f"mount -t tmpfs -o size={megabytes}m,mode=700 none .labeltune && {' '.join(command)}; code=$?; "
    script += "cp .labeltune/*.db kept.db; exit $code"
    return subprocess.run(
        ["unshare", "-Urm", "sh", "-c", script],
        cwd=folder.path,
        capture_output=True,
        text=True,
        check=False,
        timeout=HANG_S,
    )


def can_mount() -> bool:
    if shutil.which("unshare") is None:
        return False
    probe = ["unshare", "-Urm", "sh", "-c", "mount -t tmpfs -o size=1m none /mnt"]
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not can_mount(), reason="a small disk cannot be mounted here")
def test_row_52_the_disk_is_full(folder: Folder) -> None:
    """The ballast is freed, what was in flight is saved, nothing is asked twice."""
    folder.table(3000)
    long = json.dumps(completion("alpha") | {"padding": "x" * 20_000}).encode()
    with FakeProvider(lambda _text, _attempt: Fate(body=long)) as provider:
        command = [sys.executable, "-m", "labeltune", *folder.arguments(provider, "--concurrency", "8")]
        done = small_disk(folder, 48, command)
        assert done.returncode == 8, done.stderr
        assert "disk full; stopped;" in done.stderr
        connection = sqlite3.connect(folder.path / "kept.db")
        saved = connection.execute("SELECT count(*) FROM requests WHERE state = 2").fetchone()[0]
        assert connection.execute("SELECT count(*) FROM requests WHERE state = 1").fetchone()[0] == 0
        connection.close()
        assert saved == provider.billed.total() > 100
        assert provider.extra == 0


def test_row_52_every_commit_may_fail(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the n-th commit meet a full disk, n = 1, 2, …: what is answered is saved, a rerun asks the rest."""
    write = GroupCommit._apply
    for number in range(1, 8):
        folder.table(30 + number, text=f"{number}: row {{}}".format)
        seen = [0]

        def fails(
            self: GroupCommit, operations: object, seen: list[int] = seen, number: int = number
        ) -> None:
            seen[0] += 1
            if seen[0] == number:
                error = sqlite3.OperationalError("database or disk is full")
                error.sqlite_errorcode = sqlite3.SQLITE_FULL
                raise error
            write(self, operations)  # type: ignore[arg-type]  # handed on as it came

        with FakeProvider() as provider:
            with monkeypatch.context() as patch:
                patch.setattr(GroupCommit, "_apply", fails)
                outcome = folder.predict(provider, "--concurrency", "4", "-o", f"out-{number}.csv")
            assert outcome.code in (8, 0), outcome.stderr
            assert outcome.code == 0 or " saved" in outcome.stderr
            assert folder.predict(provider, "-o", f"out-{number}.csv", "--accept-changes").code == 0
            assert provider.extra == 0
            shutil.rmtree(folder.path / ".labeltune")


def test_row_53_the_disk_is_full_when_the_output_is_written(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.table(20)
    with FakeProvider() as provider:
        assert folder.predict(provider).code == 0
        old = folder.output.read_bytes()
        folder.table(25)
        with monkeypatch.context() as patch:

            def full(_descriptor: int) -> None:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

            patch.setattr("labeltune.files.writing.os.fsync", full)
            assert folder.predict(provider).code == 8
        assert folder.output.read_bytes() == old
        assert list(folder.path.glob(".labeltune-*")) == []
        assert folder.predict(provider).code == 0
        complete(folder, provider, 25)
        assert provider.extra == 0


@pytest.mark.parametrize("out", ["no/such/folder/p.csv", "task.toml/p.csv", "p.docx", "data.csv", "."])
def test_row_54_an_output_that_cannot_be_written(folder: Folder, out: str) -> None:
    folder.table(20)
    with FakeProvider() as provider:
        assert folder.predict(provider, "-o", out).code == (2 if out in ("p.docx", "data.csv", ".") else 8)
        assert provider.asked.total() == 0


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_row_54_no_permission(folder: Folder) -> None:
    folder.table(20)
    closed = folder.path / "closed"
    closed.mkdir(mode=0o500)
    with FakeProvider() as provider:
        assert folder.predict(provider, "-o", "closed/p.csv").code == 8
        assert provider.asked.total() == 0


def test_row_54_the_state_folder_is_a_file(folder: Folder) -> None:
    folder.table(20)
    (folder.path / ".labeltune").write_text("")
    with FakeProvider() as provider:
        assert folder.predict(provider).code == 8
        assert provider.asked.total() == 0


def test_row_55_a_damaged_journal(folder: Folder) -> None:
    folder.table(2000)
    with FakeProvider() as provider:
        assert folder.predict(provider, "--limit", "1500").code == 0
        path = journal_of(folder)
        content = bytearray(path.read_bytes())
        place = len(content) * 3 // 4 // 4096 * 4096
        content[place : place + 4096] = random.Random(1).randbytes(4096)
        path.write_bytes(content)
        outcome = folder.predict(provider)
        assert outcome.code == 8
        assert "quick_check failed" in outcome.stderr
        assert path.read_bytes() == content
        outcome = folder.predict(provider, "--recover")
        assert outcome.code == 0, outcome.stderr
        assert path.with_suffix(".damaged").read_bytes() == content
        assert len(folder.predictions()) == 2000
        assert provider.extra < 1500 - 500


def test_row_55_not_a_journal_at_all(folder: Folder) -> None:
    folder.table(20)
    with FakeProvider() as provider:
        assert folder.predict(provider).code == 0
        journal_of(folder).write_bytes(random.Random(2).randbytes(9000))
        assert folder.predict(provider).code == 8
        assert folder.predict(provider, "--recover").code == 0


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc to know what is open")
@pytest.mark.parametrize("where", ["_enter", "results"])
def test_row_55_a_journal_that_fails_leaves_the_table_closed(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """Else it stays open for as long as the error is held."""
    folder.table(50)
    method = getattr(Journal, where)

    def broken(values: Iterator[Any]) -> Iterator[Any]:
        yield next(iter(values))
        raise DiskError("the journal is damaged")

    def fails(journal: Journal, first: Any, *more: Any) -> Any:
        return method(journal, first, broken(*more)) if more else broken(method(journal, first))

    with FakeProvider() as provider, monkeypatch.context() as patch:
        patch.setattr(Journal, where, fails)
        result = CliRunner().invoke(app, folder.arguments(provider))
    assert result.exit_code == DiskError.exit_code, result.stderr
    opened = [entry.resolve().name for entry in Path("/proc/self/fd").iterdir()]
    assert "data.csv" not in opened


def test_row_56_a_file_system_without_a_write_ahead_log(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.table(50)
    connect = sqlite3.connect

    class Refusing(sqlite3.Connection):
        def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
            return super().execute(sql.replace("journal_mode = WAL", "journal_mode = DELETE"), *values)

    monkeypatch.setattr(
        "labeltune.prediction.journal.opening.sqlite3.connect",
        lambda *a, **k: connect(*a, **({"factory": Refusing} | k)),
    )
    with FakeProvider() as provider:
        outcome = folder.predict(provider)
        assert outcome.code == 0
        assert "no write-ahead log" in outcome.stderr
        complete(folder, provider, 50)


def test_row_57_the_input_was_edited(folder: Folder) -> None:
    folder.table(100)
    with FakeProvider() as provider:
        assert folder.predict(provider).code == 0
        old = folder.output.read_bytes()
        texts = [f"row {number}" if number >= 12 else f"edited {number}" for number in range(103)]
        folder.rows(texts)
        outcome = folder.predict(provider)
        assert outcome.code == 9
        assert "12 rows changed, 3 new" in outcome.stderr
        assert folder.output.read_bytes() == old
        assert folder.predict(provider, "--accept-changes").code == 0
        assert provider.billed.total() == 100 + 15
        assert provider.extra == 0
        assert [row["text"] for row in folder.predictions()] == texts


@pytest.mark.parametrize("batch", [False, True], ids=["online", "batch"])
@pytest.mark.parametrize("edit", ["a text", "a row more", "a row less"])
def test_row_57_the_input_is_edited_while_it_is_asked(folder: Folder, edit: str, *, batch: bool) -> None:
    """An answer must not end up beside another text: the command stops, and what was answered is kept."""
    texts = [f"row {number}" for number in range(1500)]
    folder.rows(texts)
    changed = {
        "a text": ["other", *texts[1:-1], "another"],
        "a row more": [*texts, "more"],
        "a row less": texts[:-1],
    }

    def script(text: str, _: int) -> Fate:
        if text == "row 20":
            folder.rows(changed[edit])
        return ANSWER

    def answers(text: str) -> None:
        script(text, 1)

    with FakeProvider(script) as provider:
        provider.batch_script = answers
        arguments = ["--batch"] if batch else []
        outcome = folder.predict(provider, *arguments)
        assert outcome.code == 9, outcome.stderr
        assert "changed while it was" in outcome.stderr
        assert not folder.output.exists()
        folder.rows(texts)
        assert folder.predict(provider, *arguments).code == 0
        assert provider.extra == 0
        assert [row["text"] for row in folder.predictions()] == texts


def test_row_57_rows_added_and_moved_are_no_change(folder: Folder) -> None:
    folder.table(100)
    with FakeProvider() as provider:
        assert folder.predict(provider, "--limit", "30").code == 0
        assert folder.predict(provider).code == 0
        texts = [f"row {number}" for number in reversed(range(120))]
        folder.rows(texts)
        assert folder.predict(provider).code == 0
        assert provider.billed.total() == 120
        assert provider.extra == 0
        assert [row["text"] for row in folder.predictions()] == texts


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('system = "Name the intent."', 'system = "What is the intent?"', "task"),
        ('"gamma"]', '"delta"]', "task"),
    ],
    ids=["prompt", "labels"],
)
def test_row_58_the_task_was_edited(folder: Folder, old: str, new: str, said: str) -> None:
    folder.table(20)
    with FakeProvider() as provider:
        assert folder.predict(provider).code == 0
        first = journal_of(folder)
        kept = first.read_bytes()
        task = folder.path / "task.toml"
        task.write_text(task.read_text().replace(old, new))
        outcome = folder.predict(provider)
        assert outcome.code == 9
        assert "this run used" in outcome.stderr
        assert said in outcome.stderr
        assert folder.predict(provider, "--accept-changes").code == 0
        assert first.read_bytes() == kept
        assert provider.billed.total() == 40
        # The new run is the one that goes on from now.
        assert folder.predict(provider).code == 0
        assert provider.billed.total() == 40


def test_row_58_another_model(folder: Folder) -> None:
    folder.table(20)
    with FakeProvider() as provider:
        assert folder.predict(provider).code == 0
        outcome = folder.predict(provider, "--model", "other")
        assert outcome.code == 9
        assert "this run used model m, not other" in outcome.stderr
        assert folder.predict(provider, "--model", "other", "-o", "other.csv").code == 0


def test_row_59_a_journal_of_a_newer_version(folder: Folder) -> None:
    folder.table(20)
    with FakeProvider() as provider:
        assert folder.predict(provider).code == 0
        connection = sqlite3.connect(journal_of(folder))
        connection.execute("UPDATE about SET made_by = '2.7.1'")
        connection.execute("PRAGMA user_version = 99")
        connection.commit()
        connection.close()
        before = journal_of(folder).read_bytes()
        outcome = folder.predict(provider)
        assert outcome.code == 2
        assert "made by labeltune 2.7.1" in outcome.stderr
        assert journal_of(folder).read_bytes() == before


def test_row_60_the_temporary_file_is_beside_the_output(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.table(20)
    monkeypatch.setenv("TMPDIR", str(folder.path / "no-such-folder"))
    with FakeProvider() as provider:
        assert finish(folder.start(provider)).code == 0
        assert len(folder.predictions()) == 20


# ---------------------------------------------------------------------------------------------- 4e Model answers

ANSWERS = {
    "61 other case, quotes, a dot": (completion(' "ALPHA". '), "", 0),
    "61 compatibility forms and invisible signs": (completion("\uff41lpha\u200b"), "", 0),
    "62 not in the label set": (completion("delta"), "off_list", 3),
    "63 empty": (completion(""), "empty", 3),
    "63 null": (completion(None), "empty", 3),
    "64 refusal": (completion(None, refusal="I cannot"), "refused", 3),
    "64 content filter": (completion("al", finish="content_filter"), "refused", 3),
    "65 length": (completion("alph", finish="length"), "truncated", 3),
    "66 two labels": (completion("alpha, beta"), "off_list", 3),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_rows_61_to_66_answers(folder: Folder, name: str) -> None:
    """Whatever the model says is kept raw and never asked for again."""
    body, problem, code = ANSWERS[name]
    folder.table(6)
    fate = Fate(body=json.dumps(body).encode())
    with FakeProvider(lambda text, _: fate if text == "row 5" else ANSWER) as provider:
        assert folder.predict(provider).code == code
        row = folder.predictions()[5]
        assert row["problem"] == problem
        assert row["predicted_intent"] == ("" if problem else "alpha")
        said = body["choices"][0]["message"]
        assert row["answer"] == (said["content"] or said["refusal"] or "")
        assert folder.predict(provider).code == code
        assert provider.asked["row 5"] == 1


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ('{"intent": "alpha"}', ""),
        ('{"intent": "alpha", "extra": 1}', "bad_schema"),
        ('{"intent": 3}', "bad_schema"),
        ('{"intent": "alp', "not_json"),
    ],
)
def test_row_67_json_answers(folder: Folder, answer: str, problem: str) -> None:
    task = folder.path / "task.toml"
    task.write_text(task.read_text().replace('format = "label"', 'format = "json"'))
    folder.table(6)
    with FakeProvider(answer=answer) as provider:
        assert folder.predict(provider).code == (3 if problem else 0)
        assert {row["problem"] for row in folder.predictions()} == {problem}


# -------------------------------------------------------------------------------------------------- more than rows


def test_the_key_is_in_no_file_and_no_message(folder: Folder) -> None:
    folder.table(20)
    fates = {"row 9": refuse(400, "bad", f"your key {KEY} is bad"), "row 12": Fate("reset")}
    with FakeProvider(lambda text, _: fates.get(text, ANSWER)) as provider:
        outcome = folder.predict(provider)
        told = outcome.stdout + outcome.stderr + folder.predict(provider, "--dry-run").stdout
        assert KEY not in told
        for path in (folder.path / ".labeltune").iterdir():
            assert path.stat().st_mode & 0o077 == 0
            assert KEY.encode() not in path.read_bytes()
        assert KEY not in folder.output.read_text()


def test_a_disk_error_while_saving_is_told_and_not_lost_in_a_thread(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.table(50)
    threads = set(threading.enumerate())
    commit = [0]

    def fails(self: GroupCommit, operations: object) -> None:
        del self, operations
        commit[0] += 1
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = sqlite3.SQLITE_IOERR
        raise error

    monkeypatch.setattr(GroupCommit, "_apply", fails)
    with FakeProvider() as provider:
        assert folder.predict(provider).code == DiskError.exit_code
        assert provider.asked.total() == 0
    wait_until(lambda: set(threading.enumerate()) <= threads, threading.enumerate)
