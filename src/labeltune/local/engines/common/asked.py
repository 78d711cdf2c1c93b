"""What a job asks for, looked at: hyperparameters that make sense, and examples that can be learnt from."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from labeltune.errors import TrainingRefusedError

if TYPE_CHECKING:
    from labeltune.local.engines import Hyperparameters

__all__ = ["checked"]


def checked(asked: Hyperparameters) -> Hyperparameters:
    """What was asked. Raises `TrainingRefusedError` if a number makes no sense."""
    for name, value in (("n_epochs", asked.n_epochs), ("batch_size", asked.batch_size)):
        if value != "auto" and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
            raise TrainingRefusedError(f"{name} is {value!r}, expected a whole number from 1 on, or 'auto'")
    rate = asked.learning_rate_multiplier
    if rate != "auto" and (
        isinstance(rate, bool) or not isinstance(rate, (int, float)) or not 0 < rate < math.inf
    ):
        raise TrainingRefusedError(
            f"learning_rate_multiplier is {rate!r}, expected a number above 0, or 'auto'"
        )
    return asked
