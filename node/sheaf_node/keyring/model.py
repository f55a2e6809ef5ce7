"""What a node signs and opens with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sheaf_protocol.digest import CoopId, WriterId
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sheaf_protocol.identity import KeyOp, SigningKey


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Keyring:
    """What this node signs and opens with, and the key log that says it may."""

    cid: CoopId
    writer: SigningKey
    manager: SigningKey | None
    """Signs charters and renewals. A node runs without it, until its keys end."""
    prekeys: list[tuple[bytes, bytes]]
    """Public and secret half of each sealing key, oldest first. Grows when one is renewed while the
    node runs; whoever holds the keyring then opens with the new one too."""
    key_ops: Sequence[KeyOp]

    @property
    def wid(self) -> WriterId:
        """The id of this installation's writer."""
        return WriterId(self.writer.public)

    def require_manager(self) -> SigningKey:
        """Return the manager key. Raises Refusal `key.missing` where it was moved away."""
        if self.manager is None:
            detail = "expected the manager key in keys/manager.key, to sign with: bring it back"
            raise Refusal("key.missing", f"{detail} for this command")
        return self.manager

    def __repr__(self) -> str:
        return f"Keyring(cid={self.cid.hex()[:8]}, wid={self.wid.hex()[:8]})"
