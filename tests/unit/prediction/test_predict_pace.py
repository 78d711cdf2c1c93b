"""When the next request may leave, by a clock that is handed in."""

from __future__ import annotations

import asyncio
from email.utils import formatdate

import pytest

from labeltune.prediction.pace import BREAKER_ERRORS, CANARY, GROWTH, Pace, wait_announced


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_it_begins_small_and_grows_with_every_answer(clock: Clock) -> None:
    pace = Pace(64, clock)
    assert pace.limit == CANARY
    for _ in range(CANARY):
        pace.answered()
    assert pace.limit == CANARY * (1 + GROWTH)
    for _ in range(100):
        pace.answered()
    assert pace.limit == 64


def test_after_a_rate_limit_it_grows_with_every_round(clock: Clock) -> None:
    """Multiplicative decrease, additive increase: one more for as many answers as are in flight."""
    pace = Pace(40, clock)
    for _ in range(35):
        pace.answered()
    assert pace.limit == 40
    pace.limited(1.0)
    assert pace.limit == 32
    clock.now += 1.0
    for _ in range(33):
        pace.answered()
    assert 33 <= pace.limit < 33.1


def test_the_news_of_one_rate_limit_counts_once(clock: Clock) -> None:
    pace = Pace(64, clock)
    pace.limit = 40.0
    for _ in range(10):
        pace.limited(2.0)
    assert pace.limit == 32
    clock.now += 2.0
    pace.limited(2.0)
    assert pace.limit == pytest.approx(25.6)


def test_it_never_falls_below_one(clock: Clock) -> None:
    pace = Pace(8, clock)
    for _ in range(50):
        pace.limited(1.0)
        clock.now += 1.0
    assert pace.limit == 1


def test_an_unsaid_pause_doubles_until_an_answer_comes(clock: Clock) -> None:
    pace = Pace(8, clock)
    waits = []
    for _ in range(8):
        waits.append(pace.limited(None))
        clock.now += waits[-1]
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]
    pace.answered()
    assert pace.limited(None) == 1


def test_the_breaker_opens_probes_and_closes(clock: Clock) -> None:
    pace = Pace(8, clock)
    assert [pace.failed() for _ in range(BREAKER_ERRORS)] == [False] * (BREAKER_ERRORS - 1) + [True]
    probes = []
    for _ in range(7):
        probes.append(pace.probe_seconds)
        pace.failed()
    assert probes == [1, 2, 4, 8, 16, 30, 30]
    pace.answered()
    assert not pace.broken


def test_while_the_breaker_is_open_one_request_tries(clock: Clock) -> None:
    async def work() -> None:
        pace = Pace(8, clock)
        for _ in range(BREAKER_ERRORS):
            pace.failed()
        assert 0.0 < (pace._wait() or 0.0) <= 1.0
        clock.now += 1.0
        assert await pace.enter()
        assert pace._wait() is None
        pace.failed()
        pace.leave()
        assert pace._wait() == pytest.approx(2.0)
        clock.now += 2.0
        assert await pace.enter()
        pace.answered()
        pace.leave()
        assert pace._wait() == 0.0

    asyncio.run(work())


def test_a_place_is_free_when_another_request_is_back(clock: Clock) -> None:
    async def work() -> None:
        pace = Pace(2, clock)
        assert await pace.enter()
        assert await pace.enter()
        third = asyncio.create_task(pace.enter())
        await asyncio.sleep(0)
        assert not third.done()
        pace.leave()
        assert await third
        assert pace.in_flight == 2

    asyncio.run(work())


def test_closing_wakes_everyone(clock: Clock) -> None:
    async def work() -> None:
        pace = Pace(1, clock)
        assert await pace.enter()
        waiting = [asyncio.create_task(pace.enter()) for _ in range(5)]
        await asyncio.sleep(0)
        pace.close()
        assert await asyncio.gather(*waiting) == [False] * 5
        assert not await pace.enter()

    asyncio.run(work())


def test_one_that_is_cancelled_while_it_waits_leaves_no_trace(clock: Clock) -> None:
    async def work() -> None:
        pace = Pace(1, clock)
        assert await pace.enter()
        first, second = (asyncio.create_task(pace.enter()) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.sleep(0)
        pace.leave()
        assert await second
        assert not pace._parked

    asyncio.run(work())


def test_silence_is_measured_from_the_last_answer(clock: Clock) -> None:
    pace = Pace(1, clock)
    clock.now += 5.0
    assert pace.silent_for == 5.0
    pace.answered()
    assert pace.silent_for == 0.0


NOW = 1_800_000_000
USED_UP = {"x-ratelimit-remaining-requests": "0"}


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "2"}, 2.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": formatdate(NOW + 7, usegmt=True), "date": formatdate(NOW, usegmt=True)}, 7.0),
        ({"retry-after": formatdate(NOW - 7, usegmt=True), "date": formatdate(NOW, usegmt=True)}, 0.0),
        ({"retry-after": formatdate(NOW + 7, usegmt=True)}, None),
        (USED_UP | {"x-ratelimit-reset-requests": "6m0s"}, 360.0),
        (USED_UP | {"x-ratelimit-reset-requests": "120ms"}, 0.12),
        (USED_UP | {"x-ratelimit-reset-requests": "1h2m3.5s"}, 3723.5),
        (USED_UP | {"x-ratelimit-reset-requests": "17"}, 17.0),
        (USED_UP | {"x-ratelimit-reset-requests": "?"}, None),
        ({"x-ratelimit-remaining-requests": "3", "x-ratelimit-reset-requests": "6m0s"}, None),
        (
            USED_UP
            | {
                "x-ratelimit-reset-requests": "1s",
                "x-ratelimit-remaining-tokens": "0",
                "x-ratelimit-reset-tokens": "9s",
            },
            9.0,
        ),
    ],
)
def test_what_a_reply_asks_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    assert wait_announced(headers) == seconds


def asked(pace: Pace, clock: Clock, *, rows: int, seconds: float, slots: int) -> float:
    """The longest that an answer takes which `slots` at a time are worked on, `seconds` each."""
    free, longest, done = [clock.now] * slots, 0.0, 0
    sent: list[tuple[float, float, int]] = []
    while done < rows:
        while len(sent) < int(pace.limit):
            place = min(range(slots), key=free.__getitem__)
            free[place] = max(free[place], clock.now) + seconds
            sent.append((free[place], clock.now, done))
        sent.sort()
        arrived, left, before = sent.pop(0)
        clock.now, done = arrived, done + 1
        longest = max(longest, arrived - left)
        pace.answered(arrived - left, done - before)
    return longest


@pytest.mark.parametrize(("slots", "seconds"), [(1, 3.0), (1, 0.5), (4, 8.0)])
def test_a_server_that_answers_few_at_a_time_is_not_asked_more_than_it_can_in_time(
    clock: Clock, slots: int, seconds: float
) -> None:
    """llama.cpp and Ollama work on one or a few requests and let the others wait, whose deadline passes."""
    assert asked(Pace(64, clock, deadline=60.0), clock, rows=400, seconds=seconds, slots=slots) <= 60.0


@pytest.mark.parametrize("seconds", [0.2, 2.0, 20.0])
def test_a_server_that_answers_many_at_a_time_is_asked_as_many(clock: Clock, seconds: float) -> None:
    pace = Pace(64, clock, deadline=60.0)
    asked(pace, clock, rows=1000, seconds=seconds, slots=64)
    assert pace.limit == 64


def test_answers_that_come_too_late_leave_half_in_flight_once(clock: Clock) -> None:
    pace = Pace(64, clock, deadline=60.0)
    pace.limit = 40.0
    for _ in range(10):
        pace.late()
    assert pace.limit == 20
    clock.now += 60.0
    pace.late()
    assert pace.limit == 10
    pace.answered()
    assert pace.limit < 11
