"""A scripted provider on loopback that counts what it would bill, and fails as it is told to.

It speaks raw HTTP over sockets, so that it can break an answer anywhere: before it, in the middle, or by never
ending it. `script(text, attempt)` says what happens to a request; a request is billed when an answer was made,
whether or not it arrives.
"""

from __future__ import annotations

import asyncio
import copy
import itertools
import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import parse_qsl

from waiting import HANG_S

Script = Callable[[str, int], "Fate"]


@dataclass(frozen=True)
class Fate:
    """What happens to one request. `kind`: reply, reset, half, unended (whole, where more was announced), slow, hang,
    or refuse (a reply that is not billed).
    """

    kind: str = "reply"
    status: int = 200
    body: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)
    answer: str | None = None
    delay: float = 0.0
    finish: str = "stop"


ANSWER = Fate()
_OVER = ("completed", "failed", "expired", "cancelled")


def refuse(status: int, code: str, message: str = "refused", **headers: str) -> Fate:
    """A refusal with an error body as the API has it."""
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": code}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Fate("refuse", status, json.dumps({"error": error}).encode(), named)


def completion(content: str | None, *, finish: str = "stop", refusal: str | None = None) -> dict[str, Any]:
    """A chat completion whose tokens are the characters of the answer."""
    tokens = [
        {
            "token": char,
            "logprob": -0.01,
            "bytes": list(char.encode()),
            "top_logprobs": [{"token": char, "logprob": -0.01, "bytes": None}],
        }
        for char in content or ""
    ]
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [
            {
                "index": 0,
                "finish_reason": finish,
                "message": {"role": "assistant", "content": content, "refusal": refusal},
                "logprobs": {"content": tokens},
            }
        ],
        "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
    }


class FakeProvider:
    """The server, in a thread of its own."""

    def __init__(self, script: Script | None = None, *, answer: str = "alpha", delay: float = 0.0) -> None:
        self.script: Script = script or (lambda _text, _attempt: ANSWER)
        self.answer, self.delay = answer, delay
        self.billed: Counter[str] = Counter()
        """How many answers were made, by the row's text."""
        self.asked: Counter[str] = Counter()
        """How many requests came, by the row's text."""
        self.requests: list[dict[str, Any]] = []
        """The bodies of the chat requests, as they came."""
        self.in_flight = self.most_in_flight = 0
        self.batch_script: Callable[[str], dict[str, Any] | str | None] = lambda _text: None
        """For a row's text: None to answer it, a code to fail it, `missing` to leave it out, or an output line."""
        self.batch_statuses: list[str] = ["validating", "completed"]
        """What a batch is when it is created, and at each look after that; the last for ever."""
        self.batch_errors: list[dict[str, Any]] = []
        """What a batch whose status is `failed` says."""
        self.batch_queue = 10**9
        """How many requests may be in batches that are not over: more make a new batch fail."""
        self.batch_ended_at = int(time.time())
        self.batch_more: list[dict[str, Any]] = []
        """Lines that stand in every output file beside the answers."""
        self.batch_twice: list[int] = []
        """Which lines of every output file stand there a second time."""
        self.jobs: list[dict[str, Any]] = []
        self.files: dict[str, bytes] = {}
        self.batches: dict[str, dict[str, Any]] = {}
        self.created = Counter[str]()
        """How many objects were created, by path."""
        self.fail_next: dict[str, list[Fate]] = {}
        """For `METHOD /path`: what happens to the next calls. What is not refused is carried out nevertheless, and
        its answer is cut off before it begins (`reset`), in the middle (`half`), or comes in part and hangs (`hang`).
        """
        self._ids = itertools.count(1)
        self._loop = asyncio.new_event_loop()
        self._connections: set[asyncio.Task[None]] = set()
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def extra(self) -> int:
        """Answers billed over one per text."""
        return sum(count - 1 for count in self.billed.values() if count > 1)

    def __enter__(self) -> Self:
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(ready,), daemon=True)
        self._thread.start()
        assert ready.wait(HANG_S)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(HANG_S)

    def _run(self, ready: threading.Event) -> None:
        async def main() -> None:
            self._stopping = asyncio.Event()
            server = await asyncio.start_server(self._connected, "127.0.0.1", 0, limit=1 << 26)
            self.port = server.sockets[0].getsockname()[1]
            ready.set()
            await self._stopping.wait()
            server.close()
            for task in list(self._connections):
                task.cancel()
            await asyncio.gather(*self._connections, return_exceptions=True)

        self._loop.run_until_complete(main())
        self._loop.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            while await self._request(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._connections.discard(task)
            writer.transport.abort()

    async def _request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.split("\r\n")
        method, target, _ = first.split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (x.partition(":") for x in lines)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        path, _, query = target.removeprefix("/v1").partition("?")
        if path == "/chat/completions":
            self.in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self.in_flight)
            try:
                return await self._chat(json.loads(body), writer)
            finally:
                self.in_flight -= 1
        fate = next(iter(self.fail_next.get(f"{method} {path}", [])), None)
        if fate is not None:
            self.fail_next[f"{method} {path}"].pop(0)
            if fate.kind == "refuse":
                return await _send(writer, fate.status, fate.body or b"", fate.headers)
        status, document = self._object(method, path, query, headers, body)
        content = document if isinstance(document, bytes) else json.dumps(document).encode()
        kind = "application/octet-stream" if isinstance(document, bytes) else "application/json"
        if fate is None or (fate.kind == "reply" and fate.body is None):
            return await _send(writer, status, content, {"content-type": kind})
        if fate.kind == "reply":
            return await _send(writer, fate.status, fate.body or b"", {"content-type": kind})
        if fate.kind != "reset":
            writer.write(_head(status, len(content), {"content-type": kind}) + content[: len(content) // 2])
            await writer.drain()
        if fate.kind == "hang":
            await asyncio.sleep(3600)
        writer.transport.abort()
        return False

    # chat

    async def _chat(self, request: dict[str, Any], writer: asyncio.StreamWriter) -> bool:
        text = request["messages"][-1]["content"]
        self.requests.append(request)
        self.asked[text] += 1
        fate = self.script(text, self.asked[text])
        await asyncio.sleep(fate.delay or self.delay)
        if fate.kind != "refuse":
            self.billed[text] += 1
        body = fate.body
        if body is None:
            document = completion(fate.answer or self.answer, finish=fate.finish)
            if not request.get("logprobs"):
                document["choices"][0]["logprobs"] = None
            body = json.dumps(document).encode()
        match fate.kind:
            case "reset":
                writer.transport.abort()
                return False
            case "half":
                writer.write(_head(fate.status, len(body), fate.headers) + body[: len(body) // 2])
                await writer.drain()
                writer.transport.abort()
                return False
            case "unended":
                writer.write(_head(fate.status, len(body) + 100, fate.headers) + body)
                await writer.drain()
                writer.transport.write_eof()
                return False
            case "slow":
                writer.write(_head(fate.status, len(body), fate.headers))
                for byte in body:
                    writer.write(bytes([byte]))
                    await writer.drain()
                    await asyncio.sleep(1)
                return True
            case "hang":
                await asyncio.sleep(3600)
        return await _send(writer, fate.status, body, fate.headers)

    # everything else

    def _object(
        self, method: str, path: str, query: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, Any]:
        document: Any = None
        match method, path.strip("/").split("/"):
            case "POST", ["files"]:
                document = self._add_file(_part_of(headers["content-type"], body))
            case "GET", ["files"]:
                document = _page([self._file(file_id) for file_id in reversed(self.files)])
            case "GET", ["files", file_id] if file_id in self.files:
                document = self._file(file_id)
            case "GET", ["files", file_id, "content"] if file_id in self.files:
                document = self.files[file_id]
            case "DELETE", ["files", file_id] if file_id in self.files:
                del self.files[file_id]
                document = {"id": file_id, "object": "file", "deleted": True}
            case _, ["batches", *_]:
                document = self._batch_object(method, path, query, body)
            case "GET", ["fine_tuning", "jobs"]:
                document = _page(self.jobs)
        if document is not None:
            return 200, document
        error = {"message": f"no such object: {path}", "type": "invalid_request_error", "code": "not_found"}
        return 404, {"error": error}

    def _batch_object(self, method: str, path: str, query: str, body: bytes) -> Any:
        match method, path.strip("/").split("/"):
            case "POST", ["batches"]:
                return self._add_batch(json.loads(body))
            case "GET", ["batches"]:
                return self._list_batches(dict(parse_qsl(query)))
            case "GET", ["batches", batch_id] if batch_id in self.batches:
                return self._advance(batch_id)
        return None

    def _add_file(self, content: bytes) -> dict[str, Any]:
        file_id = f"file-{next(self._ids)}"
        self.files[file_id] = content
        self.created["/files"] += 1
        return self._file(file_id)

    def _file(self, file_id: str) -> dict[str, Any]:
        return {
            "id": file_id,
            "object": "file",
            "bytes": len(self.files[file_id]),
            "created_at": 1,
            "filename": f"{file_id}.jsonl",
            "purpose": "batch",
            "status": "processed",
        }

    def _list_batches(self, query: dict[str, str]) -> dict[str, Any]:
        """Two to a page, so that there are pages."""
        every = [dict(batch) for batch in reversed(self.batches.values())]
        places = [place for place, batch in enumerate(every) if batch["id"] == query.get("after")]
        rest = every[places[0] + 1 :] if places else every
        return _page(rest[:2]) | {"has_more": len(rest) > 2}

    def _add_batch(self, request: dict[str, Any]) -> dict[str, Any]:
        batch_id = f"batch_{next(self._ids)}"
        self.created["/batches"] += 1
        waiting = sum(batch["size"] for batch in self.batches.values() if batch["status"] not in _OVER)
        size = len(self.files[request["input_file_id"]].splitlines())
        self.batches[batch_id] = {
            "id": batch_id,
            "object": "batch",
            "endpoint": request["endpoint"],
            "input_file_id": request["input_file_id"],
            "completion_window": "24h",
            "created_at": 1,
            "metadata": request.get("metadata"),
            "status": self.batch_statuses[0],
            "looks": 0,
            "size": size,
            "too_much": waiting + size > self.batch_queue,
        }
        return dict(self.batches[batch_id])

    def _advance(self, batch_id: str) -> dict[str, Any]:
        batch = self.batches[batch_id]
        batch["looks"] += 1
        if batch["too_much"]:
            message = "Enqueued token limit reached. Please try again once some batches have been completed."
            error = {"code": "token_limit_exceeded", "message": message, "line": None}
            batch |= {"status": "failed", "errors": {"object": "list", "data": [error]}}
            return dict(batch)
        batch["status"] = self.batch_statuses[min(batch["looks"], len(self.batch_statuses) - 1)]
        if batch["status"] == "failed":
            batch["errors"] = {"object": "list", "data": self.batch_errors}
        elif batch["status"] in _OVER and "output_file_id" not in batch:
            batch[f"{batch['status']}_at"] = self.batch_ended_at
            self._answer_batch(batch)
        return dict(batch)

    def _answer_batch(self, batch: dict[str, Any]) -> None:
        output, errors = [], []
        lines = [json.loads(line) for line in self.files[batch["input_file_id"]].splitlines()]
        # In another order than asked: the order is not promised.
        for line in reversed(lines):
            text = line["body"]["messages"][-1]["content"]
            fate = self.batch_script(text)
            if fate is None:
                self.billed[text] += 1
                body = completion(self.answer)
                output.append(_batch_line(line["custom_id"], 200, body))
            elif isinstance(fate, dict):
                self.billed[text] += 1
                output.append({"custom_id": line["custom_id"], **fate})
            elif fate.startswith("batch_"):
                error = {"code": fate, "message": "not executed"}
                errors.append({"id": "x", "custom_id": line["custom_id"], "response": None, "error": error})
            elif fate != "missing":
                refused = {"error": {"message": "refused", "type": "x", "code": fate}}
                errors.append(_batch_line(line["custom_id"], int(fate) if fate.isdigit() else 400, refused))
        output += [copy.deepcopy(output[place]) for place in self.batch_twice] + self.batch_more
        for name, rows in (("output_file_id", output), ("error_file_id", errors)):
            batch[name] = None
            if rows:
                content = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
                batch[name] = self._add_file(content)["id"]
        batch["request_counts"] = {"total": len(lines), "completed": len(output), "failed": len(errors)}


def _batch_line(custom_id: str, status: int, body: dict[str, Any]) -> dict[str, Any]:
    response = {"status_code": status, "request_id": "r", "body": body}
    return {"id": "x", "custom_id": custom_id, "response": response, "error": None}


def _page(items: list[dict[str, Any]]) -> dict[str, Any]:
    ids = [item["id"] for item in items] or [None]
    return {"object": "list", "data": items, "has_more": False, "first_id": ids[0], "last_id": ids[-1]}


def _part_of(content_type: str, body: bytes) -> bytes:
    """The file in a multipart body."""
    boundary = content_type.partition("boundary=")[2].strip('"').encode()
    part = next(part for part in body.split(b"--" + boundary) if b'name="file"' in part)
    return part.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n")


def _head(status: int, length: int, headers: dict[str, str]) -> bytes:
    named = {"content-type": "application/json", **headers, "content-length": str(length)}
    lines = "".join(f"{name}: {value}\r\n" for name, value in named.items())
    return f"HTTP/1.1 {status} X\r\n{lines}\r\n".encode()


async def _send(writer: asyncio.StreamWriter, status: int, body: bytes, headers: dict[str, str]) -> bool:
    writer.write(_head(status, len(body), headers) + body)
    await writer.drain()
    return True
