"""Parts in an object store, predicted and measured by the workers of a Ray cluster."""

from __future__ import annotations

import csv
import io
import os
from typing import TYPE_CHECKING

import pytest

import tasks
from faults.fake_provider import FakeProvider
from faults.fault_parts import FREE
from faults.object_stores import ACCESS, BUCKET, NEEDS_IT, SECRET, Store, started_store
from faults.ray_commands import NEEDS_RAY, Command, title, wait_for_end

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [*NEEDS_RAY, NEEDS_IT]
ROWS = 20
NAMES = ("day=1/a.csv", "day=1/b.csv", "day=2/c.csv")
IN, OUT = f"s3://{BUCKET}/in", f"s3://{BUCKET}/out"
ON_RAY = ("--distributed", "ray", "--workers", "2")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with started_store(tmp_path_factory.mktemp("store")) as store:
        for name in NAMES:
            store.put(f"in/{name}", table(name))
        yield store


def table(name: str) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["text", "label"])
    writer.writerows([f"{name} row {row}", "alpha"] for row in range(ROWS))
    return text.getvalue().encode()


def run(folder: Path, store: Store, *argv: str) -> tuple[int, str, str]:
    """The command's exit code and what it said; nothing tells a secret: no command line, no message."""
    (folder / "tmp").mkdir(exist_ok=True)
    (folder / "task.toml").write_text(tasks.intent_toml("alpha", "beta"))
    environment = {**os.environ, **store.environment, "TMPDIR": str(folder / "tmp"), "OMP_NUM_THREADS": "1"}
    command = Command([*argv], folder, environment)
    command.workers(1)
    below = command.below()
    titles = [title(pid) for pid, _ in below]
    out, told = command.end()
    for said in (out, told, *titles):
        assert SECRET not in said
        assert ACCESS not in said
    wait_for_end(below)
    # What was brought here has gone again.
    assert not [path for path in (folder / "tmp").rglob("*.csv") if path.is_file()]
    return command.process.returncode, out, told


def test_a_prefix_becomes_a_prefix_and_is_measured(tmp_path: Path, store: Store) -> None:
    with FakeProvider() as provider:
        call = ["predict", IN, "-o", OUT, "--model", "m", "--provider", f"{provider.url}{FREE}"]
        code, out, told = run(tmp_path, store, *call, *ON_RAY)
        assert (code, out) == (0, f"{OUT}\n"), told
        assert provider.asked.total() == len(NAMES) * ROWS
        for name in NAMES:
            rows = [*csv.DictReader(io.StringIO(store.get(f"out/{name}").decode(), newline=""))]
            assert [row["text"] for row in rows] == [f"{name} row {row}" for row in range(ROWS)]
            assert {row["predicted_intent"] for row in rows} == {"alpha"}
        assert "_SUCCESS" in store.names("out")
        assert not [name for name in store.names("out") if ".lock" in name]
        assert not any(SECRET.encode() in store.get(f"out/{name}") for name in store.names("out"))
        # With the settings of the server behind the URL, as it is in the environment of nobody.
        settings = f"?scheme=http&endpoint_override={store.url.removeprefix('http://')}"
        bare = Store.__new__(Store)
        bare.environment = {
            name: value for name, value in store.environment.items() if name != "AWS_ENDPOINT_URL"
        }
        call[1:4] = [f"{IN}{settings}", "-o", f"s3://{BUCKET}/again{settings}"]
        code, out, told = run(tmp_path, bare, *call, *ON_RAY)
        assert code == 0, told
        assert store.get(f"again/{NAMES[0]}") == store.get(f"out/{NAMES[0]}")
    here = run(tmp_path, store, "evaluate", OUT, "--json")
    there = run(tmp_path, store, "evaluate", OUT, "--json", *ON_RAY)
    assert here[0] == 0, here
    assert there[:2] == here[:2]


def test_what_a_worker_cannot_read_is_told_without_secrets(tmp_path: Path, store: Store) -> None:
    store.put("bad/a.csv", b'text,label\n"never closed')
    store.put("bad/b.csv", table("b"))
    with FakeProvider() as provider:
        call = ["predict", f"s3://{BUCKET}/bad", "-o", f"s3://{BUCKET}/mended", "--model", "m"]
        code, _, told = run(tmp_path, store, *call, "--provider", f"{provider.url}{FREE}", *ON_RAY)
    assert code == 7
    assert f"s3://{BUCKET}/bad/a.csv" in told
    assert store.names("mended").count("b.csv") == 1
