"""What the default suite leaves to a run at length: near twins of what it shows."""

from __future__ import annotations

import os
from typing import Final

import pytest

IS_LONG: Final = bool(os.environ.get("SHEAF_LONG"))
only_at_length: Final = pytest.mark.skipif(not IS_LONG, reason="at length only: set SHEAF_LONG=1")
