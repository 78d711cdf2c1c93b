"""Models of a provider that tells no more than the protocol: joined with its jobs and files."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from faults.tiny_server import serving
from labeltune.providers import resolve_provider
from labeltune.tuning.ledger import EvaluationEntry, open_ledger
from labeltune.tuning.models import list_models, show_model

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

ONE, TWO = "ft:gpt-4.1-mini-2025-04-14:acme:intents:Abc123", "ft:gpt-4.1-mini-2025-04-14:acme::Def456"


def model(name: str, created: int) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": created, "owned_by": "acme"}


def job(name: str, fine_tuned: str | None) -> dict[str, Any]:
    return {
        "id": name, "object": "fine_tuning.job", "created_at": 1, "model": "gpt-4.1-mini-2025-04-14",
        "status": "succeeded", "training_file": "file-1", "validation_file": None, "fine_tuned_model": fine_tuned,
        "finished_at": 2, "hyperparameters": {}, "organization_id": "acme", "result_files": [], "seed": 1,
    }  # fmt: skip


def answer(_method: str, path: str) -> object:
    models = [model("gpt-4.1", 9), model(ONE, 5), model(f"{ONE}:ckpt-step-7", 4), model(TWO, 7)]
    if path.startswith("/v1/models/"):
        return next(one for one in models if one["id"] == path.removeprefix("/v1/models/"))
    lists: dict[str, list[dict[str, Any]]] = {
        "/v1/models": models,
        "/v1/fine_tuning/jobs": [job("ftjob-2", None), job("ftjob-1", ONE)],
        "/v1/files": [
            {"id": "file-1", "object": "file", "bytes": 3, "created_at": 1, "filename": "train-0123456789ab.jsonl",
             "purpose": "fine-tune", "status": "processed"}
        ],
    }  # fmt: skip
    return {"object": "list", "data": lists[path], "has_more": False}


def test_models_are_joined_with_jobs_files_and_scores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary-0001")
    with serving(answer) as server:
        provider = resolve_provider(server.url)
        score = EvaluationEntry(
            time.time(),
            "p.csv",
            provider.identity,
            ONE,
            "f00d",
            9,
            {"macro_f1": 0.5},
            {"macro_f1": {"low": 0.4, "high": 0.6}},
        )
        with open_ledger(tmp_path) as ledger:
            ledger.record_evaluation(score)
        newer, older = list_models(provider, state=tmp_path)
        shown = show_model(provider, ONE, state=tmp_path)
    assert (newer.id, newer.base, newer.suffix, newer.job) == (TWO, "gpt-4.1-mini-2025-04-14", None, None)
    assert (older.id, older.base, older.suffix) == (ONE, "gpt-4.1-mini-2025-04-14", "intents")
    assert (older.training_file, older.job, older.rows, older.bytes) == ("train.jsonl", "ftjob-1", None, None)
    assert older.evaluated == score
    assert newer.evaluated is None
    assert shown == older
