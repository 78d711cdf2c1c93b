"""Values that are not of the protocol's types."""

from __future__ import annotations

import pytest

from labeltune.providers.lenient import batch_status, fields_of, job_status, whole_number


@pytest.mark.parametrize(
    ("value", "number"),
    [(3, 3), (3.7, 3), ("12", 12), (None, None), ("x", None), (True, None), (float("inf"), None), ([], None), (10**400, None)],
)  # fmt: skip
def test_whole_numbers(value: object, number: int | None) -> None:
    assert whole_number(value) == number


@pytest.mark.parametrize(
    ("said", "job", "batch"),
    [
        ("SUCCEEDED", "succeeded", "completed"),
        ("completed", "succeeded", "completed"),
        ("canceled", "cancelled", "cancelled"),
        ("error", "failed", "failed"),
        ("Running", "running", "running"),
        ("paused", "paused", "paused"),
    ],
)
def test_words_for_statuses(said: str, job: str, batch: str) -> None:
    assert (job_status(said), batch_status(said)) == (job, batch)


def test_fields() -> None:
    assert fields_of({"a": 1}) == {"a": 1}
    assert fields_of("text") == {}
