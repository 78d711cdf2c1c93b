"""What costs nothing: the local linear model, trained on the same task and table, asked about the same rows.

Composes convert, train and predict on the local provider. Everything on the way is kept by content, so the
same call again finds its file, its job and its answers.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from labeltune.errors import DataError, SettingsError
from labeltune.evaluation.output_paths import check_outputs
from labeltune.files.jsonl import is_chat_file
from labeltune.files.writing import STANDARD_STREAM, same_file
from labeltune.prediction.confidence import check_probabilities
from labeltune.prediction.options import PredictOptions
from labeltune.prediction.predict import predict
from labeltune.prediction.story import Silence as PredictSilence
from labeltune.prediction.story import Story as PredictStory
from labeltune.prepare.convert import convert
from labeltune.providers import resolve_provider
from labeltune.task import NOTHING_TOLD, ReadOptions
from labeltune.task.records import MIN_EXAMPLES
from labeltune.tuning.ledger import STATE_FOLDER
from labeltune.tuning.plan import Settings, plan_training
from labeltune.tuning.story import Silence as JobSilence
from labeltune.tuning.story import Story as JobStory
from labeltune.tuning.train import train
from labeltune.wording import counted

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from labeltune.prediction.predict import Predicted
    from labeltune.prepare.convert import Converted
    from labeltune.task import Task
    from labeltune.tuning.train import Trained

__all__ = ["DEFAULT_OUTPUT", "MODEL", "PROVIDER", "Baseline", "Story", "baseline"]

DEFAULT_OUTPUT = "baseline.csv"
"""Not where predict writes: the predictions to compare with stay."""
MODEL = "linear"
PROVIDER = "local"
SEED = 42
SUFFIX = "baseline"

CHAT_NAME = f"{SUFFIX}.jsonl"


class Story(JobStory, PredictStory, Protocol):
    """Who is told what happens, in training and in predicting."""


class _Silence(JobSilence, PredictSilence):
    """Tells nobody."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """What came of it. `trained_on` counts records, `left_out` the rows that are none, by reason."""

    trained_on: int
    left_out: Mapping[str, int]
    trained: Trained
    predicted: Predicted
    seconds: float


def baseline(  # noqa: PLR0913  # what convert, train and predict need
    training: str,
    test: str,
    *,
    task: Task,
    output: str = DEFAULT_OUTPUT,
    model: str = MODEL,
    probabilities: bool = False,
    new_job: bool = False,
    read: ReadOptions = NOTHING_TOLD,
    state: str | os.PathLike[str] = STATE_FOLDER,
    story: Story | None = None,
) -> Baseline:
    """Train on the table `training`, predict the rows of the table `test` and write them to `output`.

    The rows and columns written are those of `labeltune predict`. A job that failed or was cancelled is made
    again with `new_job` only. `model` is a base model of this machine. Raises what convert, train and predict
    raise; `SettingsError` where training and test are the same, or `output` is one of them; `DataError` for a
    chat file instead of a table.
    """
    started = time.monotonic()
    _check_paths(training, test, output)
    if probabilities:
        check_probabilities(task, confidence=True)
    story = story or _Silence()
    with tempfile.TemporaryDirectory(prefix="labeltune-") as folder:
        chat = Path(folder) / CHAT_NAME
        converted = _convert(training, chat, task, story, read)
        plan = plan_training(
            str(chat),
            model=model,
            provider=resolve_provider(PROVIDER),
            settings=Settings(seed=SEED, suffix=SUFFIX),
            task=task,
        )
        trained = train(replace(plan, named=training), new_job=new_job, state=state, story=story)
    assert trained.model is not None  # a job that was waited for has one, or it was an error
    predicted = predict(
        test,
        task=task,
        model=trained.model,
        provider=plan.provider,
        output=output,
        options=PredictOptions(probabilities=probabilities, accept_changes=True, read=read),
        story=story,
        state=state,
    )
    return Baseline(
        trained_on=converted.written,
        left_out=converted.left_out,
        trained=trained,
        predicted=predicted,
        seconds=round(time.monotonic() - started, 3),
    )


def _convert(training: str, chat: Path, task: Task, story: Story, read: ReadOptions) -> Converted:
    """Write the table as a chat file, and tell which rows are trained on."""
    converted = convert(task, training, chat, read=read)
    for warning in converted.warnings:
        story.warn(warning)
    story.note(
        f"{training}: {converted.written:,} of {counted(converted.rows, 'row is', 'rows are')} trained on"
    )
    if unlabelled := converted.left_out.get("no_label"):
        left_out = counted(unlabelled, "row without a label is", "rows without a label are")
        story.warn(
            f"{left_out} not trained on, so the model does not learn that "
            'none may apply; none = "…" under [answer] in the task gives such rows an answer'
        )
    if converted.written < MIN_EXAMPLES:
        # Told of the table: the file that training would name is one that nobody else knows.
        raise DataError(
            f"{training}: {counted(converted.written, 'row')} to train on, expected at least {MIN_EXAMPLES}",
            hint="a baseline needs the whole training table",
        )
    return converted


def _check_paths(training: str, test: str, output: str) -> None:
    if same_file(training, test):
        raise SettingsError(
            f"{training}: is both what to train on and what to predict, and would be known by heart",
            hint="labeltune split DATA makes the two parts",
        )
    check_outputs([training, test], [output])
    for path in (training, test):
        if path != STANDARD_STREAM and Path(path).is_file() and is_chat_file(path):
            raise DataError(
                f"{path}: is a chat file, expected the table that it was made from",
                hint="labeltune baseline TRAIN TEST converts by itself, with the task",
            )
