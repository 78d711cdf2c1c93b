"""A report where a GitHub Actions run shows it: the step's summary, and a few annotations."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from labeltune.evaluation.report.markdown import format_markdown
from labeltune.files.writing import disk_errors

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from labeltune.evaluation.report.model import Report

__all__ = ["append_summary", "workflow_commands"]

MAX_SUMMARY_BYTES = 900_000
"""GitHub drops the summary of a step that is longer than 1 MiB, whole."""
MAX_ANNOTATIONS = 10
"""GitHub shows no more of one kind and step."""


def append_summary(report: Report, path: str) -> bool:
    """Add the report to the step's summary, after what is there; false if there is no room left."""
    summary = Path(path)
    content = format_markdown(report).encode()
    with disk_errors(path):
        taken = summary.stat().st_size if summary.exists() else 0
        if taken + len(content) > MAX_SUMMARY_BYTES:
            return False
        with summary.open("ab") as handle:
            handle.write(content)
    return True


def workflow_commands(report: Report, warnings: Iterable[str] = ()) -> list[str]:
    """Annotations, at most ten: gates not met, then `warnings` and those of the report, then verdicts."""
    return list(_commands(report, warnings))[:MAX_ANNOTATIONS]


def _commands(report: Report, warnings: Iterable[str]) -> Iterator[str]:
    for gate in report.gates:
        if not gate.passed:
            yield _command("error", "Quality gate", str(gate))
    for warning in (*warnings, *report.warnings):
        yield _command("warning", "Evaluation", warning)
    for comparison in report.comparisons:
        yield _command("notice", "Comparison", comparison.verdict)


def _command(kind: str, title: str, message: str) -> str:
    escaped = message.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return f"::{kind} title={title}::{escaped}"
