"""The library's example runs as it stands, in an interpreter of its own."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

README = Path(__file__).parents[2] / "protocol" / "README.md"


def test_the_example_of_the_protocol_library_runs():
    [code] = re.findall(r"```python\n(.*?)```", README.read_text(), flags=re.DOTALL)

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )

    assert done.stderr == ""
    assert done.stdout == "40\n"
