"""Which examples a row is asked with."""

from __future__ import annotations

import pytest

from labeltune.collect.labelled import Labelled, balanced
from labeltune.collect.shots import Shots


def row(text: str, label: str) -> Labelled:
    return Labelled(text, 1, text, text, ((label,),))


ROWS = [
    row("my parcel is late", "delivery"),
    row("the parcel has not come, where is it", "delivery"),
    row("parcel lost on its way", "delivery"),
    row("I want my money back", "refund"),
    row("pay me back for the shoes", "refund"),
    row("the app crashes when I open it", "bug"),
]


@pytest.fixture(params=["embed", "linear"])
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways of comparing; the extra is there, or hidden."""
    if request.param == "embed":
        pytest.importorskip("wordllama")
    else:
        monkeypatch.setattr("labeltune.local.engines.embed.extra.find_spec", lambda _: None)
    return str(request.param)


def test_the_nearest_of_each_label_come_first_and_stand_last(kind: str) -> None:
    shots = Shots(ROWS, 3, "near", seed=1)
    assert shots.name == f"near by {kind}"
    found = shots.of("where is my parcel")
    assert {one.labels[0][0] for one in found} == {"delivery", "refund", "bug"}
    assert found[-1].labels == (("delivery",),)


def test_fewer_shots_than_labels_are_the_nearest_labels(kind: str) -> None:
    (only,) = Shots(ROWS, 1, "near", seed=1).of("please give me my money back")
    assert only.labels == (("refund",),)


def test_labels_take_turns_when_there_are_more_shots(kind: str) -> None:
    found = Shots(ROWS, 5, "near", seed=1).of("the parcel")
    labels = [one.labels[0][0] for one in found]
    assert sorted(labels) == ["bug", "delivery", "delivery", "refund", "refund"]
    # The second turn stands before the first: what is nearest stands last.
    assert set(labels[:2]) == {"delivery", "refund"}


def test_a_text_that_shares_nothing_is_asked_with_some_examples(kind: str) -> None:
    assert len(Shots(ROWS, 3, "near", seed=1).of("😀")) == 3


def test_at_random_the_same_text_has_the_same_examples() -> None:
    one, other = (Shots(ROWS, 3, "random", seed=1) for _ in range(2))
    assert one.name == "random"
    assert one.of("a") == other.of("a")
    drawn = {tuple(shot.text for shot in one.of(str(text))) for text in range(20)}
    assert len(drawn) > 5
    assert all(len({shot.labels for shot in one.of(str(text))}) == 3 for text in range(20))
    others = Shots(ROWS, 3, "random", seed=2)
    assert any(one.of(str(text)) != others.of(str(text)) for text in range(20))


def test_no_examples_are_none() -> None:
    assert Shots([], 5, "near", seed=1).of("a") == []
    assert Shots(ROWS, 0, "near", seed=1).of("a") == []


def test_many_rows_are_drawn_rare_labels_first() -> None:
    many = [row(f"common {number}", "common") for number in range(100)]
    many += [row(f"rare {number}", "rare") for number in range(3)]
    kept = balanced(many, 10, seed=1)
    assert len(kept) == 10
    assert sum(one.labels == (("rare",),) for one in kept) == 3
    assert [many.index(one) for one in kept] == sorted(many.index(one) for one in kept)
    assert balanced(many, 10, seed=1) == kept
    assert balanced(many, 200, seed=1) == many


def test_what_is_prepared_is_what_would_be_chosen(kind: str) -> None:
    texts = [f"parcel {number}, money {number % 3}" for number in range(600)]
    alone, together = (Shots(ROWS, 3, "near", seed=1) for _ in range(2))
    together.prepare(iter([*texts, *texts]))
    assert [together.of(text) for text in texts] == [alone.of(text) for text in texts]
