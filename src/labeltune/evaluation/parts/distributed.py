"""Parts read by the workers of a cluster: each says what its rows say, in numbers, and this process adds up.

A worker is handed a part's name and opens it itself. What comes back are the numbers of patterns,
confidences, probabilities and keys of ids, in the order of the rows: a sum of floats depends on its order.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from labeltune.distributed import Failed, on_cluster
from labeltune.evaluation.human_rows import human_rows
from labeltune.evaluation.parts.listing import open_part
from labeltune.evaluation.parts.pieces import PartPieces, key_everywhere, table_pieces
from labeltune.files.parts import open_place
from labeltune.task import format_task, parse_task

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from labeltune.distributed import Cluster
    from labeltune.evaluation.options import EvaluateOptions
    from labeltune.evaluation.parts.listing import Parts
    from labeltune.evaluation.parts.pieces import Piece
    from labeltune.task import ReadOptions, Task

__all__ = ["ReadWork", "read_on"]


@dataclass(frozen=True, slots=True)
class ReadWork:
    """What a worker needs to read parts, as plain values; the part is its name.

    `task` is the content of a task file and `source` its name, `place` is what opens the place and `root` how
    the user named it.
    """

    task: str
    source: str
    place: str
    root: str
    read: ReadOptions

    def start(self) -> Callable[[str], PartPieces]:
        """Understand the task."""
        task, place = parse_task(self.task, source=self.source), open_place(self.place)

        def read(name: str) -> PartPieces:
            with open_part(place, self.root, name, task, self.read) as table:
                pieces: list[Piece] = []
                for piece in table_pieces(table, task, key_everywhere):
                    if piece is None:
                        pieces.clear()
                    else:
                        pieces.append(piece.packed())
                return PartPieces(tuple(pieces), table.marked, human_rows(table))

        return read


def read_on(cluster: Cluster, parts: Parts, task: Task, options: EvaluateOptions) -> Generator[PartPieces]:
    """The parts in their order. Raises the first error of any, as if they were read one after the other."""
    work = ReadWork(format_task(task), task.source, parts.place.url, parts.root, options.read)
    with on_cluster(cluster, options.workers) as running:
        read = running.on_ray.run_in_order(parts.names, work, running.workers)
        with closing(read):
            for _, outcome in read:
                if isinstance(outcome, Failed):
                    raise outcome.error
                yield outcome.result
