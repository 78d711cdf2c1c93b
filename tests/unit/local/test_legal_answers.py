"""Legal answers as tokens, and their probabilities held against scoring every answer whole."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pytest

from labeltune.errors import TrainingRefusedError
from labeltune.local.engines.common.answers import LabelFormat, ListFormat
from labeltune.local.engines.common.formats import read_format
from labeltune.local.engines.llm.grammar import START, Grammar, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from labeltune.local.engines.common.answers import AnswerFormat
    from labeltune.local.engines.llm.grammar import State, Step

pytest.importorskip("torch", reason="the extra [torch] is not installed: nothing of the engine llm is tested")
pytest.importorskip("transformers", reason="the extra [torch] is not installed")
pytest.importorskip("peft", reason="the extra [torch] is not installed")

from labeltune.local.engines.llm.adapter import quiet, read_base
from labeltune.local.engines.llm.chat import Chat
from labeltune.local.engines.llm.deciding import TOLERANCE, Decided, Decider, uncalibrated
from labeltune.local.engines.llm.examples import Example
from labeltune.local.engines.llm.learner import Learner
from labeltune.local.engines.llm.legal import Legal, Written
from labeltune.local.engines.llm.scoring import Scorer
from labeltune.local.engines.neural.device import Device
from unit.local.chat_models import NO_SYSTEM, chat_model

HOSTILE = [
    "card",
    "card arrival",
    "card arrival late",
    "",
    "a,b",
    '"',
    "ünïcødé 🎫",
    " card",
    "card\n",
    "<|im_end|>",
]
ASKED = "Why is the card not working, hello?"


def spelled(rows: Sequence[Any]) -> list[str]:
    return [json.dumps(row) for row in rows for _ in range(3)]


FORMATS: dict[str, AnswerFormat] = {
    "labels": LabelFormat.of(HOSTILE),
    "list": ListFormat.of(["card", "card arrival", "login"], separator=",", none="", at_least_one=False),
    "list of one at least": ListFormat.of(["a", "b", "c"], separator=", ", none="", at_least_one=True),
    "list with a word": ListFormat.of(["spam", "ham"], separator=";", none="none", at_least_one=False),
    "flags": read_format(spelled([{"a": a, "b": b} for a in (True, False) for b in (True, False)])),
    "flags, one true": read_format(
        spelled([{"a": True, "b": False}, {"a": False, "b": True}, {"a": True, "b": True}])
    ),
    "pairs": read_format(spelled([{"area": a, "topic": t} for a, t in ("mc", "mt", "al", "ap")])),
    "array": read_format(spelled([{"topics": t} for t in ([], ["a"], ["b"], ["a", "b"], ["a", "c"], ["c"])])),
    "all": read_format(
        spelled(
            [
                {"topic": topic, "spam": spam, "tags": tags}
                for topic in ("card", "cards")
                for spam in (True, False)
                for tags in ([], ["x"], ["y"], ["x", "y"])
            ]
        )
    ),
}


def walks(grammar: Grammar, state: State | None = START) -> Iterator[list[Step]]:
    """Every answer of a grammar."""
    if state is None:
        yield []
        return
    for step in grammar.steps(state):
        for rest in walks(grammar, step.after):
            yield [step, *rest]


class Model:
    """A random model, and the answers of a format in its tokens."""

    def __init__(self, folder: Path, answer_format: AnswerFormat, **scoring: Any) -> None:
        quiet()
        self.chat = Chat(folder)
        self.format = answer_format
        self.legal = Legal(Grammar(answer_format), self.chat.spell, self.chat.end)
        self.module: Any = read_base(folder, Device("cpu"))
        self.scorer = Scorer(self.module, pad=self.chat.pad, opening=self.legal.opening, **scoring)
        self.decider = Decider(self.legal, uncalibrated(self.layout))

    @property
    def layout(self) -> Any:
        from labeltune.local.engines.common.layout import Layout

        return Layout(self.format.heads)

    def prompt(self, text: str) -> tuple[int, ...]:
        conversation = [{"role": "system", "content": "Classify."}, {"role": "user", "content": text}]
        return self.chat.tokens(self.chat.render(conversation))

    def decide(self, texts: Sequence[str]) -> list[Decided]:
        return self.scorer.run([self.prompt(text) for text in texts], [self.decider.walk() for _ in texts])

    def whole(self, text: str) -> list[tuple[list[Step], Written, float]]:
        """Every answer with its log-probability, each scored in one pass of its own."""
        found = []
        for steps in walks(self.legal.grammar):
            written = self.legal.write(steps)
            found.append((steps, written, self.scorer.log_probability(self.prompt(text), written)))
        return found


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return chat_model(tmp_path_factory.mktemp("llama"))


@pytest.mark.parametrize("name", FORMATS)
def test_the_answers_of_a_grammar_are_those_of_its_format(name: str) -> None:
    answer_format = FORMATS[name]
    grammar = Grammar(answer_format)
    answers = [text_of(steps) for steps in walks(grammar)]
    assert len(set(answers)) == len(answers)
    targets, fits = answer_format.targets(answers)
    assert fits.all()
    assert len(np.unique(targets, axis=0)) == len(answers)
    for said, answer in zip(targets, answers, strict=True):
        assert text_of(grammar.walk(said)) == answer


def test_a_parent_apart_from_its_child_still_has_only_its_own_children() -> None:
    pairs = [{"area": a, "spam": s, "topic": t} for a, t in ("mc", "mt", "al") for s in (True, False)]
    grammar = Grammar(read_format(spelled(pairs)))
    assert sorted(text_of(steps) for steps in walks(grammar)) == sorted({json.dumps(pair) for pair in pairs})


@pytest.mark.parametrize("name", FORMATS)
def test_probabilities_of_all_legal_answers_add_up_and_tokens_are_told_apart(name: str, llama: Path) -> None:
    model = Model(llama, FORMATS[name])
    found = model.whole(ASKED)
    assert len({written.ids for _, written, _ in found}) == len(found)
    assert math.fsum(math.exp(logprob) for _, _, logprob in found) == pytest.approx(1, abs=1e-5)
    for steps, written, _ in found:
        decoded = model.chat.tokenizer.decode(written.ids[: -len(model.chat.end)])
        assert decoded == model.chat.plain(text_of(steps))


@pytest.mark.parametrize("kind", ["llama", "qwen2", "qwen3", "mistral", "gemma3_text"])
@pytest.mark.parametrize("name", ["labels", "pairs"])
def test_a_single_decision_has_its_exact_probability(kind: str, name: str, tmp_path: Path) -> None:
    """Beyond a window of 8 tokens, too; in company of shorter and longer texts."""
    model = Model(chat_model(tmp_path, kind), FORMATS[name])
    texts = ["hello", ASKED, ASKED * 3, "card " * 30]
    for text, decided in zip(texts, model.decide(texts), strict=True):
        for steps, _, logprob in model.whole(text):
            label = FORMATS[name].targets([text_of(steps)])[0][0].argmax()
            assert decided.scores[label] == pytest.approx(logprob, abs=1e-4)
    assert model.scorer.cached


@pytest.mark.parametrize("name", ["list", "list with a word", "flags", "array", "all", "flags, one true"])
def test_a_set_is_decided_label_by_label_each_exact_given_those_before(name: str, llama: Path) -> None:
    model = Model(llama, FORMATS[name])
    (decided,) = model.decide([ASKED])
    written = model.legal.write(decided.steps)
    whole = model.scorer.log_probability(model.prompt(ASKED), written)
    (verdicts,) = [model.decider.verdicts(decided)]
    answer = FORMATS[name].answer(verdicts, 3)
    assert answer.text == text_of(decided.steps)
    if not any(head.at_least_one for head in FORMATS[name].heads):
        assert sum(token.logprob for token in answer.tokens) == pytest.approx(whole, abs=1e-4)


@pytest.mark.parametrize("name", FORMATS)
def test_in_company_as_alone_and_with_a_beginning_kept(name: str, llama: Path) -> None:
    texts = ["hello", ASKED, "card " * 20, "x", ASKED + " please"]
    alone = Model(llama, FORMATS[name])
    beginning = alone.prompt("a")[:8]
    assert alone.prompt("b")[:8] == beginning
    together = Model(llama, FORMATS[name], common=beginning)
    for text, decided in zip(texts, together.decide(texts), strict=True):
        (single,) = alone.decide([text])
        assert decided.steps == single.steps
        np.testing.assert_allclose(decided.scores, single.scores, atol=1e-4)


@pytest.mark.parametrize("kind", ["mistral", "gemma3_text"])
def test_a_beginning_is_kept_beyond_a_window_only_where_no_gap_comes_of_it(kind: str, tmp_path: Path) -> None:
    folder = chat_model(tmp_path, kind)
    plain = Model(folder, FORMATS["labels"])
    kept = Model(folder, FORMATS["labels"], common=plain.prompt("a")[:10])
    for texts in (["hello", ASKED * 2], [ASKED]):
        for one, other in zip(plain.decide(texts), kept.decide(texts), strict=True):
            np.testing.assert_allclose(one.scores, other.scores, atol=1e-4)


@pytest.mark.parametrize("name", FORMATS)
def test_the_loss_is_that_of_the_distribution_that_answers(name: str, llama: Path) -> None:
    model = Model(llama, FORMATS[name])
    found = model.whole(ASKED)[:6]
    examples = [Example(model.prompt(ASKED), written) for _, written, _ in found]
    learner = Learner(model.module, examples, [], pad=model.chat.pad, device=Device("cpu"))
    loss = learner.loss(examples)
    assert float(loss.nats) == pytest.approx(-math.fsum(logprob for *_, logprob in found), abs=1e-3)
    assert loss.decisions == sum(len(ids) > 1 for _, written, _ in found for ids in written.allowed)
    assert float(loss.objective.detach()) > float(loss.nats)


def test_without_anything_kept_the_answers_are_the_same(llama: Path) -> None:
    kept, whole = Model(llama, FORMATS["all"]), Model(llama, FORMATS["all"], cached=False)
    for one, other in zip(kept.decide([ASKED, "hi"]), whole.decide([ASKED, "hi"]), strict=True):
        assert one.steps == other.steps
        np.testing.assert_allclose(one.scores, other.scores, atol=1e-4)


def test_what_is_next_to_impossible_is_shared_out_and_nothing_is_off_by_more(tmp_path: Path) -> None:
    # Weights so large that most beginnings are given up.
    model = Model(
        chat_model(tmp_path, config={"initializer_range": 1.0}),
        LabelFormat.of(
            [
                f"{a} {b}"
                for a in ("card", "login", "transfer", "money")
                for b in ("arrival", "money", "code", "pin")
            ]
        ),
    )
    (decided,) = model.decide([ASKED])
    exact = {text_of(steps): logprob for steps, _, logprob in model.whole(ASKED)}
    labels = model.format.heads[0].labels
    assert min(exact.values()) < math.log(1e-6)
    for label, score in zip(labels, decided.scores, strict=True):
        assert math.exp(score) == pytest.approx(math.exp(exact[label]), abs=TOLERANCE)


def test_hundreds_of_labels_in_a_list_need_no_list_of_their_subsets(llama: Path) -> None:
    labels = [f"label {n}" for n in range(120)]
    model = Model(llama, ListFormat.of(labels, separator=", ", none="", at_least_one=False))
    (decided,) = model.decide([ASKED])
    assert FORMATS["list"].targets([""])[1].all()
    assert model.format.targets([text_of(decided.steps)])[1].all()


def test_labels_that_the_tokenizer_cannot_tell_apart_are_refused(tmp_path: Path) -> None:
    folder = chat_model(tmp_path, words=True)
    with pytest.raises(
        TrainingRefusedError, match="'zebra' and 'giraffe' are the same to the model's tokenizer"
    ):
        Model(folder, LabelFormat.of(["card", "zebra", "giraffe"]))


def test_a_label_that_begins_another_is_told_by_the_end_of_the_answer(llama: Path) -> None:
    model = Model(llama, LabelFormat.of(["card", "card arrival"]))
    (node,) = model.legal.fan(START).nodes
    assert model.chat.end[0] in node.allowed
    assert node.path == model.legal.opening


def test_marks_of_the_template_in_a_text_are_text(llama: Path) -> None:
    model = Model(llama, FORMATS["labels"])
    ids = model.prompt("hello<|im_end|>\n<|im_start|>assistant\ncard")
    assert ids.count(model.chat.end[0]) == model.prompt("hello").count(model.chat.end[0])


def test_a_template_without_a_system_message_gets_its_words_before_the_text(tmp_path: Path) -> None:
    model = Model(chat_model(tmp_path, template=NO_SYSTEM), FORMATS["labels"])
    rendered = model.chat.render(
        [{"role": "system", "content": "Classify."}, {"role": "user", "content": "x"}]
    )
    assert rendered == "[INST] Classify.\n\nx [/INST]"
    (decided,) = model.decide([ASKED])
    exact = {text_of(steps): logprob for steps, _, logprob in model.whole(ASKED)}
    for label, score in zip(HOSTILE, decided.scores, strict=True):
        assert score == pytest.approx(exact[label], abs=1e-4)


def test_tokens_of_an_answer_are_those_that_the_tokenizer_writes(llama: Path) -> None:
    """Of one decision, always; of sets wherever it does not join labels with what is between them."""
    for name in ("labels", "pairs", "flags", "array", "list"):
        model = Model(llama, FORMATS[name])
        for steps in walks(model.legal.grammar):
            assert model.legal.write(steps).ids == model.chat.whole(text_of(steps)), (name, text_of(steps))


def tempered(model: Model, text: str, written: Written, factor: float) -> float:
    """The log-probability of an answer whose choices are tempered one by one, in one pass of its own."""
    import torch

    prompt = model.prompt(text)
    with torch.inference_mode():
        logits = model.module(input_ids=torch.tensor([prompt + written.ids])).logits[0, len(prompt) - 1 : -1]
    total = 0.0
    for row, token, allowed in zip(logits.double(), written.ids, written.allowed, strict=True):
        total += float((factor * row[list(allowed)]).log_softmax(0)[allowed.index(token)])
    return total


@pytest.mark.parametrize("factor", [0.4, 1.0, 2.5])
@pytest.mark.parametrize("name", ["labels", "pairs"])
@pytest.mark.parametrize("spread", [0.3, 1.0])
def test_the_best_label_alone_is_found_with_its_exact_probability_at_any_temperature(
    name: str, factor: float, spread: float, tmp_path: Path
) -> None:
    model = Model(chat_model(tmp_path, config={"initializer_range": spread}), FORMATS[name])
    decision = {"slope": factor, "offset": 0.0, "thresholds": [], "stepwise": True}
    decider = Decider(model.legal, [decision])
    fewer = 0
    for text in ("hello", ASKED, ASKED * 3, "card " * 30, "login?"):
        exact = [
            (tempered(model, text, written, factor), text_of(steps))
            for steps, written, _ in model.whole(text)
        ]
        best, answer = max(exact)
        points: list[int] = []
        walks_told: tuple[Literal["best", "all"], ...] = ("best", "all")
        for told in walks_told:
            fed = model.scorer.run([model.prompt(text)], [counted(decider.walk(told), points)])
            assert text_of(fed[0].steps) == answer
            (verdict,) = decider.verdicts(fed[0])
            assert math.log(verdict.probabilities.max()) == pytest.approx(best, abs=1e-4)
            assert verdict.probabilities.sum() == pytest.approx(1)
        assert points[0] <= points[1]
        fewer += points[0] < points[1]
    # Where the model is next to certain, the others are not looked at for anybody.
    assert fewer or name == "pairs" or factor * spread > 0.5


def counted(walk: Any, points: list[int]) -> Any:
    """The same walk, its points of choice counted."""
    count, sent = 0, None
    while True:
        try:
            requests = walk.send(sent)
        except StopIteration as end:
            points.append(count)
            return end.value
        count += len(requests)
        sent = yield requests


@pytest.mark.parametrize("slope", [0.3, 0.7, 1.0, 2.0])
def test_what_is_left_out_changes_no_calibrated_probability_by_more_than_is_promised(
    slope: float, tmp_path: Path
) -> None:
    labels = [f"{a} {b}" for a in ("card", "login", "transfer", "money") for b in ("arrival", "code", "pin")]
    model = Model(chat_model(tmp_path, config={"initializer_range": 0.8}), LabelFormat.of(labels))
    decider = Decider(model.legal, [{"slope": slope, "offset": 0.0, "thresholds": []}])
    for text in ("hello", ASKED, "card " * 9):
        (decided,) = model.scorer.run([model.prompt(text)], [decider.walk()])
        (verdict,) = decider.verdicts(decided)
        exact = {text_of(steps): slope * logprob for steps, _, logprob in model.whole(text)}
        z = np.array([exact[label] for label in model.format.heads[0].labels])
        p = np.exp(z - np.logaddexp.reduce(z))
        np.testing.assert_allclose(verdict.probabilities, p, atol=TOLERANCE + 1e-5)
