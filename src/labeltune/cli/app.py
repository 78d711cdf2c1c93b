"""The command tree, and the one place where errors and signals become exit codes."""

from __future__ import annotations

import os
import signal
import sys
from importlib import import_module
from importlib.util import find_spec
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
    "predict",
    "evaluate",
    "thresholds",
    "baseline",
    "serve",
)
"""In the order of the work. Each is the module `labeltune.cli.NAME` with a function (or Typer app) `NAME`."""


class Stopped(BaseException):  # like KeyboardInterrupt: not an error, and not to be swallowed
    """SIGTERM or SIGHUP arrived; what is open is closed on the way up."""

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.exit_code = 128 + signum


class _Group(TyperGroup):
    """Turns what a command raises into messages and exit codes."""

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


for _name in COMMANDS:
    if find_spec(f"labeltune.cli.{_name}") is None:
        continue
    _command = getattr(import_module(f"labeltune.cli.{_name}"), _name)
    if isinstance(_command, typer.Typer):
        app.add_typer(_command, name=_name)
    else:
        app.command(_name)(_command)


def _stop(signum: int, _frame: FrameType | None) -> NoReturn:
    raise Stopped(signum)


def run() -> None:
    """Run the command line as a process: signals end it cleanly, with the exit codes of the shell."""
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), _stop)
    app(prog_name="labeltune")
