"""How jobs and predictions are told on stderr while they go on."""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Self

    from openai.types.fine_tuning import FineTuningJob

    from labeltune.cli.output import Output, Progress
    from labeltune.providers import Provider
    from labeltune.tuning.story import Event

__all__ = ["JobStory", "PartStory", "RowStory", "clock"]

_SHORT = {
    "rows_per_second": "rows/s",
    "train_loss": "loss",
    "train_mean_token_accuracy": "accuracy",
    "valid_loss": "valid_loss",
    "valid_mean_token_accuracy": "valid_accuracy",
    "full_valid_loss": "full_valid_loss",
    "full_valid_mean_token_accuracy": "full_valid_accuracy",
}
"""The protocol's metrics, under the names that are shown, in order: a narrow line cuts the last ones."""


_LAST_SECOND = 1 << 36
"""Of the times that every platform's clock shows; it is in the year 4147."""


def clock(timestamp: int) -> str:
    """The local time of day."""
    return time.strftime("%H:%M:%S", time.localtime(timestamp if abs(timestamp) < _LAST_SECOND else 0))


class JobStory:
    """Messages as lines, statuses as lines, and the training's numbers beside a bar; use it with `with`."""

    def __init__(self, out: Output, provider: Provider) -> None:
        self._out = out
        self._provider = provider
        self._open = ExitStack()
        self._progress: Progress | None = None
        self._step = 0
        self._last: dict[str, float] = {}

    def note(self, message: str) -> None:
        """A line of the story."""
        self._out.note(message)

    def warn(self, message: str) -> None:
        """Something that should be known."""
        self._out.warn(message)

    def job(self, job: FineTuningJob) -> None:
        """The job has another status than before."""
        if job.status != "running":
            self._end_bar()
        self._out.note(f"{job.id}: {job.status}")
        if job.status == "running":
            # Before the first step there may be minutes of preparation: something has to move.
            self._begin_bar()
        if str(job.status) == "paused":
            self._out.hint(f"labeltune jobs resume {job.id}{self._provider.flag}")

    def event(self, event: Event) -> None:
        """An event of the job."""
        step, total = event.metrics.get("step"), event.metrics.get("total_steps")
        if step is None:
            tell = self._out.note if event.level == "info" else self._out.warn
            tell(f"{clock(event.created_at)} {event.message}")
            return
        progress = self._begin_bar()
        if total is not None:
            progress.resize(int(total))
        # What is measured once an epoch stays on show until it is measured again.
        self._last |= {short: event.metrics[name] for name, short in _SHORT.items() if name in event.metrics}
        left = event.metrics.get("seconds_left")
        if left is not None:
            progress.expect(left)
        shown = {short: self._last[short] for short in _SHORT.values() if short in self._last}
        progress(int(step) - self._step, **shown)
        self._step = int(step)

    def _begin_bar(self) -> Progress:
        if self._progress is None:
            self._progress = self._open.enter_context(self._out.progress("training", unit="steps"))
        return self._progress

    def _end_bar(self) -> None:
        if self._progress is None:
            return
        self._open.close()
        self._progress = None
        if not self._step:
            return
        shown = ", ".join(f"{name} {value:.4g}" for name, value in self._last.items())
        self._out.note(f"step {self._step:,}: {shown}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end_bar()


class RowStory:
    """Rows beside a bar that says `what` is done; use it with `with`. `yes` answers what would be asked."""

    _bar: Progress | None = None
    _yes = False
    _what = "predicting"

    def __init__(self, out: Output, *, yes: bool = False, what: str = "predicting") -> None:
        self._out, self._yes, self._what = out, yes, what
        self._open = ExitStack()

    def begin(self, rows: int | None) -> None:
        """So many requests are to be asked; None where they are not counted beforehand."""
        self._open.close()
        self._bar = self._open.enter_context(self._out.progress(self._what, rows, unit="rows"))

    def advance(self, rows: int, /, **info: object) -> None:
        """So many more are over."""
        if self._bar is not None:
            self._bar(rows, **info)

    def note(self, message: str) -> None:
        """A line of the story."""
        self._out.note(message)

    def warn(self, message: str) -> None:
        """Something that should be known."""
        self._out.warn(message)

    def confirm(self, question: str) -> bool:
        """Whether to go on. Raises `SettingsError` where nobody can be asked."""
        return self._out.confirm(question, yes=self._yes)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()


class PartStory:
    """Parts of predictions that are measured, beside a bar; use it with `with`."""

    def __init__(self, out: Output) -> None:
        self._out = out
        self._open = ExitStack()
        self._bar: Progress | None = None

    def begin(self, parts: int) -> None:
        """So many parts are to be read."""
        self._bar = self._open.enter_context(self._out.progress("evaluating", parts, unit="parts"))

    def advance(self, parts: int, /) -> None:
        """So many more are over."""
        if self._bar is not None:
            self._bar(parts)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()
