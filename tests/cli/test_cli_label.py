"""`labeltune label` as a process: what it writes, what it refuses, and what is left after a kill."""

from __future__ import annotations

import contextlib
import json
import resource
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from cli.remote import run
from label_server import MULTI, NESTED, Labelling, start, write_table, written
from waiting import HANG_S, wait_until

COLUMNS = [
    "id",
    "text",
    "note",
    "emotion",
    "annotator",
    "labelled_at",
    "seconds",
    "flagged",
    "sample",
    "source",
]


@pytest.fixture
def servers() -> Iterator[list[Labelling]]:
    started: list[Labelling] = []
    yield started
    for server in started:
        if server.process.poll() is None:
            server.process.kill()
            server.process.communicate()


def test_the_table_that_is_written(tmp_path: Path, servers: list[Labelling]) -> None:
    write_table(tmp_path, 30)
    servers.append(server := start(tmp_path, "--annotator", "ann", "--json", "--order", "given"))
    rows = server.rows()
    assert [row["parts"] for row in rows[:2]] == [
        [["text", "happy day number 0"]],
        [["text", "furious day number 1"]],
    ]
    server.answer(rows[0], ["joy"])
    server.answer(rows[2], ["fear"])
    server.ask("/do", kind="flag", row=rows[2]["key"], request="flag")
    server.ask("/do", kind="skip", row=rows[1]["key"], request="skip")
    stdout, _ = server.end()
    assert server.process.returncode == 0
    assert json.loads(stdout) == {
        "output": "labelled.csv", "schema_version": 1, "rows": 30, "answered": 2, "skipped": 1, "flagged": 1, "answers": 2, "outdated": 0,
        "labels": {"emotion": {"joy": 1, "anger": 0, "fear": 1, "sadness": 0}},
    }  # fmt: skip
    first, second = written(tmp_path / "labelled.csv")
    assert list(first) == COLUMNS
    assert datetime.fromisoformat(first.pop("labelled_at")).tzinfo is not None
    assert first == {
        "id": "r0", "text": "happy day number 0", "note": "kept, as it is", "emotion": "joy", "annotator": "ann",
        "seconds": "1.2", "flagged": "0", "sample": "given", "source": "human",
    }  # fmt: skip
    assert (second["emotion"], second["flagged"]) == ("fear", "1")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_cleanly_and_goes_on_where_it_stopped(
    tmp_path: Path, servers: list[Labelling], number: int
) -> None:
    write_table(tmp_path, 12)
    seen = set()
    for so_far in (1, 2, 3):
        servers.append(server := start(tmp_path))
        row = server.rows()[0]
        seen.add(row["key"])
        reply = server.answer(row, ["joy"])
        assert reply["counts"]["answered"] == so_far
        assert server.end(number)[0] == "labelled.csv\n"
        assert server.process.returncode == 0
    assert len(seen) == 3
    assert len(written(tmp_path / "labelled.csv")) == 3


def test_kill_between_answers_loses_none(tmp_path: Path, servers: list[Labelling]) -> None:
    """Nothing was written yet: the same command writes what was answered before the kills."""
    write_table(tmp_path, 40)
    answered = {}
    for _ in range(4):
        servers.append(server := start(tmp_path))
        for row in server.rows()[:3]:
            server.answer(row, ["anger"])
            answered[row["key"]] = row["parts"][0][1]
        server.process.kill()
        server.process.communicate()
        assert not (tmp_path / "labelled.csv").exists()
    servers.append(server := start(tmp_path))
    server.end()
    assert {row["text"] for row in written(tmp_path / "labelled.csv")} == set(answered.values())
    assert len(answered) == 12


def test_a_killed_page_process_leaves_no_worker(tmp_path: Path, servers: list[Labelling]) -> None:
    write_table(tmp_path, 60)
    servers.append(server := start(tmp_path))
    for n in range(30):
        row = server.rows()[0]
        server.answer(row, [["joy", "fear"][n % 2]])
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children")
    if not children.exists():
        pytest.skip("needs /proc with children")
    threads = Path(f"/proc/{server.process.pid}/task")

    found: list[str] = []

    def looked() -> bool:
        # A thread that has ended since has no such file any more.
        with contextlib.suppress(OSError):
            found[:] = [pid for task in threads.iterdir() for pid in (task / "children").read_text().split()]
        return bool(found)

    wait_until(looked)
    (worker,) = found
    server.process.kill()
    server.process.communicate()
    wait_until(lambda: not Path(f"/proc/{worker}").exists() or "Z" in _state(worker))


def _state(pid: str) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return "Z"


def test_two_people_at_once(tmp_path: Path, servers: list[Labelling]) -> None:
    """Two commands on one folder: what is uncertain is shared out, random rows are asked of both."""
    write_table(tmp_path, 40)
    for name in ("ann", "bob"):
        server = start(tmp_path, "--annotator", name)
        server.annotator = name
        servers.append(server)
    for server in servers * 10:
        row = server.rows()[0]
        server.answer(row, ["joy"])
    servers[0].ask("/write")
    for server in servers:
        server.end()
    rows = written(tmp_path / "labelled.csv")
    assert len(rows) == 20
    assert len({(row["text"], row["annotator"]) for row in rows}) == 20
    by_sample: dict[str, list[str]] = {}
    for row in rows:
        by_sample.setdefault(row["sample"], []).append(row["text"])
    assert len(by_sample["random"]) == 4
    assert len(set(by_sample["random"])) == 2
    assert len(set(by_sample["uncertain"])) == 16


def test_two_pages_of_one_person_get_different_rows(tmp_path: Path, servers: list[Labelling]) -> None:
    write_table(tmp_path, 60)
    servers.append(server := start(tmp_path))
    first = {row["key"] for row in server.rows()}
    server.page = "the second tab"
    second = {row["key"] for row in server.rows()}
    assert not first & second
    server.ask("/leave")
    server.page = "the third"
    assert {row["key"] for row in server.rows()} == second


def test_an_answer_that_is_sent_twice_is_kept_once(tmp_path: Path, servers: list[Labelling]) -> None:
    """The page sends again what it had no reply to."""
    write_table(tmp_path, 12)
    servers.append(server := start(tmp_path))
    row = server.rows()[0]
    server.answer(row, ["joy"], request="once")
    assert server.answer(row, ["joy"], request="once")["counts"]["answered"] == 1
    undone = server.ask("/undo", request="undo")
    assert undone["row"]["was"] == [["joy"]]
    assert undone["counts"]["answered"] == 0
    assert server.ask("/undo", request="undo again")["row"] is None


def test_answers_follow_their_rows_when_the_table_changes(tmp_path: Path, servers: list[Labelling]) -> None:
    write_table(tmp_path, 10)
    servers.append(server := start(tmp_path, "--order", "given"))
    for row in server.rows()[:3]:
        server.answer(row, ["joy"])
    server.end()
    header, *lines = (tmp_path / "in.csv").read_text().splitlines(keepends=True)
    edited = lines[2].replace("day", "night")
    (tmp_path / "in.csv").write_text("".join([header, *reversed(lines[3:]), edited, lines[1], lines[0]]))
    servers.append(server := start(tmp_path, "--order", "given"))
    reply = server.ask("/rows")
    assert reply["counts"] == {"rows": 10, "answered": 3, "skipped": 0, "flagged": 0}
    assert "scared night number 2" in [row["parts"][0][1] for row in reply["rows"]]
    server.end()
    assert [row["id"] for row in written(tmp_path / "labelled.csv")] == ["r1", "r0"]


def test_labels_that_the_task_lost_are_left_out_and_told(tmp_path: Path, servers: list[Labelling]) -> None:
    write_table(tmp_path, 10)
    servers.append(server := start(tmp_path, "--order", "given"))
    for row, label in zip(server.rows(), ("joy", "anger"), strict=False):
        server.answer(row, [label])
    server.end()
    task = tmp_path / "task.toml"
    task.write_text(task.read_text().replace('"anger", ', ""))
    servers.append(server := start(tmp_path, "--json", "--order", "given"))
    done = json.loads(server.end()[0])
    assert (done["answers"], done["outdated"]) == (1, 1)
    assert [row["emotion"] for row in written(tmp_path / "labelled.csv")] == ["joy"]


@pytest.mark.parametrize(
    ("task", "labels", "cells"),
    [
        (MULTI, [["sport", "tax"]], {"tax": "1", "health": "0", "sport": "1"}),
        (MULTI, [[]], {"tax": "0", "health": "0", "sport": "0"}),
        (MULTI.replace('columns = ["tax", "health", "sport"]', 'column = "topics"\ndelimiter = "|"'),
         [["sport", "tax"]], {"topics": "tax|sport"}),
        (MULTI.replace('columns = ["tax", "health", "sport"]', 'column = "topics"\ndelimiter = "json"'),
         [["sport", "tax"]], {"topics": '["tax", "sport"]'}),
        (NESTED, [["card"], ["late"]], {"area": "card", "detail": "late"}),
    ],
)  # fmt: skip
def test_labels_stand_in_the_columns_of_the_task(
    tmp_path: Path, servers: list[Labelling], task: str, labels: list[list[str]], cells: dict[str, str]
) -> None:
    write_table(tmp_path, 10, task)
    servers.append(server := start(tmp_path))
    server.answer(server.rows()[0], *labels)
    server.end()
    (row,) = written(tmp_path / "labelled.csv")
    assert {column: row[column] for column in cells} == cells
    assert int(row["line"]) == 2 + int(row["text"].rpartition(" ")[2])


@pytest.mark.parametrize(
    "labels", [[], [["card"]], [["card"], ["rate"]], [["card"], []], [["x"], ["lost"]], "card"]
)
def test_no_answer_to_the_task_is_refused(tmp_path: Path, servers: list[Labelling], labels: Any) -> None:
    write_table(tmp_path, 10, NESTED)
    servers.append(server := start(tmp_path))
    row = server.rows()[0]
    status, found = server.status("/do", kind="answer", row=row["key"], labels=labels, request="x")
    assert status == 400
    assert found["error"]["message"].startswith("Not an answer: ")
    assert server.ask("/state")["counts"]["answered"] == 0


def test_labels_that_were_there_are_kept_beside(tmp_path: Path, servers: list[Labelling]) -> None:
    write_table(tmp_path, 4)
    (tmp_path / "in.csv").write_text("id,text,emotion,seconds\n1,one,joy,7\n2,two,,8\n3,three,fear,9\n")
    servers.append(server := start(tmp_path, "--order", "given"))
    server.answer(server.rows()[0], ["anger"])
    server.end()
    (row,) = written(tmp_path / "labelled.csv")
    assert (row["input_emotion"], row["emotion"], row["input_seconds"], row["seconds"]) == (
        "joy",
        "anger",
        "7",
        "1.2",
    )


def test_a_text_that_is_there_twice_is_asked_once(tmp_path: Path, servers: list[Labelling]) -> None:
    write_table(tmp_path, 4, MULTI)
    (tmp_path / "in.csv").write_text('text\nsame\nother\nsame\n""\n')
    servers.append(server := start(tmp_path, "--order", "given"))
    assert [row["parts"][0][1] for row in server.rows()] == ["same", "other"]


def test_an_output_of_others_is_not_overwritten(
    tmp_path: Path, servers: list[Labelling], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_table(tmp_path, 4)
    out = tmp_path / "labelled.csv"
    out.write_text("mine\n")
    refused = run("label", "in.csv", "--port", "0")
    assert refused.exit_code == 9
    assert "labelled.csv: was not written by this command, or was edited since" in refused.stderr
    assert out.read_text() == "mine\n"
    servers.append(server := start(tmp_path, "--force"))
    server.answer(server.rows()[0], ["joy"])
    server.end()
    assert len(written(out)) == 1
    out.write_text(out.read_text() + "edited\n")
    assert run("label", "in.csv", "--port", "0").exit_code == 9


def test_another_table_s_labels_are_not_replaced(
    tmp_path: Path, servers: list[Labelling], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_table(tmp_path, 4)
    servers.append(server := start(tmp_path))
    server.answer(server.rows()[0], ["joy"])
    server.end()
    (tmp_path / "other.csv").write_text("id,text\n1,another\n")
    refused = run("label", "other.csv", "--port", "0")
    assert refused.exit_code == 9
    assert f"labelled.csv: holds the labels of {tmp_path / 'in.csv'}" in refused.stderr
    servers.append(server := start(tmp_path, "--force", data="other.csv"))
    server.answer(server.rows()[0], ["fear"])
    server.end()
    assert [row["text"] for row in written(tmp_path / "labelled.csv")] == ["another"]
    assert run("label", "in.csv", "--port", "0").exit_code == 9


def test_an_edit_while_it_runs_is_not_overwritten(tmp_path: Path, servers: list[Labelling]) -> None:
    write_table(tmp_path, 4)
    servers.append(server := start(tmp_path))
    server.answer(server.rows()[0], ["joy"])
    server.ask("/write")
    (tmp_path / "labelled.csv").write_text("mine\n")
    status, found = server.status("/write")
    assert status == 507
    assert "was not written by this command" in found["error"]["message"]
    server.end()
    assert server.process.returncode == 9
    assert (tmp_path / "labelled.csv").read_text() == "mine\n"


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["-o", "-"], 2, "the table is written several times, so it needs a file"),
        (["-o", "in.csv"], 2, "in.csv: is the input, which is never overwritten"),
        (["-o", "out.pdf"], 2, "tables are not written as .pdf"),
        (["-o", "b\udcffd.csv"], 2, "the name is not UTF-8"),
        (["-o", "none/out.csv"], 8, "cannot be written"),
        (["--host", "0.0.0.0"], 2, "other machines can reach it, so the page needs a key"),
        (["--base", "nothing"], 4, "there is no engine named 'nothing'"),
    ],
)
def test_what_is_refused_before_the_page_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], code: int, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write_table(tmp_path, 4)
    refused = run("label", "in.csv", "--port", "0", *options)
    assert refused.exit_code == code, refused.stderr
    assert said in refused.stderr


def test_a_port_in_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_table(tmp_path, 4)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = run("label", "in.csv", "--port", port)
    assert refused.exit_code == 2
    assert f"127.0.0.1:{port}: cannot listen there: Address already in use" in refused.stderr


def fetched(request: urllib.request.Request) -> int:
    try:
        with urllib.request.urlopen(request, timeout=HANG_S) as reply:
            return int(reply.status)
    except urllib.error.HTTPError as error:
        return int(error.code)


def test_pages_of_others_read_and_change_nothing(tmp_path: Path, servers: list[Labelling]) -> None:
    write_table(tmp_path, 4)
    servers.append(server := start(tmp_path))
    body = json.dumps({"page": "p", "annotator": "a"}).encode()
    good = {"Content-Type": "application/json", "X-Labeltune-Token": server.token}
    path = f"{server.url}/rows"
    assert fetched(urllib.request.Request(path, body, good)) == 200
    for change, code in (
        ({"Origin": "http://evil.example"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Host": "evil.example"}, 403),
        ({"Content-Type": "text/plain"}, 415),
        ({"X-Labeltune-Token": "guessed"}, 403),
    ):
        assert fetched(urllib.request.Request(path, body, good | change)) == code
    assert fetched(urllib.request.Request(path, body, {"Content-Type": "application/json"})) == 403
    assert fetched(urllib.request.Request(server.url, headers={"Host": "evil.example"})) == 403
    for junk in (b"[]", b"{", b"{}", b'{"page": 1, "annotator": "a"}', b'{"page": "p", "annotator": ""}'):
        assert fetched(urllib.request.Request(path, junk, good)) == 400


def test_the_page_holds_nothing_of_the_table_and_the_key_opens_it(
    tmp_path: Path, servers: list[Labelling]
) -> None:
    write_table(tmp_path, 4)
    (tmp_path / "key").write_text("sk-canary-0123456789\n")
    servers.append(server := start(tmp_path, "--host", "0.0.0.0", "--api-key-file", "key"))
    with urllib.request.urlopen(server.url, timeout=HANG_S) as page:
        shell = page.read().decode()
    assert "canary" not in shell
    assert "day number" not in shell
    assert "joy" not in shell
    assert server.status("/task")[0] == 401
    headers = {"Content-Type": "application/json", "X-Labeltune-Token": server.token}
    body = json.dumps({"page": "p", "annotator": "a"}).encode()
    for key, code in (("sk-canary-0123456789", 200), ("wrong", 401)):
        asked = urllib.request.Request(
            f"{server.url}/task", body, headers | {"Authorization": f"Bearer {key}"}
        )
        assert fetched(asked) == code
    server.end()
    assert all(b"canary" not in log.read_bytes() for log in tmp_path.glob("stderr-*"))


def test_a_full_disk_refuses_the_answer_in_words(tmp_path: Path, servers: list[Labelling]) -> None:
    """The size of files is limited below what the journal needs: SQLite is told what a full disk tells."""
    write_table(tmp_path, 400)
    servers.append(server := start(tmp_path))
    rows = server.rows()
    server.answer(rows[0], ["joy"])
    log = next((tmp_path / ".labeltune" / "label").glob("*.db-wal"))
    size = log.stat().st_size
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    status, found = server.status("/do", kind="answer", row=rows[1]["key"], labels=[["joy"]], request="x")
    assert status == 507
    assert "cannot be written" in found["error"]["message"]
    assert "free some space" in found["error"]["message"]
    assert server.ask("/state")["counts"]["answered"] == 1
    resource.prlimit(
        server.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    )
    assert server.answer(rows[1], ["fear"], request="x")["counts"]["answered"] == 2
    server.end()
    assert sorted(row["emotion"] for row in written(tmp_path / "labelled.csv")) == ["fear", "joy"]


def test_a_model_is_trained_beside_and_measured(tmp_path: Path, servers: list[Labelling]) -> None:
    write_table(tmp_path, 400)
    words = {"happy": "joy", "furious": "anger", "scared": "fear", "lonely": "sadness"}
    servers.append(server := start(tmp_path, "--show-suggestions"))
    for _ in range(60):
        row = server.rows()[0]
        server.answer(row, [words[row["parts"][0][1].split()[0]]])
    wait_until(lambda: server.ask("/state")["learning"]["rounds"])
    last = server.ask("/state")["learning"]["rounds"][-1]
    assert last["labels"] >= 25
    assert 0 <= last["low"] <= last["right"] / last["rows"] <= last["high"] <= 1

    def suggested() -> bool:
        return all(row["suggested"] for row in server.rows())

    wait_until(suggested)
    told = [row["suggested"] == [[words[row["parts"][0][1].split()[0]]]] for row in server.rows()]
    assert sum(told) > len(told) / 2
    server.end()
    servers.append(server := start(tmp_path))
    assert server.ask("/state")["learning"]["rounds"][0] is not None
    assert all(row["suggested"] is None for row in server.rows())


def test_a_model_that_is_there_suggests_from_the_first_row(tmp_path: Path, servers: list[Labelling]) -> None:
    texts = write_table(tmp_path, 80)
    labels = ["joy", "anger", "fear", "sadness"]
    lines = [f"r{n},{text},{labels[n % 4]}\n" for n, text in enumerate(texts)]
    (tmp_path / "train.csv").write_text("id,text,emotion\n" + "".join(lines))
    trained = subprocess.run(
        [sys.executable, "-m", "labeltune", "train", "train.csv", "--model", "linear", "--provider", "local", "-q"],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    model = trained.stdout.strip()
    servers.append(server := start(tmp_path, "--model", model, "--provider", "local", "--order", "given"))
    shown = server.rows()
    assert [row["suggested"] for row in shown[:4]] == [[[label]] for label in labels]
    assert server.ask("/state")["learning"]["model"] == model
    assert server.ask("/task")["suggest"] is True
    server.end()
    (tmp_path / "labelled.csv").unlink(missing_ok=True)
    for options, drawn, others in (
        ((), False, True),
        (("--show-suggestions",), True, True),
        (("--hide-suggestions",), False, False),
    ):
        servers.append(
            server := start(
                tmp_path, "--model", model, "--provider", "local", "--random-share", "0.5", *options
            )
        )
        suggested = [row["suggested"] is not None for row in server.rows()]
        # With half of the rows drawn, every other one is.
        assert set(suggested[1::2]) == {drawn}
        assert set(suggested[0::2]) == {others}
        server.end()


def test_init_finds_the_labels_in_what_was_written(
    tmp_path: Path, servers: list[Labelling], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And takes none of the columns that tell how they came about for labels, or for the text."""
    monkeypatch.chdir(tmp_path)
    write_table(tmp_path, 40)
    (tmp_path / "task.toml").write_text(
        (tmp_path / "task.toml").read_text().replace('column = "emotion"', 'column = "answer"')
    )
    servers.append(server := start(tmp_path))
    for number in range(30):
        row = server.rows()[0]
        if number % 3 == 0:
            server.ask("/do", kind="flag", row=row["key"], request=f"flag {number}")
        server.answer(row, [["joy", "fear"][number % 2]], seconds=number / 7)
    server.end()
    assert {row["flagged"] for row in written(tmp_path / "labelled.csv")} == {"0", "1"}
    proposed = run("init", "labelled.csv", "-o", "proposed.toml")
    assert proposed.exit_code == 0, proposed.stderr
    assert "answer: a single field of 2 labels: fear, joy" in proposed.stderr
    assert "could be labels" not in proposed.stderr
