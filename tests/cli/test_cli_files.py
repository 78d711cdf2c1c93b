"""`labeltune files …`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cli.remote import document, here, ran, run
from protocol.harness import Provider as Harness
from protocol.harness import stop_worker

__all__ = ["here"]


@pytest.fixture
def ids(here: Path) -> list[str]:
    return ran("upload", "train.jsonl", "valid.jsonl", "-q").stdout.split()


def test_files_are_listed_and_deleted(ids: list[str]) -> None:
    lines = ran("files", "list").stdout.splitlines()
    assert [line.split()[0] for line in lines] == ids[::-1]
    assert all("fine-tune" in line and "kB" in line for line in lines)
    found = document(ran("files", "list", "--limit", "1", "--json"))["files"]
    assert [file["id"] for file in found] == ids[1:]
    unknown = run("files", "delete", ids[0], "file-missing")
    assert unknown.exit_code == 10
    assert "file-missing" in unknown.stderr
    assert len(ran("files", "list").stdout.splitlines()) == 2, "all or none"
    assert ran("files", "delete", *ids).stdout.split() == ids
    assert ran("files", "list").stdout == ""
    assert document(ran("files", "list", "--json")) == {"files": []}
    assert ran("upload", "train.jsonl", "-q").stdout.strip() not in ids, "what is gone is sent again"


def test_a_file_that_an_unfinished_job_needs_is_refused(ids: list[str]) -> None:
    home = Path(os.environ["LABELTUNE_HOME"])
    with Harness(home).without_worker():
        job = ran("train", *ids, "--model", "linear", "--no-wait", "-q").stdout.strip()
        for file in ids:
            refused = run("files", "delete", file)
            assert refused.exit_code == 9
            assert job in refused.stderr
            assert file in refused.stderr
        ran("jobs", "cancel", job)
        assert document(ran("files", "delete", ids[1], "--json"))["deleted"] == [ids[1]]
    stop_worker(home)


def test_no_key(here: Path) -> None:
    assert run("files", "list", "--provider", "openai").exit_code == 4
