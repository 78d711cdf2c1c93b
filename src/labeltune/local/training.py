"""One fine-tuning job, from its files to its model."""

from __future__ import annotations

import base64
import contextlib
import csv
import io
import logging
import shutil
import time
import traceback
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import orjson

from labeltune.errors import AccessError, DiskError, LabeltuneError, SettingsError
from labeltune.files.writing import atomic_write, sha256_of
from labeltune.local import engines
from labeltune.local.cards import base_of, keep_base, write_card
from labeltune.local.companions import companions
from labeltune.local.engines import Base, Hyperparameters
from labeltune.local.engines.neural.processes import learning_together
from labeltune.local.errors import with_hint
from labeltune.local.files import add_file
from labeltune.local.jobs import add_event, model_name
from labeltune.local.store import disk_is_full, new_id, now
from labeltune.local.stored_models import drop_unused_folders, forget_checkpoints
from labeltune.local.validate import MIN_EXAMPLES, read_training_file
from labeltune.wording import counted

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from labeltune.local.engines import Kept, Lasting, Record, Run, Step
    from labeltune.local.store import Row, Store

__all__ = ["MAX_ATTEMPTS", "fit", "records_of", "train", "validate"]

MAX_ATTEMPTS = 3
"""A job whose worker died so often before the next checkpoint has failed."""

KEPT_CHECKPOINTS = 3

METRICS_EVENTS = 300
"""About so many metrics events are written for a job, however many steps it has."""

_FLUSH_EVERY_S = 0.25

_PACE_STEPS = 100
"""The speed is that of so many steps at the most, the last ones."""

_log = logging.getLogger("labeltune.local.worker")


class _RefusedError(Exception):
    """The job cannot succeed, and why: `error` of the job."""

    def __init__(self, code: str, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.error = {"code": code, "message": message, "param": param}


class _LeftError(Exception):
    """The job is no longer ours: cancelled or deleted meanwhile."""


def validate(store: Store, job: Row) -> None:
    """Look at the files of a job; it is queued after that, or has failed."""
    try:
        _read(store, job["training_file"], "training_file", least=MIN_EXAMPLES)
        if job["validation_file"] is not None:
            _read(store, job["validation_file"], "validation_file", least=1)
    except _RefusedError as refusal:
        _fail(store, job, refusal.error)
        return
    with store.transaction(), contextlib.suppress(_LeftError):
        _move(store, job, "queued", "validating_files")
        add_event(store, job["id"], "Files validated, moving job to queued state")


def _read(store: Store, file_id: str, param: str, *, least: int) -> list[Record]:
    """The records of a file of the job. Raises `_RefusedError`."""
    path = store.files / file_id
    try:
        with path.open("rb") as lines:
            file = read_training_file(lines)
    except FileNotFoundError:
        raise _RefusedError("file_not_found", f"The file {file_id} was deleted.", param) from None
    refusal = file.refusal(least=least)
    if refusal is not None:
        raise _RefusedError(*refusal, param)
    if len(file.records) < least:
        raise _RefusedError(
            "invalid_n_examples",
            f"Only {counted(len(file.records), 'example has', 'examples have')} a weighted answer, "
            f"but at least {least} are needed.",
            param,
        )
    return file.records


def train(store: Store, job: Row, order: Callable[[], str]) -> None:
    """Run a queued job, or one that another worker left, to its end or to where `order` tells it to stop.

    `order` gives the job's status as others last set it. Whatever goes wrong is written into the job.
    """
    try:
        if job["status"] == "pausing":
            # Its worker died before it could pause: it is as it was at its last checkpoint.
            _move(store, job, "paused", "pausing")
            return
        training = _Training(store, job, order)
        training.start()
        with companions(store, job):
            training.run()
    except _LeftError:
        _log.info("%s: cancelled", job["id"])
    except _RefusedError as refusal:
        _fail(store, job, refusal.error)
    except DiskError as error:
        _fail_full(store, job, str(error))
    except LabeltuneError as error:
        _fail(store, job, _blamed(error))
    except MemoryError:
        _fail(store, job, _error("out_of_memory", "There was not enough memory to train.", None))
    except Exception as error:  # noqa: BLE001  (an engine's bug fails its job, not the worker)
        if disk_is_full(error):
            _fail_full(store, job, "The disk is full.")
            return
        # Where it happened and the kind of error, but not its message: that may hold someone's text.
        kind = type(error).__qualname__
        _log.error("%s: %s\n%s", job["id"], kind, "".join(traceback.format_tb(error.__traceback__)))
        _fail(store, job, _error("server_error", f"The engine failed ({kind}); see worker.log.", None))
    finally:
        drop_unused_folders(store, job["id"])


def _blamed(error: LabeltuneError) -> dict[str, str | None]:
    """`error` of a job whose model or files an engine refused."""
    code, param = "training_refused", "training_file"
    if isinstance(error, AccessError | SettingsError):
        code = "model_not_available" if isinstance(error, AccessError) else "invalid_value"
        param = "model"
    return _error(code, with_hint(error), param)


def records_of(store: Store, job: Row) -> tuple[list[Record], list[Record]]:
    """The training and the validation examples of a job."""
    training = _read(store, job["training_file"], "training_file", least=MIN_EXAMPLES)
    if job["validation_file"] is None:
        return training, []
    return training, _read(store, job["validation_file"], "validation_file", least=1)


def fit(store: Store, job: Row, training: list[Record], validation: list[Record]) -> Run:
    """Begin to learn, from the last checkpoint on if there is one."""
    base, step = base_of(store, job), job["saved_step"]
    return engines.get_engine(base.engine).fit(
        training,
        validation,
        Hyperparameters(**orjson.loads(job["asked"])),
        base=base,
        seed=job["seed"],
        resume=None if step is None else store.model_folder(job["id"], step),
    )


class _Training:
    """A job while it runs."""

    def __init__(self, store: Store, job: Row, order: Callable[[], str]) -> None:
        self.store = store
        self.job = job
        self.order = order
        self.pending: list[Step] = []
        self.flushed_at = 0.0
        self.pace = _Pace()
        row = store.row("SELECT max(step) AS step FROM events WHERE job_id = ?", job["id"])
        self.reported: int = (row and row["step"]) or 0

    def start(self) -> None:
        """Say that it starts, and fetch the base model, so that all who learn together have the same."""
        job, store = self.job, self.store
        if job["attempts"] >= MAX_ATTEMPTS:
            message = f"The worker died {MAX_ATTEMPTS} times before the next checkpoint; see worker.log."
            raise _RefusedError("worker_died", message)
        with store.transaction():
            _move(store, job, "running", job["status"])
            store.write("UPDATE jobs SET attempts = attempts + 1 WHERE id = ?", job["id"])
            started = "Fine-tuning job started"
            if job["saved_step"] is not None:
                started = f"Fine-tuning job goes on after step {job['saved_step']}"
            add_event(store, job["id"], started)
        base = engines.fetched(base_of(store, job), partial(add_event, store, job["id"]))
        if base is not None:
            keep_base(store, job, base)

    def run(self) -> None:
        run = self._begin()
        step: Step | None = None
        for step in run:
            self._note(step)
            if step.epoch_end or step.step == step.total_steps:
                self._checkpoint(run, step)
            elif time.monotonic() - self.flushed_at > _FLUSH_EVERY_S:
                self._flush()
            if step.step < step.total_steps and self._stops(run, step):
                return
        if step is None and self.job["saved_step"] is None:
            raise _RefusedError("server_error", "The engine trained no step.")
        self._finish(run)

    def _begin(self) -> Run:
        job, store = self.job, self.store
        training, validation = records_of(store, job)
        engine = engines.get_engine(Base.parse(job["model"]).engine)
        if phase := getattr(engine, "preparation", ""):
            add_event(store, job["id"], f"{phase}: {counted(len(training) + len(validation), 'example')}")
        run = fit(store, job, training, validation)
        with store.transaction():
            chosen = orjson.dumps(dict(run.hyperparameters)).decode()
            self._write("UPDATE jobs SET hyperparameters = ?", chosen)
            write_card(store, job, training=training, validation=validation, run=run)
            # What an engine has to say of the data, if anything; a run need not have notes.
            for note in getattr(run, "notes", ()):
                add_event(store, job["id"], note, level="warn")
            if (size := learning_together()) > 1:
                add_event(store, job["id"], f"{size} processes learn together")
        return run

    def _write(self, update: str, *values: object) -> None:
        """Change the job while it is ours. Raises `_LeftError` otherwise."""
        where = " WHERE id = ? AND status IN ('running', 'pausing')"
        if not self.store.write(update + where, *values, self.job["id"]):
            raise _LeftError

    def _note(self, step: Step) -> None:
        """Keep the step for the events, unless there would be too many or another worker wrote it."""
        stride = -(-step.total_steps // METRICS_EVENTS)
        self.pace.step(step, time.monotonic())
        whole = step.epoch_end or step.step == step.total_steps
        if step.step > self.reported and (whole or step.step % stride == 0 or step.step == 1):
            self.pending.append(step)
            self.reported = step.step

    def _flush(self) -> None:
        """Write the events that wait, together, and when the job will probably end."""
        self.flushed_at = time.monotonic()
        if not self.pending:
            return
        left = self.pace.seconds_left
        with self.store.transaction():
            if left is not None:
                self._write("UPDATE jobs SET estimated_finish = ?", now() + round(left))
            for step in self.pending:
                message = f"Step {step.step}/{step.total_steps}: training loss={step.train_loss:.4f}"
                if step.full_valid_loss is not None:
                    message += f", full validation loss={step.full_valid_loss:.4f}"
                elif step.valid_loss is not None:
                    message += f", validation loss={step.valid_loss:.4f}"
                data = {**_metrics(step), "total_steps": step.total_steps, **self.pace.numbers()}
                add_event(self.store, self.job["id"], message, data=data, step=step.step)
        self.pending.clear()

    def _checkpoint(self, run: Run, step: Step) -> None:
        """Save, and make what was saved a model of its own; the oldest of several goes."""
        self._save(run, step.step)
        self._flush()
        store, job = self.store, self.job
        with store.transaction():
            self._write("UPDATE jobs SET saved_step = ?, attempts = 0", step.step)
            known = store.row(
                "SELECT id FROM checkpoints WHERE job_id = ? AND step = ?", job["id"], step.step
            )
            if known is None:
                checkpoint = {
                    "id": new_id("ftckpt_"),
                    "job_id": job["id"],
                    "created_at": now(),
                    "step": step.step,
                }
                # The weights are those of the epoch that is kept: so are the figures.
                told = _metrics(step) | ({} if step.kept is None else _metrics_kept(step.kept))
                store.insert("checkpoints", {**checkpoint, "metrics": orjson.dumps(told).decode()})
                _add_model(store, job, step.step, model_name(job, step.step))
                add_event(store, job["id"], f"Checkpoint created at step {step.step}")
                if step.kept is not None and step.kept.epoch < step.epoch:
                    add_event(store, job["id"], _which(step.kept, step.epoch))
            for old in store.rows(
                "SELECT step FROM checkpoints WHERE job_id = ? ORDER BY step DESC LIMIT -1 OFFSET ?",
                job["id"],
                KEPT_CHECKPOINTS,
            ):
                store.write("DELETE FROM checkpoints WHERE job_id = ? AND step = ?", job["id"], old["step"])
                store.write("DELETE FROM models WHERE job_id = ? AND step = ?", job["id"], old["step"])
        drop_unused_folders(store, job["id"])

    def _save(self, run: Run, step: int) -> None:
        folder = self.store.model_folder(self.job["id"], step)
        # What a killed worker left there was never recorded.
        shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        run.save(folder)

    def _stops(self, run: Run, step: Step) -> bool:
        """Obey an order; True if the job is not to go on now."""
        order = self.order()
        if order == "cancelled":
            raise _LeftError
        if order not in ("pausing", "leaving"):
            return False
        if not step.epoch_end:
            self._save(run, step.step)
        self._flush()
        with self.store.transaction():
            self._write("UPDATE jobs SET saved_step = ?, attempts = 0, estimated_finish = NULL", step.step)
            if order == "leaving":
                # The process was told to end: the next one goes on from here.
                return True
            paused = self.store.write(
                "UPDATE jobs SET status = 'paused' WHERE id = ? AND status = 'pausing'", self.job["id"]
            )
            if paused:
                add_event(self.store, self.job["id"], f"Fine-tuning job was paused after step {step.step}")
        # Resumed in the meantime, it simply goes on.
        return bool(paused)

    def _finish(self, run: Run) -> None:
        store, job = self.store, self.job
        self._flush()
        self._forget_states()
        result = _add_result_file(store, job)
        with store.transaction():
            name = model_name(job)
            row = store.row("SELECT max(step) AS step FROM checkpoints WHERE job_id = ?", job["id"])
            assert row is not None
            self._write(
                "UPDATE jobs SET fine_tuned_model = ?, trained_tokens = ?, result_file = ?, finished_at = ?, "
                "estimated_finish = NULL, status = 'succeeded'",
                name,
                run.trained_tokens,
                result,
                now(),
            )
            _add_model(store, job, row["step"], name)
            add_event(store, job["id"], f"New fine-tuned model created: {name}")
            add_event(store, job["id"], "The job has successfully completed")
        _log.info("%s: succeeded", job["id"])

    def _forget_states(self) -> None:
        """Remove what only going on needs: it is twice the model or more, and the last step is done.

        Before the job is told to have succeeded, so that a worker killed meanwhile does it again.
        """
        engine = engines.get_engine(Base.parse(self.job["model"]).engine)
        if not hasattr(engine, "forget_state"):
            return
        for row in self.store.rows("SELECT step FROM checkpoints WHERE job_id = ?", self.job["id"]):
            try:
                cast("type[Lasting]", engine).forget_state(
                    self.store.model_folder(self.job["id"], row["step"])
                )
            except LabeltuneError as error:
                # What was trained is none the worse for it.
                _log.warning("%s: the state of step %s stays: %s", self.job["id"], row["step"], error)


class _Pace:
    """How fast steps come, lately: what a training prepares before its first step says nothing about it."""

    def __init__(self) -> None:
        self._steps: deque[tuple[float, int, int]] = deque(maxlen=_PACE_STEPS)
        self._rows = 0
        self._last: Step | None = None

    def step(self, step: Step, at: float) -> None:
        """A step is over, at a time in seconds."""
        self._rows += step.rows
        self._steps.append((at, step.step, self._rows))
        self._last = step

    @property
    def seconds_left(self) -> float | None:
        """Until the last step, about; None before there are two."""
        seconds, steps, _ = self._lately()
        if self._last is None or not steps:
            return None
        return (self._last.total_steps - self._last.step) * seconds / steps

    def numbers(self) -> dict[str, float]:
        """What a metrics event tells of it: rows per second and seconds left, as far as known."""
        seconds, _, rows = self._lately()
        left = self.seconds_left
        told = {"rows_per_second": round(rows / seconds, 1)} if rows and seconds else {}
        return told if left is None else {**told, "seconds_left": round(left, 1)}

    def _lately(self) -> tuple[float, int, int]:
        """Seconds, steps and rows between the first and the last of the steps that are remembered."""
        if len(self._steps) < 2:
            return 0.0, 0, 0
        (since, step, rows), (until, last_step, last_rows) = self._steps[0], self._steps[-1]
        return until - since, last_step - step, last_rows - rows


def _metrics(step: Step) -> dict[str, float]:
    """A step's numbers under the protocol's names; those that were not computed are left out."""
    values = {
        "step": step.step,
        "train_loss": step.train_loss,
        "train_mean_token_accuracy": step.train_accuracy,
        "valid_loss": step.valid_loss,
        "valid_mean_token_accuracy": step.valid_accuracy,
        "full_valid_loss": step.full_valid_loss,
        "full_valid_mean_token_accuracy": step.full_valid_accuracy,
    }
    return {name: value for name, value in values.items() if value is not None}


def _metrics_kept(kept: Kept) -> dict[str, float]:
    return {
        "full_valid_loss": kept.full_valid_loss,
        "full_valid_mean_token_accuracy": kept.full_valid_accuracy,
    }


def _which(kept: Kept, last: int) -> str:
    return (
        f"The model is that of epoch {kept.epoch}, where the validation loss was lowest "
        f"({kept.full_valid_loss:.4f}); training ended after epoch {last}"
    )


def _add_model(store: Store, job: Row, step: int, name: str) -> None:
    store.insert(
        "models",
        {"name": name, "engine": job["model"], "job_id": job["id"], "step": step, "created_at": now()},
    )


def _add_result_file(store: Store, job: Row) -> str:
    """The curve as the protocol has it: a CSV, base64-encoded."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["step", "train_loss", "train_accuracy", "valid_loss", "valid_mean_token_accuracy"])
    for row in store.rows(
        "SELECT data FROM events WHERE job_id = ? AND type = 'metrics' ORDER BY step", job["id"]
    ):
        point: dict[str, Any] = orjson.loads(row["data"])
        names = ("step", "train_loss", "train_mean_token_accuracy", "valid_loss", "valid_mean_token_accuracy")
        writer.writerow([point.get(name, "") for name in names])

    def put(path: Path) -> str:
        with atomic_write(path) as target:
            target.write(base64.b64encode(text.getvalue().encode()))
        return sha256_of(path)

    file = add_file(
        store, filename="step_metrics.csv", purpose="fine-tune-results", keep_seconds=None, put=put
    )
    return str(file["id"])


def _move(store: Store, job: Row, status: str, from_status: str) -> None:
    """Change a job's status. Raises `_LeftError` if it is not what it was."""
    if not store.write(
        "UPDATE jobs SET status = ? WHERE id = ? AND status = ?", status, job["id"], from_status
    ):
        raise _LeftError


def _error(code: str, message: str, param: str | None) -> dict[str, str | None]:
    return {"code": code, "message": message, "param": param}


def _fail_full(store: Store, job: Row, message: str) -> None:
    """Fail for want of space; the ballast makes room to say so."""
    store.drop_ballast()
    _fail(store, job, _error("disk_full", message, None))
    drop_unused_folders(store, job["id"])
    store.lay_ballast()


def _fail(store: Store, job: Row, error: dict[str, str | None]) -> None:
    with store.transaction():
        changed = store.write(
            "UPDATE jobs SET status = 'failed', error = ?, finished_at = ?, estimated_finish = NULL "
            "WHERE id = ? AND status NOT IN ('succeeded', 'cancelled', 'failed')",
            orjson.dumps(error).decode(),
            now(),
            job["id"],
        )
        if changed:
            forget_checkpoints(store, job["id"])
            add_event(store, job["id"], f"The job failed: {error['message']}", level="error")
    _log.info("%s: failed (%s)", job["id"], error["code"])
