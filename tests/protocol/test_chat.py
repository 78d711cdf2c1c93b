"""Chat completions: what the parameters do to the engine's answer."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import openai
import pytest

from labeltune.local.chat import completion
from labeltune.local.chat_request import ChatRequest
from labeltune.local.engines import Answer, TokenLogprob
from labeltune.local.store import Store
from labeltune.local.stored_models import LoadedModels
from protocol.harness import Provider, run

if TYPE_CHECKING:
    pass

ANSWER = Answer(
    "red,green,blue",
    (
        TokenLogprob("red", -0.1, (("red", -0.1), ("tan", -2.0))),
        TokenLogprob(",green", float("-inf"), ((",green", float("-inf")),)),
        TokenLogprob(",bl", -0.2),
        TokenLogprob("ue", 0.0),
    ),
)


def _reply(**options: Any) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "model": "m",
        "messages": [{"role": "user", "content": "12345"}],
        "logprobs": True,
        "top_logprobs": 0,
        "choices": 1,
        "stop": (),
        "max_tokens": None,
    }
    return completion(ChatRequest(**(settings | options)), ANSWER)


@pytest.mark.parametrize(
    ("options", "text", "tokens", "reason"),
    [
        ({}, "red,green,blue", 4, "stop"),
        ({"max_tokens": 4}, "red,green,blue", 4, "stop"),
        ({"max_tokens": 3}, "red,green,bl", 3, "length"),
        ({"max_tokens": 1}, "red", 1, "length"),
        ({"stop": (",",)}, "red", 1, "stop"),
        ({"stop": ("e", "blue")}, "r", 1, "stop"),
        ({"stop": ("purple",)}, "red,green,blue", 4, "stop"),
        ({"stop": ("blue",), "max_tokens": 2}, "red,green", 2, "length"),
        ({"stop": ("r",)}, "", 0, "stop"),
    ],
)
def test_stop_and_length(options: dict[str, Any], text: str, tokens: int, reason: str) -> None:
    reply = _reply(**options)
    choice = reply["choices"][0]
    assert choice["message"]["content"] == text
    assert len(choice["logprobs"]["content"]) == tokens
    assert choice["finish_reason"] == reason
    assert reply["usage"]["completion_tokens"] == tokens


def test_choices_usage_and_impossible_tokens() -> None:
    reply = _reply(choices=3, top_logprobs=1)
    assert [choice["index"] for choice in reply["choices"]] == [0, 1, 2]
    assert {choice["message"]["content"] for choice in reply["choices"]} == {"red,green,blue"}
    assert reply["usage"] == {"prompt_tokens": 6, "completion_tokens": 12, "total_tokens": 18}
    first, second = reply["choices"][0]["logprobs"]["content"][:2]
    assert [top["token"] for top in first["top_logprobs"]] == ["red"]
    assert second["logprob"] == second["top_logprobs"][0]["logprob"] == -9999.0
    assert _reply(logprobs=False)["choices"][0]["logprobs"] is None


def test_everything_a_client_may_send_is_accepted(provider: Provider) -> None:
    async def go() -> None:
        job = await provider.trained()
        reply = await provider.client.chat.completions.create(
            model=job.fine_tuned_model or "",
            messages=[
                {"role": "developer", "content": "Classify."},
                {
                    "role": "user",
                    "content": [{"type": "text", "text": "my "}, {"type": "text", "text": "money"}],
                },
            ],
            temperature=0,
            top_p=1,
            seed=1,
            n=2,
            user="me",
            store=False,
            metadata={"a": "b"},
            max_completion_tokens=16,
            response_format={
                "type": "json_schema",
                "json_schema": {"name": "answer", "schema": {"enum": ["refund", "delivery"]}, "strict": True},
            },
        )
        assert [choice.message.content for choice in reply.choices] == ["refund", "refund"]

    run(go())


def test_requests_that_come_together_are_answered_together(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def go() -> None:
        job = await provider.trained()
        words = ["money", "parcel"] * 32
        await _ask(provider, job.fine_tuned_model, "money")
        engine: Any = type(_loaded(provider))
        sizes: list[int] = []
        answer = engine.answer

        def counting(self: Any, conversations: Any, **options: Any) -> Any:
            sizes.append(len(conversations))
            return answer(self, conversations, **options)

        monkeypatch.setattr(engine, "answer", counting)
        answers = await asyncio.gather(*(_ask(provider, job.fine_tuned_model, word) for word in words))
        assert answers == ["refund", "delivery"] * 32
        assert sum(sizes) == 64
        assert len(sizes) < 32

    def _loaded(provider: Provider) -> Any:
        app: Any = provider.app
        return next(iter(app._app._context.answerer.models._loaded.values()))

    run(go())


async def _ask(provider: Provider, model: str | None, text: str) -> str | None:
    reply = await provider.client.chat.completions.create(
        model=model or "", messages=[{"role": "user", "content": text}]
    )
    return reply.choices[0].message.content


def test_one_app_serves_several_event_loops(provider: Provider) -> None:
    models: list[str | None] = []

    async def train() -> None:
        models.append((await provider.trained()).fine_tuned_model)

    async def ask() -> None:
        assert await _ask(Provider(provider.directory), models[0], "money") == "refund"
        assert await _ask(provider, models[0], "parcel") == "delivery"

    run(train())
    run(ask())
    run(ask())


def test_a_damaged_model_is_not_loaded(provider: Provider) -> None:
    async def go() -> None:
        job = await provider.trained()
        state = provider.directory / "models" / job.id / "step-60" / "state.json"
        state.write_bytes(state.read_bytes().replace(b"refund", b"refuse"))
        with pytest.raises(openai.InternalServerError) as caught:
            await _ask(provider, job.fine_tuned_model, "money")
        assert caught.value.code == "model_damaged"

    run(go())


def test_the_models_used_last_stay_loaded(provider: Provider) -> None:
    async def go() -> None:
        job = await provider.trained()
        store = Store(provider.directory)
        rows = store.rows("SELECT * FROM models WHERE name LIKE '%:ckpt-%' ORDER BY step")
        models = LoadedModels(store, size=2)
        first, second, third = rows
        engine = models.load(first)
        models.load(second)
        assert models.load(first) is engine
        models.load(third)
        assert models.ready(first) is engine
        assert models.ready(second) is None
        assert job.status == "succeeded"

    run(go())
