"""Why a provider refused a batch whole, in terms of the table that it was made from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labeltune.errors import (
    AccessError,
    BudgetError,
    DataError,
    Finding,
    LabeltuneError,
    ModelDamagedError,
    RemoteError,
    Where,
)
from labeltune.prediction.replies import MODEL_DAMAGED
from labeltune.providers.failures import QUOTA_CODES, redact
from labeltune.providers.lenient import fields_of, whole_number
from labeltune.providers.refusals import refusal_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from openai.types import Batch, BatchError

    from labeltune.prediction.journal import Journal
    from labeltune.prediction.plan import Asking

__all__ = ["errors_of", "failure_of"]

_BROKEN = frozenset({"server_error", "internal_error", "disk_full", "worker_died"})
"""Codes that say nothing about what was sent."""


def errors_of(remote: Batch) -> list[BatchError]:
    """Why a batch failed, in the protocol's form; also where a server sends a bare list, or words."""
    from openai import BaseModel
    from openai.types import BatchError

    listed = getattr(remote.errors, "data", remote.errors)
    errors = []
    for item in listed if isinstance(listed, list) else [listed]:
        document = item.model_dump(warnings=False) if isinstance(item, BaseModel) else item
        found = refusal_in(document)
        if found:
            line = whole_number(fields_of(document).get("line"))
            code = found.get("code")
            errors.append(
                BatchError(code=None if code is None else str(code), message=found.get("message"), line=line)
            )
    return errors


def failure_of(
    plan: Asking,
    journal: Journal,
    batch: str,
    errors: Sequence[BatchError],
    named: Mapping[int, bytes],
) -> LabeltuneError:
    """The error for a batch that failed; `named` are the requests on the lines that its errors name.

    `DataError` with the lines of the table for what is wrong with requests, `BudgetError` for a used-up
    quota, `AccessError` for an unknown model, `RemoteError` where the provider broke down.
    """
    codes = {error.code or "" for error in errors}
    said = "; ".join(redact(f"{error.message} [{error.code}]") for error in errors[:3])
    said = f"{batch} failed, nothing was billed: {said or 'the provider does not say why'}"
    if codes & QUOTA_CODES:
        return BudgetError(said, hint="top up, then run the same command again")
    if MODEL_DAMAGED in codes:
        return ModelDamagedError(said, hint="train it again, or bring its files back from a copy")
    if not errors or codes & _BROKEN:
        return RemoteError(said, hint="run the same command again: it creates the batch anew")
    if any("model" in code for code in codes):
        return AccessError(said, hint="see: labeltune models list")
    findings = [*_findings(plan, journal, batch, errors, named)]
    return DataError.of(
        findings, hint=f"{batch} failed, nothing was billed; mend the rows, then run it again"
    )


def _findings(
    plan: Asking,
    journal: Journal,
    batch: str,
    errors: Sequence[BatchError],
    named: Mapping[int, bytes],
) -> Iterator[Finding]:
    """What is wrong, in the order of the errors; with the line of the table where that is known."""
    positions: dict[int, int] = {}
    for number, digest in named.items():
        request = journal.find(digest)
        rows = journal.positions_of(plan.name, request) if request is not None else []
        if rows:
            positions[number] = rows[0]
    places = plan.places_at(positions.values())
    for error in errors:
        where = Where(batch, error.line)
        if error.line in positions:
            where = places[positions[error.line]]
        yield Finding(error.code or "batch_failed", "error", redact(error.message or "is refused"), where)
