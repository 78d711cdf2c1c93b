"""What can go wrong, said once: one root, and on each class the exit code that the contract promises.

    LabeltuneError
    ├── SettingsError      2   usage, task file, settings
    ├── AccessError        4   key or permission; the provider takes no such job or has no such model
    ├── TemporaryError     5   run it again later
    ├── BudgetError        6   budget or quota used up
    ├── DataError          7   input data refused
    │   ├── TrainingRefusedError  an engine can learn nothing from the examples
    │   └── ModelDamagedError     a saved model whose bytes are not what was saved
    ├── DiskError          8   the local disk: full, read-only, no permission
    ├── ConflictError      9   locked, or changed since the run began
    ├── RemoteError       10   a remote file, job or batch did not succeed
    └── GateError         11   a quality gate was not met

Anything else that escapes is a bug of ours, keeps its traceback and exits with 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, ClassVar, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = [
    "AccessError",
    "BudgetError",
    "ConflictError",
    "DataError",
    "DiskError",
    "ExitCode",
    "Finding",
    "GateError",
    "LabeltuneError",
    "ModelDamagedError",
    "MovedError",
    "NoListError",
    "RemoteError",
    "SettingsError",
    "Severity",
    "TemporaryError",
    "TrainingRefusedError",
    "Where",
    "did_you_mean",
]

SHOWN_FINDINGS = 20
"""How many findings of one file are shown before the rest is only counted."""


class ExitCode(IntEnum):
    """The exit codes of every command."""

    OK = 0
    BUG = 1
    SETTINGS = 2
    INVALID_ANSWERS = 3
    ACCESS = 4
    TEMPORARY = 5
    BUDGET = 6
    DATA = 7
    DISK = 8
    CONFLICT = 9
    REMOTE = 10
    GATE = 11
    SIGHUP = 129
    SIGINT = 130
    CLOSED_PIPE = 141
    SIGTERM = 143


Severity = Literal["error", "warning", "info"]


@dataclass(frozen=True, slots=True)
class Where:
    """A place in a file; `line` counts from 1 and is None for the whole file."""

    file: str
    line: int | None = None

    def __str__(self) -> str:
        return self.file if self.line is None else f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something noticed about data: a stable code, how bad it is, a sentence, and where."""

    code: str
    severity: Severity
    message: str
    where: Where

    def __str__(self) -> str:
        return f"{self.where}: {self.message}"


def did_you_mean(word: str, candidates: Iterable[str]) -> str:
    """` (did you mean "refund"?)` if one of the candidates is near the word, else the empty string."""
    import difflib

    by_fold = {candidate.strip().casefold(): candidate for candidate in candidates}
    near = difflib.get_close_matches(word.strip().casefold(), by_fold, n=1)
    return f' (did you mean "{by_fold[near[0]]}"?)' if near else ""


class LabeltuneError(Exception):
    """The root of all errors that labeltune raises on purpose.

    `str(error)` says where, what and what was expected; `hint` says what to do next.
    """

    exit_code: ClassVar[ExitCode] = ExitCode.BUG

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class SettingsError(LabeltuneError):
    """Usage, task file or settings are wrong."""

    exit_code = ExitCode.SETTINGS


class AccessError(LabeltuneError):
    """No key, no permission, no such model, or the provider takes no such job."""

    exit_code = ExitCode.ACCESS


class TemporaryError(LabeltuneError):
    """The same command may succeed later."""

    exit_code = ExitCode.TEMPORARY


class MovedError(TemporaryError):
    """The server sends its callers elsewhere: to ask it again at once changes nothing."""


class NoListError(TemporaryError):
    """An object came where a list was asked for: a server may have no such list."""


class BudgetError(LabeltuneError):
    """The budget given, or the provider's quota, is used up."""

    exit_code = ExitCode.BUDGET


class DataError(LabeltuneError):
    """Input data is refused. `findings` holds every one of them, the message shows the first ones."""

    exit_code = ExitCode.DATA

    def __init__(self, message: str, *, hint: str | None = None, findings: Sequence[Finding] = ()) -> None:
        super().__init__(message, hint=hint)
        self.findings = tuple(findings)

    def say_before(self, lines: Iterable[str]) -> None:
        """Put lines that may be the cause before the message, those that it does not hold yet."""
        message = str(self)
        said = [line for line in lines if line not in message]
        self.args = ("\n".join([*said, message]),)

    @classmethod
    def of(
        cls, findings: Sequence[Finding], *, total: int | None = None, hint: str | None = None
    ) -> DataError:
        """An error that shows the first findings and the number of the rest.

        `total` is their number where only some were kept.
        """
        shown = [str(finding) for finding in findings[:SHOWN_FINDINGS]]
        rest = (len(findings) if total is None else total) - len(shown)
        if rest > 0:
            shown.append(f"… and {rest:,} more")
        return cls("\n".join(shown), hint=hint, findings=findings)


class TrainingRefusedError(DataError):
    """An engine can learn nothing from these examples; the message names the reason."""


class ModelDamagedError(DataError):
    """The bytes of a saved model are not those that were saved."""


class DiskError(LabeltuneError):
    """The local disk is full, read-only, or may not be written."""

    exit_code = ExitCode.DISK


class ConflictError(LabeltuneError):
    """Another process holds the run, or its input or settings changed since it began."""

    exit_code = ExitCode.CONFLICT


class RemoteError(LabeltuneError):
    """A remote file, job or batch did not succeed, or is not known."""

    exit_code = ExitCode.REMOTE


class GateError(LabeltuneError):
    """A quality gate was not met."""

    exit_code = ExitCode.GATE
