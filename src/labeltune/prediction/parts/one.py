"""One part predicted and committed: what any process can do that is given plain values.

For providers that send no bill: a part that is lost on its way costs time, and is made again from its first
row.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from labeltune.defaults import DEFAULT_STATE
from labeltune.files.parts import Receipt, commit_part, local_file, open_part, open_place
from labeltune.files.tables import neutralise, open_table, table_writer
from labeltune.files.writing import disk_errors
from labeltune.prediction.costs import rate_of
from labeltune.prediction.export import Export, has_labels, output_header, thresholds_of
from labeltune.prediction.fingerprint import refuse_other_task
from labeltune.prediction.parts.window import Window
from labeltune.prediction.plan import PATH, Ask
from labeltune.prediction.requests import request_form
from labeltune.prediction.sending import Sender
from labeltune.prediction.story import Silence
from labeltune.providers import resolve_provider
from labeltune.providers.channel import open_channel
from labeltune.task import parse_task
from labeltune.task.chat import Renderer

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence
    from typing import Self

    from labeltune.files.parts import Part, Place
    from labeltune.files.tables import Table
    from labeltune.files.tables.row_writer import WriteRow
    from labeltune.prediction.options import PredictOptions
    from labeltune.prediction.sending import Sent
    from labeltune.prediction.story import Story
    from labeltune.providers import Provider
    from labeltune.task import Task

__all__ = [
    "AsyncPredictor",
    "Made",
    "PartCall",
    "PartPredictor",
    "StoppedError",
    "local_file",
    "open_part",
    "part_writer",
    "predict_part",
]


@dataclass(frozen=True, slots=True)
class PartCall:
    """What all parts of a run have in common, as plain values that any process can be handed.

    `task` is the content of a task file and `source` its name, `provider` as the user named it and
    `directory` the local provider's folder; `input` and `output` are places, in messages named as the user
    did (`input_shown`, `output_shown`), `run` is the manifest's. In
    `scratch`, a folder of the machine that predicts, parts are written before they are committed; it is made
    if need be.
    """

    task: str
    source: str
    model: str
    provider: str
    directory: str | None
    options: PredictOptions
    input: str
    output: str
    run: str
    scratch: str
    state: str = DEFAULT_STATE
    input_shown: str | None = None
    output_shown: str | None = None


class StoppedError(Exception):
    """A signal came in the midst of a part, of which nothing is kept."""

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.signum = signum


@dataclass(frozen=True, slots=True)
class Made:
    """A part that was made: what is in it, and what was sent for it."""

    receipt: Receipt
    export: Export
    sent: Sent
    labelled: bool
    """Whether it has the task's labels, too."""


def predict_part(call: PartCall, part: Part) -> Receipt:
    """Predict one part and commit it, whole or not at all. For many, `PartPredictor` opens the model once.

    Raises `DataError` for a part that is no good, and the other errors of this package for what would stop
    every other part, too.
    """
    with PartPredictor(call) as predictor:
        return predictor.predict(part)


class PartPredictor:
    """Predicts one part after the other, with a provider that stays open; use it with `with`.

    In a process, or a thread, without an event loop of its own; coroutines use `AsyncPredictor`.
    """

    def __init__(self, call: PartCall, *, story: Story | None = None) -> None:
        self._work = AsyncPredictor(call, story=story)
        self._runner = asyncio.Runner()

    def predict(self, part: Part) -> Receipt:
        """See `predict_part`."""
        return self.make(part).receipt

    def make(self, part: Part) -> Made:
        """The same, and what was sent for it."""
        return self._runner.run(self._work.make(part))

    def __enter__(self) -> Self:
        self._runner.__enter__()
        try:
            self._runner.run(self._work.__aenter__())
        except BaseException:
            self._runner.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._runner.run(self._work.__aexit__())
        finally:
            self._runner.close()


class AsyncPredictor:
    """The same within an event loop; use it with `async with`."""

    def __init__(
        self,
        call: PartCall,
        *,
        task: Task | None = None,
        provider: Provider | None = None,
        story: Story | None = None,
    ) -> None:
        self._call, self._options = call, call.options
        self._story: Story = story or Silence()
        self._task = task or parse_task(call.task, source=call.source)
        self._provider = provider or _provider(call)
        self._form = request_form(self._task, call.model, self._provider, confidence=self._options.confidence)
        self._rate = rate_of(call.model, self._provider, batch=False)
        self._thresholds = thresholds_of(self._options, self._task)
        self._input = open_place(call.input, call.input_shown)
        self._output = open_place(call.output, call.output_shown)
        self._open = AsyncExitStack()
        self._answered = False
        with disk_errors(call.scratch):
            Path(call.scratch).mkdir(parents=True, exist_ok=True)

    async def __aenter__(self) -> Self:
        opened = open_channel(self._provider, PATH, connections=self._options.concurrency)
        self._channel, client = await self._open.enter_async_context(opened)
        if not self._options.accept_changes:
            await refuse_other_task(
                client, self._provider, self._call.model, self._task, state=Path(self._call.state)
            )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._open.aclose()

    async def make(self, part: Part, *, limit: int | None = None) -> Made:
        """See `predict_part`; with `limit` only so many rows, and the part is not complete if it has more.

        Raises `StoppedError` after a signal.
        """
        export = Export(self._task, self._options.probabilities, self._thresholds)
        with local_file(Path(self._call.scratch), part) as local:
            with ExitStack() as stack:
                table = stack.enter_context(part_table(self._input, part, self._options, self._task))
                header = output_header(self._task, table.header, self._options, source=table.source)
                write = stack.enter_context(part_writer(local, header, table, self._options))
                window = Window(
                    lambda values, result: write(export.row(values, result)), answered=self._answered
                )
                rows = _Rows(self, table, window, limit)
                sent = await self._send(rows, window)
                labelled = has_labels(self._task, table.header)
            counts = export.counts() | {"asked": sent.asked, "resent": sent.resent}
            counts |= {"input_tokens": sent.input_tokens, "output_tokens": sent.output_tokens}
            complete = not (rows.cut or export.problems["unknown"])
            receipt = Receipt(self._call.run, part, local.stat().st_size, counts, complete)
            commit_part(self._output, receipt, local)
        return Made(receipt, export, sent, labelled)

    async def _send(self, rows: _Rows, window: Window) -> Sent:
        sender = Sender(
            self._channel, window, self._provider, self._options, rate=self._rate, story=self._story
        )
        with closing(rows.asks()) as asks:
            sent = await sender.run(asks)
        if sent.stopped_by is not None:
            raise StoppedError(sent.stopped_by)
        assert not window.waiting
        self._answered = self._answered or window.answered
        return sent

    def renderer(self, table: Table) -> Renderer:
        """What makes messages of a table's rows."""
        return Renderer(self._task, table.header, source=table.source)

    def ask(self, number: int, values: Sequence[str], renderer: Renderer) -> Ask:
        """The request for a row."""
        messages = renderer.messages(values)
        return Ask(number, b"", self._form.encode(messages), lost_before=False)


class _Rows:
    """The rows of a part as requests, read as they are asked for."""

    def __init__(self, work: AsyncPredictor, table: Table, window: Window, limit: int | None) -> None:
        self._work, self._table, self._window, self._limit = work, table, window, limit
        self.cut = False
        """Whether there are more rows than were wanted."""

    def asks(self) -> Generator[Ask]:
        renderer = self._work.renderer(self._table)
        with closing(cast("Generator[tuple[int, list[str]]]", iter(self._table))) as rows:
            for number, (_, values) in enumerate(rows):
                if number == self._limit:
                    self.cut = True
                    break
                if renderer.text(values):
                    self._window.wait(number, values)
                    yield self._work.ask(number, values, renderer)
                else:
                    self._window.empty(values)
        # A table that is read to its end has raised them itself.
        self._table.raise_findings()


@contextmanager
def part_table(place: Place, part: Part, options: PredictOptions, task: Task) -> Iterator[Table]:
    """The table of a part; one of many may be without rows."""
    with open_part(place, part) as source, open_table(source, options.read, task=task) as table:
        table.may_be_empty = True
        yield table


@contextmanager
def part_writer(
    local: Path, header: Sequence[str], table: Table, options: PredictOptions
) -> Iterator[WriteRow]:
    """What writes the rows of a part's output one by one."""
    if not options.spreadsheet:
        with table_writer(local, header, like=table) as write:
            yield write
        return
    with table_writer(local, neutralise(header)) as write:
        yield lambda row: write(neutralise(row))


def _provider(call: PartCall) -> Provider:
    provider = resolve_provider(call.provider)
    return provider if call.directory is None else replace(provider, directory=Path(call.directory))
