"""Examples seen through the eyes of models that were trained without them, by any engine that can do it."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from labeltune.errors import SettingsError
from labeltune.local.engines import ENGINES, Base, get_engine

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from labeltune.local.engines import CrossValidating, HeldOut, Record

__all__ = ["check_base", "cross_validate"]


def check_base(name: str) -> Base:
    """The base model of that name, if its engine can cross-validate.

    Raises `AccessError` where there is no such engine, or something it needs is missing, and `SettingsError`.
    """
    base = Base.parse(name).located()
    engine = get_engine(base.engine)
    if not hasattr(engine, "cross_validate"):
        able = [own for own in ENGINES if hasattr(get_engine(own), "cross_validate")]
        raise SettingsError(
            f"{base.engine} cannot tell what it would say of rows that it has not seen",
            hint=f"these can: {', '.join(able)}",
        )
    engine.check(base)
    return base


def cross_validate(base: Base, training: Sequence[Record], fold: NDArray[np.int64], *, seed: int) -> HeldOut:
    """What the engine of `base` says of each example when it was trained without the example's fold.

    `fold`, int64 (examples,), counted from 1. Raises as the engine's `fit` does.
    """
    engine = cast("type[CrossValidating]", get_engine(base.engine))
    return engine.cross_validate(training, fold, base=base, seed=seed)
