"""`labeltune run`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from labeltune.cli import completion, output
from labeltune.cli.options import (
    DataArgument,
    JsonOption,
    MaxCostOption,
    NoTextsOption,
    ProviderOption,
    QuietOption,
    TaskOption,
)
from labeltune.cli.reading import read_words, reads_tables
from labeltune.defaults import DEFAULT_TASK_FILE
from labeltune.errors import ExitCode, SettingsError
from labeltune.wording import pasted

if TYPE_CHECKING:
    from labeltune.cli.output import Output
    from labeltune.studies.whole_way import Done, Log, Step, Way
    from labeltune.task import ReadOptions

__all__ = ["run"]

_FOLDER, _SIZES = "run", "train=0.7,validation=0.1,test=0.2"
"""`DEFAULT_FOLDER` and `DEFAULT_SIZES` of `studies.whole_way`; a test compares them."""


@reads_tables
def run(
    data: DataArgument,
    out: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="The folder of everything that is made.")
    ] = Path(_FOLDER),
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            metavar="BASE",
            autocompletion=completion.bases,
            help="The base model, as train takes it.",
        ),
    ] = None,
    provider: ProviderOption = None,
    sizes: Annotated[
        str, typer.Option(metavar="PART=SIZE,…", help="The parts, as split takes them.")
    ] = _SIZES,
    task: TaskOption = Path(DEFAULT_TASK_FILE),
    max_cost: MaxCostOption = None,
    no_texts: NoTextsOption = False,
    *,
    read: ReadOptions,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Go the whole way from a table to a report; the same command again does only what is not done."""
    sink = output.configure(json_mode=json, quiet=quiet)
    from labeltune.files.writing import disk_errors
    from labeltune.studies.whole_way import Log, Way

    if not task.exists():
        if str(task) != DEFAULT_TASK_FILE:
            raise SettingsError(
                f"{task}: there is no such task file", hint="leave --task out to have one proposed"
            )
        task = out / DEFAULT_TASK_FILE
    way = Way(
        data,
        out,
        task,
        sizes,
        read=tuple(shlex.split(read_words(read))),
        place=() if provider is None else ("--provider", provider),
        budget=() if max_cost is None else ("--max-cost", f"{max_cost:g}"),
        shown=("--no-texts",) if no_texts else (),
    )
    with disk_errors(out):
        out.mkdir(parents=True, exist_ok=True)
    _Walk(sink, way, Log(out)).go(model)


class _Walk:
    """Takes the steps, one command after the other."""

    def __init__(self, sink: Output, way: Way, log: Log) -> None:
        self._sink, self._way, self._log = sink, way, log
        self._commands: list[dict[str, Any]] = []

    def go(self, model: str | None) -> None:
        """All of them; the result is the page."""
        from labeltune.studies.whole_way import TEST, TRAIN, VALIDATION

        way = self._way
        if not way.task.exists():
            self._take("init", way.init())
            self._sink.note(f"   {way.task} is yours to edit: the same command goes on with what it says")
        parts = self._take("split", way.split()).document["parts"]
        paths = {name: str(part["path"]) for name, part in parts.items()}
        # In this order, however --sizes has them: the first is trained on. Other parts are the user's own.
        learnt = [name for name in (TRAIN, VALIDATION) if name in paths]
        chats = [self._take(f"convert {name}", way.convert(paths[name])).result[0] for name in learnt]
        self._take("check", way.check(chats))
        (trained,) = self._take("train", way.train(chats, model), always=True).result
        predicted = self._take("predict", way.predict(paths[TEST], trained))
        measured = self._take("evaluate", way.evaluate(trained))
        self._conclude(trained, predicted, measured)

    def _take(self, name: str, step: Step, *, always: bool = False) -> Done:
        """Take a step, unless it is done."""
        done = None if always else self._log.done(name, step)
        self._commands.append({"command": _command(step.words), "done_before": done is not None})
        if done is not None:
            self._sink.note(f"$ {_command(step.words)}   # done before")
            return done
        words = step.words
        if name == "predict" and self._log.knows(name):
            words = (*words, "--accept-changes", "--force")
        self._sink.note(f"$ {_command(words)}")
        with output.step() as kept:
            try:
                code = _call(words)
            finally:
                if name == "check":
                    for line in kept.lines:
                        kept.note(line)
        if code not in (ExitCode.OK, ExitCode.INVALID_ANSWERS):
            raise typer.Exit(code)
        if name == "evaluate":
            self._write_numbers(kept)
        return self._log.record(name, step, exit_code=code, result=kept.lines, document=kept.document)

    def _write_numbers(self, kept: output.Step) -> None:
        from json import dumps

        from labeltune.files.writing import atomic_write

        content = {"schema_version": output.SCHEMA_VERSION, **kept.document}
        with atomic_write(self._way.document) as handle:
            handle.write(
                (dumps(content, ensure_ascii=False, indent=1, default=str) + "\n").encode("utf-8", "replace")
            )

    def _conclude(self, model: str, predicted: Done, measured: Done) -> None:
        way, sink = self._way, self._sink
        headline = measured.document.get("headline")
        if headline is not None:
            sink.note(headline["text"])
        sink.hint(f"open {way.page} in a browser; the model is {model}")
        sink.result(
            {
                "output": way.page,
                "report": way.document,
                "predictions": way.predictions,
                "task": str(way.task),
                "model": model,
                "steps": self._commands,
                "headline": headline,
                "metrics": measured.document.get("metrics"),
                "intervals": measured.document.get("intervals"),
            },
            way.page,
        )
        if predicted.exit_code:
            raise typer.Exit(predicted.exit_code)


def _command(words: tuple[str, ...]) -> str:
    return " ".join(["labeltune", *map(pasted, words)])


def _call(words: tuple[str, ...]) -> int:
    """Run a command here: its exit code, where it is no error."""
    from labeltune.cli.app import command

    program = f"labeltune {words[0]}"
    return int(command(words[0]).main(list(words[1:]), prog_name=program, standalone_mode=False) or 0)
