"""The command tree, and the one place where errors and signals become exit codes."""

from __future__ import annotations

import os
import signal
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from labeltune import __version__
from labeltune.cli import output
from labeltune.errors import ExitCode, LabeltuneError

if TYPE_CHECKING:
    from types import FrameType

__all__ = ["app", "run"]

COMMANDS = (
    "init",
    "convert",
    "split",
    "check",
    "upload",
    "train",
    "jobs",
    "models",
    "files",
    "runs",
    "predict",
    "evaluate",
    "thresholds",
    "baseline",
    "audit",
    "serve",
    "doctor",
)
"""In the order of the work. Each is the module `labeltune.cli.NAME` with a function (or Typer app) `NAME`."""


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
            self.commands[cmd_name] = _command(cmd_name)
        return super().get_command(ctx, cmd_name)

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
            _silence_stdout()
            raise typer.Exit(ExitCode.CLOSED_PIPE) from None
        return result


def _silence_stdout() -> None:
    """Whoever read our output is gone; let the interpreter's last flush go nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


app = typer.Typer(
    name="labeltune",
    cls=_Group,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    help="Fine-tune text classifiers from a table of labelled text: on your own machine, or wherever the "
    "OpenAI fine-tuning protocol is spoken.",
    epilog="Start with: labeltune init DATA, then convert, train, predict, evaluate.",
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


def _command(name: str) -> Any:
    """The command of that name, as Typer makes it."""
    function = getattr(import_module(f"labeltune.cli.{name}"), name)
    own = typer.Typer(rich_markup_mode=None, add_completion=False)
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
    app(prog_name="labeltune")
