"""What the journals of a folder tell of earlier runs; nothing is changed, and no lock is taken."""

from __future__ import annotations

import contextlib
import json
import math
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labeltune.prediction.journal.model import TODO
from labeltune.prediction.journal.tables import SCHEMA

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

__all__ = ["EarlierRun", "Latency", "PastRun", "Usage", "latest_run", "runs_into", "written_into"]

JOURNALS = "predict-*.db"

_ANSWERED = (
    "FROM requests JOIN answers ON answers.request = requests.id"
    " WHERE requests.id IN (SELECT request FROM rows WHERE input = ?)"
)


@dataclass(frozen=True, slots=True)
class EarlierRun:
    """A run that once predicted the same table: where its journal is, and what its settings were."""

    path: Path
    settings: dict[str, Any]
    turn: int
    answered: bool
    """Whether anything came of it, or may have been billed."""


def latest_run(folder: Path, name: str) -> EarlierRun | None:
    """The run that last predicted the table `name`, of all journals in `folder`; those that cannot be read do
    not count.
    """
    latest: EarlierRun | None = None
    for path, connection in _journals(folder):
        with contextlib.suppress(sqlite3.Error, ValueError):
            row = connection.execute(
                "SELECT settings, turn FROM about, inputs WHERE name = ?", (name,)
            ).fetchone()
            if row is not None and (latest is None or row[1] > latest.turn):
                (answered,) = connection.execute(
                    "SELECT EXISTS (SELECT 1 FROM requests WHERE state <> ?)", (TODO,)
                ).fetchone()
                latest = EarlierRun(path, json.loads(row[0]), row[1], bool(answered))
    return latest


def written_into(folder: Path, output: str) -> dict[str, str]:
    """What was written to `output`, an absolute path, by the runs of all journals in `folder`: of each hash
    of the file the name of its table, see `predict.plan.Job.name`.
    """
    written: dict[str, str] = {}
    for _, connection in _journals(folder):
        with contextlib.suppress(sqlite3.Error):
            found = connection.execute("SELECT written, name FROM inputs WHERE written IS NOT NULL")
            written |= {sha256: name for sha256, name in found if name.partition("\n")[2] == output}
    return written


@dataclass(frozen=True, slots=True)
class Usage:
    """Answers that came in batches, or one by one: how many, and how many tokens were read and written."""

    batch: bool
    requests: int
    input_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds from when a request left to its answer: half of the answers came within `median`, and 95 of a
    hundred within `p95` (nearest ranks).
    """

    median: float
    p95: float


@dataclass(frozen=True, slots=True)
class PastRun:
    """A run whose predictions went to a file, as its journal has it.

    `settings` are what it was begun with, `rows` how many it predicted, `replies` those to its first rows, as
    they came (empty where there is none). Equal requests were asked once, and count once in `usage`.
    `latency` is None where it is not known: batches do not tell.
    """

    settings: dict[str, Any]
    rows: int
    replies: list[bytes]
    usage: list[Usage]
    latency: Latency | None


def runs_into(folder: str | os.PathLike[str], output: str, *, replies: int) -> Iterator[PastRun]:
    """The runs of all journals in `folder` that wrote their predictions to `output`, an absolute path, each
    with its first `replies`. A journal that cannot be read, or is of another version, does not count.
    """
    for _, connection in _journals(Path(folder)):
        found: list[PastRun] = []
        with contextlib.suppress(sqlite3.Error, ValueError):
            if 2 <= connection.execute("PRAGMA user_version").fetchone()[0] <= SCHEMA:
                inputs = connection.execute("SELECT id, name FROM inputs").fetchall()
                # A table goes by its own path and that of its predictions: see `predict.plan.Job.name`.
                found = [
                    _read_run(connection, input_, replies)
                    for input_, name in inputs
                    if name.partition("\n")[2] == output
                ]
        yield from found


def _read_run(connection: sqlite3.Connection, input_: int, replies: int) -> PastRun:
    def rows(query: str, *values: Any) -> list[Any]:
        return connection.execute(query, values).fetchall()

    return PastRun(
        settings=json.loads(rows("SELECT settings FROM about")[0][0]),
        rows=rows("SELECT count(*) FROM rows WHERE input = ?", input_)[0][0],
        replies=[
            raw or b""
            for (raw,) in rows(
                "SELECT raw FROM rows LEFT JOIN answers ON answers.request = rows.request"
                " WHERE input = ? ORDER BY position LIMIT ?",
                input_,
                replies,
            )
        ],
        usage=[
            Usage(bool(batch), count, int(read), int(written))
            for batch, count, read, written in rows(
                f"SELECT batch IS NOT NULL, count(*), total(input_tokens), total(output_tokens) {_ANSWERED}"
                " GROUP BY 1",
                input_,
            )
        ],
        latency=_latency(connection, input_),
    )


def _latency(connection: sqlite3.Connection, input_: int) -> Latency | None:
    timed = f"{_ANSWERED} AND seconds IS NOT NULL"
    count = connection.execute(f"SELECT count(*) {timed}", (input_,)).fetchone()[0]
    if not count:
        return None

    def within(share: float) -> float:
        query = f"SELECT seconds {timed} ORDER BY seconds LIMIT 1 OFFSET ?"
        return float(connection.execute(query, (input_, math.ceil(share * count) - 1)).fetchone()[0])

    return Latency(within(0.5), within(0.95))


def _journals(folder: Path) -> Iterator[tuple[Path, sqlite3.Connection]]:
    for path in sorted(folder.glob(JOURNALS)):
        with contextlib.suppress(sqlite3.Error), contextlib.closing(_read_only(path)) as connection:
            yield path, connection


def _read_only(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
