"""Several options that come to a command as one parameter, wherever they belong together."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, NamedTuple, get_type_hints

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["Bundle", "Option", "takes"]

_MADE = {"Output": object, "PredictOptions": object, "Provider": object, "ReadOptions": object}
"""Types of what bundles make: a command need not import them to say what it gets."""


class Option(NamedTuple):
    """An option as a command would write it in its signature."""

    annotation: Any
    default: Any


@dataclass(frozen=True, slots=True)
class Bundle:
    """Options by the names of their parameters, and what makes one value of theirs."""

    options: Mapping[str, Option]
    make: Callable[..., Any]


def takes(name: str, bundle: Bundle) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options of a bundle in place of its parameter `name`, which gets what they make."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        parameters = list(_expanded(command, name, bundle))

        @wraps(command)
        def run(**given: Any) -> None:
            made = bundle.make(**{option: given.pop(option) for option in bundle.options})
            command(**given, **{name: made})

        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # what Typer reads
        run.__annotations__ = {one.name: one.annotation for one in parameters}
        return run

    return decorate


def _expanded(command: Callable[..., None], name: str, bundle: Bundle) -> list[inspect.Parameter]:
    types = get_type_hints(command, localns=_MADE, include_extras=True)
    parameters: list[inspect.Parameter] = []
    for parameter in inspect.signature(command).parameters.values():
        if parameter.name == name:
            parameters += [
                inspect.Parameter(
                    option, inspect.Parameter.KEYWORD_ONLY, default=one.default, annotation=one.annotation
                )
                for option, one in bundle.options.items()
            ]
        else:
            parameters.append(
                parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=types[parameter.name])
            )
    return parameters
