"""The table that everybody knows: the text of scikit-learn's `classification_report`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, SupportsFloat, SupportsInt

if TYPE_CHECKING:
    from collections.abc import Iterable

    from labeltune.evaluation.metrics.quality import FieldQuality

__all__ = [
    "HEADERS",
    "UNANSWERED",
    "Line",
    "average_lines",
    "classification_table",
    "confusions",
    "label_lines",
    "worst_first",
]

HEADERS = ("precision", "recall", "f1-score", "support")
UNANSWERED = "no valid answer"
_LAST_HEADING = "weighted avg"


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the table, its figures as they are printed; the accuracy has no precision and no recall."""

    name: str
    precision: str
    recall: str
    f1: str
    support: str


def classification_table(field: FieldQuality) -> str:
    """The table of one field, as `classification_report(…, target_names=labels, zero_division=0)` writes it.

    A single field ends with its accuracy. Where answers were invalid, scikit-learn, which then sees a class
    without a name, writes the micro average there; this is still the accuracy, with those rows as wrong.
    """
    width = max(len(_LAST_HEADING), *(len(label) for label in field.shape.labels))
    head = f"{'':>{width}s} " + "".join(f" {header:>9}" for header in HEADERS)
    lines = [_laid_out(line, width) for line in label_lines(field)]
    averages = [_laid_out(line, width) for line in average_lines(field)]
    return "\n".join([head, "", *lines, "", *averages]) + "\n"


def _laid_out(line: Line, width: int) -> str:
    figures = (line.precision, line.recall, line.f1, line.support)
    return f"{line.name:>{width}s} " + "".join(f" {figure:>9}" for figure in figures)


def label_lines(field: FieldQuality) -> list[Line]:
    """A line for each label, in task order."""
    scores = field.scores
    return [
        _line(label, (scores.precision[place], scores.recall[place], scores.f1[place]), scores.support[place])
        for place, label in enumerate(field.shape.labels)
    ]


def average_lines(field: FieldQuality) -> list[Line]:
    """The lines below them: averages, and for a single field the accuracy."""
    support = field.scores.support.sum()
    lines = []
    for name, average in field.averages.items():
        if field.shape.single and name == "samples":
            continue
        if field.shape.single and name == "micro":
            lines.append(Line("accuracy", "", "", f"{field.metrics['accuracy']:.2f}", str(int(support))))
            continue
        lines.append(_line(f"{name} avg", (average.precision, average.recall, average.f1), support))
    return lines


def _line(name: str, figures: Iterable[SupportsFloat], support: SupportsInt) -> Line:
    precision, recall, f1 = (f"{float(figure):.2f}" for figure in figures)
    return Line(name, precision, recall, f1, str(int(support)))


def worst_first(field: FieldQuality) -> list[int]:
    """The places of the labels: the lowest F1 first; of equal ones that on more rows, then in task order."""
    f1, support = field.scores.f1, field.scores.support
    return sorted(range(len(f1)), key=lambda place: (float(f1[place]), -int(support[place]), place))


def confusions(field: FieldQuality) -> list[tuple[str, str, int]]:
    """What is taken for what in a single field, the commonest first: true, predicted, rows."""
    if not field.shape.single:
        return []
    names = (*field.shape.labels, UNANSWERED)
    found = [
        (names[row], names[column], int(field.confusion[row, column]))
        for row, column in zip(*field.confusion.nonzero(), strict=True)
        if row != column
    ]
    return sorted(found, key=lambda one: -one[2])
