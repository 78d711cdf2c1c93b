"""How often an interval of 95 % holds the true value, on test sets drawn from processes that are known.

    python benchmarks/coverage.py [--sets 40] [--process rare] [--columns 6x300,50x300]

Three tables: ways to an interval of macro-F1 by number of labels and rows, with scipy's own bootstrap in one
column; every metric by the way that labeltune takes; the calibration error. Then the false alarms of paired
comparisons between models that are equal. `--only wide` is another table: labeltune's intervals for many
processes, single and multi, with how often the true value was held, lay below and above, and the mean width.
With `--sets 200` the figures of benchmarks/README.md. No targets but those, no verdict: a share of 40 sets is
known to about 0.07 only.
"""

from __future__ import annotations

import argparse
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from labeltune.evaluation.metrics.calibration import calibration_error, calibration_interval, reliability
from labeltune.evaluation.metrics.intervals import percentile_interval, resamples
from labeltune.evaluation.metrics.paired import compare_paired
from labeltune.evaluation.metrics.patterns import one_hot
from labeltune.evaluation.metrics.quality import Shape, measure, pattern_pairs
from labeltune.evaluation.metrics.scores import CLASS_METRICS, VECTOR_METRICS, Pairs, Totals, label_scores

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Array = NDArray[Any]
Ends = tuple[float, float]
COLUMNS = ((6, 300), (20, 160), (20, 400), (50, 300), (77, 770), (30, 90))
SCIPY_COLUMN = (20, 160)
PROCESSES = ("zipf", "even", "rare", "good", "poor", "frequent", "mixed", "neighbours", "uniform")
MULTI_PROCESSES = {"multi": 0.8, "multi-poor": 0.45, "multi-good": 0.95}
"""Mean precision and recall of a label."""
WIDE = (
    *((process, *column) for process in ("zipf", "even", "rare", "good", "poor") for column in COLUMNS[:5]),
    ("zipf", 30, 90),
    ("zipf", 2, 80),
    ("good", 3, 60),
    ("zipf", 150, 1500),
    *((process, 40, 400) for process in ("frequent", "mixed", "neighbours", "uniform")),
    *((process, *column) for process in MULTI_PROCESSES for column in ((10, 200), (28, 400), (28, 1000))),
)
SETS_OF_ONE_PROCESS = 5
RESAMPLES = 500
METRICS = {**VECTOR_METRICS, **CLASS_METRICS}


def joint(n_labels: int, process: str, generator: np.random.Generator) -> Array:
    """How likely each pair of true (lines) and predicted label is.

    Labels are as frequent as words (1 / rank to some power), each with a recall of its own, and confused with
    some others more than with the rest. `rare` makes the rare ones harder, `frequent` the frequent ones, and
    with `mixed` three of ten are hardly ever found. `neighbours` are confused with two others each, `uniform`
    with all alike.
    """
    rank = np.arange(1, n_labels + 1)
    share = rank ** (0.0 if process == "even" else -1.0 if n_labels <= 20 else -0.8)
    share = share / share.sum()
    mean = {"good": 0.95, "poor": 0.55}.get(process, 0.8)
    recall = generator.beta(12 * mean, 12 * (1 - mean), n_labels)
    if process == "rare":
        recall = 0.92 - 0.4 * np.log(rank) / np.log(n_labels) + generator.normal(0, 0.05, n_labels)
        recall = recall.clip(0.1, 0.98)
    if process == "frequent":
        recall = 0.6 + 0.35 * np.log(rank) / np.log(n_labels) + generator.normal(0, 0.05, n_labels)
        recall = recall.clip(0.1, 0.98)
    if process == "mixed":
        poor = generator.random(n_labels) < 0.3
        recall = np.where(poor, generator.beta(2, 8, n_labels), generator.beta(18, 2, n_labels))
    table = generator.dirichlet(np.full(n_labels, 0.3), n_labels) * np.sqrt(share)
    if process == "neighbours":
        table = 0.6 * np.roll(np.eye(n_labels), 1, axis=1) + 0.4 * np.roll(np.eye(n_labels), -1, axis=1)
    if process == "uniform":
        table = np.ones((n_labels, n_labels))
    np.fill_diagonal(table, 0)
    table *= (share * (1 - recall) / table.sum(axis=1))[:, None]
    np.fill_diagonal(table, share * recall)
    return np.asarray(table)


def pairs_of(codes: Array, n_labels: int) -> Pairs:
    """Rows (n,) whose codes are true · n_labels + predicted."""
    true, pred = np.divmod(codes, n_labels)
    return Pairs(one_hot(true, n_labels), one_hot(pred, n_labels), np.ones(len(codes), dtype=bool))


def true_values(table: Array) -> tuple[dict[str, float], Any]:
    """Every metric, and the scores of labels, of the process itself."""
    n_labels = len(table)
    totals = Totals.of(pairs_of(np.arange(n_labels**2), n_labels), table.ravel())
    return {name: float(metric(totals)) for name, metric in METRICS.items()}, label_scores(totals)


def mean_f1(totals: Totals) -> Array:
    """Macro-F1 over the labels that are there."""
    there = (totals.true + totals.pred > 0).sum(axis=-1)
    total: Array = label_scores(totals).f1.sum(axis=-1) / there
    return total


def bias_corrected(values: Array, point: float) -> Ends:
    """Efron's BC percentiles."""
    from scipy.special import ndtr, ndtri

    share = ((values < point).mean() + (values <= point).mean()) / 2
    shift = 2 * ndtri(np.clip(share, 1 / len(values), 1 - 1 / len(values)))
    low, high = np.quantile(values, ndtr([shift - 1.96, shift + 1.96]))
    return float(low), float(high)


def scipy_bca(codes: Array, n_labels: int) -> Ends:
    """The BCa interval of scipy, of the macro-F1 over the labels that are there."""
    from scipy.stats import bootstrap

    def score(rows: Array, axis: int = -1) -> Array:
        flat = np.moveaxis(rows, axis, -1).reshape(-1, rows.shape[axis])
        numbers = flat + n_labels**2 * np.arange(len(flat))[:, None]
        counts = np.bincount(numbers.ravel(), minlength=n_labels**2 * len(flat))
        square = counts.reshape(-1, n_labels, n_labels)
        hits, size = np.einsum("kii->ki", square), square.sum(axis=1) + square.sum(axis=2)
        f1 = np.divide(2 * hits, size, out=np.zeros(size.shape), where=size > 0)
        mean: Array = f1.sum(axis=1) / (size > 0).sum(axis=1)
        return mean.reshape(np.delete(rows.shape, axis))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = bootstrap((codes,), score, n_resamples=RESAMPLES, method="BCa", rng=np.random.default_rng(1))
    return float(found.confidence_interval.low), float(found.confidence_interval.high)


def ways(codes: Array, n_labels: int) -> dict[str, Ends]:
    """Intervals of macro-F1 by the ways that were tried first."""
    lines, patterns = pattern_pairs(pairs_of(codes, n_labels))
    draws = [Totals.of(lines, weights) for weights in resamples(patterns, count=RESAMPLES, seed=1)]
    point = float(mean_f1(Totals.of(lines, patterns.counts)))
    there = np.concatenate([mean_f1(one) for one in draws])
    low, high = percentile_interval(there)
    absent = np.concatenate([VECTOR_METRICS["macro_f1"](one) for one in draws])
    return {
        "percentiles, absent = 0": tuple(percentile_interval(absent)),
        "percentiles, labels there": (low, high),
        "basic, labels there": (2 * point - high, 2 * point - low),
        "bias-corrected, labels there": bias_corrected(there, point),
    }


class Counts:
    """How often a true value was held, by line and column of a table."""

    def __init__(self) -> None:
        self.held: dict[str, dict[str, list[float]]] = {}

    def add(self, line: str, column: str, held: Any) -> None:
        """One test set: whether its interval held, or which of its intervals did."""
        self.held.setdefault(line, {}).setdefault(column, []).append(float(np.mean(held)))

    def show(self, title: str) -> None:
        """Print the table."""
        columns = list(dict.fromkeys(column for line in self.held.values() for column in line))
        width = max(len(line) for line in self.held)
        print(f"{title:{width}}" + "".join(f"{column:>11}" for column in columns))
        for name, line in self.held.items():
            cells = (f"{np.mean(line[one]):11.3f}" if one in line else f"{'':11}" for one in columns)
            print(f"{name:{width}}" + "".join(cells), flush=True)
        print()


def of_metrics(columns: Sequence[tuple[int, int]], process: str, sets: int) -> None:
    """The first two tables."""
    macro, every = Counts(), Counts()
    for n_labels, rows in columns:
        generator = np.random.default_rng([n_labels, rows])
        column = f"{n_labels} x {rows}"
        shape = Shape("f", tuple(map(str, range(n_labels))), slice(0, n_labels), single=True)
        for number in range(sets):
            if number % SETS_OF_ONE_PROCESS == 0:
                table = joint(n_labels, process, generator)
                true, labels = true_values(table)
            codes = generator.choice(n_labels**2, rows, p=table.ravel())
            found = ways(codes, n_labels)
            if (n_labels, rows) == SCIPY_COLUMN:
                found["scipy's BCa, labels there"] = scipy_bca(codes, n_labels)
            quality = measure(*pattern_pairs(pairs_of(codes, n_labels)), [shape], bootstrap=RESAMPLES)
            ours = quality.intervals["macro_f1"]
            found["labeltune"] = (ours.low, ours.high)
            for name, (low, high) in found.items():
                macro.add(name, column, low <= true["macro_f1"] <= high)
            for name, one in quality.intervals.items():
                every.add(name, column, one.low <= true[name] <= one.high)
            for name, (lows, highs) in quality.fields[0].score_intervals.items():
                value = getattr(labels, name)
                every.add(f"{name} of a label", column, (lows <= value) & (value <= highs))
    macro.show(f"macro-F1, {process}")
    every.show("labeltune's")


class MultiProcess:
    """A multi field, `rows` of it at a time: labels are true and found independently."""

    def __init__(self, n_labels: int, quality: float, generator: np.random.Generator) -> None:
        self.generator = generator
        self.true = 0.4 * np.arange(1, n_labels + 1) ** -0.8
        self.found = self.true * generator.beta(12 * quality, 12 * (1 - quality), n_labels)
        precision = generator.beta(12 * quality, 12 * (1 - quality), n_labels).clip(0.05)
        self.false = (self.found * (1 / precision - 1)).clip(0, 0.9 * (1 - self.true))

    def rows(self, rows: int) -> Pairs:
        """Draw a test set."""
        true = self.generator.random((rows, len(self.true))) < self.true
        chance = np.where(true, self.found / self.true, self.false / (1 - self.true))
        pred = self.generator.random(true.shape) < chance
        return Pairs(true, pred, np.ones(rows, dtype=bool))

    def true_values(self) -> dict[str, float]:
        """The averages of the process itself."""
        hits, size = 2 * self.found, self.true + self.found + self.false
        f1 = hits / size
        return {
            "macro_f1": f1.mean(),
            "weighted_f1": (f1 * self.true).sum() / self.true.sum(),
            "micro_f1": hits.sum() / size.sum(),
        }


def of_processes(sets: int) -> None:
    """The wide table."""
    names = ("macro_f1", "weighted_f1", "micro_f1", "kappa", "mcc", "balanced_accuracy")
    print(f"{'held, below, above, width':26}" + "".join(f"{name:>26}" for name in names))
    for process, n_labels, rows in WIDE:
        generator = np.random.default_rng([n_labels, rows, 7])
        single = process not in MULTI_PROCESSES
        shape = Shape("f", tuple(map(str, range(n_labels))), slice(0, n_labels), single=single)
        found: dict[str, list[tuple[float, float, float]]] = {name: [] for name in names}
        for number in range(sets):
            if number % SETS_OF_ONE_PROCESS == 0 and single:
                table = joint(n_labels, process, generator)
                true, _ = true_values(table)
            elif number % SETS_OF_ONE_PROCESS == 0:
                many = MultiProcess(n_labels, MULTI_PROCESSES[process], generator)
                true = many.true_values()
            if single:
                pairs = pairs_of(generator.choice(n_labels**2, rows, p=table.ravel()), n_labels)
            else:
                pairs = many.rows(rows)
            quality = measure(*pattern_pairs(pairs), [shape], bootstrap=RESAMPLES // 2)
            for name in found.keys() & true.keys():
                one = quality.intervals[name]
                found[name].append((true[name] < one.low, true[name] > one.high, one.high - one.low))
        cells = []
        for each in found.values():
            below, above, width = np.mean(each, axis=0) if each else (np.nan,) * 3
            cells.append(f"{1 - below - above:8.3f}{below:6.3f}{above:6.3f}{width:6.3f}" if each else "")
        print(f"{f'{process} {n_labels} x {rows}':26}" + "".join(f"{cell:>26}" for cell in cells), flush=True)


def of_calibration(sets: int) -> None:
    """The third table: shapes of miscalibration by number of rows."""
    held = Counts()
    shapes: dict[str, Callable[[Array], Array]] = {
        "calibrated": lambda sure: sure,
        "3 % too sure": lambda sure: 0.97 * sure,
        "too sure where unsure": lambda sure: sure**1.5,
        "12 points too sure": lambda sure: (sure - 0.12).clip(0, 1),
    }
    for rows in (60, 200, 1000, 5000):
        for name, right in shapes.items():
            generator = np.random.default_rng(rows)
            many = generator.beta(4, 1.2, 400_000)
            place = np.minimum((many * 15).astype(int), 14)
            error = np.abs(np.bincount(place, right(many) - many)).sum() / len(many)
            for _ in range(sets):
                sure = generator.beta(4, 1.2, rows)
                bins = reliability(sure, generator.random(rows) < right(sure))
                one = calibration_interval(bins, bootstrap=RESAMPLES, seed=1)
                assert one is not None
                assert one.low <= calibration_error(bins) <= one.high
                held.add(name, f"{rows} rows", one.low <= error <= one.high)
    held.show("calibration error")


def of_pairs(sets: int) -> None:
    """False alarms of comparisons between models that are equally good, 50 labels and 300 rows."""
    generator = np.random.default_rng(11)
    alarms = 0
    n_labels, rows = 50, 300
    for _ in range(sets):
        table = joint(n_labels, "zipf", generator)
        share = table / table.sum(axis=1, keepdims=True)
        true = generator.choice(n_labels, rows, p=table.sum(axis=1))
        both = []
        for _model in range(2):
            said = (
                (generator.random((rows, 1)) > share[true].cumsum(axis=1)).sum(axis=1).clip(0, n_labels - 1)
            )
            both.append((pairs_of(true * n_labels + said, n_labels), np.arange(rows)))
        metrics = {"macro_f1": VECTOR_METRICS["macro_f1"]}
        result = compare_paired(both[0], both[1], metrics, bootstrap=RESAMPLES, seed=1)
        one = result.differences["macro_f1"]
        alarms += one.low > 0 or one.high < 0
    print(f"false alarms in {sets} pairs of equal models, {n_labels} x {rows}: {alarms}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--sets", type=int, default=40, help="test sets of each column")
    parser.add_argument("--process", choices=PROCESSES, default="zipf")
    parser.add_argument("--columns", help="such as 6x300,50x300")
    parser.add_argument("--only", choices=("metrics", "calibration", "pairs", "wide"))
    asked = parser.parse_args()
    columns: tuple[tuple[int, int], ...] = COLUMNS
    if asked.columns:
        sizes = (one.split("x") for one in asked.columns.split(","))
        columns = tuple((int(n_labels), int(rows)) for n_labels, rows in sizes)
    if asked.only in (None, "metrics"):
        of_metrics(columns, asked.process, asked.sets)
    if asked.only == "wide":
        of_processes(asked.sets)
    if asked.only in (None, "calibration"):
        of_calibration(asked.sets)
    if asked.only in (None, "pairs"):
        of_pairs(asked.sets)


if __name__ == "__main__":
    main()
