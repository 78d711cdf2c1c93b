"""The model card: what a model is for, what it was made from, and how good it is."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from labeltune.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from labeltune.task import Task
    from labeltune.tuning.ledger import EvaluationEntry

__all__ = ["model_card"]

_SCORES = ("macro_f1", "micro_f1", "exact_match", "accuracy")


def model_card(
    name: str,
    facts: dict[str, Any],
    licence: str,
    code: str,
    *,
    task: Task | None,
    score: EvaluationEntry | None,
) -> str:
    """The card as Markdown. `code` are the lines that use the model without labeltune, if it has such."""
    parts = [f"# {_plain(name)}", "", "A text classifier, fine-tuned with labeltune.", ""]
    parts += [*_section("Use", _use(name, code)), *_section("Task", _task(facts, task))]
    parts += [*_section("Data", _data(facts)), *_section("Training", _training(facts, licence))]
    parts += _section("Scores", _scores(facts, score))
    return "\n".join(parts).rstrip() + "\n"


def _section(title: str, lines: Iterator[str]) -> list[str]:
    return [f"## {title}", "", *lines, ""]


def _use(name: str, code: str) -> Iterator[str]:
    if code:
        needed = "numpy, onnxruntime and tokenizers" if "tokenizers" in code else "numpy and onnxruntime"
        yield f"With {needed} alone, in this folder:"
        yield from ("", "```python", code.rstrip(), "```", "")
        yield "`classify(texts)` gives for each text its labels, and the probability of each label in the"
        yield 'order of `known["labels"]`.'
    else:
        yield from ("```sh", "labeltune models import THIS_FOLDER --provider local", "```", "")
        yield f"From then on `{_plain(name)}` is a model of the local provider on that machine."


def _task(facts: dict[str, Any], task: Task | None) -> Iterator[str]:
    if task is not None:
        yield f"`task.toml`, fingerprint `{task.fingerprint}`."
        for field in task.fields:
            kind = "one of" if field.type == "single" else "any of"
            yield f"- `{_plain(field.name)}`: {kind} {_labels(list(field.labels))}"
        return
    fingerprint = facts.get("task")
    yield f"Fingerprint `{_plain(str(fingerprint))}`; the file is not here." if fingerprint else "Not known."
    if facts.get("labels"):
        yield f"- labels: {_labels(facts['labels'])}"
    if facts.get("pairs"):
        yield f"- pairs: {_labels(facts['pairs'])}"


def _labels(labels: list[str]) -> str:
    return ", ".join(f"`{_plain(label)}`" for label in labels)


def _data(facts: dict[str, Any]) -> Iterator[str]:
    yield from ("| | file | rows | sha256 |", "|---|---|---|---|")
    for key, title in (("training_file", "training"), ("validation_file", "validation")):
        file = facts.get(key)
        if file:
            rows = "not known" if file.get("rows") is None else f"{file['rows']:,}"
            named = _plain(str(file.get("filename") or file.get("id")))
            yield f"| {title} | {named} | {rows} | `{_plain(str(file.get('sha256') or 'not known'))}` |"


def _training(facts: dict[str, Any], licence: str) -> Iterator[str]:
    revision = (facts.get("base_model") or {}).get("revision")
    at = f" at revision `{_plain(str(revision))}`" if revision else ""
    yield f"- base model: `{_plain(str(facts.get('base')))}`{at}"
    yield f"- licence of the base model: {_plain(licence)}"
    for key, value in (facts.get("hyperparameters") or {}).items():
        yield f"- {_plain(str(key))}: {_plain(str(value))}"
    yield f"- seed: {facts.get('seed')}"
    for package, number in (facts.get("versions") or {}).items():
        yield f"- {_plain(str(package))} {_plain(str(number))}"
    yield f"- date of this card: {time.strftime('%Y-%m-%d', time.gmtime())}"


def _scores(facts: dict[str, Any], score: EvaluationEntry | None) -> Iterator[str]:
    accuracy = (facts.get("metrics") or {}).get("full_valid_mean_token_accuracy")
    if accuracy is not None:
        yield f"Accuracy on the validation file at the end of the training: {accuracy:.3f}."
    if score is None:
        yield "Not evaluated in the folder it was exported from."
        return
    when = time.strftime("%Y-%m-%d", time.gmtime(score.evaluated_at))
    yield from (
        "",
        f"On {counted(score.rows, 'row')} of {_plain(score.predictions)}, {when}, with 95 % intervals:",
        "",
    )
    yield from ("| metric | value | interval |", "|---|---|---|")
    for metric in _SCORES:
        if metric in score.metrics:
            interval = score.intervals.get(metric)
            spread = "" if interval is None else f"{interval['low']:.3f} to {interval['high']:.3f}"
            yield f"| {metric} | {score.metrics[metric]:.3f} | {spread} |"


def _plain(text: str) -> str:
    """Text that is data: on one line, and nothing that Markdown or HTML takes for markup."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line.replace("`", "'").replace("|", "/").replace("<", "&lt;")
