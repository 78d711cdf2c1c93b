"""Tiny chat models with random weights, made on the spot: folders as transformers reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
NO_SYSTEM = (
    "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
    "{% for message in messages %}{% if message['role'] == 'user' %}[INST] {{ message['content'] }} [/INST]"
    "{% else %} {{ message['content'] }}{{ eos_token }}{% endif %}{% endfor %}"
)

CORPUS = [
    "please help with my card, the card arrival and the card not working",
    "transfer to a recipient's bank account by reference; password, sign in, two-factor code, locked out",
    '{"area": "money", "topic": "card", "flags": [true, false], "none": "no label"}',
    "a spam, b ham, c other. Classify. Message: Topic: money access login",
    "system user assistant, contactless pin cash machine problem hello why is what about",
]


def tokenizer(folder: Path, *, words: bool = False, template: str | None = CHATML) -> int:
    """Write a tokenizer of bytes and their pairs, or of whole words. Returns how many tokens it knows."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    special = ["<unk>", "<|im_start|>", "<|im_end|>", "<pad>"]
    trainer: Any
    if words:
        made = Tokenizer(models.WordLevel(unk_token="<unk>"))
        made.pre_tokenizer = pre_tokenizers.Whitespace()
        trainer = trainers.WordLevelTrainer(special_tokens=special)
    else:
        made = Tokenizer(models.BPE())
        made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        made.decoder = decoders.ByteLevel()
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=special, initial_alphabet=alphabet)
    made.train_from_iterator(CORPUS, trainer)
    fast: Any = PreTrainedTokenizerFast
    whole = fast(tokenizer_object=made, unk_token="<unk>", eos_token="<|im_end|>", pad_token="<pad>")
    whole.chat_template = template
    whole.save_pretrained(folder)
    return len(whole)


def chat_model(
    folder: Path,
    kind: str = "llama",
    *,
    words: bool = False,
    template: str | None = CHATML,
    seed: int = 0,
    config: Mapping[str, Any] | None = None,
) -> Path:
    """A random model of this architecture, 2 layers 32 wide."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    size = tokenizer(folder, words=words, template=template)
    values: dict[str, Any] = {
        "vocab_size": size,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": 16,
        "max_position_embeddings": 512,
        "pad_token_id": 3,
        "eos_token_id": 2,
        "bos_token_id": 1,
        # Far from even, so that a mistake in what is attended to shows.
        "initializer_range": 0.3,
    }
    if kind in ("mistral", "gemma3_text"):
        values["sliding_window"] = 8
    if kind == "gemma3_text":
        values["layer_types"] = ["sliding_attention", "full_attention"]
        values["query_pre_attn_scalar"] = 16
    torch.manual_seed(seed)
    made: Any = AutoModelForCausalLM
    model = made.from_config(AutoConfig.for_model(kind, **values | dict(config or {})))
    model.save_pretrained(folder)
    return folder
