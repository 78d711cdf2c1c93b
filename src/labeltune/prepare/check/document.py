"""What was found, as the JSON document that the contract promises."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from labeltune.prepare.check import Checked
    from labeltune.prepare.check.fix import Fixed

__all__ = ["check_document"]


def check_document(checked: Checked, fixed: Fixed | None = None) -> dict[str, Any]:
    """Findings, of which `counts` has the number of all, tokens by file, cost by model."""
    counts: dict[str, dict[str, int]] = {}
    for (file, code), number in checked.counts.items():
        counts.setdefault(file, {})[code] = number
    document: dict[str, Any] = {
        "findings": [
            {
                "code": finding.code,
                "severity": finding.severity,
                "message": finding.message,
                "where": {"file": finding.where.file, "line": finding.where.line},
            }
            for finding in checked.findings
        ],
        "counts": counts,
        "tokens": {
            name: {"records": file.records, "tokens": file.tokens, "estimated": file.estimated}
            for name, file in checked.tokens.items()
        },
        "cost": {name: asdict(cost) for name, cost in checked.cost.items()},
    }
    if fixed is not None:
        document["fixed"] = asdict(fixed)
    return document
