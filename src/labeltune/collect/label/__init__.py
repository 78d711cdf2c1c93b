"""Labelling: a page on this machine, on which people label the rows of a table.

`label` is the whole of it. `rows` are what is asked about, `answering` what may be answered; `events` and
`journal` keep what people did, `standing` is what stands of it. `order` says which row comes next, `desk`
deals rows and takes answers, `app` is the desk for the page. `learner` has a model trained beside it, in the
process that `worker` is, with what is in `learning`; `ranking` is what a model says of the rows, `suggesting`
what one says that was there before. `writing` makes the table.
"""
