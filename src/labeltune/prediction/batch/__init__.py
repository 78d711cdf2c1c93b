"""Predictions through the provider's batches: half the price, within a day.

A batch is created exactly once: the journal holds the intent before its file goes up, and the file's id
before the request leaves that creates the batch. So after a crash the provider is asked whether it has the
batch; a batch that runs is waited for, by whichever process is there; and what it brought is downloaded as
often as need be, for that costs nothing.

`batches` is the use case and its loop. `files` are what goes up and comes down, `creating` makes batches,
`queue` is how many the provider takes, `watching` waits for them, `collecting` writes down what they brought,
`failures` says why one was refused whole, and `asking_again` offers to pay once more for what did not come.
"""
