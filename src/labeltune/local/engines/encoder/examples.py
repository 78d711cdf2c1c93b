"""What an encoder learns from: texts as windows of tokens, with what is to be answered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from labeltune.local.engines.common.formats import read_format
from labeltune.local.engines.common.learnable import check_answers, check_texts
from labeltune.local.engines.common.records import Template, content_of
from labeltune.local.engines.encoder.texts import MOST_WINDOWS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from labeltune.local.engines import Record
    from labeltune.local.engines.common.answers import AnswerFormat
    from labeltune.local.engines.encoder.texts import Windows

    Bools = NDArray[np.bool_]
    Floats = NDArray[np.float32]

__all__ = ["Example", "Readings", "held_out", "notes_on"]

_HELD_OUT, _MOST_HELD_OUT = 0.1, 1_000
_LEFT_OF_EACH = 4
"""So many examples of a label stay to learn from, whatever is held out."""
_LEAST_HELD_OUT = 20


@dataclass(frozen=True, slots=True)
class Example:
    """One text and its answer."""

    windows: list[list[int]]
    target: Bools
    """Shape (k,)."""
    weight: Floats | None = None
    """What each output's loss counts, shape (k,); None: 1."""

    @property
    def tokens(self) -> int:
        """Of all windows, as if each were as long as the longest."""
        return len(self.windows) * max(map(len, self.windows))


class Readings:
    """How the records of a training are read: without the prompt's fixed words, the answers as decisions."""

    def __init__(self, training: Sequence[Record]) -> None:
        """Raises `TrainingRefusedError` if there is nothing to learn."""
        answers = [content_of(record[-1]) for record in training]
        check_answers(answers)
        self.template = Template.of([record[:-1] for record in training])
        self.format: AnswerFormat = read_format(answers, self.template.declared_labels())
        texts, _ = self.of(training)
        check_texts(texts)

    def of(self, records: Sequence[Record]) -> tuple[list[str], Bools]:
        """Texts and targets (n, k) of those records whose answers fit the format."""
        targets, fits = self.format.targets([content_of(record[-1]) for record in records])
        texts = [
            self.template.text(record[:-1]) for record, fit in zip(records, fits.tolist(), strict=True) if fit
        ]
        return texts, targets[fits]


def held_out(targets: Bools, seed: int) -> list[int]:
    """Which training examples are kept for calibration where there is no validation file, rising.

    A tenth of them, 1,000 at the most; of every label at least four others stay to be learnt from. None at
    all if that leaves fewer than twenty. `targets`: bool (n, k).
    """
    left = targets.sum(axis=0)
    most = min(_MOST_HELD_OUT, round(_HELD_OUT * len(targets)))
    chosen: list[int] = []
    for number in np.random.default_rng([seed, 2]).permutation(len(targets)).tolist():
        if len(chosen) == most:
            break
        own = targets[number]
        if (left[own] > _LEFT_OF_EACH).all():
            left = left - own
            chosen.append(number)
    return sorted(chosen) if len(chosen) >= _LEAST_HELD_OUT else []


def notes_on(windows: Windows, examples: Sequence[Example], texts: Sequence[str]) -> list[str]:
    """What is to be told of long texts."""
    long = [number for number, example in enumerate(examples) if len(example.windows) > 1]
    if not long:
        return []
    told = (
        f"{len(long):,} of {len(examples):,} texts have more than {windows.size} tokens: they are read in "
        "windows, and the answer is the mean of what each says"
    )
    notes = [told]
    full = (number for number in long if len(examples[number].windows) == MOST_WINDOWS)
    cut = sum(windows.count(texts[number]) > MOST_WINDOWS for number in full)
    if cut:
        notes.append(
            f"{cut:,} of them have more than {MOST_WINDOWS} windows: {MOST_WINDOWS} are read, spread evenly "
            "from beginning to end"
        )
    return notes
