"""What the shell proposes for a value, from what stands on this machine; nobody is asked over a network.

Each function takes the command's context and what was typed so far, and gives values with a word about each.
What cannot be read proposes nothing: a shell that completes shows no errors.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from typer import Context  # Typer finds out by the annotation what a function takes

from labeltune.defaults import DEFAULT_STATE, DEFAULT_TASK_FILE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from labeltune.task import Task

__all__ = [
    "agreements",
    "answers",
    "bases",
    "clusters",
    "columns",
    "exports",
    "files",
    "formats",
    "forms",
    "gates",
    "imports",
    "jobs",
    "models",
    "providers",
]

Proposals: TypeAlias = "list[tuple[str, str]]"
"""Values, each with a word about it."""

_PROVIDERS = {
    "local": "this machine",
    "openai": "api.openai.com",
    "azure": "Azure OpenAI",
    "nebius": "Nebius Token Factory",
}
_BASES = {
    "linear": "word and character features, trains in seconds",
    "embed": "sentence vectors and a linear head",
    "embed:": "a model of sentence vectors: a hub's name, or a folder",
    "encoder:": "a transformer with a head: a hub's name, or a folder",
    "llm:": "a chat model with an adapter: a hub's name, or a folder",
}
_CLUSTERS = {"ray": "a cluster started here, for this command", "ray:": "a cluster that runs: HOST:PORT"}
_FORMS = {"labeltune": "can be imported elsewhere", "onnx": "a graph that runs without labeltune"}
_ANSWERS = {
    "label": "the label alone",
    "list": "labels, joined",
    "json": "one JSON object, a key per field",
    "flags": "true or false for each label",
}
_METRICS = ("exact_match", "macro_f1", "micro_f1", "weighted_f1", "samples_f1", "hamming_loss", "jaccard")
_AGREEMENTS = ("alpha", "kappa", "percent")
_SINGLE_METRICS = ("accuracy", "balanced_accuracy", "kappa", "mcc")


def providers(incomplete: str) -> Proposals:
    """The providers that have a name."""
    return _begun(_PROVIDERS.items(), incomplete)


def bases(incomplete: str) -> Proposals:
    """The base models of this machine's provider."""
    return _begun(_BASES.items(), incomplete)


def answers(incomplete: str) -> Proposals:
    """The answer formats."""
    return _begun(_ANSWERS.items(), incomplete)


def clusters(incomplete: str) -> Proposals:
    """Where work can be handed to."""
    return _begun(_CLUSTERS.items(), incomplete)


def forms(incomplete: str) -> Proposals:
    """The forms that a model can be exported in."""
    return _begun(_FORMS.items(), incomplete)


def formats(incomplete: str) -> Proposals:
    """The table formats that can be named."""
    from labeltune.files.tables import FORMATS

    return _begun(((name, "") for name in FORMATS), incomplete)


def imports(incomplete: str) -> Proposals:
    """The formats of other tools that are read."""
    from labeltune.collect.exchange.formats import FORMATS

    return _begun(((name, format.title) for name, format in FORMATS.items()), incomplete)


def exports(incomplete: str) -> Proposals:
    """The formats of other tools that are written."""
    from labeltune.collect.exchange.formats import FORMATS, WRITTEN

    return _begun(((name, FORMATS[name].title) for name in WRITTEN), incomplete)


def models(ctx: Context, incomplete: str) -> Proposals:
    """The models that were trained here: this machine's, and those that the folder's ledger knows."""
    return _begun(_known(ctx, "models"), incomplete)


def jobs(ctx: Context, incomplete: str) -> Proposals:
    """The jobs of this machine, and those that the folder's ledger knows, newest first."""
    return _begun(_known(ctx, "jobs"), incomplete)


def files(ctx: Context, incomplete: str) -> Proposals:
    """The files of this machine, and those that the folder's ledger knows, newest first."""
    return _begun(_known(ctx, "files"), incomplete)


def columns(ctx: Context, incomplete: str) -> Proposals:
    """The columns of the table that the command line names."""
    from labeltune.errors import LabeltuneError
    from labeltune.files.tables import open_table
    from labeltune.files.writing import STANDARD_STREAM

    # Where the last option has no value yet, what stands before it was not made an argument.
    named = next(
        (name for name in (ctx.params.get("data"), *(ctx.params.get("files") or ()), *ctx.args) if name), None
    )
    if named in {None, STANDARD_STREAM}:
        return []
    try:
        with open_table(named) as table:
            return _begun(((name, "") for name in table.header), incomplete)
    except (LabeltuneError, OSError):
        return []


def gates(ctx: Context, incomplete: str) -> Proposals:
    """The metrics that a gate may name, those of the task's fields included."""
    task = _task(ctx)
    names = [*_METRICS]
    if task is not None:
        single = [field.name for field in task.fields if field.type == "single"]
        names += _SINGLE_METRICS if len(single) == 1 else ()
        if len(task.fields) > 1:
            names += [
                f"{field.name}.{metric}"
                for field in task.fields
                for metric in (*_METRICS, *(_SINGLE_METRICS if field.type == "single" else ()))
            ]
    return _begun(((f"{name}=", "") for name in names), incomplete)


def agreements(ctx: Context, incomplete: str) -> Proposals:
    """The figures of agreement that a gate may name."""
    task = _task(ctx)
    fields = () if task is None or len(task.fields) == 1 else tuple(field.name for field in task.fields)
    names = [*_AGREEMENTS, *(f"{field}.{figure}" for field in fields for figure in _AGREEMENTS)]
    return _begun(((f"{name}=", "") for name in names), incomplete)


def _begun(values: Iterable[tuple[str, str]], incomplete: str) -> Proposals:
    return [(value, word) for value, word in dict(values).items() if value.startswith(incomplete)]


def _known(ctx: Context, kind: str) -> Iterator[tuple[str, str]]:
    """Ids of the local provider where it may be meant, then those that this folder's ledger remembers."""
    from labeltune.errors import LabeltuneError
    from labeltune.local.home import ids_of_home
    from labeltune.local.store import default_directory
    from labeltune.tuning.ledger import ids_of_ledger

    provider = _setting(ctx, "provider")
    if provider in {None, "", "local"}:
        with contextlib.suppress(LabeltuneError):
            yield from ids_of_home(default_directory(), kind)
    if provider != "local":
        yield from ids_of_ledger(Path(_setting(ctx, "state") or DEFAULT_STATE), kind)


def _task(ctx: Context) -> Task | None:
    from labeltune.errors import LabeltuneError
    from labeltune.task import task_if_there

    try:
        return task_if_there(Path(_setting(ctx, "task") or DEFAULT_TASK_FILE))
    except LabeltuneError:
        return None


def _setting(ctx: Context, name: str) -> Any:
    """An option as given before the word under the cursor, or from the environment."""
    value = ctx.params.get(name)
    if value is not None:
        return value
    for param in ctx.command.get_params(ctx):
        if param.name == name:
            return param.value_from_envvar(ctx)
    return None
