"""The rows of many parts as the requests of one run: one plan, and where in it the rows of each part are."""

from __future__ import annotations

from collections import deque
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from labeltune.errors import DataError, ModelDamagedError
from labeltune.prediction.export import output_header
from labeltune.prediction.parts.one import part_table
from labeltune.prediction.plan import Asking, Plan

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence

    from labeltune.errors import Where
    from labeltune.files.parts import Part, Place
    from labeltune.prediction.journal import Journal, Result
    from labeltune.prediction.plan import Ask, Job
    from labeltune.task.chat import Message

__all__ = ["PartsPlan", "Span", "header_of"]


def header_of(plan: Plan) -> list[str]:
    """The columns of a part's output. Raises `DataError` where an own one is called like an added one."""
    job, table = plan.job, plan.table
    return output_header(job.task, table.header, job.options, source=table.source)


@dataclass(frozen=True, slots=True)
class Span:
    """The rows of a part: at which positions of the plan they are, as `range` has them; whether the part has
    more, which a limit leaves out.
    """

    part: Part
    start: int
    stop: int
    cut: bool = False


class PartsPlan(Asking):
    """The rows of the parts that are left, in order; a part at a time is open.

    Parts that are no good are told to `refuse` when `hashes` come to them, and are left out.
    """

    def __init__(
        self, job: Job, place: Place, parts: Sequence[Part], *, refuse: Callable[[Part, DataError], object]
    ) -> None:
        super().__init__(job)
        self._place, self._parts, self._refuse = place, parts, refuse
        self.spans: list[Span] = []
        """The parts that are good; complete when `hashes` have ended."""
        self.on_asked: Callable[[Span, Ask | None], object] = lambda _span, _ask: None
        """Is told of each request that `asks` gives, and with None that those of a part have ended."""

    @contextmanager
    def opened(self, part: Part, rows: int | None) -> Iterator[Plan]:
        """The plan of one part, of so many rows."""
        job = replace(self.job, options=replace(self._options, limit=rows))
        with part_table(self._place, part, self._options, job.task) as table:
            yield Plan(job, table)

    def hashes(self) -> Generator[bytes | None]:
        """What each row's request is known by. A part's are known whole before the first is given: that the
        part is refused shows at its end.
        """
        self.spans.clear()
        self.total = self.asked = self.characters = 0
        limit = self._options.limit
        for part in self._parts:
            if limit is not None and self.total >= limit:
                return
            left = None if limit is None else limit - self.total
            try:
                found, cut = self._hashes_of(part, left)
            except ModelDamagedError:
                raise
            except DataError as error:
                self._refuse(part, error)
                continue
            self.spans.append(Span(part, self.total, self.total + len(found), cut))
            self.total += len(found)
            while found:
                yield found.popleft()

    def _hashes_of(self, part: Part, left: int | None) -> tuple[deque[bytes | None], bool]:
        """The hashes of a part's first rows, and whether it has more."""
        with self.opened(part, None if left is None else left + 1) as plan:
            header_of(plan)  # what cannot be written is not asked
            found = deque(plan.hashes())
            self.asked += plan.asked
            self.characters += plan.characters
        cut = left is not None and len(found) > left
        if cut:
            found.pop()
        return found, cut

    def asks(self, journal: Journal) -> Generator[Ask]:
        """The requests that are still to be asked."""
        taken = bytearray(journal.highest_request + 1)
        for span in self.spans:
            known = journal.pending(self.name, span.start, span.stop)
            with (
                self.opened(span.part, span.stop - span.start) as plan,
                closing(plan.asks_of(known, taken)) as asks,
            ):
                for ask in asks:
                    self.on_asked(span, ask)
                    yield ask
            self.on_asked(span, None)

    def first_body(self) -> dict[str, Any] | None:
        """The first request; None if no row has a text."""
        for span in self.spans:
            with self.opened(span.part, span.stop - span.start) as plan:
                body = plan.first_body()
            if body is not None:
                return body
        return None

    def answered(
        self, plan: Plan, span: Span, journal: Journal
    ) -> Generator[tuple[Sequence[str], Sequence[Message], Result]]:
        """Each row of a part, its messages, and what is known of it."""
        return plan.beside(journal.results(self.name, span.start, span.stop))

    def places_at(self, positions: Iterable[int]) -> dict[int, Where]:
        """In which part, and on which line of it, the rows at these positions begin."""
        wanted = set(positions)
        places: dict[int, Where] = {}
        for span in self.spans:
            own = {position - span.start for position in wanted if span.start <= position < span.stop}
            if own:
                with self.opened(span.part, span.stop - span.start) as plan:
                    found = plan.places_at(own)
                places |= {span.start + position: where for position, where in found.items()}
        return places
