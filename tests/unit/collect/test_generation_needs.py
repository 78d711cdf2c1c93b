"""How many texts of which labels, and what predictions say of it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from labeltune.collect.generation.confusion import Errors, read_errors
from labeltune.collect.generation.needs import needed_cells
from labeltune.collect.labelled import Labelled
from labeltune.errors import DataError, SettingsError
from labeltune.task import NOTHING_TOLD, Task
from labeltune.task.labels import Labels, illegal_pair
from tasks import EMOTION, INQUIRY, INTENT


def rows(*labels: Labels) -> list[Labelled]:
    return [
        Labelled(str(number), number, f"text {number}", f"text {number}", own)
        for number, own in enumerate(labels)
    ]


def planned(
    task: Task, own: list[Labelled], to: int, errors: Errors | None = None, seed: int = 1
) -> dict[Labels, int]:
    return {cell.labels: cell.texts for cell in needed_cells(task, own, to, errors=errors, seed=seed)}


CARD, REFUND, LOST = ((("card_arrival",),), (("Refund_not_showing_up",),), (("lost card",),))


def test_each_label_comes_to_as_many_rows() -> None:
    own = rows(*[CARD] * 7, *[REFUND] * 2)
    assert planned(INTENT, own, 5) == {REFUND: 3, LOST: 5}
    assert planned(INTENT, own, 2) == {LOST: 2}
    assert planned(INTENT, rows(*[CARD] * 5, *[REFUND] * 5, *[LOST] * 5), 5) == {}


def test_labels_that_are_missed_count_for_less() -> None:
    own = rows(*[CARD] * 10, *[REFUND] * 10, *[LOST] * 10)
    errors = Errors()
    errors.rows.update({(0, "card_arrival"): 20, (0, "lost card"): 10})
    errors.found.update({(0, "card_arrival"): 10, (0, "lost card"): 10})
    assert planned(INTENT, own, 10, errors) == {CARD: 5}


def test_two_levels_are_planned_by_pairs_that_the_task_allows() -> None:
    own = rows(*[(("Billing",), ("Refund",))] * 3, (("Order Management",), ("Tracking",)))
    found = planned(INQUIRY, own, 4)
    assert all(illegal_pair(INQUIRY, labels) is None for labels in found)
    counts: Counter[str] = Counter()
    for labels, texts in [*found.items(), *((row.labels, 1) for row in own)]:
        for label in (labels[0][0], labels[1][0]):
            counts[label] += texts
    assert all(counts[label] >= 4 for label in INQUIRY.labels)


def test_labels_that_come_together_are_planned_together() -> None:
    own = rows(*[(("joy",),)] * 4, (("anger", "neutral"),))
    found = planned(EMOTION, own, 4)
    assert found == {(("anger", "neutral"),): 3}


def test_the_same_seed_plans_the_same() -> None:
    own = rows((("joy",),), (("joy", "anger"),), (("anger",),), (("neutral",),))
    assert planned(EMOTION, own, 20, seed=3) == planned(EMOTION, own, 20, seed=3)
    assert any(planned(EMOTION, own, 20, seed=3) != planned(EMOTION, own, 20, seed=seed) for seed in range(9))


HEADER = "text,label,predicted_intent\n"


def test_errors_are_read_from_predictions(tmp_path: Path) -> None:
    path = tmp_path / "predictions.csv"
    lines = [
        "a,card_arrival,card_arrival",
        "b,card_arrival,lost card",
        "c,lost card,",
        "d,lost card,lost card",
    ]
    path.write_text(HEADER + "\n".join(lines) + "\n")
    errors = read_errors(str(path), INTENT, NOTHING_TOLD)
    assert errors.recall((0, "card_arrival")) == 0.5
    # An answer that is none has found nothing, and was taken for nothing.
    assert errors.recall((0, "lost card")) == 0.5
    assert errors.recall((0, "Refund_not_showing_up")) == 1.0
    assert errors.taken_for == {(CARD, LOST): 1}


def test_errors_of_the_test_part_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "test-predictions.csv"
    path.write_text(HEADER + "a,card_arrival,card_arrival\n")
    with pytest.raises(SettingsError, match="is named as a test part, and errors are never taken from one"):
        read_errors(str(path), INTENT, NOTHING_TOLD)


def test_errors_need_predictions(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("text,label\na,card_arrival\n")
    with pytest.raises(DataError, match='no column "predicted_intent".*, which predict writes'):
        read_errors(str(path), INTENT, NOTHING_TOLD)
