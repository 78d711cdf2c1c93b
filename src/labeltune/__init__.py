"""Fine-tune text classifiers from a table of labelled text, through the OpenAI fine-tuning protocol.

The names here are those that every use needs. What a command does is a function in the module of its name, in
the wing of its step: `labeltune.prepare.convert.convert`, `labeltune.tuning.train.train`,
`labeltune.evaluation.evaluate.evaluate`, …; see docs/reference/python.md.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from labeltune.version import __version__

if TYPE_CHECKING:
    from labeltune.api import (
        Report,
        check,
        classify,
        evaluate,
        export_data,
        import_data,
        init,
        predict,
        split,
        train,
    )
    from labeltune.errors import LabeltuneError
    from labeltune.providers import Provider, resolve_provider
    from labeltune.task import AnswerFormat, Field, Prompt, Task, format_task, parse_task, read_task

__all__ = [
    "AnswerFormat",
    "Field",
    "LabeltuneError",
    "Prompt",
    "Provider",
    "Report",
    "Task",
    "__version__",
    "check",
    "classify",
    "evaluate",
    "export_data",
    "format_task",
    "import_data",
    "init",
    "parse_task",
    "predict",
    "read_task",
    "resolve_provider",
    "split",
    "train",
]

_MODULES = {
    "AnswerFormat": "labeltune.task",
    "Field": "labeltune.task",
    "LabeltuneError": "labeltune.errors",
    "Prompt": "labeltune.task",
    "Provider": "labeltune.providers",
    "Report": "labeltune.api",
    "Task": "labeltune.task",
    "check": "labeltune.api",
    "classify": "labeltune.api",
    "evaluate": "labeltune.api",
    "export_data": "labeltune.api",
    "format_task": "labeltune.task",
    "import_data": "labeltune.api",
    "init": "labeltune.api",
    "parse_task": "labeltune.task",
    "predict": "labeltune.api",
    "read_task": "labeltune.task",
    "resolve_provider": "labeltune.providers",
    "split": "labeltune.api",
    "train": "labeltune.api",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: `import labeltune` alone costs nothing."""
    if name not in _MODULES:
        raise AttributeError(f"module 'labeltune' has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    """The public names, for completion, whether they were used or not."""
    return sorted(__all__)
