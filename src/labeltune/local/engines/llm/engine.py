"""The engine `llm`: a chat model that learns by LoRA. Its answers are legal, because they are scored, never
sampled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal, NoReturn

import numpy as np

from labeltune.errors import SettingsError
from labeltune.local.engines.common.answers import LabelFormat
from labeltune.local.engines.common.class_weight import is_balanced
from labeltune.local.engines.common.folder import ForgetsState
from labeltune.local.engines.common.formats import format_from_json
from labeltune.local.engines.common.records import Template
from labeltune.local.engines.llm.chat import Chat, check_template
from labeltune.local.engines.llm.deciding import Decider, choices_of
from labeltune.local.engines.llm.examples import window_of
from labeltune.local.engines.llm.grammar import Grammar
from labeltune.local.engines.llm.legal import Legal
from labeltune.local.engines.llm.manifest import ABOUT, OPTIONS, STATE
from labeltune.local.engines.llm.saved import Saved, is_merged
from labeltune.local.engines.llm.scoring import Scorer
from labeltune.local.engines.neural.base_model import check_source, fetch_base, licence_on_this_disk
from labeltune.local.engines.neural.device import precision_of
from labeltune.local.engines.neural.extra import need_torch
from labeltune.local.engines.neural.lora import Lora
from labeltune.local.engines.neural.processes import processes_of

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from labeltune.local.engines import Answer, Base, Fetched, Hyperparameters, Message, Record
    from labeltune.local.engines.llm.learning import LlmRun
    from labeltune.local.engines.llm.legal import Written
    from labeltune.local.engines.llm.scoring import Request

    Ids = tuple[int, ...]
    Floats = NDArray[np.float64]

__all__ = ["Llm"]

_CLOSE, _CLOSE_HALF = 1e-3, 0.25
"""How far, in nats, a whole answer may be from the same in one pass, in 32 and in 16 bits; farther, what is
kept of conversations is not trusted for this model, and every point is computed from the beginning."""

_LOOKED_AT = 100
"""So many answers are looked at for those to compare."""


class Llm(ForgetsState):
    """A trained model: `load` it and `answer`."""

    name: ClassVar[str] = "llm"
    preparation = "Loading the base model and reading texts"
    about = ABOUT
    state = frozenset({STATE})
    options: ClassVar[Mapping[str, str]] = OPTIONS
    slow: ClassVar[bool] = True

    def __init__(self, saved: Saved, chat: Chat, module: Any) -> None:
        self._template = Template.from_json(saved.template)
        self._format = format_from_json(saved.answers)
        self.legal = Legal(Grammar(self._format), chat.spell, chat.end)
        self._decider = Decider(self.legal, saved.decisions, saved.tilt)
        self.chat = chat
        self._window = saved.window
        opening = self.legal.opening
        self.scorer = Scorer(module, pad=chat.pad, opening=opening, common=tuple(saved.common))
        self._room = saved.window - len(opening) - 1
        self._trust(_CLOSE_HALF if saved.half else _CLOSE)

    @classmethod
    def check(cls, base: Base) -> None:
        """See `Engine`."""
        base.check_options(cls.options)
        Lora.of(base)
        is_balanced(base)
        processes_of(base)
        precision_of(base)
        window_of(base, {})
        need_torch("llm")
        found = check_source(base)
        if found is not None:
            check_template(found.folder)
            window_of(base, found.config)

    @classmethod
    def fetch(cls, base: Base, tell: Callable[[str], None]) -> Fetched:
        """See `Fetching`."""
        return fetch_base(base, tell, look=check_template)

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
    ) -> LlmRun:
        """See `Engine`."""
        from labeltune.local.engines.llm.learning import LlmRun

        cls.check(base)
        return LlmRun(training, validation, hyperparameters, base=base, seed=seed, resume=resume)

    @classmethod
    def load(cls, folder: Path) -> Llm:
        """See `Engine`. Raises `ModelDamagedError` also if the base model is gone or another one."""
        from labeltune.local.engines.llm.merging import read_model

        need_torch("llm")
        saved, base, adapter = Saved.read(folder)
        return cls(saved, Chat(base), read_model(saved, base, adapter))

    @classmethod
    def lasting(cls, folder: Path) -> dict[str, Path | bytes]:
        """See `Lasting`. A merged model, as it is imported, holds nothing else."""
        if not is_merged(folder):
            return super().lasting(folder)
        paths = (path for path in folder.rglob("*") if path.is_file())
        return {path.relative_to(folder).as_posix(): path for path in paths}

    @classmethod
    def export(cls, folder: Path, out: Path) -> None:
        """Write the model to the folder `out` as one that transformers reads and that `load` does, too."""
        from labeltune.local.engines.llm.merging import merge

        merge(folder, out)

    @classmethod
    def to_onnx(cls, folder: Path, out: Path, *, around: tuple[str, str] | None) -> NoReturn:  # noqa: ARG003  # the signature of `Portable`
        """See `Portable`: there is no such form."""
        raise SettingsError(
            "llm cannot be exported as ONNX",
            hint="leave out --to onnx: that export is a folder that transformers and vLLM load",
        )

    @classmethod
    def licence(cls, base: Base) -> str:
        """See `Portable`."""
        return licence_on_this_disk(base) or "not known"

    def answer(self, conversations: Sequence[Sequence[Message]], *, top_logprobs: int = 0) -> list[Answer]:
        """See `Engine`."""
        prompts = [self.prompt(conversation) for conversation in conversations]
        # The probability of a field of several is a sum over the answers that hold its value.
        alone = not top_logprobs and isinstance(self._format, LabelFormat)
        told: Literal["all", "best"] = "best" if alone else "all"
        found = self.scorer.run(prompts, [self._decider.walk(told) for _ in prompts])
        return [self._format.answer(self._decider.verdicts(decided), top_logprobs) for decided in found]

    def prompt(self, conversation: Sequence[Message]) -> Ids:
        """The tokens of a conversation, as many as there is room for."""
        return self.chat.prompt(conversation, self._room, self._template)[0]

    def _trust(self, close: float) -> None:
        """Compare a few answers with the same in one pass with nothing kept."""
        prompts = [self.prompt(conversation) for conversation in _like_training(self._template)]
        written = self._some_answers()
        pairs = [(prompt, answer) for prompt in prompts for answer in written]
        found = self.scorer.run([prompt for prompt, _ in pairs], [_total(answer) for _, answer in pairs])
        for (prompt, answer), total in zip(pairs, found, strict=True):
            if abs(total - self.scorer.log_probability(prompt, answer)) > close:
                self.scorer.cached = False

    def _some_answers(self) -> list[Written]:
        """Two legal answers, of many those with the most points of choice."""
        layout = self._decider.layout
        heads = list(zip(layout.slices, layout.kinds, strict=True))
        found: dict[Ids, Written] = {}
        for number in range(min(_LOOKED_AT, max(part.stop - part.start for part, _ in heads))):
            targets = np.zeros(layout.n_outputs, dtype=np.bool_)
            for part, kind in heads:
                targets[part.start + number % (part.stop - part.start)] = True
                if kind == "subset" and number == 0:
                    targets[part] = True
            written = self.legal.write(self.legal.grammar.walk(targets))
            found[written.ids] = written
        return sorted(found.values(), key=lambda one: -sum(len(ids) > 1 for ids in one.allowed))[:2]


def _total(answer: Written) -> Generator[list[Request], list[list[Floats]], float]:
    """The log-probability of an answer, by its points of choice."""
    choices = yield from choices_of(answer)
    return float(sum(values[place] for values, place in choices))


def _like_training(template: Template) -> list[list[Message]]:
    """Two conversations within the fixed words of the training's, one longer than the other."""
    roles = [role for role, from_end in template.frames if from_end == 1]
    found = []
    for text in ("a", "a text of several words, longer than the other one"):
        conversation = []
        for role in roles or ["user"]:
            frame = template.frames.get((role, 1))
            middle = "" if frame is None or frame.constant else text
            content = middle if frame is None else f"{frame.prefix}{middle}{frame.suffix}"
            conversation.append({"role": role, "content": content})
        found.append(conversation)
    return found
