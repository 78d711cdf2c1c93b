"""Files of other tools, read and written: one table of formats, `formats.FORMATS`.

A format is a function that recognises it, one that yields `items.Item`s, and, for some, one that writes them.
`given` is the file or folder that is read, `values` what formats have in common, `shape` makes the columns of
a table of items, `recognising` finds out which format a file has.
"""
