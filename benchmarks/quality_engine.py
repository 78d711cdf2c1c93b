"""What the engine `linear` reaches and costs, without the pipeline around it.

    python benchmarks/quality_engine.py ../shared/data banking77 banking77_10 goemotions goemotions_cv

Prints one line per data set: quality on the official test part, and CPU seconds. `banking77_10` trains with
ten examples per label, `goemotions_cv` tunes thresholds without a validation file, `large` is made up, of
160,000 rows and 6 labels.
"""

from __future__ import annotations

import csv
import json
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from sklearn.metrics import accuracy_score, f1_score

from labeltune.local.engines import Hyperparameters
from labeltune.local.engines.linear.engine import Linear

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from labeltune.local.engines import Record

SYSTEM = {"role": "system", "content": "Classify the text."}


def record(text: str, answer: str) -> Record:
    return [
        SYSTEM,
        {"role": "user", "content": f"Text: {text}\nLabel:"},
        {"role": "assistant", "content": answer},
    ]


def read(path: Path, label: str, swap: tuple[str, str] = ("", "")) -> list[Record]:
    with path.open(encoding="utf-8", newline="") as lines:
        return [
            record(row["text"], row[label].replace(*swap) if swap[0] else row[label])
            for row in csv.DictReader(lines)
        ]


def banking(data: Path, file: str) -> dict[str, float]:
    folder = data / "banking77"
    test = read(folder / "test.csv", "label")
    answers, costs = measure(read(folder / file, "label"), [], test)
    truth = [row[-1]["content"] for row in test]
    texts = [text for text, _ in answers]
    right = np.array([text == true for text, true in zip(texts, truth, strict=True)])
    sure = np.exp([logprob for _, logprob in answers])
    return {
        "accuracy": accuracy_score(truth, texts),
        "macro_f1": f1_score(truth, texts, average="macro"),
        "ece": calibration_error(sure, right),
        **costs,
    }


def goemotions(data: Path, validate: bool) -> dict[str, float]:
    folder = data / "goemotions"
    parts = {part: read(folder / f"{part}.csv", "labels", ("|", ",")) for part in ("train", "dev", "test")}
    answers, costs = measure(parts["train"], parts["dev"] if validate else [], parts["test"])
    labels = (folder / "labels.txt").read_text().split()
    truth = np.array([[label in row[-1]["content"].split(",") for label in labels] for row in parts["test"]])
    named = np.array([[label in text.split(",") for label in labels] for text, _ in answers])
    return {
        "macro_f1": f1_score(truth, named, average="macro", zero_division=0),
        "micro_f1": f1_score(truth, named, average="micro"),
        **costs,
    }


def large(_data: Path) -> dict[str, float]:
    rng = np.random.default_rng(0)
    letters = np.array(list("etaoinshrdlucmfwypvbgkjqxz"))
    share = np.linspace(2, 0.05, 26)
    words = np.array(
        [
            "".join(rng.choice(letters, size=rng.integers(2, 11), p=share / share.sum()))
            for _ in range(300_000)
        ]
    )
    labels = np.array(["toxic", "severe_toxic", "obscene", "threat", "insult", "identity_hate"])
    records = []
    for _ in range(160_000):
        drawn = np.minimum(rng.zipf(1.25, size=rng.integers(10, 125)), len(words)) - 1
        holds = rng.random(6) < np.array([0.1, 0.01, 0.05, 0.003, 0.05, 0.009])
        drawn[: 2 * int(holds.sum())] = np.repeat(np.flatnonzero(holds), 2) * 40 + 200 + drawn[:1] % 40
        records.append(record(" ".join(words[drawn].tolist()), ",".join(labels[holds])))
    _, costs = measure(records, [], records[:2_000])
    return costs


def measure(
    training: Sequence[Record], validation: Sequence[Record], test: Sequence[Record]
) -> tuple[list[tuple[str, float]], dict[str, float]]:
    begin, wall = time.process_time(), time.perf_counter()
    run = Linear.fit(training, validation, Hyperparameters(), seed=42)
    prepared = time.process_time() - begin
    print(f"  {dict(run.hyperparameters)}", file=sys.stderr)
    for step in run:
        if step.epoch_end and "-v" in sys.argv:
            print(f"  {step}", file=sys.stderr)
    with tempfile.TemporaryDirectory() as folder:
        run.save(Path(folder))
        costs = {"prepare_cpu_s": prepared, "train_cpu_s": time.process_time() - begin}
        costs["train_wall_s"] = time.perf_counter() - wall
        costs["megabytes"] = sum(path.stat().st_size for path in Path(folder).iterdir()) / 1e6
        model = Linear.load(Path(folder))
    begin = time.process_time()
    answers = model.answer([row[:-1] for row in test], top_logprobs=5)
    costs["answers_per_cpu_s"] = len(test) / (time.process_time() - begin)
    costs["peak_megabytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return [(answer.text, sum(token.logprob for token in answer.tokens)) for answer in answers], costs


def calibration_error(sure: np.ndarray, right: np.ndarray, bins: int = 15) -> float:
    places = np.minimum((sure * bins).astype(int), bins - 1)
    gaps = [abs(float((sure[places == b] - right[places == b]).sum())) for b in range(bins)]
    return sum(gaps) / len(right)


SETS: dict[str, Callable[[Path], dict[str, float]]] = {
    "banking77": lambda data: banking(data, "train.csv"),
    "banking77_10": lambda data: banking(data, "train_10.csv"),
    "goemotions": lambda data: goemotions(data, validate=True),
    "goemotions_cv": lambda data: goemotions(data, validate=False),
    "large": large,
}


def main() -> None:
    data, *names = [word for word in sys.argv[1:] if word != "-v"]
    for name in names:
        print(
            name,
            json.dumps({key: round(value, 4) for key, value in SETS[name](Path(data)).items()}),
            flush=True,
        )


if __name__ == "__main__":
    main()
