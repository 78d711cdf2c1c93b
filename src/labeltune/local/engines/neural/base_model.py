"""The folder of a base model: found or fetched, looked at, and known by its hash.

Nothing in it can run: weights are read as safetensors alone, and code that a model brings is never trusted.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from labeltune.errors import AccessError
from labeltune.files.writing import sha256_of
from labeltune.local.engines.common.hub import HUB_NAME, is_offline, licence_of

if TYPE_CHECKING:
    from labeltune.local.engines import Base

__all__ = ["BaseModel", "check_source", "find_base"]

PATTERNS = ("*.safetensors", "*.json", "*.txt", "*.model", "*.jinja", "README.md")
"""What is fetched of a hub's model: nothing that can run, and no weights in other forms."""

_READING = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
    "additional_chat_templates/*.jinja",
)
"""By what texts and conversations become tokens: files that a folder may have or not."""

_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
_HINT = "give the folder of a model in the form of transformers (config.json, tokenizer.json, *.safetensors)"


@dataclass(frozen=True, slots=True)
class BaseModel:
    """A base model on this disk."""

    name: str
    """As the job names its source."""
    folder: Path
    config: dict[str, Any]

    @property
    def weights(self) -> list[Path]:
        """The files of the weights, sorted."""
        return sorted(self.folder.glob("*.safetensors"))

    @property
    def n_weights(self) -> int:
        """How many weights there are. Raises `AccessError` if a file is no safetensors."""
        return sum(_count_weights(path) for path in self.weights)

    def sha256(self) -> str:
        """A hash of config, tokenizer, chat template and weights: the same for the same model, wherever it
        lies.
        """
        digest = hashlib.sha256()
        reading = [path for pattern in _READING for path in sorted(self.folder.glob(pattern))]
        for path in [self.folder / "config.json", *reading, *self.weights]:
            digest.update(f"{path.relative_to(self.folder).as_posix()} {sha256_of(path)}\n".encode())
        return digest.hexdigest()

    @property
    def licence(self) -> str:
        """The licence that the model's card names; empty if it names none."""
        return licence_of(self.folder)

    def to_json(self) -> dict[str, str]:
        """What a model that learnt from it carries of it."""
        return {"name": self.name, "sha256": self.sha256(), "licence": self.licence}


def check_source(base: Base) -> BaseModel | None:
    """Look at what a base names, at little cost and without a network; None for a name in a hub.

    Raises `AccessError` if it is no model, or neither a folder nor a name that a hub could have.
    """
    folder = _local_folder(base)
    return None if folder is None else _look_at(base.source, folder)


def find_base(base: Base) -> BaseModel:
    """The base on this disk; of a hub's name it is fetched. Raises `AccessError`."""
    folder = _local_folder(base)
    return _look_at(base.source, _fetch(base) if folder is None else folder)


def _local_folder(base: Base) -> Path | None:
    """The folder that a base names, or None for a name in a hub."""
    if not base.source:
        raise AccessError(
            f"{base}: expected a base model: {base.engine}:FOLDER or {base.engine}:OWNER/NAME", hint=_HINT
        )
    folder = Path(base.source).expanduser()
    if folder.is_dir():
        return folder
    if folder.suffix == ".gguf" or folder.is_file():
        raise AccessError(f"{base.source}: is a file, expected a folder", hint=_HINT)
    if folder.is_absolute() or not HUB_NAME.match(base.source):
        raise AccessError(f"{base.source}: there is no such folder", hint=_HINT)
    return None


def _fetch(base: Base) -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(base.source, allow_patterns=list(PATTERNS)))
    except (OSError, ValueError) as error:
        if is_offline():
            raise AccessError(
                f"{base.source}: is no folder here, not on this disk, and HF_HUB_OFFLINE forbids to fetch it",
                hint="fetch it once without HF_HUB_OFFLINE, or give its folder",
            ) from error
        raise AccessError(
            f"{base.source}: is no folder here, and the hub gave no such model ({type(error).__name__})",
            hint="check the name and the network, or give the folder of a model",
        ) from error


def _look_at(name: str, folder: Path) -> BaseModel:
    if not (folder / "config.json").is_file():
        if any(folder.glob("*.gguf")):
            _refuse(folder, "holds a GGUF file, which cannot be trained")
        _refuse(folder, "is no model: config.json is missing")
    try:
        config = json.loads((folder / "config.json").read_bytes())
    except (OSError, ValueError) as error:
        raise AccessError(f"{folder / 'config.json'}: cannot be read as JSON", hint=_HINT) from error
    if not isinstance(config, dict) or not isinstance(config.get("model_type"), str):
        _refuse(folder, "config.json names no model_type")
    if "auto_map" in config:
        _refuse(folder, "brings its own code (auto_map in config.json), and such code is not run")
    if not any(folder.glob("*.safetensors")):
        if any(path for pattern in _PICKLES for path in folder.glob(pattern)):
            _refuse(
                folder,
                "its weights are pickled, and a pickle can run code: it is not read",
                "save the model again with save_pretrained, which writes safetensors",
            )
        _refuse(folder, "has no weights: there is no *.safetensors")
    if not (folder / "tokenizer.json").is_file():
        _refuse(
            folder,
            "has no tokenizer: tokenizer.json is missing",
            "save it there with AutoTokenizer.from_pretrained(…).save_pretrained(FOLDER)",
        )
    found = BaseModel(name, folder, config)
    _ = found.n_weights  # a file that is cut or something else is told of before a job is made
    return found


def _count_weights(path: Path) -> int:
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            head = json.loads(file.read(min(length, 100_000_000)))
        shapes = [tensor["shape"] for name, tensor in head.items() if name != "__metadata__"]
        ends = [tensor["data_offsets"][1] for name, tensor in head.items() if name != "__metadata__"]
        whole = path.stat().st_size == 8 + length + max(ends, default=0)
        total = 0
        for shape in shapes:
            count = 1
            for side in shape:
                count *= int(side)
            total += count
    except (OSError, ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
        raise AccessError(f"{path}: is not a safetensors file", hint=_HINT) from error
    if not whole:
        raise AccessError(f"{path}: is cut short", hint="copy or fetch the model again")
    return total


def _refuse(folder: Path, why: str, hint: str = _HINT) -> NoReturn:
    raise AccessError(f"{folder}: {why}", hint=hint)
