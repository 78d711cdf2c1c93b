"""`labeltune predict`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from labeltune.cli import output
from labeltune.cli.defaults import model_of, provider_of
from labeltune.cli.help import COST, RESUME
from labeltune.cli.hints import pasted, task_words
from labeltune.cli.options import (
    DataArgument,
    JsonOption,
    MaxCostOption,
    ModelOption,
    PredictionsOption,
    ProbabilitiesOption,
    ProviderOption,
    QuietOption,
    StateOption,
    TaskOption,
    YesOption,
)
from labeltune.cli.progress import RowStory
from labeltune.cli.reading import reads_tables
from labeltune.defaults import DEFAULT_STATE, DEFAULT_TASK_FILE
from labeltune.errors import ExitCode, SettingsError
from labeltune.files.writing import STANDARD_STREAM
from labeltune.prediction.options import DEFAULT_OUTPUT, PredictOptions
from labeltune.wording import counted

if TYPE_CHECKING:
    from labeltune.cli.output import Output
    from labeltune.prediction.predict import Predicted, Preview
    from labeltune.task import ReadOptions

__all__ = ["predict", "show_preview"]

_DEFAULT = PredictOptions()


BatchOption = Annotated[
    bool,
    typer.Option(
        "--batch", help="Through the provider's batches: half the price, within a day.", rich_help_panel=COST
    ),
]
ConcurrencyOption = Annotated[
    int, typer.Option(min=1, max=1024, metavar="N", help="Requests in flight at most.")
]
ResendOption = Annotated[
    int,
    typer.Option(
        min=0,
        metavar="N",
        help="How often to ask again where an answer was lost; 0 never pays twice.",
        rich_help_panel=RESUME,
    ),
]
LimitOption = Annotated[
    int | None,
    typer.Option(
        min=1, metavar="N", help="Only the first N rows; the rest can follow later.", rich_help_panel=COST
    ),
]
TimeoutOption = Annotated[
    float, typer.Option(min=0.1, metavar="SECONDS", help="How long one answer may take in all.")
]
MaxWaitOption = Annotated[
    float,
    typer.Option(
        min=0, metavar="SECONDS", help="Give up after so long without any answer.", rich_help_panel=RESUME
    ),
]
ConfidenceOption = Annotated[
    bool, typer.Option("--confidence/--no-confidence", help="Ask for log-probabilities.")
]
ThresholdsOption = Annotated[
    str | None,
    typer.Option(
        metavar="F",
        help="What `thresholds` wrote: it decides labels of multi fields, and which answers are unsure.",
    ),
]
SpreadsheetOption = Annotated[
    bool, typer.Option("--spreadsheet", help="Put ' before cells that a spreadsheet would take for formulas.")
]
AcceptChangesOption = Annotated[
    bool,
    typer.Option(
        "--accept-changes",
        help="Go on where the rows, the settings or the task have changed.",
        rich_help_panel=RESUME,
    ),
]
RecoverOption = Annotated[
    bool,
    typer.Option(
        "--recover", help="Rebuild a damaged journal from what can be read of it.", rich_help_panel=RESUME
    ),
]
PrefixOption = Annotated[
    str | None,
    typer.Option(
        "--prefix",
        metavar="P",
        help="Put P before columns of the table that are called like those that are added, such as answer.",
    ),
]
ForceOption = Annotated[
    bool,
    typer.Option(
        "--force",
        help="Replace an output that this command did not write, or that was edited since.",
        rich_help_panel=RESUME,
    ),
]
DryRunOption = Annotated[
    bool,
    typer.Option(
        "--dry-run", help="Show the first request and the cost, and send nothing.", rich_help_panel=COST
    ),
]


@reads_tables
def predict(
    data: DataArgument,
    model: ModelOption = None,
    out: PredictionsOption = DEFAULT_OUTPUT,
    task: TaskOption = Path(DEFAULT_TASK_FILE),
    provider: ProviderOption = None,
    state: StateOption = Path(DEFAULT_STATE),
    batch: BatchOption = _DEFAULT.batch,
    concurrency: ConcurrencyOption = _DEFAULT.concurrency,
    resend: ResendOption = _DEFAULT.resend,
    limit: LimitOption = _DEFAULT.limit,
    timeout: TimeoutOption = _DEFAULT.timeout,
    max_wait: MaxWaitOption = _DEFAULT.max_wait,
    max_cost: MaxCostOption = _DEFAULT.max_cost,
    confidence: ConfidenceOption = _DEFAULT.confidence,
    probabilities: ProbabilitiesOption = _DEFAULT.probabilities,
    thresholds: ThresholdsOption = _DEFAULT.thresholds,
    spreadsheet: SpreadsheetOption = _DEFAULT.spreadsheet,
    accept_changes: AcceptChangesOption = _DEFAULT.accept_changes,
    recover: RecoverOption = _DEFAULT.recover,
    prefix: PrefixOption = _DEFAULT.prefix,
    force: ForceOption = _DEFAULT.force,
    dry_run: DryRunOption = False,
    *,
    read: ReadOptions,
    yes: YesOption = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Ask a model about every row of a table; the same command again goes on where it stopped."""
    sink = output.configure(json_mode=json, quiet=quiet)
    if json and out == STANDARD_STREAM and not dry_run:
        raise SettingsError("--json and --output - would both write to standard output")
    options = PredictOptions(
        concurrency=concurrency,
        resend=resend,
        timeout=timeout,
        max_wait=max_wait,
        max_cost=max_cost,
        limit=limit,
        confidence=confidence,
        probabilities=probabilities,
        thresholds=thresholds,
        spreadsheet=spreadsheet,
        accept_changes=accept_changes,
        batch=batch,
        yes=yes,
        recover=recover,
        prefix=prefix,
        force=force,
        read=read,
    )
    _predict(
        sink, data, model, options, task=task, provider=provider, output=out, state=state, dry_run=dry_run
    )


def _predict(
    sink: Output,
    data: str,
    model: str | None,
    options: PredictOptions,
    *,
    task: Path,
    provider: str | None,
    dry_run: bool,
    **call: Any,
) -> None:
    """Predict and tell how it went; with `dry_run` show what would be asked."""
    from labeltune.task import read_task

    definition = read_task(task)
    model = model_of(model, definition, what="which one is asked: what train printed")
    call |= {"task": definition, "model": model, "options": options}
    from labeltune.prediction.predict import predict as run
    from labeltune.prediction.predict import preview

    call["provider"] = provider_of(provider, definition)
    if dry_run:
        show_preview(sink, preview(data, **call))
        return
    with RowStory(sink, yes=options.yes) as story:
        done = run(data, story=story, **call)
    _show(sink, done, model, task, batch=options.batch)
    if done.invalid:
        raise typer.Exit(ExitCode.INVALID_ANSWERS)


def _show(sink: Output, done: Predicted, model: str, task: Path, *, batch: bool) -> None:
    valid = done.rows - done.invalid
    spent = "" if not done.usd else f", ${done.usd:,.2f}"
    sink.note(f"{counted(done.rows, 'row')}, {valid:,} with a valid answer{spent}")
    if done.resent:
        sink.warn(
            f"{counted(done.resent, 'row was', 'rows were')} sent again"
            f"{'' if done.free else ', maybe billed twice'}"
        )
    if done.problems:
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in done.problems.items())
        sink.warn(f"{counted(done.invalid, 'row has', 'rows have')} no valid answer: {kinds}")
    if done.unsure:
        sink.note(f"{done.unsure:,} of the valid answers are unsure: they keep their labels")
    for code, count in done.rejections.items():
        sink.warn(f"the provider rejected {counted(count, 'row')}: {code}")
    if done.thinking:
        sink.hint(
            f"the model thinks before it answers, which left {counted(done.thinking, 'row')} without one: "
            "turn it off or give it room, "
            "as with #thinking=2000 after the provider's URL (docs/how-to/any-url.md)"
        )
    elif "truncated" in done.problems:
        sink.hint("truncated: the model writes more than the longest answer; was it trained with this task?")
    if "unknown" in done.problems:
        again = "with --yes the same command" if batch else "the same command"
        sink.hint(f"unknown: the answers were lost; {again} asks for them again")
    if done.labelled and done.output != STANDARD_STREAM:
        sink.hint(f"labeltune evaluate {pasted(done.output)}{task_words(task)}")
    sink.result(
        {
            "output": done.output,
            "model": model,
            "rows": done.rows,
            "valid": valid,
            "invalid": done.invalid,
            "unsure": done.unsure,
            "problems": dict(done.problems),
            "asked": done.asked,
            "kept": done.kept,
            "maybe_billed": done.maybe_billed,
            "resent": done.resent,
            "rejections": dict(done.rejections),
            "tokens": {"input": done.input_tokens, "output": done.output_tokens},
            "usd": done.usd,
        },
        *([] if done.output == STANDARD_STREAM else [done.output]),
    )


def show_preview(sink: Output, shown: Preview) -> None:
    """Tell what would be asked."""
    from json import dumps

    request = {"url": shown.url, "headers": dict(shown.headers), "body": shown.body}
    cost = "unknown" if shown.usd is None else f"about ${shown.usd:,.2f}"
    sink.note(
        f"{counted(shown.rows, 'row')}, {counted(shown.requests, 'request')}, about {shown.input_tokens:,} "
        f"tokens to read and {shown.output_tokens:,} to write, cost: {cost}; nothing was sent"
    )
    sink.result(
        {
            "request": request,
            "rows": shown.rows,
            "requests": shown.requests,
            "tokens": {"input": shown.input_tokens, "output": shown.output_tokens},
            "usd": shown.usd,
        },
        f"POST {shown.url}",
        *(f"{name}: {value}" for name, value in shown.headers.items()),
        "",
        dumps(shown.body, ensure_ascii=False, indent=2),
    )
