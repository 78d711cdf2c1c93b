"""What `llm` learns from few examples, what it costs, and how fast it answers.

    python benchmarks/engine_llm.py MODEL_FOLDER [--data ../shared/data/banking77] [--per-class 10]

MODEL_FOLDER is a chat model as transformers reads it. It learns from `train_10.csv` (10 examples per
label) and is asked for the first rows of a shuffled `test.csv`. Accuracy has its standard error beside it.
The rival, on a few rows, is the same model writing its answers token by token (`generate`, unrestricted).
"""

from __future__ import annotations

import argparse
import csv
import math
import random
import tempfile
import time
from collections import Counter
from pathlib import Path

from labeltune.local.engines import Base, Hyperparameters, Record
from labeltune.local.engines.llm.engine import Llm

SYSTEM = "Classify the customer's message. Answer with its intent."


def records(path: Path) -> list[Record]:
    with path.open(encoding="utf-8", newline="") as file:
        return [
            [
                {"role": "system", "content": SYSTEM},
                {"role": "user", "content": row["text"]},
                {"role": "assistant", "content": row["label"]},
            ]
            for row in csv.DictReader(file)
        ]


def few(rows: list[Record], per_class: int) -> list[Record]:
    """The first rows of each label."""
    seen: Counter[str] = Counter()
    kept = []
    for row in rows:
        seen[row[-1]["content"]] += 1
        if seen[row[-1]["content"]] <= per_class:
            kept.append(row)
    return kept


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/banking77"))
    parser.add_argument("--per-class", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--rows", type=int, default=300)
    parser.add_argument("--unaided", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    training, test = records(asked.data / "train_10.csv"), records(asked.data / "test.csv")
    training = few(training, asked.per_class)
    random.Random(asked.seed).shuffle(test)
    test = test[: asked.rows]
    base = Base("llm", str(asked.model.resolve()))
    cpu, wall = time.process_time(), time.monotonic()
    run = Llm.fit(training, [], Hyperparameters(n_epochs=asked.epochs), base=base, seed=asked.seed)
    for step in run:
        if step.step % 10 == 0 or step.step == step.total_steps:
            print(
                f"step {step.step}/{step.total_steps} loss {step.train_loss:.3f} "
                f"{time.monotonic() - wall:.0f} s",
                flush=True,
            )
    learnt, took = time.process_time() - cpu, time.monotonic() - wall
    rows = asked.epochs * len(training)
    print(
        f"training: {rows} rows, {learnt:.0f} CPU s ({rows / learnt:.1f} rows/CPU s), {took:.0f} s",
        flush=True,
    )
    with tempfile.TemporaryDirectory() as folder:
        cpu = time.process_time()
        run.save(Path(folder))
        print(f"calibrating and saving: {time.process_time() - cpu:.0f} CPU s", flush=True)
        cpu = time.process_time()
        model = Llm.load(Path(folder))
        print(
            f"loading: {time.process_time() - cpu:.1f} CPU s; what is kept is trusted: {model.scorer.cached}",
            flush=True,
        )
    cpu = time.process_time()
    answers = model.answer([row[:-1] for row in test])
    spent = time.process_time() - cpu
    right = sum(a.text == row[-1]["content"] for a, row in zip(answers, test, strict=True)) / len(test)
    error = math.sqrt(right * (1 - right) / len(test))
    sure = sum(math.exp(sum(t.logprob for t in a.tokens)) for a in answers) / len(test)
    print(
        f"accuracy {right:.3f} ± {error:.3f} on {len(test)} rows, mean confidence {sure:.3f}; "
        f"{len(test) / spent:.1f} rows/CPU s",
        flush=True,
    )
    unaided(model, test[: asked.unaided])


def unaided(model: Llm, test: list[Record]) -> None:
    """How often the model writes the label unaided, and how fast."""
    import torch

    cpu, right = time.process_time(), 0
    for row in test:
        ids = model.prompt(row[:-1])
        with torch.inference_mode():
            written = model.scorer.module.generate(
                input_ids=torch.tensor([ids]),
                attention_mask=torch.ones(1, len(ids), dtype=torch.long),
                max_new_tokens=24,
                do_sample=False,
            )
        text = model.chat.tokenizer.decode(written[0][len(ids) :], skip_special_tokens=True)
        right += text == row[-1]["content"]
    spent = time.process_time() - cpu
    print(
        f"unaided, one by one: accuracy {right / len(test):.3f} on {len(test)} rows; "
        f"{len(test) / spent:.1f} rows/CPU s"
    )


if __name__ == "__main__":
    main()
