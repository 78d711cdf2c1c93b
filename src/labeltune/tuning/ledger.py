"""What this folder already uploaded and trained, by content: `.labeltune/ledger.db`.

Deleting it loses no output, only the knowledge that saves calls. Ids mean something only at the provider that
gave them, so every entry stands under `Provider.identity`.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from contextlib import closing, contextmanager
from dataclasses import astuple
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labeltune.defaults import DEFAULT_STATE
from labeltune.errors import ConflictError, DiskError, LabeltuneError, SettingsError
from labeltune.files.write_ahead import open_read_only, use_write_ahead_log
from labeltune.files.writing import make_private_file, make_private_folder
from labeltune.tuning.ledger_tables import (
    ALL_JOBS,
    FIND_JOBS,
    IDS,
    LAST_EVALUATIONS,
    SCHEMA,
    EvaluationEntry,
    JobEntry,
    UploadEntry,
    make_tables,
)
from labeltune.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = [
    "STATE_FOLDER",
    "EvaluationEntry",
    "JobEntry",
    "Ledger",
    "UploadEntry",
    "ids_of_ledger",
    "make_state_folder",
    "open_ledger",
]

STATE_FOLDER = Path(DEFAULT_STATE)
FILE_NAME = "ledger.db"
BUSY_SECONDS = 10.0
LOCK_SECONDS = 30.0


@contextmanager
def open_ledger(folder: str | os.PathLike[str] = STATE_FOLDER) -> Iterator[Ledger]:
    """The ledger in `folder`, made if need be; closed when the block ends.

    Raises `DiskError` if it cannot be written or is damaged, `SettingsError` if a newer version made it, and
    `ConflictError` while another process keeps it locked.
    """
    path = Path(folder) / FILE_NAME
    connection = _open(path)
    try:
        with _database_errors(path):
            yield Ledger(connection, path)
    finally:
        connection.close()


def ids_of_ledger(folder: Path, kind: str) -> list[tuple[str, str]]:
    """The ids of "models", "jobs" or "files" that a folder remembers, each with its provider, newest first.

    None if there is no ledger, or it cannot be read.
    """
    try:
        with closing(open_read_only(folder / FILE_NAME)) as opened:
            return opened.execute(IDS[kind]).fetchall()
    except sqlite3.Error:
        return []


class Ledger:
    """An open ledger; made by `open_ledger`. Every change is on the disk when its method returns."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self.path = path

    @property
    def journal_mode(self) -> str:
        """SQLite's: `wal`, or `delete` on a file system that has no write-ahead logging."""
        return str(self._one("PRAGMA journal_mode")[0])

    def find_upload(self, provider: str, sha256: str) -> UploadEntry | None:
        """The file of that content which the provider was given."""
        row = self._one(
            "SELECT sha256, bytes, file_id FROM uploads WHERE provider = ? AND sha256 = ?", provider, sha256
        )
        return None if row is None else UploadEntry(*row)

    def find_file(self, provider: str, file_id: str) -> UploadEntry | None:
        """What is known about a file id."""
        row = self._one(
            "SELECT sha256, bytes, file_id FROM uploads WHERE provider = ? AND file_id = ?", provider, file_id
        )
        return None if row is None else UploadEntry(*row)

    def record_upload(self, provider: str, entry: UploadEntry) -> None:
        """The provider holds these bytes under this id."""
        self._write(
            "INSERT OR REPLACE INTO uploads VALUES (?, ?, ?, ?, ?)",
            provider,
            entry.sha256,
            entry.bytes,
            entry.file_id,
            time.time(),
        )

    def forget_upload(self, provider: str, sha256: str) -> None:
        """The provider no longer holds these bytes."""
        self._write("DELETE FROM uploads WHERE provider = ? AND sha256 = ?", provider, sha256)

    def jobs_of(self, provider: str, run_key: str) -> list[JobEntry]:
        """The attempts at one run, newest first."""
        return self._jobs(provider, run_key=run_key)

    def find_job(self, provider: str, job_id: str) -> JobEntry | None:
        """What is known about a job."""
        return next(iter(self._jobs(provider, job_id=job_id)), None)

    def find_model(self, provider: str, model: str) -> JobEntry | None:
        """The job that made a model."""
        return next(iter(self._jobs(provider, model=model)), None)

    def intend_job(self, provider: str, entry: JobEntry) -> None:
        """Write down that a job is about to be created, before the request leaves."""
        self._write(
            "INSERT INTO jobs (provider, run_key, attempt, base_model, training_file, task, job_id, model,"
            " intended_at, data, rows, usd) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            provider,
            *astuple(entry),
        )

    def record_job(self, provider: str, attempt: str, job_id: str) -> None:
        """The provider has the job that was intended."""
        self._write(
            "UPDATE jobs SET job_id = ? WHERE provider = ? AND attempt = ?", job_id, provider, attempt
        )

    def record_model(self, provider: str, job_id: str, model: str) -> None:
        """The job succeeded with this model."""
        self._write("UPDATE jobs SET model = ? WHERE provider = ? AND job_id = ?", model, provider, job_id)

    def record_cost(self, provider: str, job_id: str, usd: float | None) -> None:
        """What a training cost, once it is known."""
        self._write("UPDATE jobs SET usd = ? WHERE provider = ? AND job_id = ?", usd, provider, job_id)

    def all_jobs(self) -> list[tuple[str, JobEntry]]:
        """Every job that its provider has, with the provider, newest first."""
        rows = self._connection.execute(ALL_JOBS)
        return [(row[0], JobEntry(*row[1:])) for row in rows]

    def record_evaluation(self, entry: EvaluationEntry) -> None:
        """Predictions of a model were compared with the truth."""
        *plain, metrics, intervals, usd = astuple(entry)
        self._write(
            "INSERT INTO evaluations (evaluated_at, predictions, provider, model, task, rows, metrics,"
            " intervals, usd) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            *plain,
            json.dumps(metrics),
            json.dumps(intervals),
            usd,
        )

    def evaluations(self) -> list[EvaluationEntry]:
        """The last evaluation of each model, newest first."""
        return [
            EvaluationEntry(
                at, file, provider, model, task, rows, json.loads(metrics), json.loads(low_high), usd
            )
            for at, file, provider, model, task, rows, metrics, low_high, usd in self._connection.execute(
                LAST_EVALUATIONS
            )
        ]

    def forget_intent(self, provider: str, attempt: str) -> None:
        """The provider refused the job that was intended: there is none."""
        self._write(
            "DELETE FROM jobs WHERE provider = ? AND attempt = ? AND job_id IS NULL", provider, attempt
        )

    @contextmanager
    def lock(self, name: str, *, timeout: float = LOCK_SECONDS) -> Iterator[None]:
        """Keep other processes in this folder from doing the same thing at the same time.

        The operating system holds the lock, so a killed process keeps none. Raises `ConflictError` after
        `timeout` seconds.
        """
        from filelock import FileLock, Timeout

        held = FileLock(self.path.with_name(f"{name}.lock"), timeout=timeout, mode=0o600)
        try:
            held.acquire()
        except Timeout:
            raise ConflictError(
                f"{held.lock_file}: another labeltune holds this",
                hint="wait for it, or stop it; then run the same command again",
            ) from None
        try:
            yield
        finally:
            held.release()

    def _jobs(self, provider: str, **wanted: str) -> list[JobEntry]:
        """The jobs whose columns have the values wanted, newest first."""
        values = {"run_key": None, "job_id": None, "model": None, **wanted, "provider": provider}
        rows = self._connection.execute(FIND_JOBS, values)
        return [JobEntry(*row) for row in rows]

    def _one(self, query: str, *values: object) -> Any:
        return self._connection.execute(query, values).fetchone()

    def _write(self, query: str, *values: object) -> None:
        self._connection.execute(query, values)


# ---------------------------------------------------------------------------------------------------- opening


def make_state_folder(folder: Path) -> None:
    """Make the folder of the state, if it is not there. Raises `DiskError` if it cannot be written."""
    try:
        make_private_folder(folder)
        reason = None if os.access(folder, os.W_OK | os.X_OK) else "no permission, or a read-only file system"
    except DiskError as error:
        reason = str(error).rpartition(": ")[2]
    if reason is not None:
        raise DiskError(
            f"{folder}: cannot be written: {reason}",
            hint="what was sent and answered is kept there; choose another place with --state DIR or "
            "LABELTUNE_STATE",
        )


def _open(path: Path) -> sqlite3.Connection:
    make_state_folder(path.parent)
    make_private_file(path)
    with _database_errors(path):
        connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
        try:
            _prepare(connection, path)
        except BaseException:
            connection.close()
            raise
    return connection


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > SCHEMA:
        # Nothing has been written yet: a newer version's ledger stays as it is.
        made_by = connection.execute("SELECT made_by FROM about").fetchone()
        raise SettingsError(
            f"{path}: made by labeltune {made_by[0] if made_by else '(newer)'}, this is {__version__}",
            hint="use that version, or remove the file: that loses no output, only what saves calls",
        )
    problem = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if problem != "ok":
        raise _damaged(path, problem)
    use_write_ahead_log(connection, patience=BUSY_SECONDS)
    connection.execute("PRAGMA synchronous = FULL")
    if version < SCHEMA:
        make_tables(connection)


@contextmanager
def _database_errors(path: Path) -> Iterator[None]:
    """Turn SQLite's refusals into ours."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise _refusal(error)(path, str(error)) from error
    except sqlite3.DatabaseError as error:
        raise _damaged(path, str(error)) from error


def _refusal(error: sqlite3.OperationalError) -> Callable[[Path, str], LabeltuneError]:
    return _locked if "locked" in str(error) else _unwritable


def _locked(path: Path, reason: str) -> LabeltuneError:
    return ConflictError(
        f"{path}: {reason} by another process", hint="wait for it, then run the command again"
    )


def _unwritable(path: Path, reason: str) -> LabeltuneError:
    return DiskError(f"{path}: cannot be written: {reason}", hint="free some space, or check the permissions")


def _damaged(path: Path, reason: str) -> LabeltuneError:
    return DiskError(
        f"{path}: the file is damaged: {reason}",
        hint=f"move it away (mv {path} {path}.damaged): no output is lost, files and jobs are found again",
    )
