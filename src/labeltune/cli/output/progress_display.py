"""Progress on standard error: a bar on a terminal, a plain line every ten seconds elsewhere."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from labeltune.cli.output.console import console_on
from labeltune.cli.output.text import as_text, visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Progress", "in_megabytes", "show_progress"]

PLAIN_PROGRESS_SECONDS = 10.0
"""How often progress is told where there is no terminal to draw a bar on."""

_MB = 1 << 20


class Progress(Protocol):
    """A progress display under way."""

    def __call__(self, advance: int = 1, /, **info: object) -> None:
        """Some units are done; `info` is shown beside the bar, as `key value`."""
        ...

    def resize(self, total: int | None) -> None:
        """The total became known, or changed."""
        ...

    def expect(self, seconds: float) -> None:
        """Whoever does the work says how long it will take yet: that is shown, not what is reckoned."""
        ...


def in_megabytes(progress: Progress) -> Callable[[int, int], None]:
    """What takes bytes, those done and all of them, and shows them as megabytes."""
    told = 0

    def tell(done: int, total: int) -> None:
        nonlocal told
        progress.resize(total // _MB)
        progress(done // _MB - told)
        told = done // _MB

    return tell


@contextmanager
def show_progress(
    description: str, total: int | None, unit: str, *, quiet: bool = False
) -> Iterator[Progress]:
    """Show progress while the block runs, unless `quiet`."""
    if quiet:
        yield _Silent()
    elif sys.stderr.isatty():
        with _bar(description, total, unit) as bar:
            yield bar
    else:
        yield _PlainProgress(description, total, unit)


class _Silent:
    def __call__(self, advance: int = 1, /, **info: object) -> None: ...

    def resize(self, total: int | None) -> None: ...

    def expect(self, seconds: float) -> None: ...


class _PlainProgress:
    def __init__(self, description: str, total: int | None, unit: str) -> None:
        self.description, self.total, self.unit = description, total, unit
        self.done, self.started = 0, time.monotonic()
        self.told = self.started
        self.ends: float | None = None

    def resize(self, total: int | None) -> None:
        self.total = total

    def expect(self, seconds: float) -> None:
        self.ends = time.monotonic() + seconds

    def __call__(self, advance: int = 1, /, **info: object) -> None:
        self.done += advance
        now = time.monotonic()
        if now - self.told < PLAIN_PROGRESS_SECONDS:
            return
        self.told = now
        rate = self.done / (now - self.started)
        of = "" if self.total is None else f" of {self.total:,}"
        pieces = [f"{self.done:,}{of} {self.unit}", f"{rate:,.1f}/s"]
        if self.ends is not None:
            pieces.append(f"{_duration(self.ends - now)} left")
        elif self.total is not None and rate:
            pieces.append(f"{_duration((self.total - self.done) / rate)} left")
        pieces += [f"{key} {as_text(value)}" for key, value in info.items()]
        sys.stderr.write(visible(f"{self.description}: {', '.join(pieces)}\n"))
        sys.stderr.flush()


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(max(seconds, 0)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


@contextmanager
def _bar(description: str, total: int | None, unit: str) -> Iterator[Progress]:
    from rich import progress
    from rich.markup import escape
    from rich.table import Column
    from rich.text import Text

    class TimeLeft(progress.TimeRemainingColumn):
        """What was said of it, if anything was."""

        def render(self, task: progress.Task) -> Text:
            ends = task.fields["ends"]
            if ends is None:
                return super().render(task)
            return Text(_duration(ends - time.monotonic()), style="progress.remaining")

    class Info(progress.ProgressColumn):
        """Gives way where the line is too narrow: how far it is, and how long it takes, matter more."""

        def render(self, task: progress.Task) -> Text:
            return Text(task.fields["info"], no_wrap=True, overflow="ellipsis")

    console = console_on(sys.stderr)
    whole = Column(no_wrap=True)
    # Rich parses its column templates as markup: only fixed words may stand in them.
    columns = (
        progress.TextColumn(f"{escape(visible(description))}"),
        progress.BarColumn(bar_width=min(40, max(5, console.width - 75)), table_column=whole),
        progress.MofNCompleteColumn(table_column=whole),
        progress.TextColumn(f"{unit} · {{task.fields[rate]}}"),
        progress.TimeElapsedColumn(table_column=whole),
        TimeLeft(table_column=whole),
        Info(),
    )
    with progress.Progress(*columns, console=console, transient=True) as display:
        task = display.add_task("", total=total, info="", rate="", ends=None)

        class Bar:
            def __call__(self, advance: int = 1, /, **info: object) -> None:
                shown = " ".join(f"{key} {as_text(value)}" for key, value in info.items())
                speed = display.tasks[task].speed
                rate = "" if speed is None else f"{speed:,.1f}/s"
                kept = display.tasks[task].fields["info"]
                display.update(task, advance=advance, rate=rate, info=visible(shown) if info else kept)

            def resize(self, total: int | None) -> None:
                display.update(task, total=total)

            def expect(self, seconds: float) -> None:
                display.update(task, ends=time.monotonic() + seconds)

        yield Bar()
