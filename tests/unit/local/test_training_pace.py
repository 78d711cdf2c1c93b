"""How fast a training is said to be, and how long it will take yet."""

from __future__ import annotations

import pytest

from labeltune.cli.output.progress_display import show_progress
from labeltune.local.engines import Step
from labeltune.local.training import _Pace


def step(number: int, total: int = 100, rows: int = 16) -> Step:
    return Step(number, total, 1, 0.5, 0.5, rows=rows)


def test_nothing_is_said_before_the_second_step() -> None:
    pace = _Pace()
    assert pace.numbers() == {}
    pace.step(step(1), 50.0)
    assert (pace.seconds_left, pace.numbers()) == (None, {})


def test_what_came_before_the_first_step_does_not_count() -> None:
    pace = _Pace()
    for number, at in ((1, 3_600.0), (2, 3_600.5), (3, 3_601.0)):
        pace.step(step(number), at)
    assert pace.seconds_left == pytest.approx(97 * 0.5)
    assert pace.numbers() == {"rows_per_second": 32.0, "seconds_left": 48.5}


def test_the_last_steps_count_and_a_resumed_job_begins_anew() -> None:
    pace = _Pace()
    at = 0.0
    for number in range(501, 1_000):
        at += 10.0 if number < 700 else 0.1
        pace.step(step(number, 1_000), at)
    assert pace.seconds_left == pytest.approx(0.1)


def test_an_engine_that_does_not_say_its_rows_has_no_speed_of_rows() -> None:
    pace = _Pace()
    pace.step(step(1, rows=0), 1.0)
    pace.step(step(2, rows=0), 2.0)
    assert pace.numbers() == {"seconds_left": 98.0}


def test_what_is_told_of_the_time_left_is_shown(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr("labeltune.cli.output.progress_display.time.monotonic", lambda: now)
    with show_progress("training", 100, "steps") as progress:
        now = 60.0
        progress(1)
        progress.expect(62.0)
        now = 72.0
        progress(1)
    first, second = capsys.readouterr().err.splitlines()
    # By the steps alone an hour and more would seem to be left.
    assert "1:39:00 left" in first
    assert "0:50 left" in second
