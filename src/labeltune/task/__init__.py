"""What is being classified, and how a row becomes a prompt and an answer becomes labels.

`parts`, `read_options` and `model` are the task, `rules` what it may not say, `reading` and `writing` its
file; `template` is the prompt's. `labels` are an example's: `label_cells` reads them from a table's cells,
where `cells` knows lists and the one spelling of what looks the same; `answers` spells them
as an answer and reads answers, `answer_schema` is the JSON schema of those, `vectors` are label vectors. Only
these know how labels are separated and what an answer looks like. `columns` names what predict writes,
`provenance` what tells where rows come from; `chat` makes messages and records of rows, `records` says what a
line of a chat file must be.
"""

from labeltune.task.model import Task
from labeltune.task.parts import DEFAULT_SEPARATOR, AnswerFormat, Defaults, Field, FieldType, Format, Prompt
from labeltune.task.read_options import NOTHING_TOLD, ReadOptions
from labeltune.task.reading import parse_task, read_task, task_if_there
from labeltune.task.writing import format_task

__all__ = [
    "DEFAULT_SEPARATOR",
    "NOTHING_TOLD",
    "AnswerFormat",
    "Defaults",
    "Field",
    "FieldType",
    "Format",
    "Prompt",
    "ReadOptions",
    "Task",
    "format_task",
    "parse_task",
    "read_task",
    "task_if_there",
]
