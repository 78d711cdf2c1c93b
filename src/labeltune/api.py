"""The same work from Python: a path or a DataFrame in, the same out.

Each function is the command of its name. `task` is a `Task` or the path of a task file; `provider` a
`Provider`, a name or a URL, by default what the environment and the task say. Numbers, labels and messages
are the commands' own.
"""

from __future__ import annotations

import html
import os
import re
import tempfile
import warnings
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, overload

from labeltune.defaults import DEFAULT_PROVIDER, DEFAULT_STATE, DEFAULT_TASK_FILE
from labeltune.errors import LabeltuneError, SettingsError
from labeltune.task import Task, read_task
from labeltune.wording import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import pandas as pd

    from labeltune.collect.exporting import Exported
    from labeltune.collect.importing import Imported
    from labeltune.evaluation.report.model import Report as Measured
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

P = ParamSpec("P")
T = TypeVar("T")

_OPTION = re.compile(r"--(?:no-)?([a-z][a-z-]*)(?:[ =]([A-Z]+|'[^']*'|[\w.]+))?")
_WORD = r"--[a-z-]+(?: [^\s,;-][^\s,;]*)?|[A-Z][A-Z_]*…?|[^\s,;]*[./][^\s,;]+"
_COMMAND = re.compile(rf"\blabeltune (init|split|check|train|predict|classify|evaluate)((?: (?:{_WORD}))*)")


def _speaks_python(function: Callable[P, T]) -> Callable[P, T]:
    """Errors say what to do next in Python's words, and in the traceback."""

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return function(*args, **kwargs)
        except LabeltuneError as error:
            if error.hint and not getattr(error, "__notes__", None):
                error.hint = in_python(error.hint)
                error.add_note(f"→ {error.hint}")
            raise

    return call


def in_python(hint: str) -> str:
    """A hint with options as parameters, and commands as calls."""
    hint = _COMMAND.sub(lambda found: f"lt.{found[1]}({_arguments(found[2])})", hint)
    return _OPTION.sub(lambda found: _parameter(found[1], found[2]), hint)


def _arguments(words: str) -> str:
    rest = words.split()
    named, given = [], []
    while rest:
        word = rest.pop(0)
        if word.startswith("--"):
            named.append(_parameter(word[2:], rest.pop(0) if rest and not rest[0].startswith("-") else None))
        else:
            given.append(word if word.isupper() else repr(word))
    return ", ".join([*given, *named])


def _parameter(name: str, value: str | None) -> str:
    shown = "…" if value is None or value.isupper() else repr(value.strip("'"))
    return f"{name.replace('-', '_')}={shown}"


# -------------------------------------------------------------------------------------------- the functions


@_speaks_python
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
@_speaks_python
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
        counted = [f"{count:,} dropped: {reason}" for reason, count in done.dropped.items()]
        counted += [f"not carried over: {what} ({count:,})" for what, count in done.lost.items()]
        for warning in (*done.warnings, *counted):
            warnings.warn(warning, stacklevel=3)
        return _frame_of(path)


@_speaks_python
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

    if _is_frame(data) and output is None:
        raise SettingsError("a DataFrame has no name to derive the output's from", hint="output='FILE'")
    definition = None if task is None and not Path(DEFAULT_TASK_FILE).exists() else _task(task)
    with tempfile.TemporaryDirectory(prefix="labeltune-") as folder:
        path = _as_file(data, folder, "data")
        return run(path, to, output, ExportOptions(task=definition, **options))


@overload
def split(data: PathLike, task: TaskLike | None = ..., **options: Any) -> Split: ...
@overload
def split(data: pd.DataFrame, task: TaskLike | None = ..., **options: Any) -> dict[str, pd.DataFrame]: ...
@_speaks_python
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
    if not _is_frame(data):
        return run(data, definition, chosen, folder=folder)
    return {name: data.iloc[rows] for name, rows in split_rows(data, definition, chosen).items()}


@_speaks_python
def check(*data: PathLike | pd.DataFrame, task: TaskLike | None = None, model: str | None = None) -> Checked:
    """What would cost a paid job, found before: tables, chat files or DataFrames, the training one first."""
    from labeltune.prepare.check import CheckOptions
    from labeltune.prepare.check import check as run

    with tempfile.TemporaryDirectory(prefix="labeltune-") as folder:
        names = ("train", "validation", "test")
        paths = [
            _as_file(one, folder, name)
            for one, name in zip(data, (*names, *map(str, range(99))), strict=False)
        ]
        return run(paths, _task(task), CheckOptions(model=model))


@_speaks_python
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
        given = [_as_file(training, folder, "train")]
        given += [] if validation is None else [_as_file(validation, folder, "validation")]
        files = as_chat_files(given, definition, note=_say_nothing, state=state)
        plan = plan_training(
            *files, model=base, provider=place, settings=Settings(**settings), task=definition
        )
        return run(plan, wait=wait, new_job=new_job, state=state)


@overload
def predict(data: PathLike, *, model: str | None = ..., **options: Any) -> Predicted: ...
@overload
def predict(data: pd.DataFrame, *, model: str | None = ..., **options: Any) -> pd.DataFrame: ...
@_speaks_python
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
    if not _is_frame(data):
        return run(data, output=os.fspath(DEFAULT_OUTPUT if output is None else output), **settings)
    with tempfile.TemporaryDirectory(prefix="labeltune-") as folder:
        path = Path(folder) / "predictions.jsonl" if output is None else Path(output)
        run(data, output=os.fspath(path), **settings)
        return _with_predictions(data, path, definition, probabilities=settings["options"].probabilities)


@overload
def classify(texts: str, *, model: str | None = ..., **options: Any) -> Classified: ...
@overload
def classify(texts: Sequence[str], *, model: str | None = ..., **options: Any) -> list[Classified]: ...
@_speaks_python
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


@_speaks_python
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
        others = tuple(_as_file(other, folder, f"other-{number}") for number, other in enumerate(compare, 1))
        path = _as_file(predictions, folder, "predictions")
        measured = run(path, definition, EvaluateOptions(compare=others, errors=True, **options))
    return Report(replace(measured, source="DataFrame") if _is_frame(predictions) else measured)


class Report:
    """The measured quality of predictions; it shows itself in a notebook, and prints as the command does."""

    def __init__(self, measured: Measured) -> None:
        self.measured = measured
        """Everything, as `labeltune.evaluation.evaluate` has it."""

    @property
    def headline(self) -> str:
        """How many rows are right, and what checking the least sure brings: one sentence, or two."""
        return str(self.measured.headline)

    @property
    def metrics(self) -> Mapping[str, float]:
        """The figures over the whole label vector, by name."""
        return self.document["metrics"]  # type: ignore[no-any-return]  # a JSON document

    @property
    def intervals(self) -> Mapping[str, Mapping[str, float]]:
        """The 95 % intervals of the figures, `{"low": x, "high": y}` by name."""
        return self.document["intervals"]  # type: ignore[no-any-return]  # a JSON document

    @property
    def document(self) -> dict[str, Any]:
        """What `labeltune evaluate --json` prints."""
        from labeltune.evaluation.report.document import report_document

        return report_document(self.measured)

    @property
    def frame(self) -> pd.DataFrame:
        """A row for each label: field, label, precision, recall, f1, support."""
        import pandas as pd

        rows = [
            {"field": field, "label": label, **figures}
            for field, described in self.document["fields"].items()
            for label, figures in described["labels"].items()
        ]
        figures = ["precision", "recall", "f1", "support"]
        return pd.DataFrame(rows)[["field", "label", *figures]]

    def to_html(self, path: PathLike | None = None) -> str:
        """The page of the report; written to `path` if that is given."""
        from labeltune.evaluation.report.page import format_html
        from labeltune.files.writing import atomic_write

        page = format_html(self.measured)
        if path is not None:
            with atomic_write(path) as handle:
                handle.write(page.encode("utf-8", "replace"))
        return page

    def __str__(self) -> str:
        from labeltune.evaluation.report.text import format_text

        return format_text(self.measured)

    def __repr__(self) -> str:
        quality = self.measured.quality
        return f"<Report of {counted(quality.rows, 'row')}: macro-F1 {quality.metrics['macro_f1']:.3f}>"

    def _repr_html_(self) -> str:
        # In a frame of its own: the page's style is not the notebook's.
        page = html.escape(self.to_html(), quote=True)
        return (
            f'<iframe srcdoc="{page}" style="width: 100%; height: 42rem; border: 0" title="Report"></iframe>'
        )


# ------------------------------------------------------------------------------------------------- in between


def _is_frame(data: object) -> bool:
    return not isinstance(data, str | os.PathLike)


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


def _as_file(data: PathLike | pd.DataFrame, folder: str, name: str) -> str:
    """A DataFrame as a file, its values as labeltune reads them; a path as it is."""
    if isinstance(data, str | os.PathLike):
        return os.fspath(data)
    from labeltune.files.tables import open_table, write_table

    path = Path(folder) / f"{name}.csv"
    with open_table(data) as table:
        write_table(os.fspath(path), table.header, (values for _, values in table))
    return os.fspath(path)


def _frame_of(path: Path) -> pd.DataFrame:
    """A table as a DataFrame, its values of the types that they have."""
    import pandas as pd

    from labeltune.files.tables import open_table
    from labeltune.files.tables.cells import plain_value

    with open_table(path) as table:
        rows = [[plain_value(cell) for cell in values] for _, values in table]
        return pd.DataFrame(rows, columns=list(table.header))


def _predict_parts(data: PathLike, output: PathLike | None, settings: dict[str, Any]) -> Predicted:
    """Predict a folder of tables. Raises `DataError` for parts that are refused, when the others are made."""
    from labeltune.prediction.parts import predict_parts

    if output is None:
        raise SettingsError(f"{os.fspath(data)}: many tables become a folder", hint="name it as output")
    done = predict_parts(data, output=os.fspath(output), **settings)
    done.raise_refused()
    return done


def _with_predictions(frame: pd.DataFrame, path: Path, task: Task, *, probabilities: bool) -> pd.DataFrame:
    """The frame with the predicted columns of a file, typed."""
    import pandas as pd

    from labeltune.files.tables import open_table
    from labeltune.task.columns import CONFIDENCE, added_columns, predicted_columns, probability_columns

    with open_table(os.fspath(path)) as table:
        places = {
            column: table.header.index(column) for column in added_columns(task, probabilities=probabilities)
        }
        rows = [values for _, values in table]
    result = frame.iloc[: len(rows)].copy()
    numbers = {CONFIDENCE, *(probability_columns(task) if probabilities else ())}
    labels = {
        columns[0]: field.labels
        for field, columns in zip(task.fields, predicted_columns(task), strict=True)
        if field.type == "single"
    }
    flags = {column for columns in predicted_columns(task) for column in columns} - set(labels)
    for column, place in places.items():
        cells = pd.Series([values[place] for values in rows], index=result.index, dtype=object)
        if column in labels:
            result[column] = pd.Categorical(cells.where(cells != "", None), categories=list(labels[column]))
        elif column in flags:
            result[column] = pd.to_numeric(cells.where(cells != "", None)).astype("Int8")
        elif column in numbers:
            result[column] = pd.to_numeric(cells.where(cells != "", None)).astype("float64")
        else:
            result[column] = cells
    return result
