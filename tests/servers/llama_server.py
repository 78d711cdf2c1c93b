"""llama.cpp's HTTP server on a tiny model with random weights: a program for the environment that has `xllamacpp`.

    LABELTUNE_TEST_LLAMA llama_server.py FOLDER

It writes FOLDER/tiny.gguf, listens on a free port of loopback, prints the address as one line on stdout and serves
until its standard input ends. The model is of llama's architecture; its vocabulary are the 256 bytes. Its weights are
random but for what follows what: after `assistant: ` it most likely says `refund`, and where that is forbidden it
fences its JSON, in which it likes no white space.
"""

from __future__ import annotations

import sys
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gguf
import numpy as np
import xllamacpp

if TYPE_CHECKING:
    from collections.abc import Iterator

HIDDEN, HEADS, LAYERS, FEED_FORWARD, CONTEXT = 64, 4, 2, 96, 4096
FOLLOWS = {" refund": 10.0, " `": 5.0, '{"': 10.0, '",': 10.0, '":': 10.0, '"}': 10.0, ':"': 10.0, ',"': 10.0}
"""How far each sign raises the logit of the next one."""
END = "<|end|>"
TEMPLATE = (
    "{% for message in messages %}{{ message.role }}: {{ message.content }}" + END + "{% endfor %}"
    "{% if add_generation_prompt %}assistant: {% endif %}"
)


def byte_signs() -> list[str]:
    """The sign that stands for each byte in a byte-level vocabulary: those not printable are moved up."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    moved = iter(range(0x100, 0x200))
    return [chr(byte if byte in printable else next(moved)) for byte in range(256)]


def write_model(path: Path) -> None:
    """A model that nobody trained, with a header and a vocabulary as real ones have them."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("tiny")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(HIDDEN)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(FEED_FORWARD)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    tokens = [*byte_signs(), "re", END]
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([gguf.TokenType.NORMAL] * (len(tokens) - 1) + [gguf.TokenType.CONTROL])
    writer.add_token_merges(["r e"])
    writer.add_eos_token_id(len(tokens) - 1)
    writer.add_bos_token_id(len(tokens) - 1)
    writer.add_add_bos_token(value=False)
    writer.add_chat_template(TEMPLATE)
    for name, weights in tensors(tokens):
        writer.add_tensor(name, weights.astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def tensors(tokens: list[str]) -> Iterator[tuple[str, Any]]:
    """The weights by their names: little noise in the layers, so that a token's vector says what comes next."""
    generator = np.random.default_rng(0)
    vectors = generator.normal(0, 1, (len(tokens), HIDDEN))
    output = generator.normal(0, 0.05, (len(tokens), HIDDEN))
    signs = byte_signs()
    for text, raised in FOLLOWS.items():
        path = [tokens.index(signs[ord(sign)]) for sign in text]
        if text[-1].isalpha():
            path.append(tokens.index(END))
        for here, there in pairwise(path):
            output[there] += vectors[here] * raised / HIDDEN
    yield "token_embd.weight", vectors
    yield "output.weight", output
    yield "output_norm.weight", np.ones(HIDDEN)
    shapes = {"attn_q": (HIDDEN, HIDDEN), "attn_k": (HIDDEN, HIDDEN), "attn_v": (HIDDEN, HIDDEN)}
    shapes |= {"attn_output": (HIDDEN, HIDDEN), "ffn_gate": (FEED_FORWARD, HIDDEN)}
    shapes |= {"ffn_up": (FEED_FORWARD, HIDDEN), "ffn_down": (HIDDEN, FEED_FORWARD)}
    for layer in range(LAYERS):
        for norm in ("attn_norm", "ffn_norm"):
            yield f"blk.{layer}.{norm}.weight", np.ones(HIDDEN)
        for name, shape in shapes.items():
            yield f"blk.{layer}.{name}.weight", generator.normal(0, 0.05, shape)


def main() -> None:
    model = Path(sys.argv[1]) / "tiny.gguf"
    write_model(model)
    params = xllamacpp.CommonParams()
    params.model.path = str(model)
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.n_ctx = CONTEXT
    params.n_parallel = 2
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.n_gpu_layers = 0
    params.fit_params = False
    params.warmup = False
    server = xllamacpp.Server(params)
    sys.stdout.write(f"{server.listening_address}\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    main()
