"""`labeltune split`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from labeltune.cli import output
from labeltune.cli.options import (
    GroupOption,
    JsonOption,
    QuietOption,
    SeedOption,
    TaskOption,
)
from labeltune.cli.reading import reads_tables
from labeltune.defaults import DEFAULT_TASK_FILE
from labeltune.wording import counted

if TYPE_CHECKING:
    from labeltune.cli.output import Output
    from labeltune.prepare.split import Split
    from labeltune.task import ReadOptions

__all__ = ["split"]

_SEED = 42
"""`DEFAULT_SEED` of `labeltune.prepare.split`, whose import would bring numpy; a test compares them."""
_ALL_LABELS, _WORST_LABELS, _PARTS_IN_COLUMNS, _NAMED = 20, 10, 4, 10


@reads_tables
def split(
    data: Annotated[
        str, typer.Argument(metavar="DATA", help="A table or a chat file; - for standard input.")
    ],
    out: Annotated[str, typer.Option("--output", "-o", metavar="DIR", help="The folder of the parts.")] = ".",
    sizes: Annotated[
        str | None,
        typer.Option(
            metavar="PART=SIZE,…",
            help="Any number of parts: fractions that add up to at most 1, or row counts. By default "
            "train=0.8,validation=0.2.",
        ),
    ] = None,
    folds: Annotated[
        int | None,
        typer.Option(metavar="K", help="Write K pairs fold-1/train, fold-1/validation, … instead."),
    ] = None,
    task: TaskOption = Path(DEFAULT_TASK_FILE),
    seed: SeedOption = _SEED,
    group: GroupOption = None,
    keep_duplicates_together: Annotated[
        bool, typer.Option(help="Keep rows with the same or nearly the same text in one part.")
    ] = True,
    stratify: Annotated[
        bool, typer.Option("--stratify/--no-stratify", help="Give each part its share of every label.")
    ] = True,
    synthetic_anywhere: Annotated[
        bool,
        typer.Option(
            "--synthetic-anywhere",
            help="Let rows that a model wrote (source is synthetic) into test and validation parts, too.",
        ),
    ] = False,
    *,
    read: ReadOptions,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Split a table or a chat file into parts that are alike in their labels, every row as it was."""
    story = output.configure(json_mode=json, quiet=quiet)
    from labeltune.errors import SettingsError
    from labeltune.task import read_task

    if sizes is not None and folds is not None:
        raise SettingsError("--folds writes parts of its own; give either --sizes or --folds")
    # A chat file needs no task: only a file that was named must be there.
    definition = read_task(task) if task.exists() or str(task) != DEFAULT_TASK_FILE else None

    from labeltune.prepare.split import DEFAULT_SIZES, SplitOptions, parse_sizes
    from labeltune.prepare.split import split as run

    options = SplitOptions(
        sizes=parse_sizes(DEFAULT_SIZES if sizes is None else sizes),
        folds=folds,
        seed=seed,
        group=group,
        keep_duplicates_together=keep_duplicates_together,
        stratified=stratify,
        synthetic_anywhere=synthetic_anywhere,
        read=read,
    )
    with story.progress("split", unit="MB") as progress:
        done = run(data, definition, options, folder=out, progress=output.in_megabytes(progress))
    _tell(story, done, anywhere=synthetic_anywhere)
    story.result(_document(done), *(part.path for part in done.parts.values()))


def _tell(story: Output, done: Split, *, anywhere: bool) -> None:
    story.tell(done.notes, done.warnings)
    _show_balance(story, done)
    sizes = [part.rows for part in done.parts.values()]
    parts = (
        ", ".join(f"{name} {part.rows:,}" for name, part in done.parts.items())
        if len(sizes) <= _NAMED
        else f"{len(sizes)} parts of {min(sizes):,} to {max(sizes):,} rows"
    )
    unused = f"; {counted(done.unused, 'row is', 'rows are')} in no part" if done.unused else ""
    story.note(f"{done.input}: {counted(done.rows, 'row')}: {parts}{unused}")
    if done.duplicates:
        story.note(
            f"  {counted(done.duplicates, 'row stays', 'rows stay')} with an earlier one "
            "of the same or nearly the same text"
        )
    if done.synthetic:
        apart = "" if anywhere else ", and out of parts that measure"
        stay = counted(done.synthetic, "synthetic row stays with its", "synthetic rows stay with their")
        story.note(f"  {stay} seeds{apart}")
    balance = done.balance
    if balance.labels:
        story.note(f"  largest deviation of a label's share: {100 * balance.max_deviation:.3f} points")
    if balance.rare:
        named = [f'"{label}" ({rows})' for label, rows in balance.rare.items()]
        story.warn(f"labels that occur once or twice cannot be in every part: {_some(named)}")
    for position, name in enumerate(balance.parts):
        if absent := balance.absent(position):
            named = [f'"{label}"' for label in absent]
            story.warn(f"{name} has no row of {_some(named)}")


def _some(names: list[str]) -> str:
    rest = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {rest:,} more" if rest > 0 else "")


def _show_balance(story: Output, done: Split) -> None:
    """The labels by part: all of them, or of many those that are furthest off."""
    balance = done.balance
    shown = balance.labels
    title = "rows and share of each label"
    if len(shown) > _ALL_LABELS:
        shown = tuple(balance.worst(_WORST_LABELS))
        title = f"the {len(shown)} of {len(balance.labels)} labels that are furthest off"
    if not shown:
        return
    if len(balance.parts) <= _PARTS_IN_COLUMNS:
        columns = [*balance.parts]
        cells = [[_cell(*cell) for cell in zip(one.counts, one.shares, strict=True)] for one in shown]
    else:
        columns = ["least", "most"]
        cells = [[f"{100 * end(one.shares):.2f} %" for end in (min, max)] for one in shown]
    rows = [
        [one.label, _cell(one.rows, one.share), *own, f"{100 * one.deviation:.3f}"]
        for one, own in zip(shown, cells, strict=True)
    ]
    story.table(["label", "all", *columns, "deviation"], rows, title=title)


def _cell(rows: int, share: float) -> str:
    return f"{rows:,} ({100 * share:.2f} %)"


def _document(done: Split) -> dict[str, object]:
    return {
        "input": done.input,
        "rows": done.rows,
        "parts": {
            name: {"path": part.path, "rows": part.rows, "labels": part.labels}
            for name, part in done.parts.items()
        },
        "unused": done.unused,
        "max_deviation": done.balance.max_deviation,
        "rare_labels": done.balance.rare,
        "duplicates": done.duplicates,
        "synthetic": done.synthetic,
        "seed": done.seed,
        "seconds": done.seconds,
    }
