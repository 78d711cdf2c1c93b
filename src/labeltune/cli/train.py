"""`labeltune train`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from labeltune.cli import completion, output
from labeltune.cli.defaults import base_of, provider_of
from labeltune.cli.help import COST, RESUME
from labeltune.cli.hints import task_words
from labeltune.cli.options import (
    JsonOption,
    ProviderOption,
    QuietOption,
    StateOption,
    TaskOption,
    WaitTimeoutOption,
)
from labeltune.cli.reading import reads_tables
from labeltune.cli.torchrun import is_one_of_several, with_processes
from labeltune.defaults import DEFAULT_STATE, DEFAULT_TASK_FILE
from labeltune.errors import SettingsError

if TYPE_CHECKING:
    from labeltune.cli.output import Output
    from labeltune.providers import Provider
    from labeltune.task import ReadOptions
    from labeltune.tuning.plan import Plan
    from labeltune.tuning.train import Trained

__all__ = ["train"]

_AUTO = "auto"
"""`plan.AUTO`, whose module is imported when it is needed."""


@reads_tables
def train(
    training: Annotated[
        str,
        typer.Argument(metavar="TRAIN", help="A chat file, a table to be converted, or the id of a file."),
    ],
    validation: Annotated[
        str | None,
        typer.Argument(metavar="[VALIDATION]", help="The same, to measure with while training."),
    ] = None,
    *,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            metavar="BASE",
            autocompletion=completion.bases,
            help="The base model. On this machine: linear, embed, embed:NAME|DIR, encoder:NAME|DIR, "
            "llm:NAME|DIR; at openai: gpt-4.1-mini-2025-04-14 and others. By default what the task says "
            "under [defaults]; on this machine embed if its extra is installed, else linear.",
        ),
    ] = None,
    epochs: Annotated[
        str, typer.Option("--epochs", metavar="N|auto", help="How often to go through.")
    ] = _AUTO,
    batch_size: Annotated[
        str, typer.Option("--batch-size", metavar="N|auto", help="Examples per step.")
    ] = _AUTO,
    learning_rate: Annotated[
        str,
        typer.Option("--learning-rate", metavar="X|auto", help="A multiplier; for nebius, the rate itself."),
    ] = _AUTO,
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, max=2**31 - 1, help="The same seed, the same model.")
    ] = None,
    class_weight: Annotated[
        str | None,
        typer.Option(
            "--class-weight",
            metavar="balanced|none",
            help="Let rare labels count as much as common ones (local engines).",
        ),
    ] = None,
    suffix: Annotated[
        str | None, typer.Option("--suffix", metavar="S", help="Goes into the model's name.")
    ] = None,
    wait: Annotated[
        bool,
        typer.Option(
            "--wait/--no-wait",
            rich_help_panel=RESUME,
            help="Wait for the model, or print the job's id at once.",
        ),
    ] = True,
    wait_timeout: WaitTimeoutOption = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", rich_help_panel=COST, help="Print the request and send nothing.")
    ] = False,
    max_cost: Annotated[
        float | None,
        typer.Option(
            "--max-cost", rich_help_panel=COST, metavar="USD", min=0, help="Do not begin if it may cost more."
        ),
    ] = None,
    new_job: Annotated[
        bool,
        typer.Option(
            "--new-job", rich_help_panel=RESUME, help="Create a job even where this command made one before."
        ),
    ] = False,
    task: TaskOption = Path(DEFAULT_TASK_FILE),
    provider: ProviderOption = None,
    state: StateOption = Path(DEFAULT_STATE),
    read: ReadOptions,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Fine-tune a model and wait for it; the same command run again finds its job."""
    out = output.configure(json_mode=json, quiet=quiet)
    if is_one_of_several():
        return
    from labeltune.task import task_if_there

    definition = task_if_there(task)
    place = provider_of(provider, definition)
    base = with_processes(base_of(model, definition, place, out), place, out)
    from dataclasses import asdict

    from labeltune.cli.progress import JobStory
    from labeltune.tuning.chat_files import as_chat_files
    from labeltune.tuning.plan import Settings, plan_training
    from labeltune.tuning.train import train as run

    settings = Settings(
        epochs=_number("--epochs", epochs, int),
        batch_size=_number("--batch-size", batch_size, int),
        learning_rate=_number("--learning-rate", learning_rate, float),
        seed=seed,
        suffix=suffix,
        class_weight=_class_weight(class_weight),
    )
    given = [training] if validation is None else [training, validation]
    plan = plan_training(
        *as_chat_files(given, definition, note=out.note, read=read, state=state),
        model=base,
        provider=place,
        settings=settings,
        task=definition,
        max_cost=max_cost,
        estimate=dry_run,
    )
    if dry_run:
        _show(out, plan)
        return
    with JobStory(out, place) as story:
        done = run(plan, wait=wait, new_job=new_job, wait_timeout=wait_timeout, state=state, story=story)
    out.hint(_next(done, place, task, wait=wait))
    out.result(asdict(done), done.model if wait else done.job_id)


def _next(done: Trained, place: Provider, task: Path, *, wait: bool) -> str:
    """What to do next."""
    if not wait:
        return f"labeltune jobs watch {done.job_id}{place.flag}"
    if place.deployments:
        return f"deploy {done.model}; then give predict the deployment's name as --model"
    return f"labeltune predict DATA --model {done.model}{place.flag}{task_words(task)}"


def _class_weight(word: str | None) -> Literal["balanced", "none"] | None:
    if word is None:
        return None
    if word == "balanced":
        return "balanced"
    if word == "none":
        return "none"
    raise SettingsError(f"--class-weight {word}: expected balanced or none")


def _number(option: str, text: str, kind: type[int | float]) -> Any:
    if text == _AUTO:
        return text
    try:
        return kind(text)
    except ValueError:
        what = "a whole number" if kind is int else "a number"
        raise SettingsError(f'{option} {text}: expected {what}, or "auto"') from None


def _show(out: Output, plan: Plan) -> None:
    """The request that would create the job, with everything that is known before sending."""
    from json import dumps

    from labeltune.tuning.plan import preview

    request = preview(plan)
    for file in plan.files:
        out.note(f"{file.path}: {file.bytes:,} bytes, sha256 {file.sha256[:12]}…")
    cost = "not known" if plan.cost is None else f"{plan.cost:.2f} USD"
    out.note(f"nothing was sent; cost: {cost}")
    out.result({"request": request, "cost_usd": plan.cost}, dumps(request, indent=2, ensure_ascii=False))
