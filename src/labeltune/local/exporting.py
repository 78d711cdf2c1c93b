"""A model of the local provider written to a folder that can be carried elsewhere, and proved there."""

from __future__ import annotations

import contextlib
import platform
import shutil
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from labeltune.errors import AccessError, ConflictError, SettingsError
from labeltune.files.writing import disk_errors
from labeltune.local import engines
from labeltune.local.cards import model_facts
from labeltune.local.engines import Base
from labeltune.local.errors import ApiError
from labeltune.local.model_files import files_of, write_files
from labeltune.local.portable import MODEL, export_in, seal
from labeltune.local.proving import conversations_of, prove_conversion, prove_engine
from labeltune.local.store import Store
from labeltune.local.stored_models import find_model

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from labeltune.local.engines import Conversion, Message, Portable

__all__ = ["Exported", "Form", "Wishes", "export_model", "model_of"]

Form = Literal["labeltune", "onnx"]

_PACKAGES = ("numpy", "scipy", "onnx", "onnxruntime", "torch", "transformers", "peft", "tokenizers")
"""Whose versions the manifest keeps, where they are installed."""


@dataclass(frozen=True, slots=True)
class Exported:
    """A folder that was written: how many examples prove it, and from which file they are."""

    path: str
    model: str
    form: Form
    proved_rows: int
    proved_on: str
    importable: bool
    """whether `models import` takes it: not the ONNX form, nor an engine's files of other kinds"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """How a model is to be written."""

    form: Form = "labeltune"
    task: bytes | None = None
    """the task file, where it is known"""
    around: tuple[str, str] | None = None
    """the prompt's fixed words before and after the text, where they are known"""
    force: bool = False


def model_of(directory: Path, name: str) -> tuple[Store, dict[str, Any]]:
    """The store, and the facts of a model. Raises `AccessError` if it has none of that name."""
    store = Store(directory, check=False)
    return store, model_facts(store, _row(store, name))


def export_model(
    store: Store, name: str, out: Path, wishes: Wishes, card: Callable[[dict[str, Any], str, str], str]
) -> Exported:
    """Write a model to `out`, whole or not at all; `card` makes its README of the facts, the licence of its
    base and the lines that use it. The same model in the same form is replaced.

    Raises `AccessError` for an unknown model, `SettingsError` for a form that its engine has not,
    `ConflictError` for a folder that holds anything else, `GateError` if what was written answers otherwise.
    """
    row = _row(store, name)
    facts = model_facts(store, row)
    base = Base.parse(row["engine"])
    engine = engines.get_engine(base.engine)
    saved = store.model_folder(row["job_id"], row["step"])
    if wishes.form == "onnx" and not hasattr(engine, "to_onnx"):
        raise SettingsError(f"{base.engine} cannot be exported as ONNX", hint="leave out --to onnx")
    _check_target(out, name, wishes)
    conversations, proved_on = conversations_of(store, facts)
    with _staged(out) as stage:
        code = ""
        if wishes.form == "onnx":
            conversion = _convert(cast("type[Portable]", engine), saved, stage, wishes.around, conversations)
            code = conversion.code
            proved = prove_conversion(conversion, stage, conversations)
        else:
            (stage / MODEL).mkdir()
            if hasattr(engine, "export"):
                cast("type[Portable]", engine).export(saved, stage / MODEL)
            else:
                write_files(files_of(row["engine"], saved), stage / MODEL)
            proved = len(conversations)
            if conversations:
                prove_engine(engine.load(saved), engine.load(stage / MODEL), conversations)
        licence = _licence(facts, base)
        (stage / "README.md").write_text(card(facts, licence, code), encoding="utf-8")
        if wishes.task is not None:
            (stage / "task.toml").write_bytes(wishes.task)
        importable = seal(stage, _about(row, facts, wishes.form)) and wishes.form == "labeltune"
    return Exported(str(out), name, wishes.form, proved, proved_on, importable)


def _row(store: Store, name: str) -> dict[str, Any]:
    try:
        return find_model(store, name)
    except ApiError as error:
        raise AccessError(
            error.message, hint="see which models there are: labeltune models list --provider local"
        ) from error


def _convert(
    engine: type[Portable],
    saved: Path,
    stage: Path,
    around: tuple[str, str] | None,
    conversations: list[list[Message]],
) -> Conversion:
    """Write the ONNX form; around the texts stands what training found where the prompt does not fit."""
    conversion = engine.to_onnx(saved, stage, around=around)
    if around is not None and any(conversion.text_of(one) is None for one in conversations):
        return engine.to_onnx(saved, stage, around=None)
    return conversion


def _about(row: dict[str, Any], facts: dict[str, Any], form: Form) -> dict[str, Any]:
    versions = {"labeltune": version("labeltune"), "python": platform.python_version()}
    for package in _PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            versions[package] = version(package)
    made = {key: value for key, value in facts.items() if key != "bytes"}
    return {
        "name": row["name"],
        "form": form,
        "engine": Base.parse(row["engine"]).engine,
        "base": row["engine"],
        "trained_at": row["created_at"],
        "exported_at": int(time.time()),
        "versions": versions,
        "facts": made,
    }


def _licence(facts: dict[str, Any], base: Base) -> str:
    """The licence of the base model: as it was when the job began, or as its card says now."""
    known = (facts.get("base_model") or {}).get("licence")
    engine = engines.get_engine(base.engine)
    if known:
        return str(known)
    return cast("type[Portable]", engine).licence(base) if hasattr(engine, "licence") else "not known"


def _check_target(out: Path, name: str, wishes: Wishes) -> None:
    if out.exists() and not out.is_dir():
        raise SettingsError(f"{out}: is a file", hint="give a folder that is not there yet")
    if Path.cwd().is_relative_to(out.resolve()):
        raise SettingsError(f"{out}: holds the folder you are in", hint="give a folder of its own")
    if wishes.force or not out.is_dir() or not any(out.iterdir()):
        return
    there = export_in(out)
    if there is None:
        why = "holds something that is no exported model"
    elif there.name != name:
        why = f"holds another model, {there.name}"
    elif there.form != wishes.form:
        forms = {"labeltune": "as labeltune reads it", "onnx": "as ONNX"}
        why = f"holds this model in another form, {forms.get(there.form, there.form)}"
    elif there.changed is not None:
        why = f"{there.changed} is not as it was exported"
    else:
        return
    raise ConflictError(f"{out}: {why}", hint="choose another folder, or give --force to replace all of it")


@contextmanager
def _staged(out: Path) -> Iterator[Path]:
    """A folder beside `out` that takes its place when the block ends without an exception."""
    target = out.resolve()
    with disk_errors(target.parent):
        target.parent.mkdir(parents=True, exist_ok=True)
    with disk_errors(out):
        stage = Path(tempfile.mkdtemp(prefix=".labeltune-export-", dir=target.parent))
    try:
        with disk_errors(out):
            yield stage
            stage.chmod(0o755)
            old = None
            if target.exists():
                old = Path(tempfile.mkdtemp(prefix=".labeltune-replaced-", dir=target.parent))
                target.rename(old / target.name)
            stage.rename(target)
            if old is not None:
                shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(stage, ignore_errors=True)
