"""Models of the engines on torch: what a finished job leaves on the disk, carried elsewhere, and as ONNX."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cli.remote import document, here, ran, run
from labeltune.local.engines import get_engine
from labeltune.local.store import Store
from labeltune.local.stored_models import hash_of_model
from protocol.harness import stop_worker
from unit.local.chat_models import chat_model
from unit.local.onnx_forms import classified
from unit.local.tiny_models import need_torch, tiny_encoder

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["here"]

need_torch()

pytestmark = pytest.mark.slow

STATES = {"llm": "state-*.safetensors", "encoder": "training-*.safetensors"}


def trained(base: str) -> str:
    argv = ("train", "train.jsonl", "valid.jsonl", "--model", base, "--epochs", "3", "--batch-size", "8")
    return ran(*argv, "-q").stdout.strip()


def base_of(engine: str) -> str:
    folder = Path("base").resolve()
    made = chat_model(folder) if engine == "llm" else tiny_encoder(folder)
    return f"{engine}:{made}"


@contextlib.contextmanager
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Another machine's local provider."""
    there = Path("there").resolve()
    with monkeypatch.context() as patch:
        patch.setenv("LABELTUNE_HOME", str(there))
        try:
            yield there
        finally:
            with contextlib.suppress(FileNotFoundError):
                stop_worker(there)


@pytest.mark.parametrize("engine", ["llm", "encoder"])
def test_a_finished_job_keeps_models_and_no_state_of_the_training(engine: str, here: Path) -> None:
    trained(base_of(engine))
    store = Store(Path(os.environ["LABELTUNE_HOME"]))
    rows = store.rows("SELECT name, job_id, step FROM models")
    folders = {store.model_folder(row["job_id"], row["step"]) for row in rows}
    assert len(folders) == 3
    for folder in folders:
        assert list(folder.glob(STATES[engine])) == []
        asked = [{"role": "user", "content": "about my card please"}]
        # The hashes of all that is left are looked at.
        assert get_engine(engine).load(folder).answer([asked])[0].text
    checkpoint = next(row["name"] for row in rows if ":ckpt-step-" in row["name"])
    assert ran("classify", "about my card please", "--model", checkpoint).stdout


def test_a_language_model_is_carried_elsewhere_with_its_template(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = trained(base_of("llm"))
    said = ran("models", "export", model, "-o", "out")
    assert "labeltune models import out" in said.stderr
    manifest = json.loads(Path("out/manifest.json").read_text())
    assert "model/chat_template.jinja" in manifest["files"]
    refused = run("models", "export", model, "-o", "as-onnx", "--to", "onnx")
    assert (refused.exit_code, Path("as-onnx").exists()) == (2, False)
    assert "that export is a folder that transformers and vLLM load" in " ".join(refused.stderr.split())
    told = document(ran("classify", "about my card please", "--model", model, "--json"))
    shutil.rmtree("base")
    with elsewhere(monkeypatch) as there:
        assert ran("models", "import", "out").stdout.strip() == model
        assert ran("models", "import", "out").stdout.strip() == model, "it is here already"
        assert len(list((there / "models").iterdir())) == 1
        assert hash_of_model(there, model), "predictions know it by this"
        (answer,) = document(ran("classify", "about my card please", "--model", model, "--json"))["answers"]
        (before,) = told["answers"]
        assert answer["labels"] == before["labels"]
        assert answer["probabilities"] == pytest.approx(before["probabilities"], abs=1e-5)
        assert ran("models", "delete", model, "--yes").exit_code == 0
        shutil.copytree("out", "changed")
        template = Path("changed/model/chat_template.jinja")
        template.write_text(template.read_text() + "{# more #}")
        refused = run("models", "import", "changed")
        assert refused.exit_code == 7
        assert "its bytes are not those that were written" in refused.stderr
        assert list((there / "models").iterdir()) == []


def test_an_encoder_runs_by_the_lines_of_its_card(here: Path) -> None:
    pytest.importorskip("onnx")
    model = trained(base_of("encoder"))
    ran("models", "export", model, "-o", "out", "--to", "onnx")
    card = Path("out/README.md").read_text()
    assert "With numpy, onnxruntime and tokenizers alone" in card
    (code,) = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    texts = ["about my card please", "", "😀"]
    answers = document(ran("classify", *texts[::2], "--model", model, "--json"))["answers"]
    found = classified(code, Path("out"), texts)
    labels = json.loads(Path("out/labels.json").read_text())["labels"]
    for answer, (chosen, shares) in zip(answers, found[::2], strict=True):
        assert answer["labels"] == chosen
        assert answer["probabilities"] == pytest.approx(dict(zip(labels, shares, strict=True)), abs=1e-5)
