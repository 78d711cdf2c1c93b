"""`labeltune predict`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from labeltune.cli import output
from labeltune.cli.defaults import model_of, provider_of
from labeltune.cli.help import COST, RESUME
from labeltune.cli.options import (
    DistributedOption,
    JsonOption,
    MaxCostOption,
    ModelOption,
    PredictionsOption,
    ProbabilitiesOption,
    ProviderOption,
    QuietOption,
    StateOption,
    TablesArgument,
    TaskOption,
    WorkersOption,
    YesOption,
)
from labeltune.cli.progress import RowStory
from labeltune.cli.reading import reads_tables
from labeltune.defaults import DEFAULT_STATE, DEFAULT_TASK_FILE
from labeltune.errors import ExitCode, SettingsError
from labeltune.files.writing import STANDARD_STREAM
from labeltune.prediction.options import DEFAULT_OUTPUT, PredictOptions

if TYPE_CHECKING:
    from labeltune.cli.output import Output
    from labeltune.task import ReadOptions

__all__ = ["predict"]

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
ShardOption = Annotated[
    str | None,
    typer.Option(
        "--shard",
        metavar="I/N",
        help="Of a folder's tables make every N-th, from the I-th on; I counts from 1. For array jobs.",
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
    data: TablesArgument,
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
    shard: ShardOption = _DEFAULT.shard,
    distributed: DistributedOption = _DEFAULT.distributed,
    workers: WorkersOption = _DEFAULT.workers,
    dry_run: DryRunOption = False,
    *,
    read: ReadOptions,
    yes: YesOption = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Ask a model about every row of a table, or of a folder of tables; run again, it goes on where it
    stopped.
    """
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
        shard=shard,
        distributed=distributed,
        workers=workers,
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
    from labeltune.files.parts import names_parts
    from labeltune.task import read_task

    definition = read_task(task)
    model = model_of(model, definition, what="which one is asked: what train printed")
    call |= {"task": definition, "model": model, "options": options}
    call["provider"] = provider_of(provider, definition)
    if names_parts(data):
        _predict_parts(sink, data, task, dry_run=dry_run, **call)
        return
    from labeltune.cli.predict_view import show_predicted, show_preview
    from labeltune.prediction.predict import predict as run
    from labeltune.prediction.predict import preview

    if dry_run:
        show_preview(sink, preview(data, **call))
        return
    with RowStory(sink, yes=options.yes) as story:
        done = run(data, story=story, **call)
    show_predicted(sink, done, model, task, batch=options.batch)
    if done.invalid:
        raise typer.Exit(ExitCode.INVALID_ANSWERS)


def _predict_parts(sink: Output, data: str, path: Path, /, *, dry_run: bool, **call: Any) -> None:
    """The same for a folder or glob of tables."""
    from labeltune.cli.predict_view import show_parts, show_preview
    from labeltune.prediction.parts import predict_parts, preview_parts

    options: PredictOptions = call["options"]
    with RowStory(sink, yes=options.yes) as story:
        if dry_run:
            shown = preview_parts(data, story=story, **call)
        else:
            done = predict_parts(data, story=story, **call)
    if dry_run:
        show_preview(sink, shown)
        return
    show_parts(sink, done, call["model"], path, batch=options.batch)
    done.raise_refused()
    if done.invalid:
        raise typer.Exit(ExitCode.INVALID_ANSWERS)
