"""From records that a service publishes to drafts for the log, private kinds sealed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sheaf_node.ingest import Draft
from sheaf_node.plugins.service import Extension
from sheaf_protocol.codec import encode
from sheaf_protocol.envelope import SEALED
from sheaf_protocol.errors import LocalProtocolError
from sheaf_protocol.records import PRIVATE, kind_of
from sheaf_protocol.records.extension import extension_body
from sheaf_protocol.sealing import Author, seal_private

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sheaf_node.clock import Randomness
    from sheaf_node.keyring import Keyring
    from sheaf_protocol.digest import CoopId, EntryId, FederationId
    from sheaf_protocol.identity import KeyLog
    from sheaf_protocol.records import Record


@dataclass(frozen=True, slots=True)
class Publication:
    """A record to be published, the entries it names and whom it is for."""

    record: Record | Extension
    refs: tuple[EntryId, ...]
    to: tuple[CoopId, ...]


class Publications:
    """What a service asked to publish in this turn, in order."""

    def __init__(self) -> None:
        self._items: list[Publication] = []

    def add(
        self, record: Record | Extension, refs: Sequence[EntryId], to: Sequence[CoopId]
    ) -> None:
        """Add one record."""
        self._items.append(Publication(record, tuple(refs), tuple(to)))

    def clear(self) -> None:
        """Forget all."""
        self._items.clear()

    def drafts(
        self,
        fid: FederationId,
        *,
        keyring: Keyring,
        key_logs: Mapping[CoopId, KeyLog],
        now_ms: int,
        random: Randomness,
        left_out: Callable[[LocalProtocolError], None],
    ) -> list[Draft]:
        """Return the drafts in order, without those that cannot be sealed now.

        For each of these `left_out` is called with the refusal `seal.recipient`.
        """
        author, drafts = Author(fid, keyring.cid, keyring.wid), []
        for item in self._items:
            try:
                prekeys = _prekeys(item, keyring.cid, key_logs, now_ms)
                drafts.append(_draft(item, author, prekeys, random, now_ms=now_ms))
            except LocalProtocolError as exc:
                # A prekey of small order shows only when it is sealed to (ENV-12).
                if exc.code != "seal.recipient":
                    raise
                left_out(exc)
        return drafts


def _draft(
    item: Publication,
    author: Author,
    prekeys: Sequence[bytes],
    random: Randomness,
    *,
    now_ms: int,
) -> Draft:
    kind, body = _spoken(item.record)
    if kind not in PRIVATE:
        return Draft(kind=kind, refs=list(item.refs), body=body, decided_ms=now_ms)
    sealed = seal_private(kind, item.refs, body, prekeys, author=author, random=random(56))
    return Draft(kind=SEALED, refs=[], body=sealed, decided_ms=now_ms)


def _spoken(record: Record | Extension) -> tuple[str, bytes]:
    if isinstance(record, Extension):
        return record.kind, extension_body(record.value)
    return kind_of(record), encode(record)


def _prekeys(
    item: Publication, own: CoopId, key_logs: Mapping[CoopId, KeyLog], now_ms: int
) -> list[bytes]:
    """Return the prekeys to seal to; we always read our own words again."""
    if isinstance(item.record, Extension) or kind_of(item.record) not in PRIVATE:
        return []
    prekeys = []
    for cid in dict.fromkeys((own, *item.to)):
        log = key_logs.get(cid)
        prekey = log.prekey_at(now_ms) if log is not None else None
        if prekey is None:
            detail = f"expected a prekey of {cid.hex()[:8]} that is still valid"
            raise LocalProtocolError("seal.recipient", detail)
        prekeys.append(bytes(prekey.key))
    return prekeys
