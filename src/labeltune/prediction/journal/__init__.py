"""The journal of a prediction run: what was asked, what is being asked, and every answer, as it came.

    todo ──▶ sent ──▶ done      an answer, kept raw
      ▲        ├────▶ failed    refused for good: asking again would bring the same
      └────────┤                (not billed: rate limit, server error; it waits for its turn again)
               └────▶ unknown   the answer was lost on its way; it may have been billed

One SQLite file per run. `sent` is on the disk before the request leaves, and an answer is on the disk before
its place in flight is free for another request; so after `kill -9` or a power cut the rows in `sent` are
exactly those whose answers may have been paid for and lost. A request is known by the hash of its content:
rows may be added or reordered, and equal requests are asked once.

The file holds hashes of what was asked, never the text, and the answers.
"""

from __future__ import annotations

from labeltune.prediction.journal.history import (
    EarlierRun,
    Latency,
    PastRun,
    Usage,
    latest_run,
    runs_into,
    written_into,
)
from labeltune.prediction.journal.journal import Journal
from labeltune.prediction.journal.model import BatchEntry, Changes, Pending, Result, State
from labeltune.prediction.journal.opening import open_journal, recover_journal

__all__ = [
    "BatchEntry",
    "Changes",
    "EarlierRun",
    "Journal",
    "Latency",
    "PastRun",
    "Pending",
    "Result",
    "State",
    "Usage",
    "latest_run",
    "open_journal",
    "recover_journal",
    "runs_into",
    "written_into",
]
