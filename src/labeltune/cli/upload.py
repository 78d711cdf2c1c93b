"""`labeltune upload`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from labeltune.cli import output
from labeltune.cli.defaults import provider_of
from labeltune.cli.hints import model_words, task_words
from labeltune.cli.options import JsonOption, ProviderOption, QuietOption, StateOption, TaskOption
from labeltune.cli.reading import reads_tables
from labeltune.defaults import DEFAULT_STATE, DEFAULT_TASK_FILE

if TYPE_CHECKING:
    from labeltune.task import ReadOptions

__all__ = ["upload"]


@reads_tables
def upload(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE…", help="Chat files, or tables, which are converted with the task on the way."
        ),
    ],
    task: TaskOption = Path(DEFAULT_TASK_FILE),
    provider: ProviderOption = None,
    state: StateOption = Path(DEFAULT_STATE),
    force: Annotated[
        bool, typer.Option("--force", help="Send the files even where the provider holds them.")
    ] = False,
    *,
    read: ReadOptions,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Upload chat files for fine-tuning; what the provider already holds is not sent twice."""
    out = output.configure(json_mode=json, quiet=quiet)
    from dataclasses import asdict

    from labeltune.task import task_if_there
    from labeltune.tuning.chat_files import as_chat_files
    from labeltune.tuning.upload import upload as run

    definition = task_if_there(task)
    place = provider_of(provider, definition)
    chats = as_chat_files(files, definition, note=out.note, read=read, state=state)
    done = run(chats, provider=place, task=definition, force=force, state=state, note=out.note)
    if len(done) <= 2:
        words, model = task_words(task), model_words(definition, provider)
        out.hint(f"labeltune train {' '.join(file.id for file in done)}{model}{place.flag}{words}")
    out.result({"files": [asdict(file) for file in done]}, *(file.id for file in done))
