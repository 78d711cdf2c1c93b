"""The comments that commands are measured on: a task like the tutorial's, and tables for it."""

from __future__ import annotations

import csv
import json
import random
import resource
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

LABELS = ["toxic", "severe_toxic", "obscene", "threat", "insult", "identity_hate"]
SYSTEM = "John is a linguistic expert"
BEFORE = "Assign labels to this comment from the following labels list. Comment: "
AFTER = f". labels list: {LABELS}"
NONE = "clean"
"""The answer where no label applies."""
TASK = f"""\
version = 1
text = ["comment_text"]
id = "id"

[[field]]
name = "toxicity"
type = "multi"
columns = {json.dumps(LABELS)}
labels = {json.dumps(LABELS)}

[prompt]
system = "{SYSTEM}"
user = "{BEFORE}{{text}}. labels list: {{labels}}"

[answer]
format = "list"
separator = ","
none = "{NONE}"
"""
SEED = 20260101
_COPIED_FROM = 1_000


def make_table(path: Path, rows: int, *, copies: float = 0.0) -> None:
    """A table of so many rows, the same each time: quotes, commas, line ends, emoji; comments of any length.

    `copies` is the share of rows whose comment is an earlier one, as it is or in capitals.
    """
    with path.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle)
        writer.writerow(["id", "comment_text", *LABELS])
        writer.writerows(_comments(rows, copies))


def make_predictions(path: Path, rows: int) -> None:
    """The same table, and what a model might have answered: a few labels wrong, a few answers invalid."""
    rng = random.Random(SEED + 1)
    with path.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        predicted = [f"predicted_{label}" for label in LABELS]
        writer.writerow(["id", "comment_text", *LABELS, *predicted, "answer", "problem", "confidence"])
        for name, text, *flags in _comments(rows, 0.0):
            said = [int(flag) ^ (rng.random() < 0.02) for flag in flags]
            answer = ",".join(label for label, flag in zip(LABELS, said, strict=True) if flag) or NONE
            added = [*said, answer, "", round(rng.uniform(0.3, 1), 4)]
            if rng.random() < 0.005:
                added = [*[""] * len(LABELS), "I cannot say", "off_list", ""]
            writer.writerow([name, text, *flags, *added])


def _comments(rows: int, copies: float) -> Iterator[list[str | int]]:
    """The rows of `make_table`."""
    rng = random.Random(SEED)  # not for secrets
    words = ["".join(rng.choice("aeioubcdfglmnprst") for _ in range(rng.randint(2, 9))) for _ in range(4_000)]
    spice = ['"quoted"', "one, two,", "😀", "naïve", "\n", "\n\n", "it's", "—", "<b>", "\\", "\t", "100 %"]
    earlier: list[str] = []
    for number in range(rows):
        pieces = rng.choices(words, k=min(int(rng.lognormvariate(3.7, 0.8)) + 3, 900))
        for _ in range(rng.choice((0, 0, 1, 2, 5))):
            pieces.insert(rng.randrange(len(pieces)), rng.choice(spice))
        text = " ".join(pieces)
        flags = [int(rng.random() < 0.03) for _ in LABELS] if rng.random() < 0.5 else [0] * len(LABELS)
        if copies:
            if earlier and rng.random() < copies:
                text = rng.choice(earlier)
                text = text.upper() if rng.random() < 0.5 else text
            elif len(earlier) < _COPIED_FROM:
                earlier.append(text)
        yield [f"{number:016x}", text, *flags]


def peak_mebibytes() -> float:
    """The most memory that this process had; `ru_maxrss` may be that of the one that started it."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(status.read_text().partition("VmHWM:")[2].split()[0]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20)
