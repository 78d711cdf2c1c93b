"""`labeltune classify`."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from labeltune.cli import output
from labeltune.cli.defaults import model_of, provider_of
from labeltune.cli.options import JsonOption, ModelOption, ProviderOption, QuietOption, TaskOption
from labeltune.defaults import DEFAULT_TASK_FILE
from labeltune.errors import DataError, ExitCode, Finding, Where
from labeltune.wording import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from labeltune.prediction.classify import Classified
    from labeltune.prediction.reasons import WhyLabel

__all__ = ["classify"]

_SHOWN_WORDS = 8
_SHOWN_WEIGHT = 0.005
"""Less is shown as 0.00."""


def classify(
    texts: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[TEXT]…",
            help="The texts. Without any, each line of standard input is one.",
            show_default=False,
        ),
    ] = None,
    model: ModelOption = None,
    top: Annotated[
        int,
        typer.Option(min=0, metavar="K", help="Show K candidates with their probabilities, likeliest first."),
    ] = 0,
    task: TaskOption = Path(DEFAULT_TASK_FILE),
    provider: ProviderOption = None,
    *,
    why: Annotated[
        bool, typer.Option("--why", help="Tell the words that spoke for and against each label.")
    ] = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Ask a model about a few texts: one line each, its label, a tab, and the confidence."""
    out = output.configure(json_mode=json, quiet=quiet)
    from labeltune.task import read_task

    definition = read_task(task)
    name = model_of(model, definition, what="which one is asked: what train printed")
    from labeltune.cli.progress import RowStory
    from labeltune.prediction.classify import classify as run
    from labeltune.prediction.classify import refuse_candidates
    from labeltune.prediction.reasons import explain

    if top:
        refuse_candidates(definition)
    if not texts and sys.stdin.isatty():
        out.note("a text on each line; Ctrl-D at the beginning of a line ends them")
    given = texts or _lines()
    asked = provider_of(provider, definition)
    # Before anything is billed: who cannot say why is not asked for labels.
    reasons = explain(given, task=definition, model=name, provider=asked) if why else [()] * len(given)
    with RowStory(out) as story:
        answers = run(given, task=definition, model=name, provider=asked, top=top, story=story)
    pairs = list(zip(answers, reasons, strict=True))
    out.result(
        {"answers": [_document(one, top, of_one if why else None) for one, of_one in pairs]},
        *(line for one, of_one in pairs for line in (_line(one, top), *map(_why, of_one))),
    )
    invalid = [answer.problem for answer in answers if answer.problem]
    if invalid:
        kinds = ", ".join(dict.fromkeys(invalid))
        out.warn(
            f"{len(invalid):,} of {counted(len(answers), 'text')} "
            f"{'has' if len(invalid) == 1 else 'have'} no valid answer: {kinds}"
        )
        raise typer.Exit(ExitCode.INVALID_ANSWERS)


def _lines() -> list[str]:
    """Each line of standard input, without its end."""
    content = sys.stdin.buffer.read()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        what = Finding("not_utf8", "error", "is not UTF-8", Where("standard input", line))
        raise DataError.of([what]) from error
    # Not splitlines: that would break a text at U+2028.
    lines = text.split("\n")
    return [line.removesuffix("\r") for line in (lines if lines[-1] else lines[:-1])]


def _line(answer: Classified, top: int) -> str:
    if top and answer.candidates:
        return "\t".join(f"{_one_line(label)}\t{share:.4g}" for label, share in answer.candidates)
    confidence = "" if answer.confidence is None else f"{answer.confidence:.4g}"
    return f"{_one_line(answer.shown)}\t{confidence}"


def _one_line(label: str) -> str:
    """A label without what would end its cell or its line, or order the terminal about."""
    return output.visible(label).replace("\t", " ").replace("\n", " ")


def _why(reason: WhyLabel) -> str:
    """The words that counted most for or against a label, the strongest first, on one line."""
    from labeltune.prediction.reasons import top_words

    against = f" rather than {reason.against}" if reason.against is not None else ""
    words = ", ".join(f"{word} {weight:+.2f}" for word, weight in top_words([reason], _SHOWN_WORDS))
    beside = f"; the text as a whole {reason.rest:+.2f}" if abs(reason.rest) >= _SHOWN_WEIGHT else ""
    label = reason.label if reason.chosen else f"not {reason.label}"
    return _one_line(f"  {label}{against}: {words or 'no word that the model knows'}{beside}")


def _document(answer: Classified, top: int, reasons: Sequence[WhyLabel] | None) -> dict[str, object]:
    document = asdict(answer)
    del document["shown"]
    if reasons is not None:
        document["why"] = [asdict(reason) for reason in reasons]
    if not top:
        del document["candidates"]
    else:
        document["candidates"] = [
            {"labels": label, "probability": share} for label, share in answer.candidates
        ]
    return document
