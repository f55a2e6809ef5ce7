"""How an invitation is written: as a link to click or paste, and as a code to read out.

Both hold the secret. The link also holds the address and the co-op that invites; it holds all but
the address in its fragment, which no program sends to a server.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from sheaf_protocol.digest import CoopId, Digest, digest
from sheaf_protocol.errors import RemoteProtocolError

JOIN_PATH: Final = "/sheaf/1/join"
"""Where a node takes requests by invitation, at the port of its links."""
SECRET_BYTES: Final = 16
"""128 bits: nobody finds one by trying, however long it is valid."""

_VERSION: Final = b"\x01"
_CHECK_BITS: Final = 12
"""A code that was typed wrongly passes once in 4,096, and is then unknown to the node."""
_DIGITS: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Base 32 without the letters that people take for others (Crockford's)."""
_CODE_DIGITS: Final = (8 * SECRET_BYTES + _CHECK_BITS) // 5
_MISREAD: Final = str.maketrans("OIL", "011")
_FRAGMENT: Final = re.compile(r"[A-Za-z0-9_-]{66}")
_MAX_TEXT: Final = 1_024


@dataclass(frozen=True, kw_only=True, slots=True)
class Invitation:
    """What an invitation says. A code has neither the address nor the co-op."""

    secret: bytes
    url: str | None = None
    """Address of the inviting node, as chapter 08 has it: scheme, host, port."""
    cid: CoopId | None = None

    def __repr__(self) -> str:
        return f"Invitation(url={self.url!r})"


def proof_key(secret: bytes) -> Digest:
    """Return what the inviting node keeps of a secret (INV-3)."""
    return digest("invitation-key", secret)


def invitation_id(key: bytes) -> Digest:
    """Return the name of the invitation with this proof key (INV-4)."""
    return digest("invitation-id", key)


def link_of(url: str, secret: bytes, cid: CoopId) -> str:
    """Return the link of an invitation to the node at an `http` or `https` url without a path."""
    fragment = base64.urlsafe_b64encode(_VERSION + secret + cid).decode().rstrip("=")
    return f"{url.rstrip('/')}{JOIN_PATH}#{fragment}"


def code_of(secret: bytes) -> str:
    """Return the code of an invitation: 28 digits and letters in groups of four."""
    number = int.from_bytes(secret, "big") << _CHECK_BITS | _check(secret)
    digits = [_DIGITS[number >> 5 * place & 31] for place in range(_CODE_DIGITS - 1, -1, -1)]
    return "-".join("".join(digits[at : at + 4]) for at in range(0, _CODE_DIGITS, 4))


def read_invitation(text: str) -> Invitation:
    """Return the invitation that a link or code writes, as people paste and type them.

    Raises RemoteProtocolError `invite.link`, `invite.code`; neither repeats what was given, which
    is a secret.
    """
    text = text.strip()
    if len(text) > _MAX_TEXT:
        raise _no_link("one that long")
    if "#" in text or "://" in text:
        return _read_link(text)
    return Invitation(secret=_read_code(text))


def _read_link(text: str) -> Invitation:
    address, _, fragment = text.partition("#")
    if not _FRAGMENT.fullmatch(fragment):
        raise _no_link("one that is cut off or changed")
    try:
        data = base64.urlsafe_b64decode(fragment + "==")
        parts = urlsplit(address)
        port = parts.port
    except (ValueError, binascii.Error) as exc:
        raise _no_link("no address") from exc
    if data[:1] != _VERSION or base64.urlsafe_b64encode(data).decode().rstrip("=") != fragment:
        raise _no_link("one of another version")
    is_url = parts.scheme in {"http", "https"} and bool(parts.hostname)
    if not is_url or parts.username is not None or parts.query or parts.path != JOIN_PATH:
        raise _no_link("another address")
    host = f"[{parts.hostname}]" if ":" in str(parts.hostname) else str(parts.hostname)
    return Invitation(
        secret=data[1 : 1 + SECRET_BYTES],
        cid=CoopId(data[1 + SECRET_BYTES :]),
        url=f"{parts.scheme}://{host}" + ("" if port is None else f":{port}"),
    )


def _read_code(text: str) -> bytes:
    digits = re.sub(r"[\s-]", "", text).upper().translate(_MISREAD)
    if len(digits) != _CODE_DIGITS or not set(digits) <= set(_DIGITS):
        detail = f"expected a link, or a code of {_CODE_DIGITS} letters and digits"
        raise RemoteProtocolError("invite.code", f"{detail}, got {len(digits)} characters")
    number = 0
    for digit in digits:
        number = number << 5 | _DIGITS.index(digit)
    secret = (number >> _CHECK_BITS).to_bytes(SECRET_BYTES, "big")
    if number & (1 << _CHECK_BITS) - 1 != _check(secret):
        detail = "expected a code whose parts belong together: compare it again, letter by letter"
        raise RemoteProtocolError("invite.code", detail)
    return secret


def _check(secret: bytes) -> int:
    return int.from_bytes(digest("invitation-code", secret)[:2], "big") >> 16 - _CHECK_BITS


def _no_link(got: str) -> RemoteProtocolError:
    detail = f"expected the whole link of an invitation, got {got}"
    return RemoteProtocolError("invite.link", detail)
