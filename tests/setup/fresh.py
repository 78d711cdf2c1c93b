"""A machine with nothing installed, and what is installed on it in the end."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from pathlib import Path

_BROUGHT_BY_VENV = {"pip", "setuptools"}
_LIST = "import importlib.metadata as m, json; print(json.dumps([[d.name, d.version] for d in m.distributions()]))"


@dataclass(frozen=True, slots=True)
class Fresh:
    """A copy of what the set-up needs, and the environment of a machine that reaches the made index only."""

    folder: Path
    environment: dict[str, str]


def installed(venv: Path) -> dict[str, str]:
    """What a virtual environment holds beside what every one of them does: versions by name."""
    ran = subprocess.run([venv / "bin" / "python", "-c", _LIST], capture_output=True, text=True, check=True)
    found = {canonicalize_name(name): version for name, version in json.loads(ran.stdout)}
    return {name: version for name, version in found.items() if name not in _BROUGHT_BY_VENV}
