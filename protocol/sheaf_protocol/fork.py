"""The proof that a writer forked its log: two branches from one place (spec 05, section 5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta

from sheaf_protocol.codec import decode
from sheaf_protocol.digest import Digest, EntryId, LogId, digest
from sheaf_protocol.envelope import Header, decode_header, entry_id, verify_header
from sheaf_protocol.errors import RemoteProtocolError
from sheaf_protocol.limits import MAX_FORK_PROOF, MAX_UNSIGNED
from sheaf_protocol.proof import HeaderBytes, Proof, SignatureBytes, chain_to, require_chain

if TYPE_CHECKING:
    from collections.abc import Sequence


class Branch(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One side of a fork: the header at the forked place, and those after it up to a signed one."""

    headers: Annotated[list[HeaderBytes], Meta(min_length=1, max_length=MAX_UNSIGNED)]
    signature: SignatureBytes
    """Over the last of the headers."""

    @property
    def header(self) -> bytes:
        """The header at the forked place."""
        return self.headers[0]

    @property
    def id(self) -> EntryId:
        """The id of the entry at the forked place."""
        return entry_id(self.header)

    @property
    def size(self) -> int:
        """Bytes that count against a link's credit."""
        return sum(map(len, self.headers)) + len(self.signature)


class ForkProof(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Two entries that one writer vouched for at one place of one log.

    Whoever holds it needs nothing else.
    """

    first: Branch
    second: Branch

    @property
    def id(self) -> Digest:
        """The proof's id: over the two entries, whichever later signatures vouch for them."""
        return digest("fork-proof", self.first.id, self.second.id)

    @property
    def size(self) -> int:
        """Bytes that count against a link's credit."""
        return self.first.size + self.second.size


def make_branch(headers: Sequence[bytes], proof: Proof) -> Branch:
    """Return the branch of these consecutive headers, the last of them proven by `proof`.

    For what is held already, so nothing is verified again: `[header], signature` for an entry with
    its own, `[header], tail` for one without, or all headers up to one whose proof is kept.
    Raises LocalProtocolError `log.tail` where the signature would stand too far on.
    """
    return Branch(*chain_to(headers, proof, MAX_UNSIGNED))


def make_fork_proof(one: Branch, other: Branch) -> ForkProof:
    """Return the proof over two branches, in the order of the ids of their first entries.

    Raises RemoteProtocolError as `verify_fork_proof` does, where the two prove nothing.
    """
    proof = ForkProof(*sorted((one, other), key=lambda branch: branch.id))
    verify_fork_proof(proof)
    return proof


def open_fork_proof(proof: ForkProof) -> Header:
    """Return the first header of a proof whose form is right, no signature checked.

    Ask with it whether the writer is known, before `verify_fork_proof` makes two checks.
    Raises RemoteProtocolError: `fork.other_place`, `fork.same_entry`, and those of `decode_header`.
    """
    first, second = decode_header(proof.first.header), decode_header(proof.second.header)
    if (first.log, first.seq) != (second.log, second.seq):
        raise RemoteProtocolError("fork.other_place", "expected one place of one log")
    if not proof.first.id < proof.second.id:
        raise RemoteProtocolError("fork.same_entry", "expected two entries in the order of ids")
    return first


def verify_fork_proof(proof: ForkProof) -> Header:
    """Return the first header of a valid proof.

    Raises RemoteProtocolError: those of `open_fork_proof`, `log.bad_prev`, `log.tail` (headers that
    are no chain of one log), `env.signature`.
    """
    header = open_fork_proof(proof)
    for branch in (proof.first, proof.second):
        require_chain(branch.headers[1:], branch.id, decode_header(branch.header))
        verify_header(header.wid, branch.headers[-1], branch.signature)
    return header


def decode_fork_proof(data: bytes) -> ForkProof:
    """Return the proof of received bytes, not yet verified."""
    return decode(data, ForkProof, limit=MAX_FORK_PROOF)


def fork_leaf(log: LogId, seq: int, before: EntryId) -> Digest:
    """Return the digest that stands for a forked log in every replica, whichever branch it saw.

    `before` is the entry below the fork, so that replicas which agree on the place and not on what
    counts below it notice: one of the two then knows of an earlier fork.
    """
    return digest("fork", log, seq.to_bytes(8, "big"), before)
