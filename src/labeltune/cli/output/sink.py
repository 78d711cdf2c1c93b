"""The one sink of a command: its result on stdout, its story on stderr."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from labeltune.cli.output.console import colours, console_on
from labeltune.cli.output.progress_display import show_progress
from labeltune.cli.output.tables import Grid, Line, grid_as_table, rows_as_table
from labeltune.cli.output.text import visible
from labeltune.errors import DataError, LabeltuneError, SettingsError
from labeltune.files.writing import STANDARD_STREAM

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from labeltune.cli.output.progress_display import Progress

__all__ = ["SCHEMA_VERSION", "Output", "Step", "configure", "current", "reset", "step"]

SCHEMA_VERSION = 1
Block = str | Line | Grid
"""A piece of a result for reading, as a terminal shows it."""
_RED, _YELLOW, _DIM, _OFF = "\x1b[1;31m", "\x1b[33m", "\x1b[2m", "\x1b[0m"


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

    def claim_stdout(self, output: str | None) -> None:
        """Raise `SettingsError` where a table or file that goes to `-` and a document both want stdout."""
        if self.json_mode and output == STANDARD_STREAM:
            raise SettingsError(
                "--json and --output - would both write to standard output", hint="name a file with -o"
            )

    def written(self, document: Mapping[str, Any], output: str) -> None:
        """The result of what wrote `output`: its name, unless what went to `-` was the result itself."""
        self.result(document, *([] if output == STANDARD_STREAM else [output]))

    @property
    def shows_blocks(self) -> bool:
        """Whether a result for reading is shown in blocks: on a terminal."""
        return not self.json_mode and sys.stdout.isatty()

    def show(self, document: Mapping[str, Any], text: str, blocks: Iterable[Block]) -> None:
        """The command's result where it is for reading: the blocks on a terminal, elsewhere the text."""
        if not self.shows_blocks:
            self.result(document, visible(text))
            return
        self._answered = True
        console = console_on(sys.stdout)
        for block in blocks:
            if isinstance(block, Grid):
                console.print(grid_as_table(block, console))
            elif isinstance(block, Line):
                console.print(visible(block.text), style=block.style)
            else:
                console.print(visible(block))

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

    def tell(self, notes: Iterable[str], warnings: Iterable[str]) -> None:
        """What a use case has to say."""
        for note in notes:
            self.note(note)
        for warning in warnings:
            self.warn(warning)

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
        self.refuse(error)

    def refuse(self, error: LabeltuneError) -> None:
        """The document of an error, with `--json` and where there is no result yet."""
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
        if colour and prefix and colours(sys.stderr):
            prefix = f"{colour}{prefix}{_OFF}"
        sys.stderr.write(f"{prefix}{visible(message)}\n")

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str = "") -> None:
        """A table on stderr; cells that are numbers stand at the right."""
        if self.quiet:
            return
        console_on(sys.stderr).print(rows_as_table(columns, [list(row) for row in rows], title))

    def progress(
        self, description: str, total: int | None = None, *, unit: str = "rows"
    ) -> AbstractContextManager[Progress]:
        """Show progress on stderr: a bar on a terminal, elsewhere one plain line every ten seconds."""
        return show_progress(description, total, unit, quiet=self.quiet)

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

    def declined(self, question: str, *, yes: bool) -> bool:
        """Whether someone at a terminal says no; where there is none, what was asked for is done."""
        if yes or not sys.stdin.isatty() or self.confirm(question, yes=False):
            return False
        self.note("nothing was done")
        return True


class Step(Output):
    """Where a command prints that is a step of another one: its result is kept, and what comes next is not
    said, for it comes.
    """

    def __init__(self, *, quiet: bool) -> None:
        super().__init__(quiet=quiet)
        self.document: Mapping[str, Any] = {}
        self.lines: list[str] = []

    def result(self, document: Mapping[str, Any], *lines: object) -> None:
        """Keep the result."""
        self.document, self.lines = document, [str(line) for line in lines]

    @property
    def shows_blocks(self) -> bool:
        """Never: it is kept as text."""
        return False

    def hint(self, message: str) -> None:
        """Say nothing."""


_current = Output()
_step: Step | None = None


def configure(*, json_mode: bool, quiet: bool) -> Output:
    """Begin a command's output; errors that escape it are told in the same mode."""
    global _current  # noqa: PLW0603  # one process runs one command
    _current = Output(json_mode=json_mode, quiet=quiet) if _step is None else _step
    return _current


@contextmanager
def step() -> Iterator[Step]:
    """While it is open, a command that begins is a step of the one that runs now."""
    global _current, _step  # one process runs one command
    whole, _step = _current, Step(quiet=_current.quiet)
    try:
        yield _step
    finally:
        _current, _step = whole, None


def current() -> Output:
    """The output of the command that runs."""
    return _current


def reset() -> None:
    """Before a command has said how it wants to print: plain text."""
    configure(json_mode=False, quiet=False)
