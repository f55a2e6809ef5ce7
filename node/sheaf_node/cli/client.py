"""Talks to the running node over its local port, with nothing but the standard library."""

from __future__ import annotations

import http.client
import json
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from sheaf_node.api.token import read_token
from sheaf_node.config import load_config
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

TIMEOUT_S = 60
"""An import of the largest list answers within seconds; a minute means the node is stuck."""
OK: Final = 200
BYTES: Final = "application/octet-stream"


class NodeClient:
    """A client of one node's local API."""

    def __init__(self, home: Path) -> None:
        self._port = load_config(home).local_port
        self._home = home

    def get(self, path: str, query: Mapping[str, object] | None = None) -> Any:
        """Return the JSON answer to a GET. Raises Refusal with the node's own code."""
        return self._ask("GET", path, query, None)

    def post(self, path: str, body: bytes, query: Mapping[str, object] | None = None) -> Any:
        """Return the JSON answer to a POST. Raises Refusal with the node's own code."""
        return self._ask("POST", path, query, body)

    def put(self, path: str, body: bytes) -> Any:
        """Return the JSON answer to a PUT. Raises Refusal with the node's own code."""
        return self._ask("PUT", path, None, body)

    def get_bytes(self, path: str, query: Mapping[str, object] | None = None) -> Any:
        """Return the bytes that a GET is answered with, or JSON where they are not there yet."""
        return self._ask("GET", path, query, None)

    def _ask(
        self, method: str, path: str, query: Mapping[str, object] | None, body: bytes | None
    ) -> Any:
        url = path + ("?" + urlencode(query) if query else "")
        headers = {"Authorization": f"Bearer {read_token(self._home)}"}
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=TIMEOUT_S)
        try:
            connection.request(method, url, body=body, headers=headers)
            response = connection.getresponse()
            data = response.read()
            if response.status == OK and response.headers.get_content_type() == BYTES:
                return data
            answer = json.loads(data or b"null")
        except (OSError, http.client.HTTPException, ValueError) as exc:
            detail = f"expected a node running for {self._home} on port {self._port}"
            raise Refusal("node.unreachable", f"{detail}; `sheaf serve` starts it") from exc
        finally:
            connection.close()
        if response.status >= 400:
            raise _refusal(answer)
        return answer


def _refusal(answer: Any) -> Refusal:
    if isinstance(answer, dict) and "code" in answer:
        return Refusal(str(answer["code"]), str(answer.get("detail", "")))
    return Refusal("node.unreachable", "expected an answer of a Sheaf node")
