"""One batch, from its input file to its output and error files."""

from __future__ import annotations

import contextlib
import logging
import time
import traceback
from dataclasses import dataclass
from itertools import islice
from typing import IO, TYPE_CHECKING, Any

import orjson

from labeltune.errors import AccessError, DiskError, ModelDamagedError
from labeltune.files.writing import sha256_of
from labeltune.local.batches import ENDPOINT
from labeltune.local.chat import completion
from labeltune.local.chat_request import LikeRequests
from labeltune.local.errors import ApiError, with_hint
from labeltune.local.files import add_file
from labeltune.local.store import disk_is_full, new_id, now
from labeltune.local.stored_models import LoadedModels, find_model
from labeltune.local.wire import Fields

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from labeltune.local.chat_request import ChatRequest
    from labeltune.local.engines import Engine
    from labeltune.local.store import Row, Store

__all__ = ["CHUNK", "answer_batch", "next_size"]

MAX_REQUESTS = 50_000
MAX_BYTES = 200 << 20
MAX_ATTEMPTS = 3

CHUNK = 512
"""At most so many requests are answered as one matrix."""

_FIRST_CHUNK = 32
_LOOK_EVERY_S = 0.25
"""Chunks are doubled while they take less, and halved when they take more: after each the counts are written
and orders are heard, however slow the engine."""
_LOOK_AT_SLOW_EVERY_S = 1.5
"""The same of engines that call themselves slow: many together cost them less than one after the other."""

_MAX_ERRORS = 20

_END = {
    "completed": "UPDATE batches SET status = 'completed', completed_at = ?, ",
    "cancelled": "UPDATE batches SET status = 'cancelled', cancelled_at = ?, ",
    "expired": "UPDATE batches SET status = 'expired', expired_at = ?, ",
}

_log = logging.getLogger("labeltune.local.worker")


@dataclass(frozen=True, slots=True)
class _Line:
    """One request of a batch."""

    custom_id: str
    body: dict[str, Any]


class _RefusedError(Exception):
    """The batch cannot be answered, and why: the `errors` of the batch."""

    def __init__(self, errors: list[dict[str, Any]]) -> None:
        super().__init__(errors[0]["message"])
        self.errors = errors


def answer_batch(store: Store, batch: Row) -> None:
    """Answer a batch, from its start where another worker left it: its files exist from the end on only."""
    try:
        store.write("UPDATE batches SET attempts = attempts + 1 WHERE id = ?", batch["id"])
        _Answering(store, batch).run()
    except _RefusedError as refusal:
        _fail(store, batch, refusal.errors)
    except Exception as error:  # noqa: BLE001  (an engine's bug fails its batch, not the worker)
        if isinstance(error, DiskError) or disk_is_full(error):
            store.drop_ballast()
            _fail(store, batch, [_error("disk_full", "The disk is full.")])
            store.lay_ballast()
            return
        # Where it happened and the kind of error, but not its message: that may hold someone's text.
        kind = type(error).__qualname__
        _log.error("%s: %s\n%s", batch["id"], kind, "".join(traceback.format_tb(error.__traceback__)))
        _fail(store, batch, [_error("server_error", f"The batch failed ({kind}); see worker.log.")])


class _Answering:
    """A batch while it is answered."""

    def __init__(self, store: Store, batch: Row) -> None:
        self.store = store
        self.batch = batch
        self.path = store.files / batch["input_file_id"]
        self.requests = LikeRequests()
        self.counts = {"completed": 0, "failed": 0, "input_tokens": 0, "output_tokens": 0}

    def run(self) -> None:
        if self.batch["attempts"] >= MAX_ATTEMPTS:
            died = _error("worker_died", f"The worker died {MAX_ATTEMPTS} times; see worker.log.")
            raise _RefusedError([died])
        total, model = self._validate()
        engine = self._load(model)
        self.store.write(
            "UPDATE batches SET status = 'in_progress', in_progress_at = ?, total = ?, model = ? "
            "WHERE id = ? AND status IN ('validating', 'in_progress', 'finalizing')",
            now(),
            total,
            model,
            self.batch["id"],
        )
        end = ""
        with contextlib.ExitStack() as stack:
            output = _Part(self.store, self.batch, "output", stack)
            errors = _Part(self.store, self.batch, "error", stack)
            lines = self._lines()
            size = _FIRST_CHUNK
            look_every = _LOOK_AT_SLOW_EVERY_S if getattr(engine, "slow", False) else _LOOK_EVERY_S
            while not end and (chunk := list(islice(lines, size))):
                end = self._ends()
                if end == "expired":
                    errors.write([_expired(line) for line in (*chunk, *lines)])
                elif not end:
                    began = time.monotonic()
                    self._answer(engine, chunk, output, errors)
                    size = next_size(size, time.monotonic() - began, look_every)
            self._finish(end or "completed", output, errors)

    def _validate(self) -> tuple[int, str]:
        """How many requests there are, and for which model. Raises `_RefusedError` with what is wrong."""
        try:
            size = self.path.stat().st_size
        except FileNotFoundError:
            raise _RefusedError(
                [_error("file_not_found", "The input file was deleted.", "input_file_id")]
            ) from None
        if size > MAX_BYTES:
            raise _RefusedError(
                [_error("file_too_large", f"The input file has more than {MAX_BYTES:,} bytes.")]
            )
        check = _Check()
        with self.path.open("rb") as lines:
            for number, text in enumerate(lines, start=1):
                check.line(number, text)
                if len(check.errors) >= _MAX_ERRORS:
                    break
        if not check.count:
            check.errors.append(_error("empty_file", "The input file has no requests."))
        elif check.count > MAX_REQUESTS:
            message = f"The input file has more than {MAX_REQUESTS:,} requests."
            check.errors.append(_error("too_many_tasks", message))
        if check.errors:
            raise _RefusedError(check.errors)
        return check.count, check.model

    def _lines(self) -> Iterator[_Line]:
        """The requests of a file that was validated."""
        with self.path.open("rb") as lines:
            for text in lines:
                line = orjson.loads(text)
                yield _Line(line["custom_id"], line["body"])

    def _load(self, model: str) -> Engine:
        try:
            return LoadedModels(self.store).load(find_model(self.store, model))
        except ApiError as error:
            raise _RefusedError(
                [_error(error.code or "invalid_request", error.message, "body.model")]
            ) from error
        except AccessError as error:
            raise _RefusedError([_error("model_not_available", with_hint(error), "body.model")]) from error
        except ModelDamagedError as error:
            raise _RefusedError([_error("model_damaged", str(error), "body.model")]) from error

    def _ends(self) -> str:
        """Why the batch does not go on, if so."""
        row = self.store.row("SELECT status, expires_at FROM batches WHERE id = ?", self.batch["id"])
        if row is None or row["status"] == "cancelling":
            return "cancelled"
        return "expired" if row["expires_at"] <= now() else ""

    def _answer(self, engine: Engine, chunk: list[_Line], output: _Part, errors: _Part) -> None:
        asked: list[tuple[_Line, ChatRequest]] = []
        refused = []
        for line in chunk:
            try:
                asked.append((line, self.requests.read(line.body)))
            except ApiError as error:
                refused.append(_result(line, error.status, error.body))
        answers = engine.answer(
            [request.messages for _, request in asked],
            top_logprobs=max((request.top_logprobs for _, request in asked), default=0),
        )
        written = []
        for (line, request), answer in zip(asked, answers, strict=True):
            body = completion(request, answer)
            self.counts["input_tokens"] += body["usage"]["prompt_tokens"]
            self.counts["output_tokens"] += body["usage"]["completion_tokens"]
            written.append(_result(line, 200, body))
        output.write(written)
        errors.write(refused)
        self.counts["completed"] += len(written)
        self.counts["failed"] += len(refused)
        self.store.write(
            "UPDATE batches SET completed = ?, failed = ?, input_tokens = ?, output_tokens = ? WHERE id = ?",
            *self.counts.values(),
            self.batch["id"],
        )

    def _finish(self, status: str, output: _Part, errors: _Part) -> None:
        self.store.write(
            "UPDATE batches SET status = 'finalizing', finalizing_at = ? "
            "WHERE id = ? AND status = 'in_progress'",
            now(),
            self.batch["id"],
        )
        output_id, error_id = output.keep(), errors.keep()
        files = "output_file_id = ?, error_file_id = ? WHERE id = ?"
        self.store.write(_END[status] + files, now(), output_id, error_id, self.batch["id"])
        _log.info("%s: %s", self.batch["id"], status)


def next_size(size: int, seconds: float, look_every: float = _LOOK_EVERY_S) -> int:
    """How many requests to answer next, after `size` took so long."""
    if seconds > look_every:
        return max(1, size // 2)
    return min(2 * size, CHUNK) if seconds < look_every / 2 else size


class _Check:
    """What the lines of an input file have in common, and what is wrong with them."""

    def __init__(self) -> None:
        self.errors: list[dict[str, Any]] = []
        self.count = 0
        self.model = ""
        self._seen: set[str] = set()

    def line(self, number: int, text: bytes) -> None:
        self.count += 1
        try:
            line = _read_line(text)
        except ApiError as error:
            self._report(error.code or "invalid_json_line", error.message, error.param, number)
            return
        if line.custom_id in self._seen:
            message = f"The custom_id {line.custom_id!r} is used before."
            self._report("duplicate_custom_id", message, "custom_id", number)
        self._seen.add(line.custom_id)
        self.model = self.model or line.body["model"]
        if line.body["model"] != self.model:
            message = f"All requests of a batch are for one model, and the first is for {self.model!r}."
            self._report("mismatched_model", message, "body.model", number)

    def _report(self, code: str, message: str, param: str | None, number: int) -> None:
        self.errors.append(_error(code, message, param, number))


class _Part:
    """The output or the error file of a batch, while it is written."""

    def __init__(self, store: Store, batch: Row, kind: str, stack: contextlib.ExitStack) -> None:
        self._store = store
        self._batch = batch
        self._kind = kind
        self._path = store.incoming / f"{batch['id']}_{kind}"
        stack.callback(self._path.unlink, missing_ok=True)
        self._handle: IO[bytes] = stack.enter_context(self._path.open("wb"))
        self._empty = True

    def write(self, results: list[dict[str, Any]]) -> None:
        for result in results:
            self._empty = False
            self._handle.write(orjson.dumps(result, option=orjson.OPT_APPEND_NEWLINE))

    def keep(self) -> str | None:
        """Make it a file; returns its id, or None if nothing was written."""
        self._handle.flush()
        if self._empty:
            return None
        file = add_file(
            self._store,
            filename=f"{self._batch['id']}_{self._kind}.jsonl",
            purpose="batch_output",
            keep_seconds=self._batch["keep_seconds"],
            put=self._move,
        )
        return str(file["id"])

    def _move(self, path: Path) -> str:
        self._path.replace(path)
        return sha256_of(path)


def _read_line(text: bytes) -> _Line:
    fields = Fields.of_json(text)
    custom_id = fields.needed_text("custom_id")
    fields.choice("method", ("POST",), required=True)
    fields.choice("url", (ENDPOINT,), required=True)
    body: dict[str, Any] = fields.take("body", dict, "an object", required=True)
    fields.done()
    Fields(body, "body.").needed_text("model")
    return _Line(custom_id, body)


def _result(line: _Line, status: int, body: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": new_id("batch_req_"),
        "custom_id": line.custom_id,
        "response": {"status_code": status, "request_id": new_id("req_"), "body": body},
        "error": None,
    }


def _expired(line: _Line) -> dict[str, Any]:
    message = "This request could not be executed before the completion window expired."
    return {
        "id": new_id("batch_req_"),
        "custom_id": line.custom_id,
        "response": None,
        "error": {"code": "batch_expired", "message": message},
    }


def _error(code: str, message: str, param: str | None = None, line: int | None = None) -> dict[str, Any]:
    return {"code": code, "message": message, "param": param, "line": line}


def _fail(store: Store, batch: Row, errors: list[dict[str, Any]]) -> None:
    store.write(
        "UPDATE batches SET status = 'failed', failed_at = ?, errors = ? WHERE id = ?",
        now(),
        orjson.dumps(errors).decode(),
        batch["id"],
    )
    _log.info("%s: failed (%s)", batch["id"], errors[0]["code"])
