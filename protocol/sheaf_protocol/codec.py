"""CMP-1, the canonical MessagePack profile: one byte string for each value (spec chapter 03).

MessagePack allows many spellings of one value, and signatures need exactly one. The rules: bool,
integer within +-(2^53-1), text, bytes, array and map only; shortest forms; map keys of
`[a-z0-9_]{1,32}`, unique and ascending by bytes; nothing after the value.

Decoding is fast where it may be and exact where it must be. A typed decoder reads the bytes and
the result is encoded again: equal bytes were canonical, since our encoder knows one spelling only.
Unequal bytes may still be right (a later version's extra keys), so a generic walk decides; it
alone refuses. Structs therefore declare their fields in key order, and never a default, a tag or
None, which would make the encoder write something that the sender did not.
"""

from __future__ import annotations

import re
from typing import Any, Final, TypeVar

import msgpack
import msgspec

from sheaf_protocol.errors import LocalProtocolError, RemoteProtocolError
from sheaf_protocol.limits import MAX_DEPTH, MAX_INT, MAX_ITEMS, MAX_KEYS, MAX_PAYLOAD, MAX_TEXT

T = TypeVar("T")

_KEY: Final = re.compile(r"[a-z0-9_]{1,32}\Z")
_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODERS: Final[dict[Any, msgspec.msgpack.Decoder[Any]]] = {}
"""A pure cache of compiled decoders, one per type: no state of any node lives here."""


def encode(value: object) -> bytes:
    """Return the CMP-1 bytes of a struct, or of plain values whose map keys may be in any order.

    Raises LocalProtocolError `enc.*` when a plain value cannot be written in CMP-1. A struct is
    written as it stands; `schema.invalid` when a field holds what no annotation would admit.
    """
    if isinstance(value, msgspec.Struct):
        try:
            return _ENCODER.encode(value)
        except (OverflowError, TypeError, ValueError) as exc:
            raise LocalProtocolError("schema.invalid", _sentence(exc)) from exc
    try:
        return _ENCODER.encode(_sorted(value, 1))
    except RemoteProtocolError as exc:
        raise LocalProtocolError(exc.code, exc.detail) from exc


def decode(data: bytes, type_: type[T], *, limit: int = MAX_PAYLOAD) -> T:
    """Return the value of canonical bytes as `type_`.

    Raises RemoteProtocolError `enc.*` when the bytes are not CMP-1 (the sender's fault), and
    `schema.invalid` when they are but do not fit the type.
    """
    if len(data) > limit:
        raise RemoteProtocolError("enc.size", f"expected at most {limit} bytes, got {len(data)}")
    try:
        value: T = _decoder(type_).decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        check(data, limit=limit)
        raise RemoteProtocolError("schema.invalid", _sentence(exc)) from exc
    if _ENCODER.encode(value) != data:
        check(data, limit=limit)
    return value


def check(data: bytes, *, limit: int = MAX_PAYLOAD) -> Any:
    """Return the plain value of CMP-1 bytes, or raise RemoteProtocolError with the rule's code."""
    if len(data) > limit:
        raise RemoteProtocolError("enc.size", f"expected at most {limit} bytes, got {len(data)}")
    value = _unpack(data)
    walked = _sorted(value, 1)
    if _ENCODER.encode(walked) != data:
        # ENC-3: what is left after the walk is a longer form of a length or an integer.
        raise RemoteProtocolError("enc.not_shortest", "expected the shortest form of each value")
    return walked


def _decoder(type_: Any) -> msgspec.msgpack.Decoder[Any]:
    decoder = _DECODERS.get(type_)
    if decoder is None:
        decoder = _DECODERS[type_] = msgspec.msgpack.Decoder(type_)
    return decoder


def _unpack(data: bytes) -> Any:
    try:
        return msgpack.unpackb(
            data,
            raw=False,
            strict_map_key=False,
            object_pairs_hook=_pairs,
            max_array_len=MAX_ITEMS,
            max_map_len=MAX_KEYS,
            max_str_len=MAX_TEXT,
        )
    except msgpack.ExtraData as exc:
        raise RemoteProtocolError("enc.trailing", "expected one value, got bytes after it") from exc
    except msgpack.StackError as exc:
        raise RemoteProtocolError("enc.depth", f"expected at most {MAX_DEPTH} levels") from exc
    except UnicodeDecodeError as exc:
        raise RemoteProtocolError("enc.utf8", "expected text in well-formed UTF-8") from exc
    except ValueError as exc:
        raise _unpack_error(str(exc)) from exc


def _unpack_error(text: str) -> RemoteProtocolError:
    """Translate msgpack's message: it has one exception for lengths and for broken bytes."""
    if "timestamp" in text or "nanoseconds" in text:
        # An extension of type -1 is a timestamp to msgpack, which reads it before we can refuse.
        return RemoteProtocolError("enc.ext", "expected no extension type, got a timestamp")
    # "ext" is a truncated extension of 2^32-1 bytes, to which msgpack adds one and gets 0.
    if "exceeds max" in text and "ext" not in text:
        return RemoteProtocolError("enc.items", f"expected fewer items or bytes: {text}")
    return RemoteProtocolError("enc.malformed", "expected one complete MessagePack value")


class _Pairs:
    """The keys and values of one map as they stood on the wire."""

    __slots__ = ("pairs",)

    def __init__(self, pairs: list[tuple[Any, Any]]) -> None:
        self.pairs = pairs


def _pairs(pairs: list[tuple[Any, Any]]) -> _Pairs:
    return _Pairs(pairs)


def _sorted(value: Any, depth: int) -> Any:
    """Return the value with map keys in order, or raise for what CMP-1 does not know."""
    kind = type(value)
    if kind is bool or kind is bytes:
        return value
    if kind is int:
        if -MAX_INT <= value <= MAX_INT:
            return value
        raise RemoteProtocolError("enc.int_range", f"expected |n| <= 2^53-1, got {value}")
    if kind is str:
        return _text(value)
    if depth > MAX_DEPTH:
        raise RemoteProtocolError("enc.depth", f"expected at most {MAX_DEPTH} levels")
    if kind is list or kind is tuple:
        if len(value) > MAX_ITEMS:
            raise RemoteProtocolError("enc.items", f"expected <= {MAX_ITEMS}, got {len(value)}")
        return [_sorted(item, depth + 1) for item in value]
    if kind is _Pairs:
        return _map(value.pairs, depth)
    if kind is dict:
        # By their text: keys of several types do not compare, and are refused one call below.
        return _map(sorted(value.items(), key=lambda pair: str(pair[0])), depth)
    raise _forbidden(value)


def _text(value: str) -> str:
    try:
        size = len(value.encode())
    except UnicodeEncodeError as exc:
        raise RemoteProtocolError("enc.utf8", "expected text in well-formed UTF-8") from exc
    if size > MAX_TEXT:
        raise RemoteProtocolError("enc.items", f"expected at most {MAX_TEXT} bytes of text")
    if "\x00" in value:
        raise RemoteProtocolError("enc.nul", "expected text without U+0000")
    return value


def _map(pairs: list[tuple[Any, Any]], depth: int) -> dict[str, Any]:
    if len(pairs) > MAX_KEYS:
        raise RemoteProtocolError("enc.items", f"expected at most {MAX_KEYS} keys")
    result: dict[str, Any] = {}
    last = ""
    for key, value in pairs:
        if type(key) is not str or not _KEY.match(key):
            detail = f"expected a key of [a-z0-9_]{{1,32}}, got {_shown(key)}"
            raise RemoteProtocolError("enc.key", detail)
        if key == last:
            raise RemoteProtocolError("enc.duplicate_key", f"expected {key!r} once")
        if key < last:
            raise RemoteProtocolError("enc.key_order", f"expected {key!r} before {last!r}")
        result[key] = _sorted(value, depth + 1)
        last = key
    return result


def _shown(key: Any) -> str:
    """Return a key for people: a stranger's key may have any type and 16 KB."""
    return repr(key[:40]) if isinstance(key, str | bytes) else type(key).__name__.lower().strip("_")


def _forbidden(value: Any) -> RemoteProtocolError:
    if value is None:
        return RemoteProtocolError("enc.nil", "expected the key to be left out, got nil")
    if isinstance(value, float):
        return RemoteProtocolError("enc.float", "expected an integer, got a float")
    return RemoteProtocolError("enc.ext", f"expected no extension type, got {type(value).__name__}")


def _sentence(exc: Exception) -> str:
    """Return msgspec's message, which names the path and both types and quotes no value."""
    return str(exc) or type(exc).__name__
