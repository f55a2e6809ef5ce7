"""Who a co-op is and which keys speak for it (spec chapter 02)."""

from sheaf_protocol.identity.keylog import (
    Close,
    Cut,
    Delegate,
    FederationCut,
    Inception,
    KeyLog,
    KeyOp,
    Prekey,
    Writer,
    append_op,
    fold_key_log,
    next_delegate,
    sign_op,
)
from sheaf_protocol.identity.keys import (
    PublicKey,
    SigningKey,
    is_valid_key,
    signing_key,
    verify,
)

__all__ = [
    "Close",
    "Cut",
    "Delegate",
    "FederationCut",
    "Inception",
    "KeyLog",
    "KeyOp",
    "Prekey",
    "PublicKey",
    "SigningKey",
    "Writer",
    "append_op",
    "fold_key_log",
    "is_valid_key",
    "next_delegate",
    "sign_op",
    "signing_key",
    "verify",
]
