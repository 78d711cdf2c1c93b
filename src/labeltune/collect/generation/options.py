"""The settings of writing texts with a model, and their defaults."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["DEFAULT_OUTPUT", "GenerateOptions"]

DEFAULT_OUTPUT = "synthetic.csv"


@dataclass(frozen=True, slots=True)
class GenerateOptions:
    """What is written.

    `to`: the rows that each label should come to; the plan's if there is one. `plan`: its file, proposed if
    it is not there. `away_from`: tables of whose texts nothing may be like. `verify_with`: the model that is
    asked for the labels of what was written, without being told. `errors`: predictions whose errors say which
    labels need more. `seed` of what is drawn. `plan_only`: propose the plan and ask for no text.
    """

    to: int | None = None
    plan: str = "plan.toml"
    away_from: tuple[str, ...] = ()
    verify_with: str | None = None
    errors: str | None = None
    seed: int = 42
    plan_only: bool = False
