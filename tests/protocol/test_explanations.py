"""Why a label: an endpoint of our own, and nothing else in the protocol."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import openai
import pytest

from protocol.harness import Provider, run
from unit.local.engine_records import several, single

if TYPE_CHECKING:
    from labeltune.local.engines import Record

PATH = "/labeltune/explanations"


def lines(records: list[Record]) -> bytes:
    import json

    return "\n".join(json.dumps({"messages": record}) for record in records).encode()


async def explained(provider: Provider, model: str, messages: list[Any], **more: Any) -> Any:
    return await provider.client.post(
        PATH, cast_to=object, body={"model": model, "messages": messages, **more}
    )


@pytest.mark.parametrize("records", [single(), several()], ids=["choice", "subset"])
def test_the_words_add_up_to_the_odds_of_the_answer(provider: Provider, records: list[Record]) -> None:
    async def test() -> None:
        job = await provider.trained(model="linear", training_file=await provider.upload(lines(records)))
        model = job.fine_tuned_model
        assert model is not None
        for record in records[:5]:
            found = await explained(provider, model, record[:-1])
            assert (found["object"], found["model"]) == ("labeltune.explanation", model)
            shares = {one["label"]: one["probability"] for question in found["decisions"] for one in question}
            for reason in found["reasons"]:
                told = reason["bias"] + reason["rest"] + sum(word["weight"] for word in reason["words"])
                assert told == pytest.approx(reason["score"], abs=1e-3)
                p = shares[reason["label"]]
                other = 1 - p if reason["against"] is None else shares[reason["against"]]
                if other > 1e-9:
                    assert reason["score"] == pytest.approx(math.log(p / other), rel=1e-3)
                for word in reason["words"]:
                    content = record[word["message"]]["content"]
                    assert content[word["start"] : word["end"]] == word["text"]

    run(test())


def test_a_chat_completion_stays_as_it_is(provider: Provider) -> None:
    async def test() -> None:
        job = await provider.trained(model="linear", training_file=await provider.upload(lines(single())))
        assert job.fine_tuned_model is not None
        messages: list[Any] = single()[0][:-1]
        ask = provider.client.chat.completions.create
        before = await ask(model=job.fine_tuned_model, messages=messages, logprobs=True, top_logprobs=3)
        await explained(provider, job.fine_tuned_model, messages)
        after = await ask(model=job.fine_tuned_model, messages=messages, logprobs=True, top_logprobs=3)
        assert before.choices == after.choices
        assert set(before.model_dump(exclude_unset=True)) == set(after.model_dump(exclude_unset=True))
        with pytest.raises(openai.BadRequestError, match="Unknown parameter: 'labeltune'"):
            await ask(model=job.fine_tuned_model, messages=messages, extra_body={"labeltune": {"why": True}})

    run(test())


def test_what_cannot_be_explained_is_said(provider: Provider) -> None:
    async def test() -> None:
        job = await provider.trained()
        assert job.fine_tuned_model is not None
        messages = [{"role": "user", "content": "my money"}]
        with pytest.raises(openai.BadRequestError, match="the engine 'tally' does not decide by") as caught:
            await explained(provider, job.fine_tuned_model, messages)
        assert caught.value.code == "cannot_explain"
        with pytest.raises(openai.NotFoundError) as unknown:
            await explained(provider, "ft:linear:local::gone", messages)
        assert unknown.value.code == "model_not_found"
        with pytest.raises(openai.BadRequestError, match="Unknown parameter: 'logprobs'"):
            await explained(provider, job.fine_tuned_model, messages, logprobs=True)
        with pytest.raises(openai.BadRequestError, match=r"messages\[0\]\.role"):
            await explained(provider, job.fine_tuned_model, [{"role": "x", "content": ""}])

    run(test())


def test_a_model_tells_the_prompt_that_it_was_trained_with(provider: Provider) -> None:
    async def test() -> None:
        job = await provider.trained(model="linear", training_file=await provider.upload(lines(single())))
        assert job.fine_tuned_model is not None
        facts = (await provider.client.models.retrieve(job.fine_tuned_model)).labeltune  # type: ignore[attr-defined]  # beyond the protocol
        assert facts["prompt"] == [
            {"role": "system", "content": "Classify."},
            {"role": "user", "before": "Message: ", "after": "\nTopic:"},
        ]

    run(test())
