"""What was found, as text for people: grouped by file and code, then tokens and cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labeltune.prepare.check.catalogue import CATALOGUE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from labeltune.errors import Finding
    from labeltune.prepare.check import Checked

__all__ = ["SHOWN", "format_checked"]

SHOWN = {"error": 20, "warning": 5, "info": 3}
"""How many findings of one code in one file are shown, by severity."""

_GAP = "   "


def format_checked(checked: Checked, *, every: bool = False) -> str:
    """All that was found, the worst first, each code's advice once; then tokens and cost.

    `every` shows all findings that were kept.
    """
    parts = [*_findings(checked, every=every), _tokens(checked), *_cost(checked)]
    return "\n\n".join(parts)


def _findings(checked: Checked, *, every: bool) -> Iterator[str]:
    by_code: dict[str, dict[str, list[Finding]]] = {}
    for finding in checked.findings:
        by_code.setdefault(finding.code, {}).setdefault(finding.where.file, []).append(finding)
    rank = list(SHOWN)
    for code in sorted(by_code, key=lambda code: (rank.index(CATALOGUE[code].severity), _order(code))):
        kind = CATALOGUE[code]
        lines = []
        for file, findings in by_code[code].items():
            shown = findings if every else findings[: SHOWN[kind.severity]]
            lines += [f"{finding.where}: {kind.severity} {code}: {finding.message}" for finding in shown]
            rest = checked.counts[file, code] - len(shown)
            if rest:
                lines.append(f"{file}: … and {rest:,} more {code}")
        yield "\n".join([*lines, f"→ {kind.advice}"])


def _order(code: str) -> int:
    return list(CATALOGUE).index(code)


def _tokens(checked: Checked) -> str:
    counted = "tokens, estimated" if any(file.estimated for file in checked.tokens.values()) else "tokens"
    rows = [
        (name, checked.roles[name], f"{file.records:,}", f"{file.tokens:,}")
        for name, file in checked.tokens.items()
    ]
    return _table(("file", "part", "records", counted), rows, left=2)


def _cost(checked: Checked) -> Iterator[str]:
    estimated = any(file.estimated for file in checked.tokens.values())
    about = "cost in USD, estimated" if estimated else "cost in USD"
    rows = [
        (
            name,
            "–" if cost.epochs is None else str(cost.epochs),
            _usd(cost.training_usd),
            _usd(cost.thousand_predictions_usd),
            _usd(cost.thousand_predictions_batch_usd),
            "not known" if cost.priced is None else cost.priced or "your own",
        )
        for name, cost in checked.cost.items()
    ]
    if rows:
        header = (about, "epochs", "training", "1,000 predictions", "as a batch", "price read")
        yield _table(header, rows, left=1)


def _usd(amount: float | None) -> str:
    if amount is None:
        return "–"
    if amount == 0 or amount >= 1:
        return f"{amount:,.2f}"
    return f"{amount:.2g}" if amount < 0.01 else f"{amount:.3f}"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]], *, left: int) -> str:
    """Columns side by side: the first `left` of them begin at the left, the others end at the right."""
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]
    lines = []
    for row in (header, *rows):
        cells = [
            f"{cell:<{width}}" if column < left else f"{cell:>{width}}"
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append(_GAP.join(cells).rstrip())
    return "\n".join(lines)
