"""Whether the packages are installed that sentence models need: looked for, not imported."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from labeltune.errors import AccessError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["PACKAGES", "is_installed", "need"]

PACKAGES = {
    "static": ("tokenizers", "safetensors"),
    "onnx": ("tokenizers", "onnxruntime"),
    "torch": ("tokenizers", "safetensors", "torch", "transformers"),
    "own": ("tokenizers", "safetensors", "wordllama"),
    "hub": ("huggingface_hub",),
}
"""What each kind of sentence model is read with; `own` are the vectors that come with the extra."""


def is_installed() -> bool:
    """Whether `embed` alone can be trained here."""
    return not _missing(PACKAGES["own"])


def need(kind: str) -> None:
    """Raise `AccessError` if a package is missing that this kind of sentence model needs."""
    missing = _missing(PACKAGES[kind])
    if {"torch", "transformers"} & set(missing):
        raise AccessError(
            f"this sentence model has its weights in safetensors only, and {_and(missing)} to run it "
            f"{'is' if len(missing) == 1 else 'are'} not installed",
            hint='pip install "labeltune[torch]", or export the model to ONNX: that needs no torch',
        )
    if missing:
        raise AccessError(
            f"embed needs {_and(missing)}, which {'is' if len(missing) == 1 else 'are'} not installed",
            hint='pip install "labeltune[embed]"',
        )


def _missing(packages: Iterable[str]) -> list[str]:
    return [package for package in packages if find_spec(package) is None]


def _and(words: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))
