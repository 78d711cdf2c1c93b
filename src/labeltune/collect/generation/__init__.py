"""Texts written by a large model: how many of what, how it is asked, and what is kept of its answers.

`plan` says how many texts of which labels, `plan_file` is its file, `needs` and `confusion` work it out;
`drawing` makes the requests, `reading` the texts of the answers, `guard` tells which may be kept, `language`
which are in another language, `second_look` asks another model about them; `generate` is the use case.
"""
