"""What people and programs of a co-op keep at their node beside its log: drafts, seats, webhooks,
kinds of extensions, tokens and services of other processes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from sheaf_node.api import Tokens
from sheaf_node.api.webhooks import event_bytes
from sheaf_node.drafts import DraftLedger, Drafts
from sheaf_node.hosting import choose_federation
from sheaf_node.kinds import Kinds
from sheaf_node.remote import Remotes
from sheaf_node.seats import Seating, SeatShelf
from sheaf_node.webhooks import Desk, Ledger, Posting, Sending

if TYPE_CHECKING:
    from contextlib import AsyncExitStack
    from pathlib import Path

    from sheaf_node.app import Node


@dataclass(frozen=True, slots=True)
class Desks:
    """All of them, each with what it keeps in the home."""

    tokens: Tokens
    remotes: Remotes
    drafts: Drafts
    seating: Seating
    kinds: Kinds
    webhooks: Desk
    sending: Sending


async def open_desks(stack: AsyncExitStack, node: Node, home: Path) -> Desks:
    """Open them; what they keep open is closed with the stack."""
    draft_ledger = DraftLedger(home)
    stack.callback(draft_ledger.close)
    drafts = make_drafts(node, draft_ledger)
    seating = make_seating(node, home, drafts)
    await seating.lists.settle()
    kinds, ledger = Kinds(home), Ledger(home)
    stack.callback(ledger.close)
    webhooks = _webhooks(node, ledger)
    return Desks(
        tokens=Tokens(home, clock=node.parts.clock, random=node.parts.random),
        remotes=Remotes(home, node.parts),
        drafts=drafts,
        seating=seating,
        kinds=kinds,
        webhooks=webhooks,
        sending=_sending(node, ledger, webhooks, kinds),
    )


def make_drafts(node: Node, ledger: DraftLedger) -> Drafts:
    """Return what people of a node, and its seats, prepare."""
    return Drafts(
        ledger,
        store=node.parts.store,
        ingest=node.parts.ingest,
        hosts=node.hosts.by_federation,
        clock=node.parts.clock,
        random=node.parts.random,
    )


def make_seating(node: Node, home: Path, drafts: Drafts) -> Seating:
    """Return what a node does for its seats."""
    seats = node.config.seats
    host = f"[{seats.host}]" if ":" in seats.host else seats.host
    own = f"http://{host}:{seats.port}" if seats.port else ""
    return Seating(
        SeatShelf(home),
        ingest=node.parts.ingest,
        hosts=node.hosts.by_federation,
        clock=node.parts.clock,
        random=node.parts.random,
        sponsor=node.config.name,
        drafts=drafts,
        url=(seats.url or own) if seats.port else "",
    )


def _webhooks(node: Node, ledger: Ledger) -> Desk:
    """Return what a co-op's people do with its webhooks."""
    parts = node.parts
    return Desk(
        ledger,
        parts.store,
        partial(choose_federation, parts.ingest.federations),
        clock=parts.clock,
        random=parts.random,
    )


def _sending(node: Node, ledger: Ledger, desk: Desk, kinds: Kinds) -> Sending:
    """Return what sends to webhooks what arrives."""
    parts = node.parts
    return Sending(
        ledger,
        Posting(),
        store=parts.store,
        arrivals=parts.arrivals,
        changes=desk.changes,
        clock=parts.clock,
        random=parts.random,
        told=partial(event_bytes, kinds=kinds),
    )
