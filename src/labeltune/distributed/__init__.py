"""Parts handed out to the workers of a cluster, whatever is done with each.

`cluster` is where they are: one that is there, or one that is started here and ends with the command;
`on_ray` hands out the parts, `actor` is what runs in a worker. `processes` and `guard` see to it that no
process is left.
"""

from __future__ import annotations

from labeltune.distributed.actor import Done, Failed, Work
from labeltune.distributed.cluster import Cluster, Running, cluster_named, on_cluster

__all__ = ["Cluster", "Done", "Failed", "Running", "Work", "cluster_named", "on_cluster"]
