"""One of several processes that learn a job together: it learns as the worker does, and saves nothing.

    python -m labeltune.local.companion DIRECTORY JOB RANK SIZE FOLDER

It ends with the worker that started it: when its standard input does.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from pathlib import Path

from labeltune.local.engines.neural.processes import together
from labeltune.local.store import Store
from labeltune.local.training import fit, records_of

__all__ = ["main"]

_log = logging.getLogger("labeltune.local.worker")


def _end_with_worker() -> None:
    sys.stdin.buffer.read()
    os._exit(1)


def main(directory: Path, job_id: str, rank: int, size: int, folder: Path) -> None:
    """Learn with the others until the last step."""
    os.umask(0o077)
    os.environ["LABELTUNE_HOME"] = os.fspath(directory)
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(process)d %(levelname)s %(message)s"
    )
    threading.Thread(target=_end_with_worker, daemon=True).start()
    store = Store(directory, check=False)
    job = store.row("SELECT * FROM jobs WHERE id = ?", job_id)
    if job is None:
        return
    _log.info("%s: process %d of %d learns", job_id, rank, size)
    training, validation = records_of(store, job)
    with together(folder, rank, size):
        for _ in fit(store, job, training, validation):
            pass


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), Path(sys.argv[5]))
