"""The client of `load.py`: publishes records over the local API, and commits rows of its own.

Both count from when a request was due, in threads that sleep until then, so that what is compared
is the node and a commit, and not how two clients wait.
"""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import threading
import time
import uuid
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from sheaf_node.store.schema import open_database
from sheaf_protocol.json_view import to_json
from sheaf_protocol.records import Demand, Item, Price

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from io import BufferedReader
    from pathlib import Path

CALLERS: Final = 16
"""At a time: as many as wait at once where each is answered within a third of a second."""
TIMEOUT_S: Final = 60


@dataclass
class Done:
    """What a window of commands came to."""

    waits: list[float] = field(default_factory=list)
    """Seconds from when each was due until it was answered."""
    shed: list[float] = field(default_factory=list)
    """How long those waited that were told to ask again."""
    dropped: int = 0
    """Requests whose connection the node ended."""


class Caller:
    """One connection to the local API of a node, kept open."""

    def __init__(self, port: int, token: str, kind: str) -> None:
        self._port, self._kind = port, kind
        self._head = (
            f"POST /api/v1/records/{kind} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
            f"Authorization: Bearer {token}\r\nContent-Type: application/json\r\n"
        )
        self._socket: socket.socket | None = None
        self._answers: BufferedReader | None = None

    def close(self) -> None:
        """End the connection; the next request begins another."""
        if self._answers is not None and self._socket is not None:
            self._answers.close()
            self._socket.close()
        self._answers = self._socket = None

    def request(self) -> bytes:
        """Return the bytes of a request that publishes one more record."""
        body = json.dumps({"record": RECORDS[self._kind](), "refs": []}).encode()
        about = f"Idempotency-Key: {uuid.uuid4()}\r\nContent-Length: {len(body)}\r\n\r\n"
        return (self._head + about).encode() + body

    def ask(self, request: bytes) -> int:
        """Send a request; return the status of its answer once all of that is here.

        Raises OSError where the node ended the connection, or took none.
        """
        if self._socket is None or self._answers is None:
            self._socket = socket.create_connection(("127.0.0.1", self._port), TIMEOUT_S)
            self._answers = self._socket.makefile("rb")
        self._socket.sendall(request)
        head = [self._answers.readline()]
        while (line := self._answers.readline()).strip():
            head.append(line.lower())
        lengths = [line for line in head if line.startswith(b"content-length:")]
        if not lengths:
            raise ConnectionError("expected an answer with its length")
        self._answers.read(int(lengths[0].partition(b":")[2]))
        return int(head[0].split()[1])


class Callers:
    """The connections of all callers."""

    def __init__(self, port: int, token: str, kind: str) -> None:
        self._callers = [Caller(port, token, kind) for _ in range(CALLERS)]

    def publish(self, window_s: float, per_second: int) -> Done:
        """Publish records at a steady rate; return once all are answered."""
        done, began_s = Done(), time.monotonic()
        due_s = [began_s + number / per_second for number in range(int(window_s * per_second))]
        threads = [
            threading.Thread(target=_call, args=(caller, due_s[at::CALLERS], done))
            for at, caller in enumerate(self._callers)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return done


def _call(caller: Caller, due_s: Sequence[float], done: Done) -> None:
    for due in due_s:
        request = caller.request()
        time.sleep(max(0.0, due - time.monotonic()))
        try:
            status = caller.ask(request)
        except OSError:  # more than the port takes
            caller.close()
            done.dropped += 1
        else:
            assert status in {201, 503}, status
            if status == 503:
                done.shed.append(time.monotonic() - due)
        done.waits.append(time.monotonic() - due)


def demand() -> Any:
    """Return a demand as JSON."""
    demanded = Demand(
        is_firm=True,
        item=Item(code="feed", name="Feed", scale=0, unit="KGM"),
        max_price=Price(amount=10, base=1, currency="GBP"),
        min_quantity=1,
        quantity=5,
        ref=uuid.uuid4().hex,
        zone="N",
    )
    return to_json(demanded)


def reading() -> Any:
    """Return a record of `EXTENSION`, as long as a demand is."""
    return {"meter": uuid.uuid4().hex, "litres": time.time_ns() % 1_000_000, "note": "n" * 90}


DEMAND: Final = "demand.submit"
READING: Final = "x.bench.reading"
RECORDS: Final[Mapping[str, Callable[[], Any]]] = {DEMAND: demand, READING: reading}
EXTENSION: Final = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$id": f"urn:sheaf:1:{READING}",
    "title": "What a meter showed",
    "type": "object",
    "properties": {
        "meter": {"type": "string", "maxLength": 64},
        "litres": {"type": "integer", "minimum": 0},
        "note": {"type": "string", "maxLength": 200},
    },
    "required": ["meter", "litres", "note"],
    "additionalProperties": False,
}
"""Its schema, as `sheaf kind add` takes it."""


def commit_bare(path: Path, window_s: float, per_second: int) -> list[float]:
    """Commit the rows of one command at a time: an entry and the receipt of its request.

    Into the tables of a node, by SQLite alone. Returns the latencies in seconds, each from when it
    was due.
    """
    waits = []
    with closing(open_database(path, sqlite3.connect, os.urandom)) as connection:
        [number] = connection.execute("SELECT coalesce(max(arrival), 0) FROM entries").fetchone()
        connection.execute(
            "INSERT OR IGNORE INTO logs VALUES (1, ?, ?, ?, NULL, 0)", [b"bench"] * 3
        )
        began = time.monotonic()
        for at in range(int(window_s * per_second)):
            number += 1
            rows = (_entry(number), (441,), _receipt())
            due_s = began + at / per_second
            time.sleep(max(0.0, due_s - time.monotonic()))
            connection.execute("BEGIN IMMEDIATE")
            for sql, row in zip(_SQL, rows, strict=True):
                connection.execute(sql, row)
            connection.execute("COMMIT")
            waits.append(time.monotonic() - due_s)
    return waits


_SQL: Final = (
    "INSERT INTO entries (arrival, log, seq, id, kind, header, proof, payload, time_ms)"
    " VALUES (?, 1, ?, ?, 'demand.submit', ?, ?, ?, ?)",
    "UPDATE logs SET bytes = bytes + ? WHERE number = 1",
    "INSERT INTO receipts (id, request, taken_ms, reply) VALUES (?, ?, ?, ?)",
)


def _entry(number: int) -> tuple[object, ...]:
    """Return an entry's row, of the lengths that a demand has."""
    id_, header, proof, payload = (os.urandom(size) for size in (32, 202, 64, 175))
    return number, number, id_, header, proof, payload, time.time_ns() // 1_000_000


def _receipt() -> tuple[object, ...]:
    """Return a receipt's row, of the lengths that the answer to a demand has."""
    return os.urandom(32), os.urandom(32), time.time_ns() // 1_000_000, os.urandom(680)
