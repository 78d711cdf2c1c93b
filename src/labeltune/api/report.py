"""What `labeltune.evaluate` gives back."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

from labeltune.wording import counted

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    import pandas as pd

    from labeltune.evaluation.report.model import Report as Measured

__all__ = ["Report"]


class Report:
    """The measured quality of predictions; it shows itself in a notebook, and prints as the command does."""

    def __init__(self, measured: Measured) -> None:
        self.measured = measured
        """Everything, as `labeltune.evaluation.evaluate` has it."""

    @property
    def headline(self) -> str:
        """How many rows are right, and what checking the least sure brings: one sentence, or two."""
        return str(self.measured.headline)

    @property
    def metrics(self) -> Mapping[str, float]:
        """The figures over the whole label vector, by name."""
        return self.document["metrics"]  # type: ignore[no-any-return]  # a JSON document

    @property
    def intervals(self) -> Mapping[str, Mapping[str, float]]:
        """The 95 % intervals of the figures, `{"low": x, "high": y}` by name."""
        return self.document["intervals"]  # type: ignore[no-any-return]  # a JSON document

    @property
    def document(self) -> dict[str, Any]:
        """What `labeltune evaluate --json` prints."""
        from labeltune.evaluation.report.document import report_document

        return report_document(self.measured)

    @property
    def frame(self) -> pd.DataFrame:
        """A row for each label: field, label, precision, recall, f1, support."""
        import pandas as pd

        rows = [
            {"field": field, "label": label, **figures}
            for field, described in self.document["fields"].items()
            for label, figures in described["labels"].items()
        ]
        figures = ["precision", "recall", "f1", "support"]
        return pd.DataFrame(rows)[["field", "label", *figures]]

    def to_html(self, path: str | os.PathLike[str] | None = None) -> str:
        """The page of the report; written to `path` if that is given."""
        from labeltune.evaluation.report.page import format_html
        from labeltune.files.writing import atomic_write

        page = format_html(self.measured)
        if path is not None:
            with atomic_write(path) as handle:
                handle.write(page.encode("utf-8", "replace"))
        return page

    def __str__(self) -> str:
        from labeltune.evaluation.report.text import format_text

        return format_text(self.measured)

    def __repr__(self) -> str:
        quality = self.measured.quality
        return f"<Report of {counted(quality.rows, 'row')}: macro-F1 {quality.metrics['macro_f1']:.3f}>"

    def _repr_html_(self) -> str:
        # In a frame of its own: the page's style is not the notebook's.
        page = html.escape(self.to_html(), quote=True)
        return (
            f'<iframe srcdoc="{page}" style="width: 100%; height: 42rem; border: 0" title="Report"></iframe>'
        )
