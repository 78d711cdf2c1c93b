"""Sentence models where they lie: the extra's own vectors, a folder, or a hub's; what they are and how they
want to be used.

Only safetensors, ONNX and JSON are read: nothing in them can run.
"""

from __future__ import annotations

import glob
import json
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NoReturn

from labeltune.errors import AccessError
from labeltune.files.writing import sha256_of
from labeltune.local.engines.common.fetching import fetch, on_this_disk
from labeltune.local.engines.common.hub import folder_named, is_offline, licence_of, name_and_revision
from labeltune.local.engines.embed.extra import need

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from labeltune.local.engines import Base

__all__ = [
    "Sentences",
    "describe",
    "fetch_folder",
    "find_folder",
    "licence_on_this_disk",
    "pinned",
]

_PICKLED = ("*.bin", "*.pt", "*.pth", "*.pkl", "*.ckpt", "*.h5")
_ONNX = ("model.onnx", "onnx/model.onnx", "model_*.onnx", "onnx/model_*.onnx")
_HINT = "give the folder of a sentence model, or a hub's name such as OWNER/NAME"
_NO_TOKENIZER = ("tokenizer.json is missing", "save the model's fast tokenizer beside it")
_USUAL_WINDOW = 512
_UNLIMITED = 1_000_000
"""A longest text of so many tokens means that none was set."""


@dataclass(frozen=True, slots=True)
class Sentences:
    """A sentence model: its files, and how vectors are made with them."""

    kind: Literal["static", "onnx", "torch"]
    files: Mapping[str, Path]
    """Each under the name that it has in a saved model."""
    pooling: Literal["mean", "cls"] = "mean"
    normalize: bool = True
    window: int = 0
    """The most tokens of a text that are read; 0 where there is no limit."""
    prefix: str = ""
    """What stands before each text."""
    hashes: Mapping[str, str] = field(default_factory=dict)
    """Of the files, by name."""

    def to_json(self) -> dict[str, Any]:
        """All but where the files lie, as JSON values."""
        return {
            "kind": self.kind,
            "pooling": self.pooling,
            "normalize": self.normalize,
            "window": self.window,
            "prefix": self.prefix,
            "hashes": dict(self.hashes),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any], files: Mapping[str, Path]) -> Sentences:
        """The inverse of `to_json`, with the files that a saved model holds."""
        return cls(**values, files={name: files[name] for name in values["hashes"]})

    @property
    def fingerprint(self) -> str:
        """The same for models that make the same vectors."""
        return sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()


def find_folder(base: Base) -> Path | None:
    """The folder of a base's sentence model; None for a hub's, unless nothing is to be fetched from there.

    Raises `AccessError` if there is none.
    """
    if not base.source:
        need("own")
        found = find_spec("wordllama")
        assert found is not None  # `need` said so
        return Path((found.submodule_search_locations or [""])[0])
    folder = folder_named(base.source, hint=_HINT)
    if folder is not None:
        return folder
    need("hub")
    return fetch(base.source, _weights_of) if is_offline() else None


def fetch_folder(base: Base, tell: Callable[[str], None] | None = None) -> Path:
    """The folder of a base's sentence model; a hub's is fetched: ONNX if there is some, else safetensors.

    Raises `AccessError`.
    """
    folder = find_folder(base)
    return fetch(base.source, _weights_of, tell=tell) if folder is None else folder


def pinned(base: Base, folder: Path) -> tuple[Base, str | None]:
    """The base that names just what lies in its folder, and the commit, if it is a hub's."""
    if not base.source or Path(base.source).expanduser().is_dir():
        return base, None
    name, _ = name_and_revision(base.source)
    return replace(base, source=f"{name}@{folder.name}"), folder.name


def licence_on_this_disk(base: Base) -> str:
    """The licence that a base's card names, if the card is here; empty otherwise. Nothing is fetched."""
    if not base.source:
        return "MIT, of the vectors that the package wordllama carries"
    folder = Path(base.source).expanduser()
    found = folder if folder.is_dir() else on_this_disk(base.source)
    return "" if found is None else licence_of(found)


def _weights_of(where: str, names: Collection[str]) -> list[str]:
    """The file of the weights. Raises `AccessError` if there is none, or what else is needed is missing."""
    found = _onnx_among(names)
    if found is None:
        static = sorted(name for name in names if fnmatchcase(name, "*StaticEmbedding/model.safetensors"))
        found = "model.safetensors" if "model.safetensors" in names else next(iter(static), None)
    if found is None:
        _refuse_without_weights(where, names)
    if not any(name in names for name in ("tokenizer.json", found.rpartition("/")[0] + "/tokenizer.json")):
        _refuse(where, *_NO_TOKENIZER)
    return [found]


def _onnx_among(names: Collection[str]) -> str | None:
    """The ONNX file that is taken of a hub's: no smaller form, and none with its weights in files beside it,
    since a model is kept as one file.
    """
    for name in ("model.onnx", "onnx/model.onnx"):
        beside = (f"{name}_", f"{name}.")
        if name in names and not any(other.startswith(beside) for other in names):
            return name
    return None


def describe(folder: Path, *, own: bool = False, prefix: str = "", hashed: bool = True) -> Sentences:
    """What a folder holds. Raises `AccessError` if it is no sentence model, or none that is read here.

    `own` is the folder of the package whose vectors come with the extra. Without `hashed` only small files
    are read.
    """
    if own:
        weights = sorted(folder.glob("weights/*.safetensors"))
        tokenizers = sorted(folder.glob("tokenizers/*.json"))
        if len(weights) != 1 or len(tokenizers) != 1:
            _refuse(folder, "the installed version of wordllama has other files than expected")
        files = {"vectors.safetensors": weights[0], "tokenizer.json": tokenizers[0]}
        return _of("static", files, hashed=hashed, prefix=prefix)
    modules = _modules(folder)
    static = next((folder / m["path"] for m in modules if m["type"].endswith("StaticEmbedding")), folder)
    tokenizer = next((f for f in (static / "tokenizer.json", folder / "tokenizer.json") if f.is_file()), None)
    onnx = next((p for pattern in _ONNX for p in sorted(folder.glob(pattern)) if _is_one_file(p)), None)
    weights_file = static / "model.safetensors"
    if onnx is None and not weights_file.is_file():
        _refuse_without_weights(str(folder), {path.name for path in folder.iterdir()})
    if tokenizer is None:
        _refuse(folder, *_NO_TOKENIZER)
    if onnx is None and _is_static(weights_file):
        need("static")
        files = {"vectors.safetensors": weights_file, "tokenizer.json": tokenizer}
        return _of("static", files, hashed=hashed, prefix=prefix)
    normal = not modules or any(module["type"].endswith("Normalize") for module in modules)
    how: dict[str, Any] = {"pooling": _pooling(folder, modules), "normalize": normal, "prefix": prefix}
    how["window"] = _window(folder, tokenizer)
    if onnx is not None:
        need("onnx")
        return _of("onnx", {"sentences.onnx": onnx, "tokenizer.json": tokenizer}, hashed=hashed, **how)
    if not (folder / "config.json").is_file():
        _refuse(folder, "config.json is missing")
    need("torch")
    files = {
        "transformer.safetensors": weights_file,
        "transformer.json": folder / "config.json",
        "tokenizer.json": tokenizer,
    }
    return _of("torch", files, hashed=hashed, **how)


def _of(
    kind: Literal["static", "onnx", "torch"], files: Mapping[str, Path], *, hashed: bool, **how: Any
) -> Sentences:
    hashes = {name: sha256_of(path) for name, path in files.items()} if hashed else {}
    return Sentences(kind, files, hashes=hashes, **how)


def _is_one_file(onnx: Path) -> bool:
    """Whether the weights are in it, and not in files beside it."""
    return not any(onnx.parent.glob(f"{glob.escape(onnx.name)}[_.]*"))


def _refuse(folder: Path | str, why: str, hint: str = "give the folder of a sentence model") -> NoReturn:
    raise AccessError(f"{folder}: {why}", hint=hint)


def _refuse_without_weights(where: str, names: Collection[str]) -> NoReturn:
    if any(fnmatchcase(name, pattern) for pattern in _PICKLED for name in names):
        _refuse(
            where,
            "its weights are pickled, and a pickle can run code: it is not read",
            "save the model as safetensors or ONNX",
        )
    if any(fnmatchcase(name, "model-*-of-*.safetensors") for name in names):
        _refuse(where, "its weights are in several files, expected one", "save it as one model.safetensors")
    _refuse(where, "is no sentence model: it has neither model.onnx, onnx/model.onnx nor model.safetensors")


def _json(path: Path) -> dict[str, Any]:
    """The values of a small file; none if it is not there."""
    found = _read(path, {})
    return found if isinstance(found, dict) else {}


def _read(path: Path, without: Any) -> Any:
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        return without
    except (OSError, ValueError) as error:
        raise AccessError(f"{path}: cannot be read as JSON", hint="restore the model's folder") from error


def _modules(folder: Path) -> list[dict[str, str]]:
    """The parts of a sentence-transformers model, each with its `type` and `path`."""
    found = _read(folder / "modules.json", [])
    good = isinstance(found, list) and all(
        isinstance(m, dict) and isinstance(m.get("type"), str) and isinstance(m.get("path"), str)
        for m in found
    )
    if not good:
        _refuse(folder, "modules.json is not a list of modules")
    return [m for m in found if (folder / m["path"]).resolve().is_relative_to(folder.resolve())]


def _is_static(path: Path) -> bool:
    """Whether the only matrix of a file is one of token vectors."""
    return [len(shape) for shape in _shapes(path).values()].count(2) == 1 and len(_shapes(path)) <= 3


def _shapes(path: Path) -> dict[str, list[int]]:
    """The tensors of a safetensors file, from its head."""
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            head = json.loads(file.read(min(length, 100_000_000)))
        return {name: tensor["shape"] for name, tensor in head.items() if name != "__metadata__"}
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise AccessError(f"{path}: is not a safetensors file", hint="restore the model's folder") from error


def _pooling(folder: Path, modules: list[dict[str, str]]) -> Literal["mean", "cls"]:
    places = [m["path"] for m in modules if m["type"].endswith("Pooling")] or ["1_Pooling"]
    told = _json(folder / places[0] / "config.json")
    modes = {name.removeprefix("pooling_mode_") for name, on in told.items() if on is True}
    modes |= {str(told["pooling_mode"])} if isinstance(told.get("pooling_mode"), str) else set()
    modes &= {"cls_token", "mean_tokens", "max_tokens", "mean_sqrt_len_tokens", "weightedmean_tokens",
              "lasttoken", "cls", "mean", "max"}  # fmt: skip
    if modes <= {"mean_tokens", "mean"}:
        return "mean"
    if modes <= {"cls_token", "cls"}:
        return "cls"
    _refuse(folder, f"pools by {' and '.join(sorted(modes))}, expected the mean or the first token")


def _window(folder: Path, tokenizer: Path) -> int:
    """The most tokens that the model was made for, its special ones among them."""
    config = _json(folder / "config.json")
    positions = config.get("max_position_embeddings")
    if isinstance(positions, int) and "roberta" in str(config.get("model_type")):
        positions -= 2  # its positions begin after the padding's
    cut = _json(tokenizer).get("truncation")
    told = [
        positions,
        _json(folder / "sentence_bert_config.json").get("max_seq_length"),
        _json(folder / "tokenizer_config.json").get("model_max_length"),
        cut.get("max_length") if isinstance(cut, dict) else None,
    ]
    limits = [limit for limit in told if isinstance(limit, int) and 0 < limit < _UNLIMITED]
    return min(limits, default=_USUAL_WINDOW)
