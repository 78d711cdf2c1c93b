"""The proposed prompt, and how its answers are spelled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labeltune.errors import SettingsError
from labeltune.task import DEFAULT_SEPARATOR, AnswerFormat, Prompt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from labeltune.prepare.infer.wishes import Wishes
    from labeltune.task import Field, Format

__all__ = ["choose_format", "list_answer", "make_prompt", "word_for_none"]

MOST_LISTED = 20
"""A proposed prompt lists the labels if there are at most so many: each costs tokens on every row."""

_SPARE_SEPARATORS = (DEFAULT_SEPARATOR, ";", "|", " / ")
_WORDS_FOR_NONE = ("none", "no label", "none of them", "nothing applies", "∅")


def choose_format(fields: Sequence[Field], wished: Format | None) -> Format:
    """The plainest format that can spell the labels of these fields."""
    if wished is not None:
        return wished
    if len(fields) > 1:
        return "json"
    if fields[0].type == "single":
        return "label"
    return "json" if _separator(fields) is None else "list"


def list_answer(fields: Sequence[Field], none: str) -> AnswerFormat:
    """Answers that are lists. Raises `SettingsError` if the labels hold every sign that could join them."""
    separator = _separator(fields)
    if separator is None:
        raise SettingsError(
            "the labels contain every separator that a list could use", hint="give --answer json"
        )
    return AnswerFormat("list", separator, none)


def word_for_none(fields: Sequence[Field]) -> str:
    """What a list answers where no label applies: a word that is no label."""
    labels = {label.casefold() for field in fields for label in field.labels}
    return next(word for word in (*_WORDS_FOR_NONE, "no label at all applies") if word not in labels)


def _separator(fields: Sequence[Field]) -> str | None:
    labels = [label for field in fields for label in field.labels]
    free = (sign for sign in _SPARE_SEPARATORS if not any(sign.strip() in label for label in labels))
    return next(free, None)


def make_prompt(fields: Sequence[Field], answer: AnswerFormat, wishes: Wishes) -> Prompt:
    """The messages that were asked for, else one that says what to answer, and the text."""
    user = wishes.user if wishes.user is not None else "{text}"
    if wishes.system is not None:
        return Prompt(wishes.system, user)
    few = sum(len(field.labels) for field in fields) <= MOST_LISTED
    return Prompt(_system_message(fields, answer, listed=few), user)


def _system_message(fields: Sequence[Field], answer: AnswerFormat, *, listed: bool) -> str:
    if answer.format == "label":
        return "Classify the text. Answer with one label alone" + (", out of {labels}." if listed else ".")
    if answer.format == "list":
        none = f" If none applies, answer {_escaped(answer.none)}." if answer.none else ""
        signs = {",": "commas", ";": "semicolons"}.get(answer.separator, f'"{answer.separator.strip()}"')
        of = ", out of {labels}" if listed else ""
        return f"Label the text. Answer with the labels that apply, joined by {signs}{of}.{none}"
    if answer.format == "flags":
        return (
            "Say of each label whether it applies to the text. Answer with a JSON object of true and false."
        )
    keys = [
        f'"{_escaped(field.name)}"'
        + (f" (one of {{labels:{field.name}}})" if listed and field.type == "single" else "")
        + (f" (a list, out of {{labels:{field.name}}})" if listed and field.type == "multi" else "")
        for field in fields
    ]
    joined = keys[0] if len(keys) == 1 else f"{', '.join(keys[:-1])} and {keys[-1]}"
    return f"Classify the text. Answer with a JSON object with {joined}."


def _escaped(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")
