"""What is checked: the examples of a file, as batches; what is unreadable is a finding."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from labeltune.errors import DataError, Finding
from labeltune.pricing.tokens import JoinedTexts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from labeltune.prepare.check.prompts import PromptForm
    from labeltune.prepare.check.setting import Setting
    from labeltune.task.labels import Labels

__all__ = ["BATCH", "LONG_TEXT", "MAY_BE_SPECIAL", "Batch", "Part"]

BATCH = 256
"""Examples that are looked at together: enough to share the cost, few enough for the processor's cache."""

LONG_TEXT = 1 << 16
"""Characters; a batch ends with so long a text, so that batches have a bound in bytes too."""


MAY_BE_SPECIAL = "<|"
"""What every special token begins with."""


@dataclass(slots=True)
class Batch:
    """Examples of one file, as columns of equal length but for `others`."""

    lines: list[int] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    answers: list[str | None] = field(default_factory=list)
    """The answers as they are spelled; None for rows that training leaves out, or whose labels are wrong."""
    labels: list[Labels | None] = field(default_factory=list)
    prompts: list[str] = field(default_factory=list)
    """What of each example's prompt is to be counted beside `Part.fixed`."""
    others: list[str] = field(default_factory=list)
    """Further messages that are to be counted, of any examples."""
    regular: int = 0
    """How many examples consist of `Part.fixed`, their prompt and their answer."""
    messages: int = 0
    """How many messages the examples have in all."""
    _joined: JoinedTexts | None = None

    def add(self, line: int, text: str, answer: str | None, labels: Labels | None, prompt: str) -> None:
        """One more example."""
        self.lines.append(line)
        self.texts.append(text)
        self.answers.append(answer)
        self.labels.append(labels)
        self.prompts.append(prompt)

    @property
    def joined(self) -> JoinedTexts:
        """The texts, to look at all of them at once; they are complete when this is first asked for."""
        if self._joined is None:
            self._joined = JoinedTexts(self.texts)
        return self._joined

    @property
    def ends_long(self) -> bool:
        """Whether it ends with so long a text that no more should be added."""
        return bool(self.texts) and len(self.texts[-1]) > LONG_TEXT


class Part(ABC):
    """One of the files: its `role` (train, validation, test), and what was found in it."""

    kind: str

    def __init__(self, name: str, role: str, setting: Setting) -> None:
        self.name = name
        self.role = role
        self.notes: list[str] = []
        self.whole = not setting.counter.estimated
        """Whether prompts are counted as wholes: exactly. Else their fixed parts are counted once."""
        self.fixed: tuple[str, ...] = ()
        """What the prompts of regular examples share."""
        self.examples = 0
        self.misformed = False
        """Whether the file as a whole is no chat file, so that its examples were not looked at."""
        self._log = setting.log

    def add(self, code: str, message: str, line: int | None = None) -> None:
        """A finding in this file."""
        self._log.add(code, message, self.name, line)

    def batches(self) -> Iterator[Batch]:
        """The examples. What keeps the file from being read on ends them, as a finding."""
        try:
            yield from self._batches()
        except DataError as error:
            self.add("unreadable", str(error).removeprefix(f"{self.name}: "))

    @abstractmethod
    def _batches(self) -> Iterator[Batch]: ...

    @abstractmethod
    def close(self) -> None:
        """Let go of what is open."""

    def _on_bad(self, finding: Finding, _values: Sequence[str]) -> None:
        self.add(finding.code, finding.message, finding.where.line)

    def _fix(self, system: PromptForm | None, user: PromptForm) -> None:
        fixed = [] if system is None else [system.prefix]
        self.fixed = tuple(fixed) if self.whole else (*fixed, user.prefix, user.suffix)
