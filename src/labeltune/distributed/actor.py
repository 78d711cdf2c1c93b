"""What runs in each worker of a cluster: it takes a piece of work, then one part after the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from labeltune.errors import LabeltuneError
from labeltune.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Done", "Failed", "PartActor", "Work"]


class Work(Protocol):
    """What is to be done with each part. It is sent to the workers, so it can be pickled."""

    def start(self) -> Callable[[Any], Any]:
        """Get ready in a worker, once; returns what does a part, which may be told the same one twice."""
        ...


@dataclass(frozen=True, slots=True)
class Done:
    """A part that is done, and what came of it."""

    result: Any


@dataclass(frozen=True, slots=True)
class Failed:
    """A part that another worker would fail with, too: its data, or the settings, are at fault."""

    error: LabeltuneError


class PartActor:
    """A worker. It stays, so that a model is loaded once."""

    def version(self) -> str:
        """The version of labeltune here; asked before anything else is sent."""
        return __version__

    def prepare(self, work: Work) -> Done | Failed:
        """Take the work."""
        try:
            self._do = work.start()
        except LabeltuneError as error:
            return Failed(error)
        return Done(None)

    def do(self, part: Any) -> Done | Failed:
        """Do one part."""
        try:
            return Done(self._do(part))
        except LabeltuneError as error:
            return Failed(error)
