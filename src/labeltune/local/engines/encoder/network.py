"""An encoder with a head on it: made from a base, from saved weights, with adapters or without."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from labeltune.errors import AccessError, ModelDamagedError
from labeltune.local.engines.neural.lora import exactly

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from labeltune.local.engines.neural.base_model import BaseModel
    from labeltune.local.engines.neural.lora import Lora

__all__ = ["Network", "add_adapters", "base_network", "pooling_of", "saved_network", "whole_weights"]

_DROPOUT = 0.1


class Network(nn.Module):
    """Scores of texts: the encoder's tokens pooled, a linear layer on it, the mean over a text's windows."""

    def __init__(self, encoder: Any, *, outputs: int, pooling: str, padding: int) -> None:
        super().__init__()
        config = encoder.config
        dropout = next(
            (
                value
                for name in ("classifier_dropout", "hidden_dropout_prob", "dropout")
                if isinstance(value := getattr(config, name, None), float)
            ),
            _DROPOUT,
        )
        self.encoder = encoder
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(config.hidden_size, outputs)
        # With a head of zeros the first step begins from even odds, whatever the encoder says.
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        self._pooling, self._padding = pooling, padding

    def forward(self, texts: Sequence[Sequence[Sequence[int]]]) -> torch.Tensor:
        """Scores in float32, shape (texts, outputs), of texts as windows of tokens."""
        device = self.head.weight.device
        windows = [window for text in texts for window in text]
        width = max(map(len, windows))
        ids = torch.full((len(windows), width), self._padding)
        mask = torch.zeros((len(windows), width), dtype=torch.long)
        for row, window in enumerate(windows):
            ids[row, : len(window)] = torch.tensor(window)
            mask[row, : len(window)] = 1
        # Averaged by a matrix: sums by index have no fixed order on a GPU.
        average = torch.zeros((len(texts), len(windows)))
        place = 0
        for row, text in enumerate(texts):
            average[row, place : place + len(text)] = 1 / len(text)
            place += len(text)
        mask = mask.to(device)
        hidden = self.encoder(input_ids=ids.to(device), attention_mask=mask).last_hidden_state
        if self._pooling == "cls":
            pooled = hidden[:, 0]
        else:
            counted = mask[:, :, None].to(hidden.dtype)
            pooled = (hidden * counted).sum(dim=1) / counted.sum(dim=1)
        scores = self.head(self.dropout(pooled)).float()
        found: torch.Tensor = average.to(device) @ scores if len(windows) > len(texts) else scores
        return found


def pooling_of(folder: Path, asked: str) -> str:
    """`mean` or `cls`: what was asked for, or what a sentence-transformers folder says, or the mean."""
    if asked != "auto":
        return asked
    try:
        told = json.loads((folder / "1_Pooling" / "config.json").read_bytes())
    except (OSError, ValueError):
        return "mean"
    return "cls" if isinstance(told, dict) and told.get("pooling_mode_cls_token") is True else "mean"


def base_network(base: BaseModel, *, outputs: int, pooling: str) -> Network:
    """A base with an untrained head. Raises `AccessError` if its weights are not those of its config."""
    from transformers import AutoModel
    from transformers.utils import logging

    _refuse_others(base)
    logging.disable_progress_bar()
    try:
        encoder, told = AutoModel.from_pretrained(
            base.folder,
            dtype=torch.float32,
            trust_remote_code=False,
            use_safetensors=True,
            local_files_only=True,
            output_loading_info=True,
        )
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        why = str(error).strip().partition("\n")[0][:200]
        raise AccessError(
            f"{base.folder}: cannot be loaded: {why}", hint="check the model's folder"
        ) from error
    missing = sorted(name for name in told["missing_keys"] if not name.startswith("pooler."))
    if missing:
        raise AccessError(
            f"{base.folder}: {len(missing)} of its weights are missing, the first is {missing[0]}",
            hint="copy or fetch the model again",
        )
    return _network(encoder, outputs=outputs, pooling=pooling)


def _refuse_others(base: BaseModel) -> None:
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
        MODEL_FOR_MASKED_LM_MAPPING_NAMES,
        MODEL_MAPPING_NAMES,
    )

    kind = base.config["model_type"]
    if kind not in MODEL_MAPPING_NAMES:
        raise AccessError(
            f"{base.folder}: the installed version of transformers knows no model_type {kind!r}",
            hint="update transformers, or choose another model",
        )
    writes = kind in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES and kind not in MODEL_FOR_MASKED_LM_MAPPING_NAMES
    if base.config.get("is_encoder_decoder") or writes:
        raise AccessError(
            f"{base.folder}: a {kind} model writes text, expected an encoder such as BERT or ModernBERT",
            hint=f"fine-tune it as llm:{base.name}",
        )


def saved_network(
    config: Mapping[str, Any], weights: Mapping[str, torch.Tensor], *, outputs: int, pooling: str
) -> Network:
    """The network that was saved. Raises `ModelDamagedError` if the weights do not fit."""
    from transformers import AutoConfig, AutoModel

    make: Any = AutoModel.from_config
    encoder = make(AutoConfig.for_model(**config), trust_remote_code=False)
    network = _network(encoder.float(), outputs=outputs, pooling=pooling)
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise ModelDamagedError(
            "the saved weights do not fit the saved model", hint="train the model again"
        ) from error
    return network


def _network(encoder: Any, *, outputs: int, pooling: str) -> Network:
    # What some models make of their first token for a task of their pretraining; it is not used here.
    if getattr(encoder, "pooler", None) is not None:
        encoder.pooler = None
    padding = getattr(encoder.config, "pad_token_id", None)
    return Network(encoder, outputs=outputs, pooling=pooling, padding=0 if padding is None else padding)


def add_adapters(network: Network, lora: Lora) -> None:
    """Low-rank adapters on linear layers of the encoder; nothing else of it learns from now on."""
    from peft import LoraConfig, inject_adapter_in_model

    layers = exactly(lora.layers(network.encoder))
    settings = LoraConfig(r=lora.rank, lora_alpha=2 * lora.rank, lora_dropout=0.0, target_modules=layers)
    inject_adapter_in_model(settings, network.encoder)


def whole_weights(network: Network) -> dict[str, torch.Tensor]:
    """The weights as a network without adapters has them; the network itself stays as it is.

    Merging in place and taking it off again would change the last bits.
    """
    weights = {name: tensor.detach() for name, tensor in network.state_dict().items()}
    for name, module in network.named_modules():
        if hasattr(module, "get_delta_weight"):
            prefix = f"{name}.base_layer."
            own = {key: weights[key] for key in list(weights) if key.startswith(f"{name}.")}
            for key in own:
                del weights[key]
            for key, tensor in own.items():
                if key.startswith(prefix):
                    weights[f"{name}.{key.removeprefix(prefix)}"] = tensor
            weights[f"{name}.weight"] = (
                weights[f"{name}.weight"] + module.get_delta_weight("default").detach()
            )
    return weights
