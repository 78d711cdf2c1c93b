"""Chat records about topics, and what is done with trainings, for the tests of engines."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from labeltune.local.engines import Engine, Record, Run, Step

    AnyEngine = TypeVar("AnyEngine", bound=Engine)

TOPICS = {
    "card": ["card", "pin", "cash machine", "contactless"],
    "transfer": ["transfer", "recipient", "bank account", "reference"],
    "login": ["password", "sign in", "two-factor code", "locked out"],
}
FILLERS = ["please help with my", "there is a problem, the", "why is the", "what about the", "hello, my"]


def text_about(rng: np.random.Generator, topics: Sequence[str]) -> str:
    words = [str(rng.choice(FILLERS))]
    for topic in topics:
        words += [str(word) for word in rng.choice(TOPICS[topic], size=2)]
    return " ".join([*words, str(rng.choice(FILLERS))])


def record(text: str, answer: str) -> Record:
    return [
        {"role": "system", "content": "Classify."},
        {"role": "user", "content": f"Message: {text}\nTopic:"},
        {"role": "assistant", "content": answer},
    ]


def single(n: int = 120, seed: int = 0) -> list[Record]:
    rng = np.random.default_rng(seed)
    topics = rng.choice(list(TOPICS), size=n)
    return [record(text_about(rng, [str(topic)]), str(topic)) for topic in topics]


def several(n: int = 200, seed: int = 0, *, none: str | None = None) -> list[Record]:
    rng = np.random.default_rng(seed)
    records: list[Record] = []
    while len(records) < n:
        topics = [topic for topic in TOPICS if rng.random() < 0.45]
        if topics or none is not None:
            records.append(record(text_about(rng, topics), ",".join(topics) or none or ""))
    return records


def path(topic: str) -> str:
    return json.dumps({"area": "money" if topic != "login" else "access", "topic": topic})


def flags(topic: str) -> str:
    return json.dumps({name: name in topic for name in TOPICS})


def spelled(records: Sequence[Record], spell: Callable[[str], str]) -> list[Record]:
    return [[*row[:-1], {**row[-1], "content": spell(row[-1]["content"])}] for row in records]


def trained(engine: type[AnyEngine], run: Run, folder: Path) -> tuple[AnyEngine, list[Step]]:
    steps = list(run)
    run.save(folder)
    return engine.load(folder), steps


def exact(model: Engine, records: Sequence[Record]) -> float:
    answers = model.answer([row[:-1] for row in records])
    return float(np.mean([a.text == row[-1]["content"] for a, row in zip(answers, records, strict=True)]))


def sure_and_right(model: Engine, records: Sequence[Record]) -> tuple[Any, Any]:
    """How probable each answer was said to be, and whether it is right."""
    answers = model.answer([row[:-1] for row in records])
    sure = np.exp([sum(token.logprob for token in answer.tokens) for answer in answers])
    return sure, np.array([a.text == row[-1]["content"] for a, row in zip(answers, records, strict=True)])


def calibration_error(sure: Any, right: Any) -> float:
    gaps = np.bincount(np.minimum((sure * 15).astype(int), 14), sure - right, minlength=15)
    return float(np.abs(gaps).sum() / len(right))


def files(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}
