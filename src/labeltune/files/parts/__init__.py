"""From one file to a thousand: a folder or a glob of tables as parts, each made whole or not at all.

`listing` names the parts, `place` is where they lie, `shard` says who takes which, `manifest` is what a run
is and what came of each part, `output` holds the folder that they are committed to.
"""

from __future__ import annotations

from labeltune.files.parts.address import file_path, split_query
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
from labeltune.files.parts.object_store import open_object_place
from labeltune.files.parts.output import (
    PartsOutput,
    SeenOutput,
    commit_part,
    local_file,
    look_at_output,
    open_output,
)
from labeltune.files.parts.place import (
    PLACES,
    Entry,
    LocalPlace,
    Place,
    open_place,
    refuse_place,
    scheme_of,
)
from labeltune.files.parts.reading import open_part, shown_name
from labeltune.files.parts.refused import raise_refused
from labeltune.files.parts.shard import WHOLE, Shard, parse_shard

PLACES.update(
    s3=open_object_place,
    gs=open_object_place,
    gcs=open_object_place,
    file=lambda url: LocalPlace(file_path(url), split_query(url)[0]),
)

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
    "local_file",
    "look_at_output",
    "names_parts",
    "open_output",
    "open_part",
    "open_place",
    "parse_shard",
    "raise_refused",
    "receipt_name",
    "refuse_place",
    "scheme_of",
    "shown_name",
    "split_output",
    "split_query",
    "total_of",
]
