"""`labeltune files …`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from labeltune.cli import completion, output
from labeltune.cli.defaults import provider_near
from labeltune.cli.formats import aligned, entry, moment, size
from labeltune.cli.help import HelpfulApp
from labeltune.cli.options import JsonOption, ProviderOption, QuietOption, TaskOption, YesOption
from labeltune.defaults import DEFAULT_TASK_FILE

__all__ = ["files"]

LIMIT = 100

files = HelpfulApp(no_args_is_help=True, help="Look at the files that a provider holds, and delete them.")


@files.command("list")
def list_(
    limit: Annotated[
        int, typer.Option("--limit", metavar="N", min=1, help="How many, newest first.")
    ] = LIMIT,
    task: TaskOption = Path(DEFAULT_TASK_FILE),
    provider: ProviderOption = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """List the newest files: id, purpose, size, when it was sent, name."""
    out = output.configure(json_mode=json, quiet=quiet)
    from labeltune.tuning.files import list_files

    found = list_files(provider_near(provider, task), limit=limit)
    rows = [
        (file.id, file.purpose, size(file.bytes), moment(file.created_at), file.filename) for file in found
    ]
    document = {"files": [file.model_dump(mode="json", warnings=False) for file in found]}
    if not found:
        out.result(document)
        return
    entries = [entry(file, name, purpose, held, when) for file, purpose, held, when, name in rows]
    out.show(document, "\n".join(aligned(rows)), entries)


@files.command()
def delete(
    ids: Annotated[
        list[str],
        typer.Argument(metavar="FILE_ID…", autocompletion=completion.files, help="The files' ids: file-…"),
    ],
    yes: YesOption = False,
    task: TaskOption = Path(DEFAULT_TASK_FILE),
    provider: ProviderOption = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Delete files at the provider, but not those that an unfinished job needs."""
    out = output.configure(json_mode=json, quiet=quiet)
    from labeltune.tuning.files import delete_files

    place = provider_near(provider, task)
    if out.declined(f"Delete {len(ids):,} file(s) at {place.host}: {', '.join(ids[:5])}?", yes=yes):
        return
    delete_files(place, list(dict.fromkeys(ids)))
    out.result({"deleted": ids}, *map(output.visible, ids))
