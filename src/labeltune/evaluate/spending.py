"""What predictions cost, where the journal of the run that made them is still there."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import orjson

from labeltune.columns import ANSWER
from labeltune.files import STANDARD_STREAM
from labeltune.journal import SCHEMA
from labeltune.ledger import STATE_FOLDER
from labeltune.prices import price_of
from labeltune.report.model import Spent

if TYPE_CHECKING:
    import os
    from collections.abc import Generator, Iterator

    from labeltune.tables import Table

__all__ = ["find_spent"]

JOURNALS = "predict-*.db"
_COMPARED = 200
"""How many answers must be those of the journal before it is believed."""

_INPUTS = "SELECT id, name FROM inputs WHERE name LIKE '%' || char(10) || '%'"
_TOKENS = """
SELECT batch IS NOT NULL, count(*), total(input_tokens), total(output_tokens)
FROM requests JOIN answers ON answers.request = requests.id
WHERE requests.id IN (SELECT request FROM rows WHERE input = ?) GROUP BY 1
"""
_ANSWERS = """
SELECT raw FROM rows LEFT JOIN answers ON answers.request = rows.request
WHERE input = ? ORDER BY position LIMIT ?
"""


def find_spent(
    path: str, table: Table, *, rows: int, state: str | os.PathLike[str] = STATE_FOLDER
) -> Spent | None:
    """Tokens and US dollars of the run that wrote the predictions at `path`, of so many rows.

    None where no journal knows of it: the predictions came from elsewhere, or are no longer those that the
    journal holds the answers of. Equal requests were asked once, and count once.
    """
    if path == STANDARD_STREAM or ANSWER not in table.header:
        return None
    place = table.header.index(ANSWER)
    with contextlib.closing(cast("Generator[tuple[int, list[str]]]", iter(table))) as read:
        answers = [values[place] for _, values in islice(read, _COMPARED)]
    target = str(Path(path).absolute())
    for journal in sorted(Path(state).glob(JOURNALS)):
        # A journal that is damaged, or of another version, is no reason not to evaluate.
        with contextlib.suppress(sqlite3.Error, ValueError), _reading(journal) as connection:
            for input_, name in connection.execute(_INPUTS).fetchall():
                if name.partition("\n")[2] == target and _made(connection, input_, rows, answers):
                    return _spent(connection, input_)
    return None


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    """The journal, which stays as it is. Raises `sqlite3.Error` or `ValueError` if it is not one we know."""
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    with contextlib.closing(connection):
        if connection.execute("PRAGMA user_version").fetchone()[0] != SCHEMA:
            raise ValueError("a journal of another version")
        yield connection


def _made(connection: sqlite3.Connection, input_: int, rows: int, answers: list[str]) -> bool:
    """Whether the journal's run made predictions that begin with these answers."""
    count = connection.execute("SELECT count(*) FROM rows WHERE input = ?", (input_,)).fetchone()[0]
    raw = connection.execute(_ANSWERS, (input_, len(answers))).fetchall()
    return bool(count == rows and [_content(reply) for (reply,) in raw] == answers)


def _content(raw: bytes | None) -> str:
    """The answer in a reply; empty where there is none."""
    try:
        message = orjson.loads(raw or b"")["choices"][0]["message"]
        return str(message.get("content") or message.get("refusal") or "")
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        return ""


def _spent(connection: sqlite3.Connection, input_: int) -> Spent:
    settings: dict[str, Any] = json.loads(connection.execute("SELECT settings FROM about").fetchone()[0])
    model = str(settings.get("model", ""))
    local = str(settings.get("provider", "")).startswith("local:")
    price = price_of(model)
    requests = read = written = 0
    usd = 0.0
    for batch, count, input_tokens, output_tokens in connection.execute(_TOKENS, (input_,)):
        requests, read, written = requests + count, read + int(input_tokens), written + int(output_tokens)
        if price is not None and not local:
            usd += price.usd(input_tokens, output_tokens, batch=bool(batch))
    return Spent(model, requests, read, written, usd if local or price is not None else None)
