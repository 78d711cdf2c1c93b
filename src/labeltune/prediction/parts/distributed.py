"""Parts predicted by the workers of a cluster, each with the model in its memory.

Only where nobody sends a bill: each worker has a pace and a breaker of its own, none knows what the others
spend, and a part whose worker dies is asked again from its first row.
"""

from __future__ import annotations

import atexit
import shutil
import tempfile
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from labeltune.distributed import Failed, cluster_named, on_cluster
from labeltune.errors import DataError, ModelDamagedError, SettingsError
from labeltune.prediction.fingerprint import refuse_other_task
from labeltune.prediction.parts.free import call_of
from labeltune.prediction.parts.one import PartPredictor
from labeltune.prediction.parts.work import PartsStory, Told
from labeltune.prediction.plan import PATH
from labeltune.providers import run as run_coroutine
from labeltune.providers.channel import open_channel

if TYPE_CHECKING:
    from collections.abc import Callable

    from labeltune.distributed import Cluster
    from labeltune.files.parts import Part
    from labeltune.local.carrying import CarriedModel
    from labeltune.prediction.parts.one import PartCall
    from labeltune.prediction.parts.work import PartsWork
    from labeltune.prediction.plan import Job
    from labeltune.prediction.sending import Sent
    from labeltune.providers import Provider

__all__ = ["PredictWork", "cluster_of", "predict_on", "refuse_paid"]


def cluster_of(job: Job) -> Cluster | None:
    """Which cluster is to predict; None for this process. Raises `SettingsError` for what it cannot do."""
    options = job.options
    cluster = cluster_named(options.distributed, options.workers)
    if cluster is None:
        return None
    refuse_paid(job.provider)
    if options.batch:
        raise SettingsError("--batch has one sender for all parts", hint="leave --distributed or --batch out")
    if options.limit is not None:
        raise SettingsError(
            "--limit counts rows from the first part on, and workers do not know those of the others",
            hint="leave --distributed or --limit out",
        )
    return cluster


def refuse_paid(provider: Provider) -> None:
    """Raise `SettingsError` for a provider that sends bills."""
    if not provider.free:
        raise SettingsError(
            f"--distributed: calls that {provider.host} may bill are not handed out to workers: a part whose "
            "worker dies is asked again, and no worker knows what the others spend",
            hint="leave out --distributed; a server of your own is declared: --provider URL#self-hosted=yes",
        )


@dataclass(frozen=True, slots=True)
class PartMade:
    """What a worker tells of a part that it has committed."""

    told: Told
    sent: Sent
    labelled: bool


@dataclass(frozen=True, slots=True)
class PredictWork:
    """What a worker needs to predict parts. `model` is None where a server answers."""

    call: PartCall
    model: CarriedModel | None
    folder: str | None
    """where the model is unpacked, in a folder of its own; None for the machine's temporary folder"""

    def start(self) -> Callable[[Part], PartMade]:
        """Unpack the model, and open it."""
        home = Path(tempfile.mkdtemp(prefix="labeltune-worker-", dir=self.folder))
        atexit.register(shutil.rmtree, home, ignore_errors=True)
        # Another worker may be about the same part, if this one is taken for dead.
        call = replace(self.call, scratch=str(Path(self.call.scratch) / home.name))
        if self.model is not None:
            from labeltune.local.carrying import unpack_model

            unpack_model(self.model, home)
            call = replace(call, directory=str(home))
        opened = ExitStack()
        atexit.register(opened.close)
        predictor = opened.enter_context(PartPredictor(call))

        def make(part: Part) -> PartMade:
            made = predictor.make(part)
            return PartMade(Told.of(made.export), made.sent, made.labelled)

        return make


def predict_on(cluster: Cluster, work: PartsWork, pending: list[Part]) -> None:
    """Have the workers of a cluster predict and commit the parts that are left; those that are refused are
    told, and the others go on.

    Raises what would stop every further part; what is committed stays.
    """
    if not pending:
        return
    job = work.job
    if not job.options.accept_changes:
        run_coroutine(_refuse_other_task(job))
    model = None
    if job.provider.directory is not None:
        from labeltune.local.carrying import pack_model

        model = pack_model(job.provider.directory, job.model)
    call = _elsewhere(call_of(work))
    with on_cluster(cluster, job.options.workers) as running:
        job.story.note(f"{min(running.workers, len(pending)):,} workers on Ray")
        story = PartsStory(job.story, len(pending))
        story.begin(None)
        parts = running.on_ray.run_parts(
            pending, PredictWork(call, model, running.folder), running.workers, name=_name_of
        )
        with closing(parts):
            for part, outcome in parts:
                story.next_part()
                if not isinstance(outcome, Failed):
                    _add(work, story, outcome.result)
                elif isinstance(outcome.error, DataError) and not isinstance(
                    outcome.error, ModelDamagedError
                ):
                    work.refuse(part, outcome.error)
                else:
                    raise outcome.error


def _add(work: PartsWork, story: PartsStory, made: PartMade) -> None:
    work.sent.append(made.sent)
    work.add(made.told, labelled=made.labelled)
    story.advance(made.told.rows)


def _name_of(part: Part) -> str:
    return part.input


async def _refuse_other_task(job: Job) -> None:
    """What a worker cannot find out: it has the model and nothing else of the provider."""
    async with open_channel(job.provider, PATH, connections=1) as (_, client):
        await refuse_other_task(client, job.provider, job.model, job.task, state=job.state)


def _elsewhere(call: PartCall) -> PartCall:
    """The call as another process understands it, whatever folder it runs in."""
    options, path = call.options, call.options.thresholds
    if path is not None:
        options = replace(options, thresholds=str(Path(path).absolute()))
    # The task was looked at before.
    options = replace(options, accept_changes=True)
    return replace(call, options=options, state=str(Path(call.state).absolute()))
