"""Base models of a hub: what is fetched of them and what is not, and what is said where that fails."""

from __future__ import annotations

import json
import logging
import socket
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from labeltune.errors import AccessError
from labeltune.local.engines import Base, get_engine
from labeltune.local.engines.common.fetching import on_this_disk
from labeltune.local.engines.common.hub import folder_named
from labeltune.local.engines.common.hub import hub as address
from model_hub import SIGNATURE, Asked, ModelHub, Reply, Trouble, serving_models
from unit.local.chat_models import chat_model
from unit.local.sentence_models import onnx_folder, static_folder
from unit.local.tiny_models import need_torch, tiny_encoder
from waiting import HANG_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from labeltune.local.engines import Fetched

need_torch()
pytest.importorskip("huggingface_hub")

TOKEN = "hf_very-secret"
JUNK = {
    "pytorch_model.bin": b"\x80\x04.",
    "rust_model.ot": b"ot",
    "training_args.pt": b"\x80\x04.",
    "data.pkl": b"\x80\x04.",
    "tf_model.h5": b"h5",
    "flax_model.msgpack": b"flax",
    "modeling_mine.py": b"print('run me')",
    "onnx/model_O4.onnx": b"smaller",
    "onnx/model_quantized.onnx": b"smaller still",
    "onnx/config.json": b"{}",
    "openvino/openvino_model.bin": b"openvino",
    "openvino/openvino_model.xml": b"<net/>",
    "consolidated.safetensors": b"the weights once more",
    "original/model.safetensors": b"and again",
    "vocab.txt": b"words",
    ".gitattributes": b"",
}
"""What stands in models of a hub, and is not needed."""


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[ModelHub]:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    with serving_models() as served:
        monkeypatch.setenv("HF_ENDPOINT", served.url)
        yield served


MAKERS: dict[str, Callable[[Path], Path]] = {
    "embed": onnx_folder,
    "encoder": tiny_encoder,
    "llm": chat_model,
}
WEIGHTS = {"embed": "onnx/model.onnx", "encoder": "model.safetensors", "llm": "model.safetensors"}


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, bytes]]:
    """For each engine the files of a base."""
    base = tmp_path_factory.mktemp("bases")
    return {engine: files_of(make(base / engine)) for engine, make in MAKERS.items()}


def files_of(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def fetch(
    engine: str, source: str = "someone/small", tell: Callable[[str], None] = lambda _: None
) -> Fetched:
    found: Any = get_engine(engine)
    fetched: Fetched = found.fetch(Base(engine, source), tell)
    return fetched


def folder_of(fetched: Fetched) -> Path:
    folder = on_this_disk(fetched.base.source)
    assert folder is not None
    return folder


def on(part: str, reply: Reply | Callable[[Reply], Reply], *, times: int = 10**6) -> Trouble:
    """Trouble with requests whose server, method and path hold this part, so many times."""
    left = [times]

    def trouble(asked: Asked, right: Reply) -> Reply | None:
        if part not in f"{asked.server} {asked.method} {asked.path}" or not left[0]:
            return None
        left[0] -= 1
        return reply if isinstance(reply, Reply) else reply(right)

    return trouble


@pytest.mark.parametrize("engine", MAKERS)
def test_only_what_is_needed_is_fetched(
    engine: str, hub: ModelHub, made: dict[str, dict[str, bytes]]
) -> None:
    card = {"README.md": b"---\nlicense: mit\n---\n# Small"}
    commit = hub.publish("someone/small", {**JUNK, **made[engine], **card})
    fetched = fetch(engine)
    assert hub.fetched == {*made[engine], "README.md"}
    assert (fetched.revision, fetched.licence) == (commit, "mit")
    assert str(fetched.base) == f"{engine}:someone/small@{commit}"
    assert files_of(folder_of(fetched)) == made[engine] | card


def test_of_several_parts_all_are_fetched(hub: ModelHub, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    folder = chat_model(tmp_path / "parts")
    made: Any = AutoModelForCausalLM
    model = made.from_pretrained(folder)
    (folder / "model.safetensors").unlink()
    model.save_pretrained(folder, max_shard_size="50KB")
    parts = {path.name for path in folder.glob("model-*-of-*.safetensors")}
    assert len(parts) > 1
    hub.put("someone/small", folder)
    fetched = fetch("llm")
    assert parts < hub.fetched
    part = folder_of(fetched) / min(parts)
    part.resolve().unlink()
    part.unlink()
    with pytest.raises(AccessError, match="some of the parts of its weights are missing"):
        get_engine("llm").check(Base("llm", str(folder_of(fetched))))


def test_without_onnx_in_one_file_the_weights_are_safetensors(
    hub: ModelHub, made: dict[str, dict[str, bytes]], tmp_path: Path
) -> None:
    static = files_of(static_folder(tmp_path / "static"))
    graph = {"onnx/model.onnx": b"graph", "onnx/model.onnx_data": b"weights"}
    hub.publish("someone/small", static | graph)
    fetched = fetch("embed")
    assert hub.fetched == {*static}
    # Another program may have put it there.
    folder = folder_of(fetched)
    (folder / "onnx").mkdir()
    for name, content in graph.items():
        (folder / name).write_bytes(content)
    from labeltune.local.engines.embed.sources import describe

    assert describe(folder).kind == "static"


@pytest.mark.parametrize("engine", MAKERS)
def test_what_is_here_is_not_fetched_again(
    engine: str, hub: ModelHub, made: dict[str, dict[str, bytes]]
) -> None:
    first = hub.publish("someone/small", made[engine])
    fetched = fetch(engine)
    hub.asked.clear()
    assert fetch(engine, fetched.base.source) == fetched
    assert hub.asked == [], "a commit never changes"
    assert fetch(engine) == fetched
    assert hub.fetched == set()
    # What the name stands for may change.
    second = hub.publish("someone/small", made[engine] | {"README.md": b"---\nlicense: other\n---\n"})
    assert (fetch(engine).revision, fetch(engine).licence) == (second, "other")
    assert WEIGHTS[engine] not in hub.fetched, "the same bytes are here"
    hub.asked.clear()
    assert fetch(engine, f"someone/small@{first}") == fetched
    assert hub.asked == []


def test_a_branch_and_a_tag_can_be_named(hub: ModelHub, made: dict[str, dict[str, bytes]]) -> None:
    hub.publish("someone/small", made["encoder"])
    other = hub.publish("someone/small", made["encoder"] | {"README.md": b"other"}, branch="refs/pr/1")
    assert fetch("encoder", "someone/small@refs/pr/1").revision == other
    with pytest.raises(AccessError, match="the model has no revision 'v9'") as caught:
        fetch("encoder", "someone/small@v9")
    assert "behind the @" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("source", "fits"),
    [
        ("someone/small@main", True),
        ("small@v1.0", True),
        ("someone/small@refs/pr/1", True),
        ("someone/small@", False),
        ("someone/small@../../etc", False),
        ("someone/small@a/../b", False),
        ("someone/small@-x", False),
        ("a/b/c@main", False),
    ],
)
def test_names_with_revisions(source: str, *, fits: bool) -> None:
    if fits:
        assert folder_named(source, hint="") is None
        return
    with pytest.raises(AccessError, match="there is no such folder"):
        folder_named(source, hint="")


def test_a_model_is_called_after_the_name_without_its_revision() -> None:
    assert Base("llm", "someone/small@refs/pr/1").short == "llm-small"
    assert Base("llm", "/data/me@home/small").short == "llm-small"


GATED = Reply(403, {"X-Error-Code": "GatedRepo"}, b"{}")
HTML = Reply(200, {"Content-Type": "text/html"}, b"<html>Please log in to our network</html>")


@pytest.mark.parametrize(
    ("trouble", "said", "hint"),
    [
        pytest.param(on("/api/models", GATED), "is gated", "set HF_TOKEN", id="gated"),
        pytest.param(on("/resolve/", GATED), "is gated", "accept them at", id="gated-files"),
        pytest.param(on("store ", Reply(403)), r"refuses to hand it out \(403\)", "HF_TOKEN", id="403"),
        pytest.param(on("/api/models", HTML), "is no hub", "HF_ENDPOINT", id="html"),
        pytest.param(on("HEAD", HTML), "is no hub", "HF_ENDPOINT", id="html-files"),
        pytest.param(on("/api/models", Reply(500)), "answers with 500", "later", id="500"),
        pytest.param(
            on("/api/models", lambda right: replace(right, sent=3)),
            "did not arrive whole",
            "again",
            id="cut-list",
        ),
    ],
)
def test_a_hub_that_does_not_give_the_model_is_told_of(
    trouble: Trouble, said: str, hint: str, hub: ModelHub, made: dict[str, dict[str, bytes]]
) -> None:
    hub.publish("someone/small", made["encoder"])
    hub.trouble = trouble
    with pytest.raises(AccessError, match=said) as caught:
        fetch("encoder")
    assert str(caught.value).startswith("someone/small: ")
    assert hint in (caught.value.hint or "")
    assert TOKEN not in str(caught.value)
    hub.trouble = lambda _asked, _right: None
    assert fetch("encoder").revision


def test_a_name_that_does_not_exist_is_told_of(hub: ModelHub) -> None:
    with pytest.raises(AccessError, match="has no model of this name, or keeps it from you"):
        fetch("embed", "someone/nothing")


def test_a_hub_that_is_down_is_told_of_unless_the_model_is_here(
    hub: ModelHub, made: dict[str, dict[str, bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.publish("someone/small", made["encoder"])
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        down = f"http://user:password@127.0.0.1:{closed.getsockname()[1]}"
        with monkeypatch.context() as patch:
            patch.setenv("HF_ENDPOINT", down)
            with pytest.raises(AccessError, match="cannot be reached") as caught:
                fetch("encoder")
            assert "password" not in str(caught.value)
        fetched = fetch("encoder")
        monkeypatch.setenv("HF_ENDPOINT", down)
        told: list[str] = []
        assert fetch("encoder", tell=told.append) == fetched
        assert told == [f"{address()} does not give someone/small: what was fetched before is used"]


def other_bytes(right: Reply) -> Reply:
    return replace(right, body=right.body[:-1] + bytes([right.body[-1] ^ 1]))


@pytest.mark.parametrize("engine", MAKERS)
def test_bytes_that_are_not_the_hubs_are_noticed_and_fetched_anew(
    engine: str, hub: ModelHub, made: dict[str, dict[str, bytes]]
) -> None:
    hub.publish("someone/small", made[engine])
    hub.trouble = on("store GET", other_bytes, times=1)
    with pytest.raises(AccessError, match=f"{WEIGHTS[engine]} did not arrive as the hub has it"):
        fetch(engine)
    fetched = fetch(engine)
    assert (folder_of(fetched) / WEIGHTS[engine]).read_bytes() == made[engine][WEIGHTS[engine]]


def test_too_few_bytes_are_noticed(hub: ModelHub, made: dict[str, dict[str, bytes]]) -> None:
    hub.publish("someone/small", made["encoder"])
    hub.trouble = on("store GET", lambda right: replace(right, body=right.body[:-9]))
    with pytest.raises(AccessError, match="did not arrive whole"):
        fetch("encoder")


def test_a_download_that_is_cut_goes_on_where_it_was(
    hub: ModelHub, made: dict[str, dict[str, bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 1 << 10)
    weights = made["encoder"]["model.safetensors"]
    hub.publish("someone/small", made["encoder"])
    hub.trouble = on("store GET", lambda right: replace(right, sent=len(weights) // 2), times=1)
    fetched = fetch("encoder")
    first, second = (asked.range for asked in hub.asked if asked.server == "store")
    assert first == ""
    assert 0 < int(second.removeprefix("bytes=").rstrip("-")) <= len(weights) // 2
    assert (folder_of(fetched) / "model.safetensors").read_bytes() == weights


@pytest.mark.slow
def test_a_download_that_is_cut_again_and_again_is_told_of(
    hub: ModelHub, made: dict[str, dict[str, bytes]]
) -> None:
    hub.publish("someone/small", made["encoder"])
    hub.trouble = on("store GET", lambda right: replace(right, sent=0))
    with pytest.raises(AccessError, match="did not arrive whole") as caught:
        fetch("encoder")
    assert SIGNATURE not in str(caught.value)
    assert on_this_disk("someone/small") is not None
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HUB_OFFLINE", "1")
        with pytest.raises(AccessError, match="HF_HUB_OFFLINE forbids"):
            fetch("encoder")


def without(name: str) -> Callable[[dict[str, bytes]], dict[str, bytes]]:
    return lambda files: {own: content for own, content in files.items() if own != name}


def pickled(files: dict[str, bytes]) -> dict[str, bytes]:
    return {
        **{name: files[name] for name in files if "model." not in name},
        "pytorch_model.bin": b"\x80\x04.",
    }


def with_code(files: dict[str, bytes]) -> dict[str, bytes]:
    config = json.loads(files["config.json"]) | {"auto_map": {"AutoModel": "modeling_mine.Mine"}}
    return files | {"config.json": json.dumps(config).encode(), "modeling_mine.py": b""}


def gguf(files: dict[str, bytes]) -> dict[str, bytes]:
    return {"README.md": b"", "model.gguf": b"GGUF"}


@pytest.mark.parametrize(
    ("engine", "change", "said"),
    [
        ("embed", pickled, "a pickle can run code"),
        ("encoder", pickled, "a pickle can run code"),
        ("llm", pickled, "a pickle can run code"),
        ("embed", without("tokenizer.json"), "tokenizer.json is missing"),
        ("encoder", without("tokenizer.json"), "tokenizer.json is missing"),
        ("encoder", without("config.json"), "config.json is missing"),
        ("llm", without("chat_template.jinja"), "has no chat template"),
        ("llm", with_code, "brings its own code"),
        ("llm", gguf, "holds a GGUF file"),
    ],
)
def test_what_is_no_model_to_train_is_refused_before_its_weights_are_fetched(
    engine: str,
    change: Callable[[dict[str, bytes]], dict[str, bytes]],
    said: str,
    hub: ModelHub,
    made: dict[str, dict[str, bytes]],
) -> None:
    hub.publish("someone/small", change(made[engine]))
    with pytest.raises(AccessError, match=said):
        fetch(engine)
    assert [asked for asked in hub.asked if asked.server == "store"] == []


@pytest.mark.parametrize("engine", MAKERS)
def test_offline_what_was_fetched_is_used_and_nothing_asked(
    engine: str, hub: ModelHub, made: dict[str, dict[str, bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.publish("someone/small", made[engine])
    with monkeypatch.context() as patch:
        patch.setenv("HF_HUB_OFFLINE", "1")
        with pytest.raises(AccessError, match="HF_HUB_OFFLINE forbids to fetch it"):
            fetch(engine)
        assert hub.asked == []
    fetched = fetch(engine)
    hub.asked.clear()
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert fetch(engine) == fetched
    assert hub.asked == []
    weights = folder_of(fetched) / WEIGHTS[engine]
    weights.unlink()
    with pytest.raises(AccessError, match="nor whole on this disk"):
        fetch(engine)


def test_the_token_goes_to_the_hub_alone_and_no_address_into_a_log(
    hub: ModelHub, made: dict[str, dict[str, bytes]], caplog: pytest.LogCaptureFixture
) -> None:
    hub.publish("someone/small", made["encoder"])
    hub.trouble = on("store GET", lambda right: replace(right, sent=1), times=1)
    with caplog.at_level(logging.DEBUG):
        fetch("encoder")
    assert {asked.authorization for asked in hub.asked if asked.server == "store"} == {""}
    assert f"Bearer {TOKEN}" in {asked.authorization for asked in hub.asked if asked.server == "hub"}
    assert TOKEN not in caplog.text
    assert SIGNATURE not in caplog.text


def test_how_much_has_come_is_told_while_it_comes(
    hub: ModelHub, made: dict[str, dict[str, bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    from threading import Event

    from huggingface_hub import constants

    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 1 << 14)
    monkeypatch.setattr("labeltune.local.engines.common.fetching._LOOK_EVERY_S", 0.01)
    weights = made["encoder"]["model.safetensors"]
    padded = len(weights).to_bytes(8, "little")
    hub.publish("someone/small", made["encoder"] | {"model.safetensors": padded + bytes(1 << 20)})
    half_told = Event()
    told: list[str] = []

    def tell(line: str) -> None:
        told.append(line)
        if line.startswith("Fetched ") and line.endswith("of 1.0 MB"):
            half_told.set()

    # The second half comes when the first was told of.
    hub.trouble = on("store GET", lambda right: replace(right, meanwhile=partial(half_told.wait, HANG_S)))
    with pytest.raises(AccessError, match="is not a safetensors file"):
        fetch("encoder", tell=tell)
    assert half_told.is_set()
    assert told[1] == "Fetching someone/small: 1 file of weights, 1.0 MB"
    assert told[-1] == "Fetched someone/small: 1.0 MB"
