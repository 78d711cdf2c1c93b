"""`labeltune models …`: told apart, deleted, carried elsewhere; on models that were really trained."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cli.remote import document, here, ran, run
from cli.terminal import on_a_terminal
from labeltune.local.engines.linear.engine import Linear
from labeltune.local.store import Store
from protocol.harness import stop_worker

__all__ = ["here"]


@pytest.fixture
def model(here: Path) -> str:
    argv = (
        "train",
        "train.jsonl",
        "valid.jsonl",
        "--model",
        "linear",
        "--epochs",
        "2",
        "--suffix",
        "one",
        "-q",
    )
    return ran(*argv).stdout.strip()


def home() -> Path:
    return Path(os.environ["LABELTUNE_HOME"])


def write_table(path: Path) -> Path:
    rows = [json.loads(line)["messages"] for line in Path("valid.jsonl").read_text().splitlines()]
    lines = [f"{row[1]['content']},{row[2]['content']}" for row in rows]
    path.write_text("\n".join(["text,label", *lines]) + "\n")
    return path


def test_models_are_told_apart_newest_first(model: str) -> None:
    second = ran(
        "train", "train.jsonl", "--model", "linear", "--epochs", "1", "--new-job", "-q"
    ).stdout.strip()
    listed = ran("models", "list")
    lines = listed.stdout.splitlines()
    assert [line.split()[0] for line in lines] == [second, model]
    assert "(LABELTUNE_HOME)" in listed.stderr
    assert re.search(r"linear +one +train\.jsonl +30 +3 +[01]\.\d{3} +- +\d", lines[1])
    found = document(ran("models", "list", "--json", "-q"))
    assert found["home"]["path"] == str(home())
    assert found["home"]["bytes"] > 10_000
    newer, older = found["models"]
    assert (newer["id"], newer["suffix"], newer["valid_accuracy"]) == (second, None, None)
    expected = {"base": "linear", "suffix": "one", "training_file": "train.jsonl", "rows": 30, "labels": 3}
    assert {key: older[key] for key in expected} == expected
    assert 0 <= older["valid_accuracy"] <= 1
    assert older["evaluated"] is None
    assert older["bytes"] > 1000
    assert ran("models", "list", "-q").stderr == ""


def test_show_tells_everything_and_the_last_score(model: str) -> None:
    table = write_table(Path("test.csv"))
    ran("predict", table, "--model", model, "--accept-changes", "-q")
    report = document(ran("evaluate", "predictions.csv", "--json", "-q"))
    shown = document(ran("models", "show", model, "--json"))["model"]
    assert shown["evaluated"]["metrics"]["macro_f1"] == report["metrics"]["macro_f1"]
    assert shown["evaluated"]["intervals"]["macro_f1"] == report["intervals"]["macro_f1"]
    assert shown["evaluated"]["rows"] == 12
    assert shown["details"]["hyperparameters"]["n_epochs"] == 2
    assert len(shown["details"]["training_file"]["sha256"]) == 64
    text = ran("models", "show", model).stdout
    assert f"macro-F1: {report['metrics']['macro_f1']:.3f} (" in text
    assert "training file: train" in text
    listed = ran("models", "list").stdout
    assert f"{report['metrics']['macro_f1']:.3f} (" in listed


def _write_chat(path: Path, prompt: str, answers: list[str]) -> None:
    with path.open("w", encoding="utf-8") as handle:
        for number, answer in enumerate(answers):
            roles = {"user": prompt.format(f"text {number} about {answer}"), "assistant": answer}
            messages = [{"role": role, "content": content} for role, content in roles.items()]
            handle.write(json.dumps({"messages": messages}) + "\n")


def test_labels_are_counted_and_not_their_combinations(here: Path) -> None:
    """Of a small file whose prompt says which labels there are, and of one with two levels."""
    (here / "task.toml").unlink()
    lists = ["a,b", "a,c", "b,c", "a,d", "b,d", "c,d"] * 2
    _write_chat(Path("several.jsonl"), "Which of ['a', 'b', 'c', 'd'] fit? {}", lists)
    model = ran("train", "several.jsonl", "--model", "linear", "--epochs", "1", "-q").stdout.strip()
    shown = document(ran("models", "show", model, "--json"))["model"]
    assert (shown["labels"], shown["details"]["labels"]) == (4, ["a", "b", "c", "d"])
    pairs = [("Orders", "Cancel"), ("Orders", "Track"), ("Billing", "Refund"), ("Billing", "Cancel")]
    paths = [json.dumps({"category": parent, "sub_category": child}) for parent, child in pairs] * 4
    _write_chat(Path("levels.jsonl"), "{}", paths)
    model = ran("train", "levels.jsonl", "--model", "linear", "--epochs", "1", "-q").stdout.strip()
    shown = ran("models", "show", model).stdout
    assert "labels: Orders, Billing, Cancel, Track, Refund\n" in shown
    assert "pairs: Orders > Cancel, Orders > Track, Billing > Refund, Billing > Cancel\n" in shown
    assert document(ran("models", "list", "--json"))["models"][0]["labels"] == 5


def test_deleting_frees_the_disk_checkpoints_too(model: str) -> None:
    other = ran(
        "train", "train.jsonl", "--model", "linear", "--epochs", "1", "--new-job", "-q"
    ).stdout.strip()
    assert len(list((home() / "models").iterdir())) == 2
    unknown = run("models", "delete", model, "ft:linear:local::missing0")
    assert unknown.exit_code == 4
    assert "ft:linear:local::missing0" in unknown.stderr
    assert len(list((home() / "models").iterdir())) == 2, "all or none"
    assert ran("models", "delete", model, other).stdout.split() == [model, other]
    assert list((home() / "models").iterdir()) == []
    assert ran("models", "list").stdout == ""
    assert document(ran("models", "list", "--json"))["models"] == []
    assert run("models", "show", model).exit_code == 4


@pytest.mark.parametrize(
    "words",
    [("models", "show", "nosuch"), ("classify", "late", "--model", "nosuch"), ("models", "delete", "nosuch")],
)
def test_who_names_no_model_is_told_what_lists_them(here: Path, words: tuple[str, ...]) -> None:
    result = run(*words)
    assert result.exit_code == 4
    assert "labeltune models list" in result.stderr


def test_a_base_model_is_not_deleted(here: Path) -> None:
    refused = run("models", "delete", "linear")
    assert refused.exit_code == 4
    assert "comes with labeltune" in refused.stderr


def test_a_model_that_a_batch_asks_is_refused(model: str) -> None:
    store = Store(home())
    batch = {
        "id": "batch_1", "created_at": 1, "endpoint": "/v1/chat/completions", "completion_window": "24h",
        "input_file_id": "file-1", "status": "cancelling", "expires_at": 9, "model": model,
    }  # fmt: skip
    stop_worker(home())
    store.insert("batches", batch)
    refused = run("models", "delete", model)
    assert refused.exit_code == 9
    assert "batch_1" in refused.stderr
    store.write("DELETE FROM batches")
    assert ran("models", "delete", model).exit_code == 0


def _export(model: str, *more: str) -> Path:
    result = ran("models", "export", model, "-o", "out", *more)
    assert result.stdout == "out\n"
    assert "12 rows of the validation file get the same answers" in result.stderr
    return Path("out")


def test_an_export_holds_what_is_needed_and_proves_itself(model: str) -> None:
    out = _export(model)
    assert sorted(path.name for path in out.iterdir()) == ["README.md", "manifest.json", "model", "task.toml"]
    manifest = json.loads((out / "manifest.json").read_text())
    assert (manifest["name"], manifest["engine"], manifest["base"]) == (model, "linear", "linear")
    assert set(manifest["files"]) == {
        path.relative_to(out).as_posix()
        for path in out.rglob("*")
        if path.is_file() and path != out / "manifest.json"
    }
    assert (out / "task.toml").read_bytes() == Path("task.toml").read_bytes()
    card = (out / "README.md").read_text()
    for said in ("## Task", "## Data", "| training | train", "30", "n_epochs: 2", "## Scores", "licence"):
        assert said in card
    done = document(ran("models", "export", model, "-o", "out", "--json"))
    assert (done["proved_rows"], done["proved_on"], done["form"]) == (12, "validation", "labeltune")
    assert not [path for path in Path().iterdir() if path.name.startswith(".labeltune-")]


def test_an_export_below_a_file_is_refused(model: str) -> None:
    Path("notes").touch()
    for out in ("notes/export", "notes/a/export"):
        refused = run("models", "export", model, "-o", out)
        assert refused.exit_code == 8, refused.exception
        assert "cannot be written" in refused.stderr


def test_an_export_replaces_only_exports(model: str) -> None:
    Path("out").mkdir()
    Path("out/mine.txt").write_text("mine")
    refused = run("models", "export", model, "-o", "out")
    assert refused.exit_code == 9
    assert "--force" in refused.stderr
    assert Path("out/mine.txt").read_text() == "mine"
    _export(model, "--force")
    assert not Path("out/mine.txt").exists()
    _export(model)
    # What people write into a card is theirs.
    card = Path("out/README.md")
    card.write_text(card.read_text() + "Ask Jo before you use it.")
    refused = run("models", "export", model, "-o", "out")
    assert (refused.exit_code, "README.md is not as it was exported" in refused.stderr) == (9, True)
    assert "Ask Jo" in card.read_text()
    _export(model, "--force")
    Path("out/notes.txt").write_text("mine")
    refused = run("models", "export", model, "-o", "out")
    assert (refused.exit_code, "notes.txt is not as it was exported" in refused.stderr) == (9, True)
    assert run("models", "export", model, "-o", ".", "--force").exit_code == 2
    assert run("models", "export", "ft:linear:local::missing0", "-o", "new").exit_code == 4
    assert not Path("new").exists()


def test_an_export_replaces_no_other_model_and_no_other_form(model: str) -> None:
    pytest.importorskip("onnx")
    out = _export(model)
    before = (out / "manifest.json").read_bytes()
    refused = run("models", "export", model, "-o", "out", "--to", "onnx")
    assert refused.exit_code == 9
    assert "holds this model in another form, as labeltune reads it" in " ".join(refused.stderr.split())
    other = ran("train", "train.jsonl", "--model", "linear", "--epochs", "1", "-q").stdout.strip()
    refused = run("models", "export", other, "-o", "out")
    assert refused.exit_code == 9
    assert f"holds another model, {model}" in " ".join(refused.stderr.split())
    assert (out / "manifest.json").read_bytes() == before
    _export(model, "--to", "onnx", "--force")
    _export(model, "--to", "onnx")
    refused = run("models", "export", model, "-o", "out")
    assert "holds this model in another form, as ONNX" in " ".join(refused.stderr.split())
    assert (out / "model" / "model.onnx").exists() or (out / "model.onnx").exists()


def test_an_export_that_answers_otherwise_ends_with_11(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if an engine read something else from its export than from what it saved."""
    real = Linear.load.__func__  # type: ignore[attr-defined]  # a class method

    def load(cls: type[Linear], folder: Path) -> Linear:
        loaded: Linear = real(cls, folder)
        if folder.name == "model":
            loaded._intercepts = loaded._intercepts + 20 * np.arange(
                len(loaded._intercepts), dtype=np.float32
            )
        return loaded

    monkeypatch.setattr(Linear, "load", classmethod(load))
    refused = run("models", "export", model, "-o", "out")
    assert refused.exit_code == 11
    assert "the exported model is not the same: for example" in refused.stderr
    assert not Path("out").exists()


def test_onnx_runs_without_labeltune_by_the_lines_of_its_card(model: str) -> None:
    pytest.importorskip("onnx")
    out = _export(model, "--to", "onnx")
    (code,) = re.findall(r"```python\n(.*?)```", (out / "README.md").read_text(), re.DOTALL)
    assert len(code.partition("def classify")[2].strip().splitlines()) <= 16
    table = write_table(Path("test.csv"))
    ran("predict", table, "--model", model, "--probabilities", "--accept-changes", "-o", "p.jsonl", "-q")
    rows = [json.loads(line) for line in Path("p.jsonl").read_text().splitlines()]
    blocked = "import sys\nsys.modules['labeltune'] = None\n"
    texts = [row["text"] for row in rows]
    asked = (
        f"{blocked}{code}\n"
        f"for labels, p in classify({texts!r} + ['', '?', 'ÄÖ ﬁ \\U0001f600 i\\u0307']):\n"
        "    print(json.dumps([labels, dict(zip(known['labels'], map(float, p)))]))\n"
    )
    command = [sys.executable, "-I", "-c", asked]
    shown = subprocess.run(command, cwd=out, capture_output=True, text=True, check=True).stdout
    found = [json.loads(line) for line in shown.splitlines()]
    assert len(found) == len(rows) + 3
    for row, (labels, shares) in zip(rows, found, strict=False):
        assert labels == [row["predicted_intent"]]
        for label, share in shares.items():
            assert share == pytest.approx(row[f"probability_{label}"], abs=1e-5)
    assert run("models", "import", "out").exit_code == 2


def test_an_engine_without_onnx_says_so(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(Linear, "to_onnx")
    refused = run("models", "export", model, "-o", "out", "--to", "onnx")
    assert (refused.exit_code, Path("out").exists()) == (2, False)
    assert "linear cannot be exported as ONNX" in refused.stderr
    assert run("models", "export", model, "-o", "out", "--to", "bogus").exit_code == 2


def test_a_model_carried_elsewhere_is_the_same_there(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _export(model)
    table = write_table(Path("test.csv"))
    ran("predict", table, "--model", model, "--accept-changes", "-o", "here.csv", "-q")
    assert ran("models", "import", "out").stdout.strip() == model, "it is here already"
    there = Path("there").resolve()
    monkeypatch.setenv("LABELTUNE_HOME", str(there))
    try:
        assert ran("models", "import", "out").stdout.strip() == model
        assert document(ran("models", "import", "out", "--json")) == {"model": model}
        assert len(list((there / "models").iterdir())) == 1
        ran("predict", table, "--model", model, "--accept-changes", "-o", "there.csv", "-q")
        assert Path("there.csv").read_bytes() == Path("here.csv").read_bytes()
        (listed,) = document(ran("models", "list", "--json"))["models"]
        assert (listed["rows"], listed["training_file"]) == (30, "train.jsonl")
        again = ran("models", "export", model, "-o", "again")
        assert "nothing could be compared" in again.stderr
        assert ran("models", "delete", model).exit_code == 0
        assert list((there / "models").iterdir()) == []
        assert ran("models", "import", "out").stdout.strip() == model
    finally:
        with contextlib.suppress(FileNotFoundError):
            stop_worker(there)


def _seal_again(out: Path, change: Any) -> None:
    """Change the manifest as someone does who knows how its hash is made."""
    import hashlib

    path = out / "manifest.json"
    manifest = json.loads(path.read_text())
    change(manifest)
    manifest.pop("sha256")
    manifest["sha256"] = hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()
    path.write_text(json.dumps(manifest))


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def test_what_was_tampered_with_is_refused(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    out = _export(model)
    there = Path("there").resolve()
    monkeypatch.setenv("LABELTUNE_HOME", str(there))
    weights = next((out / "model").glob("weights*"))
    outside = Path("outside.json")
    outside.write_text("{}")

    def link() -> None:
        weights.unlink()
        weights.symlink_to(outside.resolve())

    def rename(manifest: dict[str, Any]) -> None:
        manifest["name"] = "../../evil"

    def climb(manifest: dict[str, Any]) -> None:
        manifest["files"]["model/../../outside.json"] = manifest["files"]["README.md"]

    def absolute(manifest: dict[str, Any]) -> None:
        manifest["files"][str(outside.resolve())] = manifest["files"]["README.md"]

    def pickled(manifest: dict[str, Any]) -> None:
        (out / "model" / "evil.pkl").write_bytes(b"cos\nsystem\n")
        manifest["files"]["model/evil.pkl"] = "0" * 64

    tricks: dict[str, Any] = {
        "a byte of the weights": lambda: _flip(weights),
        "a byte of the card": lambda: _flip(out / "README.md"),
        "a manifest without a new hash": lambda: (out / "manifest.json").write_text(
            (out / "manifest.json").read_text().replace('"linear"', '"lineal"')
        ),
        "a file that nobody named": lambda: (out / "model" / "more.py").write_text("import os"),
        "a link": link,
        "a missing file": weights.unlink,
        "no manifest": (out / "manifest.json").unlink,
        "a name that is a path": lambda: _seal_again(out, rename),
        "a file outside": lambda: _seal_again(out, climb),
        "an absolute file": lambda: _seal_again(out, absolute),
        "a pickle that is named": lambda: _seal_again(out, pickled),
        "a manifest that is none": lambda: (out / "manifest.json").write_text("[" * 100_000),
    }
    shutil.copytree(out, "whole")
    for trick, play in tricks.items():
        shutil.rmtree(out)
        shutil.copytree("whole", out)
        play()
        refused = run("models", "import", "out")
        assert refused.exit_code == 7, (trick, refused.output)
        assert refused.stdout == ""
        assert "Traceback" not in refused.stderr
        assert list((there / "models").iterdir()) == [], trick
        assert list((there / "incoming").iterdir()) == [], trick
    shutil.rmtree(out)
    shutil.copytree("whole", out)
    assert ran("models", "import", "out").stdout.strip() == model


def test_models_of_others_stay_where_they_are(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary-4711")
    for argv in (("export", "ft:gpt:x", "-o", "out"), ("import", ".")):
        refused = run("models", *argv, "--provider", "http://127.0.0.1:9/v1")
        assert refused.exit_code == 4
        assert "--provider local" in refused.stderr
    assert run("models", "import", "missing").exit_code == 2


def test_on_a_terminal_of_80_columns_nothing_is_cut(model: str) -> None:
    for command in (["models", "list"], ["files", "list"], ["runs"]):
        # To its end: what a process has written reaches the other side of a terminal piece by piece.
        text = on_a_terminal(command)
        assert all(len(line) <= 80 for line in text.splitlines()), text
        assert ("train" in text, "…" in text) == (True, False)
        if command[0] != "files":
            assert model in text.splitlines()


def test_deleting_asks_only_at_a_terminal(model: str) -> None:
    import pty

    def delete(answer: bytes, *more: str) -> subprocess.CompletedProcess[str]:
        master, slave = pty.openpty()
        os.write(master, answer)
        command = [sys.executable, "-m", "labeltune", "models", "delete", model, *more]
        done = subprocess.run(command, stdin=slave, capture_output=True, text=True, check=True)
        os.close(master)
        os.close(slave)
        return done

    refused = delete(b"n\n")
    assert (refused.stdout, "[y/N]" in refused.stderr, "nothing was done" in refused.stderr) == (
        "",
        True,
        True,
    )
    assert ran("models", "show", model).exit_code == 0
    done = delete(b"y\n")
    assert done.stdout.strip() == model
    gone = run("models", "delete", model, "--yes")
    assert gone.exit_code == 4
