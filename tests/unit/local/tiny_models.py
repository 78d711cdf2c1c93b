"""Tiny random encoders, and records that they can learn."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from labeltune.local.engines import Record

NEEDS = "the engines on torch need the extra [torch]"


def need_torch() -> None:
    """Skip the module where torch is not installed."""
    for package in ("torch", "transformers", "peft", "tokenizers", "safetensors"):
        pytest.importorskip(package, reason=NEEDS)


TOPICS = {
    "card": ["card", "pin", "cash", "contactless"],
    "transfer": ["transfer", "recipient", "account", "reference"],
    "login": ["password", "sign", "code", "locked"],
}
FILLERS = ["please", "help", "with", "my", "there", "is", "a", "problem", "why", "what", "about", "hello"]
WORDS = [*FILLERS, *(word for words in TOPICS.values() for word in words)]


def record(text: str, answer: str) -> Record:
    return [
        {"role": "system", "content": "Classify."},
        {"role": "user", "content": f"Message: {text}\nTopic:"},
        {"role": "assistant", "content": answer},
    ]


def text_about(random: np.random.Generator, topics: Sequence[str]) -> str:
    words = [*random.choice(FILLERS, size=3)]
    for topic in topics:
        words += [*random.choice(TOPICS[topic], size=2)]
    return " ".join(map(str, random.permutation(words)))


def single(n: int = 120, seed: int = 0) -> list[Record]:
    random = np.random.default_rng(seed)
    topics = [str(topic) for topic in random.choice(list(TOPICS), size=n)]
    return [record(text_about(random, [topic]), topic) for topic in topics]


def several(n: int = 200, seed: int = 0) -> list[Record]:
    random = np.random.default_rng(seed)
    records: list[Record] = []
    while len(records) < n:
        topics = [topic for topic in TOPICS if random.random() < 0.45]
        if topics:
            records.append(record(text_about(random, topics), ",".join(topics)))
    return records


def path(topic: str) -> str:
    return json.dumps({"area": "money" if topic != "login" else "access", "topic": topic})


def spelled(records: Sequence[Record], spell: Any) -> list[Record]:
    return [[*row[:-1], {**row[-1], "content": spell(row[-1]["content"])}] for row in records]


def tiny_encoder(folder: Path, kind: str = "bert", *, dropout: float = 0.1) -> Path:
    """A model of two layers, 32 wide, with a tokenizer that knows the words of the records."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, ModernBertConfig, ModernBertModel

    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *dict.fromkeys(WORDS)]
    numbers = {word: number for number, word in enumerate(names)}
    tokenizer = Tokenizer(models.WordLevel(numbers, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    torch.manual_seed(0)
    size: dict[str, Any] = {
        "vocab_size": len(numbers),
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 64,
        "max_position_embeddings": 64,
    }
    if kind == "bert":
        config = BertConfig(**size, hidden_dropout_prob=dropout, attention_probs_dropout_prob=dropout)
        BertModel(config).save_pretrained(folder)
    else:
        special: dict[str, Any] = {
            "pad_token_id": 0,
            "cls_token_id": 2,
            "sep_token_id": 3,
            "bos_token_id": 2,
            "eos_token_id": 3,
        }
        ModernBertModel(ModernBertConfig(**size, **special)).save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "README.md").write_text("---\nlanguage: en\nlicense: apache-2.0\n---\n# Tiny\n")
    return folder
