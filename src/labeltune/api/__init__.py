"""The same work from Python: a path or a DataFrame in, the same out.

Each function is the command of its name. `task` is a `Task` or the path of a task file; `provider` a
`Provider`, a name or a URL, by default what the environment and the task say. Numbers, labels and messages
are the commands' own.
"""

from __future__ import annotations

import os
import tempfile
import warnings
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from labeltune.api.frames import as_file, frame_of, is_frame, with_predictions
from labeltune.api.hints import speaks_python
from labeltune.api.report import Report
from labeltune.defaults import DEFAULT_PROVIDER, DEFAULT_STATE, DEFAULT_TASK_FILE
from labeltune.errors import SettingsError
from labeltune.task import Task, read_task

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import pandas as pd

    from labeltune.collect.exporting import Exported
    from labeltune.collect.importing import Imported
    from labeltune.prediction.classify import Classified
    from labeltune.prediction.predict import Predicted
    from labeltune.prepare.check import Checked
    from labeltune.prepare.split import Split
    from labeltune.providers import Provider
    from labeltune.tuning.train import Trained

    PathLike = str | os.PathLike[str]
    TaskLike = Task | PathLike
    ProviderLike = Provider | str | None

__all__ = [
    "Report",
    "check",
    "classify",
    "evaluate",
    "export_data",
    "import_data",
    "init",
    "predict",
    "split",
    "train",
]


@speaks_python
def init(  # noqa: PLR0913  # the command's options
    data: PathLike | pd.DataFrame,
    output: PathLike | None = None,
    *,
    text: Iterable[str] = (),
    label: Iterable[str] = (),
    id: str | None = None,  # the contract's word
    ignore: Iterable[str] = (),
    delimiter: str | None = None,
    answer: Any = None,
    none: str | None = None,
    system: str | None = None,
    user: str | None = None,
    force: bool = False,
) -> Task:
    """The task that a table proposes; written to `output` if that is given. What is doubtful is a warning."""
    from labeltune.files.tables import open_table
    from labeltune.prepare.infer import Wishes, propose_task
    from labeltune.prepare.infer import init as write

    wishes = Wishes(tuple(text), tuple(label), id, delimiter, answer, none, system, user, tuple(ignore))
    if output is None:
        with open_table(data) as table:
            proposal = propose_task(table, wishes)
    else:
        proposal = write(data, output, wishes=wishes, force=force)
    for warning in proposal.warnings:
        warnings.warn(warning, stacklevel=3)
    return proposal.task if output is None else read_task(output)


@overload
def import_data(data: PathLike, output: None = ..., **options: Any) -> pd.DataFrame: ...
@overload
def import_data(data: PathLike, output: PathLike, **options: Any) -> Imported: ...
@speaks_python
def import_data(data: Any, output: PathLike | None = None, **options: Any) -> Any:
    """What another tool exported, as a DataFrame that `init` takes; or written to `output`, with the account.

    What was dropped or could not be carried over is a warning where a DataFrame comes back. `options` are
    those of `ImportOptions`: `format`, `labels`, `encoding`, `keep_empty`, `task`.
    """
    from labeltune.collect.importing import ImportOptions
    from labeltune.collect.importing import import_data as run

    if options.get("task") is not None:
        options["task"] = _task(options["task"])
    chosen = ImportOptions(**options)
    if output is not None:
        return run(data, output, chosen)
    with tempfile.TemporaryDirectory(prefix="labeltune-") as folder:
        path = Path(folder) / "data.jsonl"
        done = run(data, path, chosen)
        left = [f"{count:,} dropped: {reason}" for reason, count in done.dropped.items()]
        left += [f"not carried over: {what} ({count:,})" for what, count in done.lost.items()]
        for warning in (*done.warnings, *left):
            warnings.warn(warning, stacklevel=3)
        return frame_of(path)


@speaks_python
def export_data(
    data: PathLike | pd.DataFrame,
    to: str,
    output: PathLike | None = None,
    *,
    task: TaskLike | None = None,
    **options: Any,
) -> Exported:
    """Write a table as another tool imports it: `doccano`, `label-studio`, `prodigy`, `argilla`, `fasttext`.

    `options` are those of `ExportOptions`: `field`. A DataFrame needs an `output`.
    """
    from labeltune.collect.exporting import ExportOptions
    from labeltune.collect.exporting import export_data as run

    if is_frame(data) and output is None:
        raise SettingsError("a DataFrame has no name to derive the output's from", hint="output='FILE'")
    definition = None if task is None and not Path(DEFAULT_TASK_FILE).exists() else _task(task)
    with tempfile.TemporaryDirectory(prefix="labeltune-") as folder:
        path = as_file(data, folder, "data")
        return run(path, to, output, ExportOptions(task=definition, **options))


@overload
def split(data: PathLike, task: TaskLike | None = ..., **options: Any) -> Split: ...
@overload
def split(data: pd.DataFrame, task: TaskLike | None = ..., **options: Any) -> dict[str, pd.DataFrame]: ...
@speaks_python
def split(
    data: Any,
    task: TaskLike | None = None,
    *,
    sizes: str | Mapping[str, float] = "train=0.8,validation=0.2",
    folder: PathLike = ".",
    **options: Any,
) -> Any:
    """The parts of a table, alike in their labels: of a DataFrame a dict of DataFrames, each with its index.

    `options` are those of `SplitOptions`: `seed`, `group`, `keep_duplicates_together`, `stratified`, `folds`.
    """
    from labeltune.prepare.split import SplitOptions, parse_sizes, split_rows
    from labeltune.prepare.split import split as run

    wanted = parse_sizes(sizes) if isinstance(sizes, str) else dict(sizes)
    chosen = SplitOptions(sizes=wanted, **options)
    definition = None if task is None and not Path(DEFAULT_TASK_FILE).exists() else _task(task)
    if not is_frame(data):
        return run(data, definition, chosen, folder=folder)
    return {name: data.iloc[rows] for name, rows in split_rows(data, definition, chosen).items()}


@speaks_python
def check(*data: PathLike | pd.DataFrame, task: TaskLike | None = None, model: str | None = None) -> Checked:
    """What would cost a paid job, found before: tables, chat files or DataFrames, the training one first."""
    from labeltune.prepare.check import CheckOptions
    from labeltune.prepare.check import check as run

    with tempfile.TemporaryDirectory(prefix="labeltune-") as folder:
        names = ("train", "validation", "test")
        paths = [
            as_file(one, folder, name)
            for one, name in zip(data, (*names, *map(str, range(99))), strict=False)
        ]
        return run(paths, _task(task), CheckOptions(model=model))


@speaks_python
def train(
    training: PathLike | pd.DataFrame,
    validation: PathLike | pd.DataFrame | None = None,
    *,
    task: TaskLike | None = None,
    model: str | None = None,
    provider: ProviderLike = None,
    wait: bool = True,
    new_job: bool = False,
    state: PathLike = DEFAULT_STATE,
    **settings: Any,
) -> Trained:
    """Fine-tune, and wait for the model: `.model` of what comes back. Called again, it finds its job.

    `settings` are those of `Settings`: `epochs`, `batch_size`, `learning_rate`, `seed`, `suffix`.
    """
    from labeltune.tuning.chat_files import as_chat_files
    from labeltune.tuning.plan import Settings, plan_training
    from labeltune.tuning.train import train as run

    definition = _task(task)
    place = _provider(provider, definition)
    base = model or definition.defaults.model
    if base is None:
        raise SettingsError(
            "no model: which base is to be trained?", hint="model='linear' trains on this machine"
        )
    with tempfile.TemporaryDirectory(prefix="labeltune-") as folder:
        given = [as_file(training, folder, "train")]
        given += [] if validation is None else [as_file(validation, folder, "validation")]
        files = as_chat_files(given, definition, note=_say_nothing, state=state)
        plan = plan_training(
            *files, model=base, provider=place, settings=Settings(**settings), task=definition
        )
        return run(plan, wait=wait, new_job=new_job, state=state)


@overload
def predict(data: PathLike, *, model: str | None = ..., **options: Any) -> Predicted: ...
@overload
def predict(data: pd.DataFrame, *, model: str | None = ..., **options: Any) -> pd.DataFrame: ...
@speaks_python
def predict(
    data: Any,
    *,
    model: str | None = None,
    task: TaskLike | None = None,
    provider: ProviderLike = None,
    output: PathLike | None = None,
    state: PathLike = DEFAULT_STATE,
    **options: Any,
) -> Any:
    """Ask the model about every row. A DataFrame comes back with the predicted columns and its own index; a
    folder or glob of tables becomes the folder `output` of the same tables.

    There labels are categories, 0/1 columns integers and confidences floats. `options` are those of
    `PredictOptions`: `concurrency`, `limit`, `probabilities`, `batch`, `max_cost` and so on.
    """
    from labeltune.files.parts import names_parts
    from labeltune.prediction.options import DEFAULT_OUTPUT, PredictOptions
    from labeltune.prediction.predict import predict as run

    definition = _task(task)
    settings: dict[str, Any] = {
        "task": definition,
        "model": _model(model, definition),
        "provider": _provider(provider, definition),
        "options": PredictOptions(**options),
        "state": state,
    }
    if names_parts(data):
        return _predict_parts(data, output, settings)
    if not is_frame(data):
        return run(data, output=os.fspath(DEFAULT_OUTPUT if output is None else output), **settings)
    with tempfile.TemporaryDirectory(prefix="labeltune-") as folder:
        path = Path(folder) / "predictions.jsonl" if output is None else Path(output)
        run(data, output=os.fspath(path), **settings)
        return with_predictions(data, path, definition, probabilities=settings["options"].probabilities)


@overload
def classify(texts: str, *, model: str | None = ..., **options: Any) -> Classified: ...
@overload
def classify(texts: Sequence[str], *, model: str | None = ..., **options: Any) -> list[Classified]: ...
@speaks_python
def classify(
    texts: Any,
    *,
    model: str | None = None,
    task: TaskLike | None = None,
    provider: ProviderLike = None,
    **options: Any,
) -> Any:
    """Ask the model about one text, or about each of several, with `top` candidates each. Nothing is kept."""
    from labeltune.prediction.classify import classify as run

    definition = _task(task)
    several = [texts] if isinstance(texts, str) else list(texts)
    found = run(
        several,
        task=definition,
        model=_model(model, definition),
        provider=_provider(provider, definition),
        **options,
    )
    return found[0] if isinstance(texts, str) else found


@speaks_python
def evaluate(
    predictions: PathLike | pd.DataFrame,
    task: TaskLike | None = None,
    *,
    compare: Sequence[PathLike | pd.DataFrame] = (),
    **options: Any,
) -> Report:
    """Compare predictions with the labels of the same table.

    `options` are those of `EvaluateOptions`: `bootstrap`, `seed`, `thresholds`, `gates` and so on.
    """
    from labeltune.evaluation.evaluate import EvaluateOptions
    from labeltune.evaluation.evaluate import evaluate as run

    definition = _task(task)
    with tempfile.TemporaryDirectory(prefix="labeltune-") as folder:
        others = tuple(as_file(other, folder, f"other-{number}") for number, other in enumerate(compare, 1))
        path = as_file(predictions, folder, "predictions")
        measured = run(path, definition, EvaluateOptions(compare=others, errors=True, **options))
    return Report(replace(measured, source="DataFrame") if is_frame(predictions) else measured)


# ------------------------------------------------------------------------------------------------- in between


def _task(task: TaskLike | None) -> Task:
    if isinstance(task, Task):
        return task
    return read_task(os.environ.get("LABELTUNE_TASK", DEFAULT_TASK_FILE) if task is None else task)


def _provider(provider: ProviderLike, task: Task) -> Provider:
    from labeltune.providers import Provider, resolve_provider

    if isinstance(provider, Provider):
        return provider
    told = provider or os.environ.get("LABELTUNE_PROVIDER") or task.defaults.provider
    return resolve_provider(told or DEFAULT_PROVIDER)


def _model(model: str | None, task: Task) -> str:
    chosen = model or task.defaults.model
    if chosen is None:
        raise SettingsError(
            "no model: which one is asked?", hint="model=trained.model, of what lt.train returned"
        )
    return chosen


def _say_nothing(_: str) -> None: ...


def _predict_parts(data: PathLike, output: PathLike | None, settings: dict[str, Any]) -> Predicted:
    """Predict a folder of tables. Raises `DataError` for parts that are refused, when the others are made."""
    from labeltune.prediction.parts import predict_parts

    if output is None:
        raise SettingsError(f"{os.fspath(data)}: many tables become a folder", hint="name it as output")
    done = predict_parts(data, output=os.fspath(output), **settings)
    done.raise_refused()
    return done
