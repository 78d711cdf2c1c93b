"""What is to be asked: the call as it was given, and the rows of its table as requests."""

from __future__ import annotations

import hashlib
import json
import os
from abc import ABC, abstractmethod
from contextlib import closing
from dataclasses import dataclass
from itertools import islice, zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from labeltune.errors import ConflictError, Where
from labeltune.files.writing import STANDARD_STREAM
from labeltune.prediction.costs import CHARACTERS_PER_TOKEN
from labeltune.prediction.export import output_header
from labeltune.prediction.requests import request_form
from labeltune.task.answers import longest_answer
from labeltune.task.chat import Renderer

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Sequence

    from labeltune.files.tables import Source, Table
    from labeltune.prediction.journal import Journal, Pending
    from labeltune.prediction.options import PredictOptions
    from labeltune.prediction.requests import RequestForm
    from labeltune.prediction.story import Story
    from labeltune.providers import Provider
    from labeltune.task import Task
    from labeltune.task.chat import Message

__all__ = ["PATH", "Ask", "Asking", "Job", "Plan"]

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

    @property
    def form(self) -> RequestForm:
        """What its requests have in common."""
        return request_form(self.task, self.model, self.provider, confidence=self.options.confidence)

    @property
    def settings(self) -> dict[str, Any]:
        """What makes a run another one."""
        return {
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


class Asking(ABC):
    """What is to be asked, whatever it is read from: as requests, counted and priced."""

    def __init__(self, job: Job) -> None:
        self.name = job.name or job.stream_name
        """What it goes by in the journal."""
        self._options = job.options
        self.form = job.form
        self.total = 0
        """How many rows there are; known, like the estimate, when `hashes` have ended."""
        self.asked = 0
        self.characters = 0
        """Of how many requests, before equal ones are found, and of how many characters the estimate is."""
        self._answer = len(longest_answer(job.task))
        self._thinking = job.provider.thinking

    @abstractmethod
    def hashes(self) -> Generator[bytes | None]:
        """What each row's request is known by; None for a row without a text, which is not asked."""

    @abstractmethod
    def asks(self, journal: Journal) -> Generator[Ask]:
        """The requests that are still to be asked, in the order of the rows, each once."""

    @abstractmethod
    def places_at(self, positions: Iterable[int]) -> dict[int, Where]:
        """Where the rows at these positions, counted from 0, begin."""

    def estimate(self, requests: int) -> tuple[int, int]:
        """About how many tokens so many requests read and write; a model that thinks may use all its room."""
        each = self.characters / max(self.asked, 1)
        return (
            round(requests * each / CHARACTERS_PER_TOKEN),
            round(requests * (self._answer / CHARACTERS_PER_TOKEN + self._thinking)),
        )

    def left(self, journal: Journal) -> int:
        """How many requests `asks` has."""
        counts = journal.counts(self.name)
        lost = counts["unknown"] if self._options.resend else 0
        if self._options.batch and lost:
            lost -= sum(journal.batches.unanswered(self.name).values())
        return counts["todo"] + lost


class Plan(Asking):
    """The rows of the table as requests, read as often as wanted."""

    def __init__(self, job: Job, table: Table) -> None:
        super().__init__(job)
        self.table = table
        self.header = output_header(job.task, table.header, job.options, source=table.source)
        """The columns of the output."""
        self.renderer = Renderer(job.task, table.header, source=table.source)
        self.messages = self.renderer.messages

    def rows(self) -> Generator[tuple[int, Sequence[str]]]:
        """The rows that are predicted. Raises `DataError` with all that is wrong with any of them."""
        with closing(cast("Generator[tuple[int, list[str]]]", iter(self.table))) as rows:
            yield from islice(rows, self._options.limit)
        # A table that is read to its end has raised them itself.
        self.table.raise_findings()

    def hashes(self) -> Generator[bytes | None]:
        """What each row's request is known by."""
        self.total = self.asked = self.characters = 0
        with closing(self.rows()) as rows:
            for _, values in rows:
                self.total += 1
                if not self.renderer.text(values):
                    yield None
                    continue
                messages = self.messages(values)
                self.asked += 1
                self.characters += sum(len(message["content"]) for message in messages)
                yield self.form.hash(messages)

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
        """The requests that are still to be asked."""
        return self.asks_of(journal.pending(self.name), bytearray(journal.highest_request + 1))

    def asks_of(self, known: Iterable[Pending], taken: bytearray) -> Generator[Ask]:
        """The requests of rows that are still to be asked; those in `taken`, by their ids, are not, and
        are put there.
        """
        options = self._options
        with closing(self.beside(known)) as rows:
            for _, messages, pending in rows:
                request, digest = pending.request, pending.digest
                if request is None or digest is None or taken[request]:
                    continue
                taken[request] = 1
                # What a batch did not answer is only asked again by batch after a question.
                lost = pending.state == "unknown" and not (options.batch and pending.in_batch)
                if pending.state == "todo" or (lost and options.resend > 0):
                    yield Ask(request, digest, self.form.encode(messages), lost_before=lost)

    def first_body(self) -> dict[str, Any] | None:
        """The first request; None if no row has a text."""
        with closing(self.rows()) as rows:
            asked = (values for _, values in rows if self.renderer.text(values))
            return next((self.form.body(self.messages(values)) for values in asked), None)

    def places_at(self, positions: Iterable[int]) -> dict[int, Where]:
        """On which line of the table the rows at these positions begin."""
        wanted = set(positions)
        with closing(self.rows()) as rows:
            numbered = enumerate(islice(rows, max(wanted, default=-1) + 1))
            return {
                position: Where(self.table.source, line)
                for position, (line, _) in numbered
                if position in wanted
            }
