"""The local provider on a port, in a process of its own."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import httpx2
import openai
import pytest

from labeltune.errors import SettingsError
from labeltune.local import serve
from protocol import tally_engine

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEY = "sk-canary-94ce"

PROGRAM = """
import sys
from pathlib import Path
from labeltune.local import serve
serve(
    Path(sys.argv[1]), sys.argv[2], 0, sys.argv[3] or None,
    say=lambda line: print(line, file=sys.stderr, flush=True), ready=lambda url: print(url, flush=True),
)
"""


class Server:
    """A server process; `log` is what it said once it has ended."""

    def __init__(self, directory: Path, host: str = "127.0.0.1", key: str = KEY) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(directory), host, key],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().strip()
        self.log = ""

    def end(self, signum: int = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signum)
        self.log += self.process.communicate(timeout=20)[1]
        return self.process.returncode


@pytest.fixture
def server(directory: Path) -> Iterator[Server]:
    started = Server(directory)
    yield started
    started.end()


def _train(client: openai.OpenAI) -> str:
    file = client.files.create(file=("a.jsonl", tally_engine.records()), purpose="fine-tune")
    client.files.wait_for_processing(file.id, poll_interval=0.01)
    job = client.fine_tuning.jobs.create(model="tally", training_file=file.id)
    deadline = time.monotonic() + 20
    while job.status not in ("succeeded", "failed"):
        assert time.monotonic() < deadline
        time.sleep(0.05)
        job = client.fine_tuning.jobs.retrieve(job.id)
    assert job.fine_tuned_model is not None
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
    assert httpx2.get(server.url.replace("/v1", "/healthz")).json() == {"status": "ok"}
    server.end()
    lines = [line for line in server.log.splitlines() if "POST /v1/chat/completions 200" in line]
    assert len(lines) == 192
    for hidden in (KEY, "wrong-key-1", secret):
        assert hidden not in server.log


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_requests_under_way_are_answered_before_it_stops(server: Server, signum: int) -> None:
    host, port = server.url.removeprefix("http://").removesuffix("/v1").split(":")
    body = b'{"model": "tally", "messages": [{"role": "user", "content": "x"}]}'
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nConnection: close\r\nExpect: 100-continue\r\n"
            b"Authorization: Bearer %s\r\nContent-Length: %d\r\n\r\n" % (KEY.encode(), len(body))
        )
        # The server has begun to read the body.
        assert b"100 Continue" in connection.recv(4096)
        ended = threading.Thread(target=server.end, args=(signum,))
        ended.start()
        time.sleep(0.3)
        assert server.process.poll() is None
        connection.sendall(body)
        reply = b"".join(iter(lambda: connection.recv(65536), b""))
    assert reply.startswith(b"HTTP/1.1 400")
    assert b"model_not_trained" in reply
    ended.join(10)
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
            deadline = time.monotonic() + 20
            while (found := client.fine_tuning.jobs.retrieve(job.id)).status != "succeeded":
                assert time.monotonic() < deadline, found
                time.sleep(0.05)
    finally:
        again.end()


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
        with pytest.raises(SettingsError, match=f"127.0.0.1:{port}"):
            serve(tmp_path / "home", port=port, say=lambda _: None)


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_another_client_goes_all_the_way(server: Server, tmp_path: Path) -> None:
    """curl is a client that nobody wrote for this server."""

    def curl(path: str, *arguments: str) -> Any:
        command = ["curl", "-sS", "--fail-with-body", "-H", f"Authorization: Bearer {KEY}", *arguments]
        ran = subprocess.run(
            [*command, server.url + path], capture_output=True, text=True, timeout=20, check=True
        )
        return json.loads(ran.stdout)

    def post(path: str, body: dict[str, Any]) -> Any:
        return curl(path, "-H", "Content-Type: application/json", "-d", json.dumps(body))

    data = tmp_path / "train.jsonl"
    data.write_bytes(tally_engine.records())
    file = curl("/files", "-F", "purpose=fine-tune", "-F", f"file=@{data}")
    assert (file["filename"], file["status"]) == ("train.jsonl", "processed")
    job = post("/fine_tuning/jobs", {"model": "tally", "training_file": file["id"]})
    deadline = time.monotonic() + 20
    while job["status"] != "succeeded":
        assert time.monotonic() < deadline, job
        time.sleep(0.05)
        job = curl(f"/fine_tuning/jobs/{job['id']}")
    reply = post(
        "/chat/completions",
        {"model": job["fine_tuned_model"], "messages": [{"role": "user", "content": "my money"}]},
    )
    assert reply["choices"][0]["message"]["content"] == "refund"
