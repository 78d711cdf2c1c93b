"""What `labeltune generate` says when it is over: what was written, and what it is worth."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labeltune.wording import counted

if TYPE_CHECKING:
    from labeltune.cli.output import Output
    from labeltune.collect.generation.generate import Generated
    from labeltune.studies.synthetic import Look, Proof

__all__ = ["show_generated", "show_look", "show_nothing", "show_proof", "show_result"]

_SHOWN = 10


def show_nothing(sink: Output, done: Generated, *, plan_only: bool) -> None:
    """There was no text to be written, or none was to be asked for, or all are for people to look at."""
    if done.review:
        left = counted(done.review, "text is", "texts are")
        sink.warn(f"nothing was kept: {left} for people to look at, in {done.review_file}")
        show_result(sink, done, "", None, None)
        return
    if not done.wanted:
        sink.note(f"every label has {counted(done.plan.to, 'row')}: there is nothing to write")
    shown = done.plan_file if plan_only and Path(done.plan_file).exists() else None
    sink.result(
        {"output": None, "plan": shown, "wanted": done.wanted, "kept": 0}, *([] if shown is None else [shown])
    )


def show_generated(sink: Output, done: Generated, model: str) -> None:
    """How many texts were written, how many of them were kept and why not all."""
    spent = "" if not done.usd else f", ${done.usd:,.2f}"
    sink.note(
        f"{model} wrote {counted(done.texts, 'text')}: {len(done.kept):,} of {done.wanted:,} kept{spent}"
    )
    if done.left_out:
        said = ", ".join(f"{count:,} {reason.replace('_', ' ')}" for reason, count in done.left_out.items())
        sink.note(f"not kept: {said}")
    for path, count in done.away.items():
        if count:
            near = counted(count, "text was", "texts were")
            sink.warn(f"{near} nearly the same as one of {path}, and written nowhere")
    if done.problems:
        said = ", ".join(f"{count:,} {problem}" for problem, count in done.problems.items())
        sink.warn(f"requests without any text: {said}")
    if done.review_file:
        sink.note(f"{counted(done.review, 'text is', 'texts are')} for people to look at: {done.review_file}")
    if done.short:
        listed = [f"{count:,} of {name}" for name, count in done.short.items()]
        more = f" and {len(listed) - _SHOWN:,} more" if len(listed) > _SHOWN else ""
        sink.warn(f"missing: {', '.join(listed[:_SHOWN])}{more}")


def show_look(sink: Output, look: Look) -> None:
    """How varied the texts are beside the rows, and whether a model tells them apart."""
    sink.table(("", "texts", "rows"), _figures(look), title=f"of {look.written.texts:,} texts and rows each")
    if look.told is None:
        sink.note("too few texts or rows to say how well they can be told apart")
        return
    told = look.told
    sink.note(
        f"a linear model tells texts from rows with an AUC of {told.auc:.3f} ({told.low:.3f} to "
        f"{told.high:.3f}; 0.5: not at all, 1: always)"
    )


def show_proof(sink: Output, proof: Proof | None, part: str) -> None:
    """What a model learns from the texts, measured on a part."""
    if proof is None:
        sink.warn("too few labelled rows to train on without the texts: what they add was not measured")
        return
    one = proof.difference
    sink.note(
        f"{proof.verdict}: macro-F1 of {proof.base} on {part} ({counted(proof.rows, 'row')}) "
        f"{proof.without:.3f} without, {proof.with_texts:.3f} with the texts: "
        f"{one.difference:+.3f} ({one.low:+.3f} to {one.high:+.3f})"
    )


def _figures(look: Look) -> list[tuple[str, str, str]]:
    texts, rows = look.written, look.rows
    lengths, lengths_there = (" ".join(f"{value:g}" for value in own.words) for own in (texts, rows))
    return [
        ("like another one", f"{texts.alike:.3f}", f"{rows.alike:.3f}"),
        ("distinct pairs of words", f"{texts.distinct_2:.3f}", f"{rows.distinct_2:.3f}"),
        ("distinct triples", f"{texts.distinct_3:.3f}", f"{rows.distinct_3:.3f}"),
        ("words: quartiles", lengths, lengths_there),
        ("near duplicates, of all written", f"{look.near_duplicates:.3f}", ""),
        ("cells with a text", f"{look.covered:,} of {look.cells:,}", ""),
    ]


def show_result(sink: Output, done: Generated, model: str, look: Look | None, proof: Proof | None) -> None:
    """The document, and the name of the output."""
    document: dict[str, Any] = {
        "output": done.output,
        "review": done.review_file,
        "plan": done.plan_file,
        "model": model,
        "wanted": done.wanted,
        "texts": done.texts,
        "kept": len(done.kept),
        "for_review": done.review,
        "left_out": dict(done.left_out),
        "problems": dict(done.problems),
        "away_from": dict(done.away),
        "missing": dict(done.short),
        "asked": done.asked,
        "usd": done.usd,
        "variety": None if look is None else asdict(look),
        "proof": None if proof is None else {**asdict(proof), "verdict": proof.verdict},
    }
    sink.result(document, done.output)
