"""One target under libFuzzer, in a process of its own: `python -m tests.fuzz.worker codec ...`.

What follows the target's name goes to libFuzzer as it stands. The instrumentation happens while
modules are imported, so nothing of the protocol may be imported before it.
"""

from __future__ import annotations

import sys

import atheris  # type: ignore[import-untyped]  # it has no annotations

with atheris.instrument_imports(include=["sheaf_protocol", "tests.fuzz"]):
    from tests.fuzz.target import load

    target = load(sys.argv[1])

atheris.Setup([sys.argv[0], *sys.argv[2:]], target.run)
atheris.Fuzz()
