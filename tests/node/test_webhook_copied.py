"""Webhooks of a home that came back from a copy: held, then sent all that they may have missed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.node.receiver import receiving
from tests.node.test_webhook_sending import opened

from sheaf_node.backup.beside import database_bytes
from sheaf_node.backup.laying import forget_store_id
from sheaf_node.webhooks.copied import hold_back, join_store
from sheaf_node.webhooks.model import Stage, State
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from pathlib import Path


def put_back(folder: Path, webhooks: bytes) -> None:
    """Put webhooks of another day beside a store, which passes for another from then on."""
    for name in ("webhooks.db", "webhooks.db-wal", "webhooks.db-shm"):
        (folder / name).unlink(missing_ok=True)
    (folder / "webhooks.db").write_bytes(webhooks)
    forget_store_id(folder / "sheaf.db")


async def test_what_was_sent_since_the_backup_is_sent_once_more_under_its_id(
    tmp_path: Path,
) -> None:
    async with receiving() as receiver:
        async with opened(tmp_path) as home:
            webhook = await home.add(receiver)
            backup = database_bytes(tmp_path / "webhooks.db")
            assert backup is not None
            await home.publish(3)
            await home.until(webhook, Stage.DELIVERED, 3)
        sent = sorted(receiver.ids)
        put_back(tmp_path, backup)
        hold_back(tmp_path)

        async with opened(tmp_path) as home:
            await home.clock.sleep_ms(10 * 3_600_000)
            held, before = await home.desk.find(webhook.id), len(receiver.ids)
            await home.desk.replay(webhook.id, None)
            await home.until(webhook, Stage.DELIVERED, 3)

    assert (held.state, before) == (State.HELD, 3)
    assert sorted(receiver.ids[3:]) == sent


async def test_on_a_way_back_webhooks_go_on_without_a_word(tmp_path: Path) -> None:
    async with receiving() as receiver:
        async with opened(tmp_path) as home:
            webhook = await home.add(receiver)
            await home.publish()
            await home.until(webhook, Stage.DELIVERED, 1)
        join_store(tmp_path)
        forget_store_id(tmp_path / "sheaf.db")

        async with opened(tmp_path) as home:
            await home.publish()
            await home.until(webhook, Stage.DELIVERED, 2)

    assert len(receiver.ids) == len(set(receiver.ids)) == 2


def test_what_is_no_file_of_webhooks_is_refused_and_none_is_nothing(tmp_path: Path) -> None:
    hold_back(tmp_path)
    (tmp_path / "webhooks.db").write_bytes(b"no database, and long enough to tell" * 100)

    with pytest.raises(Refusal, match=r"webhook\.file"):
        hold_back(tmp_path)
