"""The engine `linear`: learning, answering, saving, going on."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import tracemalloc
from itertools import islice, product
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from labeltune.errors import AccessError, ModelDamagedError, TrainingRefusedError
from labeltune.local.engines import ENGINES, Engine, Hyperparameters, Record, Run, Step, get_engine
from labeltune.local.engines.linear import features
from labeltune.local.engines.linear.engine import Linear
from unit.local.engine_records import (
    FILLERS,
    TOPICS,
    exact,
    files,
    flags,
    path,
    record,
    several,
    single,
    spelled,
)
from unit.local.engine_records import trained as trained_as

if TYPE_CHECKING:
    from pathlib import Path


def trained(run: Run, folder: Path) -> tuple[Linear, list[Step]]:
    return trained_as(Linear, run, folder)


AUTO = Hyperparameters()


@pytest.mark.parametrize(
    ("training", "test", "least"),
    [
        pytest.param(single(), single(seed=1), 0.95, id="label"),
        pytest.param(several(), several(seed=1), 0.9, id="list"),
        pytest.param(
            several(none="none"), several(seed=1, none="none"), 0.85, id="list with a word for none"
        ),
        pytest.param(spelled(single(), path), spelled(single(seed=1), path), 0.95, id="path"),
        pytest.param(spelled(several(), flags), spelled(several(seed=1), flags), 0.9, id="flags"),
        pytest.param(
            spelled(several(none=""), lambda a: json.dumps({"topics": [t for t in a.split(",") if t]})),
            spelled(
                several(seed=1, none=""), lambda a: json.dumps({"topics": [t for t in a.split(",") if t]})
            ),
            0.85,
            id="array",
        ),
    ],
)
def test_it_learns_and_answers_in_the_format_of_training(
    training: list[Record], test: list[Record], least: float, tmp_path: Path
) -> None:
    model, _ = trained(Linear.fit(training, [], AUTO, seed=1), tmp_path)
    assert exact(model, test) >= least
    for answer in model.answer([row[:-1] for row in test], top_logprobs=3):
        assert "".join(token.token for token in answer.tokens) == answer.text
        assert all(token.logprob <= 0 and len(token.top) <= 3 for token in answer.tokens)


def test_the_curve_tells_of_real_learning(tmp_path: Path) -> None:
    run = Linear.fit(single(), single(50, seed=1), Hyperparameters(n_epochs=4, batch_size=16), seed=1)
    _, steps = trained(run, tmp_path)
    assert [step.step for step in steps] == list(range(1, len(steps) + 1))
    assert {step.total_steps for step in steps} == {len(steps)}
    assert [step.epoch for step in steps if step.epoch_end] == [1, 2, 3, 4]
    assert steps[0].train_loss == pytest.approx(np.log(3), abs=0.05)
    whole = [step.full_valid_loss for step in steps if step.full_valid_loss is not None]
    assert len(whole) == 4
    assert whole[-1] < whole[0] < np.log(3)
    assert run.hyperparameters == {"n_epochs": 4, "batch_size": 16, "learning_rate_multiplier": 1.0}
    assert run.trained_tokens % 4 == 0 < run.trained_tokens


def test_a_smaller_learning_rate_learns_more_slowly() -> None:
    losses = []
    for rate in (0.05, 1.0):
        run = Linear.fit(
            single(), single(50, seed=1), Hyperparameters(n_epochs=2, learning_rate_multiplier=rate), seed=1
        )
        losses.append(list(run)[-1].full_valid_loss)
    slow, quick = losses
    assert slow is not None
    assert quick is not None
    assert quick < slow < np.log(3)


def test_the_same_seed_gives_the_same_bytes_and_another_one_does_not(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        trained(Linear.fit(several(), [], AUTO, seed=seed), tmp_path / name)
    assert files(tmp_path / "a") == files(tmp_path / "b") != files(tmp_path / "c")


@pytest.mark.parametrize("stop", [1, 7, 13])
@pytest.mark.parametrize("validation", [[], several(40, seed=1)], ids=["alone", "validated"])
def test_a_training_goes_on_as_if_it_had_never_stopped(
    stop: int, validation: list[Record], tmp_path: Path
) -> None:
    asked = Hyperparameters(n_epochs=2, batch_size=32)
    _, steps = trained(Linear.fit(several(), validation, asked, seed=1), tmp_path / "whole")
    first = Linear.fit(several(), validation, asked, seed=1)
    before = list(islice(iter(first), stop))
    first.save(tmp_path / "half")
    assert exact(Linear.load(tmp_path / "half"), several(20, seed=2)) >= 0
    second = Linear.fit(several(), validation, asked, seed=1, resume=tmp_path / "half")
    assert before + list(second) == steps
    second.save(tmp_path / "half")
    assert files(tmp_path / "half") == files(tmp_path / "whole")


def test_going_on_with_other_data_is_refused(tmp_path: Path) -> None:
    run = Linear.fit(single(), [], AUTO, seed=1)
    next(iter(run))
    run.save(tmp_path)
    with pytest.raises(TrainingRefusedError, match="other examples"):
        Linear.fit(single(seed=3), [], AUTO, seed=1, resume=tmp_path)


def test_going_on_with_a_finished_training_does_nothing(tmp_path: Path) -> None:
    trained(Linear.fit(single(), [], AUTO, seed=1), tmp_path)
    assert list(Linear.fit(single(), [], AUTO, seed=1, resume=tmp_path)) == []


def test_an_answer_does_not_depend_on_its_company(tmp_path: Path) -> None:
    model, _ = trained(Linear.fit(several(), [], AUTO, seed=1), tmp_path)
    conversations = [row[:-1] for row in several(30, seed=2)]
    together = model.answer(conversations, top_logprobs=5)
    assert together == [model.answer([one], top_logprobs=5)[0] for one in conversations]


@pytest.mark.parametrize("letters", ["abcdefghijklmnop", "😀😃😄😁😆😅🤣😂"], ids=["plain", "wide"])
def test_ever_new_words_take_no_more_memory(letters: str, monkeypatch: pytest.MonkeyPatch) -> None:
    limit = 1 << 20
    monkeypatch.setattr(features, "CACHED_BYTES", limit)
    pairs = [left + right for left in letters for right in letters]
    vocabulary, anew = features.Vocabulary(["a"], pairs), features.Vocabulary(["a"], pairs)
    spelled = ("".join(word) for word in product(letters, repeat=5))
    texts = [" ".join(islice(spelled, 200)) for _ in range(100)]
    tracemalloc.start()
    try:
        for text in texts:
            vocabulary.features(text)
        assert tracemalloc.get_traced_memory()[0] < 1.1 * limit
    finally:
        tracemalloc.stop()
    # What is remembered is what would be found anew, and so is the rest.
    for text in (texts[0], texts[-1]):
        for known, found in zip(vocabulary.features(text), anew.features(text), strict=True):
            assert known.tolist() == found.tolist()


def test_any_conversation_gets_an_answer(tmp_path: Path) -> None:
    model, _ = trained(Linear.fit(several(), [], AUTO, seed=1), tmp_path)
    odd: list[list[dict[str, Any]]] = [
        [],
        [{"role": "user", "content": ""}],
        [{"role": "user", "content": "\ud800 \x00 " + "x" * 10_000}],
        [{"role": "tool", "content": None}],
    ]
    for answer in model.answer(odd, top_logprobs=20):
        assert answer.text, "no training row was without a label, so no answer is"


@pytest.mark.parametrize(
    ("records", "reason"),
    [
        ([], "no examples"),
        ([record(f"text {n}", "only") for n in range(10)], "the same answer"),
        ([record("the same", "ab"[n % 2]) for n in range(10)], "same messages but different answers"),
        ([record(f"text {n}", f"reply {n}") for n in range(10)], "no labels"),
    ],
)
def test_what_cannot_be_learnt_is_refused(records: list[Record], reason: str) -> None:
    with pytest.raises(TrainingRefusedError, match=reason):
        Linear.fit(records, [], AUTO, seed=1)


@pytest.mark.parametrize(
    "asked",
    [
        {"n_epochs": 0},
        {"n_epochs": 1.5},
        {"batch_size": -1},
        {"batch_size": True},
        {"learning_rate_multiplier": 0},
        {"learning_rate_multiplier": float("nan")},
        {"learning_rate_multiplier": "fast"},
    ],
)
def test_hyperparameters_without_sense_are_refused(asked: dict[str, Any]) -> None:
    with pytest.raises(TrainingRefusedError, match=next(iter(asked))):
        Linear.fit(single(), [], Hyperparameters(**asked), seed=1)


def test_a_learning_rate_far_too_high_still_ends(tmp_path: Path) -> None:
    model, _ = trained(
        Linear.fit(single(), [], Hyperparameters(learning_rate_multiplier=1e6), seed=1), tmp_path
    )
    assert model.answer([single()[0][:-1]])[0].text in TOPICS


def test_validation_answers_that_training_never_had_are_left_out(tmp_path: Path) -> None:
    strange = [record("what is this", "unheard of")]
    run = Linear.fit(single(), [*single(30, seed=1), *strange], AUTO, seed=1)
    _, steps = trained(run, tmp_path)
    assert steps[-1].full_valid_loss is not None


def complaints(n: int, seed: int, *, hints: float) -> list[Record]:
    """`card` is all but certain from one word and unlikely from another; a share of `hints` of the texts has
    the word after which one in five is a `threat`, which nothing else tells of.
    """
    rng = np.random.default_rng(seed)
    records = []
    for _ in range(n):
        surely, perhaps, hint = (rng.random(3) < (0.4, 0.4, hints)).tolist()
        labels = ["card"] if rng.random() < (0.95 if surely else 0.25 if perhaps else 0) else []
        if hint and rng.random() < 0.2:
            labels.append("threat")
        words = ["card"] * surely + ["pin"] * perhaps + ["lawyer"] * hint
        records.append(record(" ".join([str(rng.choice(FILLERS)), *words]), ",".join(labels) or "none"))
    return records


def test_a_label_that_validation_hardly_has_is_decided_by_the_training_examples(tmp_path: Path) -> None:
    """Named whenever it is hinted at, its F1 is a third; at the threshold of `card` it is nothing."""
    training, validation = complaints(2_000, 0, hints=0.3), complaints(1_000, 1, hints=0.0)
    model, _ = trained(Linear.fit(training, validation, AUTO, seed=1), tmp_path)
    hinted = [row[:-1] for row in complaints(50, 2, hints=1.0)]
    named = [answer.text.split(",") for answer in model.answer(hinted)]
    assert sum("threat" in labels for labels in named) >= 45


def sign(folder: Path, manifest: dict[str, Any]) -> None:
    """Write a manifest that someone changed on purpose, its own hash with it."""
    manifest.pop("sha256")
    manifest["sha256"] = hashlib.sha256(json.dumps(manifest, separators=(",", ":")).encode()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest, separators=(",", ":")))


def damage(folder: Path, pattern: str) -> None:
    (target,) = folder.glob(pattern)
    content = bytearray(target.read_bytes())
    content[len(content) // 2] ^= 1
    target.write_bytes(bytes(content))


@pytest.mark.parametrize("pattern", ["weights-*.npy", "vocabulary-*.json", "model-*.json", "manifest.json"])
def test_a_damaged_model_is_not_loaded(pattern: str, tmp_path: Path) -> None:
    trained(Linear.fit(single(), [], AUTO, seed=1), tmp_path)
    damage(tmp_path, pattern)
    with pytest.raises(ModelDamagedError, match=r"manifest|bytes|cannot be read"):
        Linear.load(tmp_path)


def test_a_missing_file_or_folder_is_a_damaged_model(tmp_path: Path) -> None:
    with pytest.raises(ModelDamagedError, match="cannot be read"):
        Linear.load(tmp_path / "nothing")
    trained(Linear.fit(single(), [], AUTO, seed=1), tmp_path)
    next(tmp_path.glob("weights-*")).unlink()
    with pytest.raises(ModelDamagedError, match="cannot be read"):
        Linear.load(tmp_path)


def test_a_pickle_under_an_arrays_name_is_not_run(tmp_path: Path) -> None:
    import pickle

    trained(Linear.fit(single(), [], AUTO, seed=1), tmp_path)
    content = pickle.dumps({"evil": 1})
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    entry = manifest["files"]["weights.npy"]
    (tmp_path / entry["file"]).write_bytes(content)
    entry["sha256"] = hashlib.sha256(content).hexdigest()
    sign(tmp_path, manifest)
    with pytest.raises(ModelDamagedError, match="weights"):
        Linear.load(tmp_path)


def test_a_name_in_the_manifest_stays_inside_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    trained(Linear.fit(single(), [], AUTO, seed=1), folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    entry = manifest["files"]["weights.npy"]
    shutil.copy(folder / entry["file"], tmp_path / "outside.npy")
    entry["file"] = "../outside.npy"
    sign(folder, manifest)
    with pytest.raises(ModelDamagedError, match="not the name of a file"):
        Linear.load(folder)


def test_saving_again_replaces_what_was_there(tmp_path: Path) -> None:
    run = Linear.fit(single(), [], AUTO, seed=1)
    next(iter(run))
    run.save(tmp_path)
    with_state = sum(map(len, files(tmp_path).values()))
    trained(run, tmp_path)
    assert sum(map(len, files(tmp_path).values())) < with_state / 2
    assert len(files(tmp_path)) == 7


def test_engines_are_a_table_and_nothing_heavy_is_imported_for_it() -> None:
    import subprocess

    engine: type[Engine] = get_engine("linear")
    assert engine is Linear
    assert list(ENGINES) == ["linear", "embed", "encoder", "llm"]
    with pytest.raises(AccessError, match="no engine named 'cubic'") as caught:
        get_engine("cubic")
    assert "linear" in (caught.value.hint or "")
    # The table alone needs nothing of theirs, and answering only numpy: a batch waits for no other import.
    for module, needed in (("engines", "set()"), ("engines.linear.engine", "{'numpy'}")):
        code = (
            f"import sys, labeltune.local.{module}; print({{'numpy', 'scipy', 'sklearn'}} & set(sys.modules))"
        )
        shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert shown.stdout.strip() == needed


def test_another_packages_engine_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / "other-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[labeltune.engines]\nconstant = other_engine:Constant\n")
    (tmp_path / "other_engine.py").write_text("class Constant:\n    name = 'constant'\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert get_engine("constant").name == "constant"


# ---------------------------------------------------------------------------------------------- cross-validation


def test_every_example_is_judged_by_a_model_that_has_not_seen_it() -> None:
    training = single()
    n = len(training)
    fold = np.arange(n) % 4 + 1
    held_out = Linear.cross_validate(training, fold, seed=1)
    (labels,) = held_out.heads
    assert held_out.probabilities.shape == (n, len(labels))
    assert np.allclose(held_out.probabilities.sum(axis=1), 1)
    given = np.array([labels.index(row[-1]["content"]) for row in training])
    assert (held_out.probabilities.argmax(axis=1) == given).mean() >= 0.95

    # What is said of a fold does not depend on the labels that it has, but for what all rows calibrate.
    order = {label: place for place, label in enumerate(labels)}
    turned = [
        [*row[:-1], {"role": "assistant", "content": labels[(order[row[-1]["content"]] + 1) % len(labels)]}]
        if own == 1
        else row
        for row, own in zip(training, fold, strict=True)
    ]
    other = Linear.cross_validate(turned, fold, seed=1)
    places = [other.heads[0].index(label) for label in labels]
    best = other.probabilities[:, places].argmax(axis=1)
    assert (best[fold == 1] == given[fold == 1]).mean() >= 0.9


def test_the_same_folds_give_the_same_numbers() -> None:
    training = single()
    fold = np.arange(len(training)) % 3 + 1
    first, second = (Linear.cross_validate(training, fold, seed=1).probabilities for _ in range(2))
    assert first.tobytes() == second.tobytes()
