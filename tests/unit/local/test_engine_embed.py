"""The engine `embed`: learning, answering, saving, going on; and that it is no worse than `linear`."""

from __future__ import annotations

import shutil
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
import pytest

from labeltune.errors import AccessError, ModelDamagedError, SettingsError, TrainingRefusedError
from labeltune.local.engines import Base, Engine, Hyperparameters, Record, get_engine
from labeltune.local.engines.embed.engine import Embed
from labeltune.local.engines.linear.engine import Linear
from unit.local.engine_records import exact, files, flags, path, record, several, single, spelled, trained
from unit.local.sentence_models import MEANINGS, onnx_folder, static_folder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from labeltune.local.engines.embed.learning import EmbedRun

ALONE = Base("embed")
AUTO = Hyperparameters()


def fit(
    training: list[Record],
    validation: list[Record] | None = None,
    *,
    base: Base = ALONE,
    asked: Hyperparameters = AUTO,
    seed: int = 1,
    resume: Path | None = None,
) -> EmbedRun:
    return Embed.fit(training, validation or [], asked, base=base, seed=seed, resume=resume)


def at(folder: Path, **options: str) -> Base:
    return Base("embed", str(folder), options)


def meant(words: slice, n: int = 60, seed: int = 0) -> list[Record]:
    """Texts of words that only a sentence model knows to belong together."""
    rng = np.random.default_rng(seed)
    meanings = rng.choice(list(MEANINGS), size=n)
    return [
        record(" ".join(rng.choice(MEANINGS[str(meaning)][words], size=2)), str(meaning))
        for meaning in meanings
    ]


@pytest.mark.parametrize(
    ("training", "test", "least"),
    [
        pytest.param(single(), single(seed=1), 0.95, id="label"),
        pytest.param(several(), several(seed=1), 0.9, id="list"),
        pytest.param(spelled(single(), path), spelled(single(seed=1), path), 0.95, id="path"),
        pytest.param(spelled(several(), flags), spelled(several(seed=1), flags), 0.9, id="flags"),
    ],
)
def test_it_learns_and_answers_in_the_format_of_training(
    training: list[Record], test: list[Record], least: float, tmp_path: Path
) -> None:
    model, _ = trained(Embed, fit(training), tmp_path)
    assert exact(model, test) >= least
    for answer in model.answer([row[:-1] for row in test], top_logprobs=3):
        assert "".join(token.token for token in answer.tokens) == answer.text
        assert all(token.logprob <= 0 and len(token.top) <= 3 for token in answer.tokens)


@pytest.mark.parametrize("made", [static_folder, onnx_folder])
def test_it_knows_words_that_training_never_had(made: Callable[[Path], Path], tmp_path: Path) -> None:
    seen, unseen = meant(slice(4)), meant(slice(4, 8), seed=1)
    model, _ = trained(Embed, fit(seen, base=at(made(tmp_path / "vectors"))), tmp_path / "model")
    words_alone, _ = trained(Linear, Linear.fit(seen, [], AUTO, seed=1), tmp_path / "linear")
    assert exact(model, unseen) >= 0.95
    assert exact(words_alone, unseen) < 0.6


def _in_another_script(rng: np.random.Generator, n: int, words: dict[str, list[str]]) -> list[Record]:
    labels = rng.choice(list(words), size=n)
    common = [word for group in words.values() for word in group]
    return [
        record(" ".join([*rng.choice(words[label], size=2), *rng.choice(common, size=3)]), str(label))
        for label in labels
    ]


CHERIMOYA = {
    # Made words of a script that no tokenizer of an English model has words of.
    label: ["".join(map(chr, np.random.default_rng(seed).integers(0x1401, 0x1480, size=4))) for seed in seeds]
    for label, seeds in {"a": range(12), "b": range(12, 24), "c": range(24, 36)}.items()
}
CHINESE = {
    "退款": ["退钱", "退回", "还款", "返还", "赔付", "退费"],
    "快递": ["包裹", "送货", "物流", "邮寄", "派送", "运单"],
    "账户": ["密码", "登录", "注册", "用户", "验证", "锁定"],
}
HINDI = {
    "पैसा": ["भुगतान", "वापसी", "शुल्क", "राशि", "बिल", "खर्च"],
    "सामान": ["पार्सल", "डिलीवरी", "पैकेट", "डाक", "कूरियर", "पता"],
    "खाता": ["पासवर्ड", "लॉगिन", "ईमेल", "नाम", "प्रोफ़ाइल", "कोड"],
}


@pytest.mark.parametrize("words", [CHERIMOYA, CHINESE, HINDI], ids=["made", "chinese", "hindi"])
def test_where_the_vectors_do_not_know_the_language_it_is_no_worse_than_linear(
    words: dict[str, list[str]], tmp_path: Path
) -> None:
    rng = np.random.default_rng(5)
    training, test = _in_another_script(rng, 150, words), _in_another_script(rng, 600, words)
    beside, _ = trained(Embed, fit(training), tmp_path / "embed")
    alone, _ = trained(Linear, Linear.fit(training, [], AUTO, seed=1), tmp_path / "linear")
    truth = [row[-1]["content"] for row in test]
    right = [
        np.array(
            [a.text == true for a, true in zip(model.answer([r[:-1] for r in test]), truth, strict=True)]
        )
        for model in (beside, alone)
    ]
    difference = right[0].astype(float) - right[1]
    assert difference.mean() >= -2 * difference.std() / np.sqrt(len(test))


def test_vectors_that_say_nothing_count_nothing(tmp_path: Path) -> None:
    # All words are unknown to the vectors, and so are all texts the same to them.
    run = fit(single(n=300), base=at(static_folder(tmp_path / "vectors")))
    list(run)
    run.save(tmp_path / "model")
    assert [counts for _, counts, _ in run._mix()[0].parts] == [0.0]


def test_the_curve_tells_of_real_learning(tmp_path: Path) -> None:
    run = fit(single(), single(50, seed=1), asked=Hyperparameters(n_epochs=4, batch_size=16))
    _, steps = trained(Embed, run, tmp_path)
    assert [step.step for step in steps] == list(range(1, len(steps) + 1))
    assert [step.epoch for step in steps if step.epoch_end] == [1, 2, 3, 4]
    assert steps[0].train_loss == pytest.approx(np.log(3), abs=0.05)
    whole = [step.full_valid_loss for step in steps if step.full_valid_loss is not None]
    assert len(whole) == 4
    assert whole[-1] < whole[0] < np.log(3)


def test_the_same_seed_gives_the_same_bytes_and_another_one_does_not(tmp_path: Path) -> None:
    base = at(onnx_folder(tmp_path / "vectors"))
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        # The second time the vectors come from the cache.
        trained(Embed, fit(several(), base=base, seed=seed), tmp_path / name)
    assert files(tmp_path / "a") == files(tmp_path / "b") != files(tmp_path / "c")


@pytest.mark.parametrize("stop", [1, 7, 13])
@pytest.mark.parametrize("validation", [[], several(40, seed=1)], ids=["alone", "validated"])
def test_a_training_goes_on_as_if_it_had_never_stopped(
    stop: int, validation: list[Record], tmp_path: Path
) -> None:
    asked = Hyperparameters(n_epochs=2, batch_size=32)
    _, steps = trained(Embed, fit(several(), validation, asked=asked), tmp_path / "whole")
    first = fit(several(), validation, asked=asked)
    before = list(islice(iter(first), stop))
    first.save(tmp_path / "half")
    assert exact(Embed.load(tmp_path / "half"), several(20, seed=2)) >= 0
    second = fit(several(), validation, asked=asked, resume=tmp_path / "half")
    assert before + list(second) == steps
    second.save(tmp_path / "half")
    assert files(tmp_path / "half") == files(tmp_path / "whole")


def test_a_model_is_complete_in_itself(tmp_path: Path) -> None:
    folder = onnx_folder(tmp_path / "vectors")
    run = fit(meant(slice(4)), base=at(folder), asked=Hyperparameters(n_epochs=2))
    first = next(iter(run))
    run.save(tmp_path / "model")
    shutil.rmtree(folder)
    # Neither going on nor answering needs the folder any more.
    run = fit(
        meant(slice(4)),
        base=at(folder),
        asked=Hyperparameters(n_epochs=2),
        resume=tmp_path / "model",
    )
    model, steps = trained(Embed, run, tmp_path / "model")
    assert steps[0].step == first.step + 1
    assert exact(model, meant(slice(4, 8), seed=1)) >= 0.95


def test_what_it_was_copied_from_may_go_once_it_is_saved(tmp_path: Path) -> None:
    folder = onnx_folder(tmp_path / "vectors")
    run = fit(meant(slice(4)), base=at(folder), asked=Hyperparameters(n_epochs=2))
    steps = iter(run)
    next(steps)
    run.save(tmp_path / "one")
    run = fit(meant(slice(4)), base=at(folder), asked=Hyperparameters(n_epochs=2), resume=tmp_path / "one")
    shutil.rmtree(folder)
    steps = iter(run)
    for number in range(3):
        next(steps)
        run.save(tmp_path / f"{number}")
        # A checkpoint goes when there is a newer one.
        shutil.rmtree(tmp_path / (f"{number - 1}" if number else "one"))
    assert Embed.load(tmp_path / "2")


def test_going_on_with_other_data_is_refused(tmp_path: Path) -> None:
    run = fit(single())
    next(iter(run))
    run.save(tmp_path)
    with pytest.raises(TrainingRefusedError, match="other examples"):
        fit(single(seed=3), resume=tmp_path)


@pytest.mark.parametrize("sociable", [False, True], ids=["indifferent", "sociable"])
def test_an_answer_does_not_depend_on_its_company(
    sociable: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = at(onnx_folder(tmp_path / "vectors", sociable=sociable))
    trained(Embed, fit(meant(slice(4)), base=base), tmp_path / "model")
    conversations = [row[:-1] for row in meant(slice(8), seed=2)]
    # Without a cache, so that every vector is computed in its company.
    monkeypatch.setattr("labeltune.local.engines.embed.vectors.VectorCache.get", lambda *_: {})
    model = Embed.load(tmp_path / "model")
    assert model.slow
    together = model.answer(conversations, top_logprobs=5)
    assert together == [model.answer([one], top_logprobs=5)[0] for one in conversations]


def test_static_vectors_do_not_depend_on_their_company_either(tmp_path: Path) -> None:
    model, _ = trained(Embed, fit(several()), tmp_path)
    assert not model.slow
    conversations = [row[:-1] for row in several(30, seed=2)]
    together = model.answer(conversations, top_logprobs=5)
    assert together == [model.answer([one], top_logprobs=5)[0] for one in conversations]


@pytest.mark.parametrize("made", [None, static_folder, onnx_folder])
def test_any_conversation_gets_an_answer(made: Callable[[Path], Path] | None, tmp_path: Path) -> None:
    base = ALONE if made is None else at(made(tmp_path / "vectors"))
    model, _ = trained(Embed, fit(several(), base=base), tmp_path / "model")
    odd: list[list[dict[str, object]]] = [
        [],
        [{"role": "user", "content": ""}],
        [{"role": "user", "content": "\ud800 \x00 " + "x" * 10_000}],
        [{"role": "user", "content": "refund " * 150_000}],
        [{"role": "tool", "content": None}],
    ]
    for answer in model.answer(odd, top_logprobs=20):
        assert answer.text, "no training row was without a label, so no answer is"


def test_texts_beyond_the_window_are_cut_and_counted(tmp_path: Path) -> None:
    long = [record(f"refund {n} " + "parcel " * 40, "money") for n in range(3)]
    huge = [record("refund " + "x" * 1_000_000, "money")]
    base = at(onnx_folder(tmp_path / "vectors", window=16))
    run = fit([*meant(slice(4)), *long, *huge], base=base)
    assert len(run.notes) == 1
    assert "4 of " in run.notes[0]
    assert "16 tokens" in run.notes[0]
    assert fit(meant(slice(4)), base=base).notes == []
    assert fit([*meant(slice(4)), *huge]).notes == [], "static vectors have no window"


@pytest.mark.parametrize(
    ("records", "reason"),
    [
        ([], "no examples"),
        ([record(f"text {n}", "only") for n in range(10)], "the same answer"),
        ([record("the same", "ab"[n % 2]) for n in range(10)], "same messages but different answers"),
    ],
)
def test_what_cannot_be_learnt_is_refused(records: list[Record], reason: str) -> None:
    with pytest.raises(TrainingRefusedError, match=reason):
        fit(records)


def test_ten_rows_are_enough(tmp_path: Path) -> None:
    model, _ = trained(Embed, fit(single(10)), tmp_path)
    assert exact(model, single(100, seed=1)) > 0.5


@pytest.mark.parametrize(
    "pattern", ["head_weights-*.npy", "vectors-*.safetensors", "tokenizer-*.json", "sentences-*.json"]
)
def test_a_damaged_model_is_not_loaded(pattern: str, tmp_path: Path) -> None:
    trained(Embed, fit(single()), tmp_path)
    (target,) = tmp_path.glob(pattern)
    content = bytearray(target.read_bytes())
    content[len(content) // 2] ^= 1
    target.write_bytes(bytes(content))
    with pytest.raises(ModelDamagedError, match="its bytes are not those that were saved"):
        Embed.load(tmp_path)


def test_it_is_in_the_table_and_knows_its_options() -> None:
    engine: type[Engine] = get_engine("embed")
    assert engine is Embed
    Embed.check(Base("embed", options={"class_weight": "balanced", "prefix": "query: "}))
    with pytest.raises(SettingsError, match="no option 'pooling'"):
        Embed.check(Base("embed", options={"pooling": "max"}))
    with pytest.raises(SettingsError, match="expected balanced or none"):
        Embed.check(Base("embed", options={"class_weight": "heavy"}))


def test_without_its_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from importlib.util import find_spec

    base = at(onnx_folder(tmp_path / "vectors"))

    def lacking(name: str) -> object:
        return None if name in ("wordllama", "onnxruntime") else find_spec(name)

    monkeypatch.setattr("labeltune.local.engines.embed.extra.find_spec", lacking)
    for asked, package in ((ALONE, "wordllama"), (base, "onnxruntime")):
        with pytest.raises(AccessError, match=f"{package}, which is not installed") as caught:
            Embed.check(asked)
        assert caught.value.hint == 'pip install "labeltune[embed]"'


def test_a_prefix_stands_before_each_text(tmp_path: Path) -> None:
    folder = static_folder(tmp_path / "vectors")
    rows = [[record(word, label) for word, label in zip("pqrs", "abab", strict=True)] * 5][0]
    plain, prefixed = fit(rows, base=at(folder)), fit(rows, base=at(folder, prefix="refund "))
    # All words are unknown to the vectors but that of the prefix.
    assert abs(plain._head._centre[0]) < 0.5 < prefixed._head._centre[0]


@pytest.mark.parametrize("records", [meant(slice(0, 2)), several()], ids=["choice", "subset"])
def test_words_and_the_vector_of_the_text_make_up_the_score(records: list[Record], tmp_path: Path) -> None:
    model, _ = trained(Embed, fit(records, base=at(onnx_folder(tmp_path / "source"))), tmp_path / "model")
    conversations = [row[:-1] for row in records[:20]]
    answers = model.answer(conversations, top_logprobs=5)
    for answer, found in zip(answers, model.explain(conversations), strict=True):
        for reason in found.reasons:
            told = reason.bias + reason.rest + sum(word.weight for word in reason.words)
            assert told == pytest.approx(reason.score, abs=1e-3)
        if reason.against is not None:
            assert reason.rest
            assert reason.label == answer.text
            shares = found.probabilities[0]
            assert np.exp(answer.tokens[0].logprob) == pytest.approx(shares[reason.label], abs=1e-6)
