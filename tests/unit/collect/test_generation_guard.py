"""What may be kept of the texts that a model wrote."""

from __future__ import annotations

from labeltune.collect.generation.drawing import Request
from labeltune.collect.generation.guard import (
    COPIES_ROW,
    OTHER_LANGUAGE,
    PROMPT,
    REPEATS,
    UNSEEN,
    Draft,
    Guard,
    unseen_seeds,
)
from labeltune.collect.generation.language import Language

FRAME = "Write 5 new texts that belong to the same collection, each of them rightly labelled: refund"
REQUEST = Request((("refund",),), ("1",), {}, None, "", FRAME, FRAME, 5)
ROWS = ["I want my money back for the shoes", "the parcel has not come and I am waiting"]
AWAY = {"test.csv": ["please refund the blue kettle that I sent back"], "validation.csv": ["where is it"]}


def drafts(*texts: str) -> list[Draft]:
    return [Draft((text,), text, REQUEST) for text in texts]


def test_what_says_something_else_is_kept_in_its_order() -> None:
    own = drafts("pay me back for the tent", "I sent the tent back and want to be paid")
    guard = Guard(ROWS, AWAY)
    assert guard.keep(own) == (own, [])
    assert not guard.left_out


def test_nearly_a_row_nearly_a_test_text_and_repeats_are_not() -> None:
    guard = Guard(ROWS, AWAY)
    kept, doubtful = guard.keep(
        drafts(
            "i want my money back, for the shoes!",
            "Please refund the blue kettle that I sent back.",
            "WHERE IS IT?",
            "a text of its own",
            "A text, of its own",
        )
    )
    assert [draft.text for draft in kept] == ["a text of its own"]
    assert doubtful == []
    assert guard.left_out == {COPIES_ROW: 1, UNSEEN: 2, REPEATS: 1}
    assert guard.met == {"test.csv": 1, "validation.csv": 1}


def test_one_text_fifty_times_is_one_text() -> None:
    guard = Guard(ROWS, AWAY)
    kept, _ = guard.keep(drafts(*["give me back what I paid"] * 50))
    assert len(kept) == 1
    assert guard.left_out == {REPEATS: 49}


def test_the_prompt_itself_is_no_text() -> None:
    guard = Guard(ROWS, AWAY)
    kept, doubtful = guard.keep(drafts(f"Sure! {FRAME}", "belong to the same shop, each of them"))
    assert [draft.text for draft in kept] == ["belong to the same shop, each of them"]
    assert doubtful == []
    assert guard.left_out == {PROMPT: 1}


def test_another_script_is_for_people_to_look_at() -> None:
    guard = Guard(ROWS, AWAY)
    kept, doubtful = guard.keep(drafts("верните мне деньги за чайник", "the чайник is broken, pay me"))
    assert [draft.text for draft in kept] == ["the чайник is broken, pay me"]
    assert [(draft.text, why) for draft, why in doubtful] == [
        ("верните мне деньги за чайник", OTHER_LANGUAGE)
    ]
    assert guard.left_out == {OTHER_LANGUAGE: 1}


ENGLISH = [
    f"{who} {what} and {where} since the {day}"
    for who in ("the parcel", "my order", "the kettle", "a letter")
    for what in ("has not come", "is broken again", "was sent back")
    for where in ("I am waiting here", "nobody answers me")
    for day in ("third", "ninth")
]


def test_another_language_in_the_same_script_is_told_by_its_words() -> None:
    language = Language(ENGLISH)
    assert language.is_other("das paket ist seit drei tagen verschwunden und niemand hilft mir")
    assert not language.is_other("the parcel was opened and I am missing a spoon since monday")
    # Too few words to tell anything.
    assert not language.is_other("wo ist es")


def test_few_rows_tell_nothing_of_words() -> None:
    assert not Language(ROWS).is_other("das paket ist seit drei tagen verschwunden und niemand hilft mir")


def test_rows_that_are_nearly_test_texts_are_not_shown() -> None:
    rows = [*ROWS, "Please refund the blue kettle that I sent back!"]
    assert unseen_seeds(rows, AWAY) == [True, True, False]
    assert unseen_seeds(rows, {}) == [True, True, True]
