"""Names as a shell takes them."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from labeltune.wording import pasted

NAMES = [
    b"plain.csv",
    b"with space and 'quote'.csv",
    "müßig 😀.csv".encode(),
    b"caf\xe9.csv",
    b"\xe9f00 'and' \\back.csv",
    b"two\nlines\tand \x1b[31m.csv",
    b"$HOME `id` \xff!",
]


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize("name", NAMES, ids=repr)
def test_a_pasted_name_is_the_name(name: bytes) -> None:
    word = pasted(os.fsdecode(name))
    word.encode()  # and can be shown
    found = subprocess.run(["bash", "-c", f"printf %s {word}"], capture_output=True, check=True)
    assert found.stdout == name


def test_what_shells_take_as_it_is_stays_so() -> None:
    assert pasted("in/a.csv") == "in/a.csv"
    assert pasted("a b") == "'a b'"
    assert pasted("\ud800") == r"$'\xed\xa0\x80'"
