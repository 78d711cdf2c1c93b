"""Check data before money is spent on it: every fault that would cost a paid job, and what it will cost."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from labeltune.errors import DataError, SettingsError
from labeltune.prepare.check.catalogue import CATALOGUE, Kind
from labeltune.prepare.check.cost import Cost, FileTokens, TokenTally, costs
from labeltune.prepare.check.finding_log import FindingLog
from labeltune.prepare.check.opening import open_part
from labeltune.prepare.check.options import CheckOptions
from labeltune.prepare.check.rules import REFUSALS, RULES
from labeltune.prepare.check.setting import Setting
from labeltune.pricing.tokens import EXAMPLE_LIMIT, example_limit, token_counter
from labeltune.wording import pasted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from labeltune.errors import Finding
    from labeltune.prepare.check.part import Part
    from labeltune.prepare.check.rule import Rule
    from labeltune.task import Task

__all__ = [
    "CATALOGUE",
    "CheckOptions",
    "Checked",
    "Cost",
    "FileTokens",
    "Kind",
    "check",
    "refuse_errors",
    "role_of",
]

ROLES = ("train", "validation", "test")
"""What files are, in their order; further ones are tests too."""

_DEFAULTS = CheckOptions()


@dataclass(frozen=True, slots=True)
class Checked:
    """What was noticed, and what the data cost.

    `findings` holds the first thousand of each code in each file, in the order of files and lines; `counts`
    has the number of all. `tokens` is by file, `cost` by model; the first file is what is trained on.
    """

    findings: list[Finding]
    counts: dict[tuple[str, str], int]
    roles: dict[str, str]
    tokens: dict[str, FileTokens]
    cost: dict[str, Cost]
    notes: list[str]
    """What a reader of the findings should know, such as the separator that was found."""

    def count(self, severity: str) -> int:
        """How many findings of a severity there are."""
        return sum(
            number for (_, code), number in self.counts.items() if CATALOGUE[code].severity == severity
        )


def check(
    paths: Sequence[str | os.PathLike[str]],
    task: Task | None = None,
    options: CheckOptions = _DEFAULTS,
    *,
    advance: Callable[[int], object] = lambda _: None,
) -> Checked:
    """Check tables or chat files, several being train, validation and test, in one pass.

    `advance` is called with the number of examples looked at since its last call. Chat files need no task;
    without one, answers and prompts are not compared.

    Raises `SettingsError` for a file that is not there or given twice or a table without a task, `DataError`
    for a table that has no usable header or lacks a column of the task. All else is a finding.
    """
    if not paths:
        raise SettingsError("no file to check")
    _refuse_twice(paths)
    counter = token_counter(options.model, mode=options.tokens)
    log = FindingLog()
    setting = Setting(task, log, counter, limit=example_limit(options.model), similar=options.similar)
    tally = TokenTally(setting)
    files = [(path, role_of(number)) for number, path in enumerate(paths)]
    parts = _run(files, setting, options, [*(rule(setting) for rule in RULES), tally], advance)
    names = list(dict.fromkeys(part.name for part in parts))
    log.findings.sort(key=lambda finding: (names.index(finding.where.file), finding.where.line or 0))
    return Checked(
        findings=log.findings,
        counts=dict(log.counts),
        roles={part.name: part.role for part in reversed(parts)},
        tokens=dict(zip((part.name for part in parts), tally.files, strict=True)),
        cost=costs(tally.files, options.model),
        notes=[note for part in parts for note in part.notes],
    )


def role_of(number: int) -> str:
    """The role of a file that is given as the number-th, counted from 0."""
    return ROLES[min(number, len(ROLES) - 1)]


def _refuse_twice(paths: Sequence[str | os.PathLike[str]]) -> None:
    """Raise `SettingsError` if a file is named twice: each of its texts would be told to overlap."""
    seen: set[str] = set()
    for path in paths:
        real = os.path.realpath(path)
        if real in seen:
            raise SettingsError(
                f"{os.fspath(path)}: is given twice", hint="name train, validation and test, each once"
            )
        seen.add(real)


def _run(
    files: Sequence[tuple[str | os.PathLike[str], str]],
    setting: Setting,
    options: CheckOptions,
    rules: Sequence[Rule],
    advance: Callable[[int], object],
) -> list[Part]:
    """Let every rule see every batch of every file; files come with their roles."""
    parts: list[Part] = []
    for path, role in files:
        part = open_part(path, role, setting, options)
        parts.append(part)
        try:
            for rule in rules:
                rule.begin(part)
            for batch in part.batches():
                for rule in rules:
                    rule.batch(part, batch)
                advance(len(batch.lines))
            for rule in rules:
                rule.end_of(part)
        finally:
            part.close()
    for rule in rules:
        rule.end()
    return parts


SENT_IN_PARTS = "too_large"
"""An error that upload itself takes care of."""


def refuse_errors(
    path: str | os.PathLike[str],
    task: Task | None,
    *,
    role: str = ROLES[0],
    limit: int | None = EXAMPLE_LIMIT,
) -> None:
    """Raise a `DataError` with every error of a chat file: what a provider would refuse, or learn wrongly.

    Of the rules, that of the fewest examples holds for a file to train on only. `limit` are the tokens that
    an example may have, None being any number.
    """
    log = FindingLog()
    setting = Setting(task, log, token_counter(mode="estimate"), limit)
    _run([(path, role)], setting, _DEFAULTS, [rule(setting) for rule in REFUSALS], lambda _: None)
    errors = [finding for finding in log.findings if _refused(finding.code)]
    if errors:
        total = sum(number for (_, code), number in log.counts.items() if _refused(code))
        hint = "a chat file is what `labeltune convert DATA` writes; nothing was sent"
        if len({finding.code for finding in errors}) == 1:
            advice = CATALOGUE[errors[0].code].advice.replace("FILE", pasted(path))
            hint = f"{advice} Nothing was sent."
        raise DataError.of(errors, total=total, hint=hint)


def _refused(code: str) -> bool:
    return CATALOGUE[code].severity == "error" and code != SENT_IN_PARTS
