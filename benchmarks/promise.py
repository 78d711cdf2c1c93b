"""How often the confidence that `thresholds` chooses keeps its promise, on processes that are known.

    python benchmarks/promise.py [--sets 300] [--rows 150,300,1000,5000]

Each cell: the share of files whose chosen limit breaks the promise on new rows, and the mean share of new
rows that it calls sure (0 where there is no limit). Ways: the lowest cut that is right often enough on the
rows of the choice; the lowest whose own 95 % bound is; that of labeltune. Last, what could be kept if the
process were known.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc

from labeltune.evaluation.metrics.promise import choose_promise

if TYPE_CHECKING:
    from collections.abc import Callable

Array = NDArray[Any]
ACCURACY = 0.95
PROCESSES: dict[str, tuple[Callable[[np.random.Generator, int], Array], Callable[[Array], Array]]] = {
    "calibrated": (lambda source, n: source.beta(4, 0.8, n), lambda sure: sure),
    "good": (lambda source, n: source.beta(8, 0.5, n), lambda sure: sure),
    "overconfident": (lambda source, n: source.beta(8, 0.5, n), lambda sure: sure**3),
    "two kinds": (lambda source, n: source.random(n), lambda sure: np.where(sure > 0.4, 0.955, 0.9)),
    "just short": (lambda source, n: source.random(n), lambda sure: 0 * sure + 0.949),
    "reversed": (lambda source, n: source.random(n), lambda sure: 0.98 - 0.1 * sure),
    "four values": (lambda source, n: source.choice([0.5, 0.7, 0.9, 0.99], n), lambda sure: sure),
}


def cuts(sure: Array, right: Array) -> tuple[Array, Array, Array]:
    """Of each cut the lowest confidence kept, the rows kept, and how many of them are right."""
    order = np.argsort(-sure, kind="stable")
    ranked, hits = sure[order], np.cumsum(right[order])
    kept = np.append(np.flatnonzero(ranked[1:] != ranked[:-1]) + 1, len(ranked))
    return ranked[kept - 1], kept, hits[kept - 1]


def by_share(sure: Array, right: Array) -> float | None:
    lowest, kept, hits = cuts(sure, right)
    good = np.flatnonzero(hits / kept >= ACCURACY)
    return float(lowest[good[-1]]) if good.size else None


def by_bound(sure: Array, right: Array) -> float | None:
    lowest, kept, hits = cuts(sure, right)
    chance = np.where(hits > 0, betainc(np.maximum(hits, 0.5), kept - hits + 1.0, ACCURACY), 1.0)
    good = np.flatnonzero(chance <= 0.05)
    return float(lowest[good[-1]]) if good.size else None


def by_labeltune(sure: Array, right: Array) -> float | None:
    promise = choose_promise(sure, right, accuracy=ACCURACY)
    return None if promise is None else promise.below


WAYS = {"share": by_share, "own bound": by_bound, "labeltune": by_labeltune}


def measure(process: str, rows: int, sets: int) -> list[str]:
    """The cells of one line."""
    draw, accuracy = PROCESSES[process]
    many = np.sort(draw(np.random.default_rng(1), 400_000))[::-1]
    true = np.cumsum(accuracy(many)) / np.arange(1, len(many) + 1)
    broken, kept = dict.fromkeys(WAYS, 0), dict.fromkeys(WAYS, 0.0)
    source = np.random.default_rng(7)
    for _ in range(sets):
        sure = draw(source, rows)
        right = source.random(rows) < accuracy(sure)
        for name, way in WAYS.items():
            limit = way(sure, right)
            count = 0 if limit is None else int((many >= limit).sum())
            broken[name] += count > 0 and true[count - 1] < ACCURACY
            kept[name] += count / len(many) / sets
    good = np.flatnonzero(true >= ACCURACY)
    best = (good[-1] + 1) / len(many) if good.size else 0.0
    return [*(f"{broken[name] / sets:.2f} · {kept[name]:.2f}" for name in WAYS), f"{best:.2f}"]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sets", type=int, default=100)
    parser.add_argument("--rows", default="150,300,1000")
    asked = parser.parse_args()
    print("".join(f"{name:>18}" for name in ("process", "rows", *WAYS, "could be kept")))
    for process in PROCESSES:
        for rows in map(int, asked.rows.split(",")):
            cells = measure(process, rows, asked.sets)
            print("".join(f"{cell:>18}" for cell in (process, str(rows), *cells)), flush=True)


if __name__ == "__main__":
    main()
