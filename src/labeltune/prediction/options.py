"""The settings of a prediction run, and their defaults."""

from __future__ import annotations

from dataclasses import dataclass

from labeltune.task import NOTHING_TOLD, ReadOptions

__all__ = ["DEFAULT_OUTPUT", "PredictOptions"]

DEFAULT_OUTPUT = "predictions.csv"


@dataclass(frozen=True, slots=True)
class PredictOptions:
    """How rows are predicted.

    `concurrency`: requests in flight at most. `resend`: how often a request is sent again whose answer
    was lost; 0 never pays twice. `timeout`: seconds for one answer, from the first byte sent to the last
    received. `max_wait`: seconds without any answer before giving up. `max_cost`: in USD, for what this
    run sends. `limit`: only so many rows. `confidence`: ask for log-probabilities. `probabilities`: write
    one column per label. `thresholds`: a file of thresholds that decides labels of multi fields, and which
    answers are unsure. `spreadsheet`: mark cells that a spreadsheet would take for formulas.
    `accept_changes`: go on where the input, the settings or the task are not what they were. `batch`:
    through the provider's batch interface. `yes`: ask again what a batch did not answer. `recover`: mend a
    damaged journal. `read`: how the table is read, before what the task says. `prefix`: put before columns
    of the table that are called like some that are added. `force`: replace an output that this
    command did not write, or that was edited since. `shard`: of a folder only every N-th table, from the I-th
    on, as `I/N`; other commands make the others. `distributed`: hand a folder's tables to the workers of a
    cluster, `ray` or `ray:HOST:PORT`; `workers`: so many, by default one for each CPU.
    """

    concurrency: int = 64
    resend: int = 1
    timeout: float = 60.0
    max_wait: float = 900.0
    max_cost: float | None = None
    limit: int | None = None
    confidence: bool = True
    probabilities: bool = False
    thresholds: str | None = None
    spreadsheet: bool = False
    accept_changes: bool = False
    batch: bool = False
    yes: bool = False
    recover: bool = False
    read: ReadOptions = NOTHING_TOLD
    prefix: str | None = None
    force: bool = False
    shard: str | None = None
    distributed: str | None = None
    workers: int | None = None
