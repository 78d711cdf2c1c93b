"""Why a model decided as it did: the words that spoke for and against, where its provider can say.

Asked for at an endpoint of labeltune's own provider, beside the chat completions, which stay as they are.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from labeltune.errors import SettingsError
from labeltune.providers import connect, persist, run
from labeltune.task.chat import Renderer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from openai import AsyncOpenAI

    from labeltune.providers import Provider
    from labeltune.task import Task
    from labeltune.task.chat import Message

__all__ = ["WhyLabel", "Word", "explain", "explain_rows", "top_words"]

_PATH = "/labeltune/explanations"
_AT_ONCE = 8
_HOSTED = (".openai.com", ".azure.com", ".nebius.com")
"""They are not even asked."""
_HINT = "models of `linear` and `embed` that were trained by the local provider can: --provider local"


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a text, where it stands there, and what it adds to the label's score, in nats."""

    text: str
    weight: float
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class WhyLabel:
    """Why a label: `bias + rest +` the words' weights are its score.

    The score of one label of several is ln(p / q), against the next likely one; that of a label that holds or
    not, ln(p / (1 - p)). `rest` is what the text adds beside its words.
    """

    label: str
    against: str | None
    chosen: bool
    score: float
    bias: float
    rest: float
    words: tuple[Word, ...]


def explain(
    texts: Sequence[str], *, task: Task, model: str, provider: Provider
) -> list[tuple[WhyLabel, ...]]:
    """Why the model labels each text as it does; nothing for a text that is empty.

    A text is the task's text column, or the first of several. Raises `SettingsError` where the provider or
    the model cannot say, and what asking a provider raises.
    """
    others = [""] * (len(task.text) - 1)
    rows = [[text, *others] for text in texts]
    found = explain_rows(rows, task.text, task=task, model=model, provider=provider)
    return [
        tuple(_shifted(one, len(text) - len(text.lstrip())) for one in reasons)
        for text, reasons in zip(texts, found, strict=True)
    ]


def explain_rows(
    rows: Sequence[Sequence[str]], header: Sequence[str], *, task: Task, model: str, provider: Provider
) -> list[tuple[WhyLabel, ...]]:
    """The same of rows of a table with these columns. Places are characters of what `{text}` stands for: the
    text columns, stripped and joined.
    """
    host = urlsplit(provider.base_url).hostname or ""
    if host.endswith(_HOSTED):
        raise SettingsError(_cannot(provider), hint=_HINT)
    renderer = Renderer(task, header)
    asked = [row for row in rows if renderer.text(row)]
    answers = iter(run(_ask_all([renderer.messages(row) for row in asked], model, provider)))
    return [
        tuple(_reason(one, renderer, row) for one in next(answers)["reasons"]) if renderer.text(row) else ()
        for row in rows
    ]


def top_words(reasons: Sequence[WhyLabel], most: int) -> list[tuple[str, float]]:
    """The words that counted most for (above 0) or against the answer, the weightiest first.

    Each stands there once, in lower case, with the sum of its weights; what speaks for a label that was not
    chosen speaks against the answer.
    """
    total: dict[str, float] = {}
    for reason in reasons:
        sign = 1.0 if reason.chosen else -1.0
        for word in reason.words:
            name = word.text.lower()
            total[name] = total.get(name, 0.0) + sign * word.weight
    return sorted(total.items(), key=lambda pair: (-abs(pair[1]), pair[0]))[:most]


async def _ask_all(
    conversations: Sequence[list[Message]], model: str, provider: Provider
) -> list[dict[str, Any]]:
    gate = asyncio.Semaphore(_AT_ONCE)
    async with connect(provider) as client:

        async def ask(messages: list[Message]) -> dict[str, Any]:
            async with gate:
                return await persist(lambda: _ask(client, messages, model, provider), provider)

        # The first one alone: where it is refused, no other is sent.
        first = [await ask(one) for one in conversations[:1]]
        return first + await asyncio.gather(*map(ask, conversations[1:]))


async def _ask(
    client: AsyncOpenAI, messages: list[Message], model: str, provider: Provider
) -> dict[str, Any]:
    import openai

    try:
        found = await client.post(_PATH, cast_to=object, body={"model": model, "messages": messages})
    except openai.APIStatusError as error:
        if error.code == "cannot_explain":
            said = error.body.get("message") if isinstance(error.body, dict) else None
            raise SettingsError(str(said or error.message), hint=_HINT) from error
        if error.status_code in (404, 405, 501) and error.code != "model_not_found":
            raise SettingsError(_cannot(provider), hint=_HINT) from error
        raise
    if not isinstance(found, dict) or found.get("object") != "labeltune.explanation":
        raise SettingsError(_cannot(provider), hint=_HINT)
    return found


def _cannot(provider: Provider) -> str:
    return f"{provider.host} does not say why a label is chosen: only labeltune's own provider does"


def _reason(found: Mapping[str, Any], renderer: Renderer, row: Sequence[str]) -> WhyLabel:
    """A reason as the provider tells it, with the words of the text; what others add goes to the rest."""
    text, place = renderer.text(row), renderer.place_of_text(row)
    words, rest = [], float(found["rest"])
    for word in found["words"]:
        start = -1 if place is None or word["message"] != place[0] else word["start"] - place[1]
        end = start + word["end"] - word["start"]
        if start >= 0 and end <= len(text):
            words.append(Word(text[start:end], float(word["weight"]), start, end))
        else:
            rest += float(word["weight"])
    return WhyLabel(
        label=found["label"],
        against=found["against"],
        chosen=found["chosen"],
        score=float(found["score"]),
        bias=float(found["bias"]),
        rest=rest,
        words=tuple(words),
    )


def _shifted(reason: WhyLabel, by: int) -> WhyLabel:
    """With the places of its words so many characters further on."""
    if not by:
        return reason
    words = [replace(word, start=word.start + by, end=word.end + by) for word in reason.words]
    return replace(reason, words=tuple(words))
