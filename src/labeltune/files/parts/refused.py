"""What a run over parts ends with if some of them were no good."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labeltune.errors import DataError
from labeltune.wording import counted

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["raise_refused"]

_SHOWN = 10


def raise_refused(refused: Mapping[str, DataError], of: int, *, hint: str) -> None:
    """Raise a `DataError` with what is wrong with each of the parts that were refused, if any were."""
    if not refused:
        return
    shown = [str(error) for error in [*refused.values()][:_SHOWN]]
    rest = len(refused) - len(shown)
    shown += [f"… and {counted(rest, 'part')} more"] if rest > 0 else []
    findings = [finding for error in refused.values() for finding in error.findings]
    message = "\n".join([f"{len(refused):,} of {counted(of, 'part was', 'parts were')} refused:", *shown])
    raise DataError(message, findings=findings, hint=hint)
