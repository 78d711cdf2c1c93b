"""The tables of the ledger, brought up to this version, and what their rows are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from labeltune.version import __version__

if TYPE_CHECKING:
    import sqlite3

__all__ = [
    "ALL_JOBS",
    "FIND_JOBS",
    "IDS",
    "LAST_EVALUATIONS",
    "SCHEMA",
    "EvaluationEntry",
    "JobEntry",
    "UploadEntry",
    "make_tables",
]

SCHEMA = 2
"""The version of the tables, kept as SQLite's `user_version`."""

_TABLES = """
CREATE TABLE about (made_by TEXT NOT NULL);
CREATE TABLE uploads (
    provider TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    file_id TEXT NOT NULL,
    recorded_at REAL NOT NULL,
    PRIMARY KEY (provider, sha256)
);
CREATE TABLE jobs (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    provider TEXT NOT NULL,
    run_key TEXT NOT NULL,
    attempt TEXT NOT NULL,
    base_model TEXT NOT NULL,
    training_file TEXT NOT NULL,
    task TEXT,
    job_id TEXT,
    model TEXT,
    intended_at REAL NOT NULL,
    UNIQUE (provider, attempt)
);
"""

_ADDED = """
ALTER TABLE jobs ADD COLUMN data TEXT;
ALTER TABLE jobs ADD COLUMN rows INTEGER;
ALTER TABLE jobs ADD COLUMN usd REAL;
CREATE TABLE evaluations (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    evaluated_at REAL NOT NULL,
    predictions TEXT NOT NULL,
    provider TEXT NOT NULL,
    model TEXT NOT NULL,
    task TEXT NOT NULL,
    rows INTEGER NOT NULL,
    metrics TEXT NOT NULL,
    intervals TEXT NOT NULL,
    usd REAL
);
CREATE INDEX evaluations_of_model ON evaluations (provider, model, seq);
"""
"""What the second version has more than the first."""

FIND_JOBS = """
SELECT run_key, attempt, base_model, training_file, task, job_id, model, intended_at, data, rows, usd
FROM jobs
WHERE provider = :provider
  AND (:run_key IS NULL OR run_key = :run_key)
  AND (:job_id IS NULL OR job_id = :job_id)
  AND (:model IS NULL OR model = :model)
ORDER BY seq DESC
"""

ALL_JOBS = """
SELECT provider, run_key, attempt, base_model, training_file, task, job_id, model, intended_at, data, rows,
    usd
FROM jobs WHERE job_id IS NOT NULL ORDER BY seq DESC
"""

IDS = {
    "models": "SELECT model, provider FROM jobs WHERE model IS NOT NULL ORDER BY seq DESC",
    "jobs": "SELECT job_id, provider FROM jobs WHERE job_id IS NOT NULL ORDER BY seq DESC",
    "files": "SELECT file_id, provider FROM uploads ORDER BY recorded_at DESC",
}

LAST_EVALUATIONS = """
SELECT evaluated_at, predictions, provider, model, task, rows, metrics, intervals, usd FROM evaluations
WHERE seq IN (SELECT max(seq) FROM evaluations GROUP BY provider, model) ORDER BY seq DESC
"""


@dataclass(frozen=True, slots=True)
class UploadEntry:
    """Bytes that a provider holds."""

    sha256: str
    bytes: int
    file_id: str


@dataclass(frozen=True, slots=True)
class JobEntry:
    """A job that was meant to be created; `job_id` is None until the provider is known to have it.

    `run_key` names what is trained from what and how, `attempt` this one try at it: the two travel as the
    job's metadata. `task` is the task's fingerprint, `model` the fine-tuned model, once there is one. `data`
    is the training file as it was given, `rows` its examples, `usd` what the training cost, where known.
    """

    run_key: str
    attempt: str
    base_model: str
    training_file: str
    task: str | None
    job_id: str | None
    model: str | None
    intended_at: float
    data: str | None = None
    rows: int | None = None
    usd: float | None = None


@dataclass(frozen=True, slots=True)
class EvaluationEntry:
    """What a model's predictions scored: `metrics` and `intervals` as `evaluate --json` has them."""

    evaluated_at: float
    predictions: str
    provider: str
    model: str
    task: str
    rows: int
    metrics: dict[str, float]
    intervals: dict[str, dict[str, float]]
    usd: float | None = None
    """what the predictions cost in US dollars, where it is known"""


def make_tables(connection: sqlite3.Connection) -> None:
    """Make the tables of a new ledger, or what an older one lacks."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Another process may have been faster.
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version < SCHEMA:
            tables = _ADDED if version else _TABLES + _ADDED
            for statement in filter(str.strip, tables.split(";")):
                connection.execute(statement)
            if not version:
                connection.execute("INSERT INTO about VALUES (?)", (__version__,))
            connection.execute(f"PRAGMA user_version = {SCHEMA}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
