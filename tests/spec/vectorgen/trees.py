"""The digest tree of chapter 06 over logs given as id, number and head."""

from __future__ import annotations

from typing import NamedTuple

from kit import ZERO, hashed


class Log(NamedTuple):
    """One log as held."""

    id: bytes
    seq: int
    head: bytes

    @property
    def leaf(self) -> bytes:
        """What stands for the log under a digest."""
        return self.id + self.seq.to_bytes(8) + self.head


def part_digest(prefix: str, logs: list[Log]) -> bytes:
    """Return the digest of the logs whose ids begin with a prefix."""
    below = sorted(log for log in logs if log.id.hex().startswith(prefix))
    if not below:
        return ZERO
    if len(below) <= 16:
        return hashed("frontier-leaf", *(log.leaf for log in below))
    return hashed("frontier-node", *node_digests(prefix, below))


def node_digests(prefix: str, logs: list[Log]) -> list[bytes]:
    """Return the digests of the sixteen parts one digit longer than a prefix."""
    return [part_digest(prefix + digit, logs) for digit in "0123456789abcdef"]
