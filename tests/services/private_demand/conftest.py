"""The village, founded and running."""

from __future__ import annotations

from typing import Any

import pytest
from tests.services.private_demand.village import Village


@pytest.fixture
async def village(federation: Any) -> Village:
    made = Village(federation)
    await federation.begin()
    return made


@pytest.fixture(scope="session")
def make_village() -> type[Village]:
    return Village
