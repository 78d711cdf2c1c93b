"""Jobs that are left and go on while the hub's model of their base's name becomes another one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from labeltune.local.cards import card_of
from labeltune.local.store import Store
from labeltune.local.training import train, validate
from model_hub import ModelHub, serving_models
from protocol.harness import Provider, run
from unit.local.chat_models import chat_model
from unit.local.sentence_models import onnx_folder
from unit.local.tiny_models import need_torch, single, tiny_encoder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

need_torch()
pytest.importorskip("huggingface_hub")

pytestmark = pytest.mark.slow

MAKERS: dict[str, Any] = {"embed": onnx_folder, "encoder": tiny_encoder, "llm": chat_model}


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[ModelHub]:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    with serving_models() as served:
        monkeypatch.setenv("HF_ENDPOINT", served.url)
        yield served


def orders(*given: str) -> Callable[[], str]:
    """These after so many steps, and then none."""
    left = list(given)
    return lambda: left.pop(0) if left else "running"


@pytest.mark.parametrize("engine", MAKERS)
def test_a_job_that_goes_on_has_the_base_that_it_began_with(
    engine: str, provider: Provider, hub: ModelHub, tmp_path: Path
) -> None:
    first = hub.put("someone/small", MAKERS[engine](tmp_path / "base"))
    rows = b"".join(json.dumps({"messages": row}).encode() + b"\n" for row in single(40))

    async def go() -> None:
        with provider.without_worker():
            created = await provider.job(
                model=f"{engine}:someone/small",
                training_file=await provider.upload(rows),
                hyperparameters={"n_epochs": 2, "batch_size": 8},
            )
            store = Store(provider.directory)

            def job() -> dict[str, Any]:
                found = store.row("SELECT * FROM jobs WHERE id = ?", created.id)
                assert found is not None
                return found

            validate(store, job())
            train(store, job(), orders("running", "leaving"))
            assert job()["status"] == "running", job()["error"]
            assert job()["saved_step"] is not None
            # The name stands for nothing that could be learnt from.
            hub.publish("someone/small", {"README.md": b"moved"})
            hub.asked.clear()
            train(store, job(), orders())
            assert job()["status"] == "succeeded", job()["error"]
            assert card_of(store, created.id)["base_model"]["revision"] == first
            assert hub.asked == []

    run(go())
