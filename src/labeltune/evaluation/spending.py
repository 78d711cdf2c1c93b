"""What predictions cost and how long they took, where the journal of their run is still there."""

from __future__ import annotations

import contextlib
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, cast

from labeltune.evaluation.report.model import Spent
from labeltune.files.writing import STANDARD_STREAM
from labeltune.task.columns import ANSWER
from labeltune.tuning.ledger import STATE_FOLDER

if TYPE_CHECKING:
    import os
    from collections.abc import Generator

    from labeltune.files.tables import Table
    from labeltune.prediction.journal import PastRun

__all__ = ["find_spent"]

_COMPARED = 200
"""How many answers must be those of the journal before it is believed."""


def find_spent(
    path: str, table: Table, *, rows: int, state: str | os.PathLike[str] = STATE_FOLDER
) -> Spent | None:
    """Tokens, US dollars and latency of the run that wrote the predictions at `path`, of so many rows.

    None where no journal knows of it: the predictions came from elsewhere, or are no longer those that the
    journal holds the answers of. Equal requests were asked once, and count once.
    """
    if path == STANDARD_STREAM or ANSWER not in table.header or not Path(state).is_dir():
        return None
    # What journals need takes a while to import.
    from labeltune.prediction.journal import runs_into
    from labeltune.prediction.replies import choice_of, read_json, shown_answer

    def content(raw: bytes) -> str:
        """The answer in a reply; empty where there is none."""
        try:
            choice = choice_of(read_json(raw))
        except ValueError:
            return ""
        return "" if choice is None else shown_answer(choice)

    place = table.header.index(ANSWER)
    with contextlib.closing(cast("Generator[tuple[int, list[str]]]", iter(table))) as read:
        answers = [values[place] for _, values in islice(read, _COMPARED)]
    for run in runs_into(state, str(Path(path).absolute()), replies=_COMPARED):
        if run.rows == rows and [content(raw) for raw in run.replies] == answers:
            return _spent(run)
    return None


def _spent(run: PastRun) -> Spent:
    from labeltune.pricing.prices import price_of

    model = str(run.settings.get("model", ""))
    provider = str(run.settings.get("provider", ""))
    local = provider.startswith("local:")
    price = price_of(model)
    usd = 0.0 if local or price is not None else None
    if price is not None and not local:
        usd = sum(price.usd(used.input_tokens, used.output_tokens, batch=used.batch) for used in run.usage)
    return Spent(
        model,
        sum(used.requests for used in run.usage),
        sum(used.input_tokens for used in run.usage),
        sum(used.output_tokens for used in run.usage),
        usd,
        latency_median=None if run.latency is None else run.latency.median,
        latency_p95=None if run.latency is None else run.latency.p95,
        provider=provider,
    )
