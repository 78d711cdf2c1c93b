"""From a table's columns to a proposed task: what `labeltune init` does.

`profile` looks at every row once and says of each column what it shows; `values` tells dates, numbers, URLs
and words apart, `names` what a column's name hints at, `header` whether the first line is one. `roles` says
which column is the text and which the id, `label_columns` which hold labels, `reasons` why others do not;
`fields` makes fields of them, `alike` finds labels that may be one, `prompt` makes the prompt and the form of
the answers, `telling` the sentences about what was taken and what was not, and `proposal` puts them together.
"""

from __future__ import annotations

from labeltune.prepare.infer.proposal import Proposal, init, propose_task
from labeltune.prepare.infer.wishes import Wishes

__all__ = ["Proposal", "Wishes", "init", "propose_task"]
