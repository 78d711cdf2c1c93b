"""What a report says first: whole sentences, and nothing that the numbers do not show."""

from __future__ import annotations

import json

import numpy as np
import pytest

from labeltune.evaluation.checking import ACCURACY, check_least_sure
from labeltune.evaluation.metrics.intervals import exact_interval
from labeltune.evaluation.metrics.quality import Shape, measure, pattern_pairs
from labeltune.evaluation.metrics.scores import Pairs
from labeltune.evaluation.report.document import report_document
from labeltune.evaluation.report.headline import Checked, Headline, Noun, labels_right, noun_of
from labeltune.evaluation.report.markdown import format_markdown, plain
from labeltune.evaluation.report.model import Report
from labeltune.evaluation.report.page import format_html
from labeltune.evaluation.report.shares import Share, per_cent
from labeltune.evaluation.report.text import format_text

INQUIRIES: Noun = ("inquiry", "inquiries")


def share(count: int, of: int) -> Share:
    return Share(count, of, exact_interval(count, of))


def unsure(rows: int, count: int, of: int) -> Checked:
    return Checked(rows, share(count, of), "unsure", 0.95)


@pytest.mark.parametrize(
    ("right", "labels", "checked", "said"),
    [
        (
            share(81, 100),
            "both labels right",
            unsure(35, 62, 65),
            (
                "81 of 100 inquiries got both labels right (72 to 88). "
                "If people check the 35 least sure, 95 % of the rest are right (87 to 99)."
            ),
        ),
        (
            share(2787, 3080),
            "the right label",
            Checked(467, share(2500, 2613), "promise", 0.95),
            (
                "2,787 of 3,080 inquiries got the right label: 90.5 % (89.4 to 91.5). "
                "If people check the 467 least sure, at least 95 % of the rest are right."
            ),
        ),
        (
            share(999, 1000),
            "all labels right",
            Checked(0, share(999, 1000), "promise", 0.95),
            (
                "999 of 1,000 inquiries got all labels right: 99.9 % (99.4 to 99.997). "
                "Nobody has to check for at least 95 % to be right."
            ),
        ),
        (
            share(92, 100),
            "exactly the right labels",
            Checked(34, share(62, 66), "third", 0.95, more_rows=True),
            (
                "92 of 100 inquiries got exactly the right labels (85 to 96). "
                "If people check the 34 least sure, 94 % of the rest are right (85 to 98). "
                "100 inquiries are too few to promise 95 % on new ones."
            ),
        ),
        (  # The share itself says enough.
            share(1900, 2000),
            "the right label",
            Checked(667, share(1300, 1333), "third", 0.95, more_rows=True),
            (
                "1,900 of 2,000 inquiries got the right label: 95.0 % (94.0 to 95.9). "
                "If people check the 667 least sure, 97.5 % of the rest are right (96.5 to 98.3)."
            ),
        ),
        (
            share(50, 200),
            "the right label",
            Checked(68, share(40, 132), "third", 0.95),
            (
                "50 of 200 inquiries got the right label: 25 % (19 to 32). "
                "If people check the 68 least sure, 30 % of the rest are right (23 to 39). "
                "However many are checked, less than 95 % of the rest are right here."
            ),
        ),
        (
            share(1, 1),
            "the right label",
            Checked(0, None, "third", 0.95, more_rows=True),
            (
                "1 of 1 inquiry got the right label: 100 % (3 to 100). "
                "1 inquiry is too few to say what checking the least sure brings."
            ),
        ),
        (
            share(2, 3),
            "the right label",
            unsure(1, 2, 2),
            (
                "2 of 3 inquiries got the right label: 67 % (9 to 99). "
                "If people check the one least sure, 100 % of the rest are right (16 to 100)."
            ),
        ),
        (
            share(2, 5),
            "the right label",
            unsure(4, 1, 1),
            (
                "2 of 5 inquiries got the right label: 40 % (5 to 85). "
                "If people check the 4 least sure, 100 % of the rest is right "
                "(3 to 100)."
            ),
        ),
        (share(0, 4), "the right label", None, "0 of 4 inquiries got the right label: 0 % (0 to 60)."),
        (
            share(4, 4),
            "the right label",
            unsure(0, 4, 4),
            "4 of 4 inquiries got the right label: 100 % (40 to 100).",
        ),
    ],
    ids=lambda value: value.split(" got")[0] if isinstance(value, str) and " got" in value else "",
)
def test_the_sentences(right: Share, labels: str, checked: Checked | None, said: str) -> None:
    assert str(Headline(right, labels, INQUIRIES, checked)) == said


def shape(name: str, *, single: bool = True) -> Shape:
    return Shape(name, ("a", "b"), slice(0, 2), single=single)


@pytest.mark.parametrize(
    ("shapes", "said"),
    [
        ([shape("x")], "the right label"),
        ([shape("x"), shape("y")], "both labels right"),
        ([shape("x"), shape("y"), shape("z")], "all labels right"),
        ([shape("x", single=False)], "exactly the right labels"),
        ([shape("x"), shape("y", single=False)], "all labels right"),
    ],
)
def test_what_a_row_got_right(shapes: list[Shape], said: str) -> None:
    assert labels_right(shapes) == said


@pytest.mark.parametrize(
    ("columns", "several"),
    [
        (["inquiry"], "inquiries"),
        (["comment_text"], "comments"),
        (["Text"], "texts"),
        (["ticket-title"], "tickets"),
        (["anfrage"], "rows"),
        (["data"], "rows"),
        (["title", "body"], "rows"),
    ],
)
def test_rows_are_called_by_their_column_only_where_that_is_a_thing(columns: list[str], several: str) -> None:
    assert noun_of(columns)[1] == several


@pytest.mark.parametrize(
    ("value", "rows", "said"),
    [
        (0.805, 100, "80"),
        (0.8053, 1000, "80.5"),
        (1.0, 10, "100"),
        (0.0, 10, "0"),
        (0.997, 100, "99.7"),
        (0.0004, 1000, "0.04"),
        (0.99996, 100_000, "99.996"),
    ],
)
def test_no_share_is_rounded_to_all_or_nothing(value: float, rows: int, said: str) -> None:
    assert per_cent(value, rows) == said


def sampled(rows: int, seed: int, power: float) -> tuple[np.ndarray, np.ndarray]:
    """Confidences, and answers that are right the more often the surer they are."""
    generator = np.random.default_rng(seed)
    confidence = generator.random(rows)
    return confidence, generator.random(rows) < confidence**power


def test_a_promise_is_made_only_where_it_is_kept_on_new_rows() -> None:
    """The limit of each file is measured on what it stands for, not on the file: 5 of 100 may break it."""
    broken, made = 0, 0
    for seed in range(60):
        confidence, right = sampled(600, seed, 0.1)
        checked = check_least_sure(confidence, right)
        if checked.chosen == "promise":
            made += 1
            limit = np.sort(confidence)[checked.rows]
            # The mean of c ** 0.1 from the limit to 1.
            broken += (1 - limit**1.1) / 1.1 / (1 - limit) < ACCURACY
    assert made >= 30
    assert broken <= 6


def test_where_nothing_can_be_promised_a_third_is_checked_whatever_its_answers_are_worth() -> None:
    confidence, right = sampled(90, 1, 0.3)
    checked = check_least_sure(confidence, right)
    assert (checked.chosen, checked.rows) == ("third", 30)
    assert checked.rest == share(int(right[np.argsort(confidence)[30:]].sum()), 60)
    other = check_least_sure(confidence, np.roll(right, 1))
    assert other.rows == 30


def test_rows_of_equal_confidence_stand_together() -> None:
    right = np.tile([True, True, False], 20)
    assert check_least_sure(np.full(60, 0.5), right).rest is None
    halves = check_least_sure(np.repeat([0.5, 0.9], 30), right)
    assert (halves.rows, halves.rest) == (30, share(20, 30))


def test_rows_without_a_confidence_are_checked() -> None:
    confidence, right = sampled(2_000, 3, 0.05)
    confidence[:100] = np.nan
    checked = check_least_sure(confidence, right)
    assert (checked.chosen, checked.rest is not None and checked.rest.of) == ("promise", 2_000 - checked.rows)
    assert checked.rows >= 100


@pytest.mark.parametrize("right", [True, False])
def test_few_rows_are_too_few(right: bool) -> None:
    checked = check_least_sure(np.linspace(0, 1, 12), np.full(12, right))
    assert (checked.rest, checked.more_rows) == (None, True)


def test_every_form_opens_with_it() -> None:
    true = np.eye(2, dtype=bool)[[0, 1, 0, 1]]
    pred = np.eye(2, dtype=bool)[[0, 1, 0, 0]]
    quality = measure(*pattern_pairs(Pairs(true, pred, np.ones(4, dtype=bool))), [shape("x")], bootstrap=0)
    report = Report(source="p.csv", quality=quality, noun=INQUIRIES, checked=unsure(1, 3, 3))
    said = str(report.headline)
    assert said.startswith("3 of 4 inquiries got the right label: 75 % (19 to 99). If people check the one")
    assert format_text(report).startswith(f"{said}\n\np.csv: 4 rows")
    assert format_markdown(report).startswith(f"### p\\.csv\n\n**{plain(said)}**\n")
    assert f'<p class="lead">{said}</p>' in format_html(report)
    document = json.loads(json.dumps(report_document(report)))["headline"]
    assert document["text"] == said
    assert (document["right"]["rows"], document["right"]["of"]) == (3, 4)
    assert document["checked"] == {
        "rows": 1,
        "chosen": "unsure",
        "rest": {"rows": 3, "of": 3, "share": 1.0, "interval": document["checked"]["rest"]["interval"]},
        "promised": None,
    }
