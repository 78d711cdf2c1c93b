"""Answers of the models in memory: requests that come together are answered together."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from labeltune.errors import AccessError, ModelDamagedError
from labeltune.local.errors import ApiError, with_hint
from labeltune.local.stored_models import LoadedModels, find_model

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from labeltune.local.chat_request import ChatRequest
    from labeltune.local.engines import Answer, Engine, Explanation, Message
    from labeltune.local.store import Row, Store

__all__ = ["NOT_EXPLAINED", "Answerer"]

NOT_EXPLAINED = "cannot_explain"
"""The code of a refusal by a model whose engine cannot say why."""

MAX_GATHERED = 256
"""How many conversations are answered in one go, so that nobody waits long for others."""
MAX_GATHERED_SLOW = 32
"""The same of an engine that calls itself slow."""


@dataclass(slots=True)
class _Waiting:
    engine: Engine
    request: ChatRequest
    answer: asyncio.Future[Answer]


class Answerer:
    """Answers requests; those that arrive together are answered together, as one matrix.

    An engine that calls itself slow answers in a thread: what comes meanwhile waits, and is answered
    together.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self.models = LoadedModels(store)
        self._waiting: dict[asyncio.AbstractEventLoop, list[_Waiting]] = {}
        self._queues: dict[tuple[asyncio.AbstractEventLoop, int], list[_Waiting]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        # Two slow models at once would only share the same processors.
        self._one_at_a_time = threading.Lock()

    async def answer(self, request: ChatRequest) -> Answer:
        """The engine's answer. Raises `ApiError` for a model that is unknown, damaged or cannot be opened."""
        engine = await self._engine(request.model)
        loop = asyncio.get_running_loop()
        waiting = self._waiting.get(loop)
        if waiting is None:
            waiting = self._waiting[loop] = []
            # Whoever is ready in the same turn of the loop gets in before this runs.
            loop.call_soon(self._answer_waiting, loop)
        future: asyncio.Future[Answer] = loop.create_future()
        waiting.append(_Waiting(engine, request, future))
        return await future

    async def explain(self, name: str, messages: Sequence[Message]) -> Explanation:
        """Why the model of this name answers as it does. Raises `ApiError` as `answer` does, and for an
        engine that cannot say.
        """
        engine = await self._engine(name)
        explain = getattr(engine, "explain", None)
        if explain is None:
            raise ApiError(
                400,
                f"'{name}' cannot say why: the engine '{engine.name}' does not decide by single words.",
                param="model",
                code=NOT_EXPLAINED,
            )
        # In a thread, whatever the engine: of a long text there is a second's work, and others wait.
        explanation: Explanation = (await asyncio.to_thread(self._explained_alone, explain, messages))[0]
        return explanation

    def _explained_alone(
        self, explain: Callable[[Sequence[Sequence[Message]]], list[Explanation]], messages: Sequence[Message]
    ) -> list[Explanation]:
        with self._one_at_a_time:
            return explain([messages])

    async def _engine(self, name: str) -> Engine:
        model = find_model(self._store, name)
        return self.models.ready(model) or await self._load(model)

    async def _load(self, model: Row) -> Engine:
        try:
            return await asyncio.to_thread(self.models.load, model)
        except AccessError as error:
            # A package that it needs is gone: no use in trying again, as there is after a 500.
            raise ApiError(403, with_hint(error), code="model_not_available") from error
        except ModelDamagedError as error:
            raise ApiError(
                500, f"The model '{model['name']}' is damaged: {error}", code="model_damaged"
            ) from error

    def _answer_waiting(self, loop: asyncio.AbstractEventLoop) -> None:
        """Answer in the loop's own thread: handing over to another costs more than an answer does."""
        waiting = self._waiting.pop(loop)
        if len(waiting) > MAX_GATHERED:
            self._waiting[loop] = waiting[MAX_GATHERED:]
            loop.call_soon(self._answer_waiting, loop)
        groups: dict[int, list[_Waiting]] = {}
        for one in waiting[:MAX_GATHERED]:
            groups.setdefault(id(one.engine), []).append(one)
        for group in groups.values():
            if getattr(group[0].engine, "slow", False):
                self._enqueue(loop, group)
            else:
                _settle(group, _answers(group))

    def _enqueue(self, loop: asyncio.AbstractEventLoop, group: list[_Waiting]) -> None:
        """Leave a group to the engine's thread, which is started if it is not at work."""
        key = (loop, id(group[0].engine))
        if key in self._queues:
            self._queues[key] += group
            return
        self._queues[key] = group
        task = loop.create_task(self._answer_queue(key))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer_queue(self, key: tuple[asyncio.AbstractEventLoop, int]) -> None:
        queue = self._queues[key]
        try:
            while queue:
                # Who hung up meanwhile needs no answer.
                waiting = [one for one in queue if not one.answer.done()]
                group, queue[:] = waiting[:MAX_GATHERED_SLOW], waiting[MAX_GATHERED_SLOW:]
                if group:
                    _settle(group, await asyncio.to_thread(self._alone, group))
        finally:
            del self._queues[key]

    def _alone(self, group: list[_Waiting]) -> list[Answer] | Exception:
        with self._one_at_a_time:
            return _answers(group)


def _answers(group: list[_Waiting]) -> list[Answer] | Exception:
    top = max(one.request.top_logprobs for one in group)
    try:
        return group[0].engine.answer([one.request.messages for one in group], top_logprobs=top)
    except Exception as error:  # noqa: BLE001  (whatever it is, those who wait must hear of it)
        return error


def _settle(group: list[_Waiting], answers: list[Answer] | Exception) -> None:
    """Give those who wait their answers, in the loop's own thread."""
    if isinstance(answers, Exception):
        for one in group:
            if not one.answer.done():
                one.answer.set_exception(answers)
        return
    for one, answer in zip(group, answers, strict=True):
        # A client that hung up has cancelled its future.
        if not one.answer.done():
            one.answer.set_result(answer)
