"""Whether what the engines on torch need is installed: looked for, not imported."""

from __future__ import annotations

from importlib.util import find_spec

from labeltune.errors import AccessError

__all__ = ["INSTALL", "need_torch"]

_PACKAGES = ("torch", "transformers", "peft", "safetensors", "tokenizers", "huggingface_hub")

INSTALL = (
    'pip install "labeltune[torch]" --extra-index-url https://download.pytorch.org/whl/cpu '
    "(without the second part on a machine with a GPU)"
)


def need_torch(engine: str) -> None:
    """Raise `AccessError` with the command that installs them if packages are missing."""
    missing = [package for package in _PACKAGES if find_spec(package) is None]
    if missing:
        names = " and ".join(filter(None, [", ".join(missing[:-1]), missing[-1]]))
        verb = "is" if len(missing) == 1 else "are"
        raise AccessError(f"{engine} needs {names}, which {verb} not installed", hint=INSTALL)
