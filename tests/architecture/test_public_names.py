"""The public names are a promise: this test changes when the promise does."""

from __future__ import annotations

import importlib

import pytest

import labeltune


def test_public_names() -> None:
    assert sorted(labeltune.__all__) == [
        "AnswerFormat", "Field", "LabeltuneError", "Prompt", "Provider", "Report", "Task", "__version__",
        "check", "classify", "evaluate", "export_data", "format_task", "import_data", "init", "parse_task", "predict",
        "read_task", "resolve_provider", "split", "train",
    ]  # fmt: skip
    for name in labeltune.__all__:
        assert getattr(labeltune, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = labeltune.nothing


@pytest.mark.parametrize(
    "name",
    [
        "prepare.infer.init", "prepare.convert.convert", "prepare.split.split", "prepare.check.check",
        "tuning.upload.upload", "tuning.train.train", "prediction.predict.predict", "evaluation.evaluate.evaluate",
        "evaluation.thresholds.tune_thresholds", "studies.baseline.baseline", "studies.audit.audit_injection",
        "local.create_app", "local.serve", "collect.importing.import_data", "collect.exporting.export_data",
        "evaluation.agreement.measure_agreement",
        "collect.annotate.annotate", "collect.describe.describe",
        "collect.generation.generate.generate", "studies.synthetic.prove",
    ],
)  # fmt: skip
def test_each_command_is_a_function(name: str) -> None:
    module, _, function = name.rpartition(".")
    assert callable(getattr(importlib.import_module(f"labeltune.{module}"), function))
