"""The file of thresholds: from which probability on a label is predicted, below which confidence an answer is
unsure, and which data say so.
"""

from __future__ import annotations

import json
import math
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labeltune.errors import SettingsError, did_you_mean
from labeltune.files.unsure import Unsure, has_single
from labeltune.files.writing import atomic_write

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from labeltune.task import Field, Task
    from labeltune.task.labels import Labels

__all__ = ["Thresholds", "TunedOn", "choose_labels", "read_thresholds", "row_sample", "write_thresholds"]

VERSION = 1
SAMPLE = 256
"""How many of the tuning rows' digests a file keeps, to recognise the rows again."""


@dataclass(frozen=True, slots=True)
class TunedOn:
    """The data that thresholds were chosen on."""

    name: str
    sha256: str
    rows: int
    sample: tuple[str, ...]
    """digests of some of the rows' texts, as `row_sample` picks them"""

    def overlap(self, digests: Iterable[int]) -> float:
        """Which share of the tuning texts is also among these rows, estimated from the sample."""
        seen = {_hexadecimal(digest) for digest in set(digests)}
        return sum(digest in seen for digest in self.sample) / len(self.sample) if self.sample else 0.0


@dataclass(frozen=True, slots=True)
class Thresholds:
    """For each multi field the threshold of each of its labels, `inf`: never predicted; and the limit of
    single fields, if one was chosen.
    """

    objective: str
    tuned_on: TunedOn
    fields: Mapping[str, Mapping[str, float]]
    unsure: Unsure | None = None

    def apply(
        self, task: Task, answered: NDArray[np.bool_], probabilities: NDArray[np.float64]
    ) -> NDArray[np.bool_]:
        """What is predicted instead of what was answered, for probabilities; all are (n_rows, n_labels).

        A single field keeps its answer, and so does a row that lacks one of its probabilities (NaN).
        """
        import numpy as np

        predicted = answered.copy()
        given = ~np.isnan(probabilities).any(axis=1)
        for name, own in self.fields.items():
            part = task.slices[name]
            levels = [own[label] for label in task.field(name).labels]
            predicted[given, part] = probabilities[given, part] >= levels
        return predicted


def choose_labels(
    thresholds: Thresholds, task: Task, answered: Labels, shares: Sequence[float | None]
) -> Labels:
    """The labels of one row for the probability of each label, length n_labels.

    A field keeps its answer where it is single, or the probability of one of its labels is not known.
    """

    def chosen(field: Field, found: tuple[str, ...]) -> tuple[str, ...]:
        own = thresholds.fields.get(field.name)
        part = shares[task.slices[field.name]]
        known = [share for share in part if share is not None]
        if own is None or len(known) < len(part):
            return found
        return tuple(label for label, share in zip(field.labels, known, strict=True) if share >= own[label])

    return tuple(chosen(field, found) for field, found in zip(task.fields, answered, strict=True))


def row_sample(digests: Iterable[int]) -> tuple[str, ...]:
    """The smallest of the rows' digests: always the same ones of the same rows, whatever file they are in."""
    return tuple(sorted(_hexadecimal(digest) for digest in set(digests))[:SAMPLE])


def _hexadecimal(digest: int) -> str:
    return f"{digest & 0xFFFFFFFFFFFFFFFF:016x}"


def write_thresholds(path: str | os.PathLike[str], thresholds: Thresholds) -> None:
    """Write the file; `-` is standard output. Raises `DiskError`."""
    tuned_on = thresholds.tuned_on
    lines = [
        f"version = {VERSION}",
        f"objective = {_string(thresholds.objective)}",
        "",
        "[tuned_on]",
        f"file = {_string(tuned_on.name)}",
        f"sha256 = {_string(tuned_on.sha256)}",
        f"rows = {tuned_on.rows}",
        "# Digests of some of the rows, by which evaluate knows them again.",
        "sample = [",
        *(f"  {_string(digest)}," for digest in tuned_on.sample),
        "]",
    ]
    if (unsure := thresholds.unsure) is not None:
        lines += [
            "",
            "# Below this, an answer is unsure; with this probability the others are this accurate.",
            "[unsure]",
            f"below = {_number(unsure.below)}",
            f"accuracy = {_number(unsure.accuracy)}",
            f"probability = {_number(unsure.probability)}",
        ]
    for name, labels in thresholds.fields.items():
        lines += ["", f"[field.{_string(name)}]"]
        lines += [f"{_string(label)} = {_number(share)}" for label, share in labels.items()]
    with atomic_write(path) as handle:
        handle.write(("\n".join(lines) + "\n").encode("utf-8", "replace"))


def _string(text: str) -> str:
    # A basic string of TOML takes the escapes of JSON, and DEL besides.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _number(share: float) -> str:
    return "inf" if math.isinf(share) else repr(float(share))


def read_thresholds(path: str | os.PathLike[str], task: Task) -> Thresholds:
    """Read thresholds for this task.

    Raises `SettingsError` for a file that is missing or broken, and where its fields and labels are not the
    task's.
    """
    name = str(path)
    try:
        document = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(
            f"{name}: cannot be read: {error.strerror}",
            hint=f"labeltune thresholds VALIDATION_PREDICTIONS -o {name} makes it",
        ) from error
    except ValueError as error:  # not UTF-8, or not TOML
        raise SettingsError(f"{name}: not valid TOML: {error}") from error
    if document.get("version") != VERSION:
        raise SettingsError(f"{name}: this labeltune reads thresholds of version = {VERSION}")
    try:
        data = document["tuned_on"]
        tuned_on = TunedOn(
            name=str(data["file"]),
            sha256=str(data["sha256"]),
            rows=int(data["rows"]),
            sample=tuple(str(digest) for digest in data["sample"]),
        )
        fields = {str(field): dict(labels) for field, labels in document.get("field", {}).items()}
        objective = str(document["objective"])
        unsure = Unsure.of(document["unsure"]) if "unsure" in document else None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise SettingsError(
            f"{name}: not as `thresholds` writes it: {error}", hint="make it again"
        ) from error
    if unsure is not None and not has_single(task):
        raise SettingsError(f"{name}: [unsure] is about single fields, and the task has none")
    _check_labels(name, fields, task)
    if unsure is None and not fields:
        raise SettingsError(
            f"{name}: neither [unsure] nor thresholds of labels", hint="make the thresholds again"
        )
    return Thresholds(objective, tuned_on, fields, unsure)


def _check_labels(name: str, fields: Mapping[str, Mapping[str, Any]], task: Task) -> None:
    wanted = {field.name: field.labels for field in task.fields if field.type == "multi"}
    for field, labels in fields.items():
        if field not in wanted:
            raise SettingsError(
                f'{name}: "{field}" is not a multi field of the task{did_you_mean(field, wanted)}'
            )
        for label, share in labels.items():
            if label not in wanted[field]:
                raise SettingsError(
                    f'{name}: label "{label}" is not in task.toml{did_you_mean(label, wanted[field])}'
                )
            if isinstance(share, bool) or not isinstance(share, int | float) or not share >= 0:
                raise SettingsError(f'{name}: the threshold of "{label}" is not a number from 0 on')
    for field, own in wanted.items():
        missing = [label for label in own if label not in fields.get(field, {})]
        if missing:
            raise SettingsError(
                f'{name}: no threshold for label "{missing[0]}" of field "{field}"',
                hint="the task has changed since; make the thresholds again",
            )
