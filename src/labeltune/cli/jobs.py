"""`labeltune jobs …`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from labeltune.cli import completion, output
from labeltune.cli.formats import aligned, moment
from labeltune.cli.help import HelpfulApp
from labeltune.cli.options import WaitTimeoutOption
from labeltune.cli.speaking import speaks_to_provider

if TYPE_CHECKING:
    from collections.abc import Iterator

    from labeltune.cli.output import Output
    from labeltune.providers import Provider

__all__ = ["jobs"]

LIMIT = 20
EVENT_LIMIT = 1000

jobs = HelpfulApp(no_args_is_help=True, help="Look at fine-tuning jobs, watch them, stop them.")

JobArgument = Annotated[
    str, typer.Argument(metavar="JOB", help="The job's id: ftjob-…", autocompletion=completion.jobs)
]


@jobs.command("list")
@speaks_to_provider
def list_(
    limit: Annotated[
        int, typer.Option("--limit", metavar="N", min=1, help="How many, newest first.")
    ] = LIMIT,
    *,
    place: Provider,
    out: Output,
) -> None:
    """List the newest jobs: id, status, when it was created, model."""
    from labeltune.tuning.jobs import list_jobs

    found = list_jobs(place, limit=limit)
    rows = [
        (job.id, str(job.status), moment(job.created_at), job.fine_tuned_model or job.model) for job in found
    ]
    out.result({"jobs": [_document(job) for job in found]}, *map(output.visible, aligned(rows)))


@jobs.command()
@speaks_to_provider
def show(
    job: JobArgument,
    *,
    place: Provider,
    out: Output,
) -> None:
    """Show one job, with everything that the provider says about it."""
    from labeltune.tuning.jobs import show_job

    document = _document(show_job(place, job))
    out.result({"job": document}, *_described(document))


@jobs.command()
@speaks_to_provider
def watch(
    job: JobArgument,
    wait_timeout: WaitTimeoutOption = None,
    *,
    place: Provider,
    out: Output,
) -> None:
    """Watch a job to its end, and print its model."""
    from labeltune.cli.progress import JobStory
    from labeltune.tuning.jobs import watch_job

    with JobStory(out, place) as story:
        done = watch_job(place, job, story=story, wait_timeout=wait_timeout)
    out.result({"job": _document(done), "model": done.fine_tuned_model}, done.fine_tuned_model)


@jobs.command()
@speaks_to_provider
def events(
    job: JobArgument,
    limit: Annotated[
        int, typer.Option("--limit", metavar="N", min=1, help="How many of the newest.")
    ] = EVENT_LIMIT,
    *,
    place: Provider,
    out: Output,
) -> None:
    """Print what happened to a job, oldest first."""
    from dataclasses import asdict

    from labeltune.tuning.jobs import job_events

    found = job_events(place, job, limit=limit)
    lines = (f"{moment(event.created_at)}  {event.level:5}  {event.message}" for event in found)
    out.result({"events": [asdict(event) for event in found]}, *map(output.visible, lines))


@jobs.command()
@speaks_to_provider
def checkpoints(
    job: JobArgument,
    *,
    place: Provider,
    out: Output,
) -> None:
    """Print the models that a job kept on its way, newest first; each can be used like the last."""
    from labeltune.providers.lenient import fields_of
    from labeltune.tuning.jobs import job_checkpoints

    found = [_document(checkpoint) for checkpoint in job_checkpoints(place, job)]
    out.table(
        ("step", "model", "loss", "full validation loss"),
        [
            (
                checkpoint.get("step_number"),
                checkpoint.get("fine_tuned_model_checkpoint"),
                fields_of(checkpoint.get("metrics")).get("train_loss"),
                fields_of(checkpoint.get("metrics")).get("full_valid_loss"),
            )
            for checkpoint in found
        ],
    )
    names = (checkpoint.get("fine_tuned_model_checkpoint") for checkpoint in found)
    out.result({"checkpoints": found}, *filter(None, names))


def _add(name: str, description: str) -> None:
    """Add a command that asks for another status of a job."""

    @jobs.command(name, help=description)
    @speaks_to_provider
    def change(
        job: JobArgument,
        *,
        place: Provider,
        out: Output,
    ) -> None:
        from labeltune.tuning.jobs import cancel_job, pause_job, resume_job

        act = {"cancel": cancel_job, "pause": pause_job, "resume": resume_job}[name]
        changed = act(place, job)
        out.note(f"{changed.id}: {changed.status}")
        out.result({"job": _document(changed)}, changed.id)


_add("cancel", "Cancel a job; it will have no model.")
_add("pause", "Pause a job; it keeps what it has learned.")
_add("resume", "Let a paused job go on.")


def _document(thing: Any) -> dict[str, Any]:
    """An object of the SDK as JSON; what a provider adds to the protocol stays in it."""
    document: dict[str, Any] = thing.model_dump(mode="json", warnings=False)
    return document


def _described(document: dict[str, Any]) -> Iterator[str]:
    for key, value in document.items():
        if value not in (None, [], {}):
            shown = moment(value) if key.endswith("_at") and isinstance(value, int) else value
            yield output.visible(f"{key}: {shown}")
