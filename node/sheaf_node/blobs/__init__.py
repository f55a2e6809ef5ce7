"""Blobs on this node: what it holds, and what it is fetching from peers (spec 06, section 8)."""

from sheaf_node.blobs.fetching import Fetching, Progress
from sheaf_node.blobs.holding import Blobs

__all__ = ["Blobs", "Fetching", "Progress"]
