"""A home in which there is something of everything beside the logs, by the node's own modules."""

from __future__ import annotations

import json
import os
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from sheaf_node.api import Tokens
from sheaf_node.api.route import Scope
from sheaf_node.clock import ManualClock
from sheaf_node.drafts import DraftLedger
from sheaf_node.joining.shelf import Kept, Shelf
from sheaf_node.kinds import Kinds
from sheaf_node.peering.saved import Saved
from sheaf_node.plugins.installed import Installed
from sheaf_node.plugins.service_folder import read_folder
from sheaf_node.plugins.storage import FileStorage
from sheaf_node.seats import SeatShelf
from sheaf_node.seats.model import KeptLink, KeptSeat, link_id
from sheaf_node.webhooks import Delivery, Ledger, Webhook
from sheaf_node.webhooks.model import Stage
from sheaf_node.webhooks.signature import new_secret
from sheaf_protocol.digest import CoopId, EntryId
from sheaf_protocol.testing.author import START_MS

from .storing import FID
from .test_kinds import PRICE

if TYPE_CHECKING:
    from sheaf_node.plugins.installed import Grant

DAY_MS = 86_400_000
EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "price_alert"
SEAT = KeptSeat(cid="c0" * 32, name="Croft", added_ms=START_MS)
PLAIN = 'name = "plain"\nversion = "1"\ntitle = "Plain"\nfollows = ["demand.submit"]\n'
MORE = "storage_bytes = 2000\n"
PASSWORD = "smtp-canary-5b1e"  # noqa: S105 - looked for on the disk


def link(number: int, **changes: object) -> KeptLink:
    told = {
        "id": link_id(bytes([number]) * 32),
        "seat": SEAT.cid,
        "asks": "approve",
        "list": "item,quantity\nfeed,1\n",
        "fid": FID.hex(),
        "created_ms": START_MS,
        "expires_ms": START_MS + 7 * DAY_MS,
    }
    return KeptLink(**told | changes)  # type: ignore[arg-type]


def webhook(number: int, cursor: int = 0) -> Webhook:
    return Webhook(
        id=bytes([number] * 8).hex(),
        url=f"https://erp{number}.example/in?key=path-canary",
        secret=new_secret(os.urandom),
        kinds=["*"],
        fid=None,
        allow_loopback=False,
        created_ms=START_MS + number,
        cursor=cursor,
    )


def delivery(hook: Webhook, entry: EntryId, arrival: int, stage: Stage = Stage.PENDING) -> Delivery:
    return Delivery(
        id=f"msg_{hook.id}_{entry.hex()[:32]}",
        webhook=hook.id,
        entry=entry,
        arrival=arrival,
        kind="x.note",
        next_ms=START_MS,
        stage=stage,
        made_ms=START_MS,
    )


@dataclass
class Lively:
    """What was put into a home."""

    home: Path
    token: str
    hook: Webhook
    grants: list[Grant] = field(default_factory=list)

    @property
    def secrets(self) -> list[bytes]:
        """What must not stand on any disk in clear but in the home itself."""
        keys = [path.read_bytes() for path in (self.home / "keys").glob("*.key")]
        return [*keys, self.hook.secret.encode(), PASSWORD.encode(), b"path-canary"]


def tokens_of(home: Path) -> Tokens:
    return Tokens(home, clock=ManualClock(START_MS), random=os.urandom)


def enliven(home: Path, folder: Path, entries: list[EntryId]) -> Lively:
    """Put something of each sort into a home whose store has these entries, in order of arrival."""
    shelf = SeatShelf(home)
    shelf.add(SEAT)
    shelf.put_link(link(1), START_MS)
    shelf.put_link(link(2, answered_ms=START_MS + 1, published=1), START_MS)
    invitation = Kept(
        key="ab" * 32,
        fid=FID.hex(),
        created_ms=START_MS,
        expires_ms=START_MS + DAY_MS,
        roles=["member"],
    )
    Shelf(home).add(invitation, START_MS)
    Kinds(home).add(json.dumps(PRICE).encode())
    saved = [(CoopId(b"\x01" * 32), "wss://mill.example")]
    Saved(home).note(saved, START_MS)
    DraftLedger(home).close()
    token = tokens_of(home).create("ci", [Scope.READ])
    made = Lively(home, token, _hooked(home, entries))
    for source, is_inside in ((EXAMPLE, True), (_plain(folder), False)):
        read = read_folder(source)
        grant = Installed(home).add(read, granted_ms=START_MS, is_inside=is_inside)
        made.grants.append(grant)
    storage = FileStorage(Installed(home).storage("plain"), most_bytes=2_000)
    storage.write({"password": PASSWORD}, schema_version=1)
    storage.close()
    return made


def _hooked(home: Path, entries: list[EntryId]) -> Webhook:
    """Make a webhook that has one delivery of each sort: taken, given up, waiting."""
    hook = webhook(1, cursor=len(entries) - 1)
    stages = [Stage.DELIVERED, Stage.DEAD, Stage.PENDING]
    rows = [
        delivery(hook, entry, number, stage)
        for number, (entry, stage) in enumerate(zip(entries, stages, strict=False), start=1)
    ]
    with closing(Ledger(home)) as ledger:
        ledger.begin(b"\x07" * 16, 0)
        ledger.keep(hook)
        ledger.note(hook, rows)
    return hook


def _plain(folder: Path) -> Path:
    source = folder / "plain"
    (source / "inner").mkdir(parents=True, exist_ok=True)
    (source / "sheaf-service.toml").write_text(PLAIN + MORE)
    (source / "inner" / "Read me.txt").write_text("hello")
    return source


def files_in(home: Path) -> list[str]:
    """Return the names of all files in a home, from the home on."""
    paths = (path for path in home.rglob("*") if not path.is_dir())
    return sorted(path.relative_to(home).as_posix() for path in paths)
