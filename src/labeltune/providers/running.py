"""Coroutines from synchronous code, and calls that are asked again where asking twice does no harm."""

from __future__ import annotations

import asyncio
import signal
import threading
from concurrent.futures import Future, wait
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from labeltune.errors import MovedError, TemporaryError
from labeltune.providers.failures import api_errors

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Iterator

    from labeltune.providers.profiles import Provider

__all__ = ["START_PATIENCE", "Patience", "persist", "run"]

T = TypeVar("T")

_GLANCE_SECONDS = 0.1

_STOP_SIGNALS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end and return its result, whether or not an event loop runs already.

    Ctrl-C cancels the coroutine, which may finish what it has begun, and then raises `KeyboardInterrupt`; so
    do SIGTERM and SIGHUP where a Python handler is installed, whose exception is then raised. A second signal
    is handled at once.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        pass
    else:
        return _run_in_thread(coroutine)
    caught: list[int] = []
    with _stops_cancel(caught) as (attach, handlers):
        try:
            return asyncio.run(_attached(coroutine, attach))
        except asyncio.CancelledError:
            if caught:
                handlers[caught[0]](caught[0], None)
            raise


async def _attached(coroutine: Coroutine[Any, Any, T], attach: Callable[[asyncio.Task[Any]], None]) -> T:
    task = asyncio.current_task()
    assert task is not None
    attach(task)
    return await coroutine


@contextmanager
def _stops_cancel(
    caught: list[int],
) -> Iterator[tuple[Callable[[asyncio.Task[Any]], None], dict[int, Callable[..., object]]]]:
    """While the block runs, the first stop signal cancels the task: what asyncio itself does for Ctrl-C.

    An exception raised by a handler in the middle of the loop would be lost in whichever callback it hit.
    """
    tasks: list[asyncio.Task[Any]] = []
    handlers: dict[int, Callable[..., object]] = {}

    def cancel(signum: int, frame: object) -> None:
        if caught or not tasks or tasks[0].done():
            handlers[signum](signum, frame)
            return
        caught.append(signum)
        tasks[0].cancel()
        # Wakes the loop out of its waiting.
        tasks[0].get_loop().call_soon_threadsafe(lambda: None)

    if threading.current_thread() is threading.main_thread():
        for signum in _STOP_SIGNALS:
            handler = signal.getsignal(signum)
            if callable(handler):
                handlers[signum] = handler
                signal.signal(signum, cancel)
    try:
        yield tasks.append, handlers
    finally:
        for signum, handler in handlers.items():
            signal.signal(signum, handler)


def _run_in_thread(coroutine: Coroutine[Any, Any, T]) -> T:
    """Under a running loop (a notebook), the coroutine gets a thread with a loop of its own."""
    result: Future[T] = Future()
    task: Future[asyncio.Task[Any]] = Future()

    def body() -> None:
        try:
            result.set_result(asyncio.run(_attached(coroutine, task.set_result)))
        except BaseException as error:  # noqa: BLE001  # handed to the thread that waits
            result.set_exception(error)

    thread = threading.Thread(target=body, name="labeltune", daemon=True)
    thread.start()
    try:
        _hold_up(result)
    except BaseException:
        running = task.result()
        running.get_loop().call_soon_threadsafe(running.cancel)
        thread.join()
        raise
    return result.result()


def _hold_up(result: Future[Any]) -> None:
    """Wait for the result; Ctrl-C under `asyncio.run` does no more than mark the task that is held up."""
    held = asyncio.current_task()
    while not wait([result], timeout=_GLANCE_SECONDS).done:
        if held is not None and held.cancelling():
            raise asyncio.CancelledError


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to ask again: after `first` seconds, then twice as long up to `most`, in all `total`."""

    first: float = 0.5
    most: float = 8.0
    total: float = 20.0


START_PATIENCE = Patience(first=0.5, most=2.0, total=4.0)
"""For the first calls of a command: who is offline should learn it soon."""


async def persist(
    call: Callable[[], Awaitable[T]],
    provider: Provider,
    *,
    patience: Patience = Patience(),
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    on_failure: Callable[[TemporaryError], None] | None = None,
) -> T:
    """The result of `call`, asked again after temporary failures.

    Only for calls that may be repeated: those that read, and uploads, which cost nothing. Raises what
    `api_errors` makes of the last failure.
    """
    delay, waited = patience.first, 0.0
    while True:
        try:
            with api_errors(provider):
                return await call()
        except MovedError:
            raise
        except TemporaryError as error:
            left, asked = patience.total - waited, retry_after(error)
            if left <= 0 or asked > left:
                raise
            if on_failure is not None:
                on_failure(error)
            pause = min(max(delay, asked), left)
        await sleep(pause)
        waited += pause
        delay = min(2 * delay, patience.most)


def retry_after(error: BaseException) -> float:
    """The seconds that a refusal asks to wait; 0 if it does not say."""
    import openai

    cause = error.__cause__
    if not isinstance(cause, openai.APIStatusError):
        return 0.0
    headers = cause.response.headers
    try:
        if "retry-after-ms" in headers:
            return float(headers["retry-after-ms"]) / 1000
        return float(headers.get("retry-after", 0))
    except ValueError:
        return 0.0
