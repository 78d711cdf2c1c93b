"""The engine `llm`: learning, answering, saving, going on, leaving; on tiny models with random weights."""

from __future__ import annotations

import json
import shutil
import sys
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from labeltune.errors import AccessError, ModelDamagedError, SettingsError, TrainingRefusedError
from labeltune.local.engines import Base, Engine, Hyperparameters, Record, Run, get_engine
from labeltune.local.engines.llm.engine import Llm

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

pytest.importorskip("torch", reason="the extra [torch] is not installed: nothing of the engine llm is tested")
pytest.importorskip("transformers", reason="the extra [torch] is not installed")
pytest.importorskip("peft", reason="the extra [torch] is not installed")

from unit.local.chat_models import chat_model
from unit.local.sentence_models import static_folder
from unit.local.tiny_models import tiny_encoder

WORDS = {"card": "pin", "transfer": "bank", "login": "password"}
AUTO = Hyperparameters()
QUICK = Hyperparameters(n_epochs=2, batch_size=8, learning_rate_multiplier=2.0)


def record(text: str, answer: str) -> Record:
    return [
        {"role": "system", "content": "Classify."},
        {"role": "user", "content": f"Message: {text}\nTopic:"},
        {"role": "assistant", "content": answer},
    ]


def single(n: int = 48, seed: int = 0, spell: Callable[[str], str] = str) -> list[Record]:
    rng = np.random.default_rng(seed)
    topics = [str(topic) for topic in rng.choice(list(WORDS), size=n)]
    return [
        record(f"{rng.choice(['help', 'why', 'hello'])} {WORDS[t]} {n}", spell(t))
        for n, t in enumerate(topics)
    ]


def several(n: int = 60, seed: int = 0, spell: Callable[[list[str]], str] = ",".join) -> list[Record]:
    rng = np.random.default_rng(seed)
    found: list[Record] = []
    while len(found) < n:
        topics = [topic for topic in WORDS if rng.random() < 0.5]
        if topics:
            found.append(record(" ".join(WORDS[topic] for topic in topics) + f" {len(found)}", spell(topics)))
    return found


def answers(model: Llm, rows: Sequence[Record]) -> list[str]:
    return [answer.text for answer in model.answer([row[:-1] for row in rows])]


def files(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Base:
    return Base("llm", str(chat_model(tmp_path_factory.mktemp("base"))))


@pytest.fixture(scope="module")
def trained(base: Base, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that has learnt a little."""
    folder = tmp_path_factory.mktemp("trained")
    run = Llm.fit(single(), [], QUICK, base=base, seed=1)
    for _ in run:
        pass
    run.save(folder)
    return folder


def test_it_is_an_engine() -> None:
    assert get_engine("llm") is Llm
    engine: type[Engine] = Llm
    assert engine.options.keys() >= {"rank", "lora", "window", "precision", "class_weight"}


def test_its_module_imports_nothing_heavy() -> None:
    import subprocess

    code = (
        "import sys, labeltune.local.engines.llm.engine; "
        "sys.exit(any(name in sys.modules for name in ('torch', 'transformers', 'peft', 'safetensors')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_it_learns_single_labels(base: Base, tmp_path: Path) -> None:
    run = Llm.fit(
        single(160), [], Hyperparameters(n_epochs=8, learning_rate_multiplier=2.0), base=base, seed=1
    )
    steps = list(run)
    run.save(tmp_path)
    test = single(60, seed=1)
    right = np.mean(
        [a == row[-1]["content"] for a, row in zip(answers(Llm.load(tmp_path), test), test, strict=True)]
    )
    assert steps[-1].train_loss < 0.5 * steps[0].train_loss
    assert right >= 0.8


@pytest.mark.parametrize(
    ("rows", "legal"),
    [
        pytest.param(several(), lambda a: set(a.split(",")) <= set(WORDS), id="list"),
        pytest.param(
            single(spell=lambda t: json.dumps({"area": "money" if t != "login" else "access", "topic": t})),
            lambda a: (
                json.loads(a)["topic"] in WORDS and (json.loads(a)["area"] == "access") == ("login" in a)
            ),
            id="pairs",
        ),
        pytest.param(
            several(spell=lambda ts: json.dumps({t: t in ts for t in WORDS})),
            lambda a: json.loads(a).keys() == WORDS.keys() and any(json.loads(a).values()),
            id="flags",
        ),
        pytest.param(
            several(spell=lambda ts: json.dumps({"topics": ts})),
            lambda a: set(json.loads(a)["topics"]) <= set(WORDS),
            id="array",
        ),
    ],
)
def test_answers_are_legal_after_a_step(
    rows: list[Record], legal: Callable[[str], bool], base: Base, tmp_path: Path
) -> None:
    run = Llm.fit(rows, [], QUICK, base=base, seed=1)
    next(iter(run))
    run.save(tmp_path)
    for answer in Llm.load(tmp_path).answer([row[:-1] for row in rows[:20]], top_logprobs=3):
        assert legal(answer.text), answer.text
        assert "".join(token.token for token in answer.tokens) == answer.text
        assert all(token.logprob <= 0 and len(token.top) <= 3 for token in answer.tokens)


@pytest.mark.parametrize("validated", [False, True])
def test_a_training_left_after_any_step_ends_with_the_same_bytes(
    validated: bool, base: Base, tmp_path: Path
) -> None:
    valid = single(12, seed=3) if validated else []

    def run(resume: Path | None = None) -> Run:
        return Llm.fit(single(), valid, QUICK, base=base, seed=5, resume=resume)

    whole = run()
    losses = [step.train_loss for step in whole]
    whole.save(tmp_path / "whole")
    part = run()
    list(islice(part, 5))
    part.save(tmp_path / "part")
    again = run(tmp_path / "part")
    assert [step.train_loss for step in again] == losses[5:]
    again.save(tmp_path / "again")
    assert files(tmp_path / "again") == files(tmp_path / "whole")


def test_another_training_does_not_go_on_from_it(base: Base, tmp_path: Path) -> None:
    run = Llm.fit(single(), [], QUICK, base=base, seed=1)
    next(iter(run))
    run.save(tmp_path)
    with pytest.raises(TrainingRefusedError, match="another seed"):
        Llm.fit(single(), [], QUICK, base=base, seed=2, resume=tmp_path)


def test_an_exported_model_answers_alike_and_transformers_reads_it(trained: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    Llm.export(trained, tmp_path / "out")
    rows = [row[:-1] for row in single(20, seed=2)]
    before, after = Llm.load(trained), Llm.load(tmp_path / "out")
    for one, other in zip(
        before.answer(rows, top_logprobs=3), after.answer(rows, top_logprobs=3), strict=True
    ):
        assert one.text == other.text
        assert one.tokens[0].logprob == pytest.approx(other.tokens[0].logprob, abs=1e-4)
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    assert "lora" not in " ".join(model.state_dict())
    assert AutoTokenizer.from_pretrained(tmp_path / "out").chat_template


def test_balanced_classes_lean_towards_rare_labels_and_leave_probabilities(
    base: Base, tmp_path: Path
) -> None:
    rows = [record("hello", "common")] * 40 + [record("hello", "rare")] * 8
    rows = [[row[0], {**row[1], "content": f"{row[1]['content']} {n}"}, row[2]] for n, row in enumerate(rows)]
    named = Base("llm", base.source, {"class_weight": "balanced"})
    for place, asked in (("plain", base), ("balanced", named)):
        run = Llm.fit(rows, [], QUICK, base=asked, seed=1)
        list(run)
        run.save(tmp_path / place)
    saved = json.loads(next((tmp_path / "balanced").glob("model-*.json")).read_bytes())
    assert saved["tilt"] == pytest.approx(np.log([48 / 80, 48 / 16]), abs=1e-5)
    with pytest.raises(TrainingRefusedError, match="no one class"):
        Llm.fit(several(), [], QUICK, base=named, seed=1)


def test_probabilities_are_calibrated_on_what_was_held_out(base: Base, tmp_path: Path) -> None:
    noisy = single(60)
    rng = np.random.default_rng(1)
    wrong = [
        [*row[:-1], {"role": "assistant", "content": str(rng.choice(list(WORDS)))}]
        for row in single(60, seed=9)
    ]
    run = Llm.fit(noisy, wrong, Hyperparameters(n_epochs=2, learning_rate_multiplier=3.0), base=base, seed=1)
    list(run)
    run.save(tmp_path)
    saved = json.loads(next(tmp_path.glob("model-*.json")).read_bytes())
    assert saved["decisions"][0]["slope"] < 0.9


# --- input that is bad ----------------------------------------------------


def test_a_base_without_a_chat_template_is_refused_before_a_job(tmp_path: Path) -> None:
    folder = chat_model(tmp_path, template=None)
    with pytest.raises(AccessError, match="has no chat template"):
        Llm.check(Base("llm", str(folder)))


def test_a_base_without_a_tokenizer_is_refused(tmp_path: Path) -> None:
    folder = chat_model(tmp_path)
    (folder / "tokenizer.json").unlink()
    with pytest.raises(AccessError, match="tokenizer"):
        Llm.check(Base("llm", str(folder)))


@pytest.mark.parametrize(
    "option",
    [
        {"rank": "0"},
        {"rank": "many"},
        {"lora": "some"},
        {"class_weight": "heavy"},
        {"ranks": "4"},
    ],
)
def test_options_that_make_no_sense_are_refused_before_a_job(option: dict[str, str], base: Base) -> None:
    with pytest.raises(SettingsError):
        Llm.check(Base("llm", base.source, option))


@pytest.mark.parametrize("option", [{"window": "100000"}, {"window": "4"}, {"precision": "int4"}])
def test_options_that_do_not_fit_the_model_are_refused(option: dict[str, str], base: Base) -> None:
    with pytest.raises(SettingsError):
        Llm.fit(single(), [], QUICK, base=Base("llm", base.source, option), seed=1)


def test_one_label_is_refused(base: Base) -> None:
    with pytest.raises(TrainingRefusedError, match="same answer"):
        Llm.fit([record(f"text {n}", "card") for n in range(20)], [], QUICK, base=base, seed=1)


def test_an_answer_longer_than_the_window_is_refused(base: Base) -> None:
    rows = [record(f"text {n}", ["x" * 90, "y" * 90][n % 2]) for n in range(20)]
    with pytest.raises(TrainingRefusedError, match="leaves no room in a window of 64"):
        Llm.fit(rows, [], QUICK, base=Base("llm", base.source, {"window": "64"}), seed=1)


def test_labels_that_are_the_same_tokens_are_refused(tmp_path: Path) -> None:
    folder = chat_model(tmp_path, words=True)
    rows = [record(f"text {n}", ["zebra", "giraffe"][n % 2]) for n in range(20)]
    with pytest.raises(TrainingRefusedError, match="same to the model's tokenizer"):
        Llm.fit(rows, [], QUICK, base=Base("llm", str(folder)), seed=1)


def test_ten_rows_are_enough_to_begin_with(base: Base, tmp_path: Path) -> None:
    run = Llm.fit(single(10), [], Hyperparameters(n_epochs=1), base=base, seed=1)
    assert len(list(run)) == 2
    run.save(tmp_path)
    assert set(answers(Llm.load(tmp_path), single(5, seed=4))) <= set(WORDS)


def test_a_text_of_a_megabyte_loses_its_middle_and_is_told_of(base: Base, tmp_path: Path) -> None:
    long = record("begins " + "0123456789 " * 100_000 + " ends", "card")
    named = Base("llm", base.source, {"window": "128"})
    run: Any = Llm.fit([*single(16), long], [], Hyperparameters(n_epochs=1), base=named, seed=1)
    assert run.notes == ["1 text is longer than the window of 128 tokens and lost its middle"]
    list(run)
    run.save(tmp_path)
    model = Llm.load(tmp_path)
    prompt = model.chat.tokenizer.decode(model.prompt(long[:-1]))
    assert "begins 0" in prompt
    assert " ends\nTopic:" in prompt
    assert " … " in prompt
    assert len(model.prompt(long[:-1])) <= 128
    assert answers(model, [long])[0] in WORDS


def test_losses_that_are_not_finite_end_the_training(base: Base) -> None:
    wild = Hyperparameters(n_epochs=3, learning_rate_multiplier=1e30)
    with pytest.raises(TrainingRefusedError, match="smaller learning-rate multiplier|not finite"):
        list(Llm.fit(single(), [], wild, base=base, seed=1))


def test_a_base_that_is_gone_or_another_one_is_told_of(tmp_path: Path) -> None:
    folder = chat_model(tmp_path / "base")
    run = Llm.fit(single(16), [], Hyperparameters(n_epochs=1), base=Base("llm", str(folder)), seed=1)
    list(run)
    run.save(tmp_path / "model")
    Llm.load(tmp_path / "model")
    shutil.move(folder, tmp_path / "elsewhere")
    with pytest.raises(ModelDamagedError, match="is needed and not there.*no such folder"):
        Llm.load(tmp_path / "model")
    chat_model(folder, seed=1)
    with pytest.raises(ModelDamagedError, match="is not the base model that this model learnt from"):
        Llm.load(tmp_path / "model")


@pytest.mark.parametrize("name", ["chat_template.jinja", "tokenizer_config.json"])
def test_another_template_or_tokenizer_is_another_base_model(name: str, tmp_path: Path) -> None:
    base = Base("llm", str(chat_model(tmp_path / "base")))

    def run(resume: Path | None = None) -> Run:
        return Llm.fit(single(16), [], QUICK, base=base, seed=1, resume=resume)

    begun = run()
    next(iter(begun))
    begun.save(tmp_path / "model")
    path = tmp_path / "base" / name
    assert path.is_file()
    path.write_text(path.read_text() + "\n")
    with pytest.raises(ModelDamagedError, match="its tokenizer or its chat template are others"):
        Llm.load(tmp_path / "model")
    with pytest.raises(TrainingRefusedError, match="another base model"):
        run(tmp_path / "model")


def test_damage_is_told_of(trained: Path, tmp_path: Path) -> None:
    for name in ("adapter", "model"):
        copied = tmp_path / name
        shutil.copytree(trained, copied)
        (victim,) = copied.glob(f"{name}-*")
        victim.write_bytes(victim.read_bytes()[:-1] + b"!")
        with pytest.raises(ModelDamagedError):
            Llm.load(copied)


def test_what_is_kept_of_conversations_is_not_trusted_where_it_answers_otherwise(
    base: Base, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from labeltune.local.engines.llm import scoring

    rows = single(24, spell={"card": "card", "transfer": "card arrival", "login": "login"}.__getitem__)
    run = Llm.fit(rows, [], QUICK, base=base, seed=1)
    list(run)
    run.save(tmp_path)
    usual = Llm.load(tmp_path)
    assert usual.scorer.cached
    expected = answers(usual, rows)
    kept = scoring._rows_of
    # A cache that gives each row another one's keys and values.
    monkeypatch.setattr(scoring, "_rows_of", lambda cache, rows: kept(cache, rows * 0))
    doubted = Llm.load(tmp_path)
    assert not doubted.scorer.cached
    assert answers(doubted, rows) == expected


def test_nothing_is_answered_for_nobody(trained: Path) -> None:
    assert Llm.load(trained).answer([]) == []


def test_balanced_classes_that_are_calibrated_are_read_again_and_lean(base: Base, tmp_path: Path) -> None:
    named = Base("llm", base.source, {"class_weight": "balanced"})
    valid = single(60, seed=7)
    run = Llm.fit(single(40), valid, QUICK, base=named, seed=1)
    list(run)
    run.save(tmp_path / "calibrated")
    assert set(answers(Llm.load(tmp_path / "calibrated"), valid)) <= set(WORDS)
    run = Llm.fit(single(40), [], Hyperparameters(n_epochs=1), base=named, seed=1)
    list(run)
    run.save(tmp_path / "plain")
    saved = json.loads(next((tmp_path / "plain").glob("model-*.json")).read_bytes())
    assert saved["decisions"][0]["leaning"] == saved["tilt"]


def test_the_best_label_is_the_same_whether_others_are_told_or_not(base: Base, tmp_path: Path) -> None:
    run = Llm.fit(single(60), single(60, seed=9), QUICK, base=base, seed=1)
    list(run)
    run.save(tmp_path)
    saved = json.loads(next(tmp_path.glob("model-*.json")).read_bytes())
    assert saved["decisions"][0]["stepwise"]
    model = Llm.load(tmp_path)
    rows = [row[:-1] for row in single(40, seed=2)]
    for one, other in zip(model.answer(rows), model.answer(rows, top_logprobs=3), strict=True):
        assert one.text == other.text
        assert one.tokens[0].logprob == pytest.approx(other.tokens[0].logprob, abs=1e-4)


def test_what_no_text_tells_apart_is_refused(tmp_path: Path) -> None:
    base = Base("llm", str(chat_model(tmp_path / "base")))
    nobody_asks: list[Record] = [[{"role": "assistant", "content": "ab"[n % 2]}] for n in range(20)]
    for records in ([record("", "ab"[n % 2]) for n in range(20)], nobody_asks):
        with pytest.raises(TrainingRefusedError, match="nothing to tell them apart by"):
            Llm.fit(records, [], QUICK, base=base, seed=1)


ALTERNATING = (
    "{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('roles must alternate') }}{% endif %}[{{ message['role'] }}] {{ message['content'] }}"
    "{{ eos_token }}{% endfor %}"
)


def test_a_conversation_that_a_template_refuses_is_read_as_one_message(tmp_path: Path) -> None:
    folder = chat_model(tmp_path / "base", template=ALTERNATING)
    run = Llm.fit(single(), [], QUICK, base=Base("llm", str(folder)), seed=1)
    list(run)
    run.save(tmp_path / "model")
    model = Llm.load(tmp_path / "model")
    twice = [{"role": "user", "content": "where is"}, {"role": "user", "content": "my pin"}]
    assert model.chat.render(twice) == model.chat.render([{"role": "user", "content": "where is\n\nmy pin"}])
    for conversation in (twice, [], [{"role": "system", "content": "Classify."}]):
        assert model.answer([conversation])[0].text in WORDS


def test_a_broken_template_is_named_as_such(tmp_path: Path) -> None:
    folder = chat_model(tmp_path / "base", template="{% for message in messages %}")
    with pytest.raises(AccessError, match="its chat template cannot be used"):
        Llm.fit(single(), [], QUICK, base=Base("llm", str(folder)), seed=1)


@pytest.mark.parametrize("option", [{"window": "9"}, {"window": "9999"}, {"precision": "fp8"}])
def test_options_are_looked_at_before_there_is_a_job(tmp_path: Path, option: dict[str, str]) -> None:
    folder = chat_model(tmp_path / "base")
    with pytest.raises(SettingsError, match=f"{next(iter(option))}="):
        Llm.check(Base("llm", str(folder), option))


@pytest.mark.parametrize("engine", ["llm", "encoder"])
def test_a_base_too_large_is_refused_before_it_is_read(
    tmp_path: Path, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(_: object) -> str:
        pytest.fail("the weights were read")

    folder = chat_model(tmp_path / "base") if engine == "llm" else tiny_encoder(tmp_path)
    monkeypatch.setattr("labeltune.local.engines.neural.device.free_memory", lambda: 1 << 16)
    monkeypatch.setattr("labeltune.local.engines.neural.base_model.sha256_of", read)
    monkeypatch.setattr("safetensors.safe_open", read)
    with pytest.raises(TrainingRefusedError, match="training needs about .* of memory"):
        get_engine(engine).fit(single(), [], QUICK, base=Base(engine, str(folder)), seed=1)


@pytest.mark.parametrize("engine", ["linear", "embed", "encoder", "llm"])
def test_validation_examples_that_cannot_be_used_are_told_of(tmp_path: Path, engine: str) -> None:
    source: Any = {"encoder": tiny_encoder, "llm": chat_model, "embed": static_folder}.get(engine)
    base = Base(engine, str(source(tmp_path / "base")) if source else "")
    unknown = [record("will it rain", "weather")] * 3
    run: Any = get_engine(engine).fit(single(), [*single(9, seed=1), *unknown], QUICK, base=base, seed=1)
    assert [note for note in run.notes if "validation" in note] == [
        "3 of 12 validation examples have an answer that no training example has: they are left out"
    ]
