"""How far people agree, as text and as a JSON document."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from labeltune.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from labeltune.evaluation.metrics.agreement import Alpha, Pair
    from labeltune.evaluation.report.model import GateResult

__all__ = ["Agreement", "FieldAgreement", "agreement_document", "format_agreement"]

_RELIABLE, _TENTATIVE = 0.8, 0.667
"""Krippendorff 2004 (Content Analysis, 2nd ed., p. 241): from the first on data may be relied on, from the
second on for tentative conclusions."""


@dataclass(frozen=True, slots=True)
class FieldAgreement:
    """How far people agree on one field. A multi field's answer is the set of its labels, all or nothing."""

    name: str
    type: str
    texts: int
    """those that at least two people answered"""
    percent: float | None
    alpha: Alpha
    pairs: Mapping[tuple[str, str], Pair]
    labels: Mapping[str, Alpha]
    """for each label whether it was given or not"""
    given: Mapping[str, int]
    """how often each label was given"""


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far people agree."""

    people: Mapping[str, int]
    """how many texts each labelled"""
    texts: int
    shared: int
    """texts that at least two people labelled"""
    by: str
    fields: tuple[FieldAgreement, ...]
    differing: int
    """texts on which people differ in any field"""
    output: str | None
    gates: tuple[GateResult, ...]
    notes: tuple[str, ...]
    warnings: tuple[str, ...] = field(default=())


def agreement_document(done: Agreement) -> dict[str, Any]:
    """What `labeltune agreement --json` prints. Figures that cannot be told are null."""
    return {
        "people": dict(done.people),
        "texts": done.texts,
        "shared": done.shared,
        "by": done.by,
        "fields": {one.name: _field_document(one) for one in done.fields},
        "differing": done.differing,
        "output": done.output,
        "gates": [asdict(gate) for gate in done.gates],
        "warnings": list(done.warnings),
    }


def _field_document(one: FieldAgreement) -> dict[str, Any]:
    return {
        "type": one.type,
        "texts": one.texts,
        "percent": one.percent,
        **_alpha_document(one.alpha),
        "pairs": [{"people": list(people), **asdict(pair)} for people, pair in one.pairs.items()],
        "labels": {
            label: {"given": one.given[label], **_alpha_document(alpha)}
            for label, alpha in one.labels.items()
        },
    }


def _alpha_document(alpha: Alpha) -> dict[str, Any]:
    interval = None if alpha.interval is None else asdict(alpha.interval)
    return {"alpha": alpha.value, "alpha_interval": interval}


def format_agreement(done: Agreement) -> str:
    """The figures as lines of text."""
    people = ", ".join(f"{name} ({texts:,})" for name, texts in done.people.items())
    lines = [f"{counted(len(done.people), 'person', 'people')}: {people}"]
    lines.append(
        f"{done.shared:,} of {counted(done.texts, 'text')} labelled by at least two, joined by {done.by}"
    )
    for one in done.fields:
        lines += ["", *_field_lines(one)]
    return "\n".join(lines)


def _field_lines(one: FieldAgreement) -> Iterator[str]:
    what = "one label" if one.type == "single" else "a set of labels, all or nothing"
    yield f"{one.name} ({what}; {counted(one.texts, 'text')})"
    yield f"  agreement            {_figure(one.percent)}"
    yield f"  Krippendorff's alpha {_with_interval(one.alpha)}{_verdict(one.alpha)}"
    width = max((len(f"{a} and {b}") for a, b in one.pairs), default=0)
    yield f"  {'pair'.ljust(width)}  texts  agreement  Cohen's kappa"
    for (first, second), pair in one.pairs.items():
        name = f"{first} and {second}".ljust(width)
        yield f"  {name}  {pair.units:>5,}  {_figure(pair.percent):>9}  {_figure(pair.kappa):>13}"
    width = max((len(label) for label in one.labels), default=0)
    yield f"  {'label'.ljust(width)}  given  alpha"
    for label, alpha in one.labels.items():
        yield f"  {label.ljust(width)}  {one.given[label]:>5,}  {_with_interval(alpha)}"


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _with_interval(alpha: Alpha) -> str:
    if alpha.interval is None:
        return _figure(alpha.value)
    return f"{_figure(alpha.value)} ({alpha.interval.low:.3f} to {alpha.interval.high:.3f})"


def _verdict(alpha: Alpha) -> str:
    if alpha.value is None:
        return ": only one answer was given, so there is no chance to measure against"
    if alpha.value >= _RELIABLE:
        return ": reliable"
    return ": enough for tentative conclusions" if alpha.value >= _TENTATIVE else ": too low to rely on"
