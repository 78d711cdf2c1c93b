"""A folder of predictions that is read by the workers of a Ray cluster: measured to the last digit as here."""

from __future__ import annotations

import os
import random
import re
import signal
from pathlib import Path

import pytest

from faults.ray_commands import NEEDS_RAY, RAY_S, Command, title, two_nodes, wait_for_end
from labeltune.files.tables import write_table
from labeltune.task import format_task
from labeltune.task.provenance import ANNOTATED, HUMAN, SOURCE
from predicted_parts import CASES, write_parts
from waiting import wait_until

pytestmark = NEEDS_RAY
PARTS, ROWS = 12, 3_000
CASE = CASES["multi"]
ON_RAY = ("--distributed", "ray", "--workers", "2")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Parts of every format, one of them without rows, another whose source is told, and an id that repeats."""
    path = tmp_path_factory.mktemp("ray")
    (path / "task.toml").write_text(format_task(CASE.task))
    chance = random.Random(3)
    rows = [CASE.row(number, chance) for number in range(ROWS)]
    rows[-1][CASE.header.index(CASE.task.id or "")] = "r0"
    write_parts(path / "in", CASE, rows, parts=PARTS)
    write_table(path / "in" / "part-050.csv", CASE.header, [])
    more = [[*CASE.row(number, chance), (HUMAN, ANNOTATED)[number % 2]] for number in range(ROWS, ROWS + 40)]
    write_table(path / "in" / "part-051.csv", [*CASE.header, SOURCE], more)
    return path


def start(folder: Path, *argv: str, **more: str) -> Command:
    return Command(["evaluate", *argv], folder, {**os.environ, "OMP_NUM_THREADS": "1", **more})


def ended(command: Command) -> tuple[int, str, list[str]]:
    """The exit code, what was printed, and what was told, but for how far it is."""
    out, told = command.end()
    lines = [line for line in told.splitlines() if not re.match("evaluating: |wrote ", line)]
    return command.process.returncode, out, lines


def test_every_figure_is_that_of_one_process(folder: Path) -> None:
    here = ended(start(folder, "in", "--json", "--html", "here.html"))
    command = start(folder, "in", "--json", "--html", "ray.html", *ON_RAY)
    command.workers(1)
    below = command.below()
    there = ended(command)
    assert here[0] == 0, here
    assert "1 id occurs more than once" in here[2][0]
    assert "human" in here[1]
    assert there == here
    assert (folder / "ray.html").read_bytes() == (folder / "here.html").read_bytes()
    wait_for_end(below)


def test_the_first_bad_row_is_told_as_by_one_process(folder: Path) -> None:
    bad = folder / "bad"
    bad.mkdir()
    # The later one is found sooner.
    for name, line in (("part-000.csv", 150), ("part-006.csv", 2)):
        lines = (folder / "in" / name).read_text().split("\n")
        lines[line] += ",,,,"
        (bad / name).write_text("\n".join(lines))
    here = ended(start(folder, "bad/*.csv"))
    assert here[0] == 7
    assert "bad/part-000.csv:" in here[2][0]
    assert ended(start(folder, "bad/*.csv", *ON_RAY)) == here


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT], ids=lambda one: one.name)
def test_a_command_that_ends_leaves_no_process(folder: Path, number: signal.Signals) -> None:
    command = start(folder, "in", *ON_RAY)
    for pid in command.workers(2):
        os.kill(pid, signal.SIGSTOP)  # so that it does not end by itself
    below = command.below()
    command.process.send_signal(number)
    assert ended(command)[0] == {signal.SIGKILL: -9, signal.SIGINT: 130}[number]
    wait_for_end(below)


def test_a_machine_that_is_lost_changes_no_figure(folder: Path) -> None:
    here = ended(start(folder, "in", "--json"))
    with two_nodes() as (address, nodes, told):
        command = start(folder, "in", "--json", "--distributed", f"ray:{address}", **told)
        # They are children of the nodes.
        wait_until(lambda: workers_of(nodes[1]) or command.process.poll() is not None, seconds=RAY_S)
        os.kill(nodes[1], signal.SIGKILL)
        assert ended(command) == here


def workers_of(node: int) -> set[tuple[int, str]]:
    from labeltune.distributed.processes import descendants

    return {one for one in descendants(node) if "PartActor" in title(one[0])}
