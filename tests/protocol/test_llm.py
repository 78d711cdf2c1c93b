"""A tuned language model behind the real provider, once from the job to probabilities over the wire."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

import pytest

from protocol.harness import Provider, run

if TYPE_CHECKING:
    from pathlib import Path

for package in ("torch", "transformers", "peft"):
    pytest.importorskip(package, reason="the extra [torch] is not installed")

from unit.local.chat_models import chat_model  # noqa: E402


def _record(text: str, label: str) -> str:
    messages = [
        {"role": "system", "content": "Classify."},
        {"role": "user", "content": text},
        {"role": "assistant", "content": label},
    ]
    return json.dumps({"messages": messages})


@pytest.mark.slow
def test_it_trains_and_answers_with_probabilities_of_all_labels(provider: Provider, tmp_path: Path) -> None:
    labels = ["card", "card arrival", "login"]
    rows = "\n".join(_record(f"help {n % 3} {n}", labels[n % 3]) for n in range(30))

    async def go() -> None:
        job = await provider.trained(
            model=f"llm:{chat_model(tmp_path / 'base')}#rank=4",
            training_file=await provider.upload(rows.encode()),
            hyperparameters={"n_epochs": 1, "batch_size": 8},
            seed=1,
        )
        reply = await provider.client.chat.completions.create(
            model=job.fine_tuned_model or "",
            messages=[{"role": "system", "content": "Classify."}, {"role": "user", "content": "help 2"}],
            logprobs=True,
            top_logprobs=3,
        )
        assert reply.choices[0].message.content in labels
        assert reply.choices[0].logprobs is not None
        (token,) = reply.choices[0].logprobs.content or []
        assert {top.token for top in token.top_logprobs} == set(labels)
        assert math.fsum(math.exp(top.logprob) for top in token.top_logprobs) == pytest.approx(1, abs=1e-6)

    run(go())
