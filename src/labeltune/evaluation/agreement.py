"""How far people agree on the labels of the same texts: the use case behind `labeltune agreement`."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from labeltune.errors import SettingsError, did_you_mean
from labeltune.evaluation.answers_of_people import read_answers
from labeltune.evaluation.gates import check_gate
from labeltune.evaluation.metrics.agreement import (
    MISSING,
    alphas_of_labels,
    compare_pair,
    krippendorff_alpha,
    percent_agreement,
)
from labeltune.evaluation.output_paths import check_outputs
from labeltune.evaluation.report.agreement import Agreement, FieldAgreement
from labeltune.files.tables import table_writer
from labeltune.task import NOTHING_TOLD, ReadOptions

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from labeltune.evaluation.answers_of_people import Answers, By
    from labeltune.evaluation.gates import Figure, Gate
    from labeltune.evaluation.report.model import GateResult
    from labeltune.task import Field, Task

__all__ = ["AgreementOptions", "measure_agreement"]

BOOTSTRAP, SEED = 1000, 42


@dataclass(frozen=True, slots=True, kw_only=True)
class AgreementOptions:
    """What is asked for besides the figures."""

    by: By | None = None
    """What ties the answers to one text: its id or itself; by default the id where all rows have one."""
    output: str | None = None
    """where the texts on which people differ are written"""
    bootstrap: int = BOOTSTRAP
    seed: int = SEED
    gates: tuple[Gate, ...] = ()
    read: ReadOptions = NOTHING_TOLD


def measure_agreement(
    paths: Sequence[str], task: Task | None = None, options: AgreementOptions | None = None
) -> Agreement:
    """Measure how far the people agree whose answers stand in these tables.

    One table for each person, or any number with a column `annotator`. Without a task, the columns are taken
    as `init` would. Raises `DataError` for rows that hold no label, and where no text was labelled by two
    people; `SettingsError` for two people of one name, and a gate on what is not measured.
    """
    options = options or AgreementOptions()
    check_outputs([*paths, None if task is None else task.source], [options.output])
    answers = read_answers(paths, task, by=options.by, read=options.read)
    fields = tuple(_field(answers, place, options) for place in range(len(answers.fields)))
    gates = _gates(options.gates, fields)
    differing = [unit for unit in range(len(answers.units)) if _differs(answers, unit)]
    if options.output is not None:
        _write(options.output, answers, differing)
    return Agreement(
        people={name: len(own) for name, own in answers.given.items()},
        texts=len(answers.units),
        shared=answers.shared,
        by=answers.by,
        fields=fields,
        differing=len(differing),
        output=options.output,
        gates=gates,
        notes=tuple(answers.notes),
        warnings=tuple(answers.warnings),
    )


# ---------------------------------------------------------------------------------------------- the figures


def _field(answers: Answers, place: int, options: AgreementOptions) -> FieldAgreement:
    field_ = answers.fields[place]
    codes, sets = _codes(answers, place)
    counts = np.stack([(codes == code).sum(axis=0) for code in range(len(sets))], axis=1).astype(np.int64)
    members = np.array([[label in found for label in field_.labels] for found in sets], dtype=np.int64)
    given, answered = counts @ members, counts.sum(axis=1)
    drawing = {"bootstrap": options.bootstrap, "seed": options.seed}
    people = [*answers.given]
    return FieldAgreement(
        name=field_.name,
        type=field_.type,
        texts=int((answered > 1).sum()),
        percent=percent_agreement(counts),
        alpha=krippendorff_alpha(counts, **drawing),
        pairs={
            (people[one], people[other]): compare_pair(codes[one], codes[other])
            for one, other in combinations(range(len(people)), 2)
        },
        labels=dict(zip(field_.labels, alphas_of_labels(given, answered, **drawing), strict=True)),
        given=dict(zip(field_.labels, map(int, given.sum(axis=0)), strict=True)),
    )


def _codes(answers: Answers, place: int) -> tuple[NDArray[np.int64], list[tuple[str, ...]]]:
    """The answers to one field as codes (n_people, n_units), and what they mean."""
    known: dict[tuple[str, ...], int] = {}
    codes = np.full((len(answers.given), len(answers.units)), MISSING, dtype=np.int64)
    for person, own in enumerate(answers.given.values()):
        for unit, labels in own.items():
            found = labels[place]
            if found is not None:
                codes[person, unit] = known.setdefault(found, len(known))
    return codes, list(known)


# -------------------------------------------------------------------------------------------------- gates


def _gates(gates: Sequence[Gate], fields: Sequence[FieldAgreement]) -> tuple[GateResult, ...]:
    known = dict(_figures(fields)) if gates else {}
    for gate in gates:
        if gate.name not in known:
            raise SettingsError(
                f'--fail-{gate.side}: "{gate.name}" is not measured here{did_you_mean(gate.name, known)}',
                hint="a gate names alpha, kappa or percent, which are the lowest of several fields; "
                "FIELD.alpha and so on; or FIELD.LABEL.alpha",
            )
    return tuple(check_gate(gate, known[gate.name]) for gate in gates)


def _figures(fields: Sequence[FieldAgreement]) -> Iterator[tuple[str, Figure]]:
    """Everything that a gate can name. Of several fields and pairs, a bare name is the lowest."""
    lowest: dict[str, Figure] = {}
    for one in fields:
        kappas = [pair.kappa for pair in one.pairs.values() if pair.kappa is not None]
        own: dict[str, Figure] = {}
        if one.alpha.value is not None:
            own["alpha"] = one.alpha.value, one.alpha.interval
        if one.percent is not None:
            own["percent"] = one.percent, None
        if kappas:
            own["kappa"] = min(kappas), None
        for name, figure in own.items():
            yield f"{one.name}.{name}", figure
            lowest[name] = min(lowest.get(name, figure), figure, key=lambda each: each[0])
        for label, alpha in one.labels.items():
            if alpha.value is not None:
                yield f"{one.name}.{label}.alpha", (alpha.value, alpha.interval)
    yield from lowest.items()


# -------------------------------------------------------------------------------------------- disagreements


def _differs(answers: Answers, unit: int) -> bool:
    said = [own[unit] for own in answers.given.values() if unit in own]
    return any(len({labels[place] for labels in said} - {None}) > 1 for place in range(len(answers.fields)))


def _write(path: str, answers: Answers, units: Sequence[int]) -> None:
    """The texts on which people differ, with a column for each field and person."""
    columns = [f"{field_.name}: {person}" for field_ in answers.fields for person in answers.given]
    with table_writer(path, (answers.by, *(["text"] if answers.by != "text" else []), *columns)) as write:
        for unit in units:
            key, text = answers.units[unit]
            cells = [
                _cell(field_, own.get(unit), place)
                for place, field_ in enumerate(answers.fields)
                for own in answers.given.values()
            ]
            write([*([key] if answers.by != "text" else []), text, *cells])


def _cell(field_: Field, labels: Sequence[tuple[str, ...] | None] | None, place: int) -> str:
    found = None if labels is None else labels[place]
    if found is None:
        return ""
    return "|".join(found) if found or field_.type == "single" else "(none)"
