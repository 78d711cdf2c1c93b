"""What a bad request gets: OpenAI's status, shape, code and parameter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx2
import openai
import pytest

from labeltune.local import create_app
from labeltune.local.limits import Limits
from protocol import tally_engine
from protocol.harness import Provider, run

if TYPE_CHECKING:
    from pathlib import Path

SAY = [{"role": "user", "content": "hello"}]


def _bad_body(error: openai.APIStatusError) -> dict[str, Any]:
    body = error.response.json()
    assert set(body) == {"error"}
    assert set(body["error"]) == {"message", "type", "param", "code"}
    assert error.response.headers["x-request-id"].startswith("req_")
    found: dict[str, Any] = body["error"]
    return found


@pytest.mark.parametrize(
    ("path", "param"),
    [
        ("/files/file-x", "id"),
        ("/files/file-x/content", "id"),
        ("/fine_tuning/jobs/ftjob-x", "fine_tuning_job_id"),
        ("/fine_tuning/jobs/ftjob-x/events", "fine_tuning_job_id"),
        ("/fine_tuning/jobs/ftjob-x/checkpoints", "fine_tuning_job_id"),
        ("/models/nope", "model"),
        ("/batches/batch_x", "batch_id"),
        ("/nope", None),
        ("/files/..%2f..%2flabeltune.db/content", None),
    ],
)
def test_what_is_not_there_is_404(provider: Provider, path: str, param: str | None) -> None:
    async def go() -> None:
        with pytest.raises(openai.NotFoundError) as caught:
            await provider.client.get(path, cast_to=object)
        assert _bad_body(caught.value)["param"] == param

    run(go())


JOB: dict[str, Any] = {"model": "tally", "training_file": "file-none"}


@pytest.mark.parametrize(
    ("path", "body", "param", "code"),
    [
        ("/fine_tuning/jobs", {"training_file": "file-x"}, "model", "missing_required_parameter"),
        ("/fine_tuning/jobs", {**JOB, "model": "gpt-4o"}, "model", "model_not_available"),
        ("/fine_tuning/jobs", {**JOB, "model": "tally:gone"}, "model", "model_not_available"),
        ("/fine_tuning/jobs", {**JOB, "model": "tally#speed=2"}, "model", "invalid_option"),
        ("/fine_tuning/jobs", {**JOB, "model": "tally#speed"}, "model", "invalid_option"),
        ("/fine_tuning/jobs", JOB, "training_file", "file_not_found"),
        ("/fine_tuning/jobs", {**JOB, "training_file": 1}, "training_file", "invalid_type"),
        ("/uploads", {"filename": "a", "purpose": "fine-tune", "bytes": "1"}, "bytes", "invalid_type"),
        (
            "/uploads",
            {"filename": "a", "purpose": "fine-tune", "bytes": 0},
            "bytes",
            "integer_below_min_value",
        ),
        ("/uploads", {"filename": "a", "purpose": "art", "bytes": 1}, "purpose", "invalid_value"),
        ("/batches", {"endpoint": "/v1/chat/completions"}, "input_file_id", "missing_required_parameter"),
        ("/batches", {"input_file_id": "file-x", "endpoint": "/v1/embeddings"}, "endpoint", "invalid_value"),
        ("/chat/completions", {"messages": SAY}, "model", "missing_required_parameter"),
        ("/chat/completions", {"model": "m"}, "messages", "missing_required_parameter"),
        ("/chat/completions", {"model": "m", "messages": []}, "messages", "empty_array"),
        ("/chat/completions", {"model": "m", "messages": ["x"]}, "messages[0]", "invalid_type"),
        (
            "/chat/completions",
            {"model": "m", "messages": [{"role": "king"}]},
            "messages[0].role",
            "invalid_value",
        ),
        (
            "/chat/completions",
            {"model": "m", "messages": [{"role": "user", "content": 5}]},
            "messages[0].content",
            "invalid_type",
        ),
        ("/chat/completions", {"model": "tally", "messages": SAY}, "model", "model_not_trained"),
        ("/chat/completions", {"model": "m", "messages": SAY, "n": 0}, "n", "integer_below_min_value"),
        ("/chat/completions", {"model": "m", "messages": SAY, "n": True}, "n", "invalid_type"),
        (
            "/chat/completions",
            {"model": "m", "messages": SAY, "logprobs": True, "top_logprobs": 21},
            "top_logprobs",
            "integer_above_max_value",
        ),
        (
            "/chat/completions",
            {"model": "m", "messages": SAY, "top_logprobs": 2},
            "top_logprobs",
            "invalid_value",
        ),
        ("/chat/completions", {"model": "m", "messages": SAY, "stop": [1]}, "stop", "invalid_value"),
        (
            "/chat/completions",
            {"model": "m", "messages": SAY, "max_completion_tokens": 0},
            "max_completion_tokens",
            "integer_below_min_value",
        ),
        (
            "/chat/completions",
            {"model": "m", "messages": SAY, "temperature": 3},
            "temperature",
            "decimal_above_max_value",
        ),
        (
            "/chat/completions",
            {"model": "m", "messages": SAY, "response_format": {"type": "xml"}},
            "response_format.type",
            "invalid_value",
        ),
        (
            "/chat/completions",
            {"model": "m", "messages": SAY, "tools": [{}]},
            "tools",
            "unsupported_parameter",
        ),
        (
            "/chat/completions",
            {"model": "m", "messages": SAY, "temprature": 0},
            "temprature",
            "unknown_parameter",
        ),
    ],
)
def test_a_bad_parameter_is_named(
    provider: Provider, path: str, body: dict[str, Any], param: str, code: str
) -> None:
    async def go() -> None:
        with pytest.raises(openai.BadRequestError) as caught:
            await provider.client.post(path, body=body, cast_to=object)
        error = _bad_body(caught.value)
        assert (error["param"], error["code"], error["type"]) == (param, code, "invalid_request_error")

    run(go())


@pytest.mark.parametrize(
    ("options", "param"),
    [
        ({"hyperparameters": {"n_epochs": 51}}, "hyperparameters.n_epochs"),
        ({"hyperparameters": {"batch_size": "big"}}, "hyperparameters.batch_size"),
        ({"hyperparameters": {"epochs": 3}}, "hyperparameters.epochs"),
        (
            {
                "method": {
                    "type": "supervised",
                    "supervised": {"hyperparameters": {"learning_rate_multiplier": 0}},
                }
            },
            "method.supervised.hyperparameters.learning_rate_multiplier",
        ),
        ({"method": {"type": "dpo"}}, "method.type"),
        ({"suffix": "x" * 65}, "suffix"),
        ({"suffix": ""}, "suffix"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**31}, "seed"),
        ({"metadata": {"k": "v" * 513}}, "metadata.k"),
        ({"metadata": {str(i): "v" for i in range(17)}}, "metadata"),
        ({"integrations": [{"type": "wandb", "wandb": {"project": "p"}}]}, "integrations"),
        ({"validation_file": "file-none"}, "validation_file"),
    ],
)
def test_a_bad_setting_of_a_job_is_named(provider: Provider, options: dict[str, Any], param: str) -> None:
    async def go() -> None:
        file = await provider.upload()
        with pytest.raises(openai.BadRequestError) as caught:
            await provider.job(training_file=file, **options)
        assert _bad_body(caught.value)["param"] == param
        assert (await provider.client.fine_tuning.jobs.list()).data == []

    run(go())


def test_a_file_of_another_purpose_is_refused(provider: Provider) -> None:
    async def go() -> None:
        batch_file = await provider.upload(b"{}", purpose="batch")
        with pytest.raises(openai.BadRequestError) as caught:
            await provider.job(training_file=batch_file)
        assert _bad_body(caught.value)["code"] == "invalid_file_purpose"

    run(go())


@pytest.mark.parametrize(
    ("content", "headers"),
    [
        (b"", {}),
        (b"no form", {"content-type": "multipart/form-data"}),
        (b"no form", {"content-type": "multipart/form-data; boundary=x"}),
        (b"--x\r\n\r\n", {"content-type": "multipart/form-data; boundary=x"}),
        (b"{", {"content-type": "application/json"}),
    ],
)
def test_a_body_that_cannot_be_read_is_400(directory: Path, content: bytes, headers: dict[str, str]) -> None:
    async def go() -> None:
        transport = httpx2.ASGITransport(app=create_app(directory))
        async with httpx2.AsyncClient(transport=transport, base_url="http://local") as client:
            for path in ("/v1/files", "/v1/uploads"):
                reply = await client.post(path, content=content, headers=headers)
                form = "multipart" in headers.get("content-type", "")
                assert reply.status_code == (415 if form and path == "/v1/uploads" else 400), reply.text
                assert reply.json()["error"]["type"] == "invalid_request_error"
            reply = await client.put("/v1/files")
            assert reply.status_code == 405
            assert "error" in reply.json()

    run(go())


def test_a_large_json_body_is_413(directory: Path) -> None:
    async def go() -> None:
        transport = httpx2.ASGITransport(app=create_app(directory))
        async with httpx2.AsyncClient(transport=transport, base_url="http://local") as client:
            json_body = {"content-type": "application/json"}
            reply = await client.post(
                "/v1/chat/completions", content=bytes((16 << 20) + 1), headers=json_body
            )
            assert reply.status_code == 413
            assert reply.json()["error"]["type"] == "invalid_request_error"

    run(go())


def test_limit_and_after_of_lists(provider: Provider) -> None:
    async def go() -> None:
        ids = [await provider.upload(b"x", purpose="user_data") for _ in range(5)]
        client = provider.client
        assert [file.id async for file in client.files.list(limit=2)] == ids[::-1]
        assert [file.id async for file in client.files.list(limit=3, order="asc")] == ids
        assert [file.id async for file in client.files.list(purpose="batch")] == []
        for options, param in (
            ({"limit": 0}, "limit"),
            ({"after": "file-none"}, "after"),
            ({"order": "up"}, "order"),
        ):
            with pytest.raises(openai.BadRequestError) as caught:
                await client.get("/files", cast_to=object, options={"params": options})
            assert _bad_body(caught.value)["param"] == param

    run(go())


def test_jobs_are_found_by_metadata(provider: Provider) -> None:
    async def go() -> None:
        file = await provider.upload()
        jobs = provider.client.fine_tuning.jobs
        # So that there is still something to cancel in the end.
        with provider.without_worker():
            tagged = [
                (await provider.job(training_file=file, metadata={"run": "a b&c", "i": str(i)})).id
                for i in range(3)
            ]
            plain = (await provider.job(training_file=file)).id
            assert [job.id async for job in jobs.list(limit=1)] == [plain, *tagged[::-1]]
            assert [job.id async for job in jobs.list(limit=2, metadata={"run": "a b&c"})] == tagged[::-1]
            assert [job.id async for job in jobs.list(metadata={"run": "a b&c", "i": "1"})] == [tagged[1]]
            assert [job.id async for job in jobs.list(metadata={"i": ""})] == []
            assert [job.id async for job in jobs.list(extra_query={"metadata": "null"})] == [plain]
            await jobs.cancel(plain)

    run(go())


def test_expired_files_are_gone(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    async def go() -> None:
        client = provider.client
        file = await client.files.create(
            file=("a.jsonl", tally_engine.records()),
            purpose="fine-tune",
            expires_after={"anchor": "created_at", "seconds": 3600},
        )
        assert file.expires_at == file.created_at + 3600
        batch = await client.files.create(file=b"{}", purpose="batch")
        assert batch.expires_at == batch.created_at + 30 * 24 * 3600
        with pytest.raises(openai.BadRequestError) as caught:
            await client.files.create(
                file=b"x", purpose="fine-tune", expires_after={"anchor": "created_at", "seconds": 60}
            )
        assert _bad_body(caught.value)["param"] == "expires_after.seconds"
        monkeypatch.setattr("labeltune.local.files.now", lambda: file.created_at + 3601)
        with pytest.raises(openai.NotFoundError):
            await client.files.retrieve(file.id)
        assert [found.id async for found in client.files.list()] == [batch.id]
        with pytest.raises(openai.BadRequestError):
            await provider.job(training_file=file.id)

    run(go())


@pytest.mark.parametrize(
    ("data", "gist"),
    [
        (b"", "empty"),
        (b"id,text\n1,hello\n", "Line 1"),
        (tally_engine.records(10) + b"\xff\n", "Line 11: byte 1"),
    ],
)
def test_a_file_that_is_no_training_file_says_so(provider: Provider, data: bytes, gist: str) -> None:
    async def go() -> None:
        file = await provider.client.files.create(file=("a.jsonl", data), purpose="fine-tune")
        assert file.status == "error"
        assert file.status_details is not None
        assert gist in file.status_details

    run(go())


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "CON", "a" * 300, "nul\x00byte", "dot.", "über.jsonl", 'quo"te', "/abs/path"]
)
def test_a_file_name_is_never_a_path(provider: Provider, name: str, tmp_path: Path) -> None:
    async def go() -> None:
        file = await provider.client.files.create(file=(name, b"text"), purpose="user_data")
        assert (await provider.client.files.content(file.id)).content == b"text"
        assert [path.name for path in (provider.directory / "files").iterdir()] == [file.id]

    run(go())
    assert [path.name for path in tmp_path.iterdir()] == ["provider"]


def test_raw_responses_carry_ids_and_limits(directory: Path) -> None:
    async def go() -> None:
        provider = Provider(directory, limits=Limits(requests=3))
        for left in (2, 1, 0):
            raw = await provider.client.models.with_raw_response.list()
            assert raw.headers["x-ratelimit-limit-requests"] == "3"
            assert raw.headers["x-ratelimit-remaining-requests"] == str(left)
            assert raw.headers["x-request-id"].startswith("req_")
        with pytest.raises(openai.RateLimitError) as caught:
            await provider.client.models.list()
        assert _bad_body(caught.value)["code"] == "rate_limit_exceeded"
        assert 0 < int(caught.value.response.headers["retry-after"]) <= 60

    run(go())


KEY = "sk-canary-2f6d1c"
TEXT = "canary-text-81b7"


def test_the_key_is_needed_and_neither_key_nor_text_is_logged(
    directory: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def go() -> None:
        caplog.set_level("DEBUG")
        provider = Provider(directory, api_key=KEY)
        with pytest.raises(openai.AuthenticationError) as caught:
            await provider.client.models.list()
        assert _bad_body(caught.value)["code"] == "invalid_api_key"
        client = provider.client.with_options(api_key=KEY)
        await client.models.list()
        messages: Any = [{"role": "user", "content": TEXT}]
        with pytest.raises(openai.NotFoundError):
            await client.chat.completions.create(model="nope", messages=messages)
        provider.client = client
        job = await provider.trained()
        monkeypatch.setattr(_engine(provider), "answer", _fails)
        with pytest.raises(openai.InternalServerError) as bug:
            await client.chat.completions.create(model=job.fine_tuned_model or "", messages=messages)
        assert TEXT not in bug.value.response.text

    def _engine(provider: Provider) -> Any:
        from tally_engine import Tally  # type: ignore[import-not-found]  # the one found through its entry point

        return Tally

    def _fails(*_: Any, **__: Any) -> None:
        raise ValueError(TEXT)

    run(go())
    assert "POST /v1/chat/completions 500" in caplog.text
    assert "ValueError" in caplog.text
    ours = "\n".join(record.getMessage() for record in caplog.records if record.name.startswith("labeltune"))
    for secret in (KEY, TEXT):
        assert secret not in ours
        assert not any(
            secret.encode() in path.read_bytes() for path in directory.rglob("*") if path.is_file()
        )


def test_keys_are_compared_in_constant_time(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[bytes, bytes]] = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return one == other

    monkeypatch.setattr("hmac.compare_digest", compare)

    async def go() -> None:
        transport = httpx2.ASGITransport(app=create_app(directory, api_key=KEY))
        async with httpx2.AsyncClient(transport=transport, base_url="http://local") as client:
            statuses = []
            for header in (f"Bearer {KEY}", "Bearer x", "Bearer ", KEY, f"Basic {KEY}", f"Bearer {KEY}x"):
                reply = await client.get("/v1/models", headers={"authorization": header})
                statuses.append(reply.status_code)
            assert statuses == [200, 401, 401, 401, 401, 401]
            assert (await client.get("/v1/models")).status_code == 401
            assert (await client.get("/healthz")).status_code == 200

    run(go())
    assert {len(value) for pair in compared for value in pair} == {32}
