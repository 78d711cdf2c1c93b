"""Fit the weights by which tokens are estimated, and tell how far off they are on kinds that they were not
fitted to.

    python benchmarks/fit_tokens.py [--penalty 0.001] [--write]

Weights are found by ridge regression: each kind of text counts alike, the error that counts is that of the
total as a share of it. Printed for each kind is the error of weights that were fitted to all others: with
the kind itself left out ("kind"), and for languages with all texts in the language left out, messages and
sentences alike ("language"). A script of which only one language is known cannot be estimated without it.
Needs the extra `[tokens]`; `--write` writes the weights of all kinds into the package.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kinds import all_kinds, language_of
from labeltune.pricing import pairs
from labeltune.pricing.tokens import JoinedTexts, token_counter

if TYPE_CHECKING:
    from numpy.typing import NDArray

WEIGHTS = Path(pairs.__file__).with_name("pair_weights.json")
PIECE = 1_000
"""Characters of the pieces that a kind is cut into, so that a kind of mixed texts says more than its
mean."""


def pieces(texts: list[str]) -> list[list[str]]:
    """Neighbouring texts together until they are long enough; what is left over goes with the last."""
    cut: list[list[str]] = [[]]
    for text in texts:
        if sum(map(len, cut[-1])) >= PIECE:
            cut.append([])
        cut[-1].append(text)
    if len(cut) > 1 and sum(map(len, cut[-1])) < PIECE:
        cut[-2].extend(cut.pop())
    return cut


def features(texts: list[str]) -> dict[str, float]:
    """How often each weight is added up for these texts."""
    found = pairs.classes(JoinedTexts(texts).content)
    sums: dict[str, float] = {}
    counts = pairs.pair_counts(found)
    for first, second in np.argwhere(counts).tolist():
        for name in pairs.pair_terms(first, second):
            sums[name] = sums.get(name, 0.0) + float(counts[first, second])
    positions = zip(pairs.RUN_TERMS, pairs.run_positions(found).tolist(), strict=True)
    return sums | {name: float(count) for name, count in positions if name and count}


class Fit:
    """Sums over each kind of text, from which weights without any of them are soon found."""

    def __init__(self, kinds: dict[str, list[str]]) -> None:
        counter = token_counter(mode="exact")
        rows = [
            (kind, features(piece), counter.total(piece))
            for kind, texts in kinds.items()
            for piece in pieces(texts)
        ]
        self.names = sorted({name for _, row, _ in rows for name in row})
        place = {name: at for at, name in enumerate(self.names)}
        counts = np.zeros((len(rows), len(self.names)))
        for at, (_, row, _) in enumerate(rows):
            counts[at, [place[name] for name in row]] = list(row.values())
        totals = np.array([total for _, _, total in rows])
        of_kind = np.array([kind for kind, _, _ in rows])
        self.totals = {kind: totals[of_kind == kind].sum() for kind in kinds}
        self.counts = {kind: counts[of_kind == kind].sum(axis=0) for kind in kinds}
        self._squares, self._sums = {}, {}
        for kind in kinds:
            share = counts[of_kind == kind] / totals[of_kind == kind, None]
            self._squares[kind] = share.T @ share / len(share)
            self._sums[kind] = share.mean(axis=0)
        self._square, self._sum = sum(self._squares.values()), sum(self._sums.values())

    def weights(self, penalty: float, without: tuple[str, ...] = ()) -> NDArray[np.float64]:
        """One weight for each of `names`, fitted to all kinds but these."""
        square, sums = self._square.copy(), self._sum.copy()
        for kind in without:
            square -= self._squares[kind]
            sums -= self._sums[kind]
        square[np.diag_indices_from(square)] += penalty
        return np.linalg.solve(square, sums)

    def error(self, kind: str, weights: NDArray[np.float64]) -> float:
        """How far the estimate of a kind's total is off, as a share of it."""
        return float(self.counts[kind] @ weights / self.totals[kind] - 1)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--penalty", type=float, default=0.001, help="how much weights are kept near zero")
    parser.add_argument("--write", action="store_true", help="write the weights into the package")
    arguments = parser.parse_args()
    kinds = all_kinds()
    fit = Fit(kinds)
    fitted = fit.weights(arguments.penalty)
    by_language: dict[str, list[str]] = {}
    for kind in kinds:
        by_language.setdefault(language_of(kind) or kind, []).append(kind)
    print(f"{len(kinds)} kinds, {len(fit.names):,} weights\n{'':24}{'fitted':>8}{'kind':>8}{'language':>10}")
    errors: list[tuple[float, float]] = []
    for same in by_language.values():
        without_all = fit.weights(arguments.penalty, tuple(same))
        for kind in same:
            alone = without_all if len(same) == 1 else fit.weights(arguments.penalty, (kind,))
            errors.append((fit.error(kind, alone), fit.error(kind, without_all)))
            second = f"{errors[-1][1]:>+10.1%}" if language_of(kind) else ""
            print(f"{kind:24}{fit.error(kind, fitted):>+8.1%}{errors[-1][0]:>+8.1%}{second}")
    for what, column in (("the kind", 0), ("the language", 1)):
        off = np.abs([error[column] for error in errors])
        print(f"without {what}: median {np.median(off):.1%}, {np.sum(off <= 0.1)} of {len(off)} within 10 %")
    if arguments.write:
        rounded = {name: round(float(weight), 3) for name, weight in zip(fit.names, fitted, strict=True)}
        WEIGHTS.write_text(
            json.dumps({name: weight for name, weight in rounded.items() if weight}, indent=0) + "\n",
            encoding="utf-8",
        )
        print(f"written: {WEIGHTS.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
