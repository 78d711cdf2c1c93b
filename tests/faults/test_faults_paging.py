"""Lists that never end by themselves, and waits that hold whatever a server does."""

from __future__ import annotations

import ast
import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from docs.pages import ROOT
from faults.clock import Clock
from faults.tiny_server import Served, serving
from labeltune.cli.app import app
from labeltune.errors import TemporaryError
from labeltune.providers import connect, every, resolve_provider, run, take
from labeltune.providers.waiting import WaitLimit
from waiting import HANG_S

JOB: dict[str, Any] = {
    "id": "ftjob-1",
    "object": "fine_tuning.job",
    "created_at": 1,
    "model": "base",
    "status": "running",
    "training_file": "file-1",
    "validation_file": None,
    "fine_tuned_model": None,
    "error": None,
    "finished_at": None,
    "hyperparameters": {},
    "organization_id": "o",
    "result_files": [],
    "seed": 1,
    "trained_tokens": None,
}
FILE = {
    "id": "file-1",
    "object": "file",
    "bytes": 9,
    "created_at": 1,
    "filename": "x",
    "purpose": "fine-tune",
}
EVENT = {
    "id": "ev-1",
    "object": "fine_tuning.job.event",
    "created_at": 1,
    "level": "info",
    "message": "hello",
}
MORE: list[dict[str, Any]] = [{}, {"has_more": True}, {"has_more": None}]
IDS = ["missing", "true", "null"]


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary-0123456789")
    for number in range(60):
        record = {
            "messages": [{"role": "user", "content": f"text {number}"}, {"role": "assistant", "content": "a"}]
        }
        with Path("train.jsonl").open("a") as lines:
            lines.write(json.dumps(record) + "\n")


def cli(served: Served, *argv: str) -> Result:
    return CliRunner().invoke(app, [*argv, "--provider", served.url])


def of(*items: Any, **more: Any) -> dict[str, Any]:
    return {"object": "list", "data": list(items), **more}


class _Pages:
    """What a server answers to `after`, page by page; the last one for ever, as an SDK's page has it."""

    def __init__(self, *pages: list[Any]) -> None:
        self.pages, self.asked = pages, 0

    def __await__(self) -> Any:
        async def first() -> _Pages:
            self.asked = 1
            return self

        return first().__await__()

    def __aiter__(self) -> Any:
        raise AssertionError("the SDK's own paging is not used")

    @property
    def data(self) -> list[Any]:
        return [
            SimpleNamespace(id=item, model_dump=dict)
            for item in self.pages[min(self.asked, len(self.pages)) - 1]
        ]

    def has_next_page(self) -> bool:
        return True

    async def get_next_page(self) -> _Pages:
        self.asked += 1
        assert self.asked < 20, "asked for ever"
        return self


@pytest.mark.parametrize(
    ("pages", "found", "asked"),
    [
        ([["a", "b"]], "ab", 2),
        ([["a", "b"], ["b", "c"], ["c"]], "abc", 3),
        ([["a", "b"], ["c"], ["a", "b"]], "abc", 3),
        ([["b", "a"], ["c", "b", "a"], ["d", "c", "b"]], "bac", 2),
        ([["a"], []], "a", 2),
        ([[""]], [""], 1),
        ([[None, None]], [None, None], 1),
    ],
    ids=["ignores after", "overlaps", "circle", "grows in front", "empty", "empty id", "no id"],
)
def test_row_99_a_list_ends_when_a_page_brings_nothing_new(pages: Any, found: Any, asked: int) -> None:
    source = _Pages(*pages)

    async def read() -> list[Any]:
        return [item.id async for item in every(source)]

    assert asyncio.run(read()) == list(found)
    assert source.asked == asked


def test_a_limit_is_held_without_another_page() -> None:
    source = _Pages(["a", "b"], ["c", "d"], ["e"])
    assert [item.id for item in asyncio.run(take(source, 4))] == ["a", "b", "c", "d"]
    assert source.asked == 2


@pytest.mark.parametrize(
    "data", ["files", {"a": 1}, [None], ["file-1"]], ids=["text", "object", "null", "names"]
)
def test_row_99_an_answer_that_is_no_list_is_told(data: object) -> None:
    with serving(lambda *_: {"object": "list", "data": data}) as served:
        result = cli(served, "jobs", "list")
    assert result.exit_code == 5, result.output
    assert "the answer is not from the API: expected a list" in result.stderr


@pytest.mark.parametrize("more", MORE, ids=IDS)
def test_row_99_calls_06_every_list_of_the_sdk_ends(more: dict[str, Any]) -> None:
    def answer(_: str, path: str) -> object:
        if path.endswith("/checkpoints"):
            return of({"id": "ckpt-1", "fine_tuned_model_checkpoint": "m:1", "step_number": 1}, **more)
        return of(EVENT if path.endswith("/events") else JOB if path.endswith("/jobs") else FILE, **more)

    async def read(url: str) -> list[list[Any]]:
        async with connect(resolve_provider(url)) as client:
            jobs = client.fine_tuning.jobs
            lists: list[Any] = [client.files, jobs, client.batches, client.models]
            pages = [one.list() for one in lists]
            pages += [jobs.list_events("ftjob-1"), jobs.checkpoints.list("ftjob-1")]
            return [[item async for item in every(page)] for page in pages]

    with serving(answer) as served:
        assert [len(found) for found in run(read(served.url))] == [1] * 6
        assert len(served.calls) <= 12


def test_row_99_calls_06_a_job_is_listed_once() -> None:
    with serving(lambda *_: of(JOB)) as served:
        result = cli(served, "jobs", "list", "--limit", "5")
        assert served.count("/jobs") == 2
    assert result.stdout.count("ftjob-1") == 1


def test_row_99_calls_06_an_upload_looks_through_an_endless_list_once() -> None:
    def answer(method: str, path: str) -> object:
        sent = {name: value for name, value in FILE.items() if name != "bytes"} | {"status": "processed"}
        return sent if method == "POST" or path.endswith("file-1") else of(FILE, has_more=True)

    with serving(answer) as served:
        result = cli(served, "upload", "train.jsonl")
        assert (result.exit_code, result.stdout) == (0, "file-1\n"), result.output
        assert served.count("GET /v1/files?") == 2


@pytest.mark.parametrize("more", MORE, ids=IDS)
def test_row_99_calls_06_a_watch_tells_each_event_once_and_ends(
    more: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    # However slow this machine is: the first look is not cut off.
    monkeypatch.setattr("labeltune.tuning.watching.LAST_LOOK_SECONDS", HANG_S)
    with serving(lambda _, path: of(EVENT, **more) if path.endswith("/events") else JOB) as served:
        result = cli(served, "jobs", "watch", "ftjob-1", "--wait-timeout", "1.5")
    assert result.exit_code == 5
    assert result.stderr.count("hello") == 1
    assert "status 'running' (not final); the job keeps its id" in result.stderr


def _hangs_at(part: str, then: Callable[[], object] = lambda: None) -> Any:
    def answer(method: str, path: str) -> object:
        if part in f"{method} {path}":
            then()
            return None
        if path.endswith("/events"):
            return of(EVENT)
        if "/models/" in path:
            return {"id": "base", "object": "model", "created": 1, "owned_by": "x"}
        if method == "GET" and path.endswith(("/files", "/jobs")):
            return of(has_more=False)
        return JOB if "/jobs" in path else {**FILE, "bytes": 0, "status": "processed"}

    return answer


@pytest.mark.parametrize(
    ("part", "said"),
    [
        (
            "GET /v1/fine_tuning/jobs/ftjob-1/events",
            "did not say how it stands before --wait-timeout was over",
        ),
        ("GET /v1/fine_tuning/jobs/ftjob-1", "did not say how it stands before --wait-timeout was over"),
    ],
    ids=["events", "job"],
)
def test_row_99_a_watch_of_a_silent_server_ends(part: str, said: str) -> None:
    with serving(_hangs_at(part)) as served:
        result = cli(served, "jobs", "watch", "ftjob-1", "--wait-timeout", "0.2")
    assert result.exit_code == 5, result.output
    assert said in result.stderr
    assert "come back with: labeltune jobs watch ftjob-1" in result.stderr


@pytest.mark.parametrize(
    "part",
    ["GET /v1/models", "GET /v1/files", "POST /v1/fine_tuning/jobs", "GET /v1/fine_tuning/jobs/ftjob-1"],
    ids=["model", "files", "creating", "job"],
)
def test_row_99_a_training_at_a_silent_server_ends(part: str, clock: Clock) -> None:
    """The time passes when the server has been asked, however long that takes."""
    with serving(_hangs_at(part, lambda: clock.forward(40))) as served:
        result = cli(served, "train", "train.jsonl", "--model", "base", "--wait-timeout", "30")
        assert served.count(part) == 1
    assert result.exit_code == 5, result.output
    assert "--wait-timeout" in result.stderr or "not final" in result.stderr


def test_a_limit_stands_still_while_data_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    ahead, monotonic = [0.0], time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: monotonic() + ahead[0])

    async def work() -> WaitLimit:
        limit = WaitLimit(300)
        async with limit.kept(at_least=0):
            with limit.standing_still():
                ahead[0] += 1000
                await asyncio.sleep(0.01)
        with pytest.raises(TimeoutError):
            async with limit.kept(at_least=0):
                ahead[0] += 1000
                await asyncio.sleep(3600)
        return limit

    assert asyncio.run(work()).left == 0


def test_a_limit_lasts_as_long_as_is_said_at_least() -> None:
    async def work() -> None:
        async with WaitLimit(0).kept(at_least=60):
            await asyncio.sleep(0)
        async with WaitLimit(None).kept(at_least=0):
            await asyncio.sleep(0)

    asyncio.run(work())


def test_row_99_no_list_is_read_by_the_sdks_own_paging() -> None:
    """The rule that keeps the next list from being endless: a loop goes over `every(…)`."""
    wrong = []
    for path in (ROOT / "src" / "labeltune").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            call = node.iter if isinstance(node, ast.AsyncFor | ast.comprehension) else None
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute):
                wrong += [f"{path}:{call.lineno}"] if call.func.attr in ("list", "list_events") else []
    assert wrong == []


def test_the_error_of_a_page_is_temporary() -> None:
    source = SimpleNamespace(data="text")

    async def page() -> Any:
        return source

    with pytest.raises(TemporaryError, match="expected a list"):
        asyncio.run(take(page(), 1))  # type: ignore[arg-type]  # stands for a paginator
