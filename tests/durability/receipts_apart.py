"""A node with a planted fault: receipts are kept after their entries, in a commit of their own.

`python -m tests.durability.receipts_apart serve --home FOLDER` runs it like `sheaf serve`.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from sheaf_node import app
from sheaf_node.cli.main import main
from sheaf_node.ingest import Ingest
from sheaf_node.store.effects import Effects

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sheaf_node.ingest import Draft
    from sheaf_node.store import StoredEntry
    from sheaf_node.store.receipt import NewReceipt
    from sheaf_protocol.digest import FederationId

LATE_S = 0.2
"""Between the two: what a busy disk takes for a commit, and most of what a request takes, so that
few kills miss it."""


class Apart(Ingest):
    """Publishes, and then keeps the receipt."""

    async def publish(
        self, fid: FederationId, drafts: Sequence[Draft], *, receipt: NewReceipt | None = None
    ) -> list[StoredEntry]:
        entries = await super().publish(fid, drafts)
        if receipt is not None:
            await asyncio.sleep(LATE_S)
            # The later commit has no entries of its own, and the reply tells of those before.
            told = receipt.reply(Effects(entries=entries))
            await self.keep(replace(receipt, reply=lambda _: told))
        return entries


if __name__ == "__main__":
    app.Ingest = Apart  # type: ignore[misc]  # the fault
    main()
