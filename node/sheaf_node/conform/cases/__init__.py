"""The cases, by what they are about; importing this package fills the catalogue."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

from sheaf_node.conform.listener import path_of
from sheaf_node.conform.model import CATALOGUE, Surface

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sheaf_node.conform.model import Case

MODULES: Final = (
    "discovery",
    "hello",
    "proof",
    "frame",
    "message",
    "entry",
    "entry_fault",
    "log",
    "log_range",
    "control",
    "control_certificate",
    "comparing",
    "subscription",
    "blob",
    "erasure",
    "limits",
    "dialled",
    "door",
    "lists",
    "evil_fork",
    "evil_replay",
    "evil_withhold",
    "evil_push",
    "evil_proof",
    "evil_writer",
    "evil_charter",
    "sequence_pool",
    "sequence_table",
    "sequence_effect",
    "restoring",
    "last",
)


def dialled_paths() -> Sequence[str]:
    """Return the paths of the kit's own port that the node under test is to dial."""
    return [path_of(each.id) for each in all_cases() if each.surface is Surface.DIALLED]


def all_cases() -> Sequence[Case]:
    """Return every case of the kit, in the order of the modules."""
    for name in MODULES:
        import_module(f"{__name__}.{name}")
    return CATALOGUE.cases
