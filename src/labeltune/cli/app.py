"""The command tree, and the one place where errors and signals become exit codes."""

from __future__ import annotations

import signal
import sys
from importlib import import_module
from keyword import iskeyword
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from labeltune.cli import output
from labeltune.cli.help import HelpfulApp, write_commands
from labeltune.cli.streams import refused_by_system, silence_stdout, take_streams
from labeltune.errors import ExitCode, LabeltuneError, SettingsError, did_you_mean
from labeltune.version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import FrameType

__all__ = ["app", "command", "run"]

GROUPS: Mapping[str, Mapping[str, str]] = {
    "Pipeline": {
        "run": "The whole way, from a table to a report",
        "init": "Propose a task file from a table",
        "split": "Split a table into parts, alike in labels",
        "convert": "Write a table as a chat file",
        "check": "Find what would cost a job, offline",
        "train": "Fine-tune a model, and wait for it",
        "predict": "Ask a model about every row of a table",
        "classify": "Ask a model about a few texts",
        "evaluate": "Compare predictions with the true labels",
    },
    "Jobs and models": {
        "upload": "Upload files for fine-tuning",
        "jobs": "List, watch and stop fine-tuning jobs",
        "models": "List, delete, export and import models",
        "files": "List and delete uploaded files",
        "runs": "What was trained and evaluated here",
    },
    "Measure": {
        "thresholds": "Choose the thresholds of labels",
        "baseline": "What the linear model makes of the task",
        "audit": "Look for what a score does not show",
    },
    "Data": {
        "import": "Make a table of another tool's export",
        "export": "Write a table as another tool reads it",
        "clean": "Clean scraped text, and tell what went",
        "agreement": "How far people agree on labels",
        "merge": "Put corrected labels into a table",
        "annotate": "Label rows with a model that was not tuned",
        "generate": "Have a model write rows that labels lack",
        "label": "Label rows on a page of this machine",
    },
    "Serve": {
        "serve": "Put the local provider on a port",
        "doctor": "What is installed, set and in force",
    },
}
"""The commands as help shows them, in the order of the work.

Each is the module `labeltune.cli.NAME` with a function (or Typer app) `NAME`; `NAME_` where Python has the
word for itself.
"""

COMMANDS = tuple(name for group in GROUPS.values() for name in group)


class Stopped(BaseException):  # like KeyboardInterrupt: not an error, and not to be swallowed
    """SIGTERM or SIGHUP arrived; what is open is closed on the way up."""

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.exit_code = 128 + signum


class _Group(TyperGroup):
    """Makes commands when they are asked for, and turns what they raise into messages and exit codes.

    One command imports and builds itself alone: all of them would cost most of a short command's time.
    """

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002  # the signature of the base class
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name in COMMANDS and cmd_name not in self.commands:
            self.commands[cmd_name] = command(cmd_name)
        return super().get_command(ctx, cmd_name)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that is named; where there is none, the one that may be meant is told."""
        from typer._click.exceptions import UsageError

        try:
            return super().resolve_command(ctx, args)
        except UsageError as error:
            error.message = f"{error.message.removesuffix('.')}{did_you_mean(args[0], COMMANDS)}."
            raise

    def shell_complete(self, ctx: Any, incomplete: str) -> list[Any]:
        """The commands by their lines in help, without making one of them; after a dash, the options."""
        from typer._click.shell_completion import CompletionItem

        if incomplete.startswith("-"):
            return super().shell_complete(ctx, incomplete)
        lines = {name: what for group in GROUPS.values() for name, what in group.items()}
        return [
            CompletionItem(name, help=what) for name, what in lines.items() if name.startswith(incomplete)
        ]

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002  # as above
        for title, lines in GROUPS.items():
            write_commands(formatter, title, lines)

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **settings: Any,
    ) -> Any:
        """Run; with `--json` what is wrong with the command line is a document, too."""
        given = list(sys.argv[1:] if args is None else args)
        settings |= {
            "prog_name": prog_name,
            "complete_var": complete_var,
            "windows_expand_args": windows_expand_args,
        }
        if not standalone_mode or "--json" not in given:
            return super().main(given, standalone_mode=standalone_mode, **settings)
        from typer._click.exceptions import UsageError

        try:
            sys.exit(super().main(given, standalone_mode=False, **settings) or 0)
        except UsageError as error:
            error.show()
            output.configure(json_mode=True, quiet=True).refuse(SettingsError(error.format_message()))
            sys.exit(ExitCode.SETTINGS)

    def invoke(self, ctx: Any) -> Any:
        output.reset()
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except LabeltuneError as error:
            output.current().error(error)
            raise typer.Exit(error.exit_code) from None
        except KeyboardInterrupt:
            raise typer.Exit(ExitCode.SIGINT) from None
        except Stopped as stopped:
            raise typer.Exit(stopped.exit_code) from None
        except BrokenPipeError:
            silence_stdout()
            raise typer.Exit(ExitCode.CLOSED_PIPE) from None
        except OSError as error:
            refused = refused_by_system(error)
            if refused is None:
                raise
            silence_stdout()
            output.current().error(refused)
            raise typer.Exit(refused.exit_code) from None
        return result


app = typer.Typer(
    name="labeltune",
    cls=_Group,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    help="Fine-tune text classifiers from a table of labelled text: on your own machine, or wherever the "
    "OpenAI fine-tuning protocol is spoken.",
    epilog="Start with: labeltune run DATA --provider local",
)


def _print_version(value: bool) -> None:
    if value:
        typer.echo(f"labeltune {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    _version: Annotated[
        bool,
        typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True),
    ] = False,
) -> None: ...


def command(name: str) -> Any:
    """The command of that name, as Typer makes it."""
    word = f"{name}_" if iskeyword(name) else name
    function = getattr(import_module(f"labeltune.cli.{word}"), word)
    own = HelpfulApp()
    if isinstance(function, typer.Typer):
        own.add_typer(function, name=name)
        return typer.main.get_group(own).commands[name]
    own.command(name)(function)
    return typer.main.get_command(own)


def _stop(signum: int, _frame: FrameType | None) -> NoReturn:
    raise Stopped(signum)


def run() -> None:
    """Run the command line as a process: signals end it cleanly, with the exit codes of the shell.

    What whoever started it wants ignored (`nohup`, a script's background job) stays ignored.
    """
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _stop)
    take_streams()
    try:
        app(prog_name="labeltune")
    except OSError as error:  # of help and version, which no command writes
        refused = refused_by_system(error)
        if refused is None:
            raise
        silence_stdout()
        output.configure(json_mode=False, quiet=True).error(refused)
        sys.exit(refused.exit_code)
