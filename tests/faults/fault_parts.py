"""Folders of tables, predicted into folders, and what must hold of them however a run went."""

from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from faults.fault_folder import Folder, Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from faults.fake_provider import FakeProvider

__all__ = ["FREE", "PAID", "digest", "inputs", "no_temporaries", "predict", "rows_of_parts", "whole"]

FREE, PAID = "#self-hosted=yes", ""


def inputs(folder: Folder, parts: int, rows: int, *, name: str = "in") -> list[str]:
    """Write so many parts of so many rows, in folders of two; returns their names."""
    names = [f"half={number % 2}/part-{number:03}.csv" for number in range(parts)]
    for number, part in enumerate(names):
        path = folder.path / name / part
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", newline="") as handle:
            writer = csv.writer(handle)
            writer.writerow(["text", "label"])
            writer.writerows([f"part {number} row {row}", "alpha"] for row in range(rows))
    return names


def predict(
    folder: Folder, provider: FakeProvider, kind: str, *arguments: str, data: str = "in", out: str = "out"
) -> Outcome:
    return folder.predict(f"{provider.url}{kind}", "-o", out, *arguments, data=data)


def words(provider: FakeProvider, kind: str, *arguments: str, out: str = "out") -> Sequence[str]:
    return [*("--provider", f"{provider.url}{kind}"), "-o", out, *arguments]


def rows_of_parts(folder: Folder, out: str = "out") -> dict[str, list[dict[str, str]]]:
    """The rows of every part that is there, by its name."""
    found = {}
    for path in sorted((folder.path / out).rglob("*.csv")):
        name = path.relative_to(folder.path / out).as_posix()
        if not name.startswith("_"):
            with path.open(newline="") as handle:
                found[name] = list(csv.DictReader(handle))
    return found


def digest(folder: Folder, out: str = "out") -> str:
    """The hash of every part's name and bytes, as a reader of the folder sees them."""
    found = hashlib.sha256()
    for path in sorted((folder.path / out).rglob("*")):
        name = path.relative_to(folder.path / out)
        if path.is_file() and not any(piece.startswith(("_", ".")) for piece in name.parts):
            found.update(f"{name.as_posix()} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return found.hexdigest()


def no_temporaries(folder: Folder, out: str = "out") -> bool:
    hidden = [path for path in (folder.path / out).rglob(".*") if path.is_file()]
    scratch = folder.path / out / "_labeltune" / "scratch"
    return not hidden and not (scratch.exists() and any(path.is_file() for path in scratch.rglob("*")))


def whole(folder: Folder, names: Sequence[str], rows: int, out: str = "out") -> None:
    """Every row of every part is there once, in order, and all that says that the run is over."""
    found = rows_of_parts(folder, out)
    assert list(found) == sorted(names)
    for name, written in found.items():
        number = int(Path(name).stem.removeprefix("part-"))
        assert [row["text"] for row in written] == [f"part {number} row {row}" for row in range(rows)]
        assert all(row["predicted_intent"] == "alpha" for row in written)
    assert (folder.path / out / "_SUCCESS").read_bytes() == b""
    manifest: dict[str, Any] = json.loads((folder.path / out / "_labeltune.json").read_text())
    assert manifest["totals"]["rows"] == len(names) * rows
    assert manifest["totals"]["parts"] == len(names)
    assert no_temporaries(folder, out)
