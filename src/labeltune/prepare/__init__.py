"""From a table to chat files that are worth paying for: infer, convert, split, check.

`infer` proposes the task, `convert` writes chat records, `split/` parts a table and `check/` looks for what
would cost a paid job. `stratify/` (parts that are alike) and `duplicates` (equal and similar texts) are
algorithms on arrays and hashes.
"""
