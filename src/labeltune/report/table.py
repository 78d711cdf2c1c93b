"""The table that everybody knows: the text of scikit-learn's `classification_report`."""

from __future__ import annotations

from typing import TYPE_CHECKING, SupportsFloat

if TYPE_CHECKING:
    from collections.abc import Iterable

    from labeltune.metrics.quality import FieldQuality

__all__ = ["classification_table"]

_HEADERS = ("precision", "recall", "f1-score", "support")
_LAST_HEADING = "weighted avg"


def classification_table(field: FieldQuality) -> str:
    """The table of one field, as `classification_report(…, target_names=labels, zero_division=0)` writes it.

    A single field ends with its accuracy. Where answers were invalid, scikit-learn, which then sees a class
    without a name, writes the micro average there; this is still the accuracy, with those rows as wrong.
    """
    labels, scores = field.shape.labels, field.scores
    width = max(len(_LAST_HEADING), *(len(label) for label in labels))
    support = int(scores.support.sum())
    head = f"{'':>{width}s} " + "".join(f" {header:>9}" for header in _HEADERS)
    lines = [head, ""]
    for place, label in enumerate(labels):
        figures = (scores.precision[place], scores.recall[place], scores.f1[place])
        lines.append(_line(label, figures, int(scores.support[place]), width))
    lines.append("")
    for name, average in field.averages.items():
        if field.shape.single and name == "samples":
            continue
        if field.shape.single and name == "micro":
            accuracy = field.metrics["accuracy"]
            lines.append(f"{'accuracy':>{width}s}  {'':>9} {'':>9} {accuracy:>9.2f} {support:>9}")
            continue
        figures = (average.precision, average.recall, average.f1)
        lines.append(_line(f"{name} avg", figures, support, width))
    return "\n".join(lines) + "\n"


def _line(name: str, figures: Iterable[SupportsFloat], support: int, width: int) -> str:
    return f"{name:>{width}s} " + "".join(f" {float(figure):>9.2f}" for figure in figures) + f" {support:>9}"
