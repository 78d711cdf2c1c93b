"""Puts a proposed task together, with what was concluded and why."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from labeltune.errors import DataError, SettingsError
from labeltune.files.tables import ending_of_parts, open_table
from labeltune.files.writing import STANDARD_STREAM, atomic_write, same_file
from labeltune.prepare.infer.fields import make_fields
from labeltune.prepare.infer.header import doubt_of_header
from labeltune.prepare.infer.label_columns import choose_labels
from labeltune.prepare.infer.other_uses import other_uses
from labeltune.prepare.infer.profile import read_profile
from labeltune.prepare.infer.prompt import choose_format, list_answer, make_prompt, word_for_none
from labeltune.prepare.infer.reasons import left_out
from labeltune.prepare.infer.roles import choose_id, choose_text
from labeltune.prepare.infer.telling import all_of, other_labels, quoted, text_taken, what_was_left_out
from labeltune.prepare.infer.wishes import Wishes, check_wishes
from labeltune.task import NOTHING_TOLD, AnswerFormat, ReadOptions, Task, format_task
from labeltune.task.cells import list_items
from labeltune.task.columns import clashing_columns
from labeltune.task.label_cells import flag_spelling
from labeltune.wording import counted, pasted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from labeltune.files.tables import Table
    from labeltune.prepare.infer.fields import Fields
    from labeltune.prepare.infer.label_columns import LabelColumns
    from labeltune.prepare.infer.profile import Column, Profile
    from labeltune.task import Field

__all__ = ["Proposal", "init", "propose_task"]


@dataclass(frozen=True, slots=True)
class Proposal:
    """A proposed task, with what was concluded and why, and what should be looked at."""

    task: Task
    conclusions: tuple[str, ...]
    warnings: tuple[str, ...]
    left_out: Mapping[str, str] = field(default_factory=dict)
    """Columns that are neither text nor id nor labels, each with the reason."""
    ending: str = ".csv"
    """What the names of the parts end with that `split` makes of the table."""
    lacks_labels: bool = False
    """Whether rows have no label where each needs one, so that only `convert` can go on, without them."""


def init(
    data: str | os.PathLike[str] | pd.DataFrame,
    output: str | os.PathLike[str] = "task.toml",
    *,
    wishes: Wishes | None = None,
    force: bool = False,
    read: ReadOptions = NOTHING_TOLD,
) -> Proposal:
    """Propose a task from a table and write it to `output` (`-`: standard output).

    `read` tells how the table is read; the task keeps it, and what was found.

    Raises `SettingsError` if `output` exists and `force` is false, or if the wishes contradict each other,
    and `DataError` if the table is refused, shows no labels, or has a row where the columns' names should be.
    """
    if os.fspath(output) != STANDARD_STREAM and os.path.lexists(output) and not force:
        raise SettingsError(
            f"{os.fspath(output)}: exists already", hint="give --force to replace it, or -o another file"
        )
    is_path = isinstance(data, str | os.PathLike) and os.fspath(data) != STANDARD_STREAM
    if is_path and same_file(data, output):  # type: ignore[arg-type]  # checked just now
        raise SettingsError(f"{os.fspath(output)}: is the table itself, which is never overwritten")
    with open_table(data, read) as table:
        proposal = propose_task(table, wishes or Wishes(), header_told=read.header is not None)
        proposal = replace(
            proposal,
            conclusions=(*table.notes, *proposal.conclusions),
            warnings=(*table.warnings, *proposal.warnings),
        )
    with atomic_write(output) as handle:
        handle.write(format_task(proposal.task).encode())
    return proposal


def propose_task(table: Table, wishes: Wishes, *, header_told: bool = False) -> Proposal:
    """Look at every row of a table, at most three times, and propose a task. Raises as `init` does.

    `header_told`: whether the first line names the columns was told, and is not doubted.
    """
    return _Proposer(table, wishes, header_told=header_told).propose()


class _Proposer:
    def __init__(self, table: Table, wishes: Wishes, *, header_told: bool) -> None:
        self.table, self.wishes, self.header_told = table, wishes, header_told
        self.conclusions: list[str] = []
        self.warnings: list[str] = []
        self.other_texts: list[str] = []
        check_wishes(wishes, table.header, source=table.source)

    def propose(self) -> Proposal:
        table, wishes = self.table, self.wishes
        profile = read_profile(table, {*wishes.text, *wishes.labels, *filter(None, [wishes.id])})
        if not profile.rows:
            raise DataError(f"{table.source}: no rows, so there is nothing to conclude from")
        self.look_at_header(profile)
        text = self.text(profile)
        name = choose_id(profile, wishes, text)
        if name and not wishes.id:
            self.conclusions.append(f'id: column "{name}", a different value in every row')
        chosen = choose_labels(profile, wishes, (*text, name))
        made = make_fields(table, chosen, _may_refine(profile, chosen), wishes.delimiter)
        self.conclusions += made.conclusions
        self.warnings += made.warnings
        answer = self.answer(profile, made.fields)
        rest = self.rest(profile, (*text, name), chosen, made)
        read = replace(table.read, strip=True) if made.strips else table.read
        prompt = make_prompt(made.fields, answer, wishes)
        task = Task(text, made.fields, prompt, answer, id=name, read=read)
        self.tell_clashes(task)
        self.warnings += other_uses(table, profile, task)
        return Proposal(
            task, tuple(self.conclusions), tuple(self.warnings), rest, ending_of_parts(table), made.lacks
        )

    def tell_clashes(self, task: Task) -> None:
        for name in clashing_columns(task, self.table.header):
            self.warnings.append(
                f'column "{name}" is called like one that predict adds: predict --prefix P keeps it with P '
                "before its name"
            )

    def look_at_header(self, profile: Profile) -> None:
        if profile.repeats_header:
            self.warnings.append("the line of names stands among the rows again; take it out")
        doubt = None if self.header_told else doubt_of_header(self.table, profile)
        if doubt:
            self.warnings.append(doubt)

    def text(self, profile: Profile) -> tuple[str, ...]:
        text, self.other_texts = choose_text(profile, self.wishes)
        if not self.wishes.text:
            others = [profile.columns[name] for name in self.other_texts]
            self.conclusions.append(text_taken(profile.columns[text[0]], others))
        return text

    def answer(self, profile: Profile, fields: Sequence[Field]) -> AnswerFormat:
        form = choose_format(fields, self.wishes.answer)
        if form != "list":
            if self.wishes.none:
                raise SettingsError(
                    f"--none {self.wishes.none}: only a list has a word for no label, not {form}",
                    hint="leave --none out, or give --answer list for one field of several labels",
                )
            return AnswerFormat(form)
        bare = self.rows_without_labels(profile, fields[0])
        none = self.wishes.none
        if none is None:
            none = word_for_none(fields) if bare else ""
            if bare:
                self.warnings.append(
                    f'{counted(bare, "row has", "rows have")} no label: "{none}" is '
                    f"{'its' if bare == 1 else 'their'} answer, so the model learns to say it; "
                    '--none "" has them left out of training'
                )
        elif bare and not none:
            self.warnings.append(
                f"{counted(bare, 'row has', 'rows have')} no label and will be left out of training, so "
                "the model never learns to answer that none applies"
            )
        return list_answer(fields, none)

    def rows_without_labels(self, profile: Profile, field_: Field) -> int:
        if field_.column is not None:
            counts = profile.columns[field_.column].counts or Counter()
            return sum(count for cell, count in counts.items() if not cell.strip() or list_items(cell) == [])
        no = flag_spelling(field_.no)
        places = [profile.columns[name].position for name in field_.columns]
        return sum(all(flag_spelling(values[place]) == no for place in places) for _, values in self.table)

    def rest(
        self,
        profile: Profile,
        taken: Sequence[str | None],
        chosen: LabelColumns,
        made: Fields,
    ) -> dict[str, str]:
        """Say what was not taken, and how it could be."""
        if self.wishes.labels:
            return dict(made.twins)
        labels = {name for field_ in made.fields for name in field_.source_columns}
        also = [profile.columns[name] for name in chosen.also if name not in labels]
        if also:
            used = [column for column in profile.columns.values() if column.name in labels]
            self.conclusions.append(other_labels(used, also))
        if chosen.series:
            self.warnings.append(
                f"{all_of([quoted(name) for name in chosen.series])} hold one list of labels, a column each: "
                "join them in one column if they are to be learned"
            )
        if len(chosen.parallel) > 1:
            self.warnings.append(
                f"{all_of([quoted(name) for name in chosen.parallel])} have labels in common: if they are "
                f"what several people said of one text, --label {pasted(chosen.parallel[0])} takes one"
            )
        passed = (*taken, *self.wishes.ignore, *labels, *chosen.also, *chosen.series, *made.twins)
        out = made.twins | left_out(profile, passed)
        if told := {name: why for name, why in out.items() if name not in self.other_texts}:
            self.conclusions.append(what_was_left_out(told))
        reasons = {column.name: "other columns look more like labels" for column in also}
        return {**out, **reasons, **dict.fromkeys(chosen.series, "one of several columns of one list")}


def _may_refine(profile: Profile, chosen: LabelColumns) -> list[Column]:
    columns = (profile.columns[name] for name in chosen.also)
    return [
        c
        for c in columns
        if c.hint == "none"
        and c.sort == "words"
        and c.has_few_values
        and not c.emptiness
        and not c.flag_pairs
    ]
