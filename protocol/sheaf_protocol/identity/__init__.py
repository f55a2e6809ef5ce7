"""Who a co-op is and which keys speak for it (spec chapter 02)."""

from sheaf_protocol.identity.authority import Authority, Rank, next_hash
from sheaf_protocol.identity.building import (
    ended_writers,
    make_recover,
    make_revoke,
    make_rotate,
    next_close,
    next_delegate,
)
from sheaf_protocol.identity.history import KeyHistory, begin_history, merge
from sheaf_protocol.identity.keylog import append_all, append_op, fold_key_log
from sheaf_protocol.identity.keys import (
    PublicKey,
    SigningKey,
    is_valid_key,
    signing_key,
    verify,
)
from sheaf_protocol.identity.operation import (
    Close,
    Delegate,
    EndedWriter,
    FederationCut,
    Inception,
    KeyOp,
    Operation,
    Recover,
    Revoke,
    Rotate,
    Signature,
    decode_op,
    sign_op,
)
from sheaf_protocol.identity.state import Cut, KeyLog, Prekey, Writer

__all__ = [
    "Authority",
    "Close",
    "Cut",
    "Delegate",
    "EndedWriter",
    "FederationCut",
    "Inception",
    "KeyHistory",
    "KeyLog",
    "KeyOp",
    "Operation",
    "Prekey",
    "PublicKey",
    "Rank",
    "Recover",
    "Revoke",
    "Rotate",
    "Signature",
    "SigningKey",
    "Writer",
    "append_all",
    "append_op",
    "begin_history",
    "decode_op",
    "ended_writers",
    "fold_key_log",
    "is_valid_key",
    "make_recover",
    "make_revoke",
    "make_rotate",
    "merge",
    "next_close",
    "next_delegate",
    "next_hash",
    "sign_op",
    "signing_key",
    "verify",
]
