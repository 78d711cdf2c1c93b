"""Check data before money is spent on it: every fault that would cost a paid job, and what it will cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from labeltune.check.catalogue import CATALOGUE, Kind
from labeltune.check.cost import Cost, FileTokens, TokenTally, costs
from labeltune.check.desk import Desk
from labeltune.check.reading import open_part
from labeltune.check.rule import Setting
from labeltune.check.rules import make_rules
from labeltune.errors import DataError, SettingsError
from labeltune.tokens import token_counter

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Sequence

    from labeltune.errors import Finding
    from labeltune.task import Task
    from labeltune.tokens import TokenMode

__all__ = ["CATALOGUE", "Checked", "Cost", "FileTokens", "Kind", "check", "refuse_errors"]

ROLES = ("train", "validation", "test")
"""What files are, in their order; further ones are tests too."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What was noticed, and what the data cost.

    `findings` holds the first thousand of each code, in the order of the files and lines; `counts` has the
    number of all by code. `tokens` is by file, `cost` by model; the first file is what is trained on.
    """

    findings: list[Finding]
    counts: dict[str, int]
    roles: dict[str, str]
    tokens: dict[str, FileTokens]
    cost: dict[str, Cost]

    def count(self, severity: str) -> int:
        """How many findings of a severity there are."""
        return sum(number for code, number in self.counts.items() if CATALOGUE[code].severity == severity)


def check(
    paths: Sequence[str | os.PathLike[str]],
    *,
    task: Task | None = None,
    model: str | None = None,
    tokens: TokenMode = "auto",
    advance: Callable[[int], object] = lambda _: None,
) -> Checked:
    """Check tables or chat files, several being train, validation and test, in one pass.

    Texts are not kept, only their hashes. `model` is the one whose tokens and cost count; else all with a
    price are told. `advance` is called with the number of examples looked at since its last call. Chat files
    need no task; without one, answers and prompts are not compared.

    Raises `SettingsError` for a file that is not there or a table without a task, `DataError` for a table
    that has no usable header or lacks a column of the task. All else is a finding.
    """
    if not paths:
        raise SettingsError("no file to check")
    counter = token_counter(model, mode=tokens)
    desk = Desk()
    setting = Setting(task, desk, counter)
    rules = make_rules(setting)
    roles: dict[str, str] = {}
    counted: dict[str, FileTokens] = {}
    parts: list[FileTokens] = []
    for number, path in enumerate(paths):
        part = open_part(path, ROLES[min(number, len(ROLES) - 1)], desk, task, whole=not counter.estimated)
        try:
            tally = TokenTally(part, counter)
            for batch in part.batches():
                for rule in rules:
                    rule.batch(part, batch)
                tally.add(batch)
                advance(len(batch.lines))
            for rule in rules:
                rule.end_of(part)
        finally:
            part.close()
        parts.append(tally.result())
        roles.setdefault(part.name, part.role)
        counted[part.name] = parts[-1]
    for rule in rules:
        rule.end()
    return Checked(desk.findings, dict(desk.counts), roles, counted, costs(parts, model))


UPLOADABLE = ("too_large",)
"""Errors that uploading in parts takes care of."""


def refuse_errors(path: str | os.PathLike[str], task: Task | None) -> None:
    """Raise a `DataError` with every error of a chat file: what a provider would refuse, or learn wrongly."""
    desk = check([path], task=task, tokens="estimate")
    errors = [
        finding for finding in desk.findings if finding.severity == "error" and finding.code not in UPLOADABLE
    ]
    if errors:
        total = sum(
            number
            for code, number in desk.counts.items()
            if CATALOGUE[code].severity == "error" and code not in UPLOADABLE
        )
        raise DataError.of(
            errors, total=total, hint="a chat file is what `labeltune convert` writes; nothing was sent"
        )
