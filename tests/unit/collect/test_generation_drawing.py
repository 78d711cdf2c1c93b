"""What is drawn for each request."""

from __future__ import annotations

import re
from dataclasses import replace

from labeltune.collect.generation.confusion import Errors
from labeltune.collect.generation.drawing import Drawing
from labeltune.collect.generation.plan import Cell, WritingPlan
from labeltune.collect.labelled import Labelled
from labeltune.task import parse_task
from tasks import INQUIRY_TOML, intent_toml

TASK = parse_task(intent_toml("delivery", "refund", "bug"))
WORDS = {"delivery": "parcel courier", "refund": "money parcel back", "bug": "app screen crash"}
ROWS = [
    Labelled(f"{label}-{number}", number, f"{words} {number}", "", ((label,),))
    for label, words in WORDS.items()
    for number in range(5)
]
DELIVERY, REFUND, BUG = (((label,),) for label in WORDS)
PLAN = WritingPlan(
    20, (Cell(DELIVERY, 12), Cell(BUG, 3)), {"tone": ("calm", "cross"), "length": ("short", "long")}
)


def drawing(plan: WritingPlan = PLAN, *, errors: Errors | None = None, seed: int = 1) -> Drawing:
    return Drawing(TASK, plan, ROWS, errors=errors, seed=seed)


def test_the_same_seed_makes_the_same_requests() -> None:
    assert drawing().requests(PLAN.cells) == drawing().requests(PLAN.cells)
    assert drawing().requests(PLAN.cells) != drawing(seed=2).requests(PLAN.cells)


def test_each_asks_for_a_few_texts_until_all_are_asked_for() -> None:
    made = drawing().requests(PLAN.cells)
    assert [(one.labels, one.count) for one in made] == [
        (DELIVERY, 5),
        (BUG, 3),
        (DELIVERY, 5),
        (DELIVERY, 2),
    ]
    assert all(f"Write {one.count} new texts" in one.user for one in made)
    # Further ones are others, though they ask for the same.
    both = drawing()
    first, second = both.requests(PLAN.cells[:1]), both.requests(PLAN.cells[:1])
    assert len({one.user for one in [*first, *second]}) == 6


def test_seeds_are_rows_of_the_same_labels_and_all_values_get_drawn() -> None:
    plan = replace(PLAN, siblings=0.0, cells=(Cell(DELIVERY, 200),))
    made = drawing(plan).requests(plan.cells)
    assert {name.split("-")[0] for one in made for name in one.seeds} == {"delivery"}
    assert {name for one in made for name in one.seeds} == {f"delivery-{number}" for number in range(5)}
    assert all(len(one.seeds) == len(set(one.seeds)) == 3 for one in made)
    assert {tuple(one.drawn.values()) for one in made} == {
        (tone, length) for tone in ("calm", "cross") for length in ("short", "long")
    }
    assert all(one.sibling is None for one in made)


def test_a_share_shows_the_nearest_other_label_too() -> None:
    plan = replace(PLAN, siblings=0.5, cells=(Cell(DELIVERY, 200),))
    made = drawing(plan).requests(plan.cells)
    with_sibling = [one for one in made if one.sibling]
    assert 8 <= len(with_sibling) <= 32
    assert {one.sibling for one in with_sibling} == {REFUND}
    for one in with_sibling:
        assert {name.split("-")[0] for name in one.seeds} == {"delivery", "refund"}
        assert "a hasty reader could take them for: refund. They must be delivery all the same." in one.user
        assert one.cell.endswith("; not refund")


def test_errors_say_which_labels_are_siblings() -> None:
    errors = Errors()
    errors.taken_for[BUG, DELIVERY] = 4
    plan = replace(PLAN, siblings=1.0)
    made = drawing(plan, errors=errors).requests(plan.cells)
    assert {(one.labels, one.sibling) for one in made} == {(DELIVERY, BUG), (BUG, DELIVERY)}


def test_the_frame_is_the_message_without_the_rows() -> None:
    for one in drawing().requests(PLAN.cells):
        assert "parcel" in one.user or "app" in one.user
        assert not re.search(r"parcel|app|money", one.frame)


def test_a_label_without_rows_is_shown_others_and_told_what_it_means() -> None:
    content = INQUIRY_TOML.replace("\n[prompt]", '\n[field.describe]\nInvoice = "A bill."\n\n[prompt]')
    task = parse_task(content)
    labels = (("Billing",), ("Invoice",))
    rows = [Labelled("7", 7, "refund me", "", (("Billing",), ("Refund",)))]
    (one,) = Drawing(task, PLAN, rows, errors=None, seed=1).requests([Cell(labels, 2)])
    assert one.seeds == ("7",)
    assert "- (Billing / Refund) refund me" in one.user
    assert '- "Invoice": A bill.' in one.user
