"""From one file to a thousand: a folder or a glob of tables as parts, each made whole or not at all.

`listing` names the parts, `place` is where they lie, `shard` says who takes which, `manifest` is what a run
is and what came of each part, `output` holds the folder that they are committed to.
"""

from __future__ import annotations

from labeltune.files.parts.listing import (
    ENDINGS,
    Listing,
    Part,
    list_inputs,
    list_parts,
    names_parts,
    split_output,
)
from labeltune.files.parts.manifest import (
    FOLDER,
    MANIFEST,
    SUCCESS,
    Manifest,
    Receipt,
    receipt_name,
    total_of,
)
from labeltune.files.parts.output import PartsOutput, SeenOutput, commit_part, look_at_output, open_output
from labeltune.files.parts.place import PLACES, Entry, LocalPlace, Place, open_place, scheme_of
from labeltune.files.parts.shard import WHOLE, Shard, parse_shard

__all__ = [
    "ENDINGS",
    "FOLDER",
    "MANIFEST",
    "PLACES",
    "SUCCESS",
    "WHOLE",
    "Entry",
    "Listing",
    "LocalPlace",
    "Manifest",
    "Part",
    "PartsOutput",
    "Place",
    "Receipt",
    "SeenOutput",
    "Shard",
    "commit_part",
    "list_inputs",
    "list_parts",
    "look_at_output",
    "names_parts",
    "open_output",
    "open_place",
    "parse_shard",
    "receipt_name",
    "scheme_of",
    "split_output",
    "total_of",
]
