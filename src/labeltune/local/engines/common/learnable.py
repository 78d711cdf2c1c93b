"""What every engine asks of its examples before it learns from them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labeltune.errors import TrainingRefusedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["check_answers", "check_texts", "left_out"]


def check_answers(answers: Sequence[str]) -> None:
    """Raise `TrainingRefusedError` unless there are two answers to tell apart."""
    if not answers:
        raise TrainingRefusedError("there are no examples to learn from")
    if len(set(answers)) == 1:
        raise TrainingRefusedError(
            f"all {len(answers):,} examples have the same answer: there is nothing to learn",
            hint="train on examples of at least two different answers",
        )


def check_texts(texts: Iterable[str]) -> None:
    """Raise `TrainingRefusedError` unless there is a text that is not the others'."""
    found = list(texts)
    if len(set(found)) == 1:
        raise TrainingRefusedError(
            f"all {len(found):,} examples have the same messages but different answers: "
            "there is nothing to tell them apart by",
            hint="check that the prompt has the text in it",
        )


def left_out(kept: int, given: int) -> list[str]:
    """What is to be told where not all validation examples can be used."""
    if kept == given:
        return []
    of_all = f"{given - kept:,} of {given:,} validation examples"
    return [f"{of_all} have an answer that no training example has: they are left out"]
