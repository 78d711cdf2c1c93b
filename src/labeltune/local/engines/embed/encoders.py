"""Sentence models at work: from texts to vectors, the same to the last bit in whatever company a text is."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from labeltune.errors import AccessError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from labeltune.local.engines.embed.sources import Sentences

    Floats = NDArray[np.float32]
    Ints = NDArray[np.int64]

__all__ = ["LONGEST_TOKEN", "Encoder", "Onnx", "Static", "Torch", "open_encoder"]

_TOGETHER, _TOKENS_TOGETHER = 32, 4_096
"""At most so many texts, and about so many tokens, go through a transformer at once."""
LONGEST_TOKEN = 64
"""Characters beyond so many for each token of the window are not even looked at."""
_MANY_TOKENS = 2_048


class Encoder(ABC):
    """A sentence model that is open."""

    def __init__(self, sentences: Sentences) -> None:
        from tokenizers import Tokenizer

        self._sentences = sentences
        path = sentences.files["tokenizer.json"]
        try:
            self._tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # it raises nothing narrower
            raise AccessError(
                f"{path}: is no tokenizer: {error}", hint="restore the model's folder"
            ) from error
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self.cut = 0
        """How many texts were longer than the model's window, so far."""
        self.width = 0
        """How many numbers a vector has."""

    @abstractmethod
    def vectors(self, texts: Sequence[str]) -> Floats:
        """The vectors of texts, (texts, width)."""

    def _plain(self, text: str) -> str:
        # The tokenizer wants what UTF-8 can say.
        return (self._sentences.prefix + text).encode("utf-8", "replace").decode("utf-8")

    def _of_length(self, vectors: Floats) -> Floats:
        """Vectors of length 1 if the model's are; nothing stays nothing."""
        if not self._sentences.normalize:
            return vectors
        lengths = np.sqrt((vectors * vectors).sum(axis=1, keepdims=True))
        return np.asarray(vectors / np.maximum(lengths, 1e-12), dtype=np.float32)


class Static(Encoder):
    """The mean of the vectors of a text's tokens."""

    def __init__(self, sentences: Sentences) -> None:
        super().__init__(sentences)
        self.table = _table(sentences.files["vectors.safetensors"])
        """The vector of each token, (tokens, width)."""
        self.width = self.table.shape[1]

    def vectors(self, texts: Sequence[str]) -> Floats:
        """See `Encoder`."""
        plain = [self._plain(text) for text in texts]
        found = np.zeros((len(texts), self.width), dtype=np.float32)
        for row, encoding in enumerate(self._tokenizer.encode_batch(plain, add_special_tokens=False)):
            ids = np.array(encoding.ids, dtype=np.int64)
            ids = ids[ids < len(self.table)]
            if len(ids) > _MANY_TOKENS:
                distinct, counts = np.unique(ids, return_counts=True)
                found[row] = (counts / len(ids)).astype(np.float32) @ self.table[distinct]
            elif len(ids):
                found[row] = self.table.take(ids, axis=0).mean(axis=0)
        return self._of_length(found)


def _table(path: Path) -> Floats:
    """The vector of each token: the only matrix of a file, by model2vec's weights and mapping where it has
    them.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        tensors = load_file(path)
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise AccessError(
            f"{path}: cannot be read: {error}", hint="save the vectors as 16 or 32 bit floats"
        ) from error
    table: Floats
    (table,) = (tensor.astype(np.float32) for tensor in tensors.values() if tensor.ndim == 2)
    if "mapping" in tensors:
        table = table[tensors["mapping"].astype(np.int64)]
    if "weights" in tensors:
        table *= tensors["weights"].astype(np.float32)[:, None]
    if not np.isfinite(table).all():
        raise AccessError(f"{path}: has vectors that are not finite", hint="restore the model's folder")
    return table


class _Transformer(Encoder):
    """A transformer, its tokens pooled.

    Texts of the same number of tokens go through it together, so that nothing is padded and a text's vector
    is the same alone. Where a model looks at all texts of a batch to round its numbers, they go one by one.
    """

    def __init__(self, sentences: Sentences) -> None:
        super().__init__(sentences)
        self._tokenizer.enable_truncation(sentences.window)
        self._workers = ThreadPoolExecutor(self._open(), thread_name_prefix="sentences")
        self._together = _TOGETHER if self._is_indifferent() else 1

    def vectors(self, texts: Sequence[str]) -> Floats:
        of_length: dict[int, list[int]] = defaultdict(list)
        ids = self._ids(texts)
        for row, tokens in enumerate(ids):
            of_length[len(tokens)].append(row)
        groups = [
            rows[start : start + size]
            for length, rows in of_length.items()
            for size in (max(1, min(self._together, _TOKENS_TOGETHER // max(length, 1))),)
            for start in range(0, len(rows), size)
        ]
        pooled = self._workers.map(lambda rows: self._pooled([ids[row] for row in rows]), groups)
        found = np.empty((len(texts), self.width), dtype=np.float32)
        for rows, vectors in zip(groups, pooled, strict=True):
            found[rows] = vectors
        return self._of_length(found)

    def _ids(self, texts: Sequence[str]) -> list[list[int]]:
        """The tokens of each text, no more than the window takes."""
        window = self._sentences.window
        plain = [self._plain(text) for text in texts]
        encodings = self._tokenizer.encode_batch([text[: window * LONGEST_TOKEN] for text in plain])
        self.cut += sum(
            bool(encoding.overflowing) or len(text) > window * LONGEST_TOKEN
            for encoding, text in zip(encodings, plain, strict=True)
        )
        # A text without a token is asked about as the first one of the vocabulary.
        return [encoding.ids or [0] for encoding in encodings]

    def _pooled(self, ids: list[list[int]]) -> Floats:
        found = self._run(np.array(ids, dtype=np.int64))
        if found.ndim == 3:
            found = found[:, 0] if self._sentences.pooling == "cls" else found.mean(axis=1)
        return np.asarray(found, dtype=np.float32)

    def _is_indifferent(self) -> bool:
        """Whether a text's vector is the same in company."""
        ids = self._ids(["It does not matter who else is asked about."])[0]
        together = self._pooled([ids, ids[::-1]])
        self.width = together.shape[1]
        return np.array_equal(together[0], self._pooled([ids])[0])

    @abstractmethod
    def _open(self) -> int:
        """Open the model. Returns how many batches it computes at the same time."""

    @abstractmethod
    def _run(self, ids: Ints) -> Floats:
        """What the model says of texts of as many tokens, (texts, tokens, width) or, if it pools them itself,
        (texts, width).
        """


class Onnx(_Transformer):
    """A transformer run by onnxruntime: one thread for each batch, and a batch for each core."""

    def _open(self) -> int:
        import onnxruntime as ort

        path = self._sentences.files["sentences.onnx"]
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # its errors have no common root
            reason = str(error).splitlines()[0]
            raise AccessError(
                f"{path}: onnxruntime cannot open it: {reason}",
                hint="export the model anew, as one file, with its weights inside",
            ) from error
        self.inputs = [one.name for one in self._session.get_inputs()]
        unknown = set(self.inputs) - {"input_ids", "attention_mask", "token_type_ids", "position_ids"}
        outputs = {one.name: len(one.shape or ()) for one in self._session.get_outputs()}
        known = ("sentence_embedding", "last_hidden_state", "token_embeddings", *outputs)
        self.output = next((name for name in known if outputs.get(name) in (2, 3)), "")
        if unknown or "input_ids" not in self.inputs or not self.output:
            raise AccessError(
                f"{path}: is no sentence model: its inputs are {', '.join(self.inputs)}, its outputs "
                f"{', '.join(outputs)}",
                hint="expected input_ids in, and vectors of tokens or of the sentence out",
            )
        return _cores()

    def _run(self, ids: Ints) -> Floats:
        every = {
            "input_ids": ids,
            "attention_mask": np.ones_like(ids),
            "token_type_ids": np.zeros_like(ids),
            "position_ids": np.broadcast_to(np.arange(ids.shape[1]), ids.shape),
        }
        (found,) = self._session.run([self.output], {name: every[name] for name in self.inputs})
        return np.asarray(found)


class Torch(_Transformer):
    """A transformer run by torch, from its safetensors."""

    def _open(self) -> int:
        import torch
        from transformers import AutoModel

        self._torch = torch
        files = self._sentences.files
        with TemporaryDirectory(prefix="labeltune-") as folder:
            # transformers knows its files by their names.
            (Path(folder) / "config.json").write_bytes(files["transformer.json"].read_bytes())
            (Path(folder) / "model.safetensors").symlink_to(files["transformer.safetensors"].resolve())
            try:
                model = AutoModel.from_pretrained(
                    folder, local_files_only=True, trust_remote_code=False, use_safetensors=True
                )
            except Exception as error:  # whatever transformers makes of a file
                raise AccessError(
                    f"{files['transformer.safetensors']}: transformers cannot open it: {error}",
                    hint="give a model of an architecture that transformers has, without code of its own",
                ) from error
        self._model: Any = model.float().eval()
        return 1  # torch has threads of its own

    def _run(self, ids: Ints) -> Floats:
        with self._torch.inference_mode():
            found = self._model(input_ids=self._torch.from_numpy(ids)).last_hidden_state
            return np.asarray(found.numpy())

    def write_onnx(self, path: Path) -> None:
        """Write it as a graph from `input_ids` to `last_hidden_state`. Raises `SettingsError`."""
        from labeltune.local.engines.neural.onnx_export import export_tokens

        def hidden(ids: Any, mask: Any) -> Any:
            return self._model(input_ids=ids, attention_mask=mask).last_hidden_state

        shape = ("windows", "tokens", "width")
        export_tokens(self._model, hidden, path, output="last_hidden_state", shape=shape)


def _cores() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def open_encoder(sentences: Sentences) -> Encoder:
    """The model, ready. Raises `AccessError` if its files cannot be read."""
    kinds: dict[str, type[Encoder]] = {"static": Static, "onnx": Onnx, "torch": Torch}
    return kinds[sentences.kind](sentences)
