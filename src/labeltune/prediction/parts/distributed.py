"""Parts predicted by the workers of a cluster, each with the model in its memory.

Only where nobody sends a bill: each worker has a pace and a breaker of its own, none knows what the others
spend, and a part whose worker dies is asked again from its first row.
"""

from __future__ import annotations

import atexit
import contextlib
import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from labeltune.errors import SettingsError
from labeltune.prediction.parts.actor import Failed
from labeltune.prediction.parts.cluster import on_cluster
from labeltune.prediction.parts.one import PartPredictor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from labeltune.errors import LabeltuneError
    from labeltune.files.parts import Part, Receipt
    from labeltune.local.carrying import CarriedModel
    from labeltune.prediction.parts.cluster import Cluster
    from labeltune.prediction.parts.one import PartCall
    from labeltune.providers import Provider

__all__ = ["PredictWork", "predict_on_cluster", "refuse_paid"]


def refuse_paid(provider: Provider) -> None:
    """Raise `SettingsError` for a provider that sends bills."""
    if not provider.free:
        raise SettingsError(
            f"--distributed: calls that {provider.host} may bill are not handed out to workers: a part whose "
            "worker dies is asked again, and no worker knows what the others spend",
            hint="leave out --distributed; for a server of your own, say so: --provider URL#self-hosted=yes",
        )


@dataclass(frozen=True, slots=True)
class PredictWork:
    """What a worker needs to predict parts. `model` is None where a server answers."""

    call: PartCall
    model: CarriedModel | None
    folder: str | None
    """where the model is unpacked, in a folder of its own; None for the machine's temporary folder"""

    def start(self) -> Callable[[Part], Receipt]:
        """Unpack the model, and open it."""
        home = Path(tempfile.mkdtemp(prefix="labeltune-worker-", dir=self.folder))
        atexit.register(shutil.rmtree, home, ignore_errors=True)
        # Another worker may be about the same part, if this one is taken for dead.
        call = replace(self.call, scratch=str(Path(self.call.scratch) / home.name))
        if self.model is not None:
            from labeltune.local.carrying import unpack_model

            unpack_model(self.model, home)
            call = replace(call, directory=str(home))
        opened = contextlib.ExitStack()
        atexit.register(opened.close)
        return opened.enter_context(PartPredictor(call)).predict


def predict_on_cluster(
    call: PartCall, parts: Iterable[Part], provider: Provider, cluster: Cluster, *, workers: int | None
) -> Iterator[tuple[Part, Receipt | LabeltuneError]]:
    """Predict parts, and commit them; each with its receipt or what is wrong with it, as they end.

    Raises `SettingsError` for a provider that sends bills, and as `on_cluster` and `run_parts` do.
    """
    refuse_paid(provider)
    model = None
    if provider.directory is not None:
        from labeltune.local.carrying import pack_model

        model = pack_model(provider.directory, call.model)
    with on_cluster(cluster, workers) as running:
        work = PredictWork(call, model, running.folder)
        done = running.on_ray.run_parts(parts, work, running.workers)
        with contextlib.closing(done):
            for part, outcome in done:
                yield part, outcome.error if isinstance(outcome, Failed) else outcome.result
