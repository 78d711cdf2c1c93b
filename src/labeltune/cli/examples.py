"""Two examples of each command, for its help and the reference. Tests hold that they parse."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["EXAMPLES"]

EXAMPLES: Mapping[str, tuple[str, str]] = {
    "run": (
        "labeltune run inquiries.csv --provider local",
        "labeltune run inquiries.csv -o spring --model gpt-4.1-mini-2025-04-14 --max-cost 5",
    ),
    "init": (
        "labeltune init inquiries.csv",
        "labeltune init comments.csv --text comment --label toxic --label insult --answer flags",
    ),
    "convert": (
        "labeltune convert train.csv",
        "labeltune convert train.csv --on-error skip -o good.jsonl",
    ),
    "split": (
        "labeltune split inquiries.csv --sizes train=0.7,validation=0.1,test=0.2",
        "labeltune split inquiries.csv --group customer --seed 7 -o parts",
    ),
    "check": (
        "labeltune check train.csv validation.csv test.csv",
        "labeltune check train.csv --noise -o suspects.csv",
    ),
    "upload": (
        "labeltune upload train.jsonl validation.jsonl",
        "labeltune upload train.csv --provider azure",
    ),
    "train": (
        "labeltune train train.csv validation.csv --provider local",
        "labeltune train train.jsonl --model gpt-4.1-mini-2025-04-14 --epochs 3 --no-wait",
    ),
    "jobs list": ("labeltune jobs list", "labeltune jobs list --provider local --json"),
    "jobs show": ("labeltune jobs show ftjob-abc", "labeltune jobs show ftjob-abc --json"),
    "jobs watch": ("labeltune jobs watch ftjob-abc", "labeltune jobs watch ftjob-abc --wait-timeout 600"),
    "jobs events": ("labeltune jobs events ftjob-abc", "labeltune jobs events ftjob-abc --json"),
    "jobs checkpoints": (
        "labeltune jobs checkpoints ftjob-abc",
        "labeltune jobs checkpoints ftjob-abc --json",
    ),
    "jobs cancel": ("labeltune jobs cancel ftjob-abc", "labeltune jobs cancel ftjob-abc --provider local"),
    "jobs pause": ("labeltune jobs pause ftjob-abc", "labeltune jobs pause ftjob-abc --provider local"),
    "jobs resume": ("labeltune jobs resume ftjob-abc", "labeltune jobs resume ftjob-abc --provider local"),
    "models list": ("labeltune models list", "labeltune models list --provider local --json"),
    "models show": (
        "labeltune models show ft:linear:local::1a2b3c4d",
        "labeltune models show ft:linear:local::1a2b3c4d --json",
    ),
    "models delete": (
        "labeltune models delete ft:linear:local::1a2b3c4d",
        "labeltune models delete ft:linear:local::1a2b3c4d ft:linear:local::5e6f7a8b",
    ),
    "models export": (
        "labeltune models export ft:linear:local::1a2b3c4d -o model",
        "labeltune models export ft:linear:local::1a2b3c4d -o model --to onnx",
    ),
    "models import": ("labeltune models import model", "labeltune models import model --json"),
    "files list": ("labeltune files list", "labeltune files list --provider local --json"),
    "files delete": ("labeltune files delete file-abc", "labeltune files delete file-abc file-def"),
    "runs": ("labeltune runs", "labeltune runs --limit 5 --json"),
    "predict": (
        "labeltune predict test.csv --model ft:linear:local::1a2b3c4d --provider local",
        "labeltune predict inbox.csv --model ft:gpt-4.1-mini:acme::9z --batch --max-cost 2 -o answers.csv",
    ),
    "classify": (
        'labeltune classify "Where is my parcel?" --model ft:linear:local::1a2b3c4d',
        "labeltune classify --model ft:linear:local::1a2b3c4d --top 3 --why < texts.txt",
    ),
    "evaluate": (
        "labeltune evaluate predictions.csv --html report.html --why",
        "labeltune evaluate predictions.csv --compare old.csv --fail-under macro_f1=0.8",
    ),
    "thresholds": (
        "labeltune thresholds validation-predictions.csv -o thresholds.json",
        "labeltune thresholds validation-predictions.csv --min-precision 0.9",
    ),
    "baseline": (
        "labeltune baseline train.csv test.csv",
        "labeltune baseline train.csv test.csv -o linear.csv --probabilities",
    ),
    "audit injection": (
        "labeltune audit injection test.csv --model ft:linear:local::1a2b3c4d",
        "labeltune audit injection test.csv --model ft:linear:local::1a2b3c4d --json",
    ),
    "import": (
        "labeltune import project-1.json",
        "labeltune import old.jsonl --from doccano --labels labels.json -o inquiries.csv",
    ),
    "export": (
        "labeltune export inquiries.csv --to label-studio",
        "labeltune export inquiries.csv --to fasttext --field category -o train.txt",
    ),
    "agreement": (
        "labeltune agreement data.csv",
        "labeltune agreement anna.csv ben.csv --fail-under alpha=0.7 -o disagreements.csv",
    ),
    "clean": (
        "labeltune clean pages/ --language en -o texts.csv",
        "labeltune clean scraped.jsonl --html --text body --min-characters 40",
    ),
    "merge": (
        "labeltune merge suspects.csv train.csv -o train2.csv",
        "labeltune merge review.csv train.csv -o train2.csv --no-append",
    ),
    "annotate": (
        "labeltune annotate inbox.csv --examples labelled.csv --model gpt-4.1-mini --review-below 0.8",
        "labeltune annotate annotated.csv --checked annotated.sample.csv",
    ),
    "generate": (
        "labeltune generate train.csv --model gpt-4.1 --to 50 --away-from test.csv --max-cost 5",
        "labeltune generate train.csv --model gpt-4.1 --to 50 --verify-with gpt-4.1-mini --batch",
    ),
    "label": (
        "labeltune label inquiries.csv",
        "labeltune label inquiries.csv -o second.csv --annotator ann --order random",
    ),
    "doctor": ("labeltune doctor", "labeltune doctor --online --provider local"),
    "serve": (
        "labeltune serve",
        "labeltune serve --host 0.0.0.0 --port 8080 --api-key-file key.txt",
    ),
}
