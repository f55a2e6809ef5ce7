"""A co-op's first keys and the key log that begins with them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sheaf_node.keyring.draft import KeyDraft
from sheaf_node.keyring.files import MANAGER
from sheaf_node.keyring.loading import load_keyring
from sheaf_node.keyring.secret_file import SECRET
from sheaf_protocol.digest import ZERO, Digest
from sheaf_protocol.errors import ProtocolError, Refusal
from sheaf_protocol.identity import Inception, fold_key_log, next_hash, sign_op, signing_key

if TYPE_CHECKING:
    from pathlib import Path

    from sheaf_node.clock import Randomness
    from sheaf_node.keyring.model import Keyring
    from sheaf_protocol.identity import KeyOp


def create_keyring(
    home: Path,
    *,
    name: str,
    country: str,
    random: Randomness,
    now_ms: int,
    sheets: int = 1,
    needed: int = 1,
) -> Keyring:
    """Make a co-op's first keys and key log, write them under `home`, and return them.

    `needed` of `sheets` recovery sheets sign together, at most `MAX_SHEETS`. Raises Refusal
    `key.exists` where the home has keys, `key.name` where name or country cannot stand in an
    inception, `key.write` where the disk refuses; the home is then unchanged.
    """
    if re.fullmatch(r"[A-Z]{2}", country) is None:
        detail = f"expected a country by its ISO 3166 code, such as GB or FR, got {country!r}"
        raise Refusal("key.name", detail)
    rotation, next_ = ([random(SECRET) for _ in range(sheets)] for _ in range(2))
    manager = signing_key(seed := random(SECRET))
    inception = Inception(
        country=country,
        manager=manager.public,
        name=name,
        next=[next_hash(signing_key(each).public) for each in next_],
        nonce=random(16),
        op="inception",
        prev=Digest(ZERO),
        rotation=[signing_key(each).public for each in rotation],
        seq=0,
        threshold=needed,
    )
    op = sign_op(inception, [signing_key(each) for each in rotation])
    _require_sound_name(op, name)
    draft = KeyDraft([op], lock=None, random=random, now_ms=now_ms)
    draft.put_sheets(rotation, next_)
    draft.put(MANAGER, seed)
    draft.add_writer(manager)
    draft.add_prekey(manager)
    draft.make(home)
    return load_keyring(home)


def _require_sound_name(op: KeyOp, name: str) -> None:
    try:
        fold_key_log([op])
    except ProtocolError as exc:
        detail = f"expected a name of 1 to 120 characters on one line, got {name[:130]!r}"
        raise Refusal("key.name", detail) from exc
