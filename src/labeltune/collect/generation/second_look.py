"""Another model, or the same one again, asked for the labels of what was written, without being told them."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

from labeltune.collect.asking import LabelPrompt, as_json_task
from labeltune.collect.labelled import MOST, balanced
from labeltune.collect.shots import Shots
from labeltune.files.tables.memory import MadeTable
from labeltune.prediction.asking import ask_rows
from labeltune.prediction.export import outcome
from labeltune.prediction.replies import answer_of
from labeltune.task.answers import decode_answer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from labeltune.collect.generation.guard import Draft
    from labeltune.collect.labelled import Labelled
    from labeltune.prediction.asking import Asked
    from labeltune.prediction.journal import Result
    from labeltune.prediction.plan import Job
    from labeltune.task import Task

__all__ = ["DISAGREES", "SecondLook"]

DISAGREES = "second_look_disagrees"
_SHOTS = 8


class SecondLook:
    """Asks with the rows of the training part as examples; `job` says which model, and where it is kept."""

    def __init__(self, job: Job, rows: Sequence[Labelled], *, seed: int) -> None:
        examples = balanced(rows, MOST, seed=seed)
        shots = Shots(examples, _SHOTS, "near", seed=seed)
        about = f"second look, {min(_SHOTS, len(examples))} examples {shots.name}"
        self._job = replace(job, manner=LabelPrompt(job.task, shots, examples, about=about))
        self.usd: float | None = None

    def at(self, drafts: Sequence[Draft], *, max_cost: float | None) -> list[str]:
        """For each draft nothing where the labels are the same, else what is wrong."""
        if not drafts:
            self.usd = 0.0
            return []
        task = self._job.task
        # Columns that the prompt names besides the text are empty: nobody wrote them.
        others = sorted(task.columns - {*task.text, *task.label_columns})
        rows = [[*draft.cells, *[""] * len(others)] for draft in drafts]
        table = MadeTable("what was written", [*task.text, *others], rows)
        options = replace(self._job.options, max_cost=max_cost)

        def judge(asked: Asked) -> list[str]:
            self.usd = asked.sent.usd
            with closing(asked.plan.beside(asked.journal.results(asked.plan.name))) as rows:
                return [
                    _problem(task, draft, result) for draft, (_, _, result) in zip(drafts, rows, strict=True)
                ]

        return ask_rows(replace(self._job, options=options), table, judge, outputs=[])


def _problem(task: Task, draft: Draft, result: Result) -> str:
    choice, _, problem = outcome(result)
    if choice is None or problem:
        return problem
    decoded = decode_answer(as_json_task(task), answer_of(choice))
    if decoded.labels is None:
        return decoded.problem or "unknown"
    return "" if decoded.labels == draft.request.labels else DISAGREES
