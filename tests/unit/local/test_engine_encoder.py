"""The engine `encoder`: learning, answering, saving, going on, refusing."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from labeltune.errors import AccessError, ModelDamagedError, SettingsError, TrainingRefusedError
from labeltune.local.engines import ENGINES, Base, Engine, Hyperparameters, Record, Run, get_engine
from labeltune.local.engines.encoder.engine import Encoder
from unit.local.tiny_models import (
    TOPICS,
    need_torch,
    path,
    record,
    several,
    single,
    spelled,
    text_about,
    tiny_encoder,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

need_torch()

FEW = Hyperparameters(n_epochs=2, batch_size=32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_encoder(tmp_path_factory.mktemp("bert"))


def base_of(folder: Path, options: str = "") -> Base:
    return Base.parse(f"encoder:{folder}{options}")


def fit(
    folder: Path,
    training: Sequence[Record],
    validation: Sequence[Record] = (),
    asked: Hyperparameters = FEW,
    *,
    options: str = "",
    resume: Path | None = None,
) -> Run:
    return Encoder.fit(training, validation, asked, base=base_of(folder, options), seed=1, resume=resume)


def trained(run: Run, folder: Path) -> Encoder:
    for _ in run:
        pass
    run.save(folder)
    return Encoder.load(folder)


def exact(model: Encoder, records: Sequence[Record]) -> float:
    answers = model.answer([row[:-1] for row in records])
    return float(np.mean([a.text == row[-1]["content"] for a, row in zip(answers, records, strict=True)]))


def files(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


@pytest.mark.parametrize(
    ("training", "test", "least", "options"),
    [
        pytest.param(single(), single(seed=1), 0.95, "", id="label"),
        pytest.param(several(), several(seed=1), 0.9, "", id="list"),
        pytest.param(spelled(single(), path), spelled(single(seed=1), path), 0.95, "", id="path"),
        pytest.param(single(), single(seed=1), 0.9, "#rank=8", id="lora"),
        pytest.param(single(), single(seed=1), 0.6, "#pooling=cls&class_weight=balanced", id="cls, balanced"),
        pytest.param(single(), single(seed=1), 0.9, "#precision=bf16", id="bf16"),
    ],
)
def test_it_learns_and_answers_in_the_format_of_training(
    training: list[Record], test: list[Record], least: float, options: str, folder: Path, tmp_path: Path
) -> None:
    asked = Hyperparameters(n_epochs=12, batch_size=16)
    model = trained(fit(folder, training, asked=asked, options=options), tmp_path)
    assert exact(model, test) >= least
    for answer in model.answer([row[:-1] for row in test[:20]], top_logprobs=3):
        assert "".join(token.token for token in answer.tokens) == answer.text
        assert all(token.logprob <= 0 and len(token.top) <= 3 for token in answer.tokens)


def test_a_modern_encoder_learns_too(tmp_path: Path) -> None:
    modern = tiny_encoder(tmp_path / "modern", "modernbert")
    model = trained(fit(modern, single(), asked=Hyperparameters(n_epochs=12)), tmp_path / "model")
    assert exact(model, single(seed=1)) >= 0.9


def test_the_curve_tells_of_real_learning(folder: Path) -> None:
    asked = Hyperparameters(n_epochs=4, batch_size=16)
    run = fit(folder, single(), single(50, seed=1), asked)
    steps = list(run)
    assert [step.step for step in steps] == list(range(1, 33))
    assert {step.total_steps for step in steps} == {32}
    assert sum(step.rows for step in steps) == 4 * 120
    assert steps[0].train_loss == pytest.approx(np.log(3), abs=1e-4)
    whole = [step.full_valid_loss for step in steps if step.full_valid_loss is not None]
    assert len(whole) == 4
    assert whole[-1] < whole[0] < np.log(3)
    assert run.hyperparameters == {"n_epochs": 4, "batch_size": 16, "learning_rate_multiplier": 1.0}
    assert run.trained_tokens % 4 == 0 < run.trained_tokens


def test_auto_depends_on_the_number_of_examples(folder: Path) -> None:
    assert dict(fit(folder, single(300), asked=Hyperparameters()).hyperparameters) == {
        "n_epochs": 20,
        "batch_size": 16,
        "learning_rate_multiplier": 1.0,
    }


@pytest.mark.parametrize("stop", [1, 6, 9])
@pytest.mark.parametrize(
    ("validation", "options"),
    [([], ""), (several(40, seed=1), ""), (several(40, seed=1), "#rank=4&lora=attention")],
    ids=["alone", "validated", "lora"],
)
def test_a_training_goes_on_as_if_it_had_never_stopped(
    stop: int, validation: list[Record], options: str, folder: Path, tmp_path: Path
) -> None:
    whole = fit(folder, several(), validation, options=options)
    steps = list(whole)
    whole.save(tmp_path / "whole")
    first = fit(folder, several(), validation, options=options)
    before = list(islice(iter(first), stop))
    first.save(tmp_path / "half")
    assert exact(Encoder.load(tmp_path / "half"), several(20, seed=2)) >= 0
    second = fit(folder, several(), validation, options=options, resume=tmp_path / "half")
    assert before + list(second) == steps
    second.save(tmp_path / "half")
    assert files(tmp_path / "half") == files(tmp_path / "whole")


def test_going_on_with_other_data_or_another_base_is_refused(folder: Path, tmp_path: Path) -> None:
    run = fit(folder, single())
    next(iter(run))
    run.save(tmp_path / "saved")
    with pytest.raises(TrainingRefusedError, match="other examples"):
        fit(folder, single(seed=3), resume=tmp_path / "saved")
    other = tiny_encoder(tmp_path / "other", dropout=0.0)
    with pytest.raises(TrainingRefusedError, match="another base"):
        fit(other, single(), resume=tmp_path / "saved")


def test_going_on_with_a_finished_training_does_nothing(folder: Path, tmp_path: Path) -> None:
    for options in ("", "#rank=4"):
        run = fit(folder, single(), options=options)
        trained(run, tmp_path / "saved")
        assert list(fit(folder, single(), options=options, resume=tmp_path / "saved")) == []


def test_training_ends_early_with_the_best_weights(folder: Path, tmp_path: Path) -> None:
    # What is validated by contradicts what is learnt: the better it is learnt, the higher the loss.
    wrong = spelled(
        single(40, seed=1), lambda topic: {"card": "transfer", "transfer": "card"}.get(topic, topic)
    )
    asked = Hyperparameters(n_epochs=12, batch_size=16, learning_rate_multiplier=2)
    run = fit(folder, single(), wrong, asked)
    steps = list(run)
    losses = [step.full_valid_loss for step in steps if step.full_valid_loss is not None]
    assert len(losses) < 12
    assert steps[-1].step == steps[-1].total_steps < steps[0].total_steps
    assert losses[-1] > losses[-2] > min(losses)
    kept = steps[-1].kept
    assert kept is not None
    assert (kept.epoch, kept.full_valid_loss) == (losses.index(min(losses)) + 1, min(losses))
    assert all(step.kept is None for step in steps[:-1])
    run.save(tmp_path)
    assert list(fit(folder, single(), wrong, asked, resume=tmp_path)) == []
    best = fit(folder, single(), wrong, asked)
    for step in best:
        if step.full_valid_loss == min(losses):
            break
    best.save(tmp_path / "best")
    conversations = [row[:-1] for row in single(20, seed=2)]
    ended, at_best = (Encoder.load(place).answer(conversations) for place in (tmp_path, tmp_path / "best"))
    assert ended == at_best


def test_an_answer_does_not_depend_on_its_company(folder: Path, tmp_path: Path) -> None:
    model = trained(fit(folder, several()), tmp_path)
    conversations = [row[:-1] for row in several(30, seed=2)]
    conversations[3][1]["content"] = "Message: " + "card problem " * 100 + "\nTopic:"
    together = model.answer(conversations, top_logprobs=5)
    for one, answer in zip(conversations, together, strict=True):
        (alone,) = model.answer([one], top_logprobs=5)
        assert alone.text == answer.text
        assert [token.logprob for token in alone.tokens] == pytest.approx(
            [token.logprob for token in answer.tokens], abs=1e-5
        )


def test_any_conversation_gets_an_answer(folder: Path, tmp_path: Path) -> None:
    model = trained(fit(folder, several()), tmp_path)
    odd: list[list[dict[str, Any]]] = [
        [],
        [{"role": "user", "content": ""}],
        [{"role": "user", "content": "\ud800 \x00 " + "x " * 500_000}],
        [{"role": "tool", "content": None}],
    ]
    for answer in model.answer(odd, top_logprobs=20):
        assert answer.text, "no training row was without a label, so no answer is"
    assert model.answer([]) == []


def test_long_texts_are_read_in_windows_and_told_of(folder: Path, tmp_path: Path) -> None:
    random = np.random.default_rng(5)
    # The topic stands in the last words, far behind the first window.
    far = [record("hello about " * 40 + text_about(random, [topic]), topic) for topic in [*TOPICS] * 40]
    giant = record("card pin " * 100_000, "card")
    run = fit(folder, [*far, giant], asked=Hyperparameters(n_epochs=12, batch_size=16), options="#window=32")
    assert "121 of 121 texts have more than 32 tokens" in run.notes[0]  # type: ignore[attr-defined]
    assert run.notes[1].startswith("1 of them")  # type: ignore[attr-defined]
    model = trained(run, tmp_path)
    assert exact(model, far) > 0.9


def test_answers_that_training_never_had_are_left_out_and_told_of(folder: Path) -> None:
    strange = [record("what is this", "unheard of")]
    run = fit(folder, single(), [*single(30, seed=1), *strange])
    assert list(run)[-1].full_valid_loss is not None
    assert any("1 of 31 validation examples" in note for note in run.notes)  # type: ignore[attr-defined]


def test_labels_may_be_empty_and_ten_rows_are_enough(folder: Path, tmp_path: Path) -> None:
    rows = [
        record(("card pin" if n % 2 else "password code") + f" {n}", "card" if n % 2 else "")
        for n in range(10)
    ]
    run = fit(folder, rows, asked=Hyperparameters(n_epochs=20, batch_size=2))
    assert any("too few examples to calibrate" in note for note in run.notes)  # type: ignore[attr-defined]
    model = trained(run, tmp_path)
    assert {answer.text for answer in model.answer([row[:-1] for row in rows])} == {"card", ""}


@pytest.mark.parametrize(
    ("records", "reason"),
    [
        ([], "no examples"),
        ([record(f"text {n}", "only") for n in range(10)], "the same answer"),
        ([record("the same", "ab"[n % 2]) for n in range(10)], "same messages but different answers"),
        ([record(f"text {n}", f"reply {n}") for n in range(10)], "no labels"),
    ],
)
def test_what_cannot_be_learnt_is_refused(records: list[Record], reason: str, folder: Path) -> None:
    with pytest.raises(TrainingRefusedError, match=reason):
        fit(folder, records)


def test_a_loss_that_is_no_number_ends_the_training(folder: Path) -> None:
    asked = replace(FEW, learning_rate_multiplier=1e38)
    with pytest.raises(TrainingRefusedError, match="not finite any more after") as caught:
        list(fit(folder, single(), asked=asked))
    assert "smaller learning-rate multiplier" in str(caught.value.hint)


def test_a_training_that_runs_away_ends(folder: Path) -> None:
    asked = replace(FEW, learning_rate_multiplier=1e6)
    with pytest.raises(TrainingRefusedError, match=r"the loss has grown to [\d,]+ after \d+ steps"):
        list(fit(folder, single(), asked=asked))


def test_weights_that_the_last_step_spoils_are_no_model(folder: Path) -> None:
    asked = Hyperparameters(n_epochs=1, batch_size=40, learning_rate_multiplier=1e38)
    with pytest.raises(TrainingRefusedError, match="the loss of the validation file is not finite"):
        list(fit(folder, single(40), single(20, seed=1), asked))


def test_a_model_that_does_not_fit_into_memory_is_refused_before_it_is_loaded(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("labeltune.local.engines.neural.device.free_memory", lambda: 100_000)
    with pytest.raises(TrainingRefusedError, match=r"needs about .* of memory, and 0 MB are free") as caught:
        fit(folder, single())
    assert "#rank=8" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ("#ranks=8", "no option 'ranks'"),
        ("#rank=0", "rank=0: expected a whole number from 1"),
        ("#rank=x", "rank=x: exp"),
        ("#window=8", "window=8"),
        ("#pooling=max", "expected mean, cls or auto"),
        ("#precision=fp16", "expected auto, bf16 or float32"),
        ("#class_weight=heavy", "expected balanced or none"),
    ],
)
def test_options_without_sense_are_refused_before_there_is_a_job(
    options: str, reason: str, folder: Path
) -> None:
    with pytest.raises(SettingsError, match=reason):
        Encoder.check(base_of(folder, options))


def test_a_window_beyond_the_model_is_refused(folder: Path) -> None:
    with pytest.raises(SettingsError, match="reads 64 tokens at once"):
        fit(folder, single(), options="#window=65")


def _without(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def _pickled(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def _cut(folder: Path) -> None:
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[:-10])


def _with_code(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "auto_map": {"AutoModel": "own.Model"}}))


def _gguf(folder: Path) -> None:
    (folder / "config.json").rename(folder / "model.gguf")


@pytest.mark.parametrize(
    ("break_it", "reason"),
    [
        (_without("config.json"), "config.json is missing"),
        (_without("tokenizer.json"), "has no tokenizer"),
        (_without("model.safetensors"), "has no weights"),
        (_pickled, "a pickle can run code"),
        (_cut, "is cut short"),
        (_with_code, "brings its own code"),
        (_gguf, "GGUF"),
        (lambda folder: (folder / "config.json").write_text("{"), "cannot be read as JSON"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"x" * 99), "is not a safetensors file"),
    ],
)
def test_a_folder_that_is_no_model_is_refused_before_there_is_a_job(
    break_it: Callable[[Path], Any], reason: str, folder: Path, tmp_path: Path
) -> None:
    broken = shutil.copytree(folder, tmp_path / "broken")
    break_it(broken)
    with pytest.raises(AccessError, match=reason):
        Encoder.check(base_of(broken))


@pytest.mark.parametrize("source", ["/no/such/folder", "./nowhere", "a b/c", "one/two/three"])
def test_a_source_that_is_neither_folder_nor_name_is_refused(source: str) -> None:
    with pytest.raises(AccessError, match="there is no such folder"):
        Encoder.check(Base("encoder", source))


def test_a_base_has_to_be_named() -> None:
    with pytest.raises(AccessError, match="expected a base model"):
        Encoder.check(Base("encoder"))


def test_a_name_is_not_fetched_by_the_check_nor_where_it_is_forbidden(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    base = Base("encoder", "nobody/nothing-of-this-name")
    Encoder.check(base)
    with pytest.raises(AccessError, match="HF_HUB_OFFLINE forbids"):
        Encoder.fit(single(), [], FEW, base=base, seed=1)


def test_weights_that_are_missing_in_a_file_are_told_of(folder: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    broken = shutil.copytree(folder, tmp_path / "broken")
    tensors = load_file(broken / "model.safetensors")
    del tensors["encoder.layer.1.output.dense.weight"]
    save_file(tensors, broken / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(AccessError, match="1 of its weights are missing"):
        fit(broken, single())


def test_a_model_that_writes_text_is_refused(folder: Path, tmp_path: Path) -> None:
    broken = shutil.copytree(folder, tmp_path / "broken")
    config = json.loads((broken / "config.json").read_text())
    (broken / "config.json").write_text(json.dumps({**config, "model_type": "llama"}))
    with pytest.raises(AccessError, match="writes text") as caught:
        fit(broken, single())
    assert f"llm:{broken}" in str(caught.value.hint)


def test_a_saved_model_carries_its_base_and_holds_nothing_that_runs(folder: Path, tmp_path: Path) -> None:
    trained(fit(folder, single(), options="#rank=4"), tmp_path)
    assert {path.suffix for path in tmp_path.iterdir()} == {".json", ".safetensors"}
    (about,) = tmp_path.glob("base-*.json")
    told = json.loads(about.read_bytes())
    assert told["licence"] == "apache-2.0"
    assert len(told["sha256"]) == 64
    assert told["options"] == {"rank": "4"}


@pytest.mark.parametrize("name", ["weights-*.safetensors", "tokenizer-*.json", "model-*.json"])
def test_a_changed_byte_is_noticed(name: str, folder: Path, tmp_path: Path) -> None:
    trained(fit(folder, single()), tmp_path)
    (file,) = tmp_path.glob(name)
    content = bytearray(file.read_bytes())
    content[-3] ^= 1
    file.write_bytes(content)
    with pytest.raises(ModelDamagedError, match="not those that were saved"):
        Encoder.load(tmp_path)


def test_balanced_classes_name_the_rare_label_more_often(folder: Path, tmp_path: Path) -> None:
    # The text says little about the answer, so that the shares of the labels count.
    random = np.random.default_rng(3)
    rows = []
    for n in range(300):
        answer = "rare" if n % 10 == 0 else "common"
        word = "pin" if random.random() < (0.7 if answer == "rare" else 0.3) else "card"
        rows.append(record(text_about(random, []) + f" {word} {word}", answer))
    asked = Hyperparameters(n_epochs=6, batch_size=32)
    plain = trained(fit(folder, rows, asked=asked), tmp_path / "plain")
    balanced = trained(
        fit(folder, rows, asked=asked, options="#class_weight=balanced"), tmp_path / "balanced"
    )
    conversations = [row[:-1] for row in rows]
    named = [
        sum(answer.text == "rare" for answer in model.answer(conversations)) for model in (plain, balanced)
    ]
    assert named[0] == 0 < named[1]


def test_the_engine_is_in_the_table_and_fits_the_protocol() -> None:
    engine: type[Engine] = get_engine("encoder")
    assert engine is Encoder
    assert "encoder" in ENGINES
    assert Encoder.slow
