"""Messages in words: the sequence that a case prints where it fails."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import msgspec

from sheaf_protocol.envelope import Envelope, open_header
from sheaf_protocol.errors import ProtocolError

if TYPE_CHECKING:
    from sheaf_protocol.link.messages import Message

_SHOWN: Final = 3
"""Items of a list that are told one by one."""
_WORDS: Final = re.compile(r"(?<!^)(?=[A-Z])")


def words(message: Message) -> str:
    """Return a message on one line: its name, and what its fields hold, long ones cut short."""
    name = _WORDS.sub("_", type(message).__name__).lower()
    fields = [f"{key}={_value(getattr(message, key))}" for key in message.__struct_fields__]
    return f"{name}({', '.join(fields)})"


def _value(value: object) -> str:
    if isinstance(value, Envelope):
        return _entry(value)
    if isinstance(value, bytes):
        return f"{value[:4].hex()}.. ({len(value)} bytes)" if len(value) > 16 else value.hex()
    if isinstance(value, list):
        shown = ", ".join(map(_value, value[:_SHOWN]))
        return f"[{shown}{f', .. {len(value)} in all' if len(value) > _SHOWN else ''}]"
    if isinstance(value, msgspec.Struct):
        fields = (_value(getattr(value, key)) for key in value.__struct_fields__)
        return f"({', '.join(fields)})"
    return str(value)


def _entry(envelope: Envelope) -> str:
    try:
        header = open_header(envelope)
    except ProtocolError:
        return f"entry of {len(envelope.header)} bytes that do not open"
    proof = "" if envelope.signature else ", unsigned"
    bare = "" if envelope.payload else ", without payload"
    return f"entry {header.seq} of {header.wid[:4].hex()} ({header.kind}{proof}{bare})"
