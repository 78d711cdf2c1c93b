"""Coverage-guided fuzzing of tables and chat files, on demand: `pip install atheris`, then

    python tests/fuzz/atheris_csv.py [-max_total_time=600] [CORPUS FOLDER]

The first byte of an input says what the rest is taken for: a table of some format, which is converted, or a chat
file, which is checked. It starts from a few good files; what it finds beyond them stays in the corpus folder, if one is
named. An input that must not happen is written to the working folder as `crash-…`, and tried again with
`python tests/fuzz/atheris_csv.py crash-…`. Other options are those of libFuzzer (`-help=1`).

Not part of the suite: it runs for as long as it is let, and atheris has wheels for Linux and CPython up to 3.13 only.
"""

from __future__ import annotations

import sys
import tempfile
from importlib import import_module
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
TABLES = ("t.csv", "t.tsv", "t.jsonl", "t.csv.gz", "t.xlsx", "t.parquet")
CHAT = len(TABLES)
"""The first byte of chat files."""


def main() -> int:
    """Run until stopped. libFuzzer ends the process itself, with another code than 0 if it found something."""
    try:
        atheris = import_module("atheris")
    except ImportError:
        sys.stderr.write("atheris is not installed: pip install atheris\n")
        return 2
    sys.path.insert(0, str(TESTS))
    # The instruments stay on while it runs: readers of a format are imported when it is first met.
    with atheris.instrument_imports(include=["labeltune"]), tempfile.TemporaryDirectory() as name:
        from fuzz.corpus import is_checked, survives
        from tasks import INTENT

        folder = Path(name)

        def one(data: bytes) -> None:
            if not data:
                return
            kind, content = data[0] % (CHAT + 1), data[1:]
            if kind == CHAT:
                is_checked(INTENT, folder / "c.jsonl", content)
            else:
                survives(INTENT, folder / TABLES[kind], content, folder)

        atheris.Setup([*sys.argv, *_seeds(folder)], one)
        atheris.Fuzz()
    return 0


def _seeds(folder: Path) -> list[str]:
    """A folder of good files to start from, as an argument; none where files to try again are named."""
    from fuzz.corpus import good_files

    if any(Path(argument).is_file() for argument in sys.argv[1:]):
        return []
    seeds = folder / "seeds"
    seeds.mkdir()
    for number, content in enumerate(good_files(folder, TABLES)):
        (seeds / str(number)).write_bytes(bytes([number]) + content)
    return [str(seeds)]


if __name__ == "__main__":
    sys.exit(main())
