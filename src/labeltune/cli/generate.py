"""`labeltune generate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from labeltune.cli import output
from labeltune.cli.annotate import TeacherOption, teacher_of
from labeltune.cli.defaults import provider_of
from labeltune.cli.help import COST
from labeltune.cli.options import (
    JsonOption,
    MaxCostOption,
    ProviderOption,
    QuietOption,
    SeedOption,
    StateOption,
    TaskOption,
    YesOption,
)
from labeltune.cli.predict import (
    BatchOption,
    ConcurrencyOption,
    DryRunOption,
    ForceOption,
    MaxWaitOption,
    RecoverOption,
    ResendOption,
    TimeoutOption,
    show_preview,
)
from labeltune.cli.progress import RowStory
from labeltune.cli.reading import reads_tables
from labeltune.collect.generation.options import DEFAULT_OUTPUT, GenerateOptions
from labeltune.defaults import DEFAULT_STATE, DEFAULT_TASK_FILE
from labeltune.errors import ExitCode
from labeltune.prediction.options import PredictOptions
from labeltune.wording import counted

if TYPE_CHECKING:
    from labeltune.cli.output import Output
    from labeltune.collect.generation.generate import Generated
    from labeltune.studies.synthetic import Look, Proof
    from labeltune.task import ReadOptions, Task

__all__ = ["generate"]

_DEFAULT = GenerateOptions()
_ASKING = PredictOptions()
_SHOWN = 10

TrainArgument = Annotated[
    str, typer.Argument(metavar="TRAIN", help="The table of labelled rows that are shown to the model.")
]
OutputOption = Annotated[
    str,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        help="Where the texts go; those for people to look at go to FILE.review.csv beside it.",
    ),
]
ToOption = Annotated[
    int | None,
    typer.Option(
        "--to", min=1, metavar="N", help="The rows that each label should come to; what it has counts."
    ),
]
AwayOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="FILE",
        help="A table of whose texts nothing may be like, such as the test part; may be given again. "
        "Parts named test or validation beside TRAIN are kept away from anyhow.",
    ),
]
PlanOption = Annotated[
    str,
    typer.Option(metavar="FILE", help="What is asked for: proposed once, where it is not there, and yours."),
]
PlanOnlyOption = Annotated[
    bool, typer.Option("--plan-only", help="Propose the plan and stop.", rich_help_panel=COST)
]
VerifyOption = Annotated[
    str | None,
    typer.Option(
        metavar="MODEL",
        help="Ask this model for the labels of the texts, untold; where it disagrees, people decide.",
    ),
]
ErrorsOption = Annotated[
    str | None,
    typer.Option(
        metavar="PREDICTIONS",
        help="Predictions of a part that is not the test part: labels that are missed there get more texts.",
    ),
]
ProofOption = Annotated[
    str | None,
    typer.Option(
        "--validation",
        metavar="FILE",
        help="The part on which a model of this machine is measured with the texts and without; by default "
        "validation beside TRAIN.",
    ),
]


@reads_tables
def generate(
    training: TrainArgument,
    model: TeacherOption = None,
    to: ToOption = _DEFAULT.to,
    out: OutputOption = DEFAULT_OUTPUT,
    away_from: AwayOption = None,
    plan: PlanOption = _DEFAULT.plan,
    verify_with: VerifyOption = _DEFAULT.verify_with,
    errors: ErrorsOption = _DEFAULT.errors,
    validation: ProofOption = None,
    task: TaskOption = Path(DEFAULT_TASK_FILE),
    provider: ProviderOption = None,
    state: StateOption = Path(DEFAULT_STATE),
    batch: BatchOption = _ASKING.batch,
    concurrency: ConcurrencyOption = _ASKING.concurrency,
    resend: ResendOption = _ASKING.resend,
    timeout: TimeoutOption = _ASKING.timeout,
    max_wait: MaxWaitOption = _ASKING.max_wait,
    max_cost: MaxCostOption = _ASKING.max_cost,
    recover: RecoverOption = _ASKING.recover,
    force: ForceOption = _ASKING.force,
    dry_run: DryRunOption = False,
    plan_only: PlanOnlyOption = False,
    seed: SeedOption = _DEFAULT.seed,
    *,
    read: ReadOptions,
    yes: YesOption = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Have a large model write texts for labels that lack rows, and say what they are worth."""
    sink = output.configure(json_mode=json, quiet=quiet)
    from labeltune.task import read_task

    definition = read_task(task)
    options = GenerateOptions(
        to=to,
        plan=plan,
        away_from=tuple(dict.fromkeys([*(away_from or ()), *([validation] if validation else [])])),
        verify_with=verify_with,
        errors=errors,
        seed=seed,
        plan_only=plan_only,
    )
    asking = PredictOptions(
        concurrency=concurrency,
        resend=resend,
        timeout=timeout,
        max_wait=max_wait,
        max_cost=max_cost,
        batch=batch,
        yes=yes,
        recover=recover,
        force=force,
        read=read,
    )
    call: dict[str, Any] = {
        "task": definition,
        "model": teacher_of(model),
        "provider": provider_of(provider, definition),
        "output": out,
        "options": options,
        "asking": asking,
        "state": state,
    }
    from labeltune.collect.generation.generate import generate as run
    from labeltune.collect.generation.generate import preview

    if dry_run:
        show_preview(sink, preview(training, **call))
        return
    with RowStory(sink, yes=yes, what="asking") as story:
        done = run(training, story=story, **call)
    if not done.kept:
        _show_nothing(sink, done, plan_only=plan_only)
        return
    _tell(sink, done, call["model"])
    look, proof = _worth(sink, training, done, definition, validation=validation, read=read, seed=seed)
    _result(sink, done, call["model"], look, proof)
    if done.short or done.problems:
        raise typer.Exit(ExitCode.INVALID_ANSWERS)


def _show_nothing(sink: Output, done: Generated, *, plan_only: bool) -> None:
    """There was no text to be written, or none was to be asked for, or all are for people to look at."""
    if done.review:
        left = counted(done.review, "text is", "texts are")
        sink.warn(f"nothing was kept: {left} for people to look at, in {done.review_file}")
        _result(sink, done, "", None, None)
        raise typer.Exit(ExitCode.INVALID_ANSWERS)
    if not done.wanted:
        sink.note(f"every label has {counted(done.plan.to, 'row')}: there is nothing to write")
    shown = done.plan_file if plan_only and Path(done.plan_file).exists() else None
    sink.result(
        {"output": None, "plan": shown, "wanted": done.wanted, "kept": 0}, *([] if shown is None else [shown])
    )


def _tell(sink: Output, done: Generated, model: str) -> None:
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


def _worth(
    sink: Output,
    training: str,
    done: Generated,
    task: Task,
    *,
    validation: str | None,
    read: ReadOptions,
    seed: int,
) -> tuple[Look, Proof | None]:
    from labeltune.studies.synthetic import find_validation, look_at, prove

    look = look_at(done, seed=seed)
    sink.table(("", "texts", "rows"), _figures(look), title=f"of {look.written.texts:,} texts and rows each")
    if look.told is None:
        sink.note("too few texts or rows to say how well they can be told apart")
    else:
        told = look.told
        sink.note(
            f"a linear model tells texts from rows with an AUC of {told.auc:.3f} ({told.low:.3f} to "
            f"{told.high:.3f}; 0.5: not at all, 1: always)"
        )
    part = validation or find_validation(training)
    if part is None:
        sink.warn(
            "no validation part: whether a model learns from the texts was not measured (--validation FILE)"
        )
        return look, None
    proof = prove(training, done.output, part, task=task, read=read)
    if proof is None:
        sink.warn("too few labelled rows to train on without the texts: what they add was not measured")
        return look, None
    one = proof.difference
    sink.note(
        f"{proof.verdict}: macro-F1 of {proof.base} on {part} ({proof.rows:,} rows) {proof.without:.3f} "
        f"without, {proof.with_texts:.3f} with the texts: "
        f"{one.difference:+.3f} ({one.low:+.3f} to {one.high:+.3f})"
    )
    return look, proof


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


def _result(sink: Output, done: Generated, model: str, look: Look | None, proof: Proof | None) -> None:
    from dataclasses import asdict

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
