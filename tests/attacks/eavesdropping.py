"""What an eavesdropper has: the bytes between two nodes, and every form in which a secret shows."""

from __future__ import annotations

import base64
import socket
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType
    from typing import Self


class Tap:
    """A port of this computer that passes all on to another, and keeps what passed both ways."""

    def __init__(self, port: int) -> None:
        self.heard = bytearray()
        self._target = port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []

    @property
    def port(self) -> int:
        return int(self._listening.getsockname()[1])

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self,
        type_: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for each in (self._listening, *self._open):
            each.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listening.accept()
                far = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                return
            self._open += [near, far]
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._pass_on, args=(source, sink), daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65_536):
                self.heard += data
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            return


def forms(secret: bytes) -> list[bytes]:
    """Return the forms in which a program may have written a secret down."""
    plain = base64.b64encode(secret).rstrip(b"=")
    urlsafe = base64.urlsafe_b64encode(secret).rstrip(b"=")
    digits = secret.hex()
    shown = repr(secret)[2:-1].encode()
    return [secret, digits.encode(), digits.upper().encode(), plain, urlsafe, shown]


def seen(held: Mapping[str, bytes], sought: Mapping[str, Sequence[bytes]]) -> list[str]:
    """Return which secret is in which place, given the forms of each and the bytes of each."""
    return [
        f"{name} in {place}"
        for place, data in held.items()
        for name, shapes in sought.items()
        if any(shape in data for shape in shapes)
    ]
