"""The folder of a base model: found or fetched, looked at, and known by its hash.

Nothing in it can run: weights are read as safetensors alone, and code that a model brings is never trusted.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, NoReturn

from labeltune.errors import AccessError
from labeltune.files.writing import sha256_of
from labeltune.local.engines import Fetched
from labeltune.local.engines.common.fetching import READING, fetch, on_this_disk
from labeltune.local.engines.common.hub import folder_named, licence_of, name_and_revision

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from pathlib import Path

    from labeltune.local.engines import Base

__all__ = ["BaseModel", "check_source", "fetch_base", "find_base", "licence_on_this_disk"]

_SHARD = re.compile(r"model-\d{5}-of-(\d{5})\.safetensors")
_INDEX = "model.safetensors.index.json"
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
_HINT = "give the folder of a model in the form of transformers (config.json, tokenizer.json, *.safetensors)"


@dataclass(frozen=True, slots=True)
class BaseModel:
    """A base model on this disk."""

    name: str
    """As the job names its source, with the commit where that is a hub's name."""
    folder: Path
    config: dict[str, Any]

    @property
    def weights(self) -> list[Path]:
        """The files of the weights, sorted: those that are read, whatever else lies beside them."""
        return [self.folder / name for name in _weights_among(_names_in(self.folder))]

    @property
    def n_weights(self) -> int:
        """How many weights there are. Raises `AccessError` if a file is no safetensors."""
        return sum(_count_weights(path) for path in self.weights)

    def sha256(self) -> str:
        """A hash of config, tokenizer, chat template and weights: the same for the same model, wherever it
        lies.
        """
        digest = hashlib.sha256()
        reading = [path for pattern in READING for path in sorted(self.folder.glob(pattern))]
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
    return _found(base, lambda _: None, None)


def fetch_base(
    base: Base, tell: Callable[[str], None], *, look: Callable[[Path], None] = lambda _: None
) -> Fetched:
    """See `Fetching`. `look` looks at a hub's model before its weights are fetched, and may raise."""
    found = _found(base, look, tell)
    _, commit = name_and_revision(found.name) if _local_folder(base) is None else ("", None)
    return Fetched(replace(base, source=found.name), commit, found.licence)


def licence_on_this_disk(base: Base) -> str:
    """The licence that a base's card names, if the card is here; empty otherwise. Nothing is fetched."""
    folder = _local_folder(base) or on_this_disk(base.source)
    return "" if folder is None else licence_of(folder)


def _found(base: Base, look: Callable[[Path], None], tell: Callable[[str], None] | None) -> BaseModel:
    folder = _local_folder(base)
    if folder is not None:
        return _look_at(base.source, folder)

    def look_at_all(small: Path) -> None:
        _read_config(small)
        look(small)

    folder = fetch(base.source, _weights_of, look=look_at_all, tell=tell)
    return _look_at(f"{name_and_revision(base.source)[0]}@{folder.name}", folder)


def _local_folder(base: Base) -> Path | None:
    """The folder that a base names, or None for a name in a hub."""
    if not base.source:
        raise AccessError(
            f"{base}: expected a base model: {base.engine}:FOLDER or {base.engine}:OWNER/NAME", hint=_HINT
        )
    return folder_named(base.source, hint=_HINT)


def _names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.is_file()}


def _weights_among(names: Collection[str]) -> list[str]:
    """The files that transformers reads: one, or all of its parts; none if one of them is missing."""
    if "model.safetensors" in names:
        return ["model.safetensors"]
    parts = {name: found[1] for name in sorted(names) if (found := _SHARD.fullmatch(name))}
    whole = _INDEX in names and all(int(count) == len(parts) for count in parts.values())
    return [*parts] if whole else []


def _weights_of(where: str, names: Collection[str]) -> Sequence[str]:
    """The files of the weights. Raises `AccessError` if these or others that are needed are not there."""
    if "config.json" not in names:
        if any(name.endswith(".gguf") for name in names):
            _refuse(where, "holds a GGUF file, which cannot be trained")
        _refuse(where, "is no model: config.json is missing")
    found = _weights_among(names)
    if not found:
        if any(_SHARD.fullmatch(name) for name in names):
            _refuse(where, f"some of the parts of its weights are missing, or {_INDEX}")
        if any(fnmatchcase(name, pattern) for pattern in _PICKLES for name in names):
            _refuse(
                where,
                "its weights are pickled, and a pickle can run code: it is not read",
                "save the model again with save_pretrained, which writes safetensors",
            )
        _refuse(where, "has no weights: there is no model.safetensors")
    if "tokenizer.json" not in names:
        _refuse(
            where,
            "has no tokenizer: tokenizer.json is missing",
            "save it there with AutoTokenizer.from_pretrained(…).save_pretrained(FOLDER)",
        )
    return found


def _look_at(name: str, folder: Path) -> BaseModel:
    config = _read_config(folder)
    _weights_of(str(folder), _names_in(folder))
    found = BaseModel(name, folder, config)
    _ = found.n_weights  # a file that is cut or something else is told of before a job is made
    return found


def _read_config(folder: Path) -> dict[str, Any]:
    """The model's config; empty if there is none, which is told by what else is there."""
    try:
        config = json.loads((folder / "config.json").read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise AccessError(f"{folder / 'config.json'}: cannot be read as JSON", hint=_HINT) from error
    if not isinstance(config, dict) or not isinstance(config.get("model_type"), str):
        _refuse(str(folder), "config.json names no model_type")
    if "auto_map" in config:
        _refuse(str(folder), "brings its own code (auto_map in config.json), and such code is not run")
    return config


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


def _refuse(where: str, why: str, hint: str = _HINT) -> NoReturn:
    raise AccessError(f"{where}: {why}", hint=hint)
