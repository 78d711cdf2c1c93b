"""Scraped text made fit to be labelled: what is taken out is told and kept in a file.

`steps` is what is done to one text, `sources` where texts come from (a table, a folder of pages), `clean` the
whole of it.
"""

from labeltune.collect.clean.clean import Cleaned, CleanOptions, clean, default_output
from labeltune.collect.clean.sources import is_folder

__all__ = ["CleanOptions", "Cleaned", "clean", "default_output", "is_folder"]
