"""Engines: what trains inside the local provider.

An engine is one class with `fit`, `load` and `answer`. It sees chat records and nothing else: no task file,
no table. Engines are found in one table, `ENGINES`, and through the entry point group `labeltune.engines`.
An engine's module is imported when the engine is asked for, not before.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import import_module
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

from labeltune.errors import AccessError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

__all__ = [
    "ENGINES",
    "ENTRY_POINTS",
    "Answer",
    "Engine",
    "Hyperparameters",
    "Message",
    "Record",
    "Run",
    "Step",
    "TokenLogprob",
    "get_engine",
]

ENGINES: Mapping[str, str] = {"linear": "labeltune.local.engines.linear.engine:Linear"}
"""The engines of this package: the name of the base model, and the class as an entry point names it."""

ENTRY_POINTS = "labeltune.engines"
"""The group of entry points under which other packages offer engines."""

Message = dict[str, Any]
"""One chat message: `{"role": …, "content": …}`."""

Record = list[Message]
"""The messages of one training example; the last one is the assistant's."""


@dataclass(frozen=True, slots=True)
class Hyperparameters:
    """What a job asks for; `"auto"` leaves the choice to the engine."""

    n_epochs: int | str = "auto"
    batch_size: int | str = "auto"
    learning_rate_multiplier: float | str = "auto"


@dataclass(frozen=True, slots=True)
class Step:
    """One point of the training curve. Losses are nats per answer, accuracies fractions of tokens right.

    `valid_*` are of one validation batch, `full_valid_*` of the whole validation file, once an epoch.
    """

    step: int
    total_steps: int
    epoch: int
    train_loss: float
    train_accuracy: float
    valid_loss: float | None = None
    valid_accuracy: float | None = None
    full_valid_loss: float | None = None
    full_valid_accuracy: float | None = None
    epoch_end: bool = False


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """One token of an answer, its natural log-probability, and the alternatives there, likeliest first."""

    token: str
    logprob: float
    top: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """The assistant's message; the tokens joined are `text`."""

    text: str
    tokens: tuple[TokenLogprob, ...] = field(default=())


class Run(Protocol):
    """A training under way: iterate over it to train; between two steps it can be saved or left."""

    hyperparameters: Mapping[str, int | float]
    """The numbers used, under the protocol's names, with every `"auto"` resolved."""
    trained_tokens: int
    """Tokens of the training file times epochs, as the engine counts tokens."""

    def __iter__(self) -> Iterator[Step]:
        """Train, yielding after every step. The last step has `step == total_steps`."""
        ...

    def save(self, folder: Path) -> None:
        """Write all that `load` needs to answer and all that `fit(resume=folder)` needs to go on, atomically.

        Valid at any step boundary. The same data, hyperparameters and seed give the same bytes.
        """
        ...


class Engine(Protocol):
    """A kind of model."""

    name: ClassVar[str]

    @classmethod
    def fit(
        cls,
        training: Sequence[Record],
        validation: Sequence[Record],
        hyperparameters: Hyperparameters,
        *,
        seed: int,
        resume: Path | None = None,
    ) -> Run:
        """Prepare a training. Raises `TrainingRefusedError` if the examples cannot be learnt from."""
        ...

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The model saved in `folder`. Raises `ModelDamagedError` if a hash does not match."""
        ...

    def answer(self, conversations: Sequence[Sequence[Message]], *, top_logprobs: int = 0) -> list[Answer]:
        """Answer each conversation (messages without the assistant's), in order."""
        ...


def get_engine(name: str) -> type[Engine]:
    """The engine of this name, imported now. Raises `AccessError` if there is none."""
    if name in ENGINES:
        module, _, attribute = ENGINES[name].partition(":")
        engine: type[Engine] = getattr(import_module(module), attribute)
        return engine
    offered = entry_points(group=ENTRY_POINTS)
    for entry in offered:
        if entry.name == name:
            found: type[Engine] = entry.load()
            return found
    known = ", ".join(sorted({*ENGINES, *offered.names}))
    raise AccessError(f"there is no engine named {name!r}", hint=f"the engines here are: {known}")
