"""`labeltune check`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from labeltune.cli import output
from labeltune.cli.options import (
    GroupOption,
    JsonOption,
    QuietOption,
    TaskOption,
)
from labeltune.cli.reading import reads_tables
from labeltune.defaults import DEFAULT_TASK_FILE
from labeltune.errors import GateError, SettingsError
from labeltune.wording import counted, pasted

if TYPE_CHECKING:
    from labeltune.cli.output import Output
    from labeltune.prepare.check import Checked
    from labeltune.prepare.check.fix import Fixed
    from labeltune.studies.label_errors import LabelErrors
    from labeltune.task import ReadOptions

__all__ = ["check"]

SUSPECTS = "suspects.csv"
"""`label_errors.DEFAULT_OUTPUT`, whose module is imported when it is needed; a test compares them."""


@reads_tables
def check(
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE…", help="Tables or chat files: train, validation, test, in this order."),
    ],
    task: TaskOption = Path(DEFAULT_TASK_FILE),
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            metavar="M",
            help="The model whose tokens and cost count; by default, all. With --noise a local one is what "
            "learns the labels, too: by default linear.",
        ),
    ] = None,
    fix: Annotated[
        str | None,
        typer.Option(
            metavar="OUT",
            help="Write a copy of the one FILE without exact duplicates, surrounding space and rows without "
            "text, and check that.",
        ),
    ] = None,
    similar: Annotated[
        bool | None,
        typer.Option(
            "--similar/--no-similar",
            help="Look for texts that differ by few words. By default, up to 100,000 texts are compared.",
        ),
    ] = None,
    noise: Annotated[
        bool,
        typer.Option(
            "--noise",
            help="Look for rows of the first FILE whose label is probably wrong, too; it is a table.",
        ),
    ] = False,
    suspects: Annotated[
        str, typer.Option("--output", "-o", metavar="FILE", help="Where --noise writes these rows.")
    ] = SUSPECTS,
    group: GroupOption = None,
    every: Annotated[
        bool, typer.Option("--all", "-a", help="Show all findings, up to a thousand of each code and file.")
    ] = False,
    *,
    read: ReadOptions,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Find what would cost a paid job, offline: faults of rows and records, duplicates, overlap, cost."""
    out = output.configure(json_mode=json, quiet=quiet)
    from labeltune.prepare.check import CheckOptions
    from labeltune.prepare.check import check as run
    from labeltune.prepare.check.document import check_document
    from labeltune.prepare.check.fix import copy_options
    from labeltune.prepare.check.fix import fix as mend
    from labeltune.prepare.check.text import format_checked
    from labeltune.task import task_if_there

    definition = task_if_there(task)
    options = CheckOptions(model=model, similar=similar, read=read)
    fixed = None
    if fix is not None:
        if len(files) != 1:
            raise SettingsError("--fix OUT takes one file", hint="mend one file after the other")
        fixed = mend(files[0], fix, definition, options)
        _tell_mends(out, files[0], fixed)
        options = copy_options(files[0], fix, options)
        files = [fix]
    with out.progress("check", unit="rows") as progress:
        checked = run(files, definition, options, advance=progress)
    if definition is None:
        out.warn(f"there is no {task}: answers and prompts were not compared with a task")
    for note in checked.notes:
        out.note(note)
    document: dict[str, Any] = {}
    if noise:
        from labeltune.studies.label_errors import with_label_errors

        found = _find_noise(out, files[0], task, suspects, model=model, group=group, read=options.read)
        checked = with_label_errors(checked, found)
        document = {"noise": _noise_document(found)}
    document = check_document(checked, fixed) | document
    out.result(document, output.visible(format_checked(checked, every=every)))
    _conclude(out, checked)


def _find_noise(
    out: Output,
    path: str,
    task: Path,
    output_: str,
    *,
    model: str | None,
    group: str | None,
    read: ReadOptions,
) -> LabelErrors:
    from labeltune.studies.label_errors import NoiseOptions, engine_of, find_label_errors
    from labeltune.task import read_task

    definition = read_task(task)
    options = NoiseOptions(model=engine_of(model), group=group, read=read)
    with out.progress("noise", unit="questions") as progress:
        found = find_label_errors(path, definition, options, output=output_, advance=progress, tell=out.note)
    if found.rare:
        rare = counted(found.rare, "row was", "rows were")
        out.note(f"{found.source}: {rare} not judged: too few others have the label")
    # Of several labels each has its own chance to err, and the count is of rows with any.
    several = any(field.type == "multi" for field in definition.fields)
    about = "at most about" if several else "about"
    wrong = counted(found.expected, "label is", "labels are")
    out.note(
        f"{found.source}: {about} {wrong} wrong in {counted(found.judged, 'row')}, "
        f"by {found.model} models that had not seen them"
    )
    candidates = counted(len(found.suspects), "candidate")
    out.note(f"wrote {found.output}: {candidates} for people to look at, the most suspect first")
    out.hint(
        "fill in the right labels there, then: labeltune merge "
        f"{pasted(found.output)} {pasted(found.source)} -o OUT"
    )
    return found


def _noise_document(found: LabelErrors) -> dict[str, Any]:
    return {
        "file": found.source,
        "model": found.model,
        "folds": found.folds,
        "rows": found.rows,
        "judged": found.judged,
        "expected": found.expected,
        "suspects": len(found.suspects),
        "output": found.output,
    }


_MENDED = {
    "rows_without_text": "rows without text left out",
    "exact_duplicates": "exact duplicates left out",
    "surrounding_space": "space around texts or labels taken off",
    "empty_lines": "empty lines left out",
    "byte_order_mark": "byte order mark taken off",
    "stray_commas": "commas behind records taken off",
}


def _tell_mends(out: Output, path: str, fixed: Fixed) -> None:
    out.note(f"{path}: {fixed.written:,} of {counted(fixed.rows, 'row is', 'rows are')} in {fixed.output}")
    for mend, count in fixed.mends.items():
        lines = ", ".join(map(str, fixed.lines[mend]))
        more = ", …" if count > len(fixed.lines[mend]) else ""
        out.note(f"  {_MENDED[mend]}: {count:,} (line{'s' * (count > 1)} {lines}{more})")
    if not fixed.mends:
        out.note("  there was nothing to mend")


def _conclude(out: Output, checked: Checked) -> None:
    """Sum up; raises `GateError` if there is an error."""
    errors, warnings = checked.count("error"), checked.count("warning")
    told = f"{_some(errors, 'error')}, {_some(warnings, 'warning')}"
    if errors:
        raise GateError(f"{told}: not fit for training yet")
    out.note(told)


def _some(number: int, thing: str) -> str:
    return f"{number:,} {thing}{'' if number == 1 else 's'}" if number else f"no {thing}s"
