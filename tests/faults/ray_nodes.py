"""A Ray cluster of two nodes on the loopback address, until standard input ends: `python ray_nodes.py`.

Prints a line of JSON: its address, and the process ids of the two nodes' managers.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from ray.cluster_utils import Cluster

_NODE = {"num_cpus": 1, "object_store_memory": 128 << 20}


def manager(node: Any) -> int:
    return int(next(one.process.pid for one in node.all_processes["raylet"]))


cluster = Cluster(initialize_head=True, head_node_args={**_NODE, "include_dashboard": False})
second = cluster.add_node(**_NODE)
told = {"address": cluster.address, "nodes": [manager(cluster.head_node), manager(second)]}
sys.stdout.write(json.dumps(told) + "\n")
sys.stdout.flush()
sys.stdin.read()
cluster.shutdown()
