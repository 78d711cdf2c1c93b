"""What a run over parts did, and what it is that makes it another run."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from labeltune.files.parts import raise_refused
from labeltune.files.writing import sha256_of
from labeltune.prediction.export import PROBLEM
from labeltune.prediction.predict import Predicted, Preview
from labeltune.prediction.requests import request_form

if TYPE_CHECKING:
    from collections.abc import Mapping

    from labeltune.errors import DataError
    from labeltune.prediction.options import PredictOptions
    from labeltune.prediction.parts.work import PartsWork
    from labeltune.providers import Provider
    from labeltune.task import Task

__all__ = ["PartsPredicted", "PartsPreview", "counted", "settings_of"]


@dataclass(frozen=True, slots=True)
class PartsPredicted(Predicted):
    """What a run did. Rows and problems are those of all parts that it has, those made before too; `asked`,
    `kept`, tokens and US dollars are of this run alone.
    """

    parts: int = 0
    """How many parts the run has, or this shard of it."""
    done: int = 0
    """How many of them are there, and complete."""
    made: int = 0
    """How many of those this run made."""
    refused: Mapping[str, DataError] = field(default_factory=dict)
    """Why parts were refused, by their names."""
    missing: int = 0
    """How many parts of all shards are not there yet; none once `_SUCCESS` is."""

    def raise_refused(self) -> None:
        """Raise a `DataError` with what is wrong with the parts that were refused, if any were."""
        raise_refused(
            self.refused,
            self.parts,
            hint="mend them, then run the same command again: with --accept-changes it makes those alone",
        )


@dataclass(frozen=True, slots=True)
class PartsPreview(Preview):
    """What a run would do, for the parts that are left."""

    parts: int = 0
    """How many parts there are, of all shards."""
    left: tuple[str, ...] = ()
    """What the parts that are to be made will be called."""


def settings_of(task: Task, model: str, provider: Provider, options: PredictOptions) -> dict[str, Any]:
    """All that decides what stands in a part, beside its input: for the manifest."""
    form = request_form(task, model, provider, confidence=options.confidence)
    thresholds = options.thresholds
    return {
        "task": task.fingerprint,
        "model": model,
        "model_sha256": _hash_of(model, provider),
        # Of a model of this machine the hash says all: where its provider keeps it is no matter.
        "provider": provider.name if provider.local else provider.identity,
        "request": {name: value for name, value in form.settings.items() if name != "model"},
        "columns": {
            "probabilities": options.probabilities,
            "thresholds": None if thresholds is None else sha256_of(thresholds),
            "spreadsheet": options.spreadsheet,
            "prefix": options.prefix,
            "read": options.read.said(),
        },
    }


def _hash_of(model: str, provider: Provider) -> str | None:
    """The hash of the model's files; None where they are somebody else's."""
    if provider.directory is None:
        return None
    from labeltune.local.stored_models import hash_of_model

    return hash_of_model(provider.directory, model)


def counted(work: PartsWork, output: str) -> PartsPredicted:
    """Add up what is there: the receipts of the run's parts, and what was sent for them."""
    run = work.run
    receipts = [receipt for part in run.parts if (receipt := run.receipt(part)) is not None]
    counts: Counter[str] = Counter()
    for receipt in receipts:
        counts.update(receipt.counts)
    rejections: Counter[str] = Counter()
    for one in work.sent:
        rejections.update(one.rejections)
    prices = [one.usd for one in work.sent]
    return PartsPredicted(
        output=output,
        rows=counts["rows"],
        problems=_problems(counts),
        thinking=counts["thinking"],
        asked=sum(one.asked for one in work.sent),
        kept=work.kept,
        maybe_billed=work.lost,
        resent=sum(one.resent for one in work.sent),
        input_tokens=sum(one.input_tokens for one in work.sent),
        output_tokens=sum(one.output_tokens for one in work.sent),
        usd=None if None in prices else sum(price for price in prices if price is not None),
        free=work.job.provider.free,
        rejections=dict(rejections),
        labelled=work.labelled,
        unsure=counts["unsure"],
        parts=len(run.parts),
        done=sum(receipt.complete for receipt in receipts),
        made=work.made,
        refused=work.refused,
        missing=len(run.missing()),
    )


def _problems(counts: Mapping[str, int]) -> dict[str, int]:
    found = {name: count for name, count in counts.items() if name.startswith(PROBLEM) and count}
    ordered = sorted(found.items(), key=lambda item: -item[1])
    return {name.removeprefix(PROBLEM): count for name, count in ordered}
