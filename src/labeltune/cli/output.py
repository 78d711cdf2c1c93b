"""The only sink: what a command prints, in its three modes.

stdout carries the result and nothing else; stderr tells the story. With `--json` stdout carries exactly one
JSON document; with `--quiet` stderr carries errors only. The only module that knows Rich.
"""

from __future__ import annotations

import json
import os
import sys
import time
import unicodedata
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Protocol, TextIO

from labeltune.errors import DataError, LabeltuneError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

__all__ = [
    "SCHEMA_VERSION",
    "Bar",
    "Grid",
    "Output",
    "Progress",
    "configure",
    "current",
    "in_megabytes",
    "reset",
    "visible",
]

SCHEMA_VERSION = 1
PLAIN_PROGRESS_SECONDS = 10.0
"""How often progress is told where there is no terminal to draw a bar on."""

_MB = 1 << 20
_PLAIN_WIDTH = 120
_SHADES, _PLAIN_SHADES = "█▓░", "#=-"
_WIDE, _WIDE_BAR, _NARROW_BAR = 100, 24, 10
_BOLD, _RED, _YELLOW, _DIM, _OFF = "\x1b[1m", "\x1b[1;31m", "\x1b[33m", "\x1b[2m", "\x1b[0m"


def visible(text: str) -> str:
    r"""The text with control and invisible characters shown as `\xNN`, so that data cannot drive a terminal.

    Line ends, tabs and the joiner inside emoji stay.
    """
    if text.isprintable():
        return text
    return "".join(
        char
        if char in "\n\t\u200d" or unicodedata.category(char) not in ("Cc", "Cs", "Cf")
        else f"\\x{ord(char):02x}"
        if ord(char) < 256
        else f"\\u{ord(char):04x}"
        for char in text
    )


class Progress(Protocol):
    """A progress display under way."""

    def __call__(self, advance: int = 1, /, **info: object) -> None:
        """Some units are done; `info` is shown beside the bar, as `key value`."""
        ...

    def resize(self, total: int | None) -> None:
        """The total became known, or changed."""
        ...


@dataclass(frozen=True, slots=True)
class Bar:
    """A share of 1 to be drawn, and the interval that it is known to lie in."""

    value: float
    low: float
    high: float

    def drawn(self, width: int, shades: str) -> str:
        """Dark up to `low`, lighter to `value`, lightest to `high`: so many characters in all."""
        places = (round(width * min(max(end, 0.0), 1.0)) for end in (self.low, self.value, self.high))
        ends = list(accumulate(places, max))  # the interval of a resampled figure need not hold it
        starts = [0, *ends[:2]]
        shown = "".join(shade * (end - start) for shade, start, end in zip(shades, starts, ends, strict=True))
        return shown.ljust(width)


@dataclass(frozen=True, slots=True)
class Grid:
    """A table of a result as a terminal shows it: names at the left, figures at the right, bars."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str | Bar, ...], ...]
    title: str = ""


def in_megabytes(progress: Progress) -> Callable[[int, int], None]:
    """What takes bytes, those done and all of them, and shows them as megabytes."""
    told = 0

    def tell(done: int, total: int) -> None:
        nonlocal told
        progress.resize(total // _MB)
        progress(done // _MB - told)
        told = done // _MB

    return tell


class Output:
    """Where one command prints. `json_mode` and `quiet` are its `--json` and `--quiet`."""

    def __init__(self, *, json_mode: bool = False, quiet: bool = False) -> None:
        self.json_mode = json_mode
        self.quiet = quiet
        self._answered = False

    # stdout

    def result(self, document: Mapping[str, Any], *lines: object) -> None:
        """The command's result: the lines, or with `--json` the document."""
        self._answered = True
        if self.json_mode:
            self._document(document)
            return
        for line in lines:
            sys.stdout.write(f"{line}\n")

    def show(self, document: Mapping[str, Any], text: str, blocks: Iterable[str | Grid]) -> None:
        """The command's result where it is for reading: the blocks on a terminal, elsewhere the text."""
        if self.json_mode or not sys.stdout.isatty():
            self.result(document, visible(text))
            return
        self._answered = True
        console = _console(sys.stdout)
        for block in blocks:
            console.print(_grid(block, console) if isinstance(block, Grid) else visible(block))

    @staticmethod
    def _document(document: Mapping[str, Any]) -> None:
        content = {"schema_version": SCHEMA_VERSION, **document}
        text = json.dumps(content, ensure_ascii=False, allow_nan=False, default=str)
        # A file name that is not UTF-8 must not keep the document from being written.
        sys.stdout.write(text.encode("utf-8", "replace").decode() + "\n")

    # stderr

    def note(self, message: str) -> None:
        """A line of the story."""
        if not self.quiet:
            self._say(message)

    def warn(self, message: str) -> None:
        """Something that went on well enough, yet should be known."""
        if not self.quiet:
            self._say(message, "warning: ", _YELLOW)

    def annotate(self, command: str) -> None:
        """A command to the runner of a workflow: asked for like a file, so told whatever the mode."""
        self._say(command)

    def hint(self, message: str) -> None:
        """What to do next, often a command."""
        if not self.quiet:
            self._say(message, "→ ", _DIM)

    def error(self, error: LabeltuneError) -> None:
        """An error: always told; with `--json` stdout gets the error if it has no result yet."""
        self._say(str(error), "error: ", _RED)
        if error.hint:
            self._say(error.hint, "→ ", _DIM)
        if self.json_mode and not self._answered:
            findings = error.findings if isinstance(error, DataError) else ()
            described = {
                "exit_code": int(error.exit_code),
                "message": str(error),
                "hint": error.hint,
                "findings": [
                    {
                        "code": finding.code,
                        "severity": finding.severity,
                        "message": finding.message,
                        "where": {"file": finding.where.file, "line": finding.where.line},
                    }
                    for finding in findings
                ],
            }
            self._document({"error": described})

    @staticmethod
    def _say(message: str, prefix: str = "", colour: str = "") -> None:
        if colour and prefix and _colours(sys.stderr):
            prefix = f"{colour}{prefix}{_OFF}"
        sys.stderr.write(f"{prefix}{visible(message)}\n")

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str = "") -> None:
        """A table on stderr; cells that are numbers stand at the right."""
        if self.quiet:
            return
        self._print_table(columns, [list(row) for row in rows], title)

    @staticmethod
    def _print_table(columns: Sequence[str], rows: list[list[object]], title: str) -> None:
        from rich import box
        from rich.table import Table
        from rich.text import Text

        table = Table(
            title=Text(visible(title)) if title else None,
            title_justify="left",
            box=box.SIMPLE_HEAD,
            pad_edge=False,
        )
        for position, column in enumerate(columns):
            numeric = all(isinstance(row[position], int | float) for row in rows)
            table.add_column(Text(visible(column)), justify="right" if numeric else "left")
        for row in rows:
            table.add_row(*(Text(visible(_cell(value))) for value in row))
        _console(sys.stderr).print(table)

    @contextmanager
    def progress(
        self, description: str, total: int | None = None, *, unit: str = "rows"
    ) -> Iterator[Progress]:
        """Show progress on stderr: a bar on a terminal, elsewhere one plain line every ten seconds."""
        if self.quiet:
            yield _Silent()
        elif sys.stderr.isatty():
            with _bar(description, total, unit) as bar:
                yield bar
        else:
            yield _PlainProgress(description, total, unit)

    # questions

    def confirm(self, question: str, *, yes: bool, flag: str = "--yes") -> bool:
        """Ask, if stdin is a terminal. Raises `SettingsError` naming the flag where it is not."""
        if yes:
            return True
        if not sys.stdin.isatty():
            raise SettingsError(f"{question} There is no terminal to ask on.", hint=f"give {flag} to go on")
        sys.stderr.write(f"{visible(question)} [y/N] ")
        sys.stderr.flush()
        return sys.stdin.readline().strip().lower() in ("y", "yes")


def _grid(grid: Grid, console: Any) -> Any:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    shades = _SHADES if (console.encoding or "").lower().startswith("utf") else _PLAIN_SHADES
    width = _WIDE_BAR if console.width >= _WIDE else _NARROW_BAR
    table = Table(
        title=Text(visible(grid.title), style="bold") if grid.title else None,
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1),
    )
    for position, column in enumerate(grid.columns):
        bars = any(isinstance(row[position], Bar) for row in grid.rows)
        table.add_column(
            Text(visible(column)),
            justify="left" if position == 0 or bars else "right",
            overflow="fold",
            no_wrap=position > 0,
        )
    for row in grid.rows:
        table.add_row(
            *(
                Text(cell.drawn(width, shades), style="cyan") if isinstance(cell, Bar) else visible(cell)
                for cell in row
            )
        )
    return table


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.4g}"
    return "" if value is None else str(value)


def _colours(stream: TextIO) -> bool:
    """Whether to colour: on a terminal, unless `NO_COLOR` is set or the terminal is dumb."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _console(stream: TextIO) -> Any:
    from rich.console import Console

    terminal = stream.isatty()
    return Console(
        file=stream,
        force_terminal=terminal,
        color_system="auto" if _colours(stream) else None,
        no_color=not _colours(stream),
        width=None if terminal else _PLAIN_WIDTH,
        markup=False,
        highlight=False,
        emoji=False,
    )


# ------------------------------------------------------------------------------------------ progress displays


class _Silent:
    def __call__(self, advance: int = 1, /, **info: object) -> None: ...

    def resize(self, total: int | None) -> None: ...


class _PlainProgress:
    def __init__(self, description: str, total: int | None, unit: str) -> None:
        self.description, self.total, self.unit = description, total, unit
        self.done, self.started = 0, time.monotonic()
        self.told = self.started

    def resize(self, total: int | None) -> None:
        self.total = total

    def __call__(self, advance: int = 1, /, **info: object) -> None:
        self.done += advance
        now = time.monotonic()
        if now - self.told < PLAIN_PROGRESS_SECONDS:
            return
        self.told = now
        rate = self.done / (now - self.started)
        of = "" if self.total is None else f" of {self.total:,}"
        pieces = [f"{self.done:,}{of} {self.unit}", f"{rate:,.1f}/s"]
        if self.total is not None and rate:
            pieces.append(f"{_duration((self.total - self.done) / rate)} left")
        pieces += [f"{key} {_cell(value)}" for key, value in info.items()]
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

    # Rich parses its column templates as markup: only fixed words may stand in them.
    columns = (
        progress.TextColumn(f"{escape(visible(description))}"),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TextColumn(f"{unit} · {{task.fields[rate]}}"),
        progress.TimeElapsedColumn(),
        progress.TimeRemainingColumn(),
        progress.TextColumn("{task.fields[info]}", markup=False),
    )
    with progress.Progress(*columns, console=_console(sys.stderr), transient=True) as display:
        task = display.add_task("", total=total, info="", rate="")

        class Bar:
            def __call__(self, advance: int = 1, /, **info: object) -> None:
                shown = " ".join(f"{key} {_cell(value)}" for key, value in info.items())
                speed = display.tasks[task].speed
                rate = "" if speed is None else f"{speed:,.1f}/s"
                kept = display.tasks[task].fields["info"]
                display.update(task, advance=advance, rate=rate, info=visible(shown) if info else kept)

            def resize(self, total: int | None) -> None:
                display.update(task, total=total)

        yield Bar()


# ---------------------------------------------------------------------------------------- the current output

_current = Output()


def configure(*, json_mode: bool, quiet: bool) -> Output:
    """Begin a command's output; errors that escape it are told in the same mode."""
    global _current  # noqa: PLW0603  # one process runs one command
    _current = Output(json_mode=json_mode, quiet=quiet)
    return _current


def current() -> Output:
    """The output of the command that runs."""
    return _current


def reset() -> None:
    """Before a command has said how it wants to print: plain text."""
    configure(json_mode=False, quiet=False)
