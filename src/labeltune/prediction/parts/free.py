"""Parts predicted one after the other in this process, where nobody sends a bill: one model, opened once."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from labeltune.errors import DataError, ModelDamagedError
from labeltune.prediction.parts.one import AsyncPredictor, PartCall, StoppedError
from labeltune.prediction.parts.work import PartsStory
from labeltune.providers import run as run_coroutine
from labeltune.task import format_task

if TYPE_CHECKING:
    from labeltune.files.parts import Part
    from labeltune.prediction.parts.work import PartsWork

__all__ = ["call_of", "predict_here"]


def call_of(work: PartsWork) -> PartCall:
    """What all parts of a run have in common, for whichever process predicts one."""
    job, directory = work.job, work.job.provider.directory
    return PartCall(
        task=format_task(job.task),
        source=job.task.source,
        model=job.model,
        provider=job.provider.given,
        directory=None if directory is None else os.fspath(directory),
        options=job.options,
        input=work.listing.place.url,
        output=work.run.place.url,
        run=work.run.manifest.run,
        scratch=os.fspath(work.run.scratch.absolute()),
        state=os.fspath(job.state),
        input_shown=work.listing.place.shown,
        output_shown=work.run.place.shown,
    )


def predict_here(work: PartsWork, pending: list[Part]) -> None:
    """Predict and commit the parts that are left; those that are refused are told, and the others go on.

    Raises what would stop every further part; what is committed stays. A signal ends it, with `stopped_by`.
    """
    if pending:
        run_coroutine(_predict(work, pending))


async def _predict(work: PartsWork, pending: list[Part]) -> None:
    left = work.job.options.limit
    story = PartsStory(work.job.story, len(pending))
    call = call_of(work)
    story.begin(None)
    async with AsyncPredictor(call, task=work.job.task, provider=work.job.provider, story=story) as predictor:
        for part in pending:
            if left == 0:
                return
            story.next_part()
            try:
                made = await predictor.make(part, limit=left)
            except StoppedError as stop:
                work.stopped_by = stop.signum
                return
            except ModelDamagedError:
                raise
            except DataError as error:
                work.refuse(part, error)
                continue
            work.sent.append(made.sent)
            work.add(made.export, labelled=made.labelled)
            if left is not None:
                left -= made.export.rows
