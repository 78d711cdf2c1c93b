"""Folders in an object store: predicted and converted there, whatever comes between."""

from __future__ import annotations

import csv
import http.client
import io
import json
import os
import subprocess
import sys
import threading
from collections import Counter
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from faults.fake_provider import ANSWER, FakeProvider, Fate
from faults.fault_folder import Folder, Outcome, finish, kill
from faults.fault_parts import FREE
from faults.object_stores import ACCESS, BUCKET, NEEDS_IT, SECRET, Store, started_store
from labeltune.errors import ConflictError
from labeltune.files.parts import object_lock, object_store
from labeltune.files.parts.object_lock import ObjectLock
from waiting import HANG_S, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from labeltune.files.parts.object_store import ObjectPlace

pytestmark = NEEDS_IT

ROWS = 20
IN, OUT = f"s3://{BUCKET}/in", f"s3://{BUCKET}/out"
NAMES = ("day=1/a.csv", "day=2/b.csv")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with started_store(tmp_path_factory.mktemp("store")) as store:
        yield store


@pytest.fixture
def store(server: Store, folder: Folder, monkeypatch: pytest.MonkeyPatch) -> Store:
    """The server with two parts in it and nothing else, and an environment that leads there."""
    object_store._opened.cache_clear()
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("TMPDIR", str(folder.path / "tmp"))
    (folder.path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", None)
    server.clear()
    for number, name in enumerate(NAMES):
        server.put(f"in/{name}", table(number))
    return server


def table(number: int, rows: int = ROWS) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["text", "label"])
    writer.writerows([f"part {number} row {row}", "alpha"] for row in range(rows))
    return text.getvalue().encode()


def predict(
    folder: Folder, provider: FakeProvider, *arguments: str, data: str = IN, out: str = OUT
) -> Outcome:
    outcome = folder.predict(f"{provider.url}{FREE}", "-o", out, *arguments, data=data)
    for told in (outcome.stdout, outcome.stderr):
        assert SECRET not in told
        assert ACCESS not in told
    return outcome


def start(folder: Folder, provider: FakeProvider, *arguments: str) -> subprocess.Popen[str]:
    command = folder.arguments(f"{provider.url}{FREE}", "-o", OUT, *arguments, data=IN)
    return folder.launch("-m", "labeltune", *command)


def written(store: Store, out: str = "out") -> dict[str, list[dict[str, str]]]:
    """The rows of every part that is there."""
    parts = [name for name in store.names(out) if not name.startswith("_")]
    return {
        name: list(csv.DictReader(io.StringIO(store.get(f"{out}/{name}").decode(), newline="")))
        for name in parts
    }


def whole(store: Store, out: str = "out") -> None:
    """Every row is there once, and what says that the run is over; no lock and no temporary file is left."""
    parts = written(store, out)
    assert list(parts) == list(NAMES)
    for number, rows in enumerate(parts.values()):
        assert [row["text"] for row in rows] == [f"part {number} row {row}" for row in range(ROWS)]
        assert all(row["predicted_intent"] == "alpha" for row in rows)
    assert [name for name in store.names(out) if name.startswith("_")] == [
        "_SUCCESS",
        "_labeltune.json",
        *(f"_labeltune/receipts/{name}.json" for name in NAMES),
    ]
    assert not any(SECRET.encode() in store.get(f"{out}/{name}") for name in store.names(out))
    assert json.loads(store.get(f"{out}/_labeltune.json"))["totals"]["rows"] == len(NAMES) * ROWS


def no_copies(path: Path) -> bool:
    return not any(found.is_file() for found in path.rglob("*"))


def test_a_prefix_becomes_a_prefix(folder: Folder, store: Store) -> None:
    with FakeProvider() as provider:
        outcome = predict(folder, provider, "--json")
        assert outcome.code == 0, outcome.stderr
        assert json.loads(outcome.stdout)["parts"] == {"all": 2, "done": 2, "made": 2, "missing": 0}
        whole(store)
        asked = provider.asked.total()
        assert predict(folder, provider).code == 0
        assert provider.asked.total() == asked
        # A pattern, and one object; a folder of this machine, also by its URL.
        assert predict(folder, provider, data=f"{IN}/day=*/a.csv", out="here").code == 0
        assert (folder.path / "here/day=1/a.csv").read_bytes() == store.get("out/day=1/a.csv")
        assert predict(folder, provider, data=f"{IN}/day=2/b.csv", out="one").code == 0
        assert (folder.path / "one/b.csv").read_bytes() == store.get("out/day=2/b.csv")
        for number, name in enumerate(NAMES):
            (folder.path / "local" / name).parent.mkdir(parents=True)
            (folder.path / "local" / name).write_bytes(table(number))
        local = f"file://{folder.path}/local"
        assert predict(folder, provider, data=local, out=f"s3://{BUCKET}/back/").code == 0
        whole(store, "back")
    assert no_copies(folder.path / "tmp")


# ------------------------------------------------------------------------------------------- killed, and held


def test_kill_9_between_two_parts(folder: Folder, store: Store) -> None:
    """What is there stays, what is not is made, and the killed command's lock holds nobody up."""
    with FakeProvider() as provider:
        provider.script = lambda text, _: Fate(delay=3600) if "part 1" in text else ANSWER
        process = start(folder, provider, "--concurrency", "2")
        wait_until(lambda: provider.asked.total() > ROWS and written(store), process.poll)
        kill(process)
        assert list(written(store)) == [NAMES[0]]
        assert "_SUCCESS" not in store.names("out")
        assert [name for name in store.names("out") if ".lock." in name] != []
        provider.script = lambda _text, _attempt: ANSWER
        asked = sum(count for text, count in provider.asked.items() if "part 0" in text)
        outcome = finish(start(folder, provider))
        assert outcome.code == 0, outcome.stderr
        assert "1 of 2 parts are there already" in outcome.stderr
        assert sum(count for text, count in provider.asked.items() if "part 0" in text) == asked
    whole(store)
    assert no_copies(folder.path / "tmp")


def test_two_commands_on_one_output(folder: Folder, store: Store) -> None:
    with FakeProvider() as provider:
        provider.script = lambda text, _: Fate(delay=3600) if "part 1" in text else ANSWER
        process = start(folder, provider)
        wait_until(lambda: written(store), process.poll)
        second = predict(folder, provider)
        assert second.code == 9
        assert f"{OUT}: another command works here" in second.stderr
        kill(process)
        provider.script = lambda _text, _attempt: ANSWER
        assert predict(folder, provider).code == 0
    whole(store)


def test_a_killed_upload_leaves_nothing(folder: Folder, store: Store) -> None:
    """A store shows what has arrived whole: half of a stream is no object."""
    code = (
        "import os; from pyarrow import fs\n"
        f"files, path = fs.FileSystem.from_uri('{OUT}/half.csv')\n"
        "stream = files.open_output_stream(path); stream.write(b'x' * 12_000_000)\n"
        "print('begun', flush=True); os.kill(os.getpid(), 9)"
    )
    process = subprocess.run(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, check=False, timeout=HANG_S
    )
    assert process.stdout == b"begun\n"
    assert store.names("out") == []


@pytest.fixture
def place(store: Store) -> ObjectPlace:
    return object_store.open_object_place(OUT)


def test_a_claim_that_another_machine_renews_is_respected(
    folder: Folder, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot be seen to be dead is alive, until the store's own times say that nobody renews it."""
    claim = "_labeltune/locks/1-of-1.lock.0011223344556677"
    store.put(f"out/{claim}", json.dumps({"machine": "another", "process": 1}).encode())
    with FakeProvider() as provider:
        assert predict(folder, provider).code == 9
        assert claim in store.names("out")
        # As if so much time had passed.
        monkeypatch.setattr(object_lock, "ALIVE_S", -1.0)
        monkeypatch.setattr(ObjectLock, "_is_late", lambda _: False)
        assert predict(folder, provider).code == 0
    whole(store)


def test_never_two_hold_a_lock(place: ObjectPlace) -> None:
    inside, most, taken = 0, 0, Counter[int]()
    count = threading.Lock()

    def contend(number: int) -> None:
        nonlocal inside, most
        while not taken[number]:
            with place.lock("locks/x.lock") as mine:
                if mine:
                    with count:
                        inside += 1
                        most = max(most, inside)
                    place.exists("anything")
                    with count:
                        inside -= 1
                    taken[number] += 1

    threads = [threading.Thread(target=contend, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(HANG_S)
    assert (len(taken), most) == (4, 1)
    assert place.list_folder("locks") == []


def test_who_lost_the_lock_commits_nothing(place: ObjectPlace, store: Store, tmp_path: Path) -> None:
    local = tmp_path / "x"
    local.write_bytes(b"whole")
    with place.lock("locks/x.lock") as mine:
        assert mine
        place.remove(place.list_folder("locks")[0].name)
        with pytest.raises(ConflictError, match="may have taken over"):
            place.commit(local, "x.csv")
    assert not place.exists("x.csv")
    assert place.commit(local, "x.csv").size == 5
    assert not local.exists()


def test_a_claim_is_put_again(place: ObjectPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    names: list[str] = []
    put = place.put

    def watched(content: bytes, name: str) -> None:
        put(content, name)
        names.append(name)

    monkeypatch.setattr(object_lock, "RENEW_S", 0.01)
    monkeypatch.setattr(place, "put", watched)
    with place.lock("locks/x.lock") as mine:
        assert mine
        wait_until(lambda: len(names) > 2)
    assert len(set(names)) == 1
    assert place.list_folder("locks") == []


# an upload that fails in its midst


def test_an_upload_whose_second_half_fails_is_no_object(store: Store, tmp_path: Path) -> None:
    local = tmp_path / "big"
    local.write_bytes(b"x" * 25_000_000)
    # By another process: pyarrow may wait for the store with Python's lock held, and this one answers it.
    code = (
        "import sys; from pathlib import Path\n"
        "from labeltune.files.parts import open_place\n"
        "open_place(sys.argv[1]).commit(Path(sys.argv[2]), 'big.csv')"
    )
    with refusing(store, "partNumber=2") as url:
        command = [sys.executable, "-c", code, OUT, str(local)]
        environment = os.environ | {"AWS_ENDPOINT_URL": url}
        ended = subprocess.run(
            command, env=environment, stderr=subprocess.PIPE, text=True, check=False, timeout=HANG_S
        )
    assert ended.returncode == 1
    assert "DiskError: s3://tables/out/big.csv: cannot be written" in ended.stderr
    assert store.names("out") == []
    assert local.exists()


@contextmanager
def refusing(store: Store, what: str) -> Iterator[str]:
    """The store, but for requests in whose first line something stands: those are refused."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do(self) -> None:
            body = self.body()
            if what in self.path:
                status, headers, answer = 403, {}, b"<Error><Code>AccessDenied</Code></Error>"
            else:
                dropped = ("expect", "transfer-encoding", "content-length", "connection")
                kept = {name: value for name, value in self.headers.items() if name.lower() not in dropped}
                there = http.client.HTTPConnection(store.url.removeprefix("http://"), timeout=HANG_S)
                there.request(self.command, self.path, body, kept)
                told = there.getresponse()
                status, headers, answer = told.status, dict(told.headers), told.read()
                there.close()
            self.send_response(status)
            for name, value in headers.items():
                if name.lower() in ("etag", "content-type", "last-modified"):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def body(self) -> bytes:
            if "chunked" not in self.headers.get("Transfer-Encoding", ""):
                return self.rfile.read(int(self.headers.get("Content-Length") or 0))
            pieces = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                pieces.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(pieces)

        do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = do  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


# ----------------------------------------------------------------------------------------------- refused


def test_a_changed_input_and_another_model(folder: Folder, store: Store) -> None:
    with FakeProvider() as provider:
        assert predict(folder, provider).code == 0
        other = predict(folder, provider, "--model", "other")
        assert other.code == 9
        assert f"{OUT}: this run used model m, not other" in other.stderr
        store.put(f"in/{NAMES[1]}", table(1, rows=ROWS + 1))
        changed = predict(folder, provider)
        assert changed.code == 9
        assert f"{NAMES[1]} changed" in changed.stderr
        asked = provider.asked.total()
        assert predict(folder, provider, "--accept-changes").code == 0
        assert provider.asked.total() == asked + ROWS + 1
        assert len(written(store)[NAMES[1]]) == ROWS + 1
        store.put(f"out/{NAMES[0]}", b"text\nedited\n")
        edited = predict(folder, provider)
        assert edited.code == 9
        assert f"{OUT}/{NAMES[0]}: was edited since it was written" in edited.stderr


def test_an_object_that_is_replaced_within_a_second_by_one_of_its_size(store: Store) -> None:
    place = object_store.open_object_place(IN)
    found = place.entry(NAMES[0])
    assert found is not None
    first = place.exact([found])
    assert place.exact([found]) == first
    content = store.get(f"in/{NAMES[0]}")
    store.put(f"in/{NAMES[0]}", content.replace(b"row 3", b"row 4"))
    # As if the store's time were still the same.
    (changed,) = place.exact([found])
    assert changed != first[0]
    assert (changed.size, changed.modified // 10**9) == (first[0].size, first[0].modified // 10**9)
    gone = replace(found, name="gone.csv")
    assert place.exact([gone, found]) == [gone, changed]


def test_settings_behind_a_url(folder: Folder, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """As pyarrow has them; they lead there without the environment, and are kept nowhere."""
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    settings = f"?scheme=http&endpoint_override={store.url.removeprefix('http://')}"
    with FakeProvider() as provider:
        outcome = predict(folder, provider, data=f"{IN}/**/?.csv{settings}", out=f"{OUT}/*.jsonl{settings}")
    assert outcome.code == 0, outcome.stderr
    assert "day=1/a.jsonl" in store.names("out")
    assert b"endpoint_override" not in store.get("out/_labeltune.json")
    store.clear()
    store.put("out/a.csv", b"text,label,predicted_intent,confidence\nhello,alpha,alpha,1\n")
    measured = ran("evaluate", f"{OUT}{settings}")
    assert measured.code == 0, measured.stderr
    assert f"{OUT}{settings}: there is no _SUCCESS in it" in measured.stderr


def test_a_part_that_is_refused(folder: Folder, store: Store) -> None:
    store.put(f"in/{NAMES[0]}", b'text,label\n"never closed')
    with FakeProvider() as provider:
        refused = predict(folder, provider)
        assert refused.code == 7
        assert f"{IN}/{NAMES[0]}" in refused.stderr
        assert list(written(store)) == [NAMES[1]]
        store.put(f"in/{NAMES[0]}", table(0))
        assert predict(folder, provider, "--accept-changes").code == 0
    whole(store)


def test_shards(folder: Folder, store: Store) -> None:
    with FakeProvider() as provider:
        assert predict(folder, provider, "--shard", "1/2").code == 0
        assert list(written(store)) == [NAMES[0]]
        assert predict(folder, provider, "--shard", "2/2").code == 0
    whole(store)


def test_a_paid_provider_has_its_journal_here(folder: Folder, store: Store) -> None:
    with FakeProvider() as provider:
        assert folder.predict(provider.url, "-o", OUT, data=IN).code == 0
        assert provider.billed.total() == len(NAMES) * ROWS
    whole(store)


def test_the_dry_run_writes_nothing(folder: Folder, store: Store) -> None:
    with FakeProvider() as provider:
        assert predict(folder, provider, "--dry-run").code == 0
        assert provider.asked.total() == 0
    assert store.names("out") == []


def test_convert_and_evaluate(folder: Folder, store: Store) -> None:
    chat = f"s3://{BUCKET}/chat"
    converted = ran("convert", IN, "-o", chat)
    assert converted.code == 0, converted.stderr
    assert store.names("chat")[0] == "_SUCCESS"
    lines = store.get("chat/day=1/a.jsonl").splitlines()
    assert len(lines) == ROWS
    with FakeProvider() as provider:
        assert predict(folder, provider).code == 0
    measured = ran("evaluate", OUT, "--json")
    assert measured.code == 0, measured.stderr
    assert json.loads(measured.stdout)["rows"] == len(NAMES) * ROWS
    assert no_copies(folder.path / "tmp")


@pytest.mark.parametrize(
    ("data", "code", "told"),
    [
        ("s3://AKIA:canary-secret-key-that-nobody-may-see@tables/in", 2, "may not hold a key or a password"),
        ("s3://tables/in?endpoint_override=u:canary-secret-key-that-nobody-may-see@host", 2, "password"),
        ("s3://tables/in?no_such_setting=1", 2, "no_such_setting"),
        ("s3://tables/nothing", 7, "an empty folder"),
        ("s3://no-such-bucket-here/in", 7, "an empty folder"),
        ("s3:///in", 2, "names no bucket"),
        ("file://elsewhere/in", 2, "names no file of this machine"),
        (f"s3://{BUCKET}/in/day=1/gone.csv", 7, "nothing matches"),
    ],
)
def test_urls_that_lead_nowhere(folder: Folder, store: Store, data: str, code: int, told: str) -> None:
    with FakeProvider() as provider:
        outcome = predict(folder, provider, data=data)
    assert (outcome.code, told in outcome.stderr) == (code, True), outcome.stderr


def test_what_a_store_refuses_is_told_without_its_secrets(
    folder: Folder, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", store.url.replace("http:", "https:"))
    with FakeProvider() as provider:
        outcome = predict(folder, provider)
    assert outcome.code == 8
    assert f"{IN}/" in outcome.stderr
    assert "AWS_ENDPOINT_URL" in outcome.stderr


def test_one_table_does_not_go_to_a_store(folder: Folder, store: Store) -> None:
    folder.table(3)
    with FakeProvider() as provider:
        outcome = predict(folder, provider, data="data.csv")
        assert outcome.code == 2
        assert provider.asked.total() == 0
    assert ran("convert", "data.csv", "-o", f"{OUT}/x.jsonl").code == 2
    assert not (folder.path / "s3:").exists()


def ran(*arguments: str) -> Outcome:
    from typer.testing import CliRunner

    from labeltune.cli.app import app

    result = CliRunner().invoke(app, [*arguments])
    return Outcome(result.exit_code, result.stdout, result.stderr)
