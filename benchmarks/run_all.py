"""Run every benchmark, small: `python benchmarks/run_all.py [NAME…]`, the lines of `make bench`.

One after the other, each in a process of its own, with its output as it comes. Ends with 1 if one fails or
misses a target that it holds itself to, and says which. `benchmarks/README.md` says what each one shows.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
SHARED = HERE.parents[1] / "shared" / "data"

SMALL: dict[str, tuple[str, ...]] = {
    "start": ("--runs", "5"),
    "convert": ("--rows", "20000", "--runs", "3"),
    "collect": ("--rows", "10000", "--runs", "1"),
    "split": ("--small", "--runs", "3"),
    "check": ("--repeat", "1"),
    "tokens": ("--own",),
    "predict": ("--rows", "2000", "--repeat", "1"),
    "parts": ("--rows", "4000", "--more", "12000", "--per-part", "1000"),
    "evaluate": ("--small",),
    "coverage": ("--sets", "10"),
    "parts_ray": ("--parts", "6", "--rows", "5000", "--runs", "1"),
    "promise": ("--sets", "50", "--rows", "300"),
    "quality": ("--small",),
    "quality_engine": (str(SHARED), "banking77_10"),
    "engines": ("--data", "banking77_10"),
    "noise": (str(SHARED), "--seeds", "1", "--only", "banking77"),
    "label": ("--rows", "20000", "--keys", "100"),
    "serve": ("--rows", "1000", "--requests", "500"),
}
"""Arguments with which each takes a minute or so."""

NEEDS_SHARED = ("quality_engine", "engines", "noise", "serve")
"""Those that read the data sets beside the checkout, which are no part of the project."""


def main() -> int:
    """Run them, and say which failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("names", nargs="*", choices=[[], *SMALL], metavar="NAME", help=", ".join(SMALL))
    names = parser.parse_args().names or list(SMALL)
    forgotten = {path.stem for path in HERE.glob("*.py")} - {
        "run_all",
        "comments",
        "kinds",
        "fit_tokens",
        # Needs a model's folder.
        "engine_llm",
        "single_label",
        "worker_cost",
        *SMALL,
    }
    assert not forgotten, f"benchmarks that are not in the list: {', '.join(sorted(forgotten))}"
    failed = []
    for name in names:
        if name in NEEDS_SHARED and not SHARED.is_dir():
            print(f"\n=== {name}: left out, {SHARED} is not there", flush=True)
            continue
        command = (sys.executable, str(HERE / f"{name}.py"), *SMALL[name])
        print(f"\n=== {' '.join(('python', f'benchmarks/{name}.py', *SMALL[name]))}", flush=True)
        began = time.monotonic()
        code = subprocess.run(command, cwd=HERE.parent, check=False).returncode
        print(f"=== {name}: exit code {code}, {time.monotonic() - began:.0f} s", flush=True)
        if code:
            failed.append(name)
    print(
        f"\n{len(names) - len(failed)} of {len(names)} benchmarks passed"
        + "".join(f"\nfailed: {name}" for name in failed)
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
