"""`labeltune generate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from labeltune.cli import output
from labeltune.cli.annotate import TeacherOption, teacher_of
from labeltune.cli.defaults import provider_of
from labeltune.cli.generate_view import show_generated, show_look, show_nothing, show_proof, show_result
from labeltune.cli.help import COST
from labeltune.cli.options import (
    JsonOption,
    ProviderOption,
    QuietOption,
    SeedOption,
    StateOption,
    TaskOption,
)
from labeltune.cli.predict_view import show_preview
from labeltune.cli.progress import RowStory
from labeltune.cli.sending import REQUESTS, DryRunOption, sends_requests
from labeltune.collect.generation.options import DEFAULT_OUTPUT, GenerateOptions
from labeltune.defaults import DEFAULT_STATE, DEFAULT_TASK_FILE
from labeltune.errors import ExitCode

if TYPE_CHECKING:
    from labeltune.cli.output import Output
    from labeltune.collect.generation.generate import Generated
    from labeltune.prediction.options import PredictOptions
    from labeltune.studies.synthetic import Proof
    from labeltune.task import ReadOptions, Task

__all__ = ["generate"]

_DEFAULT = GenerateOptions()

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


@sends_requests(*REQUESTS)
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
    *,
    asking: PredictOptions,
    dry_run: DryRunOption = False,
    plan_only: PlanOnlyOption = False,
    seed: SeedOption = _DEFAULT.seed,
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
    with RowStory(sink, yes=asking.yes, what="asking") as story:
        done = run(training, story=story, **call)
    if not done.kept:
        show_nothing(sink, done, plan_only=plan_only)
        if done.review:
            raise typer.Exit(ExitCode.INVALID_ANSWERS)
        return
    show_generated(sink, done, call["model"])
    from labeltune.studies.synthetic import look_at

    look = look_at(done, seed=seed)
    show_look(sink, look)
    proof = _proof(sink, training, done, validation, task=definition, read=asking.read)
    show_result(sink, done, call["model"], look, proof)
    if done.short or done.problems:
        raise typer.Exit(ExitCode.INVALID_ANSWERS)


def _proof(
    sink: Output, training: str, done: Generated, validation: str | None, *, task: Task, read: ReadOptions
) -> Proof | None:
    """Whether a model learns from the texts, measured where there is a part to measure on."""
    from labeltune.studies.synthetic import find_validation, prove

    part = validation or find_validation(training)
    if part is None:
        sink.warn(
            "no validation part: whether a model learns from the texts was not measured (--validation FILE)"
        )
        return None
    proof = prove(training, done.output, part, task=task, read=read)
    show_proof(sink, proof, part)
    return proof
