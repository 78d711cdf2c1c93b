"""Folders in Google's kind of object store: `gs://` URLs, against an emulator."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from faults.fake_provider import FakeProvider
from faults.fault_parts import FREE
from faults.object_stores import BUCKET, NEEDS_GOOGLES, started_googles
from labeltune.cli.app import app

if TYPE_CHECKING:
    from collections.abc import Iterator

    from faults.fault_folder import Folder

pytestmark = NEEDS_GOOGLES
ROWS = 20
NAMES = ("a.csv", "day=1/b.csv", "day=2/hour=3/c.csv")
URL = f"gs://anonymous@{BUCKET}"


class Googles:
    """A bucket as its owner sees it."""

    def __init__(self, settings: str) -> None:
        from pyarrow import fs

        self.settings = settings
        self._files: Any = fs.FileSystem.from_uri(f"{URL}{settings}")[0]
        self._selector = fs.FileSelector(BUCKET, recursive=True)

    def put(self, name: str, content: bytes) -> None:
        with self._files.open_output_stream(f"{BUCKET}/{name}", compression=None) as stream:
            stream.write(content)

    def get(self, name: str) -> bytes:
        with self._files.open_input_stream(f"{BUCKET}/{name}", compression=None) as stream:
            return bytes(stream.read())

    def names(self, prefix: str) -> list[str]:
        found = [info.path.removeprefix(f"{BUCKET}/") for info in self._files.get_file_info(self._selector)]
        return sorted(name.removeprefix(f"{prefix}/") for name in found if name.startswith(f"{prefix}/"))


def table(name: str, rows: int = ROWS) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["text", "label"])
    writer.writerows([f"{name} row {row}", "alpha"] for row in range(rows))
    return text.getvalue().encode()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Googles]:
    with started_googles(tmp_path_factory.mktemp("googles")) as settings:
        made = Googles(settings)
        for name in NAMES:
            made.put(f"in/{name}", table(name))
        made.put("in/_SUCCESS", b"")
        yield made


def test_a_prefix_becomes_a_prefix(folder: Folder, store: Googles, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder.path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(folder.path / "tmp"))
    monkeypatch.setattr("tempfile.tempdir", None)
    data, out = f"{URL}/in{store.settings}", f"{URL}/out{store.settings}"
    with FakeProvider() as provider:
        call = (f"{provider.url}{FREE}", "-o", out)
        made = folder.predict(*call, data=data)
        assert made.code == 0, made.stderr
        for name in NAMES:
            rows = [*csv.DictReader(io.StringIO(store.get(f"out/{name}").decode(), newline=""))]
            assert [row["text"] for row in rows] == [f"{name} row {row}" for row in range(ROWS)]
            assert {row["predicted_intent"] for row in rows} == {"alpha"}
        assert store.names("out") == [
            "_SUCCESS",
            "_labeltune.json",
            *(f"_labeltune/receipts/{name}.json" for name in NAMES),
            *NAMES,
        ]
        asked = provider.asked.total()
        assert folder.predict(*call, data=data).code == 0
        assert provider.asked.total() == asked
        # A pattern, below a folder that is no object of its own.
        assert (
            folder.predict(call[0], "-o", "here", data=f"{URL}/in/day=*/**/c.csv{store.settings}").code == 0
        )
        assert (folder.path / "here" / NAMES[2]).read_bytes() == store.get(f"out/{NAMES[2]}")
        store.put(f"in/{NAMES[1]}", table(NAMES[1]))
        changed = folder.predict(*call, data=data)
        assert changed.code == 9
        assert f"{NAMES[1]} changed" in changed.stderr
        assert folder.predict(*call, "--accept-changes", data=data).code == 0
    measured = CliRunner().invoke(app, ["evaluate", out, "--json"])
    assert measured.exit_code == 0, measured.stderr
    assert json.loads(measured.stdout)["rows"] == len(NAMES) * ROWS
    assert not [path for path in (folder.path / "tmp").rglob("*.csv") if path.is_file()]
