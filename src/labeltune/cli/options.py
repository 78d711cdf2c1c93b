"""Arguments and options that several commands share, each with its one name, help text and variable.

Those of one command stand above it, in its own module.

Defaults are constants of the library; a command writes `task: TaskOption = DEFAULT_TASK_FILE`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from labeltune.cli import completion
from labeltune.cli.help import COST, RESUME, TABLE, WHERE

__all__ = [
    "AllowHostOption",
    "ApiKeyFileOption",
    "DataArgument",
    "DistributedOption",
    "EncodingOption",
    "GroupOption",
    "HostOption",
    "JsonOption",
    "MaxCostOption",
    "ModelOption",
    "NoTextsOption",
    "PortOption",
    "PredictionsOption",
    "ProbabilitiesOption",
    "ProviderOption",
    "QuietOption",
    "SeedOption",
    "SeparatorOption",
    "StateOption",
    "StripOption",
    "TableFormatOption",
    "TablesArgument",
    "TaskOption",
    "ThresholdsOption",
    "WaitTimeoutOption",
    "WorkersOption",
    "YesOption",
]

JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON document on standard output instead of the result.")
]
QuietOption = Annotated[
    bool, typer.Option("--quiet", "-q", help="Print nothing on standard error but errors.")
]
NoTextsOption = Annotated[
    bool, typer.Option("--no-texts", help="Leave the rows' texts, and words from them, out of the report.")
]
TaskOption = Annotated[
    Path,
    typer.Option(
        "--task", "-t", metavar="FILE", envvar="LABELTUNE_TASK", help="The task file.", rich_help_panel=WHERE
    ),
]
DistributedOption = Annotated[
    str | None,
    typer.Option(
        "--distributed",
        metavar="ray[:HOST:PORT]",
        autocompletion=completion.clusters,
        help="Hand a folder's tables to the workers of a Ray cluster: one started here, or at HOST:PORT. "
        "Never for paid calls.",
    ),
]
WorkersOption = Annotated[
    int | None,
    typer.Option(
        "--workers", min=1, max=100_000, metavar="N", help="How many workers; by default one for each CPU."
    ),
]
StateOption = Annotated[
    Path,
    typer.Option(
        "--state",
        metavar="DIR",
        envvar="LABELTUNE_STATE",
        help="The folder that keeps what was sent and answered.",
        rich_help_panel=WHERE,
    ),
]
ProviderOption = Annotated[
    str | None,
    typer.Option(
        "--provider",
        metavar="NAME|URL",
        autocompletion=completion.providers,
        envvar="LABELTUNE_PROVIDER",
        help="Where files, jobs and models live: openai, azure, nebius, local, or a base URL. By default "
        "what the task says under [defaults], else openai.",
        rich_help_panel=WHERE,
    ),
]
HostOption = Annotated[
    str, typer.Option("--host", metavar="HOST", help="The address to listen on.", rich_help_panel=WHERE)
]
PortOption = Annotated[
    int,
    typer.Option("--port", metavar="N", min=0, max=65535, help="0 takes a free one.", rich_help_panel=WHERE),
]
ApiKeyFileOption = Annotated[
    Path | None,
    typer.Option(
        "--api-key-file",
        metavar="F",
        help="A file with the key that clients must send.",
        rich_help_panel=WHERE,
    ),
]
AllowHostOption = Annotated[
    list[str] | None,
    typer.Option(
        "--allow-host",
        metavar="NAME",
        help="A name by which clients may call it, besides localhost and --host; may be repeated.",
        rich_help_panel=WHERE,
    ),
]
DataArgument = Annotated[
    str,
    typer.Argument(
        metavar="DATA", help="The table: CSV, TSV, JSONL, JSON, Parquet or Excel; - for standard input."
    ),
]
TablesArgument = Annotated[
    str,
    typer.Argument(
        metavar="DATA",
        help="The table, - for standard input; or a folder or glob of tables, each a part of the output.",
    ),
]
TableFormatOption = Annotated[
    str | None,
    typer.Option(
        "--format",
        metavar="FMT",
        autocompletion=completion.formats,
        help="The table's format, where its name does not tell: csv, tsv, jsonl, json, parquet, excel.",
        rich_help_panel=TABLE,
    ),
]
EncodingOption = Annotated[
    str | None,
    typer.Option(
        "--encoding",
        metavar="ENC",
        help="The table's encoding, where it is neither UTF-8 nor UTF-16 with a byte order mark.",
        rich_help_panel=TABLE,
    ),
]
SeparatorOption = Annotated[
    str | None,
    typer.Option(
        "--sep",
        metavar="S",
        help="What separates the table's columns, where it should not be found: one character, or 'tab'.",
        rich_help_panel=TABLE,
    ),
]
ModelOption = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        metavar="M",
        autocompletion=completion.models,
        help="The model: what train printed. By default what the task says under [defaults].",
    ),
]
PredictionsOption = Annotated[
    str,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        help="Where the rows with their predictions go; - for standard output.",
    ),
]
ProbabilitiesOption = Annotated[
    bool, typer.Option("--probabilities", help="Add a column probability_LABEL for each label.")
]
ThresholdsOption = Annotated[
    str | None,
    typer.Option(
        metavar="F",
        help="What `thresholds` wrote: it decides labels of multi fields, and which answers are unsure.",
    ),
]
MaxCostOption = Annotated[
    float | None,
    typer.Option(
        "--max-cost", metavar="USD", min=0, help="Stop before more than this is spent.", rich_help_panel=COST
    ),
]
StripOption = Annotated[
    bool | None,
    typer.Option(
        "--strip/--no-strip",
        help="Take space off both ends of labels.",
        show_default=False,
        rich_help_panel=TABLE,
    ),
]
SeedOption = Annotated[int, typer.Option("--seed", min=0, max=2**31 - 1, help="The seed of what is random.")]
YesOption = Annotated[
    bool, typer.Option("--yes", "-y", help="Answer yes to what would be asked.", rich_help_panel=RESUME)
]
GroupOption = Annotated[
    str | None,
    typer.Option(
        "--group",
        metavar="COL",
        autocompletion=completion.columns,
        help="Keep rows with the same value in this column in one part or fold.",
    ),
]
WaitTimeoutOption = Annotated[
    float | None,
    typer.Option(
        "--wait-timeout",
        metavar="SECONDS",
        min=0,
        help="Stop waiting after this time, with exit code 5; the job goes on.",
        rich_help_panel=RESUME,
    ),
]
