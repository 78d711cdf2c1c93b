"""From rows to answers that are never paid for twice.

`predict` is the use case: `plan` says what is to be asked, `sending` and `batch/` ask, `journal/` keeps every
answer that came, `export` writes the predictions. `confidence` and `replies` read what a provider answers.
"""
