"""The local provider switched to behave like another one: it refuses what that one refuses, and renames.

It stands behind a port as the hosted ones do, and really trains and answers. What reached it is in `jobs`,
`chats` and `calls`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from faults.fake_jobs import refusal, serving
from labeltune.local import create_app
from protocol.harness import stop_worker

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from starlette.types import ASGIApp, Receive, Scope, Send

Body = dict[str, Any]


class RefusedError(Exception):
    """The request is refused with this answer."""

    def __init__(self, status: int, code: str | None, message: str, **more: Any) -> None:
        super().__init__(message)
        self.answer = refusal(status, code, message, **more)


def refuse_unknown(body: Body, known: set[str], where: str = "") -> None:
    """As providers do that check their requests: any other key is an error."""
    for name in body.keys() - known:
        raise RefusedError(400, "unknown_parameter", f"Unknown parameter: '{where}{name}'", param=name)


@dataclass
class Switched:
    """An ASGI app in front of the local provider; the subclasses are the providers."""

    inner: ASGIApp
    key: str = "sk-switched-0123456789"
    jobs: list[Body] = field(default_factory=list)
    chats: list[Body] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    breaks: dict[str, int] = field(default_factory=dict)
    """How many answers to a call are lost, after it took effect: `{"POST /uploads/*/parts": 1}`."""

    prefix: ClassVar[str] = "/v1"
    absent: ClassVar[tuple[str, ...]] = ()
    """Calls that this provider does not have, as regular expressions over `METHOD /path`."""
    filters: ClassVar[bool] = True
    """Whether jobs can be listed by their metadata."""

    def job(self, body: Body) -> Body:
        """What the local provider is to train for this request. Raises `RefusedError`."""
        return body

    def chat(self, body: Body) -> Body:
        """What the local provider is to answer."""
        return body

    def answer(self, call: str, document: Body) -> Body:
        """What is shown of the local provider's answer."""
        return document

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        call = f"{scope['method']} {scope['path'].removeprefix(self.prefix)}"
        self.calls.append(call)
        body = await _read(receive)
        try:
            self._check(scope, call)
            if call == "POST /fine_tuning/jobs":
                asked = json.loads(body)
                self.jobs.append(asked)
                body = json.dumps(self.job(dict(asked))).encode()
            elif call == "POST /chat/completions":
                asked = json.loads(body)
                self.chats.append(asked)
                body = json.dumps(self.chat(dict(asked))).encode()
        except RefusedError as refused:
            await refused.answer(scope, receive, send)
            return
        status, headers, content = await self._ask(scope, body)
        if status == 200 and b"json" in dict(headers)[b"content-type"]:
            content = json.dumps(self.answer(call, json.loads(content))).encode()
        if self._is_lost(call):
            await refusal(500, None, "the answer was lost")(scope, receive, send)
            return
        headers = [(name, value) for name, value in headers if name != b"content-length"]
        headers.append((b"content-length", b"%d" % len(content)))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    def _check(self, scope: Scope, call: str) -> None:
        if not scope["path"].startswith(f"{self.prefix}/"):
            raise RefusedError(404, None, "Not Found")
        if dict(scope["headers"]).get(b"authorization") != f"Bearer {self.key}".encode():
            raise RefusedError(401, "invalid_api_key", "Incorrect API key provided")
        if any(re.fullmatch(pattern, call) for pattern in self.absent):
            raise RefusedError(404, "unknown_url", f"Unknown request URL: {call}")

    def _is_lost(self, call: str) -> bool:
        for pattern, times in self.breaks.items():
            if times and re.fullmatch(pattern.replace("*", "[^/]+"), call):
                self.breaks[pattern] -= 1
                return True
        return False

    async def _ask(self, scope: Scope, body: bytes) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        """The local provider's answer."""
        path = "/v1" + scope["path"].removeprefix(self.prefix)
        headers = [(name, value) for name, value in scope["headers"] if name != b"content-length"]
        headers.append((b"content-length", b"%d" % len(body)))
        inner = {**scope, "path": path, "raw_path": path.encode(), "headers": headers}
        if not self.filters:
            inner["query_string"] = b"limit=100" if path.endswith("/jobs") else scope["query_string"]
        sent: list[Any] = []
        received: list[bytes] = []

        async def receive() -> Any:
            if received:
                # Who asks again listens for the client's hanging up, which it does not.
                await asyncio.Event().wait()
            received.append(body)
            return {"type": "http.request", "body": body, "more_body": False}

        async def keep(message: Any) -> None:
            sent.append(message)

        await self.inner(inner, receive, keep)
        content = b"".join(message.get("body", b"") for message in sent[1:])
        return sent[0]["status"], list(sent[0]["headers"]), content


async def _read(receive: Receive) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


@dataclass
class LikeOpenAI(Switched):
    """OpenAI in its last months: models have an end, and some organisations may not train any more."""

    shutdown_date: str | None = None
    closed: bool = False

    def job(self, body: Body) -> Body:
        if self.closed:
            raise RefusedError(
                403, "training_not_available", "Fine-tuning is not available to your organization"
            )
        refuse_unknown(
            body,
            {"model", "training_file", "validation_file", "method", "suffix", "seed", "metadata"},
        )
        return body

    def answer(self, call: str, document: Body) -> Body:
        is_model = document.get("object") == "model"
        return document | ({"shutdown_date": self.shutdown_date} if is_model else {})


@dataclass
class LikeAzure(Switched):
    """Azure: its own path and training types; files take their time, and only deployments answer."""

    deployments: dict[str, str] = field(default_factory=dict)
    """The tuned model behind each deployment: what the management plane knows."""
    _looks: dict[str, int] = field(default_factory=dict)

    prefix: ClassVar[str] = "/openai/v1"

    def job(self, body: Body) -> Body:
        kind = body.pop("trainingType", None)
        if kind not in ("standard", "globalStandard", "developerTier"):
            raise RefusedError(400, "invalidPayload", f"Unknown training type: {kind}", param="trainingType")
        return body

    def chat(self, body: Body) -> Body:
        if body["model"] not in self.deployments:
            raise RefusedError(
                404, "DeploymentNotFound", "The API deployment for this resource does not exist."
            )
        return body | {"model": self.deployments[body["model"]]}

    def answer(self, call: str, document: Body) -> Body:
        if document.get("object") != "file":
            return document
        looks = self._looks[document["id"]] = self._looks.get(document["id"], 0) + 1
        return document | {"status": ("pending", "running", "processed")[min(looks, 3) - 1]}


@dataclass
class LikeNebius(Switched):
    """Nebius: hyperparameters at the top only, an absolute learning rate, narrower bounds, no metadata."""

    absent: ClassVar[tuple[str, ...]] = (r".* /uploads.*", r"GET /models/linear")
    filters: ClassVar[bool] = False
    usual_rate: ClassVar[float] = 2e-5
    """The rate that the local provider's multiplier multiplies."""

    def job(self, body: Body) -> Body:
        refuse_unknown(
            body, {"model", "training_file", "validation_file", "hyperparameters", "suffix", "seed"}
        )
        chosen = body.get("hyperparameters", {})
        refuse_unknown(chosen, {"n_epochs", "learning_rate", "batch_size", "lora"}, "hyperparameters.")
        for name, most in (("n_epochs", 20), ("batch_size", 32), ("learning_rate", 1)):
            if not 0 < chosen.get(name, 1) <= most:
                raise RefusedError(
                    400, "invalid_value", f"hyperparameters.{name}: at most {most}", param=name
                )
        kept = {name: value for name, value in chosen.items() if name != "learning_rate"}
        if "learning_rate" in chosen:
            kept["learning_rate_multiplier"] = chosen["learning_rate"] / self.usual_rate
        return body | {"hyperparameters": kept}


@dataclass
class LikeProxy(Switched):
    """A proxy in front of several providers: it must be told which, and passes on four calls about jobs."""

    absent: ClassVar[tuple[str, ...]] = (
        r"GET /fine_tuning/jobs/[^/]+/(events|checkpoints)",
        r"POST /fine_tuning/jobs/[^/]+/(pause|resume)",
        r".* /uploads.*",
        r"GET /models/linear",
    )
    filters: ClassVar[bool] = False

    def job(self, body: Body) -> Body:
        if body.pop("custom_llm_provider", None) != "openai":
            raise RefusedError(400, None, "custom_llm_provider is required", param="custom_llm_provider")
        return body


@contextlib.contextmanager
def switched(kind: type[Switched], directory: Path, **more: Any) -> Iterator[tuple[Any, str]]:
    """Such a provider on a port of this machine, and its address without a path; its worker ends with it."""
    provider = kind(create_app(directory), **more)
    try:
        with serving(provider) as port:
            yield provider, f"http://127.0.0.1:{port}"
    finally:
        stop_worker(directory)


__all__ = ["LikeAzure", "LikeNebius", "LikeOpenAI", "LikeProxy", "RefusedError", "Switched", "switched"]
