"""The texts of the answers: as many as there are, whatever else stands in them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from labeltune.collect.generation.guard import Draft
from labeltune.collect.writing import read_reply
from labeltune.task.chat import TEXT_JOINER

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from labeltune.collect.generation.drawing import Request
    from labeltune.prediction.journal import Result
    from labeltune.task import Task

__all__ = ["read_drafts"]


def read_drafts(
    task: Task, requests: Sequence[Request], results: Iterable[Result]
) -> tuple[list[Draft], Counter[str]]:
    """The texts of all answers in the order of the requests, and how many requests brought none, by problem.

    Of an answer at most twice as many are taken as were asked for: what never ends brings no variety.
    """
    drafts: list[Draft] = []
    problems: Counter[str] = Counter()
    for request, result in zip(requests, results, strict=True):
        reply = read_reply(result)
        if reply.document is None:
            problems[reply.problem] += 1
            continue
        listed = reply.document.get("texts")
        found = [_cells(task, item) for item in listed] if isinstance(listed, list) else []
        texts = [cells for cells in found if cells is not None and any(cells)]
        if not texts:
            problems["bad_schema"] += 1
        drafts += [
            Draft(cells, TEXT_JOINER.join(filter(None, cells)), request)
            for cells in texts[: 2 * request.count]
        ]
    return drafts, problems


def _cells(task: Task, item: Any) -> tuple[str, ...] | None:
    """A cell for each text column; None for what is no text."""
    if len(task.text) == 1:
        return (item.strip(),) if isinstance(item, str) else None
    if not isinstance(item, dict):
        return None
    values = [item.get(column) for column in task.text]
    texts = [value.strip() for value in values if isinstance(value, str)]
    return tuple(texts) if len(texts) == len(values) else None
