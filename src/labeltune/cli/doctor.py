"""`labeltune doctor`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from labeltune.cli import output
from labeltune.cli.defaults import provider_of
from labeltune.cli.formats import size
from labeltune.cli.options import JsonOption, ProviderOption, QuietOption, TaskOption
from labeltune.defaults import DEFAULT_PROVIDER, DEFAULT_TASK_FILE
from labeltune.errors import ExitCode, LabeltuneError
from labeltune.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from labeltune.providers import Provider
    from labeltune.providers.diagnosis import Diagnosis

__all__ = ["doctor"]

_SHOWN_MODELS = 10


def doctor(
    context: typer.Context,
    online: Annotated[bool, typer.Option("--online", help="Ask the provider for its models, too.")] = False,
    task: TaskOption = Path(DEFAULT_TASK_FILE),
    provider: ProviderOption = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Tell what is installed and in force here, and what is wrong; never shows a key."""
    out = output.configure(json_mode=json, quiet=quiet)
    from labeltune.providers.diagnosis import diagnose

    place, where, problem = _provider(provider, task, context)
    found = diagnose(place)
    found.facts["provider"] = {"name": place.given if place else provider, "chosen_by": where}
    if problem is not None:
        found.problems.insert(0, problem)
    if online and place is not None:
        _ask(place, found)
    document = {**found.facts, "problems": found.problems}
    out.result(document, *map(output.visible, _lines(found)))
    for one in found.problems:
        out.warn(one)
    if found.problems:
        raise typer.Exit(ExitCode.SETTINGS)


def _provider(
    told: str | None, task: Path, context: typer.Context
) -> tuple[Provider | None, str, str | None]:
    """The provider, what chose it, and what is wrong with it or with the task."""
    from labeltune.task import task_if_there

    where = "the default"
    try:
        if told is not None:
            by_option = context.get_parameter_source("provider").name == "COMMANDLINE"  # type: ignore[union-attr]  # a parameter of ours
            where = "--provider" if by_option else "LABELTUNE_PROVIDER"
            return provider_of(told, None), where, None
        definition = task_if_there(task)
        if definition is not None and definition.defaults.provider is not None:
            where = str(definition.where("defaults", "provider"))
        return provider_of(None, definition), where, None
    except LabeltuneError as error:
        return None, where, f"{error} ({error.hint})" if error.hint else str(error)


def _ask(place: Provider, found: Diagnosis) -> None:
    """Ask for the models; what goes wrong is one more problem."""
    from labeltune.tuning.models import model_names

    try:
        found.facts["models"] = model_names(place)
    except LabeltuneError as error:
        found.problems.append(f"{error} ({error.hint})" if error.hint else str(error))


def _lines(found: Diagnosis) -> Iterator[str]:
    facts = found.facts
    yield f"labeltune {facts['version']}, Python {facts['python']} ({facts['executable']})"
    yield f"platform: {facts['platform']}"
    chosen = facts["provider"]
    address = f" at {facts['base_url']}" if facts.get("base_url") else ""
    yield f"provider: {chosen['name'] or DEFAULT_PROVIDER}{address}, chosen by {chosen['chosen_by']}"
    if facts.get("key_variable"):
        yield f"key: {facts['key_variable']} is {'set' if facts['key_is_set'] else 'not set'}"
    if "home" in facts:
        yield from _home(facts["home"])
    yield from _extras(facts["extras"])
    yield f"proxy: {facts['proxy'] or 'none'}"
    yield f"certificates: {facts['certificates']}"
    if "models" in facts:
        names = facts["models"]
        more = f" and {len(names) - _SHOWN_MODELS:,} more" if len(names) > _SHOWN_MODELS else ""
        yield f"models at the provider: {', '.join(names[:_SHOWN_MODELS]) or 'none'}{more}"
    yield from (f"wrong: {one}" for one in found.problems)


def _home(home: dict[str, Any]) -> Iterator[str]:
    held = size(home["bytes"]) if home["exists"] else "not there yet"
    yield f"LABELTUNE_HOME: {home['path']}, {held} (by {home['chosen_by']})"
    alive = ", ".join(f"process {pid}" for pid in home["workers"]) or "none alive"
    yield f"workers: {alive}; {counted(home['waiting'], 'job or batch', 'jobs and batches')} to do"


def _extras(extras: dict[str, dict[str, str | None]]) -> Iterator[str]:
    for name, packages in extras.items():
        there = [f"{package} {found}" for package, found in packages.items() if found is not None]
        lacking = [package for package, found in packages.items() if found is None]
        missing = f"; not installed: {', '.join(lacking)}" if lacking else ""
        yield f"extra [{name}]: {', '.join(there) or 'nothing'}{missing}"
