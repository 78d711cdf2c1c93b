"""The use case: list the parts, agree on what the run is, predict those that are left, finish."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from labeltune import wording
from labeltune.errors import SettingsError
from labeltune.files.parts import (
    WHOLE,
    list_parts,
    look_at_output,
    open_output,
    parse_shard,
    split_output,
)
from labeltune.prediction.asking import MASKED_HEADERS
from labeltune.prediction.confidence import check_probabilities
from labeltune.prediction.costs import rate_of
from labeltune.prediction.export import thresholds_of
from labeltune.prediction.options import PredictOptions
from labeltune.prediction.parts.distributed import cluster_of, predict_on
from labeltune.prediction.parts.free import predict_here
from labeltune.prediction.parts.journaled import predict_journaled
from labeltune.prediction.parts.plan import PartsPlan
from labeltune.prediction.parts.result import PartsPreview, counted, settings_of
from labeltune.prediction.parts.work import PartsWork, tell_refused
from labeltune.prediction.plan import PATH, Job
from labeltune.prediction.spreadsheet import refuse_exact_formats
from labeltune.prediction.story import Silence
from labeltune.tuning.ledger import STATE_FOLDER

if TYPE_CHECKING:
    from labeltune.files.parts import Listing, Shard
    from labeltune.prediction.parts.result import PartsPredicted
    from labeltune.prediction.story import Story
    from labeltune.providers import Provider
    from labeltune.task import Task

__all__ = ["predict_parts", "preview_parts"]

_DEFAULT = PredictOptions()
_SHOWN_LEFT_OUT = 3


def predict_parts(
    data: str | os.PathLike[str],
    *,
    task: Task,
    model: str,
    provider: Provider,
    output: str,
    options: PredictOptions = _DEFAULT,
    story: Story | None = None,
    state: str | os.PathLike[str] = STATE_FOLDER,
) -> PartsPredicted:
    """Predict every table of a folder or glob into the same table below the folder `output`.

    Each part is there whole or not at all; the same call again makes those that are missing, and the one that
    makes the last part writes `_SUCCESS`. Where nothing is paid, part after part is predicted in this
    process, or by the workers of a cluster; a paid provider gets the rows of all parts through one sender,
    with one journal and one budget.
    Raises the errors of this package; parts that are refused do not keep the others from being made: they
    are in the result.
    """
    job = Job(os.fspath(data), task, model, provider, output, options, story or Silence(), Path(state))
    cluster = cluster_of(job)
    journaled, shard = _is_journaled(job), _shard_of(job)
    folder, listing = _listed(job)
    with open_output(
        folder,
        listing,
        settings_of(task, model, provider, options),
        command="predict",
        shard=shard,
        force=options.force,
        accept_changes=options.accept_changes,
    ) as run:
        work = PartsWork(job, listing, run)
        pending = run.pending()
        if len(pending) < len(run.parts):
            are = wording.counted(len(run.parts), "part is", "parts are")
            job.story.note(f"{len(run.parts) - len(pending):,} of {are} there already")
        if cluster is not None:
            predict_on(cluster, work, pending)
        elif journaled:
            predict_journaled(work, pending)
        else:
            predict_here(work, pending)
        if work.stopped_by is None:
            work.warn()
            run.finish()
            return counted(work, folder)
    # With the handlers of before: the process ends as it would have without us, only later.
    signal.raise_signal(work.stopped_by)
    raise KeyboardInterrupt


def preview_parts(
    data: str | os.PathLike[str],
    *,
    task: Task,
    model: str,
    provider: Provider,
    output: str,
    options: PredictOptions = _DEFAULT,
    story: Story | None = None,
    state: str | os.PathLike[str] = STATE_FOLDER,
) -> PartsPreview:
    """What `predict_parts` would send for the parts that are left, without sending anything or needing a key,
    and which those are.

    Of a paid provider equal rows are asked once, of others once in each request that comes to them.
    """
    job = Job(os.fspath(data), task, model, provider, output, options, story or Silence(), Path(state))
    cluster_of(job)
    shard = _shard_of(job)
    folder, listing = _listed(job)
    settings = settings_of(task, model, provider, options)
    known = look_at_output(folder, listing, settings, command="predict")
    pending = [part for part in shard.own(known.manifest.parts) if not known.is_done(part)]
    plan = PartsPlan(job, listing.place, pending, refuse=lambda _, error: tell_refused(job.story, error))
    asked = [digest for digest in plan.hashes() if digest is not None]
    requests = len(set(asked)) if _is_journaled(job) else len(asked)
    read, written = plan.estimate(requests)
    rate = rate_of(model, provider, batch=options.batch)
    return PartsPreview(
        url=f"{provider.base_url.rstrip('/')}{PATH}",
        headers=MASKED_HEADERS,
        body=plan.first_body(),
        rows=plan.total,
        requests=requests,
        input_tokens=read,
        output_tokens=written,
        usd=None if rate is None else rate.usd(read, written),
        parts=len(known.manifest.parts),
        left=tuple(part.output for part in pending),
    )


def _is_journaled(job: Job) -> bool:
    return job.options.batch or not job.provider.free


def _shard_of(job: Job) -> Shard:
    """Raises `SettingsError` for what shards cannot share."""
    options = job.options
    if options.shard is None:
        return WHOLE
    shard = parse_shard(options.shard)
    if shard.of == 1:
        return shard
    if _is_journaled(job):
        what = "--batch" if job.provider.free else f"{job.provider.host} is paid: it"
        raise SettingsError(
            f"--shard {shard}: {what} has one sender, one journal and one budget for all parts",
            hint="leave --shard out: one process sends thousands of requests a second. A server of your own "
            "is declared by #self-hosted=yes after its URL",
        )
    if options.limit is not None:
        raise SettingsError(
            "--limit counts rows from the first part on, and a shard does not know those of the others",
            hint="leave one of --limit and --shard out",
        )
    return shard


def _listed(job: Job) -> tuple[str, Listing]:
    """The folder of the output and the parts; raises before the first part what would be raised after it."""
    if job.options.probabilities:
        check_probabilities(job.task, confidence=job.options.confidence)
    thresholds_of(job.options, job.task)
    folder, ending = split_output(job.output)
    listing = list_parts(job.source, folder, ending=ending)
    if job.options.spreadsheet:
        for part in listing.parts:
            refuse_exact_formats(part.output)
    if listing.left_out:
        some = ", ".join(listing.left_out[:_SHOWN_LEFT_OUT])
        more = ", …" if len(listing.left_out) > _SHOWN_LEFT_OUT else ""
        files = wording.counted(len(listing.left_out), "file is no table", "files are no tables")
        job.story.note(f"{files} by the name: {some}{more}")
    return folder, listing
