"""The options of what does little else than speak to a provider: which one, and how it is told of."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from labeltune.cli import output
from labeltune.cli.bundles import Bundle, Option, takes
from labeltune.cli.defaults import provider_near
from labeltune.cli.options import JsonOption, ProviderOption, QuietOption, TaskOption
from labeltune.defaults import DEFAULT_TASK_FILE

if TYPE_CHECKING:
    from collections.abc import Callable

    from labeltune.cli.output import Output
    from labeltune.providers import Provider

__all__ = ["speaks_to_provider"]


def _sink(*, json: bool, quiet: bool) -> Output:
    return output.configure(json_mode=json, quiet=quiet)


def _place(*, task: Path, provider: str | None) -> Provider:
    return provider_near(provider, task)


_SINK = Bundle({"json": Option(JsonOption, False), "quiet": Option(QuietOption, False)}, _sink)
_PLACE = Bundle(
    {"task": Option(TaskOption, Path(DEFAULT_TASK_FILE)), "provider": Option(ProviderOption, None)}, _place
)


def speaks_to_provider(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command options in place of its parameters `place`, the provider, and `out`, the sink.

    The sink is there first: a provider that there is not is told of as `--json` and `--quiet` say.
    """
    return takes("out", _SINK)(takes("place", _PLACE)(command))
