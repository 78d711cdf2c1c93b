"""Folders of tables when things go wrong: nothing lost, nothing doubled, nothing paid twice."""

from __future__ import annotations

import errno
import json
import os
import random
import shutil
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from faults.fake_provider import ANSWER, FakeProvider, Fate, completion, refuse
from faults.fault_folder import Folder, finish, kill
from faults.fault_parts import (
    FREE,
    PAID,
    digest,
    inputs,
    no_temporaries,
    predict,
    rows_of_parts,
    whole,
)
from labeltune.prediction.pace import CANARY
from waiting import HANG_S, wait_until

PARTS, ROWS = 6, 40
BOTH = pytest.mark.parametrize("kind", [FREE, PAID])


def start(folder: Folder, provider: FakeProvider, kind: str, *arguments: str) -> subprocess.Popen[str]:
    command = folder.arguments(f"{provider.url}{kind}", "-o", "out", *arguments, data="in")
    return folder.launch("-m", "labeltune", *command)


def undisturbed(folder: Folder, provider: FakeProvider, kind: str) -> str:
    """The digest of a run in which nothing went wrong, in a folder of its own."""
    state = folder.path / ".undisturbed"
    assert predict(folder, provider, kind, "--state", str(state), out="quiet").code == 0
    provider.billed.clear()
    provider.asked.clear()
    return digest(folder, "quiet")


def answers_end_after(provider: FakeProvider, count: int) -> None:
    """What is asked when so many answers were made waits for ever."""
    provider.script = lambda _text, _attempt: ANSWER if provider.billed.total() < count else Fate(delay=3600)


def answered(provider: FakeProvider, count: int) -> bool:
    return provider.billed.total() >= count


# -------------------------------------------------------------------------------------------------- kills


@BOTH
def test_kill_9_again_and_again(folder: Folder, kind: str) -> None:
    names = inputs(folder, PARTS, ROWS)
    chance = random.Random(3)
    with FakeProvider() as provider:
        expected = undisturbed(folder, provider, kind)
        kills, flight = 4, 4
        each = PARTS * ROWS // (kills + 1)
        for number in range(1, kills + 1):
            # A free run begins each part anew: it gets on by whole parts.
            goal = provider.billed.total() + 2 * ROWS - 5 if kind == FREE else number * each
            answers_end_after(provider, goal)
            process = start(folder, provider, kind, "--concurrency", str(flight))
            wait_until(partial(answered, provider, goal))
            time.sleep(chance.uniform(0.0, 0.1))
            assert process.poll() is None, process.communicate()
            kill(process)
            assert not (folder.path / "out/_SUCCESS").exists()
            for written in rows_of_parts(folder).values():
                assert len(written) == ROWS
        provider.script = lambda _text, _attempt: ANSWER
        outcome = finish(start(folder, provider, kind, "--concurrency", str(flight)))
        assert outcome.code == 0, outcome.stderr
        whole(folder, names, ROWS)
        assert digest(folder) == expected
        if kind == PAID:
            assert provider.extra <= kills * flight
        asked = provider.asked.total()
        assert predict(folder, provider, kind).code == 0
        assert provider.asked.total() == asked


def test_parts_are_committed_while_others_are_asked(folder: Folder) -> None:
    """Of a paid run that is killed late, the parts that were complete are there."""
    inputs(folder, PARTS, ROWS)
    with FakeProvider() as provider:
        answers_end_after(provider, 4 * ROWS)
        process = start(folder, provider, PAID, "--concurrency", "4")
        # Only where parts are: the folders of a run's own come and go while it runs.
        wait_until(lambda: len([*(folder.path / "out").glob("half=*/part-*.csv")]) >= 3)
        kill(process)
        assert not (folder.path / "out/_SUCCESS").exists()


def test_a_shard_is_killed_and_the_others_end(folder: Folder) -> None:
    names = inputs(folder, PARTS, ROWS)
    with FakeProvider() as provider:
        expected = undisturbed(folder, provider, FREE)
        provider.script = lambda text, _: (
            Fate(delay=3600) if text.startswith(("part 2", "part 3")) else ANSWER
        )
        # Sorted by name, the parts are 0, 2, 4, 1, 3, 5: the shard 2/3 has the parts 2 and 3.
        process = start(folder, provider, FREE, "--shard", "2/3")
        # All that leave before the first answer: none of them is to come later, and be counted then.
        wait_until(lambda: provider.in_flight == CANARY)
        for shard in ("1/3", "3/3"):
            outcome = predict(folder, provider, FREE, "--shard", shard)
            assert outcome.code == 0, outcome.stderr
            assert "2 parts are missing yet" in outcome.stderr or "4 parts are missing" in outcome.stderr
        kill(process)
        assert len(rows_of_parts(folder)) == 4
        assert not (folder.path / "out/_SUCCESS").exists()
        provider.script = lambda _text, _attempt: ANSWER
        asked = provider.asked.total()
        assert predict(folder, provider, FREE, "--shard", "2/3").code == 0
        assert provider.asked.total() == asked + 2 * ROWS
        whole(folder, names, ROWS)
        assert digest(folder) == expected


def test_shards_side_by_side(folder: Folder) -> None:
    names = inputs(folder, PARTS, ROWS)
    with FakeProvider() as provider:
        expected = undisturbed(folder, provider, FREE)
        processes = [start(folder, provider, FREE, "--shard", f"{number}/4") for number in range(1, 5)]
        outcomes = [finish(process) for process in processes]
        assert [outcome.code for outcome in outcomes] == [0] * 4, outcomes
        assert provider.asked.total() == PARTS * ROWS
        assert provider.extra == 0
        whole(folder, names, ROWS)
        assert digest(folder) == expected


def test_more_shards_than_parts(folder: Folder) -> None:
    names = inputs(folder, 2, 5)
    with FakeProvider() as provider:
        for number in (3, 1, 2):
            assert predict(folder, provider, FREE, "--shard", f"{number}/3").code == 0
        whole(folder, names, 5)


@pytest.mark.parametrize("number", ["15", "2"])
@BOTH
def test_a_signal_stops_and_the_same_command_goes_on(folder: Folder, kind: str, number: str) -> None:
    names = inputs(folder, PARTS, ROWS)
    with FakeProvider() as provider:
        expected = undisturbed(folder, provider, kind)
        provider.delay = 0.02
        process = start(folder, provider, kind, "--concurrency", "4")
        wait_until(lambda: provider.billed.total() > 2 * ROWS)
        process.send_signal(int(number))
        outcome = finish(process)
        assert outcome.code in (128 + int(number), -int(number)), outcome.stderr
        provider.delay = 0.0
        assert predict(folder, provider, kind).code == 0
        whole(folder, names, ROWS)
        assert digest(folder) == expected
        if kind == PAID:
            assert provider.extra == 0


# -------------------------------------------------------------------------------------------------- inputs


@BOTH
def test_a_part_that_is_refused_does_not_stop_the_others(folder: Folder, kind: str) -> None:
    names = inputs(folder, PARTS, ROWS)
    bad = folder.path / "in" / names[2]
    good = bad.read_text()
    bad.write_text(good + "one,too,many\n")
    with FakeProvider() as provider:
        outcome = predict(folder, provider, kind)
        assert outcome.code == 7
        # As the user named it, and nowhere else.
        assert f" in/{names[2]}:{ROWS + 2}: " in outcome.stderr
        assert str(folder.path) not in outcome.stderr
        assert "5 of 6 parts are in out" in outcome.stderr
        assert len(rows_of_parts(folder)) == PARTS - 1
        assert not (folder.path / "out/_SUCCESS").exists()
        assert no_temporaries(folder)
        bad.write_text(good)
        os.utime(bad, ns=(1, 1))
        assert predict(folder, provider, kind).code == 9
        asked = provider.asked.total()
        assert predict(folder, provider, kind, "--accept-changes").code == 0
        assert provider.asked.total() - asked <= ROWS
        whole(folder, names, ROWS)
        assert provider.extra == 0 or kind == FREE


@BOTH
def test_an_input_that_changed(folder: Folder, kind: str) -> None:
    names = inputs(folder, PARTS, ROWS)
    with FakeProvider() as provider:
        assert predict(folder, provider, kind).code == 0
        path = folder.path / "in" / names[1]
        path.write_text(path.read_text().replace("row 3,", "row 3 again,"))
        outcome = predict(folder, provider, kind)
        assert outcome.code == 9
        assert f" in: {names[1]} changed since out was begun" in outcome.stderr
        assert "--accept-changes" in outcome.stderr
        asked = provider.asked.total()
        assert predict(folder, provider, kind, "--accept-changes").code == 0
        assert provider.asked.total() - asked == (1 if kind == PAID else ROWS)
        assert rows_of_parts(folder)[names[1]][3]["text"] == "part 1 row 3 again"
        assert (folder.path / "out/_SUCCESS").exists()


@BOTH
def test_an_input_that_changes_while_it_is_asked(folder: Folder, kind: str) -> None:
    names = inputs(folder, 3, ROWS)
    path = folder.path / "in" / names[0]
    changed: list[int] = []

    def script(_text: str, _attempt: int) -> Fate:
        if not changed:
            # In one piece: it is being read, and never to be seen empty.
            with path.open("a") as handle:
                changed.append(handle.write("another,alpha\n"))
        return ANSWER

    with FakeProvider(script) as provider:
        outcome = predict(folder, provider, kind, "--concurrency", "2")
        assert outcome.code == 9, outcome.stderr
        assert "changed while it was" in outcome.stderr
        assert names[0] not in rows_of_parts(folder)


@BOTH
def test_new_parts_are_made_and_the_others_stay(folder: Folder, kind: str) -> None:
    inputs(folder, 2, ROWS)
    with FakeProvider() as provider:
        assert predict(folder, provider, kind).code == 0
        names = inputs(folder, 3, ROWS, name="more")
        shutil.copy(folder.path / "more" / names[2], folder.path / "in" / names[2])
        asked = provider.asked.total()
        assert predict(folder, provider, kind).code == 0
        assert provider.asked.total() - asked == ROWS
        whole(folder, names, ROWS)


@BOTH
def test_another_model(folder: Folder, kind: str) -> None:
    names = inputs(folder, 3, 5)
    with FakeProvider() as provider:
        assert predict(folder, provider, kind).code == 0
        outcome = predict(folder, provider, kind, "--model", "other")
        assert outcome.code == 9
        assert "this run used model m, not other" in outcome.stderr
        assert "--force" in outcome.stderr
        assert predict(folder, provider, kind, "--probabilities").code == 9
        assert predict(folder, provider, kind, "--model", "other", out="elsewhere").code == 0
        assert predict(folder, provider, kind, "--model", "other", "--force").code == 0
        whole(folder, names, 5)


@BOTH
def test_clocks_that_are_wrong(folder: Folder, kind: str) -> None:
    names = inputs(folder, 3, 5)
    future = time.time_ns() + 10**18
    for name in names[:2]:
        os.utime(folder.path / "in" / name, ns=(future, future))
    with FakeProvider() as provider:
        assert predict(folder, provider, kind).code == 0
        asked = provider.asked.total()
        for path in (folder.path / "out").rglob("*.csv"):
            os.utime(path, ns=(1, 1))
        assert predict(folder, provider, kind).code == 0
        assert provider.asked.total() == asked
        whole(folder, names, 5)


# -------------------------------------------------------------------------------------------- other commands


@BOTH
def test_two_commands_on_one_output(folder: Folder, kind: str) -> None:
    names = inputs(folder, 3, 5)
    with FakeProvider(lambda _text, _attempt: Fate(delay=3600)) as provider:
        process = start(folder, provider, kind)
        wait_until(lambda: provider.in_flight == CANARY)
        outcome = predict(folder, provider, kind, "--state", "other")
        assert outcome.code == 9
        assert "another command works here" in outcome.stderr
        if kind == FREE:
            assert predict(folder, provider, kind, "--shard", "1/2").code == 9
        kill(process)
        provider.script = lambda _text, _attempt: ANSWER
        assert predict(folder, provider, kind).code == 0
        whole(folder, names, 5)


@BOTH
def test_a_full_disk_when_a_part_is_written(
    folder: Folder, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = inputs(folder, PARTS, ROWS)
    fsync, seen = os.fsync, [0]

    def full(descriptor: int) -> None:
        seen[0] += 1
        if seen[0] > 14:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(descriptor)

    with FakeProvider() as provider:
        expected = undisturbed(folder, provider, kind)
        with monkeypatch.context() as patch:
            patch.setattr("labeltune.files.writing.os.fsync", full)
            outcome = predict(folder, provider, kind)
        assert outcome.code == 8, outcome.stderr
        assert "cannot be written" in outcome.stderr
        assert not (folder.path / "out/_SUCCESS").exists()
        assert no_temporaries(folder)
        assert all(len(written) == ROWS for written in rows_of_parts(folder).values())
        assert predict(folder, provider, kind).code == 0
        whole(folder, names, ROWS)
        assert digest(folder) == expected
        assert provider.extra == 0 or kind == FREE


def can_mount() -> bool:
    if shutil.which("unshare") is None:
        return False
    probe = ["unshare", "-Urm", "sh", "-c", "mount -t tmpfs -o size=1m none /mnt"]
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not can_mount(), reason="a small disk cannot be mounted here")
@BOTH
def test_an_output_on_a_disk_that_is_too_small(folder: Folder, kind: str) -> None:
    """What is committed before stays whole; with room, the rest is made."""
    names = inputs(folder, PARTS, 400)
    (folder.path / "out").mkdir()
    with FakeProvider() as provider:
        command = [sys.executable, "-m", "labeltune"]
        command += folder.arguments(f"'{provider.url}{kind}'", "-o", "out", data="in")
        script = f"mount -t tmpfs -o size=104k none out && {' '.join(command)}; code=$?; cp -r out kept; exit $code"
        done = subprocess.run(
            ["unshare", "-Urm", "sh", "-c", script],
            cwd=folder.path, capture_output=True, text=True, check=False, timeout=HANG_S,
        )  # fmt: skip
        assert done.returncode == 8, done.stderr
        kept = rows_of_parts(folder, "kept")
        assert 0 < len(kept) < PARTS
        assert all(len(written) == 400 for written in kept.values())
        assert not (folder.path / "kept/_SUCCESS").exists()
        asked = provider.billed.total()
        shutil.rmtree(folder.path / "out")
        shutil.copytree(folder.path / "kept", folder.path / "out")
        assert predict(folder, provider, kind).code == 0
        whole(folder, names, 400)
        if kind == PAID:
            assert provider.extra == 0
        else:
            assert provider.billed.total() - asked == (PARTS - len(kept)) * 400


# ------------------------------------------------------------------------------------------------ providers


@BOTH
def test_a_server_that_goes_away(folder: Folder, kind: str) -> None:
    names = inputs(folder, PARTS, ROWS)
    with FakeProvider() as provider:
        expected = undisturbed(folder, provider, kind)
        provider.script = lambda _text, _: (
            ANSWER if provider.billed.total() < 3 * ROWS else refuse(503, "overloaded")
        )
        outcome = predict(folder, provider, kind, "--max-wait", "0", "--concurrency", "4")
        assert outcome.code == 5, outcome.stderr
        assert 2 <= len(rows_of_parts(folder)) <= 3
        provider.script = lambda _text, _attempt: ANSWER
        assert predict(folder, provider, kind).code == 0
        whole(folder, names, ROWS)
        assert digest(folder) == expected
        assert provider.extra == 0 or kind == FREE


@BOTH
def test_invalid_answers_end_with_3_and_do_so_again(folder: Folder, kind: str) -> None:
    inputs(folder, 3, 5)
    with FakeProvider(lambda text, _: Fate(answer="?") if text.endswith("row 1") else ANSWER) as provider:
        outcome = predict(folder, provider, kind, "--json")
        assert outcome.code == 3
        told = json.loads(outcome.stdout)
        assert (told["rows"], told["valid"], told["problems"]) == (15, 12, {"off_list": 3})
        assert told["parts"] == {"all": 3, "done": 3, "made": 3, "missing": 0}
        assert (folder.path / "out/_SUCCESS").exists()
        asked = provider.asked.total()
        assert predict(folder, provider, kind).code == 3
        assert provider.asked.total() == asked


@BOTH
def test_lost_answers_are_asked_for_by_the_next_run(folder: Folder, kind: str) -> None:
    names = inputs(folder, 3, 5)
    lost = "part 1 row 3"
    with FakeProvider(lambda text, _: Fate("reset") if text == lost else ANSWER) as provider:
        outcome = predict(folder, provider, kind)
        assert outcome.code == 3
        assert "unknown" in outcome.stderr
        assert not (folder.path / "out/_SUCCESS").exists()
        assert rows_of_parts(folder)[names[1]][3]["problem"] == "unknown"
        provider.script = lambda _text, _attempt: ANSWER
        assert predict(folder, provider, kind).code == 0
        whole(folder, names, 5)


def test_one_budget_over_all_parts(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """The estimate of all parts is refused; what is spent is counted over all parts, too."""
    names = inputs(folder, PARTS, ROWS)
    prices = folder.path / "prices.toml"
    prices.write_text('[[model]]\nname = "m"\ninput = 100.0\noutput = 1000.0\n')
    monkeypatch.setenv("LABELTUNE_PRICES", str(prices))
    with FakeProvider() as provider:
        assert predict(folder, provider, PAID, "--max-cost", "0.01").code == 6
        assert provider.asked.total() == 0
        outcome = predict(folder, provider, PAID, "--max-cost", "0.6", "--concurrency", "4", "--limit", "120")
        assert outcome.code == 6, outcome.stderr
        assert 100 <= provider.billed.total() <= 101 + 4
        assert len(rows_of_parts(folder)) == 2
        assert predict(folder, provider, PAID, "--max-cost", "6").code == 0
        assert provider.extra == 0
        whole(folder, names, ROWS)


def test_rows_that_are_equal_are_paid_for_once_in_all_parts(folder: Folder) -> None:
    for name in ("a.csv", "b.csv", "c.csv"):
        path = folder.path / "in" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("text,label\n" + "".join(f"row {row},alpha\n" for row in range(30)))
    with FakeProvider(delay=0.01) as provider:
        assert predict(folder, provider, PAID).code == 0
        assert provider.asked.total() == 30
    found = rows_of_parts(folder)
    assert len(found) == 3
    assert all(row["predicted_intent"] == "alpha" for rows in found.values() for row in rows)


@BOTH
def test_limit_goes_over_the_parts_and_the_rest_follows(folder: Folder, kind: str) -> None:
    names = inputs(folder, 4, 10)
    with FakeProvider() as provider:
        assert predict(folder, provider, kind, "--limit", "25").code == 0
        assert [len(rows) for rows in rows_of_parts(folder).values()] == [10, 10, 5]
        assert not (folder.path / "out/_SUCCESS").exists()
        asked = provider.asked.total()
        assert asked == 25
        assert predict(folder, provider, kind).code == 0
        assert provider.asked.total() - asked == (15 if kind == PAID else 20)
        whole(folder, names, 10)


def test_a_limit_at_the_end_of_a_part_leaves_no_part_cut(folder: Folder) -> None:
    names = inputs(folder, 2, 10)
    with FakeProvider() as provider:
        assert predict(folder, provider, FREE, "--limit", "10").code == 0
        assert predict(folder, provider, FREE, "--limit", "10").code == 0
        assert provider.asked.total() == 20
        whole(folder, names, 10)


@BOTH
def test_dry_run_says_what_is_left_and_sends_nothing(folder: Folder, kind: str) -> None:
    names = inputs(folder, 3, 10)
    with FakeProvider() as provider:
        outcome = predict(folder, provider, kind, "--dry-run", "--json")
        told = json.loads(outcome.stdout)
        assert (told["rows"], told["requests"], told["parts"], told["left"]) == (30, 30, 3, sorted(names))
        assert told["request"]["body"]["messages"][1]["content"] == "part 0 row 0"
        assert not (folder.path / "out").exists()
        assert provider.asked.total() == 0
        assert predict(folder, provider, kind, "--limit", "10").code == 0
        outcome = predict(folder, provider, kind, "--dry-run")
        assert "2 of 3 parts are to be made" in outcome.stderr


def test_batches_over_parts(folder: Folder) -> None:
    names = inputs(folder, 3, 10)
    with FakeProvider() as provider:
        outcome = predict(folder, provider, PAID, "--batch")
        assert outcome.code == 0, outcome.stderr
        assert provider.created["/batches"] == 1
        whole(folder, names, 10)
        assert predict(folder, provider, PAID, "--batch").code == 0
        assert provider.created["/batches"] == 1


def test_a_batch_that_is_refused_names_the_line_of_the_part(folder: Folder) -> None:
    names = inputs(folder, 3, 10)
    with FakeProvider() as provider:
        provider.batch_statuses = ["validating", "failed"]
        provider.batch_errors = [{"code": "too_long", "message": "is too long", "line": 13, "param": None}]
        outcome = predict(folder, provider, PAID, "--batch")
        assert outcome.code == 7
        # In the order of the parts' names, the thirteenth request is the third of the second part.
        assert f"{sorted(names)[1]}:4: is too long" in outcome.stderr


@pytest.mark.parametrize(
    ("kind", "arguments", "said"),
    [
        (PAID, ["--shard", "1/2"], "one sender, one journal and one budget"),
        (FREE, ["--shard", "1/2", "--batch"], "one sender, one journal and one budget"),
        (FREE, ["--shard", "1/2", "--limit", "3"], "--limit counts rows"),
        (FREE, ["--shard", "0/2"], "there is no shard 0 of 2"),
        (FREE, ["-o", "-"], "do not go to standard output"),
        (FREE, ["-o", "out.csv"], "many parts go to a folder"),
        (FREE, ["-o", "in/out"], "must lie outside"),
        (FREE, ["-o", "out/*.xlsx"], "expected a folder"),
        (FREE, ["-o", "out/*.parquet", "--spreadsheet"], "--spreadsheet is for"),
        (FREE, ["--thresholds", "no.toml"], "no.toml"),
    ],
)
def test_what_parts_cannot(folder: Folder, kind: str, arguments: list[str], said: str) -> None:
    inputs(folder, 2, 3)
    with FakeProvider() as provider:
        outcome = predict(folder, provider, kind, *arguments)
        assert outcome.code == 2
        assert said in outcome.stderr
        assert provider.asked.total() == 0
    assert not (folder.path / "out").exists()


def test_a_shard_of_one_table_is_refused(folder: Folder) -> None:
    folder.table(3)
    with FakeProvider() as provider:
        outcome = folder.predict(f"{provider.url}{FREE}", "--shard", "1/2")
        assert outcome.code == 2
        assert "--shard is for folders" in outcome.stderr


def test_a_damaged_journal_is_mended(folder: Folder) -> None:
    names = inputs(folder, 3, 40)
    with FakeProvider() as provider:
        assert predict(folder, provider, PAID, "--limit", "60").code == 0
        (journal,) = (folder.path / ".labeltune").glob("predict-*.db")
        content = bytearray(journal.read_bytes())
        content[4096 * 3 : 4096 * 3 + 200] = b"\xff" * 200
        journal.write_bytes(content)
        if predict(folder, provider, PAID).code == 8:
            assert predict(folder, provider, PAID, "--recover").code == 0
        whole(folder, names, 40)


def test_an_answer_in_flight_keeps_the_rows_behind_it_waiting(folder: Folder) -> None:
    """A slow row of the first part holds up that part, and no other."""
    names = inputs(folder, 3, 20)
    slow = {"part 0 row 0": Fate(delay=0.5)}
    with FakeProvider(lambda text, _: slow.get(text, ANSWER)) as provider:
        assert predict(folder, provider, PAID, "--concurrency", "4").code == 0
        whole(folder, names, 20)


def test_answers_with_much_around_them(folder: Folder) -> None:
    """Answers with much around them go through as they come."""
    names = inputs(folder, 2, 50)
    long: dict[str, Any] = completion("alpha") | {"padding": "x" * 20_000}
    with FakeProvider(lambda _text, _: Fate(body=json.dumps(long).encode())) as provider:
        assert predict(folder, provider, FREE).code == 0
        whole(folder, names, 50)
    assert not list(Path(".labeltune").glob("predict-*.db"))
