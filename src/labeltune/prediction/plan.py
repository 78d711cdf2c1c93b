"""What is to be asked: the call as it was given, and the rows of its table as requests."""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import closing
from dataclasses import dataclass
from itertools import islice, zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from labeltune.errors import ConflictError
from labeltune.files.writing import STANDARD_STREAM
from labeltune.prediction.costs import CHARACTERS_PER_TOKEN
from labeltune.prediction.manner import TaskPrompt

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Sequence

    from labeltune.files.tables import Source, Table
    from labeltune.prediction.journal import Journal
    from labeltune.prediction.manner import Manner
    from labeltune.prediction.options import PredictOptions
    from labeltune.prediction.requests import RequestForm
    from labeltune.prediction.story import Story
    from labeltune.providers import Provider
    from labeltune.task import Task
    from labeltune.task.chat import Message

__all__ = ["PATH", "Ask", "Job", "Plan"]

PATH = "/chat/completions"


class _Known(Protocol):
    @property
    def digest(self) -> bytes | None: ...


K = TypeVar("K", bound=_Known)

STREAM = "-"
"""What standard input goes by in the journal: it has no name that ties one call to the next."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A request: its id and hash in the journal, its body, and whether its answer was lost before."""

    request: int
    digest: bytes
    body: bytes
    lost_before: bool


@dataclass(frozen=True, slots=True)
class Job:
    """Everything that one call was given."""

    data: Source
    task: Task
    model: str
    provider: Provider
    output: str
    options: PredictOptions
    story: Story
    state: Path
    manner: Manner | None = None
    """How rows are asked; None: with the task's own prompt."""

    @property
    def asked(self) -> Manner:
        """How its rows are asked."""
        return TaskPrompt(self.task) if self.manner is None else self.manner

    @property
    def form(self) -> RequestForm:
        """What its requests have in common."""
        return self.asked.form(self.model, self.provider, confidence=self.options.confidence)

    @property
    def settings(self) -> dict[str, Any]:
        """What makes a run another one."""
        prompt = {} if self.asked.identity is None else {"prompt": self.asked.identity}
        return prompt | {
            "task": self.task.fingerprint,
            "model": self.model,
            "provider": self.provider.identity,
            "request": {name: value for name, value in self.form.settings.items() if name != "model"},
        }

    @property
    def name(self) -> str | None:
        """Which table goes where: what ties one call to the next. None for a stream, which has no name."""
        if not isinstance(self.data, str | os.PathLike) or os.fspath(self.data) == STANDARD_STREAM:
            return None
        return f"{Path(self.data).absolute()}\n{Path(self.output).absolute()}"

    @property
    def stream_name(self) -> str:
        """What a stream goes by in the journal: where it goes is all that is known of it."""
        return STREAM if self.output == STANDARD_STREAM else f"{STREAM}\n{Path(self.output).absolute()}"

    @property
    def source(self) -> str:
        """The table's name, for messages."""
        return os.fspath(self.data) if isinstance(self.data, str | os.PathLike) else "the table"

    @property
    def journal(self) -> Path:
        """Where its journal is."""
        canonical = json.dumps(self.settings, sort_keys=True, ensure_ascii=True)
        return self.state / f"predict-{hashlib.sha256(canonical.encode()).hexdigest()[:16]}.db"


class Plan:
    """The rows of the table as requests, read as often as wanted."""

    def __init__(self, job: Job, table: Table) -> None:
        self.name = job.name or job.stream_name
        """What the table goes by in the journal."""
        self.job, self.table, self._options = job, table, job.options
        manner = job.asked
        self.renderer = manner.rendering(table.header, source=table.source)
        self.messages = self.renderer.messages
        self.form = job.form
        self.total = 0
        self._asked = 0
        self._characters = 0
        self._answer = manner.longest
        self._thinking = job.provider.thinking

    def rows(self) -> Generator[tuple[int, Sequence[str]]]:
        """The rows that are predicted. Raises `DataError` with all that is wrong with any of them."""
        with closing(cast("Generator[tuple[int, list[str]]]", iter(self.table))) as rows:
            yield from islice(rows, self._options.limit)
        # A table that is read to its end has raised them itself.
        self.table.raise_findings()

    def hashes(self) -> Generator[bytes | None]:
        """What each row's request is known by; None for a row without a text, which is not asked."""
        self.total = self._asked = self._characters = 0
        with closing(self.rows()) as rows:
            for _, values in rows:
                self.total += 1
                if not self.renderer.text(values):
                    yield None
                    continue
                messages = self.messages(values)
                self._asked += 1
                self._characters += sum(len(message["content"]) for message in messages)
                yield self.form.hash(messages)

    def estimate(self, requests: int) -> tuple[int, int]:
        """About how many tokens so many requests read and write; a model that thinks may use all its room."""
        each = self._characters / max(self._asked, 1)
        return (
            round(requests * each / CHARACTERS_PER_TOKEN),
            round(requests * (self._answer / CHARACTERS_PER_TOKEN + self._thinking)),
        )

    def beside(self, known: Iterable[K]) -> Generator[tuple[Sequence[str], Sequence[Message], K]]:
        """Each row, its messages (none if it is not asked), and what the journal has for it.

        Raises `ConflictError` if the table is no longer what was entered: an answer must not end up beside
        another text.
        """
        with closing(self.rows()) as rows:
            for row, entry in zip_longest(rows, known):
                messages: Sequence[Message] = ()
                if row is not None and self.renderer.text(row[1]):
                    messages = self.messages(row[1])
                digest = self.form.hash(messages) if messages else None
                if row is None or entry is None or entry.digest != digest:
                    raise ConflictError(
                        f"{self.table.source}: changed while it was predicted; all answers are kept",
                        hint="run the same command again when nothing writes to the table",
                    )
                yield row[1], messages, entry

    def asks(self, journal: Journal) -> Generator[Ask]:
        """The requests that are still to be asked, in the order of the rows, each once."""
        options = self._options
        taken = bytearray(journal.highest_request + 1)
        with closing(self.beside(journal.pending(self.name))) as rows:
            for _, messages, pending in rows:
                request, digest = pending.request, pending.digest
                if request is None or digest is None or taken[request]:
                    continue
                taken[request] = 1
                # What a batch did not answer is only asked again by batch after a question.
                lost = pending.state == "unknown" and not (options.batch and pending.in_batch)
                if pending.state == "todo" or (lost and options.resend > 0):
                    yield Ask(request, digest, self.form.encode(messages), lost_before=lost)

    def lines_at(self, positions: Iterable[int]) -> dict[int, int]:
        """On which line of the table the rows at these positions begin, counted from 0 and from 1."""
        wanted = set(positions)
        with closing(self.rows()) as rows:
            numbered = enumerate(islice(rows, max(wanted, default=-1) + 1))
            return {position: line for position, (line, _) in numbered if position in wanted}

    def left(self, journal: Journal) -> int:
        """How many requests `asks` has."""
        counts = journal.counts(self.name)
        lost = counts["unknown"] if self._options.resend else 0
        if self._options.batch and lost:
            lost -= sum(journal.batches.unanswered(self.name).values())
        return counts["todo"] + lost
