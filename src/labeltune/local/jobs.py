"""Fine-tuning jobs: what is asked for, how it stands, and what happened so far."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any

import orjson
from starlette.routing import Route

from labeltune.local.context import context_of
from labeltune.local.engines import Base
from labeltune.local.errors import invalid, not_found
from labeltune.local.files import find_usable_file
from labeltune.local.launcher import ACTIVE_JOB
from labeltune.local.store import Row, Store, new_id, now
from labeltune.local.stored_models import check_base, drop_unused_folders, forget_checkpoints
from labeltune.local.wire import Fields, json_fields, json_reply, listing, page_of, seq_of

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

__all__ = ["ROUTES", "add_event", "job_object", "model_name"]

_MAX_PAGE = 100
_METADATA_FILTER = re.compile(r"metadata\[(.*)\]", re.DOTALL)


def job_object(row: Row) -> dict[str, Any]:
    """A job as the protocol shows it."""
    hyperparameters = orjson.loads(row["hyperparameters"])
    return {
        "object": "fine_tuning.job",
        "id": row["id"],
        "created_at": row["created_at"],
        "model": row["model"],
        "organization_id": "local",
        "status": row["status"],
        "training_file": row["training_file"],
        "validation_file": row["validation_file"],
        "hyperparameters": hyperparameters,
        "method": {"type": "supervised", "supervised": {"hyperparameters": hyperparameters}},
        "seed": row["seed"],
        "fine_tuned_model": row["fine_tuned_model"],
        "trained_tokens": row["trained_tokens"],
        "result_files": [] if row["result_file"] is None else [row["result_file"]],
        "estimated_finish": row["estimated_finish"],
        "finished_at": row["finished_at"],
        "error": None if row["error"] is None else orjson.loads(row["error"]),
        "metadata": None if row["metadata"] is None else orjson.loads(row["metadata"]),
        "integrations": [],
    }


def model_name(row: Row, step: int | None = None) -> str:
    """The name of the model that a job makes, or of its checkpoint after a step."""
    suffix = re.sub(r"[^a-z0-9._-]+", "-", (row["suffix"] or "").lower()).strip("-.")
    name = f"ft:{Base.parse(row['model']).short}:local:{suffix}:{row['id'].removeprefix('ftjob-')[:8]}"
    return name if step is None else f"{name}:ckpt-step-{step}"


def add_event(
    store: Store,
    job_id: str,
    message: str,
    *,
    level: str = "info",
    data: dict[str, Any] | None = None,
    step: int | None = None,
) -> None:
    """Write an event of a job; with a step it is a metrics event."""
    store.insert(
        "events",
        {
            "id": new_id("ftevent-"),
            "job_id": job_id,
            "created_at": now(),
            "level": level,
            "type": "message" if step is None else "metrics",
            "message": message,
            "data": None if data is None else orjson.dumps(data).decode(),
            "step": step,
        },
    )


def find_job(store: Store, job_id: str) -> Row:
    """The row of a job. Raises `ApiError` (404)."""
    row = store.row("SELECT * FROM jobs WHERE id = ?", job_id)
    if row is None:
        not_found("fine-tuning job", job_id, param="fine_tuning_job_id", code="fine_tune_not_found")
    return row


async def create(request: Request) -> Response:
    """POST /fine_tuning/jobs."""
    context = context_of(request)
    row = _new_job(context.store, await json_fields(request))
    with context.store.transaction():
        context.store.insert("jobs", row)
        add_event(context.store, row["id"], f"Created fine-tuning job: {row['id']}")
        add_event(context.store, row["id"], f"Validating training file: {row['training_file']}")
    context.launcher.wake()
    return json_reply(job_object(find_job(context.store, row["id"])))


def _new_job(store: Store, fields: Fields) -> Row:
    model = fields.needed_text("model")
    check_base(model)
    training = find_usable_file(store, fields.needed_text("training_file"), "training_file", "fine-tune")
    validation_file = fields.text("validation_file")
    if validation_file is not None:
        find_usable_file(store, validation_file, "validation_file", "fine-tune")
    suffix = fields.text("suffix", least=1, most=64)
    seed = fields.integer("seed", least=0, most=2**31 - 1)
    if fields.items("integrations"):
        invalid("Integrations are not available here.", param="integrations", code="unsupported_parameter")
    metadata = fields.metadata()
    hyperparameters = orjson.dumps(_read_hyperparameters(fields)).decode()
    fields.done()
    if seed is None:
        # The protocol lets the provider choose: the same request gets the same seed, hence the same model.
        seed = int.from_bytes(hashlib.sha256(training["sha256"].encode()).digest()[:4], "big") >> 1
    return {
        "id": new_id("ftjob-"),
        "created_at": now(),
        "model": model,
        "suffix": suffix,
        "training_file": training["id"],
        "validation_file": validation_file,
        "seed": seed,
        "asked": hyperparameters,
        "hyperparameters": hyperparameters,
        "metadata": None if metadata is None else orjson.dumps(metadata).decode(),
        "status": "validating_files",
    }


def _read_hyperparameters(fields: Fields) -> dict[str, Any]:
    """From `method.supervised.hyperparameters`, or from the deprecated place at the top."""
    chosen = fields.part("hyperparameters")
    method = fields.part("method")
    if method is not None:
        method.choice("type", ("supervised",), required=True)
        supervised = method.part("supervised")
        method.done()
        if supervised is not None:
            nested = supervised.part("hyperparameters")
            supervised.done()
            if nested is not None and chosen is not None:
                invalid(
                    "Give the hyperparameters under 'method' only.",
                    param="hyperparameters",
                    code="invalid_value",
                )
            chosen = nested or chosen
    chosen = chosen or Fields({})
    values: dict[str, Any] = {}
    for name, most in (("n_epochs", 50), ("batch_size", 256)):
        value = None if chosen.is_auto(name) else chosen.integer(name, least=1, most=most)
        values[name] = "auto" if value is None else value
    values["learning_rate_multiplier"] = _read_multiplier(chosen)
    chosen.done()
    return values


def _read_multiplier(fields: Fields) -> float | str:
    name = "learning_rate_multiplier"
    value = None if fields.is_auto(name) else fields.number(name)
    if value is None:
        return "auto"
    if value <= 0:
        fields.refuse(name, f"expected a value > 0, but got {value}", "decimal_below_min_value")
    return value


async def list_jobs(request: Request) -> Response:
    """GET /fine_tuning/jobs."""
    context = context_of(request)
    after, limit = page_of(request, default=20, most=_MAX_PAGE)
    query, values = "SELECT * FROM jobs WHERE 1", []
    for name, value in request.query_params.multi_items():
        pair = _METADATA_FILTER.fullmatch(name)
        if pair is not None:
            query += " AND EXISTS (SELECT 1 FROM json_each(metadata) WHERE key = ? AND value = ?)"
            values += [pair[1], value]
        elif name == "metadata" and value == "null":
            query += " AND metadata IS NULL"
    found, more = context.store.page(
        query, tuple(values), after=seq_of(context.store, "jobs", after), limit=limit
    )
    context.launcher.look_after(found)
    return json_reply(listing([job_object(row) for row in found], more=more))


async def retrieve(request: Request) -> Response:
    """GET /fine_tuning/jobs/{job_id}."""
    context = context_of(request)
    row = find_job(context.store, request.path_params["job_id"])
    context.launcher.look_after([row])
    return json_reply(job_object(row))


async def list_events(request: Request) -> Response:
    """GET /fine_tuning/jobs/{job_id}/events, newest first."""
    context = context_of(request)
    job = find_job(context.store, request.path_params["job_id"])
    context.launcher.look_after([job])
    after, limit = page_of(request, default=20, most=_MAX_PAGE)
    found, more = context.store.page(
        "SELECT * FROM events WHERE job_id = ?",
        (job["id"],),
        after=seq_of(context.store, "events", after),
        limit=limit,
    )
    return json_reply(listing([_event_object(row) for row in found], more=more))


def _event_object(row: Row) -> dict[str, Any]:
    return {
        "object": "fine_tuning.job.event",
        **{key: row[key] for key in ("id", "created_at", "level", "message", "type")},
        "data": {} if row["data"] is None else orjson.loads(row["data"]),
    }


async def list_checkpoints(request: Request) -> Response:
    """GET /fine_tuning/jobs/{job_id}/checkpoints, newest first."""
    store = context_of(request).store
    job = find_job(store, request.path_params["job_id"])
    after, limit = page_of(request, default=10, most=_MAX_PAGE)
    found, more = store.page(
        "SELECT * FROM checkpoints WHERE job_id = ?",
        (job["id"],),
        after=seq_of(store, "checkpoints", after),
        limit=limit,
    )
    return json_reply(listing([_checkpoint_object(job, row) for row in found], more=more))


def _checkpoint_object(job: Row, row: Row) -> dict[str, Any]:
    return {
        "object": "fine_tuning.job.checkpoint",
        "id": row["id"],
        "created_at": row["created_at"],
        "fine_tuned_model_checkpoint": model_name(job, row["step"]),
        "fine_tuning_job_id": job["id"],
        "metrics": orjson.loads(row["metrics"]),
        "step_number": row["step"],
    }


async def cancel(request: Request) -> Response:
    """POST /fine_tuning/jobs/{job_id}/cancel: at once; the worker notices and drops what it was doing."""
    store = context_of(request).store
    with store.transaction():
        job = find_job(store, request.path_params["job_id"])
        if job["status"] not in (*ACTIVE_JOB, "paused"):
            _refuse("cancelled", job)
        store.write("UPDATE jobs SET status = 'cancelled', finished_at = ? WHERE id = ?", now(), job["id"])
        forget_checkpoints(store, job["id"])
        add_event(store, job["id"], "Fine-tuning job was cancelled")
    # What a worker saves before it hears of this, it removes itself.
    drop_unused_folders(store, job["id"])
    return json_reply(job_object(find_job(store, job["id"])))


async def pause(request: Request) -> Response:
    """POST /fine_tuning/jobs/{job_id}/pause: a running job first saves its state."""
    context = context_of(request)
    store = context.store
    with store.transaction():
        job = find_job(store, request.path_params["job_id"])
        if job["status"] == "running":
            _set_status(store, job, "pausing", "Fine-tuning job is being paused")
        elif job["status"] in ("validating_files", "queued"):
            _set_status(store, job, "paused", "Fine-tuning job was paused")
        elif job["status"] not in ("pausing", "paused"):
            _refuse("paused", job)
    context.launcher.look_after([job])
    return json_reply(job_object(find_job(store, job["id"])))


async def resume(request: Request) -> Response:
    """POST /fine_tuning/jobs/{job_id}/resume: on from where it was paused."""
    context = context_of(request)
    store = context.store
    with store.transaction():
        job = find_job(store, request.path_params["job_id"])
        if job["status"] == "pausing":
            _set_status(store, job, "running", "Fine-tuning job goes on")
        elif job["status"] == "paused":
            # Paused before its files were looked at, it has not been validated.
            _set_status(store, job, "validating_files", "Fine-tuning job was resumed")
        else:
            _refuse("resumed", job)
    context.launcher.wake()
    return json_reply(job_object(find_job(store, job["id"])))


def _set_status(store: Store, job: Row, status: str, message: str) -> None:
    store.write("UPDATE jobs SET status = ? WHERE id = ?", status, job["id"])
    add_event(store, job["id"], message)


def _refuse(what: str, job: Row) -> None:
    invalid(
        f"The job {job['id']} cannot be {what}: its status is '{job['status']}'.",
        code="invalid_job_status",
    )


ROUTES = [
    Route("/fine_tuning/jobs", create, methods=["POST"]),
    Route("/fine_tuning/jobs", list_jobs, methods=["GET"]),
    Route("/fine_tuning/jobs/{job_id}", retrieve, methods=["GET"]),
    Route("/fine_tuning/jobs/{job_id}/events", list_events, methods=["GET"]),
    Route("/fine_tuning/jobs/{job_id}/checkpoints", list_checkpoints, methods=["GET"]),
    Route("/fine_tuning/jobs/{job_id}/cancel", cancel, methods=["POST"]),
    Route("/fine_tuning/jobs/{job_id}/pause", pause, methods=["POST"]),
    Route("/fine_tuning/jobs/{job_id}/resume", resume, methods=["POST"]),
]
