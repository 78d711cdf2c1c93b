"""`labeltune serve`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from labeltune.cli import output
from labeltune.cli.key_file import read_key
from labeltune.cli.options import (
    AllowHostOption,
    ApiKeyFileOption,
    HostOption,
    JsonOption,
    PortOption,
    QuietOption,
)

__all__ = ["serve"]

_HOST, _PORT = "127.0.0.1", 8000
"""`DEFAULT_HOST` and `DEFAULT_PORT` of `local.serve`, which is imported when it is needed."""


def serve(
    host: HostOption = _HOST,
    port: PortOption = _PORT,
    api_key_file: ApiKeyFileOption = None,
    directory: Annotated[
        Path | None,
        typer.Option(
            "--dir", metavar="D", help="Where files, jobs and models are kept, instead of LABELTUNE_HOME."
        ),
    ] = None,
    allow_host: AllowHostOption = None,
    allow_origin: Annotated[
        list[str] | None,
        typer.Option(
            "--allow-origin",
            metavar="ORIGIN",
            help="A site whose pages may use it, such as https://labels.example.org; may be repeated.",
        ),
    ] = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Put the local provider on a port, for any OpenAI client; prints its base URL."""
    out = output.configure(json_mode=json, quiet=quiet)
    from labeltune.local import default_directory
    from labeltune.local import serve as run
    from labeltune.local.guard import Allowed

    def ready(base_url: str) -> None:
        out.result({"base_url": base_url}, base_url)
        sys.stdout.flush()

    if directory is not None:
        # This process has no other place: what an engine keeps beside its models goes there, too.
        os.environ["LABELTUNE_HOME"] = str(directory.absolute())
    key = None if api_key_file is None else read_key(api_key_file)
    allowed = Allowed.at(host, allow_host or (), allow_origin or ())
    run(directory or default_directory(), host, port, key, allowed=allowed, say=out.note, ready=ready)
