"""Records of extensions: kinds that no version of the protocol defines (spec 14, section 3).

Their bodies are maps of CMP-1 and nothing more is known of them here. A JSON Schema, where a co-op
has installed one, says what is in them; nothing of the protocol rests on it.
"""

from __future__ import annotations

import re
from typing import Any, Final

from sheaf_protocol.codec import check, encode
from sheaf_protocol.errors import LocalProtocolError, RemoteProtocolError

MAX_KIND: Final = 24
"""Characters of a kind (chapter 04)."""
FORM: Final = "x.NAMESPACE.NAME"
PATTERN: Final = r"^x\.[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*$"
_KIND: Final = re.compile(r"x\.[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*\Z")


def is_extension(kind: str) -> bool:
    """Return whether a kind has the form of an extension's (VER-7)."""
    return len(kind) <= MAX_KIND and _KIND.match(kind) is not None


def extension_body(value: Any) -> bytes:
    """Return the canonical bytes of a record in its JSON view.

    Raises LocalProtocolError `schema.invalid` for what is no object, and `enc.*`; `fault_place`
    tells where.
    """
    if not isinstance(value, dict):
        raise LocalProtocolError("schema.invalid", "expected an object as record")
    return encode(value)


def extension_json(body: bytes) -> Any:
    """Return the JSON view of a canonical body, or None where it is no map (VER-9).

    Bytes are shown as hex, which reads back as text.
    """
    try:
        value = check(body)
    except RemoteProtocolError:
        return None
    return _view(value) if isinstance(value, dict) else None


def fault_place(value: Any, at: str = "") -> str:
    """Return the JSON Pointer to the innermost part that CMP-1 cannot hold; `at` where it is all
    sound. Called on the way to a refusal only."""
    parts: Any = ()
    if isinstance(value, dict):
        parts = value.items()
    elif isinstance(value, list):
        parts = enumerate(value)
    for key, part in parts:
        try:
            encode(part)
        except LocalProtocolError:
            step = str(key).replace("~", "~0").replace("/", "~1")
            return fault_place(part, f"{at}/{step}")
    return at


def _view(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _view(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_view(part) for part in value]
    return value.hex() if isinstance(value, bytes) else value
