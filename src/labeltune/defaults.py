"""What commands and functions take where nothing is given; apart, so that help costs no import of what uses
it.
"""

from __future__ import annotations

__all__ = ["DEFAULT_PROVIDER", "DEFAULT_STATE", "DEFAULT_TASK_FILE"]

DEFAULT_TASK_FILE = "task.toml"
DEFAULT_PROVIDER = "openai"
DEFAULT_STATE = ".labeltune"
