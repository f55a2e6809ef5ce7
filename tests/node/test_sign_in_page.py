"""The sign-in page in a real browser: its script runs under its policy, and the code is gone."""

from __future__ import annotations

import asyncio
import shutil
from typing import TYPE_CHECKING

import pytest
from tests.node.local_port import local_port

if TYPE_CHECKING:
    from pathlib import Path

BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
PATIENCE_S = 120


async def shown(url: str, profile: Path) -> str:
    """Return what a page is once its scripts have run."""
    assert BROWSER is not None
    process = await asyncio.create_subprocess_exec(
        *(BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"),
        *(f"--user-data-dir={profile}", "--virtual-time-budget=20000", "--dump-dom", url),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(PATIENCE_S):
            output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return output.decode()


@pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")
async def test_a_browser_is_signed_in_by_its_link_once(tmp_path: Path) -> None:
    async with local_port(tmp_path) as port:
        made = await port.ask("POST", "/api/v1/session/links", json={})
        link = made.body["link"]

        first = await shown(link, tmp_path / "one")
        again = await shown(link, tmp_path / "two")
        ended = await port.ask("DELETE", "/api/v1/sessions")

    assert "You are signed in. This browser may look and act until" in first
    assert "This link does not hold" in again
    assert ended.body == {"ended": 1}
