"""What each message of a peer means to this node, and what the peer pays for it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, assert_never

from sheaf_node.peering.exchanges import require_peer
from sheaf_node.peering.policy import EMPTY_WANT, work
from sheaf_protocol.digest import short
from sheaf_protocol.link.messages import (
    BlobEnd,
    BlobPiece,
    BlobWant,
    Bye,
    Compare,
    ControlHave,
    ControlItems,
    ControlWant,
    Credit,
    DataMessage,
    Entries,
    Have,
    Idle,
    Lagged,
    Payloads,
    PayloadWant,
    Reject,
    Scope,
    Served,
    Subscribe,
    Tree,
    TreeWant,
    Want,
    cost,
)

if TYPE_CHECKING:
    from sheaf_node.peering.blob_exchange import BlobExchange
    from sheaf_node.peering.conduct import Conduct
    from sheaf_node.peering.control_exchange import ControlExchange
    from sheaf_node.peering.credit import Crediting
    from sheaf_node.peering.exchange import Exchange
    from sheaf_node.peering.exchanges import Exchanges
    from sheaf_node.peering.shared import Shared
    from sheaf_protocol.digest import FederationId
    from sheaf_protocol.link import Link
    from sheaf_protocol.link.messages import (
        BlobMessage,
        EntryMessage,
        Message,
        PayloadMessage,
    )

_LOG = logging.getLogger("sheaf.peering")


class Hearing:
    """The reader's side of one link: hands each message to what it is for."""

    def __init__(
        self,
        link: Link,
        shared: Shared,
        *,
        conduct: Conduct,
        control: ControlExchange,
        exchanges: Exchanges,
        blobs: BlobExchange,
        credit: Crediting,
    ) -> None:
        self._link, self._shared, self._conduct = link, shared, conduct
        self._control, self._exchanges, self._blobs = control, exchanges, blobs
        self._credit = credit

    async def take(self, message: Message, fid: FederationId | None) -> None:
        """Take one message, of a federation or, where that is None, of the link as a whole.

        Raises RemoteProtocolError where the peer broke a rule by it; the link is then to end.
        """
        if fid is None and isinstance(message, DataMessage):
            # LNK-31: it was sent before the peer heard that we withdrew.
            self._conduct.spend(work(message))
            self._credit.note(message)
            return
        self._charge(message, fid)
        await self._leave_unread(message)
        match message:
            case ControlHave():
                self._control.hear_have(message)
            case ControlWant():
                self._control.hear_want(message, require_peer(self._link).cid)
            case ControlItems():
                await self._control.take(message)
                self._credit.note(message)
            case Scope():
                self._exchanges.their_store = message.store_id
                self._exchanges.withdraw()
                self._blobs.withdraw()
                self._control.recheck()
                self._blobs.wake()
            case Idle():
                self._hear_idle(message)
            case Reject():
                _LOG.info("peer refused entry %s: %s", short(message.entry), message.code)
            case Credit() | Bye():
                pass
            case BlobWant() | BlobPiece() | BlobEnd():
                await self._take_blob(message, self._exchanges.of(fid).fid)
            case Subscribe() | PayloadWant() | Payloads():
                await self._take_payload(message, self._exchanges.of(fid))
            case (
                Compare() | Have() | Tree() | TreeWant() | Want() | Entries() | Served() | Lagged()
            ):
                await self._take_data(message, self._exchanges.of(fid))
            case _:
                assert_never(message)

    async def _take_blob(self, message: BlobMessage, fid: FederationId) -> None:
        match message:
            case BlobWant():
                if not self._blobs.hear_want(message, fid):
                    self._conduct.spend(EMPTY_WANT)
            case BlobPiece():
                await self._blobs.take(message, fid)
                self._credit.note(message)
            case BlobEnd():
                if not self._blobs.hear_end(message, fid, self._shared.clock.now_ms()):
                    self._conduct.strike(
                        "link.withheld", "pieces that were said to be sent did not come"
                    )
            case _:
                assert_never(message)

    async def _take_payload(self, message: PayloadMessage, exchange: Exchange) -> None:
        match message:
            case Subscribe():
                exchange.payloads.hear_subscribe(message)
            case PayloadWant():
                if not exchange.hear_payload_want(message):
                    self._conduct.spend(EMPTY_WANT)
            case Payloads():
                await exchange.payloads.take(message, self._shared.clock.now_ms())
                self._credit.note(message)
            case _:
                assert_never(message)

    async def _take_data(self, message: EntryMessage, exchange: Exchange) -> None:
        now_ms = self._shared.clock.now_ms()
        match message:
            case Compare():
                exchange.comparing.hear_compare(message)
            case Have():
                exchange.hear_have(message, now_ms)
                self._shared.stir()
            case Tree():
                exchange.comparing.hear_tree(message)
                self._shared.stir()
            case TreeWant():
                exchange.comparing.hear_tree_want(message)
            case Lagged():
                exchange.comparing.hear_lagged()
            case Want():
                if not exchange.hear_want(message):
                    self._conduct.spend(EMPTY_WANT)
            case Served():
                if not exchange.hear_served(now_ms):
                    self._conduct.strike(
                        "link.withheld", "entries that were announced did not come"
                    )
            case Entries():
                results = await exchange.take(message, now_ms)
                self._credit.note(message)
                self._blobs.hear_other(now_ms)
                self._conduct.judge(results, message.envelopes, require_peer(self._link).wid)
            case _:
                assert_never(message)

    def _charge(self, message: Message, fid: FederationId | None) -> None:
        """Make the peer pay for what it makes us do."""
        if isinstance(message, Compare) and self._exchanges.of(fid).has_root(message.root):
            return
        self._conduct.spend(work(message))

    async def _leave_unread(self, message: Message) -> None:
        """Let others have their turn where the peer brings more than its share."""
        if not isinstance(message, Entries | Payloads | BlobPiece):
            return
        shared, cid = self._shared, require_peer(self._link).cid
        now_ms = shared.clock.now_ms()
        entries = len(message.envelopes) if isinstance(message, Entries) else 0
        wait_ms = shared.shares.wait_ms(cid, cost(message), now_ms, entries=entries)
        shared.shares.activity.note(cid, entries, now_ms)
        if wait_ms:
            await shared.clock.sleep_ms(wait_ms)

    def _hear_idle(self, message: Idle) -> None:
        """Compare each federation where not all of them are as the peer has them."""
        if message.digest == self._exchanges.roots():
            return
        for fid in self._link.in_order:
            self._exchanges.of(fid).comparing.begin()
