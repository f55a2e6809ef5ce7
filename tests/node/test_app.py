"""The composition root hands each part what the settings say."""

import os
from pathlib import Path

import pytest

from sheaf_node.app import open_node
from sheaf_node.clock import ManualClock
from sheaf_node.config import CONFIG_FILE, initial_config
from sheaf_node.keyring import create_keyring
from sheaf_protocol.errors import RemoteProtocolError
from sheaf_protocol.testing.author import START_MS, make_coop


def home_with(tmp_path: Path, limits: str) -> Path:
    settings = initial_config(name="Hill Farm", peer_port=8440, local_port=8441)
    create_keyring(tmp_path, name="Hill Farm", country="GB", random=os.urandom, now_ms=START_MS)
    (tmp_path / CONFIG_FILE).write_text(f"{settings}\n[limits]\n{limits}\n")
    return tmp_path


async def test_the_limit_on_key_logs_is_the_one_in_the_settings(tmp_path: Path) -> None:
    home, stranger = home_with(tmp_path, "key_logs = 1"), make_coop("Stranger")

    async with open_node(home, clock=ManualClock(START_MS), random=os.urandom) as node:
        with pytest.raises(RemoteProtocolError) as refusal:
            await node.parts.ingest.receive_key_ops(stranger.cid, stranger.key_ops)

    assert refusal.value.code == "key.quota"
