"""Jobs, files and models of providers that keep the protocol by and large, and addresses that lead elsewhere."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from faults.tiny_server import Sent, serving
from labeltune.cli.app import app
from labeltune.providers.environment import proxy_of
from labeltune.providers.failures import tls_failure

CANARY = "sk-canary-0123456789abcdef"
JOB = {
    "id": "ftjob-1", "object": "fine_tuning.job", "created_at": 1, "error": None, "fine_tuned_model": "ft:x",
    "finished_at": None, "hyperparameters": {"n_epochs": "auto"}, "model": "base", "organization_id": "o",
    "result_files": [], "status": "succeeded", "trained_tokens": None, "training_file": "file-1",
    "validation_file": None, "seed": 0,
}  # fmt: skip
FILE = {"id": "file-1", "object": "file", "bytes": 0, "created_at": 1, "filename": "x", "purpose": "fine-tune", "status": "processed"}  # fmt: skip


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", CANARY)
    for name in [*os.environ]:
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    messages = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    lines = [
        json.dumps({"messages": [{"role": "user", "content": f"a {n}"}, messages[1]]}) for n in range(12)
    ]
    Path("train.jsonl").write_text("\n".join([*lines, ""]))


def cli(url: str, *words: str) -> Result:
    result = CliRunner().invoke(app, [*words, "--provider", url])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def page(*items: object) -> dict[str, Any]:
    return {"object": "list", "data": list(items), "has_more": False}


def answering(**more: Any) -> Any:
    """A provider of one job; `more` are what it answers at the end of a path instead."""

    def answer(method: str, path: str) -> object:
        last = path.rsplit("/", 1)[1].replace("-", "_")
        if f"{method}_{last}" in more:
            return more[f"{method}_{last}"]
        if path.endswith("/jobs"):
            return {**JOB, "status": "queued"} if method == "POST" else page()
        if "/files" in path:
            return page() if path.endswith("/files") and method == "GET" else FILE
        if path.endswith("/ftjob-1"):
            return JOB
        if "/models/" in path:
            return {"id": "base", "object": "model", "created": 1, "owned_by": "x"}
        return page()

    return answer


# ---------------------------------------------------------------------------------------------- odd values


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        ({"status": "SUCCEEDED"}, 0, "ft:x"),
        ({"status": "completed"}, 0, "ft:x"),
        ({"status": "canceled", "finished_at": "yesterday"}, 10, "ftjob-1 was cancelled"),
        ({"status": "cancelled", "finished_at": 10**20}, 10, "ftjob-1 was cancelled"),
        ({"status": "error", "error": {"message": "boom"}}, 10, "ftjob-1 failed: boom"),
        ({"status": "failed", "error": "CUDA out of memory"}, 10, "ftjob-1 failed: CUDA out of memory"),
        ({"status": "failed", "error": [{"message": "boom", "code": "x"}]}, 10, "ftjob-1 failed: x: boom"),
        ({"model": None, "trained_tokens": "1234", "hyperparameters": None}, 0, "ft:x"),
    ],
)
def test_row_42_a_job_as_providers_write_it(changes: dict[str, Any], code: int, words: str) -> None:
    with serving(answering(GET_ftjob_1={**JOB, **changes})) as server:
        result = cli(server.url, "train", "train.jsonl", "--model", "base", "--wait-timeout", "20")
    assert result.exit_code == code, result.stderr
    assert words in result.stdout + result.stderr


ODD = [
    {"id": "e1", "created_at": 10**20, "message": "far"},
    {"id": "e2", "created_at": "2025-01-01T00:00:00Z", "message": None, "level": None, "data": "x"},
    {"id": "e3", "created_at": 1.5, "message": ["list"], "data": {"step": 10**400, "train_loss": 0.5}},
]


@pytest.mark.parametrize(
    "words",
    [("jobs", "events", "ftjob-1"), ("jobs", "watch", "ftjob-1", "--wait-timeout", "20")],
    ids=" ".join,
)
def test_events_with_odd_values(words: tuple[str, ...]) -> None:
    with serving(answering(GET_events=page(*ODD))) as server:
        result = cli(server.url, *words)
    assert result.exit_code == 0, result.stderr
    assert "far" in result.stdout + result.stderr


def test_lists_with_odd_values() -> None:
    files = page({**FILE, "bytes": None, "created_at": 1e20}, {"id": "file-2", "created_at": "2025"})
    models = page(
        {"object": "model"}, {"id": None}, {"id": "ft:y", "created": "2025"}, {"id": "ft:z", "created": 2.5}
    )
    checkpoints = page({"id": "c"}, {"id": "d", "fine_tuned_model_checkpoint": "ft:x:1", "metrics": [1]})
    with serving(answering(GET_files=files, GET_models=models, GET_checkpoints=checkpoints)) as server:
        assert "file-2" in cli(server.url, "files", "list").stdout
        assert "ft:z" in cli(server.url, "models", "list").stdout
        assert cli(server.url, "jobs", "checkpoints", "ftjob-1").stdout == "ft:x:1\n"


def test_a_list_under_another_name_is_told() -> None:
    with serving(answering(GET_jobs={"jobs": [JOB], "total": 1})) as server:
        result = cli(server.url, "jobs", "list")
    assert result.exit_code == 5
    assert "expected a list" in result.stderr


def test_a_job_is_watched_where_events_are_no_list() -> None:
    with serving(answering(GET_events={"events": []})) as server:
        result = cli(server.url, "jobs", "watch", "ftjob-1")
    assert result.exit_code == 0, result.stderr
    assert "lists no events" in result.stderr


def test_json_under_another_name_is_read() -> None:
    body = json.dumps(page(JOB)).encode()
    with serving(answering(GET_jobs=Sent(200, body, {"content-type": "text/plain"}))) as server:
        result = cli(server.url, "jobs", "list")
    assert result.stdout.startswith("ftjob-1"), result.stderr


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (Sent(204), 0),
        (Sent(200, b"", {"content-type": "text/plain"}), 0),
        ({"id": "file-1", "deleted": False}, 10),
    ],
)
def test_what_a_provider_says_of_a_file_that_it_was_told_to_delete(reply: object, code: int) -> None:
    with serving(answering(DELETE_file_1=reply)) as server:
        result = cli(server.url, "files", "delete", "file-1")
    assert result.exit_code == code, result.stderr


# ------------------------------------------------------------------------------------------------- refusals

FIELD = {"type": "extra_forbidden", "loc": ["body", "method"], "msg": "Extra inputs are not permitted"}


@pytest.mark.parametrize(
    ("reply", "code", "words"),
    [
        (Sent(422, json.dumps({"message": {"detail": [FIELD]}}).encode()), 2, "#hyperparameters=top_level"),
        (Sent(400, b'{"error": {"message": "metadata is unknown"}}'), 2, "#metadata=no"),
        (Sent(403, b"<title>Just a moment</title>", {"content-type": "text/html"}), 5, "a page, not the API"),
        (Sent(403, b'{"error": {"code": "insufficient_user_quota", "message": "x"}}'), 6, "top up"),
        (Sent(407, b"x", {"content-type": "text/plain"}), 4, "the proxy wants a user and a password"),
    ],
)
def test_a_job_that_is_refused(reply: Sent, code: int, words: str) -> None:
    with serving(answering(POST_jobs=reply)) as server:
        result = cli(server.url, "train", "train.jsonl", "--model", "base")
    assert result.exit_code == code, result.stderr
    assert words in result.stderr


# ------------------------------------------------------------------------------------------------- elsewhere


def test_nothing_goes_along_to_another_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Api-Key: secret-1234")
    with serving(lambda _m, _p: page(JOB)) as other:
        moved = Sent(307, b"", {"location": f"{other.url}/fine_tuning/jobs"})
        with serving(lambda _m, _p: moved) as server:
            assert cli(server.url, "jobs", "list").stdout.startswith("ftjob-1")
            assert "secret-1234" in str(server.headers)
    assert other.calls
    assert "secret-1234" not in str(other.headers)
    assert CANARY not in str(other.headers)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_no_file_goes_to_another_host(status: int) -> None:
    with serving(lambda _m, _p: FILE) as other:
        moved = Sent(status, b"", {"location": f"{other.url}/files?token=secret-1234"})
        with serving(answering(POST_files=moved)) as server:
            result = cli(server.url, "upload", "train.jsonl")
    assert result.exit_code == 5
    assert f"redirects to {other.url}/files (status {status})" in result.stderr
    assert not other.calls


# --------------------------------------------------------------------------------------------------- proxies


@pytest.mark.parametrize(
    ("exempt", "reached"),
    [
        ("10.0.0.0/8", True),
        ("192.168.0.0/16, 10.1.2.0/24", True),
        ("11.0.0.0/8", False),
        ("10.0.0.0/x", False),
    ],
)
def test_row_101_networks_without_a_proxy(
    monkeypatch: pytest.MonkeyPatch, exempt: str, reached: bool
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://proxy:3128")
    monkeypatch.setenv("NO_PROXY", exempt)
    assert (proxy_of("http://10.1.2.3:8000/v1") is None) == reached


def test_row_101_a_proxy_of_nothing_but_space_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", " ")
    assert proxy_of("http://10.1.2.3:8000/v1") is None


def test_row_101_a_proxy_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://user:secret-1234@127.0.0.1:9")
    result = cli("http://api.test/v1", "jobs", "show", "ftjob-1")
    assert result.exit_code == 5
    assert (
        "through the proxy http://127.0.0.1:9: unset its variable, or add api.test to NO_PROXY"
        in result.stderr
    )
    assert "secret-1234" not in result.stderr


@pytest.mark.parametrize(
    ("address", "hint"),
    [
        ("127.0.0.1:8000/v1", "--provider http://127.0.0.1:8000/v1"),
        ("localhost:11434", "--provider http://localhost:11434"),
        ("api.example.com/v1", "--provider https://api.example.com/v1"),
        ("https://api.example.com/v1?key=secret-1234", "leave it out: https://api.example.com/v1"),
        (
            "https://x.openai.azure.com/openai/deployments/d/chat/completions?api-version=2024-10-21",
            "leave it out: https://x.openai.azure.com",
        ),
    ],
)
def test_an_address_that_is_nearly_one(address: str, hint: str) -> None:
    result = cli(address, "jobs", "list")
    assert result.exit_code == 2
    assert hint in result.stderr
    assert "secret-1234" not in result.stderr


def test_row_35_a_port_without_tls_has_no_wrong_certificate() -> None:
    with serving(answering()) as server:
        result = cli(f"https://{server.address}/v1", "jobs", "show", "ftjob-1")
    assert result.exit_code == 5
    assert "does not speak TLS on this port" in result.stderr
    assert "is it http://?" in result.stderr


@pytest.mark.parametrize(
    ("said", "what", "hint"),
    [
        ("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate", "not trusted", "SSL_CERT_FILE"),
        ("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: certificate has expired", "today", "clock"),
        ("[SSL: CERTIFICATE_VERIFY_FAILED] Hostname mismatch, certificate is not valid for 'x'", "another name", "--provider"),
        ("[SSL: SSLV3_ALERT_HANDSHAKE_FAILURE] ssl/tls alert handshake failure", "no secure connection", "address"),
    ],
)  # fmt: skip
def test_row_35_what_is_wrong_with_a_secure_connection(said: str, what: str, hint: str) -> None:
    found = tls_failure(said)
    assert what in found[0]
    assert hint in found[1]


@pytest.mark.parametrize("host", ["api..test", f"{'a' * 64}.test"])
def test_a_host_that_no_resolver_takes(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    result = cli(f"https://{host}/v1", "jobs", "list")
    assert result.exit_code == 2
    assert "is no URL of an API" in result.stderr
    monkeypatch.setenv("HTTP_PROXY", f"http://{host}:3128")
    result = cli("http://api.test/v1", "jobs", "list")
    assert result.exit_code == 2
    assert "expected a proxy such as" in result.stderr
