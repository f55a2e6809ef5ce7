"""A node with a planted fault: receipts are kept after their entries, in a commit of their own.

`python -m tests.durability.receipts_apart serve --home FOLDER` runs it like `sheaf serve`.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from sheaf_node import app
from sheaf_node.cli.main import main
from sheaf_node.ingest import Ingest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sheaf_node.ingest import Draft
    from sheaf_node.store import StoredEntry
    from sheaf_node.store.receipt import NewReceipt
    from sheaf_protocol.digest import FederationId

LATE_S = 0.02
"""Between the two: what a busy disk takes for a commit."""


class Apart(Ingest):
    """Publishes, and then keeps the receipt."""

    async def publish(
        self, fid: FederationId, drafts: Sequence[Draft], *, receipt: NewReceipt | None = None
    ) -> list[StoredEntry]:
        entries = await super().publish(fid, drafts)
        if receipt is not None:
            await asyncio.sleep(LATE_S)
            await self.keep(receipt)
        return entries


if __name__ == "__main__":
    app.Ingest = Apart  # type: ignore[misc]  # the fault
    main()
