"""`plan.toml`: written, read back, edited, and wrong in every way."""

from __future__ import annotations

from pathlib import Path

import pytest

from labeltune.collect.generation.plan import Cell, WritingPlan
from labeltune.collect.generation.plan_file import read_plan, write_plan
from labeltune.errors import SettingsError
from tasks import EMOTION, INQUIRY, INTENT

PLAN = WritingPlan(
    20,
    (Cell((("Billing",), ("Refund",)), 7), Cell((("Order Management",), ("Tracking",)), 3)),
    {"tone": ("calm", 'with a "quote"'), "who writes": ("a man",)},
    per_request=4,
    seeds=2,
    siblings=0.5,
    temperature=0.9,
)


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    path = str(tmp_path / "plan.toml")
    write_plan(path, INQUIRY, PLAN)
    assert read_plan(path, INQUIRY) == PLAN
    assert PLAN.texts == 10


def test_several_labels_or_none(tmp_path: Path) -> None:
    path = str(tmp_path / "plan.toml")
    cells = (Cell((("joy", "anger"),), 2), Cell(((),), 1))
    write_plan(path, EMOTION, WritingPlan(3, cells))
    assert read_plan(path, EMOTION).cells == cells


def test_what_is_left_out_is_the_usual(tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    path.write_text("version = 1\nto = 5\n")
    assert read_plan(str(path), INTENT) == WritingPlan(5, (), {})


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("to = 20", "", "to is missing"),
        ("to = 20", "to = 0", "4: to: expected a number from 1 to 1e+06"),
        ("to = 20", 'to = "many"', "4: to: expected a number from 1 to 1e+06"),
        ("seeds = 2", "seed = 2", '7: unknown key "seed" (did you mean "seeds"?)'),
        ("version = 1", "version = 2", "2: version: expected 1"),
        ("siblings = 0.5", "siblings = 2", "9: siblings: expected a number from 0 to 1"),
        ('"who writes" = ["a man"]', '"who writes" = []', '15: vary: "who writes": expected a list of words'),
        ("texts = 7", "texts = -1", "19: texts: expected a whole number"),
        ("texts = 7", "text = 7", '19: unknown key "text" (did you mean "texts"?)'),
        ('"Refund"', '"Refunds"', '18: "Refunds" is not a label of "sub_category" (did you mean "Refund"?)'),
        ('"Refund"', '"Tracking"', "18: Billing / Tracking: the task does not allow this pair"),
        ('"category" = "Billing", ', "", '18: labels: expected { "category" = "…", "sub_category" = "…" }'),
        ('"Order Management", "sub_category" = "Tracking"', '"Billing", "sub_category" = "Refund"',
         "22: Billing / Refund stands there twice"),
        ("[vary]", "[vary", "not valid TOML"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, old: str, new: str, said: str) -> None:
    path = tmp_path / "plan.toml"
    write_plan(str(path), INQUIRY, PLAN)
    content = path.read_text()
    assert old in content
    path.write_text(content.replace(old, new, 1))
    with pytest.raises(SettingsError) as caught:
        read_plan(str(path), INQUIRY)
    place = f"{path}:{said}" if said[0].isdigit() else f"{path}: {said}"
    assert str(caught.value).startswith(place)
