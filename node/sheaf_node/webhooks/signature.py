"""Signatures as Standard Webhooks has them (standardwebhooks.com, version 1.0.0).

What is signed is `ID.SECONDS.BODY`, by HMAC-SHA256 under 32 bytes that receiver and sender know.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sheaf_node.clock import Randomness

PREFIX: Final = "whsec_"
SECRET_BYTES: Final = 32
"""The format takes 24 to 64."""


def new_secret(random: Randomness) -> str:
    """Return a secret as receivers are given it."""
    return PREFIX + base64.b64encode(random(SECRET_BYTES)).decode()


def signed_headers(secrets: Sequence[str], id_: str, now_ms: int, body: bytes) -> dict[str, str]:
    """Return the three headers by which a receiver knows a delivery, its age and its sender.

    It is signed by each of the secrets, so that a receiver may have any of them.
    """
    seconds = str(now_ms // 1_000)
    signatures = [signature(each, id_, seconds, body) for each in secrets]
    return {
        "webhook-id": id_,
        "webhook-timestamp": seconds,
        "webhook-signature": " ".join(signatures),
    }


def signature(secret: str, id_: str, seconds: str, body: bytes) -> str:
    """Return the signature of one delivery: its version, a comma, and the MAC in base64."""
    key = base64.b64decode(secret.removeprefix(PREFIX))
    mac = hmac.digest(key, b".".join((id_.encode(), seconds.encode(), body)), hashlib.sha256)
    return f"v1,{base64.b64encode(mac).decode()}"
