"""Coverage-guided fuzzing of tables, on demand: `pip install atheris`, then

    python tests/fuzz/atheris_csv.py [-max_total_time=600] [CORPUS FOLDER]

The first byte of an input says which format the rest is taken for. Not part of the suite: it runs for as long as it
is let, and atheris does not exist for every platform.
"""

from __future__ import annotations

import sys
import tempfile
from importlib import import_module
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
NAMES = ("t.csv", "t.tsv", "t.jsonl", "t.csv.gz", "t.xlsx", "t.parquet")


def main() -> int:
    """Run until stopped; an input that must not happen is written to the working folder."""
    try:
        atheris = import_module("atheris")
    except ImportError:
        sys.stderr.write("atheris is not installed: pip install atheris\n")
        return 2
    sys.path.insert(0, str(TESTS))
    with atheris.instrument_imports(include=["labeltune"]):
        from fuzz.corpus import survives
        from tasks import INTENT

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)

        def one(data: bytes) -> None:
            if data:
                survives(INTENT, folder / NAMES[data[0] % len(NAMES)], data[1:], folder)

        atheris.Setup(sys.argv, one)
        atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
