"""What `labeltune predict` says when it is over, and others say of the rows that they asked about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from labeltune.cli.hints import task_words
from labeltune.files.writing import STANDARD_STREAM
from labeltune.wording import counted, pasted

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from labeltune.cli.output import Output
    from labeltune.prediction.outcome import Outcome
    from labeltune.prediction.parts import PartsPredicted, PartsPreview
    from labeltune.prediction.predict import Predicted, Preview

__all__ = [
    "requests_document",
    "show_parts",
    "show_predicted",
    "show_preview",
    "warn_of_problems",
    "warn_of_rejections",
    "warn_of_resent",
]

_SHOWN_PARTS = 5


def show_parts(sink: Output, done: PartsPredicted, model: str, task: Path, *, batch: bool) -> None:
    """What a run over parts did."""
    are = counted(done.parts, "part is", "parts are")
    sink.note(f"{done.done:,} of {are} in {done.output}, {done.made:,} of them new")
    if done.missing:
        others = done.missing - (done.parts - done.done)
        of = f", {others:,} of them other shards'" if others else ""
        sink.note(f"{counted(done.missing, 'part is', 'parts are')} missing yet{of}: there is no _SUCCESS")
    more: dict[str, dict[str, Any]] = {
        "parts": {"all": done.parts, "done": done.done, "made": done.made, "missing": done.missing},
        "refused": {name: str(error) for name, error in done.refused.items()},
    }
    show_predicted(sink, done, model, task, batch=batch, **more)


def warn_of_resent(sink: Output, done: Outcome) -> None:
    """Rows whose answer was lost on the way."""
    if done.resent:
        again = counted(done.resent, "row was", "rows were")
        sink.warn(f"{again} sent again{'' if done.free else ', maybe billed twice'}")


def warn_of_problems(sink: Output, problems: Mapping[str, int]) -> None:
    """Rows without a valid answer, by what is wrong with it."""
    if problems:
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in problems.items())
        rows = counted(sum(problems.values()), "row has", "rows have")
        sink.warn(f"{rows} no valid answer: {kinds}")


def warn_of_rejections(sink: Output, rejections: Mapping[str, int]) -> None:
    """Rows that the provider took for no request, by its code."""
    for code, count in rejections.items():
        sink.warn(f"the provider rejected {counted(count, 'row')}: {code}")


def requests_document(done: Outcome) -> dict[str, Any]:
    """What was asked and what it cost, for the document."""
    return {
        "asked": done.asked,
        "kept": done.kept,
        "maybe_billed": done.maybe_billed,
        "resent": done.resent,
        "rejections": dict(done.rejections),
        "tokens": {"input": done.input_tokens, "output": done.output_tokens},
        "usd": done.usd,
    }


def show_predicted(
    sink: Output, done: Predicted, model: str, task: Path, *, batch: bool, **more: dict[str, Any]
) -> None:
    """What a run did; `more` goes into the document."""
    missing = "parts" in more and more["parts"]["missing"]
    valid = done.rows - done.invalid
    spent = "" if not done.usd else f", ${done.usd:,.2f}"
    sink.note(f"{counted(done.rows, 'row')}, {valid:,} with a valid answer{spent}")
    warn_of_resent(sink, done)
    warn_of_problems(sink, done.problems)
    if done.unsure:
        sink.note(f"{done.unsure:,} of the valid answers are unsure: they keep their labels")
    warn_of_rejections(sink, done.rejections)
    if done.thinking:
        sink.hint(
            f"the model thinks before it answers, which left {counted(done.thinking, 'row')} without one: "
            "turn it off or give it room, "
            "as with #thinking=2000 after the provider's URL (docs/how-to/any-url.md)"
        )
    elif "truncated" in done.problems:
        sink.hint("truncated: the model writes more than the longest answer; was it trained with this task?")
    if "unknown" in done.problems:
        again = "with --yes the same command" if batch else "the same command"
        sink.hint(f"unknown: the answers were lost; {again} asks for them again")
    if done.labelled and done.output != STANDARD_STREAM and not missing:
        sink.hint(f"labeltune evaluate {pasted(done.output)}{task_words(task)}")
    sink.written(
        {
            "output": done.output,
            "model": model,
            "rows": done.rows,
            "valid": valid,
            "invalid": done.invalid,
            "unsure": done.unsure,
            "problems": dict(done.problems),
            **requests_document(done),
            **more,
        },
        done.output,
    )


def show_preview(sink: Output, shown: Preview | PartsPreview) -> None:
    """What a run would do."""
    from json import dumps

    from labeltune.prediction.parts import PartsPreview

    request = {"url": shown.url, "headers": dict(shown.headers), "body": shown.body}
    cost = "unknown" if shown.usd is None else f"about ${shown.usd:,.2f}"
    sink.note(
        f"{counted(shown.rows, 'row')}, {counted(shown.requests, 'request')}, about {shown.input_tokens:,} "
        f"tokens to read and {shown.output_tokens:,} to write, cost: {cost}; nothing was sent"
    )
    more: dict[str, Any] = {}
    if isinstance(shown, PartsPreview):
        more = {"parts": shown.parts, "left": list(shown.left)}
        some = ", ".join(shown.left[:_SHOWN_PARTS]) + (", …" if len(shown.left) > _SHOWN_PARTS else "")
        are = counted(shown.parts, "part is", "parts are")
        sink.note(f"{len(shown.left):,} of {are} to be made{some and ': '}{some}")
    sink.result(
        {
            "request": request,
            "rows": shown.rows,
            "requests": shown.requests,
            "tokens": {"input": shown.input_tokens, "output": shown.output_tokens},
            "usd": shown.usd,
            **more,
        },
        f"POST {shown.url}",
        *(f"{name}: {value}" for name, value in shown.headers.items()),
        "",
        dumps(shown.body, ensure_ascii=False, indent=2),
    )
