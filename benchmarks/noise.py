"""How well `check --noise` finds wrong labels, beside cleanlab on the same out-of-fold probabilities.

    python benchmarks/noise.py [DATA_FOLDER] [--engine linear] [--seeds 3]

Some labels are changed at random. Precision among the first 5 % of the rows, as cleanlab and as labeltune
rank them; how many wrong labels each expects; CPU seconds of learning, and of what follows it.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import sys
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import numpy as np

from labeltune.local.cross_validation import cross_validate
from labeltune.local.engines import Base
from labeltune.studies import doubts
from labeltune.studies.doubts import doubt_question, folds_of
from labeltune.task import parse_task
from labeltune.task.corrections import questions_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from labeltune.local.engines import HeldOut
    from labeltune.task import Task
    from labeltune.task.labels import Labels

FIRST = 0.05
SHARES = (0.05, 0.1)
PROMPT = '[prompt]\nuser = "{text}"\n\n[answer]\nformat = "json"\n'


def single_task(labels: list[str]) -> Task:
    return parse_task(
        'version = 1\ntext = ["text"]\n\n[[field]]\nname = "label"\ntype = "single"\ncolumn = "label"\n'
        f"labels = {labels!r}\n\n{PROMPT}"
    )


def multi_task(labels: list[str]) -> Task:
    return parse_task(
        'version = 1\ntext = ["text"]\n\n[[field]]\nname = "labels"\ntype = "multi"\n'
        f"columns = {labels!r}\nlabels = {labels!r}\n\n{PROMPT}"
    )


def read_banking77(folder: Path) -> tuple[Task, list[str], list[Labels]]:
    with (folder / "banking77" / "train.csv").open(encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle))
    task = single_task(sorted({row["label"] for row in rows}))
    return task, [row["text"] for row in rows], [((row["label"],),) for row in rows]


def read_goemotions(folder: Path) -> tuple[Task, list[str], list[Labels]]:
    with (folder / "goemotions" / "dev.csv").open(encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle))
    names = sorted({label for row in rows for label in row["labels"].split("|")})
    own = [row["labels"].split("|") for row in rows]
    labels: list[Labels] = [(tuple(name for name in names if name in some),) for some in own]
    return multi_task(names), [row["text"] for row in rows], labels


def changed(task: Task, labels: list[Labels], share: float, seed: int) -> list[Labels]:
    """The labels with those of a share of the rows changed: to another one, or one of several turned."""
    chance = np.random.default_rng(seed)
    field = task.fields[0]
    result = list(labels)
    for row in chance.permutation(len(labels))[: round(share * len(labels))].tolist():
        own = labels[row][0]
        if field.type == "single":
            others = [label for label in field.labels if label not in own]
            result[row] = ((others[chance.integers(len(others))],),)
        else:
            turned = field.labels[chance.integers(len(field.labels))]
            result[row] = (tuple(label for label in field.labels if (label in own) != (label == turned)),)
    return result


def precision(scores: NDArray[Any], wrong: NDArray[Any]) -> float:
    """Of the first 5 % of the rows, the lowest scores first: the share of wrong ones."""
    first = np.argsort(np.nan_to_num(scores, nan=np.inf), kind="stable")[: round(FIRST * len(wrong))]
    return float(wrong[first].mean())


def by_cleanlab(task: Task, labels: list[Labels], held_out: HeldOut) -> tuple[NDArray[Any], int]:
    """Its scores, and how many wrong labels it expects."""
    from cleanlab.count import num_label_issues
    from cleanlab.multilabel_classification.rank import get_label_quality_scores as of_several
    from cleanlab.rank import get_label_quality_scores as of_one

    field = task.fields[0]
    names = [name.strip('"') for name in held_out.heads[0]]
    probabilities = held_out.probabilities[:, [names.index(label) for label in field.labels]]
    if field.type == "single":
        given = np.array([field.labels.index(own[0][0]) for own in labels])
        scores = of_one(given, probabilities, method="self_confidence")
        return scores, num_label_issues(given, probabilities)
    several = [[field.labels.index(label) for label in own[0]] for own in labels]
    return of_several(several, probabilities), num_label_issues(several, probabilities, multi_label=True)


class Kept:
    """Keeps what an engine said, so that the rival judges the very same."""

    def __init__(self) -> None:
        self.said: HeldOut | None = None
        self.cpu = 0.0

    def __call__(self, *args: Any, **options: Any) -> HeldOut:
        """See `cross_validate`."""
        start = time.process_time()
        self.said = cross_validate(*args, **options)
        self.cpu = time.process_time() - start
        return self.said


def one_run(
    task: Task, texts: list[str], labels: list[Labels], share: float, seed: int, base: Base
) -> list[float]:
    kept = Kept()
    told = changed(task, labels, share, seed)
    wrong = np.array([own != true for own, true in zip(told, labels, strict=True)])
    start = time.process_time()
    fold = folds_of(task, texts, told, None, folds=5, seed=42, source="benchmark")
    (question,) = questions_of(task)
    with patch.object(doubts, "cross_validate", kept):  # the same, overheard
        doubt = doubt_question(question, texts, told, fold, base=base, seed=42)
    ours = time.process_time() - start - kept.cpu
    assert kept.said is not None
    start = time.process_time()
    scores, count = by_cleanlab(task, told, kept.said)
    theirs = time.process_time() - start
    found = (precision(doubt.given, wrong), precision(scores, wrong), doubt.wrong.sum(), count, wrong.sum())
    return [*map(float, found), kept.cpu, ours, theirs]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", nargs="?", default="../shared/data", type=Path)
    parser.add_argument("--engine", default="linear")
    parser.add_argument("--seeds", default=3, type=int)
    parser.add_argument("--only", choices=("banking77", "goemotions"))
    args = parser.parse_args()
    if not args.folder.is_dir():
        print(f"{args.folder}: no such folder; left out")
        return 0
    warnings.filterwarnings("ignore")
    try:
        import cleanlab  # noqa: F401  # the rival
    except ImportError:
        print("cleanlab is not installed: there is nothing to compare with; left out")
        return 0
    missed = False
    print(f"{args.engine}, medians of {args.seeds} seeds; the first {FIRST:.0%} of the rows")
    print(
        f"{'data':>11}{'changed':>9}{'precision':>11}{'cleanlab':>10}{'expected':>10}{'cleanlab':>10}"
        f"{'changed':>9}{'learning':>10}{'ours':>8}{'cleanlab':>10}"
    )
    for name, read in (("banking77", read_banking77), ("goemotions", read_goemotions)):
        if args.only not in (None, name):
            continue
        data = read(args.folder)
        for share in SHARES:
            runs = [one_run(*data, share, seed, Base.parse(args.engine)) for seed in range(args.seeds)]
            middle = [statistics.median(column) for column in zip(*runs, strict=True)]
            ours, theirs, expected, count, wrong, *cpu = middle
            below = any(run[0] < run[1] for run in runs)
            missed = missed or below
            print(
                f"{name:>11}{share:>9.0%}{ours:>11.3f}{theirs:>10.3f}{expected:>10.0f}{count:>10.0f}{wrong:>9.0f}"
                f"{cpu[0]:>9.1f}s{cpu[1]:>7.2f}s{cpu[2]:>9.2f}s" + ("   below cleanlab" if below else ""),
                flush=True,
            )
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
