"""How sure the model was, from the log-probabilities of its answer's tokens.

The confidence of an answer is the probability of all its tokens: `exp(sum of their log-probabilities)`.

The probability of a label comes from the alternatives at the token where the spellings of labels part. With
`P(prefix)` the probability of the tokens before it, an alternative adds `P(prefix) · P(alternative)` to the
label that it leads to, in equal parts where it leads to several; the label that was answered has the
probability of its own tokens. For a single field these are scaled to add up to 1. For `flags` it is
`P(true) / (P(true) + P(false))` at the label's value. In a list or an array the labels that stand there have
the probability of their tokens; what a label that was left out would have had cannot be read from the answer.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from labeltune.errors import SettingsError
from labeltune.prediction.replies import answer_of
from labeltune.prediction.tokens import spelled

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from labeltune.prediction.tokens import Token
    from labeltune.task import Field, Task
    from labeltune.task.labels import Labels

__all__ = ["answer_confidence", "check_probabilities", "label_probabilities"]

_Span = tuple[int, int]


def answer_confidence(choice: Mapping[str, Any]) -> float | None:
    """The probability of the whole answer, 0 to 1; None if the reply has no log-probabilities, or none that
    spell the answer.
    """
    tokens = spelled(choice)
    return None if not tokens else min(math.exp(math.fsum(token.logprob for token in tokens)), 1.0)


def check_probabilities(task: Task, *, confidence: bool) -> None:
    """Raise `SettingsError` where the task's answers tell no probabilities of labels."""
    if not confidence:
        raise SettingsError("--probabilities needs log-probabilities, and --no-confidence asks for none")
    if task.answer.format != "flags" and all(field.type == "multi" for field in task.fields):
        names = " and ".join(f'"{field.name}"' for field in task.fields)
        raise SettingsError(
            f"--probabilities: an answer of the format {task.answer.format} tells nothing of the labels of "
            f"{names} that it leaves out",
            hint='[answer] format = "flags" in the task answers true or false for each label, with a '
            "probability for each; convert and train again with it",
        )


def label_probabilities(task: Task, choice: Mapping[str, Any], labels: Labels) -> list[float | None]:
    """The probability of each label, length n_labels, in task order; None where the answer does not tell."""
    answer = answer_of(choice)
    tokens = spelled(choice)
    if not tokens:
        return [None] * len(task.labels)
    result: list[float | None] = []
    spans = _spans(task, answer)
    for field, found in zip(task.fields, labels, strict=True):
        span = spans.get(field.name)
        if span is None:
            result += [None] * len(field.labels)
        elif task.answer.format == "flags":
            result += [_truth(tokens, spans[label]) if label in spans else None for label in field.labels]
        elif field.type == "single":
            result += _distribution(tokens, span, field, found[0], quoted=task.answer.format == "json")
        else:
            places = _places(answer, span, found)
            result += [
                _presence(tokens, places[label]) if label in places else None for label in field.labels
            ]
    return result


# ------------------------------------------------------------------------------------- where the labels stand


def _spans(task: Task, answer: str) -> dict[str, _Span]:
    """Where each field's value stands in the answer; for `flags` each label's value too."""
    field = task.fields[0]
    if task.answer.format in ("label", "list"):
        return {field.name: (0, len(answer))}
    values = dict(_values(answer))
    return {**values, field.name: (0, len(answer))} if task.answer.format == "flags" else values


def _values(answer: str) -> Iterator[tuple[str, _Span]]:
    """The keys of the JSON object in an answer, each with the place of its value."""
    decoder = json.JSONDecoder()
    place = answer.find("{") + 1
    try:
        while place:
            key, place = decoder.raw_decode(answer, _skip(answer, place, ","))
            begin = _skip(answer, place, ":")
            _, place = decoder.raw_decode(answer, begin)
            yield key, (begin, place)
    except (ValueError, IndexError):
        return


def _skip(text: str, place: int, sign: str) -> int:
    while place < len(text) and (text[place].isspace() or text[place] == sign):
        place += 1
    return place


# -------------------------------------------------------------------------------------------- probabilities


def _distribution(
    tokens: list[Token], span: _Span, field: Field, answered: str, *, quoted: bool
) -> list[float | None]:
    """Over the labels of a single field; adds up to 1."""
    spelled = {
        label: (json.dumps(label, ensure_ascii=False) if quoted else label).casefold()
        for label in field.labels
    }
    mass = dict.fromkeys(field.labels, 0.0)
    before, past = "", 0.0
    for token in tokens:
        if token.start + len(token.text) <= span[0]:
            continue
        if token.start >= span[1]:
            break
        # A token may begin before the value does: what stands there before it is the same for all labels.
        lead = max(span[0] - token.start, 0)
        for text, logprob in token.alternatives():
            after = _after(text, token, lead)
            if text == token.text or after is None:
                continue
            reached = before + after.casefold()
            led_to = [
                label
                for label, spelling in spelled.items()
                if label != answered and _leads(reached, spelling)
            ]
            for label in led_to:
                mass[label] += math.exp(past + logprob) / len(led_to)
        before += token.text[lead:].casefold()
        past += token.logprob
    mass[answered] += math.exp(past)
    total = math.fsum(mass.values())
    return [mass[label] / total if total else None for label in field.labels]


def _after(text: str, token: Token, lead: int) -> str | None:
    """What an alternative to a token says after the first `lead` characters of the token; None if it parts
    from the token before. Space before an answer, which servers take off, is no part of it.
    """
    if text[:lead] == token.text[:lead]:
        return text[lead:]
    return text.lstrip() if token.text[:lead].isspace() else None


def _leads(reached: str, spelling: str) -> bool:
    reached = reached.lstrip()
    return bool(reached) and (spelling.startswith(reached) or reached.startswith(spelling))


def _truth(tokens: list[Token], span: _Span) -> float | None:
    """The probability of `true` at a value."""
    token = next((token for token in tokens if token.start + len(token.text) > span[0]), None)
    if token is None:
        return None
    lead = max(span[0] - token.start, 0)
    sums = {"t": 0.0, "f": 0.0}
    options = dict(token.alternatives())
    options[token.text] = token.logprob
    for text, logprob in options.items():
        after = _after(text, token, lead)
        letter = "" if after is None else after.lstrip()[:1].lower()
        if letter in sums:
            sums[letter] += math.exp(logprob)
    total = sums["t"] + sums["f"]
    if not total:
        return None
    if not (sums["t"] and sums["f"]):
        # Only one of the two was shown: the other has what is left.
        return min(sums["t"], 1.0) if sums["t"] else max(1.0 - sums["f"], 0.0)
    return sums["t"] / total


def _places(answer: str, span: _Span, labels: Sequence[str]) -> dict[str, _Span]:
    """Where each of the labels stands in a list; none stands inside a longer one."""
    places: dict[str, _Span] = {}
    begin, end = span
    left = list(answer[begin:end])
    for label in sorted(labels, key=len, reverse=True):
        text = "".join(left)
        place = text.find(label)
        if place < 0 and len(text.lower()) == len(text):
            place = text.lower().find(label.lower())
        if place >= 0:
            places[label] = (begin + place, begin + place + len(label))
            left[place : place + len(label)] = "\0" * len(label)
    return places


def _presence(tokens: list[Token], place: _Span) -> float:
    """The probability of the tokens of a label that stands in a list."""
    begin, end = place
    logprobs = [
        token.logprob for token in tokens if token.start < end and token.start + len(token.text) > begin
    ]
    return min(math.exp(math.fsum(logprobs)), 1.0)
