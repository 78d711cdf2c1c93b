"""Files and jobs when things go wrong: a test for each row of the table of faults, named after the row."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import os
import shutil
import signal
import ssl
import subprocess
import sys
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from starlette.responses import HTMLResponse, JSONResponse, Response
from typer.testing import CliRunner

from faults.fake_jobs import MODEL, FakeProvider, cutting_proxy, refusal, serving
from labeltune.cli.app import app
from labeltune.errors import (
    AccessError,
    BudgetError,
    ConflictError,
    DataError,
    LabeltuneError,
    RemoteError,
    TemporaryError,
)
from labeltune.providers import Patience, connect, persist, resolve_provider, run
from labeltune.tuning.jobs import cancel_job
from labeltune.tuning.ledger import open_ledger
from labeltune.tuning.plan import plan_training
from labeltune.tuning.story import Silence
from labeltune.tuning.train import Trainer, train
from labeltune.tuning.upload import LocalFile, Uploader
from labeltune.tuning.watching import Watcher
from waiting import HANG_S

if TYPE_CHECKING:
    from collections.abc import Iterator

    from openai.types.fine_tuning import FineTuningJob
    from typer.testing import Result

    from labeltune.providers import Provider
    from labeltune.tuning.story import Event
    from labeltune.tuning.train import Trained

CANARY = "sk-canary-0123456789abcdef"


class Told(Silence):
    """Keeps what is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.events: list[str] = []
        self.statuses: list[str] = []

    def note(self, message: str) -> None:
        self.lines.append(message)

    warn = note

    def job(self, job: FineTuningJob) -> None:
        self.statuses.append(str(job.status))

    def event(self, event: Event) -> None:
        self.events.append(event.message)

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a training file and a validation file."""
    monkeypatch.chdir(tmp_path)
    for name, rows in (("train", 30), ("valid", 12)):
        records = (
            {
                "messages": [
                    {"role": "user", "content": f"{name} {row}"},
                    {"role": "assistant", "content": "ok"},
                ]
            }
            for row in range(rows)
        )
        (tmp_path / f"{name}.jsonl").write_text("".join(f"{json.dumps(record)}\n" for record in records))
    return tmp_path


@pytest.fixture
def fake() -> Iterator[FakeProvider]:
    with FakeProvider().serving() as provider:
        yield provider


def at(fake: FakeProvider, declared: str = "") -> Provider:
    return replace(resolve_provider(fake.url + declared), poll_seconds=(0.001, 0.01))


async def no_sleep(_: float) -> None:
    await asyncio.sleep(0)


def trained(provider: Provider, *, story: Told | None = None, new_job: bool = False, **more: Any) -> Trained:
    """Train without waiting for anything but the provider."""
    plan = plan_training("train.jsonl", model=MODEL, provider=provider)

    async def work() -> Trained:
        with open_ledger() as ledger:
            async with connect(provider) as client:
                trainer = Trainer(client, plan, ledger, story=story or Told(), sleep=no_sleep, **more)
                return await trainer.train(new_job=new_job)

    return run(work())


def uploaded(provider: Provider, told: Told | None = None) -> str:
    """Upload without waiting for anything but the provider."""
    file = LocalFile.read("train.jsonl", None, provider)

    async def work() -> str:
        with open_ledger() as ledger:
            async with connect(provider) as client:
                uploader = Uploader(client, provider, ledger, note=(told or Told()).note, sleep=no_sleep)
                return (await uploader.upload(file)).id

    return run(work())


def cli(*argv: str) -> Result:
    return CliRunner().invoke(app, argv)


class Command:
    """A command in a process of its own, which can be killed."""

    def __init__(self, *argv: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "labeltune", *argv],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def ended(self) -> tuple[int, str, str]:
        stdout, stderr = self.process.communicate(timeout=HANG_S)
        return self.process.returncode, stdout, stderr


# ---------------------------------------------------------------------------------------- killed at any moment


def signalled(
    fake: FakeProvider, number: int, method: str, path: str, reply: Response | None = None, **more: Any
) -> Command:
    """`train`, which gets a signal when a request has come, before its answer."""
    started: Future[int] = Future()
    # Before the command is there: however late this process goes on, the request does not slip through.
    fake.fail(method, path, reply, then=lambda: os.kill(started.result(HANG_S), number), **more)
    command = Command("train", "train.jsonl", "--model", MODEL, "--provider", fake.url)
    started.set_result(command.process.pid)
    return command


def killed(fake: FakeProvider, method: str, path: str) -> None:
    """Run `train` and kill it when a request has taken effect, before its answer."""
    command = signalled(fake, signal.SIGKILL, method, path, late=True)
    assert command.ended()[0] == -signal.SIGKILL


def test_row_03_killed_after_upload_before_the_id_is_saved(fake: FakeProvider) -> None:
    killed(fake, "POST", "/files")
    assert fake.counts["uploads"] == 1
    told = Told()
    assert uploaded(at(fake), told) == "file-1"
    assert "found file-1, uploaded earlier" in told.text
    assert fake.counts["uploads"] == 1


def test_row_04_killed_after_job_create(fake: FakeProvider) -> None:
    killed(fake, "POST", "/fine_tuning/jobs")
    assert fake.counts["jobs"] == 1
    result = cli("train", "train.jsonl", "--model", MODEL, "--provider", fake.url)
    assert result.exit_code == 0, result.stderr
    assert "job ftjob-1 belongs to this run" in result.stderr
    assert result.stdout == "ft:gpt-4.1-mini:org::ftjob-1\n"
    assert fake.counts == {"uploads": 1, "jobs": 1}


def test_row_06_killed_while_polling(fake: FakeProvider) -> None:
    killed(fake, "GET", "/fine_tuning/jobs/ftjob-1")
    done = trained(at(fake))
    assert (done.job_id, done.reused) == ("ftjob-1", True)
    assert fake.counts == {"uploads": 1, "jobs": 1}


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_row_10_to_12_stopped_while_watching(fake: FakeProvider, number: int, code: int) -> None:
    fake.statuses = ["running"]
    wait = refusal(503, None, "wait")
    command = signalled(fake, number, "GET", "/fine_tuning/jobs/ftjob-1/events", wait)
    returned, stdout, stderr = command.ended()
    assert returned == code, stderr
    assert stdout == ""
    assert f"labeltune jobs watch ftjob-1 --provider {fake.url}" in stderr
    assert "Traceback" not in stderr
    assert fake.jobs["ftjob-1"]["status"] == "running"


# -------------------------------------------------------------------------------------- the job, exactly once


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(None, id="cut"),
        pytest.param(refusal(500, None, "oops"), id="500"),
        pytest.param(refusal(504, None, "gateway"), id="504"),
        pytest.param(HTMLResponse("<html>proxy</html>"), id="html"),
        pytest.param(Response('{"id": "ftjo', media_type="application/json"), id="truncated"),
        pytest.param(JSONResponse({}), id="empty"),
    ],
)
def test_row_04_a_lost_answer_to_the_creation_makes_no_second_job(
    fake: FakeProvider, reply: Response | None
) -> None:
    fake.fail("POST", "/fine_tuning/jobs", reply, late=True)
    told = Told()
    done = trained(at(fake), story=told)
    assert done.job_id == "ftjob-1"
    assert "looking whether the job was created" in told.text
    assert fake.counts["jobs"] == 1


def test_row_04_where_jobs_take_no_metadata(fake: FakeProvider) -> None:
    fake.fail("POST", "/fine_tuning/jobs", None, late=True)
    provider = at(fake, "#metadata=no")
    assert trained(provider).job_id == "ftjob-1"
    assert fake.jobs["ftjob-1"]["metadata"] is None
    assert trained(provider).reused
    assert fake.counts["jobs"] == 1


def test_row_04_without_effect_the_creation_stays_in_doubt_until_the_command_runs_again(
    fake: FakeProvider,
) -> None:
    fake.fail("POST", "/fine_tuning/jobs", None)
    with pytest.raises(TemporaryError, match="not known whether"):
        trained(at(fake))
    assert fake.counts["jobs"] == 0
    assert trained(at(fake)).job_id == "ftjob-1"
    assert fake.counts["jobs"] == 1


def test_row_18_a_creation_that_was_not_let_in_is_sent_again(fake: FakeProvider) -> None:
    busy = refusal(429, "rate_limit_exceeded", "slow down")
    fake.fail("POST", "/fine_tuning/jobs", busy, times=2)
    fake.fail("POST", "/fine_tuning/jobs", refusal(503, "server_is_overloaded", "busy"))
    assert trained(at(fake)).job_id == "ftjob-1"
    assert fake.counts["jobs"] == 1


@pytest.mark.parametrize("filters", [True, False])
def test_the_same_command_finds_its_job_even_without_its_ledger(fake: FakeProvider, filters: bool) -> None:
    fake.filters = filters
    first = trained(at(fake))
    shutil.rmtree(".labeltune")
    again = trained(at(fake))
    assert (first.reused, again.reused) == (False, True)
    assert first.model == again.model == "ft:gpt-4.1-mini:org::ftjob-1"
    (uploads,) = fake.sent("POST", "/files")
    assert b"train-" in uploads
    assert fake.counts == {"uploads": 1, "jobs": 1}
    other = plan_training("train.jsonl", "valid.jsonl", model=MODEL, provider=at(fake))
    assert train(other).job_id == "ftjob-2"


def test_two_commands_at_once_make_one_job(fake: FakeProvider) -> None:
    argv = ("train", "train.jsonl", "--model", MODEL, "--provider", fake.url, "--no-wait")
    ends = [command.ended() for command in [Command(*argv), Command(*argv)]]
    assert [(code, stdout) for code, stdout, _ in ends] == [(0, "ftjob-1\n")] * 2
    assert fake.counts == {"uploads": 1, "jobs": 1}


# --------------------------------------------------------------------------------------------- refused and away


def test_row_30_job_creation_closed(fake: FakeProvider) -> None:
    fake.fail("POST", "/fine_tuning/jobs", refusal(403, "training_not_available", "Not available to you"))
    result = cli("train", "train.jsonl", "--model", MODEL, "--provider", fake.url)
    assert result.exit_code == 4
    for said in ("2026-05-07", "2026-07-02", "2027-01-06", "--provider local --model linear"):
        assert said in result.stderr
    assert result.stdout == ""
    # A refusal leaves nothing in doubt: the next run simply asks.
    assert trained(at(fake)).job_id == "ftjob-1"


def test_row_30_a_model_past_its_end_stops_before_the_upload(fake: FakeProvider) -> None:
    fake.shutdown_date = "2026-10-23"
    with pytest.raises(AccessError, match="has stopped.*2026-10-23"):
        trained(at(fake), today=lambda: dt.date(2026, 10, 23))
    assert fake.counts == {}
    told = Told()
    trained(at(fake), story=told, today=lambda: dt.date(2026, 10, 22))
    assert "gpt-4.1-mini stops on 2026-10-23" in told.text


def test_row_34_offline_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    def nowhere(*_: object, **__: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nowhere)
    monkeypatch.setenv("OPENAI_API_KEY", CANARY)
    provider = resolve_provider("https://api.example.invalid/v1")
    with pytest.raises(TemporaryError, match="cannot be found"):
        trained(provider)
    with pytest.raises(TemporaryError, match="cannot be reached"):
        trained(resolve_provider("http://127.0.0.1:9/v1"))


def test_row_35_a_certificate_that_is_not_trusted(tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl to make a certificate")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    options = ["-nodes", "-subj", "/CN=localhost", "-days", "1", "-newkey", "rsa:2048"]
    subprocess.run(
        ["openssl", "req", "-x509", *options, "-keyout", key, "-out", certificate],
        check=True,
        capture_output=True,
    )
    fake = FakeProvider()
    with serving(fake.app(), ssl_keyfile=key, ssl_certfile=certificate) as port:
        result = cli("train", "train.jsonl", "--model", MODEL, "--provider", f"https://localhost:{port}/v1")
    assert result.exit_code == 5
    assert "certificate is not trusted" in result.stderr
    assert "SSL_CERT_FILE" in result.stderr
    assert ssl.OPENSSL_VERSION


def test_row_25_a_page_instead_of_an_answer(fake: FakeProvider) -> None:
    fake.fail("GET", "/models", HTMLResponse("<html>Please log in to " + "WiFi " * 40), times=9)
    with pytest.raises(TemporaryError, match="not from the API: <html>Please log in") as caught:
        trained(at(fake))
    assert len(str(caught.value)) < 150


def test_row_36_cost_unknown_or_over_the_limit(fake: FakeProvider) -> None:
    with pytest.raises(BudgetError, match="the price of unheard-of is not known"):
        plan_training("train.jsonl", model="unheard-of", provider=at(fake), max_cost=4.0)
    with pytest.raises(BudgetError, match="the file is not on this disk"):
        plan_training("file-1", model=MODEL, provider=at(fake), max_cost=4.0)
    # 30 records of 3 + 2 * 4 tokens and their texts, three times, at 5 dollars for a million tokens.
    with pytest.raises(BudgetError, match=r"estimate 0\.01 USD > limit 0\.00 USD"):
        plan_training("train.jsonl", model=MODEL, provider=at(fake), max_cost=0.001)
    cost = plan_training("train.jsonl", model=MODEL, provider=at(fake), max_cost=1.0).cost
    assert cost is not None
    assert 30 * 12 * 3 * 5e-6 < cost < 30 * 20 * 3 * 5e-6
    assert plan_training("train.jsonl", model=MODEL, provider=at(fake)).cost is None
    assert (
        plan_training("train.jsonl", model="linear", provider=resolve_provider("local"), max_cost=0.0).cost
        == 0
    )
    assert fake.requests == []


def test_row_20_quota_used_up(fake: FakeProvider) -> None:
    fake.fail(
        "POST", "/fine_tuning/jobs", refusal(429, "insufficient_quota", "You exceeded your quota"), times=9
    )
    with pytest.raises(BudgetError, match="exceeded your quota"):
        trained(at(fake))
    assert len(fake.sent("POST", "/fine_tuning/jobs")) == 1


# ------------------------------------------------------------------------------------------------- files


def test_row_37_an_upload_that_breaks_is_sent_again_whole(fake: FakeProvider) -> None:
    port = int(fake.url.split(":")[2].split("/")[0])
    size = Path("train.jsonl").stat().st_size
    Path("train.jsonl").write_text(Path("train.jsonl").read_text() * 200)
    with cutting_proxy(port, after=int(200 * size * 0.6), times=1) as (through, connections):
        provider = resolve_provider(f"http://127.0.0.1:{through}/v1")
        assert uploaded(provider) == "file-1"
        assert len(connections) == 2
    assert fake.files["file-1"]["bytes"] == 200 * size
    assert fake.counts["uploads"] == 1


def test_row_37_and_gives_up_after_a_while(fake: FakeProvider) -> None:
    fake.fail("POST", "/files", refusal(500, None, "oops"), times=99)
    with pytest.raises(TemporaryError, match="oops"):
        uploaded(at(fake))
    assert fake.counts["uploads"] == 0


def test_row_38_a_file_that_is_gone(fake: FakeProvider) -> None:
    result = cli("train", "file-9", "--model", MODEL, "--provider", fake.url)
    assert result.exit_code == 10
    assert "file-9" in result.stderr
    assert "labeltune upload" in result.stderr
    # What the ledger knows and the provider no longer has is sent again.
    uploaded(at(fake))
    del fake.files["file-1"]
    told = Told()
    assert uploaded(at(fake), told) == "file-1"
    assert "file-1 (train.jsonl) is gone" in told.text
    assert fake.counts["uploads"] == 2


def test_row_39_a_file_that_the_provider_refuses(fake: FakeProvider) -> None:
    fake.file_status, fake.file_details = "error", "Line 3: too long"
    for _ in range(2):
        with pytest.raises(DataError, match="Line 3: too long"):
            uploaded(at(fake))
    assert fake.counts["uploads"] == 1


def test_a_file_is_waited_for(fake: FakeProvider) -> None:
    fake.file_status = "uploaded"
    looks = []

    def process() -> None:
        looks.append(1)
        fake.files["file-1"]["status"] = ["pending", "running", "processed"][min(len(looks), 3) - 1]

    fake.fail("GET", "/files/file-1", refusal(503, None, "busy"), then=process, times=3)
    assert uploaded(at(fake)) == "file-1"
    assert len(looks) == 3


def test_a_file_that_changes_while_it_is_sent(fake: FakeProvider) -> None:
    file = replace(LocalFile.read("train.jsonl", None, at(fake)), bytes=7)

    async def work() -> None:
        with open_ledger() as ledger:
            async with connect(at(fake)) as client:
                await Uploader(client, at(fake), ledger, sleep=no_sleep).upload(file)

    with pytest.raises(ConflictError, match="changed while it was sent"):
        run(work())


# ----------------------------------------------------------------------------------------------------- jobs


def test_row_40_a_failed_job_is_not_made_again_unless_asked(fake: FakeProvider) -> None:
    fake.statuses = ["running", "failed"]
    fake.error = {"code": "invalid_file_format", "message": "Line 3: bad role", "param": "training_file"}
    for _ in range(2):
        with pytest.raises(RemoteError) as caught:
            trained(at(fake))
        for said in ("ftjob-1", "invalid_file_format", "Line 3: bad role", "training_file"):
            assert said in str(caught.value)
        assert 'train.jsonl:3: {"messages"' in str(caught.value)
        assert "--new-job" in (caught.value.hint or "")
    assert fake.counts["jobs"] == 1
    fake.statuses = ["succeeded"]
    assert trained(at(fake), new_job=True).job_id == "ftjob-2"
    assert trained(at(fake)).job_id == "ftjob-2"


def test_row_41_a_job_cancelled_elsewhere(fake: FakeProvider) -> None:
    fake.statuses = ["running", "cancelled"]
    with pytest.raises(RemoteError, match="was cancelled"):
        trained(at(fake))
    with pytest.raises(RemoteError, match="was cancelled"):
        trained(at(fake))
    assert fake.counts["jobs"] == 1


@pytest.mark.parametrize("status", ["paused", "pausing", "reticulating"])
def test_row_42_a_status_that_is_not_final(
    fake: FakeProvider, status: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # However slow this machine is: the way to the job and the first look at it are not cut off.
    monkeypatch.setattr("labeltune.tuning.train.START_SECONDS", HANG_S)
    monkeypatch.setattr("labeltune.tuning.watching.LAST_LOOK_SECONDS", HANG_S)
    fake.statuses = [status]
    argv = ("train", "train.jsonl", "--model", MODEL, "--provider", fake.url, "--wait-timeout", "0.1")
    result = cli(*argv)
    assert result.exit_code == 5
    assert f"status '{status}' (not final); the job keeps its id" in result.stderr
    fake.statuses = ["succeeded"]
    assert cli(*argv).stdout == "ft:gpt-4.1-mini:org::ftjob-1\n"
    assert fake.counts["jobs"] == 1


def test_a_watch_survives_what_comes(fake: FakeProvider) -> None:
    """Cut connections, storms and pages of a proxy; every event is told once and in order."""
    fake.statuses = ["validating_files", "queued", *["running"] * 12, "paused", "unheard_of", "succeeded"]
    for reply in (
        None,
        refusal(503, None, "busy"),
        HTMLResponse("<html>"),
        refusal(429, "slow_down", "slow"),
    ):
        fake.fail("GET", "/fine_tuning/jobs/ftjob-1", reply, times=3)
        fake.fail("GET", "/fine_tuning/jobs/ftjob-1/events", reply, times=3)
    told = Told()
    assert trained(at(fake), story=told).model == "ft:gpt-4.1-mini:org::ftjob-1"
    assert told.events == [f"look {number}" for number in range(len(fake.statuses))]
    assert told.statuses == ["validating_files", "queued", "running", "paused", "unheard_of", "succeeded"]
    assert "connected again" in told.text


def test_events_are_paged(fake: FakeProvider) -> None:
    fake.statuses = ["running", "succeeded"]
    done = trained(at(fake))
    for number in range(250):
        fake.add_event(done.job_id, f"later {number}")
    told = Told()

    async def watch() -> None:
        async with connect(at(fake)) as client:
            await Watcher(client, at(fake), story=told, sleep=no_sleep).watch(done.job_id)

    run(watch())
    assert told.events[-251:] == [*(f"later {number}" for number in range(250)), "look 2"]


@pytest.mark.parametrize("declared", ["", "#events=no"])
def test_a_provider_without_events(fake: FakeProvider, declared: str) -> None:
    fake.statuses = ["running", "running", "succeeded"]
    fake.fail("GET", "/fine_tuning/jobs/ftjob-1/events", Response("Not Found", 404), times=99)
    assert trained(at(fake, declared)).model == "ft:gpt-4.1-mini:org::ftjob-1"
    asked = fake.sent("GET", "/fine_tuning/jobs/ftjob-1/events")
    assert len(asked) == (0 if declared else 1)


def test_cancelling_what_is_over_fails_honestly(fake: FakeProvider) -> None:
    done = trained(at(fake))
    with pytest.raises(RemoteError, match="cannot cancel a job whose status is 'succeeded'"):
        cancel_job(at(fake), done.job_id)


def test_a_cancellation_whose_answer_is_lost(fake: FakeProvider) -> None:
    fake.statuses = ["running"]
    provider = at(fake)
    plan = plan_training("train.jsonl", model=MODEL, provider=provider)
    job = train(plan, wait=False).job_id
    fake.fail("POST", f"/fine_tuning/jobs/{job}/cancel", late=True)
    assert str(cancel_job(provider, job).status) == "cancelled"


# --------------------------------------------------------------------------------------------------- profiles


def test_nebius_wants_hyperparameters_at_the_top_and_the_rate_itself(fake: FakeProvider) -> None:
    result = cli(
        "train", "train.jsonl", "--model", MODEL, "--provider", f"{fake.url}#like=nebius",
        "--epochs", "2", "--learning-rate", "2e-5", "--seed", "7",
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    (body,) = fake.sent("POST", "/fine_tuning/jobs")
    assert body == {
        "model": MODEL,
        "training_file": "file-1",
        "hyperparameters": {"n_epochs": 2, "learning_rate": 2e-5},
        "seed": 7,
    }


def test_azure_takes_a_training_type_and_wants_a_deployment(fake: FakeProvider) -> None:
    result = cli(
        "train", "train.jsonl", "--model", MODEL, "--suffix", "mine",
        "--provider", f"{fake.url}#like=azure&body.trainingType=globalStandard",
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    (body,) = fake.sent("POST", "/fine_tuning/jobs")
    assert body["trainingType"] == "globalStandard"
    assert body["method"] == {"type": "supervised", "supervised": {}}
    assert body["suffix"] == "mine"
    assert "deploy" in result.stderr


# --------------------------------------------------------------------------------------------------- the key


@pytest.mark.parametrize(
    ("method", "path", "reply", "code"),
    [
        ("GET", "/models", refusal(401, "invalid_api_key", f"Incorrect API key provided: {CANARY}"), 4),
        ("POST", "/files", refusal(403, None, f"{CANARY} may not do this"), 4),
        ("POST", "/fine_tuning/jobs", refusal(400, "x", f"Bearer {CANARY}"), 2),
        ("GET", "/models", HTMLResponse(f"<html>{CANARY}"), 5),
        ("POST", "/fine_tuning/jobs", Response(f'{{"id": "{CANARY}', media_type="application/json"), 5),
        ("GET", "/fine_tuning/jobs/ftjob-1", refusal(500, None, f"at {CANARY}"), 5),
    ],
)
def test_the_key_appears_nowhere(
    fake: FakeProvider,
    monkeypatch: pytest.MonkeyPatch,
    here: Path,
    method: str,
    path: str,
    reply: Response,
    code: int,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", CANARY)
    monkeypatch.setattr("labeltune.tuning.creating.LOOKUPS", (0.0,))
    for patience in ("creating.START_PATIENCE", "train.START_PATIENCE", "watching.WATCH_PATIENCE"):
        monkeypatch.setattr(f"labeltune.tuning.{patience}", Patience(total=0.0))
    fake.fail(method, path, reply, times=99)
    result = cli("train", "train.jsonl", "--model", MODEL, "--provider", fake.url)
    assert result.exit_code == code, result.stderr
    assert CANARY not in result.stdout + result.stderr
    for file in here.rglob("*"):
        assert not file.is_file() or CANARY.encode() not in file.read_bytes()


def test_persist_raises_what_does_not_pass(fake: FakeProvider) -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    async def work(retry_after: str) -> None:
        busy = refusal(429, "rate_limit_exceeded", "slow down")
        busy.headers["retry-after"] = retry_after
        fake.fail("GET", "/files/", busy)
        fake.files["file-1"] = fake._file("name", 1)
        async with connect(at(fake)) as client:
            await persist(lambda: client.files.retrieve("file-1"), at(fake), sleep=sleep)

    run(work("2"))
    assert waits == [2.0]
    with pytest.raises(LabeltuneError):
        run(work("300"))
    assert waits == [2.0]


# --------------------------------------------------------------------------- successes that are none


def hidden(error: Any) -> Any:
    return JSONResponse({"error": error})


SLOW_DOWN = {"message": "Too many requests", "code": 429}


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/files"), ("GET", "/files"), ("GET", f"/models/{MODEL}"), ("POST", "/fine_tuning/jobs")],
)
def test_row_93_a_success_that_says_slow_down_is_asked_again(
    fake: FakeProvider, method: str, path: str
) -> None:
    fake.fail(method, path, hidden(SLOW_DOWN))
    assert trained(at(fake)).model == f"ft:{MODEL}:org::ftjob-1"
    assert (fake.counts["jobs"], fake.counts["uploads"]) == (1, 1)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ({"message": "no key", "type": "authentication_error"}, AccessError),
        ({"message": "no such model", "code": "model_not_found"}, AccessError),
        ({"message": "no money", "code": 402}, BudgetError),
        ("Unexpected endpoint or method. (POST /files)", AccessError),
    ],
)
def test_row_93_a_success_that_says_what_ends_the_command(
    fake: FakeProvider, error: object, expected: type[Exception]
) -> None:
    fake.fail("POST", "/files", hidden(error), times=99)
    with pytest.raises(expected, match=r"no key|no such model|no money|Unexpected endpoint"):
        uploaded(at(fake))
    fake.faults.clear()
    assert uploaded(at(fake)) == "file-1"


def test_row_93_a_failed_job_has_an_error_and_is_no_error(fake: FakeProvider) -> None:
    fake.statuses, fake.error = ["failed"], {"code": "server_error", "message": "it broke", "param": None}
    with pytest.raises(RemoteError, match="ftjob-1 failed: server_error: it broke"):
        trained(at(fake))


@pytest.mark.parametrize("body", [{}, {"object": "file"}, {"id": None}, {"id": ""}, [], "done", 3])
def test_row_100_an_upload_without_an_id_is_an_error(fake: FakeProvider, body: object) -> None:
    fake.fail("POST", "/files", JSONResponse(body), times=99)
    with pytest.raises(RemoteError, match="the answer has no id"):
        uploaded(at(fake))
    fake.faults.clear()
    assert uploaded(at(fake)) == "file-1"


@pytest.mark.parametrize("body", [{}, {"id": None, "status": "queued"}])
def test_row_100_a_job_without_an_id_is_looked_for(fake: FakeProvider, body: object) -> None:
    """It may have been created: it is not created again."""
    fake.fail("POST", "/fine_tuning/jobs", JSONResponse(body), late=True)
    assert trained(at(fake)).job_id == "ftjob-1"
    assert fake.counts["jobs"] == 1


def test_row_100_a_size_of_zero_is_not_counted_rather_than_wrong(fake: FakeProvider) -> None:
    fake.fail(
        "POST", "/files", JSONResponse({"id": "file-9", "object": "file", "bytes": 0, "status": "processed"})
    )
    assert uploaded(at(fake)) == "file-9"


def succeeded(model: str | None) -> dict[str, Any]:
    """A job that is over, whose model goes by that name."""
    return {
        "object": "fine_tuning.job",
        "id": "ftjob-1",
        "status": "succeeded",
        "fine_tuned_model": model,
        "model": MODEL,
        "training_file": "file-1",
        "created_at": 1,
    }


def test_row_100_calls_21_a_success_without_a_model_is_told(
    fake: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("labeltune.tuning.watching.NAMELESS_LOOKS", (0.0, 0.0))
    nameless = succeeded(None)
    fake.fail("GET", "/fine_tuning/jobs/ftjob-1", JSONResponse(nameless), times=99)
    for argv in (("train", "train.jsonl", "--model", MODEL), ("jobs", "watch", "ftjob-1")):
        result = cli(*argv, "--provider", fake.url)
        assert result.exit_code == 10, result.stderr
        assert "ftjob-1 succeeded, but names no model" in result.stderr
        assert result.stdout == ""
    fake.faults.clear()
    assert (
        cli("train", "train.jsonl", "--model", MODEL, "--provider", fake.url).stdout
        == f"ft:{MODEL}:org::ftjob-1\n"
    )


def test_row_100_calls_21_a_model_that_is_named_a_moment_later(
    fake: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("labeltune.tuning.watching.NAMELESS_LOOKS", (0.0, 0.0))
    nameless = succeeded("")
    fake.fail("GET", "/fine_tuning/jobs/ftjob-1", JSONResponse(nameless), times=1)
    assert trained(at(fake)).model == f"ft:{MODEL}:org::ftjob-1"


def test_calls_20_a_404_of_no_such_path_is_no_such_call(fake: FakeProvider) -> None:
    fake.fail("POST", "/files", JSONResponse({"detail": "Not Found"}, 404), times=9)
    with pytest.raises(AccessError, match="no such call: POST"):
        uploaded(at(fake))
