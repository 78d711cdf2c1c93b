"""Engines: what trains inside the local provider.

An engine is one class with `fit`, `load` and `answer`. It sees chat records and nothing else: no task file,
no table. Engines are found in one table, `ENGINES`, and through the entry point group `labeltune.engines`.
An engine's module is imported when the engine is asked for, not before.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self, cast
from urllib.parse import parse_qsl, urlencode

from labeltune.errors import AccessError, SettingsError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "ENGINES",
    "ENTRY_POINTS",
    "Answer",
    "Base",
    "Conversion",
    "CrossValidating",
    "Engine",
    "Explaining",
    "Explanation",
    "Fetched",
    "Fetching",
    "HeldOut",
    "Hyperparameters",
    "Kept",
    "Lasting",
    "Message",
    "Portable",
    "Reason",
    "Record",
    "Run",
    "Step",
    "TokenLogprob",
    "WordWeight",
    "engine_names",
    "fetched",
    "get_engine",
]

ENGINES: Mapping[str, str] = {
    "linear": "labeltune.local.engines.linear.engine:Linear",
    "embed": "labeltune.local.engines.embed.engine:Embed",
    "encoder": "labeltune.local.engines.encoder.engine:Encoder",
    "llm": "labeltune.local.engines.llm.engine:Llm",
}
"""The engines of this package: the name of the base model, and the class as an entry point names it."""

ENTRY_POINTS = "labeltune.engines"
"""The group of entry points under which other packages offer engines."""

Message = dict[str, Any]
"""One chat message: `{"role": …, "content": …}`."""

Record = list[Message]
"""The messages of one training example; the last one is the assistant's."""


@dataclass(frozen=True, slots=True)
class Base:
    """A base model as a job names it: `ENGINE[:SOURCE][#OPTION=VALUE[&OPTION=VALUE]…]`.

    `llm:/models/small#rank=16&lora=all` is the engine `llm` on the model in that folder; an option says what
    the protocol has no field for.
    """

    engine: str
    source: str = ""
    """A folder, or the name of a model in a hub, with `@REVISION` or without; empty where the engine needs
    none."""
    options: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, name: str) -> Base:
        """The parts of a name. Raises `SettingsError` if what stands after `#` is no list of options."""
        rest, mark, listed = name.partition("#")
        engine, colon, source = rest.partition(":")
        if colon and not source:
            raise SettingsError(f"{name}: expected a folder or a name after the colon")
        try:
            # An empty list of options is none that strict parsing would notice.
            pairs = parse_qsl(listed or "=&", keep_blank_values=True, strict_parsing=True) if mark else []
        except ValueError:
            raise SettingsError(
                f"{name}: expected OPTION=VALUE after '#', several with '&' between them"
            ) from None
        options = dict(pairs)
        if len(options) < len(pairs):
            raise SettingsError(f"{name}: an option stands there twice")
        return cls(engine, source, options)

    def __str__(self) -> str:
        source = f":{self.source}" if self.source else ""
        options = f"#{urlencode(dict(self.options), safe='/,')}" if self.options else ""
        return f"{self.engine}{source}{options}"

    @property
    def short(self) -> str:
        """Engine and the last part of the source, of the characters that a model's name may have."""
        # Behind the @ of a hub's name stands a revision.
        source = Path(self.source)
        name = source.name if source.is_absolute() else Path(self.source.partition("@")[0]).name
        last = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.")
        return f"{self.engine}-{last}" if last else self.engine

    def located(self) -> Base:
        """The same with the whole path, if the source is a folder here: its job runs in another folder."""
        folder = Path(self.source).expanduser()
        if not self.source or not folder.is_dir():
            return self
        return Base(self.engine, str(folder.resolve()), self.options)

    def check_options(self, known: Mapping[str, str]) -> None:
        """Raise `SettingsError` for an option that the engine does not know."""
        for option in self.options:
            if option not in known:
                raise SettingsError(
                    f"{self.engine} has no option {option!r}{did_you_mean(option, known)}",
                    hint=f"it has: {', '.join(known)}" if known else "it has none",
                )


@dataclass(frozen=True, slots=True)
class Hyperparameters:
    """What a job asks for; `"auto"` leaves the choice to the engine."""

    n_epochs: int | str = "auto"
    batch_size: int | str = "auto"
    learning_rate_multiplier: float | str = "auto"


@dataclass(frozen=True, slots=True)
class Kept:
    """The epoch whose weights a training ends with, counted from 1, and what validation says of them."""

    epoch: int
    full_valid_loss: float
    full_valid_accuracy: float


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
    rows: int = 0
    """How many examples the step learnt from; 0 where the engine does not say."""
    kept: Kept | None = None
    """With the last step: what the model is, where that is not simply the last epoch's weights."""


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
    """A training under way: iterate over it to train; between two steps it can be saved or left.

    If it has `notes`, strings, they are told as events when the training begins: what the engine has to say
    of the data.
    """

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
    """A kind of model.

    The module of an engine imports nothing heavy: what trains is imported by `fit`, what answers by `load`.
    One with `slow = True`, the class or the model, answers in a thread of its own, one batch of requests at
    a time, while the server does other things; without it, answers are made between two requests, which
    costs less for each.
    `preparation`, if a class has it, says what `fit` does before the first step; jobs tell it as an event.
    """

    name: ClassVar[str]
    options: ClassVar[Mapping[str, str]]
    """The options that may stand after the base model's name, and what each does, in a few words."""

    @classmethod
    def check(cls, base: Base) -> None:
        """Whether a job may train this base, told before it is made and at little cost.

        Raises `SettingsError` for an option, `AccessError` for a model that is not there or needs an extra.
        """
        ...

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


@dataclass(frozen=True, slots=True)
class WordWeight:
    """A word of a conversation, and what it adds to a reason's score, in nats; below 0 it speaks against."""

    message: int
    """The number of its message, from 0 on."""
    start: int
    """The character of the message's content that it begins with; `end` is the one after its last."""
    end: int
    weight: float


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a label was decided for: what each word adds to its score, `bias + rest + the words' weights`.

    Of a choice the score is ln(p / q), with `p` the label's probability and `q` that of `against`, the next
    likely label; of a label that may hold or not it is ln(p / (1 - p)), and `against` is None.
    """

    label: str
    against: str | None
    chosen: bool
    """False for the likeliest label where none holds."""
    score: float
    bias: float
    """What is the same for every text."""
    rest: float
    """What this text adds and no word of it can be named for, such as a vector of the whole text."""
    words: tuple[WordWeight, ...]
    """In the order of the text, those that add nothing left out."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """What was decided about one conversation, and why."""

    probabilities: tuple[Mapping[str, float], ...]
    """For each question the probability of each label, in the order of the labels."""
    reasons: tuple[Reason, ...]
    """One for each label that was decided for; for a question without any, the likeliest label's."""


class Explaining(Protocol):
    """What an engine may have besides: without `explain` it is said that the engine cannot say why."""

    def explain(self, conversations: Sequence[Sequence[Message]]) -> list[Explanation]:
        """Why `answer` answers these conversations as it does, in order."""
        ...


@dataclass(frozen=True, slots=True)
class HeldOut:
    """What models say of examples that they have not seen.

    `heads` are the labels of each question, spelled as in the answers: JSON where these are JSON.
    `probabilities` float64 (examples, labels of all heads), calibrated: those of a choice add up to 1.
    """

    heads: tuple[tuple[str, ...], ...]
    probabilities: NDArray[np.float64]


class CrossValidating(Protocol):
    """What an engine may have besides, for who looks for wrong labels."""

    @classmethod
    def cross_validate(
        cls, training: Sequence[Record], fold: NDArray[np.int64], *, base: Base, seed: int
    ) -> HeldOut:
        """Learn as often as there are folds, each time without one of them, and tell what is said of it.

        `fold`, int64 (examples,) counted from 1. Raises as `fit` does.
        """
        ...


class Conversion(Protocol):
    """A model in a form that runs without labeltune, and what it must answer there."""

    code: str
    """Python that defines `classify(texts)` when it is run in the form's folder: for each text its labels
    and the probability of every label, float (labels,). It is shown in the model card, as it stands."""
    labels: Sequence[str]
    """The names of the labels, in the order of the probabilities."""
    tolerance: float
    """How far a probability there may be from the engine's."""

    def text_of(self, conversation: Sequence[Message]) -> str | None:
        """What `classify` takes for this conversation; None where there is nothing that it could take."""
        ...

    def expected(self, conversation: Sequence[Message]) -> tuple[list[str], Sequence[float]]:
        """The labels and probabilities by the engine itself."""
        ...


class Lasting(Protocol):
    """What an engine may have besides, where it saves more than answering needs."""

    @classmethod
    def forget_state(cls, folder: Path) -> None:
        """Remove what only `fit(resume=folder)` needs from what `Run.save` wrote there, if there is any.

        It is called when a job has trained its last step; `load` reads the folder as before, at any moment.
        """
        ...

    @classmethod
    def lasting(cls, folder: Path) -> Mapping[str, Path | bytes]:
        """Each file that answering needs, by its name in the folder, as `forget_state` leaves it: where it
        lies, or what is in it where `forget_state` writes it anew. The same before and after: so a model that
        answers while its job runs is the same one when the job has ended, and is copied whole at any moment.

        Raises `ModelDamagedError` for what is not as it was saved.
        """
        ...


@dataclass(frozen=True, slots=True)
class Fetched:
    """A base model that is on this disk."""

    base: Base
    """The base, with the revision that was fetched: what a hub's name means may change, this does not."""
    revision: str | None
    """The commit in the hub; None for a folder."""
    licence: str
    """As the model's card names it; empty if it names none."""


class Fetching(Protocol):
    """What an engine may have besides, whose base models may lie in a hub."""

    @classmethod
    def fetch(cls, base: Base, tell: Callable[[str], None]) -> Fetched:
        """Bring a base onto this disk before `fit`, which then fetches nothing. `tell` is told of it, and of
        how much has come. Raises `AccessError`.
        """
        ...


class Portable(Protocol):
    """What an engine may have besides, for models that leave this machine. Each method may be missing.

    Without `export` the saved folder is copied; without `to_onnx` there is no such form; without `licence`
    the base model's is not known.
    """

    @classmethod
    def export(cls, folder: Path, out: Path) -> None:
        """Write the model saved in `folder` to the empty folder `out`, so that `load(out)` answers alike."""
        ...

    @classmethod
    def to_onnx(cls, folder: Path, out: Path, *, around: tuple[str, str] | None) -> Conversion:
        """Write the model as ONNX, with what is needed beside it, to the folder `out`.

        `around` are the prompt's fixed words before and after the text, where they are known. Raises
        `SettingsError` for a model that has no such form, `AccessError` where an extra is needed for it.
        """
        ...

    @classmethod
    def licence(cls, base: Base) -> str:
        """The licence of the base model, in a few words."""
        ...


def fetched(base: Base, tell: Callable[[str], None]) -> Fetched | None:
    """See `Fetching`; None where the engine has no bases that lie elsewhere. Raises `AccessError`."""
    engine = get_engine(base.engine)
    return cast("type[Fetching]", engine).fetch(base, tell) if hasattr(engine, "fetch") else None


def engine_names() -> list[str]:
    """The names of the engines here, those of other packages among them, sorted."""
    return sorted({*ENGINES, *entry_points(group=ENTRY_POINTS).names})


def get_engine(name: str) -> type[Engine]:
    """The engine of this name, imported now. Raises `AccessError` if there is none."""
    if name in ENGINES:
        module, _, attribute = ENGINES[name].partition(":")
        engine: type[Engine] = getattr(import_module(module), attribute)
        return engine
    for entry in entry_points(group=ENTRY_POINTS):
        if entry.name == name:
            found: type[Engine] = entry.load()
            return found
    known = ", ".join(engine_names())
    raise AccessError(f"there is no engine named {name!r}", hint=f"the engines here are: {known}")
