"""What the parts of a task may not say together."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from labeltune.errors import SettingsError, did_you_mean
from labeltune.task.cells import LIST_DELIMITER, nfc
from labeltune.task.parts import DEFAULT_SEPARATOR, Format
from labeltune.task.template import ColumnSlot, LabelsSlot, TemplateError, parse_template

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import NoReturn

    from labeltune.task.parts import AnswerFormat, Field, FieldType, Prompt

__all__ = ["check_parts"]


def check_parts(
    *,
    text: tuple[str, ...],
    fields: tuple[Field, ...],
    prompt: Prompt,
    answer: AnswerFormat,
    where: Callable[..., str],
) -> None:
    """Raise `SettingsError` where the parts of a task contradict each other.

    `where` says `FILE:LINE` of a key of the task file; see `Task.where`.
    """
    _Checker(text, fields, prompt, answer, where).check()


class _Checker:
    """Finds contradictions between the parts of a task; every error names the line."""

    def __init__(
        self,
        text: tuple[str, ...],
        fields: tuple[Field, ...],
        prompt: Prompt,
        answer: AnswerFormat,
        where: Callable[..., str],
    ) -> None:
        self.text, self.fields, self.prompt, self.answer, self.where = text, fields, prompt, answer, where
        self.label_columns = [column for field_ in fields for column in field_.source_columns]

    def check(self) -> None:
        if not self.text:
            self.fail("text names no column; give at least one", "text")
        self.no_repeats(self.text, "text", "text")
        if not self.fields:
            self.fail("there is no [[field]]; give at least one")
        self.no_repeats([field_.name for field_ in self.fields], "the fields' names", "field")
        for index, field_ in enumerate(self.fields):
            self.check_field(index, field_)
        self.no_repeats(self.label_columns, "the fields' columns", "field")
        self.check_answer()
        self.check_prompt()

    def fail(self, message: str, *key: str | int, hint: str | None = None) -> NoReturn:
        raise SettingsError(f"{self.where(*key)}: {message}", hint=hint)

    def no_repeats(self, values: Iterable[str], what: str, *key: str | int) -> None:
        seen = set()
        for value in values:
            if not value.strip():
                self.fail(f"{what}: an empty name", *key)
            if value in seen:
                self.fail(f'{what}: "{value}" stands there twice', *key)
            seen.add(value)

    def no_twins(self, labels: tuple[str, ...], name: str, *key: str | int) -> None:
        """Labels that look the same are one: `é` may be written as one sign or as two."""
        seen: dict[str, str] = {}
        for label in labels:
            if (other := seen.setdefault(nfc(label), label)) != label:
                self.fail(
                    f'labels of field "{name}": "{label}" stands there twice, with its accents composed and '
                    f"apart ({other!a}, {label!a})",
                    *key,
                    hint="keep one of them: in tables and answers, both are read as it",
                )

    def check_field(self, index: int, field_: Field) -> None:
        at = ("field", index)
        if not field_.labels:
            self.fail(f'field "{field_.name}" has no labels', *at, "labels")
        self.no_repeats(field_.labels, f'labels of field "{field_.name}"', *at, "labels")
        self.no_twins(field_.labels, field_.name, *at, "labels")
        for label in field_.labels:
            if label != label.strip():
                self.fail(f'label "{label}" begins or ends with space', *at, "labels")
        clash = next((c for c in field_.source_columns if c in self.text), None)
        if clash is not None:
            self.fail(f'column "{clash}" is both a text column and holds labels of "{field_.name}"', *at)
        self.check_flags(index, field_)
        if field_.empty is not None:
            self.check_empty(index, field_, field_.empty)
        self.check_describe(index, field_)
        if field_.type == "single":
            self.check_single(index, field_)
        else:
            self.check_multi(index, field_)

    def check_describe(self, index: int, field_: Field) -> None:
        for label, sentence in field_.describe.items():
            at = ("field", index, "describe", label)
            self.check_known(label, field_.labels, f'"{field_.name}"', *at)
            if not sentence.strip() or len(sentence.splitlines()) > 1:
                self.fail(f'describe "{label}": expected one sentence, on one line', *at)

    def check_flags(self, index: int, field_: Field) -> None:
        spelled = (field_.yes, field_.no)
        if spelled == ("1", "0"):
            return
        at = ("field", index)
        if not field_.columns:
            self.fail(f'field "{field_.name}": yes and no say what stands in columns, and it has none', *at)
        if not field_.yes.strip() or field_.yes.strip().casefold() == field_.no.strip().casefold():
            self.fail(
                f'field "{field_.name}": yes = "{field_.yes}" and no = "{field_.no}" tell no label that '
                "applies from one that does not",
                *at,
            )

    def check_empty(self, index: int, field_: Field, empty: str) -> None:
        at = ("field", index, "empty")
        if field_.type != "single":
            self.fail(
                f'field "{field_.name}": empty is for single fields; no label of a multi field is none', *at
            )
        self.check_known(empty, field_.labels, f'"{field_.name}"', *at)

    def check_single(self, index: int, field_: Field) -> None:
        at = ("field", index)
        if field_.column is None or field_.columns or field_.delimiter is not None:
            self.fail(
                f'field "{field_.name}" is single: it needs column, and neither columns nor delimiter', *at
            )
        if field_.parent is None:
            if field_.children:
                self.fail(f'field "{field_.name}" has children but no parent', *at, "children")
            return
        parent = next((f for f in self.fields[:index] if f.name == field_.parent), None)
        if parent is None or parent.type != "single":
            self.fail(f'parent "{field_.parent}" is not a single field before this one', *at, "parent")
        if not field_.children:
            self.fail(
                f'field "{field_.name}" has a parent: [field.children] must map each of its labels to theirs',
                *at,
            )
        for upper, lowers in field_.children.items():
            self.check_known(upper, parent.labels, f'"{parent.name}"', *at, "children")
            for lower in lowers:
                self.check_known(lower, field_.labels, f'"{field_.name}"', *at, "children", upper)
        orphan = next((x for x in field_.labels if not any(x in v for v in field_.children.values())), None)
        if orphan is not None:
            self.fail(f'label "{orphan}" stands under no label of "{parent.name}"', *at, "children")

    def check_known(self, label: str, labels: tuple[str, ...], of: str, *key: str | int) -> None:
        if label not in labels:
            self.fail(f'"{label}" is not a label of {of}{did_you_mean(label, labels)}', *key)

    def check_multi(self, index: int, field_: Field) -> None:
        at = ("field", index)
        if field_.parent is not None or field_.children:
            self.fail(f'field "{field_.name}" is multi: only single fields have a parent', *at)
        if (field_.column is None) == (not field_.columns):
            self.fail(f'field "{field_.name}" needs either columns or column with a delimiter', *at)
        if field_.columns and len(field_.columns) != len(field_.labels):
            self.fail(
                f'field "{field_.name}" has {len(field_.labels)} labels but {len(field_.columns)} columns',
                *at,
                "columns",
            )
        if (field_.column is None) != (field_.delimiter is None) or field_.delimiter == "":
            self.fail(f'field "{field_.name}": a delimiter is needed with column, and only there', *at)
        if field_.delimiter not in (None, LIST_DELIMITER):
            bad = next((x for x in field_.labels if field_.delimiter and field_.delimiter in x), None)
            if bad is not None:
                self.fail(f'label "{bad}" contains the delimiter "{field_.delimiter}"', *at, "labels")

    def check_answer(self) -> None:
        fields, answer = self.fields, self.answer
        if answer.format not in get_args(Format):
            self.fail(f'no answer format "{answer.format}"{did_you_mean(answer.format, get_args(Format))}')
        wanted: FieldType | None = {"label": "single", "list": "multi", "flags": "multi"}.get(answer.format)  # type: ignore[assignment]  # the values are field types
        if wanted is not None and (len(fields) != 1 or fields[0].type != wanted):
            self.fail(
                f'format = "{answer.format}" answers exactly one {wanted} field',
                "answer",
                "format",
                hint='several fields need format = "json"',
            )
        if answer.format == "list":
            self.check_list(fields[0], answer)
            return
        for key, value, default in (
            ("separator", answer.separator, DEFAULT_SEPARATOR),
            ("none", answer.none, ""),
        ):
            if value != default:
                self.fail(f'{key} belongs to format = "list" only', "answer", key)

    def check_list(self, field_: Field, answer: AnswerFormat) -> None:
        if not answer.separator:
            self.fail("the separator is empty", "answer", "separator")
        core = answer.separator.strip() or answer.separator
        for label in (*field_.labels, answer.none):
            if core in label:
                self.fail(f'"{label}" contains the separator "{core}"', "answer", "separator")
        if answer.none != answer.none.strip():
            self.fail("none begins or ends with space", "answer", "none")
        if answer.none.casefold() in {label.casefold() for label in field_.labels}:
            self.fail(f'none = "{answer.none}" is also a label', "answer", "none")

    def check_prompt(self) -> None:
        for key, text in (("system", self.prompt.system), ("user", self.prompt.user)):
            try:
                template = parse_template(text)
            except TemplateError as error:
                self.fail(f"{key}: {error}", "prompt", key, hint="write {{ and }} for braces")
            for slot in template:
                if isinstance(slot, LabelsSlot) and slot.field is not None:
                    names = [field_.name for field_ in self.fields]
                    if slot.field not in names:
                        self.fail(
                            f"{key}: {{labels:{slot.field}}} names no field{did_you_mean(slot.field, names)}",
                            "prompt",
                            key,
                        )
                if isinstance(slot, ColumnSlot) and slot.column in self.label_columns:
                    self.fail(f"{key}: {{{slot.column}}} would tell the model the label", "prompt", key)
        if not any(not isinstance(slot, str | LabelsSlot) for slot in parse_template(self.prompt.user)):
            self.fail(
                "user: no placeholder for the text, so every prompt would be the same",
                "prompt",
                "user",
                hint="put {text} where the text belongs",
            )
