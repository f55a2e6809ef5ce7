"""Talks to the running node over its local port, with nothing but the standard library."""

from __future__ import annotations

import http.client
import json
import secrets
import time
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from sheaf_node.api.token import read_token
from sheaf_node.config import load_config
from sheaf_node.store.folder import is_held
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

TIMEOUT_S = 60
"""An import of the largest list answers within seconds; a minute means the node is stuck."""
OK: Final = 200
TRIES: Final = 5
"""How often a node is asked that has too much to do. It says when to come again, mostly in 1 s."""
MOST_WAIT_S: Final = 5
"""The longest such wait: beyond that whoever sits before it is told."""
ANEW_S: Final = 0.5
"""How long until a node is asked again that opens its home anew, as one does that recovers."""
_REFUSED_UNREAD: Final = frozenset({"api.busy", "api.rate"})
"""What a node says before it looks at what it is asked, so that asking again does nothing twice."""
BYTES: Final = frozenset({"application/octet-stream", "text/csv"})
KEY: Final = "Idempotency-Key"
MATCH: Final = "If-Match"


def new_key() -> str:
    """Return an Idempotency-Key that nobody guesses: the reply is kept under a key made of it."""
    return secrets.token_hex(16)


class _Gone(Refusal):
    """A node that is not there; it may be asked again where nothing would be done twice."""

    def __init__(self, detail: str, *, may_be_asked_again: bool) -> None:
        super().__init__("node.unreachable", detail)
        self.may_be_asked_again = may_be_asked_again


class NodeClient:
    """A client of one node's local API."""

    def __init__(self, home: Path) -> None:
        self._port = load_config(home).local_port
        self._home = home

    def get(self, path: str, query: Mapping[str, object] | None = None) -> Any:
        """Return the JSON answer to a GET. Raises Refusal with the node's own code."""
        return self._ask("GET", path, query, None)

    def post(
        self,
        path: str,
        body: bytes,
        query: Mapping[str, object] | None = None,
        key: str | None = None,
        more: Mapping[str, str] | None = None,
    ) -> Any:
        """Return the JSON answer to a POST. Raises Refusal with the node's own code.

        Where the answer was lost, ask again with the same `key` (see `new_key`): what was asked for
        is then done once. `more` are headers beside.
        """
        return self._ask("POST", path, query, body, {KEY: key or new_key(), **(more or {})})

    def put(self, path: str, body: bytes, more: Mapping[str, str] | None = None) -> Any:
        """Return the JSON answer to a PUT. Raises Refusal with the node's own code."""
        return self._ask("PUT", path, None, body, more)

    def delete(self, path: str, more: Mapping[str, str] | None = None) -> Any:
        """Return the JSON answer to a DELETE. Raises Refusal with the node's own code."""
        return self._ask("DELETE", path, None, None, more)

    def get_bytes(self, path: str, query: Mapping[str, object] | None = None) -> Any:
        """Return the bytes that a GET is answered with, or JSON where they are not there yet."""
        return self._ask("GET", path, query, None)

    def _ask(
        self,
        method: str,
        path: str,
        query: Mapping[str, object] | None,
        body: bytes | None,
        more: Mapping[str, str] | None = None,
    ) -> Any:
        url = path + ("?" + urlencode(query) if query else "")
        for tries_left in reversed(range(TRIES)):
            try:
                status, wait_s, answer = self._ask_once(method, url, body, more or {})
            except _Gone as gone:
                if not tries_left or not gone.may_be_asked_again or not is_held(self._home):
                    raise
                time.sleep(ANEW_S)
                continue
            if not tries_left or _code(answer) not in _REFUSED_UNREAD:
                break
            time.sleep(wait_s)
        if status >= 400:
            raise _refusal(answer)
        return answer

    def _ask_once(
        self, method: str, url: str, body: bytes | None, more: Mapping[str, str]
    ) -> tuple[int, int, Any]:
        """Return the status, after how many seconds to ask again, and what was answered."""
        headers = {"Authorization": f"Bearer {read_token(self._home)}", **more}
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=TIMEOUT_S)
        try:
            connection.request(method, url, body=body, headers=headers)
            response = connection.getresponse()
            data = response.read()
            is_bytes = response.status == OK and response.headers.get_content_type() in BYTES
            answer = data if is_bytes else json.loads(data or b"null")
        except (OSError, http.client.HTTPException, ValueError) as exc:
            detail = f"expected a node running for {self._home} on port {self._port}"
            unread = isinstance(exc, ConnectionRefusedError)
            once = method == "GET" or KEY in more
            raise _Gone(
                f"{detail}; `sheaf serve` starts it",
                may_be_asked_again=unread or (once and isinstance(exc, ConnectionError)),
            ) from exc
        finally:
            connection.close()
        told = response.headers.get("Retry-After", "")
        wait_s = int(told) if told.isascii() and told.isdecimal() else 1
        return response.status, min(wait_s, MOST_WAIT_S), answer


def _code(answer: Any) -> object:
    return answer.get("code") if isinstance(answer, dict) else None


def _refusal(answer: Any) -> Refusal:
    if isinstance(answer, dict) and "code" in answer:
        return Refusal(str(answer["code"]), str(answer.get("detail", "")))
    return Refusal("node.unreachable", "expected an answer of a Sheaf node")
