"""A Merkle tree over private leaves, with proofs that one leaf is under a published root.

Leaves and nodes are hashed under different tags, so that no node can be passed off as a leaf.
An odd node is carried up unchanged instead of being doubled, which would give two lists one root
(spec 10, AWD-4).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sheaf_protocol.digest import ZERO, Digest, digest
from sheaf_protocol.errors import Fault, RemoteProtocolError

if TYPE_CHECKING:
    from collections.abc import Sequence


def leaf_hash(leaf: bytes) -> Digest:
    """Return the hash of one leaf's canonical bytes."""
    return digest("leaf", leaf)


def root(leaves: Sequence[bytes]) -> Digest:
    """Return the root over the leaves in order; 32 zero bytes over none."""
    return root_over([leaf_hash(leaf) for leaf in leaves])


def root_over(hashes: Sequence[Digest]) -> Digest:
    """Return the root over leaves of which the hashes are at hand."""
    level = list(hashes)
    if not level:
        return Digest(ZERO)
    while len(level) > 1:
        level = _parents(level)
    return level[0]


def proof(leaves: Sequence[bytes], index: int) -> list[Digest]:
    """Return the siblings from the leaf at `index` up to the root, absent where carried up."""
    return path_among([leaf_hash(leaf) for leaf in leaves], index)


def path_among(hashes: Sequence[Digest], index: int) -> list[Digest]:
    """Return the same proof where the leaves' hashes are at hand."""
    level = list(hashes)
    path = []
    while len(level) > 1:
        sibling = index ^ 1
        if sibling < len(level):
            path.append(level[sibling])
        level = _parents(level)
        index //= 2
    return path


def is_included(leaf: bytes, index: int, size: int, path: Sequence[bytes], root_: bytes) -> bool:
    """Return whether the leaf stands at `index` of the `size` leaves under the root."""
    return root_above(leaf, index, size, path) == root_


def root_above(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> Digest | None:
    """Return the root that a path leads to from the leaf at `index` of `size` leaves.

    None where the path is not of the length that this place has.
    """
    if not 0 <= index < size:
        return None
    node, rest = leaf_hash(leaf), list(path)
    while size > 1:
        if index ^ 1 < size:
            if not rest:
                return None
            sibling = Digest(rest.pop(0))
            node = _parent(sibling, node) if index % 2 else _parent(node, sibling)
        index //= 2
        size = (size + 1) // 2
    return None if rest else node


def require_included(
    leaf: bytes, index: int, size: int, path: Sequence[bytes], root_: bytes
) -> None:
    """Return if the leaf stands under the root, else raise `merkle.proof` (AWD-5)."""
    if not is_included(leaf, index, size, path, root_):
        detail = f"expected a path from leaf {index} of {size} to the root"
        raise RemoteProtocolError("merkle.proof", detail, Fault.AUTHOR)


def _parents(level: list[Digest]) -> list[Digest]:
    pairs = zip(level[::2], level[1::2], strict=False)
    above = [_parent(left, right) for left, right in pairs]
    return above + level[-1:] if len(level) % 2 else above


def _parent(left: bytes, right: bytes) -> Digest:
    return digest("node", left, right)
