"""Parts of a folder handed out to the workers of a Ray cluster: one started here, or one that is there.

The list of parts stays with this process: a worker gets one part at a time, so that one that dies costs that
part at most, which another worker then gets. Why Ray, and what it may do, is in docs/decisions/0025-ray.md.
"""

from __future__ import annotations

import contextlib
import logging
import signal
import threading
import time
from collections import deque
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import ray
from ray import exceptions

from labeltune.distributed.actor import Failed, PartActor
from labeltune.distributed.processes import held_back
from labeltune.errors import RemoteError, SettingsError, TemporaryError
from labeltune.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
    from pathlib import Path

    from labeltune.distributed.actor import Done, Work

__all__ = ["TRIES", "connected", "run_in_order", "run_parts", "started"]

P = TypeVar("P")

TRIES = 3
"""How many workers may die over a part, or in a row while they start."""
START_S = 180.0
"""How long no worker at all may be there."""
AHEAD = 2
"""With an order to keep, how many parts for each worker may be under way or over before the first is over."""
_LOOK_S = 1.0
"""How often signals are looked at while workers work."""
_STORE_BYTES = 128 << 20
"""Ray's shared memory: what is sent are names of files, and a model once."""

_DEATHS = (
    exceptions.RayActorError,
    exceptions.WorkerCrashedError,
    exceptions.NodeDiedError,
    # What a worker said of a part stays on its machine until it is asked for.
    exceptions.ObjectLostError,
)


@contextmanager
def started(folder: Path, cpus: int) -> Iterator[None]:
    """While it is open, a cluster runs on this machine, its files in `folder`. Raises `TemporaryError`."""
    with _driving(
        "cannot be started",
        num_cpus=cpus,
        include_dashboard=False,
        object_store_memory=_STORE_BYTES,
        _temp_dir=str(folder),
    ):
        yield


@contextmanager
def connected(address: str) -> Iterator[int]:
    """While it is open, this process drives the cluster at HOST:PORT, which has so many CPUs.

    Raises `TemporaryError`.
    """
    environment = {"env_vars": {"OMP_NUM_THREADS": "1"}}
    with _driving(f"at {address} cannot be reached", address=address, runtime_env=environment):
        yield int(ray.cluster_resources().get("CPU", 1))


@contextmanager
def _driving(what: str, **options: Any) -> Iterator[None]:
    """Connected to a cluster, with the signal handlers and the standard error of before."""
    handlers: dict[int, Any] = {
        number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)
    }
    if threading.current_thread() is not threading.main_thread():
        handlers = {}
    # What happens to workers is told by us, once.
    log = logging.getLogger("ray")
    log.addHandler(logging.NullHandler())
    log.propagate = False
    try:
        with held_back(1, 2) as said:
            try:
                ray.init(log_to_driver=False, configure_logging=False, **options)
            except (
                exceptions.RayError,
                ConnectionError,
                RuntimeError,
                ValueError,
                OSError,
                TimeoutError,
            ) as error:
                raise TemporaryError(
                    f"Ray {what}: {_gist(str(error)) or type(error).__name__}",
                    hint=f"what it said last: {_gist(said())}" if said() else None,
                ) from error
            except SystemExit:
                # Ray's own handler, while it starts: ours is to say with what the command ends.
                _restore(handlers)
                signal.raise_signal(signal.SIGTERM)
                raise
            finally:
                _restore(handlers)
        # Of a worker that dies, Ray tells on standard output, where our result goes.
        with held_back(1):
            yield
    finally:
        with held_back(1, 2):
            ray.shutdown()


def _restore(handlers: Mapping[int, Any]) -> None:
    for number, handler in handlers.items():
        if handler is not None:
            signal.signal(number, handler)


def _gist(text: str) -> str:
    """The first sentence of the last line: Ray says much, and what is the matter last."""
    last = next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")
    return last.partition(". ")[0].rstrip(".")


def run_parts(
    parts: Iterable[P], work: Work, workers: int, *, name: Callable[[P], str] = str
) -> Iterator[tuple[P, Done | Failed]]:
    """Have each part done by one of so many workers; what came of it, in the order in which they end.

    No more parts are under way than there are workers that wait for one. Raises `SettingsError` for workers
    that cannot do the work, `RemoteError` for a part over which several died, `TemporaryError` where none is
    there for long; `name` is how messages call a part. However it ends, no worker is left.
    """
    with closing(_run(_Pool(parts, work, workers, name))) as done:
        for _, part, outcome in done:
            yield part, outcome


def run_in_order(
    parts: Iterable[P], work: Work, workers: int, *, name: Callable[[P], str] = str
) -> Iterator[tuple[P, Done | Failed]]:
    """The same in the order of the parts. Of what comes too early no more is kept than `AHEAD` for each
    worker: a part that takes long holds up those far behind it.
    """
    pool = _Pool(parts, work, workers, name, ahead=AHEAD * workers)
    early: dict[int, tuple[P, Done | Failed]] = {}
    with closing(_run(pool)) as done:
        for number, part, outcome in done:
            early[number] = part, outcome
            while pool.wanted in early:
                ready = early.pop(pool.wanted)
                pool.wanted += 1
                yield ready


def _run(pool: _Pool[P]) -> Generator[tuple[int, P, Done | Failed]]:
    try:
        with _as_raised():
            yield from pool.run()
    finally:
        pool.end()


@contextmanager
def _as_raised() -> Iterator[None]:
    """Let through what the handler of a signal raises while Ray waits.

    Ray knows `KeyboardInterrupt`; whatever else is raised there comes out of its call as a `SystemError`.
    """
    try:
        yield
    except SystemError as error:
        if error.__cause__ is None:
            raise
        raise error.__cause__ from None


class _Pool(Generic[P]):
    """The list of parts, and who does which."""

    def __init__(
        self,
        parts: Iterable[P],
        work: Work,
        workers: int,
        name: Callable[[P], str],
        *,
        ahead: int | None = None,
    ) -> None:
        self._name, self._ahead = name, ahead
        self.wanted = 0
        """the number of the part that comes next, where an order is kept"""
        self._parts = deque((number, part, 0) for number, part in enumerate(parts))
        # Once for all workers: it holds the model.
        self._work = ray.put(work)
        self._make = ray.remote(PartActor)
        self._size = min(workers, max(1, len(self._parts)))
        self._starting: dict[Any, tuple[Any, str]] = {}
        """by what is waited for: the worker, and what it was asked"""
        self._free: list[Any] = []
        self._busy: dict[Any, tuple[Any, int, P, int]] = {}
        self._died_at_start = 0
        self._seen = time.monotonic()

    def run(self) -> Iterator[tuple[int, P, Done | Failed]]:
        """Each part's number, the part and what came of it."""
        while self._parts or self._busy:
            self._staff()
            while self._free and self._may_go_on():
                actor, (number, part, deaths) = self._free.pop(), self._parts.popleft()
                self._busy[actor.do.remote(part)] = (actor, number, part, deaths)
            waited = [*self._starting, *self._busy]
            ready, _ = ray.wait(waited, num_returns=1, timeout=_LOOK_S)
            if self._free or self._busy:
                self._seen = time.monotonic()
            elif time.monotonic() - self._seen > START_S:
                raise TemporaryError(
                    f"no worker has started for {START_S:.0f} seconds",
                    hint="`ray status` tells what the cluster waits for; fewer workers with --workers",
                )
            for one in ready:
                if one in self._starting:
                    self._begun(one)
                else:
                    yield from self._over(one)

    def _may_go_on(self) -> bool:
        """Whether the part that is next may be handed out."""
        if not self._parts:
            return False
        return self._ahead is None or self._parts[0][0] < self.wanted + self._ahead

    def _staff(self) -> None:
        """See to it that there are as many workers as there is use for."""
        there = len(self._starting) + len(self._free) + len(self._busy)
        for _ in range(min(self._size, len(self._parts) + len(self._busy)) - there):
            actor = self._make.options(num_cpus=1, max_restarts=0).remote()
            self._starting[actor.version.remote()] = (actor, "version")

    def _begun(self, one: Any) -> None:
        """A worker has said its version, or has taken the work."""
        actor, asked = self._starting.pop(one)
        try:
            answer = ray.get(one)
        except _DEATHS as error:
            self._died_at_start += 1
            if self._died_at_start >= TRIES:
                raise TemporaryError(
                    f"{TRIES} workers ended while they started: {_gist(str(error))}",
                    hint="labeltune must be installed on every machine of the cluster, in the same version",
                ) from error
            return
        if asked == "version":
            if answer != __version__:
                raise SettingsError(
                    f"a worker has labeltune {answer}, and this is {__version__}",
                    hint="install the same version on every machine of the cluster",
                )
            self._starting[actor.prepare.remote(self._work)] = (actor, "work")
            return
        if isinstance(answer, Failed):
            raise answer.error
        self._died_at_start = 0
        self._free.append(actor)

    def _over(self, one: Any) -> Iterator[tuple[int, P, Done | Failed]]:
        """A part is over, or its worker is."""
        actor, number, part, deaths = self._busy.pop(one)
        try:
            outcome: Done | Failed = ray.get(one)
        except _DEATHS as error:
            self._let_go(actor)
            if deaths + 1 >= TRIES:
                raise RemoteError(
                    f"{self._name(part)}: {TRIES} workers ended over it, the last one: {_gist(str(error))}",
                    hint="is it too large for a worker's memory? What is done is kept",
                ) from error
            # Parts are handed out by their numbers, so what is there again comes first.
            self._parts.appendleft((number, part, deaths + 1))
            return
        self._free.append(actor)
        yield number, part, outcome

    def _let_go(self, actor: Any) -> None:
        with contextlib.suppress(Exception):  # it is dead, most often
            ray.kill(actor)

    def end(self) -> None:
        actors = [actor for actor, *_ in (*self._starting.values(), *self._busy.values())]
        for actor in (*actors, *self._free):
            self._let_go(actor)
