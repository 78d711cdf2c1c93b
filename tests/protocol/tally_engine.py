"""A small real engine for the tests of the provider: it counts which word goes with which answer.

It trains one example a step, so that a test can stop it anywhere. It may go as far as the file `TALLY_ALLOWED`
says, where there is one: then it waits. `TALLY_STEP_S` is how long a step takes.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from labeltune.errors import AccessError, ModelDamagedError, TrainingRefusedError
from labeltune.local.engines import Answer, Base, Hyperparameters, Message, Record, Step, TokenLogprob

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


def _wait_for_leave(count: int) -> None:
    """Wait until so many steps or answers are allowed."""
    allowed = os.environ.get("TALLY_ALLOWED")
    while allowed is not None and int(Path(allowed).read_text()) < count:
        time.sleep(0.01)


class Tally:
    """Counts of words by answer."""

    name: ClassVar[str] = "tally"
    options: ClassVar[Mapping[str, str]] = {"pace": "how quickly it counts"}

    def __init__(self, counts: dict[str, dict[str, int]]) -> None:
        self.counts = counts
        self.answered = 0

    @classmethod
    def check(cls, base: Base) -> None:
        base.check_options(cls.options)
        if base.source == "gone":
            raise AccessError("gone: there is no such folder", hint="name one that is there")

    @classmethod
    def fit(
        cls,
        training: Sequence[Record],
        validation: Sequence[Record],
        hyperparameters: Hyperparameters,
        *,
        base: Base,
        seed: int,
        resume: Path | None = None,
    ) -> TallyRun:
        if len({record[-1]["content"] for record in training}) < 2:
            raise TrainingRefusedError("all examples have the same answer")
        return TallyRun(training, validation, hyperparameters, resume)

    @classmethod
    def load(cls, folder: Path) -> Tally:
        state = (folder / "state.json").read_bytes()
        if hashlib.sha256(state).hexdigest() != (folder / "sha256").read_text():
            raise ModelDamagedError("state.json is not what was saved")
        return cls(json.loads(state)["counts"])

    def answer(self, conversations: Sequence[Sequence[Message]], *, top_logprobs: int = 0) -> list[Answer]:
        self.answered += len(conversations)
        _wait_for_leave(self.answered)
        return [self._answer(messages, top_logprobs) for messages in conversations]

    def _answer(self, messages: Sequence[Message], top: int) -> Answer:
        words = messages[-1]["content"].split()
        scores = {
            label: 1 + sum(counts.get(word, 0) for word in words) for label, counts in self.counts.items()
        }
        total = sum(scores.values())
        ranked = sorted(
            ((label, math.log(score / total)) for label, score in scores.items()), key=lambda x: -x[1]
        )
        best, logprob = ranked[0]
        # Two tokens: the answer's first letter, which is all that is uncertain, and the rest.
        tops = tuple((label[:1], value) for label, value in ranked[:top])
        tokens = (
            TokenLogprob(best[:1], logprob, tops),
            TokenLogprob(best[1:], 0.0, ((best[1:], 0.0),)[:top]),
        )
        return Answer(best, tokens)


class TallyRun:
    """Counts one example a step."""

    def __init__(
        self,
        training: Sequence[Record],
        validation: Sequence[Record],
        hyperparameters: Hyperparameters,
        resume: Path | None,
    ) -> None:
        self.training, self.validation = training, validation
        epochs = 3 if hyperparameters.n_epochs == "auto" else int(hyperparameters.n_epochs)
        self.epochs = epochs
        self.hyperparameters = {"n_epochs": epochs, "batch_size": 1, "learning_rate_multiplier": 1.0}
        self.trained_tokens = epochs * sum(len(m["content"].split()) for record in training for m in record)
        self.step = 0
        self.counts: dict[str, Counter[str]] = {}
        if resume is not None:
            state = json.loads((resume / "state.json").read_text())
            self.step = state["step"]
            self.counts = {label: Counter(counts) for label, counts in state["counts"].items()}

    def __iter__(self) -> Iterator[Step]:
        total = self.epochs * len(self.training)
        pause = float(os.environ.get("TALLY_STEP_S", "0"))
        while self.step < total:
            _wait_for_leave(self.step + 1)
            time.sleep(pause)
            record = self.training[self.step % len(self.training)]
            words = self.counts.setdefault(record[-1]["content"], Counter())
            words.update(word for message in record[:-1] for word in message["content"].split())
            self.step += 1
            end = self.step % len(self.training) == 0
            loss = 1 / self.step
            valid = loss if self.validation else None
            yield Step(
                self.step, total, -(-self.step // len(self.training)), loss, 1 - loss, valid, valid,
                valid if end else None, valid if end else None, end,
            )  # fmt: skip

    def save(self, folder: Path) -> None:
        if os.environ.get("TALLY_BIG_SAVE"):
            folder.mkdir()
            (folder / "big").write_bytes(bytes(int(os.environ["TALLY_BIG_SAVE"])))
        state = json.dumps({"step": self.step, "counts": self.counts}).encode()
        building = folder.with_name(folder.name + ".building")
        building.mkdir()
        (building / "state.json").write_bytes(state)
        (building / "sha256").write_text(hashlib.sha256(state).hexdigest())
        building.rename(folder)


def install(site: Path) -> None:
    """Make a folder that, on the import path, offers this engine through its entry point."""
    (site / "tally_engine.py").write_bytes(Path(__file__).read_bytes())
    information = site / "tally_engine-1.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: tally-engine\nVersion: 1\n")
    (information / "entry_points.txt").write_text("[labeltune.engines]\ntally = tally_engine:Tally\n")


def records(n: int = 20) -> bytes:
    """A training file of so many examples with two answers."""
    lines: list[dict[str, Any]] = []
    for i in range(n):
        text, label = (f"refund money {i}", "refund") if i % 2 else (f"parcel late {i}", "delivery")
        lines.append(
            {
                "messages": [
                    {"role": "system", "content": "Classify."},
                    {"role": "user", "content": text},
                    {"role": "assistant", "content": label},
                ]
            }
        )
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)
