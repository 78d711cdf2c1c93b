"""From chat files to a model: upload, train, watch.

`upload` and `train` send nothing twice, because `ledger` keeps by content what a folder uploaded and trained:
`plan` is a training before anything is sent, `creating` makes its job exactly once, `watching` sees it to its
end. `jobs` lists jobs, shows them and stops them; `story` is what is told meanwhile.
"""
