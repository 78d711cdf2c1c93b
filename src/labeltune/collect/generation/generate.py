"""The use case: have a large model write texts for the labels that lack rows, and keep what may be kept.

What is asked goes through the one sender and journal of `prediction`, so that it resumes and nothing is paid
twice; each round asks for what the last one left to be done.
"""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from labeltune.collect.generation.away import parts_beside, texts_away
from labeltune.collect.generation.confusion import read_errors
from labeltune.collect.generation.drawing import Drawing, writing_prompt
from labeltune.collect.generation.guard import Guard, unseen_seeds
from labeltune.collect.generation.needs import needed_cells
from labeltune.collect.generation.options import DEFAULT_OUTPUT, GenerateOptions
from labeltune.collect.generation.plan import Cell, WritingPlan, label_name
from labeltune.collect.generation.plan_file import read_plan, write_plan
from labeltune.collect.generation.proposal import PROMPT, question, variety_of
from labeltune.collect.generation.reading import read_drafts
from labeltune.collect.generation.second_look import SecondLook
from labeltune.collect.generation.tables import WrittenRows
from labeltune.collect.labelled import read_labelled
from labeltune.collect.options import beside
from labeltune.collect.unseen import refuse_test_part
from labeltune.collect.writing import read_reply, requests_table
from labeltune.errors import DataError, SettingsError
from labeltune.files.tables import open_table
from labeltune.files.writing import STANDARD_STREAM
from labeltune.prediction.asking import ask_rows, check_output, note_written, preview_rows, protect_output
from labeltune.prediction.options import PredictOptions
from labeltune.prediction.plan import Job
from labeltune.prediction.story import Silence
from labeltune.tuning.ledger import STATE_FOLDER
from labeltune.wording import counted

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence

    from labeltune.collect.generation.confusion import Errors
    from labeltune.collect.generation.drawing import Request
    from labeltune.collect.generation.guard import Draft
    from labeltune.collect.labelled import Labelled
    from labeltune.collect.writing import Reply
    from labeltune.files.tables.memory import MadeTable
    from labeltune.prediction.asking import Asked, Preview
    from labeltune.prediction.story import Story
    from labeltune.providers import Provider
    from labeltune.task import Task
    from labeltune.task.labels import Labels

__all__ = ["Generated", "generate", "preview"]

ROUNDS = 3
"""What may not be kept is asked for again, so often in all."""

_ASKING = PredictOptions()
_DEFAULT = GenerateOptions()


@dataclass(frozen=True, slots=True)
class Generated:
    """What a run did. `wanted` texts were to be written, `texts` were, of which `kept` went to `output`.

    `left_out`: texts that may not be kept, by reason; `problems`: requests without any text, by reason.
    `review`: texts in the file of that name. `away`: the files that everything was kept away from, with how
    many texts were too near to theirs. `usd` is what this run spent, None where prices are not known.
    """

    output: str
    plan_file: str
    plan: WritingPlan
    review_file: str | None
    rows: Sequence[Labelled]
    kept: Sequence[Draft]
    wanted: int
    texts: int
    review: int
    left_out: Mapping[str, int]
    problems: Mapping[str, int]
    away: Mapping[str, int]
    asked: int
    usd: float | None
    short: Mapping[str, int] = field(default_factory=dict)
    """How many texts are missing, by labels."""


def generate(  # noqa: PLR0913  # what predict takes, and what is written
    training: str,
    *,
    task: Task,
    model: str,
    provider: Provider,
    output: str = DEFAULT_OUTPUT,
    options: GenerateOptions = _DEFAULT,
    asking: PredictOptions = _ASKING,
    story: Story | None = None,
    state: str | os.PathLike[str] = STATE_FOLDER,
) -> Generated:
    """Write texts after the rows of a training table to `output`, with columns that say where they are from.

    Texts that people should look at go to the file `beside` it, without labels. The same call again goes on
    where the first stopped. Raises the errors of this package; `SettingsError` for a training table that is
    named test, `DataError` where nothing could be kept.
    """
    run = _Run(training, task, model, provider, output, options, asking, story or Silence(), Path(state))
    return run.generate()


def preview(
    training: str,
    *,
    task: Task,
    model: str,
    provider: Provider,
    output: str = DEFAULT_OUTPUT,
    options: GenerateOptions = _DEFAULT,
    asking: PredictOptions = _ASKING,
    state: str | os.PathLike[str] = STATE_FOLDER,
) -> Preview:
    """What `generate` would send in its first round, without sending anything or needing a key."""
    return _Run(training, task, model, provider, output, options, asking, Silence(), Path(state)).preview()


@dataclass
class _Run:
    """One call, with what it has read and spent."""

    training: str
    task: Task
    model: str
    provider: Provider
    output: str
    options: GenerateOptions
    asking: PredictOptions
    story: Story
    state: Path

    def __post_init__(self) -> None:
        if STANDARD_STREAM in (self.training, self.output):
            raise SettingsError(
                "generate reads its table more than once and writes two others: '-' will not do",
                hint="give files",
            )
        refuse_test_part(self.training, "seeds")
        self.outputs = [self.output, beside(self.output, "review")]
        self.usd: float | None = 0.0
        self.asked = 0
        self.asking = replace(self.asking, accept_changes=True, limit=None)
        self._read()

    def _read(self) -> None:
        """The rows, what to keep away from, and the errors."""
        rows = read_labelled(self.training, self.task, self.asking.read, what="seeds", by_models=True)
        told = list(self.options.away_from)
        self.away = texts_away(told, self.task, self.asking.read) | self._beside(told)
        if not self.away:
            self.story.warn(
                "nothing to keep away from: whether what is written is in the test part is not known"
                " (--away-from FILE)"
            )
        shown = unseen_seeds([row.text for row in rows], self.away)
        self.rows = [row for row, is_shown in zip(rows, shown, strict=True) if is_shown]
        if hidden := len(rows) - len(self.rows):
            self.story.warn(
                f"not shown, for they are nearly texts to keep away from: {counted(hidden, 'row')}"
            )
        if not self.rows:
            raise DataError(f"{self.training}: no row is left to write after", hint="give a training part")
        self.errors: Errors | None = None
        if self.options.errors is not None:
            self.errors = read_errors(self.options.errors, self.task, self.asking.read)

    def _beside(self, told: Sequence[str]) -> dict[str, list[str]]:
        """The texts of parts that lie beside the training part, and are kept away from without being told."""
        found: dict[str, list[str]] = {}
        for path in parts_beside(self.training, told, self.outputs):
            try:
                found |= texts_away([path], self.task, self.asking.read)
            except (DataError, SettingsError) as error:
                self.story.warn(f"not kept away from, though it lies beside {self.training}: {error}")
        if found:
            self.story.note(f"kept away from, too, for they lie beside {self.training}: {', '.join(found)}")
        return found

    # --------------------------------------------------------------------------------------------- the plan

    def _plan(self, *, ask: bool) -> WritingPlan:
        """That of the file, or a new one, which is written where a model may be asked about it."""
        path, to = self.options.plan, self.options.to
        if Path(path).exists():
            plan = read_plan(path, self.task)
            if to is not None and to != plan.to:
                raise SettingsError(
                    f"{path}: was made for --to {plan.to}, not {to}",
                    hint="edit it, remove it, or name another one with --plan",
                )
            return plan
        if to is None:
            raise SettingsError(
                f"no --to, and no plan in {path}: how many rows should each label come to?",
                hint="give --to N",
            )
        cells = needed_cells(self.task, self.rows, to, errors=self.errors, seed=self.options.seed)
        if not cells or not ask:
            return WritingPlan(to, cells)
        reply = self._propose()
        vary, is_proposed = variety_of(reply.document)
        if not is_proposed:
            why = reply.problem or "bad_schema"
            self.story.warn(f"{self.model} proposed nothing to vary ({why}): the usual is taken")
        plan = WritingPlan(to, cells, vary)
        write_plan(path, self.task, plan)
        self.story.note(f"wrote {path}: what is asked for; edit it and run the same command again")
        return plan

    def _propose(self) -> Reply:
        """Ask for what to vary. It is kept as the answers are, so that it is paid for once."""
        job = replace(self._job(), output=self.options.plan, manner=PROMPT)
        table = requests_table("the plan", [question(self.task, self.rows, self.options.seed)])

        def first(asked: Asked) -> Reply:
            self._count(asked)
            with closing(asked.plan.beside(asked.journal.results(asked.plan.name))) as rows:
                return next(read_reply(result) for _, _, result in rows)

        return ask_rows(job, table, first, outputs=[])

    # ----------------------------------------------------------------------------------------------- asking

    def _job(self, model: str | None = None) -> Job:
        left = self.asking.max_cost
        if left is not None:
            left = max(0.0, left - (self.usd or 0.0))
        return Job(
            self.training,
            self.task,
            model or self.model,
            self.provider,
            self.output,
            replace(self.asking, max_cost=left),
            self.story,
            self.state,
        )

    def _count(self, asked: Asked) -> None:
        self._spend(asked.sent.usd)
        self.asked += asked.sent.asked

    def _spend(self, usd: float | None) -> None:
        self.usd = None if usd is None or self.usd is None else self.usd + usd

    def preview(self) -> Preview:
        """See `preview`."""
        plan = self._plan(ask=False)
        job = replace(self._job(), manner=writing_prompt(self.task, plan, self.rows))
        return preview_rows(job, _table(self._drawing(plan).requests(plan.cells)))

    def _drawing(self, plan: WritingPlan) -> Drawing:
        return Drawing(self.task, plan, self.rows, errors=self.errors, seed=self.options.seed)

    def generate(self) -> Generated:
        """See `generate`."""
        job = self._job()
        check_output(job)
        for output in self.outputs:
            protect_output(job, output)
        plan = self._plan(ask=True)
        written = _Written(plan)
        if plan.texts and not self.options.plan_only:
            self._write_texts(written)
            self._save(written)
        return self._told(written)

    def _write_texts(self, written: _Written) -> None:
        """Ask in rounds until there are as many texts as planned, or a round brings nothing."""
        plan = written.plan
        guard = Guard([row.text for row in self.rows], self.away)
        drawing = self._drawing(plan)
        look = self._second_look()
        cells: Sequence[Cell] = plan.cells
        for number in range(ROUNDS):
            before = len(written.kept)
            written.requests += drawing.requests(cells)
            self._ask(written)
            good, written.doubtful = guard.keep(written.drafts)
            if look is not None:
                good = self._look(look, good, written)
            written.kept, written.short = _filled(plan.cells, good)
            written.left_out, written.met = guard.left_out, guard.met
            cells = [Cell(labels, texts) for labels, texts in written.short.items()]
            if not cells or (number and len(written.kept) == before):
                break

    def _ask(self, written: _Written) -> None:
        """Ask for the texts of all requests; those that were answered before are not asked again."""

        def read(asked: Asked) -> None:
            self._count(asked)
            with closing(asked.plan.beside(asked.journal.results(asked.plan.name))) as rows:
                results = [result for _, _, result in rows]
            written.drafts, written.problems = read_drafts(self.task, written.requests, results)

        ask_rows(self._writing_job(written.plan), _table(written.requests), read, outputs=[])

    def _writing_job(self, plan: WritingPlan) -> Job:
        return replace(self._job(), manner=writing_prompt(self.task, plan, self.rows))

    def _second_look(self) -> SecondLook | None:
        model = self.options.verify_with
        if model is None:
            return None
        if model == self.model:
            self.story.warn(
                f"{model} looks at its own texts: it agrees with itself more easily than it should"
            )
        job = replace(self._job(model), output=self.outputs[1])
        return SecondLook(job, self.rows, seed=self.options.seed)

    def _look(self, look: SecondLook, drafts: Sequence[Draft], written: _Written) -> list[Draft]:
        """The drafts whose labels the other model gives, too; the others go to people."""
        wrong = look.at(drafts, max_cost=self._job().options.max_cost)
        self._spend(look.usd)
        written.doubtful += [(draft, said) for draft, said in zip(drafts, wrong, strict=True) if said]
        return [draft for draft, said in zip(drafts, wrong, strict=True) if not said]

    # ----------------------------------------------------------------------------------------------- saving

    def _save(self, written: _Written) -> None:
        if not written.kept and not written.doubtful:
            reasons = {**written.problems, **written.left_out}
            said = ", ".join(f"{count:,} {kind}" for kind, count in reasons.items())
            raise DataError(
                f"{self.model}: nothing that it wrote can be kept ({said}); nothing was written",
                hint="--dry-run shows what is asked; try another model or plan, or another --seed",
            )
        with open_table(self.training, self.asking.read, task=self.task) as table:
            header = table.header
        by_models = (self.model, self.options.verify_with or "")
        names = {row.name for row in self.rows}
        rows = WrittenRows(self.task, header, by_models, names)
        output, review = self.outputs
        job = self._writing_job(written.plan)
        # Each is noted before the next is begun: a disk may be full in between.
        rows.write_kept(output, written.kept)
        note_written(job, [output])
        rows.write_doubtful(review, written.doubtful)
        note_written(job, [review])

    def _told(self, written: _Written) -> Generated:
        return Generated(
            output=self.output,
            plan_file=self.options.plan,
            plan=written.plan,
            review_file=self.outputs[1] if written.doubtful else None,
            rows=self.rows,
            kept=written.kept,
            wanted=written.plan.texts,
            texts=len(written.drafts),
            review=len(written.doubtful),
            left_out=dict(written.left_out.most_common()),
            problems=dict(written.problems.most_common()),
            away={path: written.met[path] for path in self.away},
            asked=self.asked,
            usd=self.usd,
            short={label_name(labels): count for labels, count in written.short.items()},
        )


@dataclass
class _Written:
    """What has come of the rounds so far."""

    plan: WritingPlan
    requests: list[Request] = field(default_factory=list)
    drafts: list[Draft] = field(default_factory=list)
    problems: Counter[str] = field(default_factory=Counter)
    kept: list[Draft] = field(default_factory=list)
    doubtful: list[tuple[Draft, str]] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    met: Counter[str] = field(default_factory=Counter)
    short: dict[Labels, int] = field(default_factory=dict)


def _table(requests: Sequence[Request]) -> MadeTable:
    return requests_table("the requests", [(request.system, request.user) for request in requests])


def _filled(cells: Sequence[Cell], drafts: Sequence[Draft]) -> tuple[list[Draft], dict[Labels, int]]:
    """The first drafts of each cell, as many as planned, and how many are missing."""
    left = {cell.labels: cell.texts for cell in cells}
    kept = []
    for draft in drafts:
        if left.get(draft.request.labels, 0) > 0:
            left[draft.request.labels] -= 1
            kept.append(draft)
    return kept, {labels: count for labels, count in left.items() if count}
