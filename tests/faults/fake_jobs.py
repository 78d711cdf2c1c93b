"""A scripted provider of files and jobs on a port: it fails as it is told, and counts what it would bill.

`CuttingProxy` stands before it where a connection is to break in the middle of a request.
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send

MODEL = "gpt-4.1-mini"


@dataclass
class Fault:
    """What happens to the next `times` requests whose method and path fit.

    `reply` is sent instead of the answer. With `late`, the request takes effect first; without a reply its
    answer is then cut off in the middle. `then` is called before anything is sent back.
    """

    method: str
    path: str
    reply: Response | None = None
    late: bool = False
    then: Callable[[], None] | None = None
    times: int = 1


def refusal(status: int, code: str | None, message: str, **more: Any) -> JSONResponse:
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": code, **more}
    return JSONResponse({"error": error}, status, headers={"x-request-id": "req_1"})


@dataclass
class FakeProvider:
    """Files and jobs in memory. `statuses` are what a job shows, one look after the other, the last for ever."""

    statuses: list[str] = field(default_factory=lambda: ["succeeded"])
    file_status: str = "processed"
    file_details: str | None = None
    shutdown_date: str | None = None
    error: dict[str, Any] = field(default_factory=dict)
    filters: bool = True
    faults: list[Fault] = field(default_factory=list)
    files: dict[str, dict[str, Any]] = field(default_factory=dict)
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    events: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    requests: list[tuple[str, str, Any]] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    looks: Counter[str] = field(default_factory=Counter)
    url: str = ""

    def fail(self, method: str, path: str, reply: Response | None = None, **more: Any) -> None:
        self.faults.append(Fault(method, path, reply, **more))

    def sent(self, method: str, path: str) -> list[Any]:
        return [body for method_, path_, body in self.requests if (method_, path_) == (method, path)]

    # what it answers

    def _file(self, name: str, size: int) -> dict[str, Any]:
        file = {"object": "file", "id": f"file-{len(self.files) + 1}", "bytes": size, "created_at": 1}
        file |= {"filename": name, "purpose": "fine-tune", "status": self.file_status}
        file |= {"status_details": self.file_details}
        self.files[str(file["id"])] = file
        self.counts["uploads"] += 1
        return file

    async def upload(self, request: Request) -> Response:
        async with request.form() as form:
            part: Any = form["file"]
            return JSONResponse(self._file(part.filename, len(await part.read())))

    async def list_files(self, _: Request) -> Response:
        return JSONResponse({"object": "list", "data": [*self.files.values()], "has_more": False})

    async def file(self, request: Request) -> Response:
        found = self.files.get(request.path_params["id"])
        if found is None:
            return refusal(404, None, f"No such File object: {request.path_params['id']}", param="id")
        return JSONResponse(found)

    async def model(self, request: Request) -> Response:
        name = request.path_params["id"]
        if name != MODEL:
            return refusal(404, "model_not_found", f"The model `{name}` does not exist", param="model")
        about = {"id": name, "object": "model", "created": 1, "owned_by": "x"}
        return JSONResponse(about | {"shutdown_date": self.shutdown_date})

    async def create(self, request: Request) -> Response:
        body = await request.json()
        job_id = f"ftjob-{len(self.jobs) + 1}"
        self.counts["jobs"] += 1
        self.jobs[job_id] = {
            "object": "fine_tuning.job",
            "id": job_id,
            "created_at": int(time.time()),
            "model": body["model"],
            "training_file": body["training_file"],
            "validation_file": body.get("validation_file"),
            "metadata": body.get("metadata"),
            "hyperparameters": {},
            "organization_id": "org",
            "result_files": [],
            "seed": 1,
            "trained_tokens": None,
            "finished_at": None,
            "fine_tuned_model": None,
            "error": {},
            "status": "validating_files",
        }
        self.events[job_id] = []
        return JSONResponse(self.jobs[job_id])

    def _look(self, job: dict[str, Any]) -> dict[str, Any]:
        look = self.looks[job["id"]]
        self.looks[job["id"]] += 1
        job["status"] = self.statuses[min(look, len(self.statuses) - 1)]
        self.add_event(job["id"], f"look {look}", {"step": look + 1, "total_steps": 9, "train_loss": 0.5})
        if job["status"] == "succeeded":
            job["fine_tuned_model"] = f"ft:{job['model']}:org::{job['id']}"
        if job["status"] == "failed":
            job["error"] = self.error
        return job

    def add_event(self, job_id: str, message: str, data: dict[str, Any] | None = None) -> None:
        number = len(self.events[job_id])
        event = {"object": "fine_tuning.job.event", "id": f"ftevent-{job_id}-{number}", "created_at": number}
        event |= {"level": "info", "message": message, "type": "metrics" if data else "message", "data": data}
        self.events[job_id].insert(0, event)

    async def job(self, request: Request) -> Response:
        found = self.jobs.get(request.path_params["id"])
        if found is None:
            return refusal(404, "fine_tune_not_found", "No such fine-tuning job", param="fine_tuning_job_id")
        return JSONResponse(self._look(found))

    async def list_jobs(self, request: Request) -> Response:
        wanted = {
            name.removeprefix("metadata[").rstrip("]"): value
            for name, value in request.query_params.items()
            if name.startswith("metadata[")
        }
        found = [
            job
            for job in reversed(self.jobs.values())
            if not self.filters or wanted.items() <= (job["metadata"] or {}).items()
        ]
        return JSONResponse({"object": "list", "data": found, "has_more": False})

    async def list_events(self, request: Request) -> Response:
        events = self.events[request.path_params["id"]]
        after = request.query_params.get("after")
        start = next((place + 1 for place, event in enumerate(events) if event["id"] == after), 0)
        page = events[start : start + int(request.query_params["limit"])]
        more = start + len(page) < len(events)
        return JSONResponse({"object": "list", "data": page, "has_more": more})

    async def cancel(self, request: Request) -> Response:
        job = self.jobs[request.path_params["id"]]
        if job["status"] in ("succeeded", "failed", "cancelled"):
            return refusal(400, "invalid_job_status", "cannot be cancelled")
        self.statuses = ["cancelled"]
        return JSONResponse(self._look(job))

    # how it is reached

    def app(self) -> Any:
        routes = [
            Route("/v1/files", self.upload, methods=["POST"]),
            Route("/v1/files", self.list_files),
            Route("/v1/files/{id}", self.file),
            Route("/v1/models/{id}", self.model),
            Route("/v1/fine_tuning/jobs", self.create, methods=["POST"]),
            Route("/v1/fine_tuning/jobs", self.list_jobs),
            Route("/v1/fine_tuning/jobs/{id}", self.job),
            Route("/v1/fine_tuning/jobs/{id}/events", self.list_events),
            Route("/v1/fine_tuning/jobs/{id}/cancel", self.cancel, methods=["POST"]),
        ]
        inner = Starlette(routes=routes)

        async def faulty(scope: Scope, receive: Receive, send: Send) -> None:
            path = scope["path"].removeprefix("/v1")
            body = b""

            async def recorded() -> Any:
                nonlocal body
                message = await receive()
                body += message.get("body", b"")
                return message

            async def nowhere(_: Any) -> None: ...

            fault = self._fault_for(scope["method"], path)
            if fault is None or fault.late:
                await inner(scope, recorded, send if fault is None else nowhere)
            self.requests.append((scope["method"], path, _parsed(body)))
            if fault is None:
                return
            if fault.then is not None:
                fault.then()
            if fault.reply is not None:
                await fault.reply(scope, receive, send)
                return
            # The answer begins and breaks off: uvicorn closes the connection.
            headers = [(b"content-type", b"application/json"), (b"content-length", b"1000")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": b'{"id": ', "more_body": True})
            raise ConnectionAbortedError

        return faulty

    def _fault_for(self, method: str, path: str) -> Fault | None:
        for fault in self.faults:
            if fault.times > 0 and fault.method == method and path.startswith(fault.path):
                fault.times -= 1
                return fault
        return None

    @contextlib.contextmanager
    def serving(self) -> Iterator[FakeProvider]:
        with serving(self.app()) as port:
            self.url = f"http://127.0.0.1:{port}/v1"
            yield self


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body


@contextlib.contextmanager
def serving(app: Any, **options: Any) -> Iterator[int]:
    """Put an app on a port for as long as the block runs."""
    server = uvicorn.Server(
        uvicorn.Config(app, lifespan="off", log_config=None, timeout_graceful_shutdown=1, **options)
    )
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join()


@contextlib.contextmanager
def cutting_proxy(port: int, *, after: int, times: int) -> Iterator[tuple[int, list[int]]]:
    """A port that leads to another; the first `times` connections break after so many bytes were sent."""
    passed: list[int] = []

    def serve(client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", port)) as server:
            back = threading.Thread(target=_pump, args=(server, client, None), daemon=True)
            back.start()
            limit = after if len(passed) < times else None
            passed.append(0)
            _pump(client, server, limit)

    def accept(listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                threading.Thread(target=serve, args=(client,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, args=(listener,), daemon=True).start()
        yield listener.getsockname()[1], passed


def _pump(source: socket.socket, target: socket.socket, limit: int | None) -> None:
    done = 0
    with contextlib.suppress(OSError):
        while data := source.recv(4096):
            target.sendall(data)
            done += len(data)
            if limit is not None and done >= limit:
                break
        for end in (source, target):
            end.shutdown(socket.SHUT_RDWR)
