"""The ONNX form of a linear model: whatever the answers' format and the text, it decides as the engine does."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from labeltune.errors import SettingsError
from labeltune.local.engines import Hyperparameters
from labeltune.local.engines.linear.engine import Linear
from unit.local.onnx_forms import assert_same, classified

if TYPE_CHECKING:
    from pathlib import Path

    from labeltune.local.engines import Record

pytest.importorskip("onnx")

TOPICS = {
    "card": ["card", "pin", "cash machine", "ﬁne"],
    "transfer": ["transfer", "recipient", "Straße", "reference"],
    "login": ["password", "İstanbul", "two-factor", "数据"],
}


def record(text: str, answer: str, *, system: str = "Classify.") -> Record:
    return [
        {"role": "system", "content": system},
        {"role": "user", "content": f"Message: {text}\nTopic:"},
        {"role": "assistant", "content": answer},
    ]


def records(spell: str, n: int = 90) -> list[Record]:
    rng = np.random.default_rng(3)
    made = []
    for _ in range(n):
        held = [topic for topic in TOPICS if rng.random() < 0.5] or ["login"]
        topics = held if spell in ("list", "none", "flags") else held[:1]
        words = [str(word) for topic in topics for word in rng.choice(TOPICS[topic], size=2)]
        if spell == "none" and rng.random() < 0.3:
            topics, words = [], ["hello"]
        answers = {
            "label": topics[:1],
            "list": topics,
            "none": topics or ["none"],
            "path": [
                json.dumps(
                    {
                        "area": "money" if topics[:1] != ["login"] else "access",
                        "topic": topics[0] if topics else "",
                    }
                )
            ],
            "flags": [json.dumps({name: name in topics for name in TOPICS})],
        }
        made.append(record(" ".join(["what about", *words]), ",".join(answers[spell])))
    return made


def converted(training: list[Record], folder: Path, around: tuple[str, str] | None = None) -> Any:
    run = Linear.fit(training, [], Hyperparameters(n_epochs=3), seed=1)
    for _ in run:
        pass
    run.save(folder / "saved")
    out = folder / "out"
    out.mkdir()
    return Linear.to_onnx(folder / "saved", out, around=around), out


@pytest.mark.parametrize("spell", ["label", "list", "none", "path", "flags"])
def test_it_decides_as_the_engine_whatever_the_format_and_the_text(spell: str, tmp_path: Path) -> None:
    training = records(spell)
    conversion, out = converted(training, tmp_path)
    assert_same(Linear.load(tmp_path / "saved"), conversion, out, training, within=1e-6)
    if spell == "path":
        assert "money > card" in conversion.labels


def test_raw_texts_are_taken_where_the_prompt_is_known(tmp_path: Path) -> None:
    """All texts begin with the same words, which training takes for part of the prompt."""
    training = records("label")
    conversion, out = converted(training, tmp_path, around=("Message: ", "\nTopic:"))
    raw = [row[1]["content"].removeprefix("Message: ").removesuffix("\nTopic:") for row in training]
    assert conversion.text_of(training[0][:-1]) == raw[0]
    assert raw[0].startswith("what about")
    assert conversion.prompt["prefix"].endswith("what about ")
    for row, (labels, shares) in zip(training, classified(conversion.code, out, raw), strict=True):
        expected, probabilities = conversion.expected(row[:-1])
        assert labels == expected
        assert shares == pytest.approx(list(probabilities), abs=1e-6)


def test_conversations_that_vary_in_two_messages_have_no_such_form(tmp_path: Path) -> None:
    training = [
        [{"role": "system", "content": f"Case {n}"}, *row[1:]] for n, row in enumerate(records("label"))
    ]
    with pytest.raises(SettingsError, match="2 messages"):
        converted(training, tmp_path)
