"""The only sink: what a command prints, in its three modes.

stdout carries the result and nothing else; stderr tells the story. With `--json` stdout carries exactly one
JSON document; with `--quiet` stderr carries errors only. The only modules that know Rich.
"""

from __future__ import annotations

from labeltune.cli.output.progress_display import Progress, in_megabytes
from labeltune.cli.output.sink import SCHEMA_VERSION, Block, Output, Step, configure, current, reset, step
from labeltune.cli.output.tables import Bar, Grid, Line
from labeltune.cli.output.text import visible

__all__ = [
    "SCHEMA_VERSION",
    "Bar",
    "Block",
    "Grid",
    "Line",
    "Output",
    "Progress",
    "Step",
    "configure",
    "current",
    "in_megabytes",
    "reset",
    "step",
    "visible",
]
