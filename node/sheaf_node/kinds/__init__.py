"""Kinds of extensions that a co-op has installed, each with a JSON Schema (spec 14, section 3)."""

from sheaf_node.kinds.fitting import Budget, Misfit, misfits
from sheaf_node.kinds.folder import Kinds
from sheaf_node.kinds.schema import ExtensionKind, read_kind

__all__ = ["Budget", "ExtensionKind", "Kinds", "Misfit", "misfits", "read_kind"]
