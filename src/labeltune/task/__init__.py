"""What is being classified, and how a row becomes a prompt and an answer becomes labels.

`parts`, `read_options` and `model` are the task, `rules` what it may not say, `reading` and `writing` its
file; `template` is the prompt's, `cells` knows lists and spellings in cells of labels, `labels` goes from
columns and answers to label vectors and back, `columns` names what predict writes, `chat` makes messages and
records of rows, `records` says what a line of a chat file must be.
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
