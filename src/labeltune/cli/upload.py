"""`labeltune upload`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from labeltune.cli import output
from labeltune.cli.defaults import provider_of
from labeltune.cli.hints import task_words
from labeltune.cli.options import JsonOption, ProviderOption, QuietOption, StateOption, TaskOption
from labeltune.defaults import DEFAULT_STATE, DEFAULT_TASK_FILE

__all__ = ["upload"]


def upload(
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE…", help="Chat files, as `labeltune convert DATA` writes them."),
    ],
    task: TaskOption = Path(DEFAULT_TASK_FILE),
    provider: ProviderOption = None,
    state: StateOption = Path(DEFAULT_STATE),
    force: Annotated[
        bool, typer.Option("--force", help="Send the files even where the provider holds them.")
    ] = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Upload chat files for fine-tuning; what the provider already holds is not sent twice."""
    out = output.configure(json_mode=json, quiet=quiet)
    from dataclasses import asdict

    from labeltune.task import task_if_there
    from labeltune.tuning.upload import upload as run

    definition = task_if_there(task)
    place = provider_of(provider, definition)
    done = run(
        files,
        provider=place,
        task=definition,
        force=force,
        state=state,
        note=out.note,
    )
    if len(done) <= 2:
        words = task_words(task)
        out.hint(f"labeltune train {' '.join(file.id for file in done)} --model BASE{place.flag}{words}")
    out.result({"files": [asdict(file) for file in done]}, *(file.id for file in done))
