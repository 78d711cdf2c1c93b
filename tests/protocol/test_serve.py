"""The local provider on a port, in a process of its own."""

from __future__ import annotations

import signal
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import httpx2
import openai
import pytest

from labeltune.errors import SettingsError
from labeltune.local import serve
from protocol import tally_engine
from protocol.harness import KEY, Server
from waiting import HANG_S, wait_until

if TYPE_CHECKING:
    from pathlib import Path


def _train(client: openai.OpenAI) -> str:
    file = client.files.create(file=("a.jsonl", tally_engine.records()), purpose="fine-tune")
    client.files.wait_for_processing(file.id, poll_interval=0.01)
    job = client.fine_tuning.jobs.create(model="tally", training_file=file.id)
    return _succeeded(client, job.id)


def _succeeded(client: openai.OpenAI, job_id: str) -> str:
    """The model of a job, once it is done."""
    jobs = client.fine_tuning.jobs
    wait_until(lambda: jobs.retrieve(job_id).status in ("succeeded", "failed"))
    job = jobs.retrieve(job_id)
    assert job.fine_tuned_model is not None, job.error
    return job.fine_tuned_model


def test_sixty_four_clients_at_once(server: Server) -> None:
    secret = "canary-text-5d0"
    with openai.OpenAI(base_url=server.url, api_key=KEY, max_retries=0) as client:
        model = _train(client)

        def ask(i: int) -> str | None:
            with openai.OpenAI(base_url=server.url, api_key=KEY, max_retries=0) as mine:
                text = f"{'money' if i % 2 else 'parcel'} {secret}"
                replies = [
                    mine.chat.completions.create(model=model, messages=[{"role": "user", "content": text}])
                    for _ in range(3)
                ]
                return replies[-1].choices[0].message.content

        with ThreadPoolExecutor(64) as pool:
            answers = list(pool.map(ask, range(64)))
        assert answers == ["delivery", "refund"] * 32
        with pytest.raises(openai.AuthenticationError):
            client.with_options(api_key="wrong-key-1").models.list()
    for path in ("/healthz", "/health"):
        assert httpx2.get(server.url.replace("/v1", path)).json() == {"status": "ok"}
    server.end()
    lines = [line for line in server.log.splitlines() if "POST /v1/chat/completions 200" in line]
    assert len(lines) == 192
    for hidden in (KEY, "wrong-key-1", secret):
        assert hidden not in server.log


def _is_open(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port)).close()
    except ConnectionError:
        return False
    return True


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_requests_under_way_are_answered_before_it_stops(server: Server, signum: int) -> None:
    host, port = server.url.removeprefix("http://").removesuffix("/v1").split(":")
    body = b'{"model": "tally", "messages": [{"role": "user", "content": "x"}]}'
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
            b"Expect: 100-continue\r\nContent-Type: application/json\r\n"
            b"Authorization: Bearer %s\r\nContent-Length: %d\r\n\r\n" % (KEY.encode(), len(body))
        )
        # The server has begun to read the body.
        assert b"100 Continue" in connection.recv(4096)
        ended = threading.Thread(target=server.end, args=(signum,))
        ended.start()
        # It has heard the signal when it lets nobody in any more.
        wait_until(lambda: not _is_open(host, int(port)))
        assert server.process.poll() is None
        connection.sendall(body)
        reply = b"".join(iter(lambda: connection.recv(65536), b""))
    assert reply.startswith(b"HTTP/1.1 400")
    assert b"model_not_trained" in reply
    ended.join(HANG_S)
    assert server.process.poll() is not None


def test_a_killed_server_loses_nothing(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TALLY_STEP_S", "0.02")
    server = Server(directory, key="")
    with openai.OpenAI(base_url=server.url, api_key="any", max_retries=0) as client:
        file = client.files.create(file=("a.jsonl", tally_engine.records()), purpose="fine-tune")
        job = client.fine_tuning.jobs.create(model="tally", training_file=file.id)
    server.end(signal.SIGKILL)
    again = Server(directory, key="")
    try:
        with openai.OpenAI(base_url=again.url, api_key="any", max_retries=0) as client:
            assert _succeeded(client, job.id)
    finally:
        again.end()


def test_what_goes_on_without_the_server_is_said_when_it_stops(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TALLY_STEP_S", "3600")
    server = Server(directory)
    with openai.OpenAI(base_url=server.url, api_key=KEY, max_retries=0) as client:
        file = client.files.create(file=("a.jsonl", tally_engine.records()), purpose="fine-tune")
        jobs = [client.fine_tuning.jobs.create(model="tally", training_file=file.id) for _ in range(2)]
        client.fine_tuning.jobs.cancel(jobs[0].id)
    server.end()
    told = [line for line in server.log.splitlines() if "goes on without the server" in line]
    assert [line.split()[0] for line in told] == [jobs[1].id]


@pytest.mark.parametrize(
    ("method", "path", "status", "message"),
    [
        ("POST", "/v1/responses", 404, "Invalid URL (POST /v1/responses)."),
        ("GET", "/models", 404, "Invalid URL (GET /models). The base URL of this server ends with /v1."),
        ("PUT", "/v1/models", 405, "Method Not Allowed (PUT /v1/models)."),
        ("GET", "/v1/" + "x" * 500, 404, f"Invalid URL (GET /v1/{'x' * 196})."),
    ],
    ids=["not-here", "no-v1", "other-method", "long"],
)
def test_an_address_that_is_not_there_is_named(
    server: Server, method: str, path: str, status: int, message: str
) -> None:
    url = server.url.removesuffix("/v1") + path
    reply = httpx2.request(method, url, headers={"Authorization": f"Bearer {KEY}"})
    assert (reply.status_code, reply.json()["error"]["message"]) == (status, message)


def test_other_addresses_are_warned_about_and_loopback_is_not(directory: Path, server: Server) -> None:
    server.end()
    assert "warning" not in server.log
    open_to_all = Server(directory, host="0.0.0.0", key="")
    open_to_all.end()
    warning = next(line for line in open_to_all.log.splitlines() if line.startswith("warning"))
    assert "0.0.0.0" in warning
    assert "--api-key-file" in warning


def test_a_port_in_use_is_a_settings_error(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SettingsError) as caught:
            serve(tmp_path / "home", port=port, say=lambda _: None)
        assert str(caught.value) == f"127.0.0.1:{port}: cannot listen there: Address already in use"


def test_two_servers_of_one_directory_do_not_disturb_each_other(directory: Path, server: Server) -> None:
    other = Server(directory)
    try:
        with (
            openai.OpenAI(base_url=server.url, api_key=KEY, max_retries=0) as one,
            openai.OpenAI(base_url=other.url, api_key=KEY, max_retries=0) as two,
        ):
            with ThreadPoolExecutor(2) as pool:
                models = list(pool.map(_train, (one, two)))
            assert sorted(found.id for found in one.models.list()) == sorted(
                found.id for found in two.models.list()
            )
            for client, model in ((one, models[1]), (two, models[0])):
                reply = client.chat.completions.create(
                    model=model, messages=[{"role": "user", "content": "my money"}]
                )
                assert reply.choices[0].message.content == "refund"
    finally:
        other.end()
    log = (directory / "worker.log").read_text()
    assert 0 <= log.count("worker begins") - log.count("worker ends") <= 1, "one worker at a time"
