"""What is learnt from the answers: a model that ranks the rows, and how often it is right on unseen ones.

Pure work on conversations and answers; the process that does it is `worker`.
"""

from __future__ import annotations

import math
import tempfile
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from labeltune.collect.label.ranking import margin_of
from labeltune.errors import TrainingRefusedError
from labeltune.local.engines import Base, Hyperparameters, get_engine
from labeltune.prediction.confidence import answer_confidence, label_probabilities
from labeltune.proportions import low_end
from labeltune.task import AnswerFormat, Task
from labeltune.task.answers import decode_answer, encode_answer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from labeltune.local.engines import Answer, Engine, Message
    from labeltune.task.labels import Labels

__all__ = ["FOLDS", "Measured", "learnt_task", "measure", "rank", "train"]

FOLDS = 5
LEAST_RANDOM = 30
"""With fewer answered rows of the random sample, what is measured is measured on all answered rows."""
TAIL = 0.025
"""Of the exact interval, at each end: 95 % are between them."""
ONE_SIDED = 1.644854
"""The normal quantile of a bound that holds in 95 of 100 cases."""
LEAST_GAIN = 0.02
"""Twice the labels are not worth it where they bring less than this share of rows."""
SEED = 42
TOP = 5
"""Alternatives that are asked for at each decision; the margin needs two."""
_BLOCK = 512


@dataclass(frozen=True, slots=True)
class Measured:
    """How a model does on rows that it was not trained on, and what more labels brought."""

    labels: int
    """rows with an answer"""
    random: bool
    """whether it was measured on the random sample alone"""
    rows: int
    right: int
    low: float
    high: float
    gain: float
    """by how much the share of right rows is higher than with half the labels"""
    most: float
    """what that gain is at the most"""

    @property
    def pays(self) -> bool:
        """Whether more rows may still pay."""
        return self.most >= LEAST_GAIN


def learnt_task(task: Task) -> Task:
    """The task with the answer format that tells the most of each label's probability."""
    if len(task.fields) > 1:
        return replace(task, answer=AnswerFormat("json"))
    return replace(task, answer=AnswerFormat("label" if task.fields[0].type == "single" else "flags"))


def train(base: Base, conversations: Sequence[Sequence[Message]], answers: Sequence[str]) -> Engine:
    """A model trained on these answers. Raises `TrainingRefusedError`, `AccessError`, `SettingsError`."""
    engine = get_engine(base.engine)
    records = [
        [*messages, {"role": "assistant", "content": answer}]
        for messages, answer in zip(conversations, answers, strict=True)
    ]
    run = engine.fit(records, [], Hyperparameters(), base=base, seed=SEED)
    for _ in run:
        pass
    with tempfile.TemporaryDirectory(prefix="labeltune-") as folder:
        run.save(Path(folder) / "model")
        return engine.load(Path(folder) / "model")


def rank(
    task: Task, model: Engine, conversations: Sequence[Sequence[Message]]
) -> Iterator[tuple[Labels | None, float]]:
    """For each conversation the labels that the model gives, and their margin; NaN where it tells none."""
    for start in range(0, len(conversations), _BLOCK):
        for answer in model.answer(conversations[start : start + _BLOCK], top_logprobs=TOP):
            yield _judged(task, answer)


def measure(
    base: Base,
    conversations: Sequence[Sequence[Message]],
    answers: Sequence[str],
    drawn: Sequence[bool],
) -> Measured:
    """Cross-validate on rows in the order in which they were answered; `drawn` are of the random sample.

    Accuracy is measured on the random sample once there is enough of it: the others are the hard ones. What
    twice the labels brought is measured on all rows, each model beside one that had half as many.
    """
    whole = np.zeros(len(answers), dtype=np.bool_)
    half = np.zeros(len(answers), dtype=np.bool_)
    folds = np.random.default_rng(SEED).permutation(np.arange(len(answers)) % FOLDS)
    for fold in range(FOLDS):
        others, own = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        if not own.size or not others.size:
            continue
        whole[own] = _right(base, conversations, answers, others, own)
        half[own] = _right(base, conversations, answers, others[: max(1, len(others) // 2)], own)
    scored = np.array(drawn, dtype=np.bool_)
    is_random = int(scored.sum()) >= LEAST_RANDOM
    if not is_random:
        scored[:] = True
    rows, right = int(scored.sum()), int(whole[scored].sum())
    gain, most = _gain(int((whole & ~half).sum()), int((half & ~whole).sum()), len(answers))
    return Measured(
        labels=len(answers),
        random=is_random,
        rows=rows,
        right=right,
        low=low_end(right, rows, TAIL) if right else 0.0,
        high=1 - low_end(rows - right, rows, TAIL) if right < rows else 1.0,
        gain=gain,
        most=most,
    )


def _right(base: Base, conversations: Any, answers: Any, others: Any, own: Any) -> list[bool]:
    """Which of the rows `own` a model trained on `others` answers right."""
    asked = [conversations[row] for row in own]
    learnt = [answers[row] for row in others]
    try:
        model = train(base, [conversations[row] for row in others], learnt)
    except TrainingRefusedError:
        # Nothing to learn from: the commonest answer is what is left to say.
        said = [Counter(learnt).most_common(1)[0][0]] * len(own)
    else:
        said = [answer.text for answer in model.answer(asked)]
    return [answers[row] == text for row, text in zip(own, said, strict=True)]


def _gain(more: int, fewer: int, rows: int) -> tuple[float, float]:
    """The difference of two shares of the same rows, and its upper bound: `more` are right only with the
    first model, `fewer` only with the second (Bonett and Price 2012, adjusted Wald interval).
    """
    share = (more + 1) / (rows + 2), (fewer + 1) / (rows + 2)
    difference = share[0] - share[1]
    spread = math.sqrt(max(0.0, (sum(share) - difference**2) / (rows + 2)))
    return (more - fewer) / rows, min(1.0, difference + ONE_SIDED * spread)


def _judged(task: Task, answer: Answer) -> tuple[Labels | None, float]:
    labels = decode_answer(task, answer.text).labels
    if labels is None:
        return None, float("nan")
    content = [
        {
            "token": token.token,
            "logprob": token.logprob,
            "top_logprobs": [{"token": text, "logprob": logprob} for text, logprob in token.top],
        }
        for token in answer.tokens
    ]
    choice = {"message": {"content": answer.text}, "logprobs": {"content": content}}
    shares = label_probabilities(task, choice, labels)
    return labels, margin_of(task, shares, answer_confidence(choice))


def encoded(task: Task, labels: Labels) -> str:
    """The answer that is learnt for labels."""
    answer = encode_answer(task, labels)
    assert answer is not None  # only the format `list` has no answer for no labels
    return answer
