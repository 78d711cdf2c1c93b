"""Rows of rare labels written several times, so that labels come nearer to balance."""

from __future__ import annotations

import tempfile
from array import array
from collections import Counter
from typing import IO, TYPE_CHECKING, Self

import orjson

from labeltune.task.answers import decode_answer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import TracebackType

    from labeltune.task import Task
    from labeltune.task.labels import Labels

__all__ = ["Repeater", "times_to_write"]

_Key = tuple[int, str]
"""A field's place, and one of its labels."""


class Repeater:
    """Takes records one by one, and gives each back, as often as it is to be written, once all are known.

    Records wait in a file of their own; in memory is a number for each, and the labels of each distinct one.
    """

    def __init__(self, task: Task, most: int) -> None:
        self._task, self._most = task, most
        self._lines = array("q")
        """how long each record is"""
        self._sets = array("l")
        """which labels each record has, as a place in `_labels`"""
        self._labels: list[Labels] = []
        self._place_of: dict[bytes, int] = {}
        self._file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  # closed by `__exit__`

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def keep(self, record: bytes) -> None:
        """One more record, as it is written; its answer follows."""
        self._lines.append(len(record))
        self._file.write(record)

    def note(self, answer: bytes) -> None:
        """The answer of the record, as JSON."""
        place = self._place_of.get(answer)
        if place is None:
            place = self._place_of[answer] = len(self._labels)
            self._labels.append(decode_answer(self._task, orjson.loads(answer)).labels or ())
        self._sets.append(place)

    def write(self, write: Callable[[bytes], object]) -> int:
        """Write the records in their order, each as often as it should be; returns how many are repeats."""
        self._file.seek(0)
        repeats = 0
        times = times_to_write(self._labels, self._sets, self._most)
        for length, often in zip(self._lines, times, strict=True):
            record = self._file.read(length)
            for _ in range(often):
                write(record)
            repeats += often - 1
        return repeats


def times_to_write(labels: Sequence[Labels], rows: Sequence[int], most: int) -> Iterator[int]:
    """How often each row is written, 1 to `most`; a row is given as the place of its labels in `labels`.

    What counts is the row's rarest label, measured against the commonest of its field. Its rows together are
    to come to the commonest's count, or to `most` times their number where that is less; what does not go up
    evenly is spread over the rows in their order. Rows without a label are written once.
    """
    counts: Counter[_Key] = Counter()
    for place, number in Counter(rows).items():
        counts.update(dict.fromkeys(_keys(labels[place]), number))
    commonest: dict[int, int] = {}
    for (field, _), number in counts.items():
        commonest[field] = max(commonest.get(field, 0), number)
    rarest = [
        max(_keys(own), key=lambda key: commonest[key[0]] / counts[key], default=None) for own in labels
    ]
    met: Counter[_Key] = Counter()
    for place in rows:
        if (key := rarest[place]) is None:
            yield 1
            continue
        number, wanted = counts[key], min(commonest[key[0]], most * counts[key])
        before = met[key]
        met[key] += 1
        yield (before + 1) * wanted // number - before * wanted // number


def _keys(labels: Labels) -> list[_Key]:
    return [(place, label) for place, found in enumerate(labels) for label in found]
