"""Parquet and Excel need a package that the base install leaves out: who lacks it is told its name."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from labeltune.errors import SettingsError
from labeltune.files.tables import open_table

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("name", "start", "module", "command"),
    [
        ("rows.parquet", b"PAR1", "pyarrow", "pip install pyarrow"),
        ("rows.xlsx", b"PK\x03\x04", "python_calamine", "pip install python-calamine"),
    ],
    ids=["parquet", "excel"],
)
def test_the_missing_package_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, start: bytes, module: str, command: str
) -> None:
    (tmp_path / name).write_bytes(start)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(SettingsError, match="one more package") as caught:
        open_table(tmp_path / name)
    assert caught.value.hint == command
