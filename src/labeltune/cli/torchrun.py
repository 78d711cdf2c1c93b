"""A command that `torchrun` runs in several processes: one of them does it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from labeltune.errors import SettingsError

if TYPE_CHECKING:
    from labeltune.cli.output import Output
    from labeltune.providers import Provider

__all__ = ["is_one_of_several", "with_processes"]


def is_one_of_several() -> bool:
    """Whether torchrun started this process, and another one that does the work."""
    return "TORCHELASTIC_RUN_ID" in os.environ and os.environ.get("RANK", "0") != "0"


def with_processes(base: str, provider: Provider, out: Output) -> str:
    """The base with as many processes as torchrun was told to start.

    Raises `SettingsError` for several machines, another number in the base, or a provider elsewhere.
    """
    size = os.environ.get("WORLD_SIZE", "1") if "TORCHELASTIC_RUN_ID" in os.environ else "1"
    if size == "1":
        return base
    if not provider.local:
        raise SettingsError(
            f"torchrun: {provider.host} trains on machines of its own", hint="run labeltune without torchrun"
        )
    if os.environ.get("LOCAL_WORLD_SIZE", size) != size:
        raise SettingsError(
            "torchrun: the processes of a training are those of one machine",
            hint="leave --nnodes out, or say --nnodes 1",
        )
    from labeltune.local.engines import Base, get_engine

    named = Base.parse(base)
    if "processes" not in get_engine(named.engine).options:
        raise SettingsError(
            f"torchrun: {named.engine} learns in one process", hint="run labeltune without torchrun"
        )
    if (told := named.options.get("processes", size)) != size:
        raise SettingsError(f"torchrun starts {size} processes, and the base model says processes={told}")
    out.note(f"torchrun: the job learns in {size} processes, which its worker starts and ends")
    return str(Base(named.engine, named.source, {**named.options, "processes": size}))
