"""Whether an exported model answers as the one it was made from."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from itertools import islice
from typing import TYPE_CHECKING, Any

from labeltune.errors import GateError
from labeltune.local.validate import read_training_file

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from labeltune.local.engines import Answer, Conversion, Engine, Message
    from labeltune.local.store import Store

__all__ = ["TOLERANCE", "conversations_of", "prove_conversion", "prove_engine"]

ROWS = 200
"""How many examples are answered at most."""
TOLERANCE = 1e-5
"""How far a probability may be off."""

_ASK = """
import sys
found = [(list(labels), [float(p) for p in shares]) for labels, shares in classify(json.load(sys.stdin))]
json.dump(found, sys.stdout)
"""


def conversations_of(store: Store, facts: dict[str, Any]) -> tuple[list[list[Message]], str]:
    """The first examples of the validation file, else of the training file, without their answers, and which
    of the two it is; none where both were deleted.
    """
    for key in ("validation_file", "training_file"):
        file = facts.get(key)
        path = None if not file else store.files / str(file["id"])
        if path is not None and path.is_file():
            with path.open("rb") as lines:
                records = read_training_file(islice(lines, ROWS)).records
            return [record[:-1] for record in records], key.partition("_")[0]
    return [], "no"


def prove_engine(one: Engine, other: Engine, conversations: Sequence[Sequence[Message]]) -> None:
    """Raise `GateError` if two engines answer differently."""
    pairs = zip(
        one.answer(conversations, top_logprobs=5), other.answer(conversations, top_logprobs=5), strict=True
    )
    for number, (expected, found) in enumerate(pairs, start=1):
        if expected.text != found.text:
            _refuse(number, f"answers {found.text!r} instead of {expected.text!r}")
        far = _distance(expected, found)
        if not far <= TOLERANCE:
            _refuse(number, f"is off by {far:.2g} in a probability (at most {TOLERANCE:g})")


def _distance(one: Answer, other: Answer) -> float:
    """The largest difference of two probabilities of the same token, or alternative that both have."""
    if len(one.tokens) != len(other.tokens):
        return math.inf
    far = 0.0
    for left, right in zip(one.tokens, other.tokens, strict=True):
        far = max(far, abs(math.exp(left.logprob) - math.exp(right.logprob)))
        known = dict(right.top)
        shared = [(value, known[token]) for token, value in left.top if token in known]
        far = max([far, *(abs(math.exp(a) - math.exp(b)) for a, b in shared)])
    return far


def prove_conversion(conversion: Conversion, folder: Path, conversations: Sequence[Sequence[Message]]) -> int:
    """Run the lines of the model card in a process of their own; returns how many examples were compared.

    Raises `GateError` if they answer differently.
    """
    texts = [conversion.text_of(conversation) for conversation in conversations]
    asked = [(text, one) for text, one in zip(texts, conversations, strict=True) if text is not None]
    # Isolated: what the lines need is installed, and labeltune's own modules are not among it.
    run = subprocess.run(  # noqa: S603  (our own lines, no shell)
        [sys.executable, "-I", "-c", conversion.code + _ASK],
        cwd=folder,
        input=json.dumps([text for text, _ in asked]),
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    if run.returncode:
        said = run.stderr.strip().rpartition("\n")[2]
        raise GateError(f"the lines of the model card do not run: {said}", hint=_HINT)
    for number, (found, (_, conversation)) in enumerate(
        zip(json.loads(run.stdout), asked, strict=True), start=1
    ):
        labels, shares = conversion.expected(conversation)
        if found[0] != labels:
            _refuse(number, f"answers {found[0]} instead of {labels}")
        far = max(abs(a - b) for a, b in zip(found[1], shares, strict=True))
        if not far <= conversion.tolerance:
            _refuse(number, f"is off by {far:.2g} in a probability (at most {conversion.tolerance:g})")
    return len(asked)


_HINT = "nothing was written; please report it"


def _refuse(number: int, why: str) -> None:
    raise GateError(f"the exported model is not the same: for example {number} it {why}", hint=_HINT)
