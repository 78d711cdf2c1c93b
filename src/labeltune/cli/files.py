"""`labeltune files …`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from labeltune.cli import completion, output
from labeltune.cli.formats import aligned, entry, moment, size
from labeltune.cli.help import HelpfulApp
from labeltune.cli.options import YesOption
from labeltune.cli.speaking import speaks_to_provider
from labeltune.wording import counted

if TYPE_CHECKING:
    from labeltune.cli.output import Output
    from labeltune.providers import Provider

__all__ = ["files"]

LIMIT = 100

files = HelpfulApp(no_args_is_help=True, help="Look at the files that a provider holds, and delete them.")


@files.command("list")
@speaks_to_provider
def list_(
    limit: Annotated[
        int, typer.Option("--limit", metavar="N", min=1, help="How many, newest first.")
    ] = LIMIT,
    *,
    place: Provider,
    out: Output,
) -> None:
    """List the newest files: id, purpose, size, when it was sent, name."""
    from labeltune.tuning.files import list_files

    found = list_files(place, limit=limit)
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
@speaks_to_provider
def delete(
    ids: Annotated[
        list[str],
        typer.Argument(metavar="FILE_ID…", autocompletion=completion.files, help="The files' ids: file-…"),
    ],
    yes: YesOption = False,
    *,
    place: Provider,
    out: Output,
) -> None:
    """Delete files at the provider, but not those that an unfinished job needs."""
    from labeltune.tuning.files import delete_files

    if out.declined(f"Delete {counted(len(ids), 'file')} at {place.host}: {', '.join(ids[:5])}?", yes=yes):
        return
    delete_files(place, list(dict.fromkeys(ids)))
    out.result({"deleted": ids}, *map(output.visible, ids))
