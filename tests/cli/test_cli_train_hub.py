"""`labeltune train` with a base model of a hub, against one on loopback."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cli.remote import LABELS, document, here, ran, run
from labeltune.local.engines import get_engine
from model_hub import SIGNATURE, ModelHub, Reply, serving_models
from protocol.harness import stop_worker
from unit.local.chat_models import chat_model
from unit.local.sentence_models import onnx_folder
from unit.local.tiny_models import need_torch, tiny_encoder

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["here"]

need_torch()
pytest.importorskip("huggingface_hub")

pytestmark = pytest.mark.slow

TOKEN = "hf_very-secret"
MAKERS: dict[str, Any] = {"embed": onnx_folder, "encoder": tiny_encoder, "llm": chat_model}
TEXTS = ("about my card please", "where is my refund", "zzz")


@pytest.fixture
def hub(here: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModelHub]:
    """A hub, and a cache of this test's own: for the worker, and for this process, which has read it before."""
    from huggingface_hub import constants

    monkeypatch.setenv("HF_HOME", str(here / "hf"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(here / "hf" / "hub"))
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    with serving_models() as served:
        monkeypatch.setenv("HF_ENDPOINT", served.url)
        yield served


def made(engine: str) -> Path:
    """A base with a card that names its licence."""
    folder: Path = MAKERS[engine](Path(engine).resolve())
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\n# Small\n")
    return folder


def trained(base: str) -> str:
    argv = ("train", "train.jsonl", "valid.jsonl", "--model", base, "--epochs", "2", "--batch-size", "8")
    return ran(*argv, "--seed", "7", "-q").stdout.strip()


def answers(model: str) -> list[Any]:
    """Labels and probabilities, these but for rounding."""
    found = document(ran("classify", *TEXTS, "--model", model, "--json"))["answers"]
    return [(one["labels"], pytest.approx(one["probabilities"], abs=1e-6)) for one in found]


def told(model: str) -> list[Any]:
    found = document(ran("classify", *TEXTS, "--model", model, "--json"))["answers"]
    return [(one["labels"], one["probabilities"]) for one in found]


def home() -> Path:
    return Path(os.environ["LABELTUNE_HOME"])


def start_anew() -> None:
    """The next worker sees what the environment says now."""
    stop_worker(home())


@pytest.mark.parametrize("engine", MAKERS)
def test_a_name_makes_the_model_that_its_folder_makes(engine: str, here: Path, hub: ModelHub) -> None:
    folder = made(engine)
    commit = hub.put("someone/small", folder)
    by_folder = trained(f"{engine}:{folder}")
    assert hub.asked == [], "nothing is fetched unless a name is given"
    by_name = trained(f"{engine}:someone/small")
    assert by_name.startswith(f"ft:{engine}-small:")
    expected = answers(by_folder)
    assert told(by_name) == expected
    details = document(ran("models", "show", by_name, "--json"))["model"]["details"]
    assert details["base"] == f"{engine}:someone/small"
    assert details["base_model"] == {"revision": commit, "licence": "apache-2.0"}
    shown = ran("models", "show", by_name).stdout
    assert f"revision of the base: {commit}" in shown
    events = ran("jobs", "events", details["job"]).stdout
    assert f"someone/small is at revision {commit}" in events
    assert "Fetching someone/small: 1 file of weights, " in events
    ran("models", "export", by_name, "-o", "out")
    card = Path("out/README.md").read_text()
    assert f"base model: `{engine}:someone/small` at revision `{commit}`" in card
    assert "licence of the base model: apache-2.0" in card
    log = (home() / "worker.log").read_text() + events
    assert TOKEN not in log
    assert SIGNATURE not in log
    # What the name stands for may change, and the hub go: the model is what it was, and asks nobody.
    hub.publish("someone/small", {"config.json": b"{}"})
    hub.asked.clear()
    start_anew()
    assert told(by_name) == expected
    assert hub.asked == []


def test_a_revision_can_be_named(here: Path, hub: ModelHub) -> None:
    folder = made("encoder")
    commit = hub.put("someone/small", folder, branch="v1")
    hub.publish("someone/small", {"README.md": b"empty"})
    model = trained("encoder:someone/small@v1")
    details = document(ran("models", "show", model, "--json"))["model"]["details"]
    assert details["base_model"]["revision"] == commit
    assert model.startswith("ft:encoder-small:")


@pytest.mark.parametrize(
    ("engine", "name", "said"),
    [
        ("embed", "someone/nothing", "has no model of this name, or keeps it from you"),
        ("encoder", "someone/gated", "is gated"),
        ("llm", "someone/small@v9", "has no revision 'v9'"),
    ],
)
def test_a_job_whose_base_does_not_come_says_why(
    engine: str, name: str, said: str, here: Path, hub: ModelHub
) -> None:
    for known in ("someone/gated", "someone/small"):
        hub.put(known, made(engine))
        shutil.rmtree(engine)
    gated = Reply(403, {"X-Error-Code": "GatedRepo"}, b"{}")
    hub.trouble = lambda asked, _: gated if "someone/gated/resolve" in asked.path else None
    failed = run("train", "train.jsonl", "--model", f"{engine}:{name}")
    assert failed.exit_code == 10
    assert said in " ".join(failed.stderr.split())
    assert TOKEN not in failed.stderr + (home() / "worker.log").read_text()


@pytest.mark.parametrize("engine", MAKERS)
def test_offline_only_what_was_fetched_is_a_base(
    engine: str, here: Path, hub: ModelHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = hub.put("someone/small", made(engine))
    with monkeypatch.context() as patch:
        patch.setenv("HF_HUB_OFFLINE", "1")
        refused = run("train", "train.jsonl", "--model", f"{engine}:someone/small")
        assert refused.exit_code in (4, 10)
        assert "HF_HUB_OFFLINE forbids to fetch it" in " ".join(refused.stderr.split())
        assert hub.asked == []
        start_anew()
    found: Any = get_engine(engine)
    from labeltune.local.engines import Base

    found.fetch(Base(engine, "someone/small"), lambda _: None)
    hub.asked.clear()
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    details = document(ran("models", "show", trained(f"{engine}:someone/small"), "--json"))["model"][
        "details"
    ]
    assert details["base_model"]["revision"] == commit
    assert hub.asked == []


def test_what_looks_for_wrong_labels_tells_what_it_fetches(here: Path, hub: ModelHub) -> None:
    commit = hub.put("someone/small", made("embed"))
    rows = [f"text {number} about my {label},{label}" for number in range(8) for label in LABELS]
    Path("rows.csv").write_text("\n".join(["text,label", *rows]) + "\n")
    said = ran("check", "rows.csv", "--noise", "--model", "embed:someone/small").stderr
    assert f"someone/small is at revision {commit}" in said
    assert "Fetching someone/small: 1 file of weights" in said
    assert "by embed:someone/small models" in said
