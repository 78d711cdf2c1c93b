"""Models in their ONNX form, asked by the lines of their card in a process that has nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from labeltune.local.engines import Conversion, Engine, Record

__all__ = ["STRANGE", "assert_same", "classified", "written"]

STRANGE = [
    "",
    "   ",
    "?!",
    "CARD pin PIN pin pin",
    "naïve ΑΣΟΣ i\u0307 e\u0301 ﬁne",
    "\U0001f600 😀card 👩\u200d👩\u200d👧",
    "a\u2028b\tc\x00d",
    "\ud800x",
    "数据 我的卡被机器吞了，怎么办？",
    "मेरा कार्ड मशीन में फंस गया है, कृपया मदद करें",
    "the transfer and the password " * 2_500,
    "card" * 4_000,
]
"""No text, no words, cases that change the length, marks apart from their letters, signs of several code points,
halves of signs, scripts without spaces, 12,500 words, and one that is longer than any.
"""

_NOT_THERE = ("labeltune", "torch", "transformers", "sklearn", "scipy", "onnx", "safetensors")


def written(engine: Any, folder: Path, around: tuple[str, str] | None = None) -> tuple[Any, Path]:
    """The model saved in `folder` as ONNX, in a folder beside it."""
    out = folder.parent / f"{folder.name}-onnx"
    out.mkdir()
    return engine.to_onnx(folder, out, around=around), out


def classified(code: str, out: Path, texts: Sequence[str]) -> list[Any]:
    """What the lines of the card say of texts."""
    blocked = "".join(f"sys.modules[{name!r}] = None\n" for name in _NOT_THERE)
    asked = (
        f"import sys\n{blocked}{code}\n"
        "for labels, p in classify(json.load(sys.stdin)): print(json.dumps([labels, list(map(float, p))]))"
    )
    run = subprocess.run(
        [sys.executable, "-I", "-c", asked],
        cwd=out,
        input=json.dumps(list(texts)),
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stderr == "", "the runtime has nothing to warn of"
    return [json.loads(line) for line in run.stdout.splitlines()]


def assert_same(
    engine: Engine, conversion: Conversion, out: Path, training: Sequence[Record], *, within: float
) -> None:
    """The form says of texts of the training and of strange ones what the engine does, and its answers."""
    conversations = [row[:-1] for row in training[:60]]
    texts = [one for one in map(conversion.text_of, conversations) if one is not None]
    assert len(texts) == len(conversations)
    prompt: Any = conversion
    before, after = prompt.prompt["before"], prompt.prompt["after"]
    # Strange texts stand for themselves: the words that training found around are put around them.
    for text in STRANGE:
        asked = {"role": "user", "content": before + text.strip() + after}
        conversations.append([{"role": "system", "content": "Classify."}, asked])
    found = classified(conversion.code, out, [*texts, *STRANGE])
    answers = engine.answer(conversations)
    for conversation, answer, (labels, shares) in zip(conversations, answers, found, strict=True):
        expected, probabilities = conversion.expected(conversation)
        assert labels == expected
        assert shares == pytest.approx(list(probabilities), abs=within)
        # What is expected is what the engine answers, whatever its format.
        assert all(part in answer.text for label in labels for part in label.split(" > "))
    assert len({tuple(labels) for labels, _ in found}) > 1
