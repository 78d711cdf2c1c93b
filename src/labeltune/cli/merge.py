"""`labeltune merge`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from labeltune.cli import output
from labeltune.cli.options import JsonOption, QuietOption, TaskOption
from labeltune.cli.reading import reads_tables
from labeltune.defaults import DEFAULT_TASK_FILE
from labeltune.wording import counted

if TYPE_CHECKING:
    from labeltune.cli.output import Output
    from labeltune.prepare.merge import Change, Merged
    from labeltune.task import ReadOptions

__all__ = ["merge"]

_SHOWN = 20
_LINES = 10


@reads_tables
def merge(
    corrections: Annotated[
        str,
        typer.Argument(
            metavar="CORRECTIONS", help="Rows with the right labels: suspects, a review, labelled rows."
        ),
    ],
    data: Annotated[str, typer.Argument(metavar="TABLE", help="The table that they go into.")],
    out: Annotated[
        str, typer.Option("--output", "-o", metavar="FILE", help="Where the corrected table goes.")
    ],
    task: TaskOption = Path(DEFAULT_TASK_FILE),
    append: Annotated[
        bool,
        typer.Option("--append/--no-append", help="Add corrected rows that the table does not have."),
    ] = True,
    *,
    read: ReadOptions,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Put labels that people corrected into a table, all else byte for byte as it was."""
    story = output.configure(json_mode=json, quiet=quiet)
    from labeltune.prepare.merge import merge as run
    from labeltune.task import read_task

    done = run(corrections, data, read_task(task), output=out, append=append, read=read)
    _tell(story, corrections, data, done)
    document = {**asdict(done), "not_found": list(done.not_found)}
    document["changes"] = [_change(change) for change in done.changes]
    del document["warnings"]
    story.result(document, done.output)


def _change(change: Change) -> dict[str, object]:
    return {"from": change.before, "to": change.after, "count": change.count}


def _tell(story: Output, corrections: str, data: str, done: Merged) -> None:
    for warning in done.warnings:
        story.warn(warning)
    if done.changes:
        shown = [[one.before or "–", one.after or "–", f"{one.count:,}"] for one in done.changes[:_SHOWN]]
        story.table(["from", "to", "rows"], shown, title="labels that changed")
        if (left := len(done.changes) - _SHOWN) > 0:
            story.note(f"… and {left:,} more pairs")
    story.note(
        f"{data}: {counted(done.rows, 'row')}: {done.changed:,} changed, {done.confirmed:,} confirmed, "
        f"{done.added:,} added"
    )
    if done.added:
        story.note(
            "  rows that were added came from elsewhere: what is trained on them must not be measured by them"
        )
    if done.empty:
        story.note(f"  {corrections}: {counted(done.empty, 'row says', 'rows say')} nothing yet")
    if done.not_found:
        lines = ", ".join(map(str, done.not_found[:_LINES])) + (", …" if len(done.not_found) > _LINES else "")
        missing = counted(len(done.not_found), "row is", "rows are")
        story.warn(f"{corrections}: {missing} not in {data}: line {lines}")
    if not (done.changed or done.confirmed or done.added or done.not_found):
        story.warn(f"{corrections}: no row has a right label filled in: the table is as it was")
