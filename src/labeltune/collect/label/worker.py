"""The process that learns beside the page: `python -m labeltune.collect.label.worker`.

Standard input brings lines of JSON: first the task and the base model, then the rows' conversations in
blocks, an empty block after the last; then, as often as wanted, the answers so far. Each of those is answered
on standard output with a line of JSON, and, where a model came of it, with the margins (float32) and the
numbers of the answers (int32) of all rows behind it. It ends when standard input does, as it does when the
page's process is killed.
"""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import asdict
from typing import IO, Any

import numpy as np
import orjson

from labeltune.collect.label.learning import encoded, learnt_task, measure, rank, train
from labeltune.errors import LabeltuneError
from labeltune.local.engines import Base, fetched
from labeltune.task import parse_task

__all__ = ["main"]

_NICENESS = 10


def main() -> None:
    """Serve one page's process until it ends."""
    # Ctrl-C goes to the whole terminal; whoever started this ends it by closing its input.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    if hasattr(os, "nice"):
        os.nice(_NICENESS)
    lines, replies = sys.stdin.buffer, sys.stdout.buffer
    about = orjson.loads(lines.readline() or b"null")
    if about is None:
        return
    task, base = learnt_task(parse_task(about["task"])), Base.parse(about["base"])
    conversations: list[Any] = []
    for line in lines:
        block = orjson.loads(line)
        if not block:
            break
        conversations += block
    for line in lines:
        _reply(replies, task, base, conversations, orjson.loads(line))


def _reply(replies: IO[bytes], task: Any, base: Base, conversations: list[Any], asked: list[Any]) -> None:
    """One round: `asked` are the answered rows, with their labels and whether they are random."""
    rows = [conversations[place] for place, _, _ in asked]
    answers = [encoded(task, tuple(map(tuple, labels))) for _, labels, _ in asked]
    try:
        exact = fetched(base, lambda _: None)
        if exact is not None:
            # All models of a round learn from the same one.
            base = exact.base
        model = train(base, rows, answers)
        measured = measure(base, rows, answers, [drawn for _, _, drawn in asked])
    except LabeltuneError as error:
        replies.write(orjson.dumps({"refused": str(error)}) + b"\n")
        replies.flush()
        return
    margins = np.full(len(conversations), np.nan, dtype=np.float32)
    numbers = np.full(len(conversations), -1, dtype=np.int32)
    known: dict[Any, int] = {}
    for place, (labels, margin) in enumerate(rank(task, model, conversations)):
        if labels is not None:
            margins[place] = margin
            numbers[place] = known.setdefault(labels, len(known))
    told = asdict(measured) | {"pays": measured.pays}
    replies.write(orjson.dumps({"measured": told, "answers": list(known)}) + b"\n")
    replies.write(margins.tobytes())
    replies.write(numbers.tobytes())
    replies.flush()


if __name__ == "__main__":
    main()
