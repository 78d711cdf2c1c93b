"""Answers that wait for the rows before them: what stands where a journal does when nothing is paid."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from labeltune.prediction.journal import Result

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["Window"]


class Window:
    """Keeps rows, in order, until they and all before them are answered; then they are written.

    Nothing of it is on a disk: a row costs nothing but time to be asked again. It holds as many rows as are
    in flight, and those behind one that is late.
    """

    full = False

    def __init__(self, write: Callable[[Sequence[str], Result], object], *, answered: bool = False) -> None:
        self._write = write
        self._rows: deque[tuple[int | None, Sequence[str]]] = deque()
        self._results: dict[int, Result] = {}
        self.answered = answered
        """Whether any request, of this part or of one before, has an answer."""

    def wait(self, request: int, values: Sequence[str]) -> None:
        """A row comes next whose answer this request will bring."""
        self._rows.append((request, values))

    def empty(self, values: Sequence[str]) -> None:
        """A row comes next that is not asked."""
        self._rows.append((None, values))
        self._release()

    @property
    def waiting(self) -> int:
        """How many rows are not written yet."""
        return len(self._rows)

    async def sent(self, request: int) -> None:
        """The request may leave at once."""

    def put_back(self, request: int) -> None:
        """It stays as it was: waiting."""

    def done(
        self,
        request: int,
        raw: bytes,
        *,
        input_tokens: int = 0,
        output_tokens: int = 0,
        seconds: float | None = None,
    ) -> None:
        """An answer came."""
        del input_tokens, output_tokens, seconds
        self.answered = True
        self._settle(request, Result(None, "done", "", raw))

    def failed(self, request: int, kind: str, raw: bytes) -> None:
        """A refusal came that asking again would not change."""
        self._settle(request, Result(None, "failed", kind, raw))

    def unknown(self, request: int, kind: str, raw: bytes = b"") -> None:
        """The answer was lost."""
        self._settle(request, Result(None, "unknown", kind, raw))

    async def flush(self) -> None:
        """Nothing waits for a disk."""

    def _settle(self, request: int, result: Result) -> None:
        self._results[request] = result
        self._release()

    def _release(self) -> None:
        while self._rows:
            request, values = self._rows[0]
            if request is None:
                result = Result(None, None)
            elif request in self._results:
                result = self._results.pop(request)
            else:
                return
            self._rows.popleft()
            self._write(values, result)
