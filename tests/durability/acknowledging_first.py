"""A node with a planted fault: what it is asked to keep it acknowledges, and then writes.

`python -m tests.durability.acknowledging_first serve --home FOLDER` runs it like `sheaf serve`.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from sheaf_node import serving
from sheaf_node.cli.main import main
from sheaf_node.store.writer import Writer

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from sheaf_node.store.writer import Finished, Job

LATE_S = 0.02
"""How long after the answer the disk is written: what a lazy flush would take."""


class AcknowledgingFirst:
    """A writer that says it is done before it is."""

    def __init__(self, connection: sqlite3.Connection, finished: Finished) -> None:
        self._finished = finished
        self._writer = Writer(connection, lambda *_: None)
        self._timers: list[threading.Timer] = []

    def put(self, job: Job) -> None:
        self._finished([job], None)
        timer = threading.Timer(LATE_S, self._writer.put, (job,))
        timer.daemon = True
        timer.start()
        self._timers.append(timer)

    def abandoned(self) -> Sequence[Job]:
        return self._writer.abandoned()

    def stop(self) -> None:
        for timer in self._timers:
            timer.join()
        self._writer.stop()


if __name__ == "__main__":
    serving.Writer = AcknowledgingFirst  # type: ignore[assignment,misc]  # the fault
    main()
