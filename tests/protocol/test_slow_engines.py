"""An engine that calls itself slow does not keep the server from other work."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable
from typing import Any

import pytest

from labeltune.local.batch_answers import next_size
from protocol.harness import Provider, run
from waiting import until


def waiting(provider: Provider) -> int:
    """How many requests wait for the engine's thread."""
    app: Any = provider.app
    return sum(len(queue) for queue in app._app._context.answerer._queues.values())


def test_the_server_goes_on_while_a_slow_engine_answers(
    provider: Provider, allow: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    tally = importlib.import_module("tally_engine").Tally
    monkeypatch.setattr(tally, "slow", True, raising=False)
    groups: list[int] = []
    answer = tally.answer

    def counted(self: object, conversations: list[object], **options: int) -> object:
        groups.append(len(conversations))
        return answer(self, conversations, **options)

    monkeypatch.setattr(tally, "answer", counted)

    async def go() -> None:
        allow(1_000)
        job = await provider.trained()

        def ask(text: str) -> asyncio.Task[object]:
            return asyncio.ensure_future(
                provider.client.chat.completions.create(
                    model=str(job.fine_tuned_model), messages=[{"role": "user", "content": text}]
                )
            )

        allow(0)
        first = ask("refund money")
        await until(lambda: groups == [1], lambda: str(groups))
        later = [ask(f"parcel late {number}") for number in range(5)]
        hung_up = ask("refund")
        await until(lambda: waiting(provider) == 6, lambda: str(waiting(provider)))
        # The engine waits for leave, and the server answers something else.
        assert (await provider.client.files.list()).data
        hung_up.cancel()
        assert not first.done()
        allow(1_000)
        replies = await asyncio.gather(first, *later)
        texts = [reply.choices[0].message.content for reply in replies]  # type: ignore[attr-defined]
        assert texts == ["refund", *["delivery"] * 5]
        # What came meanwhile was answered together, and not what nobody waits for any more.
        assert groups == [1, 5]

    run(go())


def test_an_engine_that_fails_in_its_thread_fails_its_requests_and_not_the_server(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    import openai

    tally = importlib.import_module("tally_engine").Tally
    monkeypatch.setattr(tally, "slow", True, raising=False)

    def failing(*_: object, **__: object) -> object:
        raise ArithmeticError

    async def go() -> None:
        job = await provider.trained()
        answer = tally.answer
        for how, status in ((failing, 500), (answer, 200)):
            monkeypatch.setattr(tally, "answer", how)
            try:
                await provider.client.chat.completions.create(
                    model=str(job.fine_tuned_model), messages=[{"role": "user", "content": "refund"}]
                )
                told = 200
            except (openai.InternalServerError, ArithmeticError):
                told = 500
            assert told == status

    run(go())


@pytest.mark.parametrize(
    ("size", "seconds", "then"), [(32, 0.5, 64), (32, 1.0, 32), (32, 2.0, 16), (1, 9.0, 1), (512, 0.1, 512)]
)
def test_batches_of_a_slow_engine_grow_and_shrink_by_a_longer_look(
    size: int, seconds: float, then: int
) -> None:
    assert next_size(size, seconds, 1.5) == then
