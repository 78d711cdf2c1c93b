"""From chat files to a model: upload, train, watch.

`upload` and `train` send nothing twice, because `ledger` keeps by content what a folder uploaded and trained;
`jobs` watches, lists and stops.
"""
