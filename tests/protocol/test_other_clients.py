"""Clients that nobody wrote for this server go from upload to chat: curl, and OpenAI's package for JavaScript."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from protocol import tally_engine
from protocol.harness import KEY, Server
from waiting import HANG_S, wait_until

MUST_RUN = bool(os.environ.get("LABELTUNE_TEST_ALL"))
NODE = Path(os.environ.get("LABELTUNE_TEST_NODE", Path(__file__).parents[2] / ".ci" / "node"))


def _needs(found: object, what: str) -> None:
    if not found:
        assert not MUST_RUN, f"{what} is missing, and this test may not skip"
        pytest.skip(f"needs {what}")


def test_curl_goes_all_the_way(server: Server, tmp_path: Path) -> None:
    _needs(shutil.which("curl"), "curl")

    def curl(path: str, *arguments: str) -> Any:
        command = ["curl", "-sS", "--fail-with-body", "-H", f"Authorization: Bearer {KEY}", *arguments]
        ran = subprocess.run(
            [*command, server.url + path], capture_output=True, text=True, timeout=HANG_S, check=True
        )
        return json.loads(ran.stdout)

    def post(path: str, body: dict[str, Any]) -> Any:
        return curl(path, "-H", "Content-Type: application/json", "-d", json.dumps(body))

    data = tmp_path / "train.jsonl"
    data.write_bytes(tally_engine.records())
    file = curl("/files", "-F", "purpose=fine-tune", "-F", f"file=@{data}")
    assert (file["filename"], file["status"]) == ("train.jsonl", "processed")
    job = post("/fine_tuning/jobs", {"model": "tally", "training_file": file["id"]})
    path = f"/fine_tuning/jobs/{job['id']}"
    wait_until(lambda: curl(path)["status"] in ("succeeded", "failed"))
    job = curl(path)
    assert job["status"] == "succeeded", job["error"]
    reply = post(
        "/chat/completions",
        {"model": job["fine_tuned_model"], "messages": [{"role": "user", "content": "my money"}]},
    )
    assert reply["choices"][0]["message"]["content"] == "refund"


def test_the_javascript_client_goes_all_the_way(server: Server, tmp_path: Path) -> None:
    node = shutil.which("node")
    _needs(node and (NODE / "node_modules" / "openai").is_dir(), f"node, and its openai package in {NODE}")
    data = tmp_path / "train.jsonl"
    data.write_bytes(tally_engine.records())
    script = Path(__file__).with_name("other_client.mjs")
    command = [str(node), str(script), str(NODE.resolve()), server.url, KEY, str(data)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=HANG_S, check=False)
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout)
    assert (told["file"]["filename"], told["file"]["status"]) == ("train.jsonl", "processed")
    job = told["job"]
    assert (job["status"], job["seed"], job["method"]["type"]) == ("succeeded", 3, "supervised")
    assert job["fine_tuned_model"].startswith("ft:tally:local:js:")
    assert told["steps"] == list(range(40, 0, -1))
    assert (told["mine"], told["checkpoints"]) == ([job["id"]], 2)
    choice = told["choice"]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("refund", "stop")
    logprobs = choice["logprobs"]["content"]
    assert "".join(token["token"] for token in logprobs) == "refund"
    assert 0.5 < math.exp(sum(token["logprob"] for token in logprobs)) <= 1
    assert len(logprobs[0]["top_logprobs"]) == 2
    assert told["usage"]["completion_tokens"] == len(logprobs)
    assert told["content"].encode() == data.read_bytes()
    assert told["unknown"] == {"status": 404, "code": "model_not_found", "param": "model"}
    assert told["wrong"] == {"status": 400, "code": "file_not_found", "param": "training_file"}
