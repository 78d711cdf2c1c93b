"""What a trained model keeps, and the base model that it needs."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from labeltune.errors import AccessError, ModelDamagedError
from labeltune.local.engines import Base
from labeltune.local.engines.common.folder import copied_files, read_folder
from labeltune.local.engines.llm.manifest import ABOUT, SCORING
from labeltune.local.engines.neural.base_model import find_base

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from labeltune.local.engines.neural.base_model import BaseModel

__all__ = ["ADAPTER", "MERGED", "Saved", "is_merged", "needed_base"]

ADAPTER = "adapter.safetensors"
MERGED = "labeltune"
"""The folder, within one that transformers reads, of what a merged model keeps besides."""


@dataclass(frozen=True, slots=True)
class Saved:
    """All of a model but its weights, as JSON values."""

    template: Sequence[Mapping[str, Any]]
    answers: Mapping[str, Any]
    decisions: Sequence[Mapping[str, Any]]
    tilt: Sequence[float]
    """What the scores of each label are too high by, where rare labels counted more; empty otherwise."""
    window: int
    common: Sequence[int]
    """The tokens that all conversations of the training began with."""
    half: bool
    """Whether it learnt in bfloat16."""
    base: Mapping[str, str]
    """The base model's `name`, `sha256` and `licence`."""
    rank: int
    """0 where LoRA's matrices are merged into the weights."""
    layers: Sequence[str]

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)

    @classmethod
    def read(cls, folder: Path) -> tuple[Saved, Path, Path | None]:
        """What is saved in a folder, the base model's folder, and the file of LoRA's matrices, None if they
        are merged. Raises `ModelDamagedError`.
        """
        merged = is_merged(folder)
        values, _ = read_folder(folder / MERGED if merged else folder, about=ABOUT, names=SCORING)
        saved = cls(**values["model"])
        if merged:
            return saved, needed_base(saved.base, at=folder).folder, None
        files = copied_files(folder, about=ABOUT, names=frozenset({ADAPTER}))
        return saved, needed_base(saved.base).folder, files[ADAPTER]


def is_merged(folder: Path) -> bool:
    """Whether a saved model is whole, and not LoRA's matrices beside a base model that lies elsewhere."""
    return (folder / MERGED / "manifest.json").is_file()


def needed_base(wanted: Mapping[str, str], at: Path | None = None) -> BaseModel:
    """The base model that a trained one needs, where it was or `at` a folder.

    Raises `ModelDamagedError` if it is gone or another one.
    """
    name = wanted["name"] if at is None else str(at)
    try:
        found = find_base(Base("llm", name))
    except AccessError as error:
        raise ModelDamagedError(
            f"the base model that this model learnt from is needed and not there: {error}",
            hint=f"put it back, or train again on it where it is now (its sha256: {wanted['sha256']})",
        ) from error
    if found.sha256() != wanted["sha256"]:
        raise ModelDamagedError(
            f"{name}: is not the base model that this model learnt from: its weights, its tokenizer or its "
            f"chat template are others (their sha256 was {wanted['sha256']})",
            hint="put the former one back, or train again on this one",
        )
    return found
