"""Invitations: made, answered on the peer port, and followed (spec chapter 19)."""

from sheaf_node.joining.calling import call
from sheaf_node.joining.inviting import Inviting, Wish
from sheaf_node.joining.nearby import find_near, hearing, look
from sheaf_node.joining.shelf import Shelf
from sheaf_node.joining.welcoming import Welcoming

__all__ = ["Inviting", "Shelf", "Welcoming", "Wish", "call", "find_near", "hearing", "look"]
