"""`labeltune models …`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from labeltune.cli import completion, output
from labeltune.cli.defaults import provider_near
from labeltune.cli.formats import aligned, entry, moment, score, size, whole
from labeltune.cli.help import HelpfulApp
from labeltune.cli.options import JsonOption, ProviderOption, QuietOption, StateOption, TaskOption, YesOption
from labeltune.cli.speaking import speaks_to_provider
from labeltune.defaults import DEFAULT_STATE, DEFAULT_TASK_FILE
from labeltune.wording import counted, pasted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from labeltune.cli.output import Output
    from labeltune.providers import Provider
    from labeltune.tuning.models import ModelInfo

__all__ = ["models"]

models = HelpfulApp(
    no_args_is_help=True, help="Look at fine-tuned models, delete them, carry them to other machines."
)

_FORM = "labeltune"
"""The first of `tuning.exporting.FORMS`, which is imported when it is needed."""

ModelArgument = Annotated[
    str, typer.Argument(metavar="MODEL", help="The model's id: ft:…", autocompletion=completion.models)
]


@models.command("list")
@speaks_to_provider
def list_(
    *,
    place: Provider,
    state: StateOption = Path(DEFAULT_STATE),
    out: Output,
) -> None:
    """List fine-tuned models, newest first, with what tells them apart."""
    from labeltune.tuning.models import list_models

    found = list_models(place, state=state)
    document: dict[str, Any] = {"models": [_document(info) for info in found]}
    document |= _tell_home(out, place)
    if not found:
        out.result(document)
        return
    out.show(document, "\n".join(aligned([_row(info) for info in found])), map(_entry, found))


def _tell_home(out: Output, place: Provider) -> dict[str, Any]:
    """Say where the local provider keeps its models, and how large that has become."""
    if place.directory is None:
        return {}
    from labeltune.local.home import bytes_of_home

    held = bytes_of_home(place.directory)
    out.note(f"{place.directory}: {size(held)} in all (LABELTUNE_HOME)")
    return {"home": {"path": str(place.directory), "bytes": held}}


def _row(info: ModelInfo) -> tuple[str, ...]:
    return (
        info.id,
        moment(info.created_at),
        info.base or "",
        info.suffix or "",
        info.training_file or "",
        whole(info.rows),
        whole(info.labels),
        _share(info.valid_accuracy),
        score(info.evaluated, "macro_f1"),
        size(info.bytes),
    )


def _entry(info: ModelInfo) -> str:
    """The same for a terminal."""
    rows = "" if info.rows is None else counted(info.rows, "row")
    labels = "" if info.labels is None else counted(info.labels, "label")
    pairs = len(info.details.get("pairs") or ())
    if labels and pairs:
        labels += f" in {counted(pairs, 'pair')}"
    scored = score(info.evaluated, "macro_f1")
    return entry(
        info.id,
        moment(info.created_at)[:-3],
        info.base or "",
        info.suffix or "",
        ", ".join(filter(None, (info.training_file or "", rows, labels))),
        "" if info.valid_accuracy is None else f"validation accuracy {info.valid_accuracy:.3f}",
        f"macro-F1 {scored}" if scored else "",
        size(info.bytes),
    )


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


@models.command()
@speaks_to_provider
def show(
    model: ModelArgument,
    *,
    place: Provider,
    state: StateOption = Path(DEFAULT_STATE),
    out: Output,
) -> None:
    """Show one model, with everything that is known of it."""
    from labeltune.tuning.models import show_model

    info = show_model(place, model, state=state)
    out.result({"model": _document(info)}, *map(output.visible, _described(info)))


def _document(info: ModelInfo) -> dict[str, Any]:
    return asdict(info)


def _described(info: ModelInfo) -> Iterator[str]:
    """The facts of a model, a line each; those that nobody knows are left out."""
    values = {
        "id": info.id,
        "created": moment(info.created_at),
        "base": info.base,
        "revision of the base": (info.details.get("base_model") or {}).get("revision"),
        "licence of the base": (info.details.get("base_model") or {}).get("licence"),
        "suffix": info.suffix,
        "job": info.job,
        "training file": _file(info.details.get("training_file")) or info.training_file,
        "validation file": _file(info.details.get("validation_file")),
        "rows": whole(info.rows),
        "labels": ", ".join(info.details.get("labels") or ()) or whole(info.labels),
        "pairs": ", ".join(info.details.get("pairs") or ()),
        "hyperparameters": _pairs(info.details.get("hyperparameters")),
        "seed": info.details.get("seed"),
        "task": info.details.get("task"),
        "validation accuracy": _share(info.valid_accuracy),
        "macro-F1": score(info.evaluated, "macro_f1"),
        "evaluated": "" if info.evaluated is None else _evaluated(info),
        "size": size(info.bytes),
    }
    for name, value in values.items():
        if value not in (None, ""):
            yield f"{name}: {value}"


def _file(file: dict[str, Any] | None) -> str:
    if not file:
        return ""
    name = file.get("filename") or file["id"]
    rows = "" if file.get("rows") is None else f", {counted(file['rows'], 'row')}"
    digest = "" if file.get("sha256") is None else f", sha256 {file['sha256'][:12]}…"
    return f"{name}{rows}{digest}"


def _pairs(values: dict[str, Any] | None) -> str:
    return ", ".join(f"{name} {value}" for name, value in (values or {}).items())


def _evaluated(info: ModelInfo) -> str:
    assert info.evaluated is not None
    when = moment(info.evaluated.evaluated_at)
    return f"{when}, {counted(info.evaluated.rows, 'row')} of {info.evaluated.predictions}"


@models.command()
@speaks_to_provider
def delete(
    names: Annotated[
        list[str],
        typer.Argument(metavar="MODEL…", autocompletion=completion.models, help="The models' ids: ft:…"),
    ],
    yes: YesOption = False,
    *,
    place: Provider,
    out: Output,
) -> None:
    """Delete models with their checkpoints, but not those that a batch still asks."""
    from labeltune.tuning.models import delete_models

    if out.declined(
        f"Delete {counted(len(names), 'model')} at {place.host}: {', '.join(names[:5])}?", yes=yes
    ):
        return
    delete_models(place, list(dict.fromkeys(names)))
    _tell_home(out, place)
    out.result({"deleted": names}, *map(output.visible, names))


@models.command()
def export(
    model: ModelArgument,
    folder: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="DIR",
            help="The folder that is written; an export of the same model in the same form is replaced.",
        ),
    ],
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="FORM",
            help="The form: labeltune, or onnx, a graph that runs without it.",
            autocompletion=completion.forms,
        ),
    ] = _FORM,
    force: Annotated[
        bool, typer.Option("--force", help="Replace a folder that holds something else.")
    ] = False,
    task: TaskOption = Path(DEFAULT_TASK_FILE),
    provider: ProviderOption = None,
    state: StateOption = Path(DEFAULT_STATE),
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Write a local model to a folder with its card, and prove that it answers there as it does here."""
    out = output.configure(json_mode=json, quiet=quiet)
    from labeltune.tuning.exporting import export_model

    place = provider_near(provider, task)
    done = export_model(place, model, folder, form=to, task=task, force=force, state=state)
    if done.proved_rows:
        out.note(
            f"{counted(done.proved_rows, 'row')} of the {done.proved_on} file "
            f"{'gets' if done.proved_rows == 1 else 'get'} the same answers from {folder}"
        )
    else:
        out.warn("nothing could be compared: the training and the validation file are gone")
    if done.importable:
        out.hint(f"labeltune models import {pasted(folder)} --provider local")
    out.result(asdict(done), output.visible(done.path))


@models.command("import")
@speaks_to_provider
def import_(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder that models export wrote.")],
    *,
    place: Provider,
    out: Output,
) -> None:
    """Make an exported model one of this machine's local provider; all its hashes are checked."""
    from labeltune.tuning.exporting import import_model

    name = import_model(place, folder)
    out.hint(f"labeltune predict DATA --model {name}{place.flag}")
    out.result({"model": name}, name)
