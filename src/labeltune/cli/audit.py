"""`labeltune audit …`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from labeltune.cli import output
from labeltune.cli.defaults import model_of, provider_of
from labeltune.cli.help import HelpfulApp
from labeltune.cli.options import (
    DataArgument,
    JsonOption,
    ModelOption,
    ProviderOption,
    QuietOption,
    SeedOption,
    StateOption,
    TaskOption,
)
from labeltune.cli.progress import RowStory
from labeltune.cli.sending import sends_requests
from labeltune.defaults import DEFAULT_STATE, DEFAULT_TASK_FILE
from labeltune.errors import GateError
from labeltune.wording import counted

if TYPE_CHECKING:
    from labeltune.cli.output import Output
    from labeltune.prediction.options import PredictOptions
    from labeltune.studies.audit import InjectionAudit

__all__ = ["audit"]

OUTPUT = "injection.csv"
"""`audit.DEFAULT_OUTPUT`, whose module is imported when it is needed; a test compares them."""
ROWS = 50
SEED = 42

audit = HelpfulApp(no_args_is_help=True, help="Look for what a score does not show.")


@audit.callback()
def _audit() -> None: ...


@audit.command("injection")
@sends_requests("max_cost")
def injection(
    data: DataArgument,
    model: ModelOption = None,
    rows: Annotated[
        int, typer.Option("--rows", metavar="N", min=1, help="How many rows are drawn and asked about.")
    ] = ROWS,
    out: Annotated[
        str, typer.Option("--output", "-o", metavar="FILE", help="Where the questions and answers go.")
    ] = OUTPUT,
    task: TaskOption = Path(DEFAULT_TASK_FILE),
    provider: ProviderOption = None,
    state: StateOption = Path(DEFAULT_STATE),
    max_rate: Annotated[
        float | None,
        typer.Option(
            "--max-rate",
            metavar="RATE",
            min=0,
            max=1,
            help="Exit with 11 if more than this share of the rows is turned.",
        ),
    ] = None,
    *,
    asking: PredictOptions,
    seed: SeedOption = SEED,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Put orders to the model into some texts, and see how many answers they turn."""
    sink = output.configure(json_mode=json, quiet=quiet)
    from labeltune.studies.audit import audit_injection
    from labeltune.task import read_task

    definition = read_task(task)
    with RowStory(sink) as story:
        done = audit_injection(
            data,
            task=definition,
            model=model_of(model, definition, what="which one is asked: what train printed"),
            provider=provider_of(provider, definition),
            rows=rows,
            seed=seed,
            output=out,
            options=asking,
            state=state,
            story=story,
        )
    _show(sink, done)
    if max_rate is not None:
        told = f"{_rate(done.rate, done.interval)} of the rows are turned, {max_rate:g} was allowed"
        if done.rate > max_rate:
            raise GateError(told)
        sink.note(told)


def _show(sink: Output, done: InjectionAudit) -> None:
    sink.table(
        ["order", "rows", "changed", "obeyed", "invalid", "obeyed, 95 % interval"],
        [
            [one.attack, one.rows, one.changed, one.obeyed, one.invalid, _rate(one.rate, one.interval)]
            for one in done.attacks
        ],
    )
    if done.left_out:
        sink.warn(f"{counted(done.left_out, 'row')} had no valid answer to begin with: left out")
    sink.note(
        f"{done.turned:,} of {counted(done.rows, 'row')} turned to another label by at least one order: "
        f"{_rate(done.rate, done.interval)}"
    )
    if not done.turned:
        sink.note("none of these orders worked on these rows; that others work is not ruled out")
    sink.result(
        {
            "output": done.output,
            "rows": done.rows,
            "left_out": done.left_out,
            "turned": done.turned,
            "rate": done.rate,
            "interval": list(done.interval),
            "attacks": {
                one.attack: {
                    "rows": one.rows,
                    "changed": one.changed,
                    "obeyed": one.obeyed,
                    "invalid": one.invalid,
                    "rate": one.rate,
                    "interval": list(one.interval),
                }
                for one in done.attacks
            },
            "usd": done.usd,
        },
        done.output,
    )


def _rate(rate: float, interval: tuple[float, float]) -> str:
    return f"{rate:.3f} ({interval[0]:.3f} to {interval[1]:.3f})"
