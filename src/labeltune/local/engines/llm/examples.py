"""What a training file comes to: conversations and answers in a model's tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from labeltune.errors import SettingsError, TrainingRefusedError
from labeltune.local.engines.common.records import content_of
from labeltune.local.engines.llm.grammar import text_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from labeltune.local.engines import Base, Record
    from labeltune.local.engines.common.answers import AnswerFormat
    from labeltune.local.engines.common.records import Template
    from labeltune.local.engines.llm.chat import Chat
    from labeltune.local.engines.llm.legal import Legal, Written

    Ids = tuple[int, ...]

__all__ = ["Example", "Examples", "common_beginning", "window_of"]

LEAST_TEXT = 16
"""A window has to leave so many tokens to a conversation at least."""


LONGEST = 2048
"""The window, if neither the option nor the model sets a smaller one."""


def window_of(base: Base, config: Mapping[str, Any]) -> int:
    """How many tokens of a conversation are read, answer included. Raises `SettingsError`."""
    inner = config.get("text_config")
    longest = (inner if isinstance(inner, dict) else config).get("max_position_embeddings")
    most = longest if isinstance(longest, int) and longest > 0 else None
    asked = base.options.get("window")
    if asked is None:
        return min(LONGEST, most or LONGEST)
    if not asked.isascii() or not asked.isdigit() or int(asked) < 2 * LEAST_TEXT:
        raise SettingsError(f"window={asked}: expected a whole number of tokens from {2 * LEAST_TEXT} on")
    if most is not None and int(asked) > most:
        raise SettingsError(f"window={asked}: the model reads {most:,} tokens at the most")
    return int(asked)


@dataclass(frozen=True, slots=True)
class Example:
    """A conversation and its answer."""

    prompt: Ids
    answer: Written
    weight: float = 1.0

    @property
    def tokens(self) -> int:
        """How many the model reads of it while it learns."""
        return len(self.prompt) + len(self.answer.ids) - 1


@dataclass(frozen=True, slots=True)
class Examples:
    """Those records whose answers are legal."""

    rows: list[Example]
    targets: NDArray[np.bool_]
    """(rows, labels)."""
    cut: int
    """How many texts lost their middle."""
    otherwise: int
    """How many answers the tokenizer alone would write in other tokens than those that are learnt."""

    @classmethod
    def of(
        cls,
        records: Sequence[Record],
        *,
        answer_format: AnswerFormat,
        template: Template,
        chat: Chat,
        legal: Legal,
        window: int,
    ) -> Examples:
        """Raises `TrainingRefusedError` if an answer leaves no room for a text."""
        targets, fits = answer_format.targets([content_of(record[-1]) for record in records])
        targets = targets[fits]
        written: dict[bytes, tuple[Written, bool]] = {}
        rows: list[Example] = []
        cut = otherwise = 0
        kept = (record for record, fit in zip(records, fits.tolist(), strict=True) if fit)
        for record, said in zip(kept, targets, strict=True):
            key = said.tobytes()
            if key not in written:
                written[key] = _written(said, legal, chat)
            answer, as_usual = written[key]
            room = window - len(answer.ids)
            if room < LEAST_TEXT:
                raise TrainingRefusedError(
                    f"an answer has {len(answer.ids):,} tokens, which leaves no room in a window of "
                    f"{window:,}",
                    hint="train with a longer window (#window=…), or spell the labels shorter",
                )
            prompt, shortened = chat.prompt(record[:-1], room, template)
            rows.append(Example(prompt, answer))
            cut += shortened
            otherwise += not as_usual
        return cls(rows, targets, cut, otherwise)


def _written(said: NDArray[np.bool_], legal: Legal, chat: Chat) -> tuple[Written, bool]:
    steps = legal.grammar.walk(said)
    answer = legal.write(steps)
    return answer, answer.ids == chat.whole(text_of(steps))


def common_beginning(prompts: Sequence[Ids]) -> Ids:
    """The tokens that all of them begin with."""
    first, last = min(prompts), max(prompts)
    length = 0
    for one, other in zip(first, last, strict=False):
        if one != other:
            break
        length += 1
    return first[:length]
