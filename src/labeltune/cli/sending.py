"""The options of what sends requests to a model, the same on every command that does."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Annotated, Any

import typer

from labeltune.cli.bundles import Bundle, Option, takes
from labeltune.cli.help import COST, RESUME
from labeltune.cli.options import (
    DistributedOption,
    MaxCostOption,
    ProbabilitiesOption,
    ThresholdsOption,
    WorkersOption,
    YesOption,
)
from labeltune.cli.reading import READING
from labeltune.prediction.options import PredictOptions

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["PREDICTIONS", "REQUESTS", "ROWS", "DryRunOption", "ForceOption", "sends_requests"]

ForceOption = Annotated[
    bool,
    typer.Option(
        "--force",
        help="Replace an output that this command did not write, or that was edited since.",
        rich_help_panel=RESUME,
    ),
]
DryRunOption = Annotated[
    bool,
    typer.Option(
        "--dry-run", help="Show the first request and the cost, and send nothing.", rich_help_panel=COST
    ),
]

_OPTIONS: dict[str, Any] = {
    "batch": Annotated[
        bool,
        typer.Option(
            "--batch",
            help="Through the provider's batches: half the price, within a day.",
            rich_help_panel=COST,
        ),
    ],
    "concurrency": Annotated[
        int, typer.Option(min=1, max=1024, metavar="N", help="Requests in flight at most.")
    ],
    "resend": Annotated[
        int,
        typer.Option(
            min=0,
            metavar="N",
            help="How often to ask again where an answer was lost; 0 never pays twice.",
            rich_help_panel=RESUME,
        ),
    ],
    "limit": Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="Only the first N rows; the rest can follow later.", rich_help_panel=COST
        ),
    ],
    "timeout": Annotated[
        float, typer.Option(min=0.1, metavar="SECONDS", help="How long one answer may take in all.")
    ],
    "max_wait": Annotated[
        float,
        typer.Option(
            min=0, metavar="SECONDS", help="Give up after so long without any answer.", rich_help_panel=RESUME
        ),
    ],
    "max_cost": MaxCostOption,
    "confidence": Annotated[
        bool, typer.Option("--confidence/--no-confidence", help="Ask for log-probabilities.")
    ],
    "probabilities": ProbabilitiesOption,
    "thresholds": ThresholdsOption,
    "spreadsheet": Annotated[
        bool,
        typer.Option("--spreadsheet", help="Put ' before cells that a spreadsheet would take for formulas."),
    ],
    "accept_changes": Annotated[
        bool,
        typer.Option(
            "--accept-changes",
            help="Go on where the rows, the settings or the task have changed.",
            rich_help_panel=RESUME,
        ),
    ],
    "recover": Annotated[
        bool,
        typer.Option(
            "--recover", help="Rebuild a damaged journal from what can be read of it.", rich_help_panel=RESUME
        ),
    ],
    "prefix": Annotated[
        str | None,
        typer.Option(
            "--prefix",
            metavar="P",
            help="Put P before columns of the table that are called like those that are added, "
            "such as answer.",
        ),
    ],
    "force": ForceOption,
    "shard": Annotated[
        str | None,
        typer.Option(
            "--shard",
            metavar="I/N",
            help="Of a folder's tables make every N-th, from the I-th on; I counts from 1. For array jobs.",
        ),
    ],
    "distributed": DistributedOption,
    "workers": WorkersOption,
    "yes": YesOption,
}
"""By the fields of `PredictOptions`, in the order of help."""

REQUESTS = (
    "batch",
    "concurrency",
    "resend",
    "timeout",
    "max_wait",
    "max_cost",
    "recover",
    "force",
    "yes",
)
"""What every command has that asks about many things."""

ROWS = (*REQUESTS, "limit", "confidence", "accept_changes")
"""What those have that ask about each row of a table."""

PREDICTIONS = tuple(_OPTIONS)
"""What `predict` has: all."""


def sends_requests(*names: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command these options in place of its parameter `asking`, which gets them as `PredictOptions`.

    Those that tell how the table is read come with them. What a command leaves out is as by default.
    """
    defaults = {field.name: field.default for field in fields(PredictOptions)}
    own = {name: Option(one, defaults[name]) for name, one in _OPTIONS.items() if name in names}
    return takes("asking", Bundle(own | dict(READING.options), _asking))


def _asking(**given: Any) -> PredictOptions:
    read = READING.make(**{name: given.pop(name) for name in READING.options})
    return PredictOptions(**given, read=read)
