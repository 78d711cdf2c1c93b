"""What is known of a model: from what it was made and how, kept beyond the files it was made from."""

from __future__ import annotations

import platform
from dataclasses import replace
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import orjson

from labeltune.errors import TrainingRefusedError
from labeltune.local.engines import Base

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from labeltune.local.engines import Fetched, Record, Run
    from labeltune.local.store import Row, Store

__all__ = ["base_of", "bytes_below", "card_of", "keep_base", "keep_card", "model_facts", "write_card"]

Card = dict[str, Any]

_TASK = "labeltune_task"
"""Under which a job's metadata holds its task's fingerprint: `tuning.plan.TASK`."""


def write_card(
    store: Store, job: Row, *, training: Sequence[Record], validation: Sequence[Record], run: Run
) -> None:
    """Keep what a job is made from, before its first step."""
    card = {
        **_of_job(store, job),
        "rows": len(training),
        **_labels(training),
        "prompt": _prompt(training),
        "hyperparameters": dict(run.hyperparameters),
        "versions": {"labeltune": version("labeltune"), "python": platform.python_version()},
    }
    for key, records in (("training_file", training), ("validation_file", validation)):
        if card[key] is not None:
            card[key]["rows"] = len(records)
    # What is known of the base was kept before.
    base = card_of(store, job["id"]).get("base_model")
    keep_card(store, job["id"], card if base is None else {**card, "base_model": base})


def keep_base(store: Store, job: Row, fetched: Fetched) -> None:
    """Keep which base model a job has: of a hub's name what it stood for when the job began."""
    known = {"revision": fetched.revision, "licence": fetched.licence}
    keep_card(store, job["id"], {**card_of(store, job["id"]), "base_model": known})


def base_of(store: Store, job: Row) -> Base:
    """The base model of a job; of a hub's name, with the revision that the job began with."""
    base = Base.parse(job["model"])
    revision = (card_of(store, job["id"]).get("base_model") or {}).get("revision")
    if revision is None:
        return base
    return replace(base, source=f"{base.source.partition('@')[0]}@{revision}")


def keep_card(store: Store, job_id: str, card: Card) -> None:
    """Keep a card under a job's id, or under that of a model that was imported."""
    store.write("INSERT OR REPLACE INTO cards VALUES (?, ?)", job_id, orjson.dumps(card).decode())


def card_of(store: Store, job_id: str) -> Card:
    """The card of a job's models; of those made by earlier versions only what the job itself tells."""
    row = store.row("SELECT card FROM cards WHERE job_id = ?", job_id)
    job = store.row("SELECT * FROM jobs WHERE id = ?", job_id)
    card: Card = {}
    if row is not None:
        card = orjson.loads(row["card"])
    elif job is not None:
        card = {**_of_job(store, job), "rows": None, "labels": None, "prompt": None, "versions": {}}
        card["hyperparameters"] = orjson.loads(job["hyperparameters"])
    if job is not None:
        card["trained_tokens"] = job["trained_tokens"]
    return card


def model_facts(store: Store, model: Row) -> Card:
    """What the protocol has no field for, as a model's `labeltune` object."""
    card = card_of(store, model["job_id"])
    metrics = store.row(
        "SELECT metrics FROM checkpoints WHERE job_id = ? AND step = ?", model["job_id"], model["step"]
    )
    if metrics is not None:
        card["metrics"] = orjson.loads(metrics["metrics"])
    root = store.models / model["job_id"]
    alone = ":ckpt-step-" in model["name"]
    return {**card, "bytes": bytes_below(root / f"step-{model['step']}" if alone else root)}


def bytes_below(folder: Path) -> int:
    """The bytes of all files in a folder, however deep; 0 where it is not there."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.lstat().st_size if not path.is_dir() or path.is_symlink() else 0
        except FileNotFoundError:  # gone meanwhile
            continue
    return total


def _of_job(store: Store, job: Row) -> Card:
    metadata = {} if job["metadata"] is None else orjson.loads(job["metadata"])
    return {
        "base": job["model"],
        "suffix": job["suffix"],
        "job": job["id"],
        "seed": job["seed"],
        "task": metadata.get(_TASK),
        "training_file": _file(store, job["training_file"]),
        "validation_file": None if job["validation_file"] is None else _file(store, job["validation_file"]),
    }


def _file(store: Store, file_id: str) -> Card:
    row = store.row("SELECT filename, sha256, bytes FROM files WHERE id = ?", file_id)
    known = {"filename": None, "sha256": None, "bytes": None} if row is None else row
    return {"id": file_id, **known, "rows": None}


def _labels(training: Sequence[Record]) -> dict[str, list[str] | None]:
    """The `labels` of the answers, as the engines read them, and the `pairs` that occur of two levels; None
    where the answers are no labels.
    """
    # It brings numpy along, which the app does without.
    from labeltune.local.engines.common.formats import labels_of, read_format
    from labeltune.local.engines.common.records import Template, content_of

    declared = Template.of([record[:-1] for record in training]).declared_labels()
    try:
        found = read_format([content_of(record[-1]) for record in training], declared)
    except TrainingRefusedError:
        return {"labels": None, "pairs": None}
    labels, pairs = labels_of(found)
    return {"labels": labels, "pairs": pairs or None}


def _prompt(training: Sequence[Record]) -> list[dict[str, str]] | None:
    """How the model is asked: for each message its role and `content`, and for the one with the text the
    words `before` and `after` it. None where more than one message varies, or it is not the user's.
    """
    from labeltune.local.engines.common.records import Template

    conversations = [record[:-1] for record in training]
    roles = {tuple(str(message.get("role", "")) for message in one) for one in conversations}
    if len(roles) > 1:
        return None
    frames = Template.of(conversations).frames
    varying = [role for (role, _), frame in frames.items() if not frame.constant]
    if varying != ["user"]:
        return None
    return [
        {"role": role, "content": frame.prefix}
        if frame.constant
        else {"role": role, "before": frame.prefix, "after": frame.suffix}
        for (role, _), frame in frames.items()
    ]
