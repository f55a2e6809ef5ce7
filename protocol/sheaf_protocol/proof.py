"""What proves a header: its own signature, or a later one that reaches it by `prev` (spec 05).

A header names the id of the one before it, and an id hashes a whole header. So whoever signs an
entry signs all that came before it, and one signature in 64 is enough to be sure of the rest by
comparing ids. What stays bounded is how far a proof reaches: each stretch of `MAX_UNSIGNED` entries
has a signature, so a proof of any entry is at most 64 headers and one signature, small enough to be
one side of a fork proof (`fork.py`).

Nothing is checked before it is asked for. A `Run` holds the entries of one log as they came; the
caller goes through them, finds whether the writer may write at all and whether the entry has its
place, and only then asks whether it is proven. That asks for one signature per stretch, and of each
other entry for no more than two comparisons of numbers.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Annotated, Final, Protocol, TypeAlias

import msgspec
from msgspec import Meta

from sheaf_protocol.codec import decode, encode
from sheaf_protocol.digest import short
from sheaf_protocol.envelope import Envelope, Header, decode_header, entry_id, verify_header
from sheaf_protocol.errors import LocalProtocolError, RemoteProtocolError
from sheaf_protocol.limits import MAX_FRAME, MAX_HEADER, MAX_UNSIGNED, SIGNATURE_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sheaf_protocol.digest import EntryId

REACH: Final = MAX_UNSIGNED - 1
"""How many places on a signature may stand from an entry that it proves."""

HeaderBytes: TypeAlias = Annotated[bytes, Meta(max_length=MAX_HEADER)]
SignatureBytes: TypeAlias = Annotated[
    bytes, Meta(min_length=SIGNATURE_BYTES, max_length=SIGNATURE_BYTES)
]


class Tail(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What proves an entry without a signature: the headers after it up to a signed one."""

    headers: Annotated[list[HeaderBytes], Meta(min_length=1, max_length=REACH)]
    signature: SignatureBytes
    """Over the last of the headers."""

    @property
    def size(self) -> int:
        """Bytes that count against a link's credit."""
        return sum(map(len, self.headers)) + len(self.signature)


Proof: TypeAlias = bytes | Tail
"""What proves an entry: its own signature, or its tail."""


class Checks(enum.Enum):
    """Which of the signatures that came are checked."""

    CHAIN = "chain"
    """The last one of each stretch; the others are dropped."""
    EACH = "each"
    """All of them."""


class Entry(Protocol):
    """An opened entry, as a run needs it."""

    @property
    def id(self) -> EntryId:
        """The hash of the header."""

    @property
    def header(self) -> Header:
        """The decoded header."""

    @property
    def envelope(self) -> Envelope:
        """The bytes as they came; the signature may be empty."""


class Run:
    """Entries of one log, each on the one before, and what came to prove them.

    Made by `split_runs`. Ask `require_proven` for an entry once its writer and place are found
    right, and `proof` for what to keep of one that was proven.
    """

    __slots__ = (
        "_after",
        "_checked",
        "_first",
        "_is_each",
        "_last",
        "_refused",
        "_tail",
        "entries",
    )

    def __init__(
        self,
        entries: Sequence[Entry],
        tail: Tail | None = None,
        checks: Checks = Checks.CHAIN,
    ) -> None:
        self.entries = entries
        self._after = () if tail is None else tuple(tail.headers)
        self._tail = b"" if tail is None else tail.signature
        self._is_each = checks is Checks.EACH
        # Places count from 0 and go on into the tail. The stretch that was proven last:
        self._first, self._last = 0, -1
        self._checked: set[int] = set()
        self._refused: dict[int, RemoteProtocolError] = {}

    def require_proven(self, index: int) -> None:
        """Return if the entry at this place of the run is proven, else raise.

        Checks a signature where none that was checked reaches the entry; each is checked once,
        whatever comes of it.
        Raises RemoteProtocolError: `env.signature` (none within reach, or none that is valid),
        and those of `prove_tail`.
        """
        if self._first <= index <= self._last:
            return
        end = self._end_of(index)
        self._check(end)
        self._first, self._last = index, end

    def proof(self, index: int, *, is_last: bool) -> Proof | None:
        """Return what to keep as the proof of an entry that `require_proven` returned for.

        Its own signature where that was checked; else, for the last entry of the run that is kept
        (`is_last`), its tail; else None, since a later entry that is kept proves it. A signature
        that was not checked is never returned (LOG-17).
        """
        if index in self._checked:
            return self._signature(index)
        if not is_last:
            return None
        end = min(place for place in self._checked if place >= index)
        headers = [self._header(place) for place in range(index + 1, end + 1)]
        return Tail(headers, self._signature(end))

    def _end_of(self, index: int) -> int:
        """Return the place of the signature that is to prove an entry."""
        top = len(self.entries) + len(self._after) - 1
        reach = range(index, min(index + REACH, top) + 1)
        # The farthest proves most at once. Where each is checked, it proves those just before it.
        for place in reach if self._is_each else reversed(reach):
            if self._signature(place):
                return place
        header = self.entries[index].header
        detail = f"expected a signature on entry {header.seq} of writer {short(header.wid)}"
        raise RemoteProtocolError("env.signature", f"{detail} or on one of the {REACH} after it")

    def _header(self, place: int) -> bytes:
        count = len(self.entries)
        return self.entries[place].envelope.header if place < count else self._after[place - count]

    def _signature(self, place: int) -> bytes:
        if place < len(self.entries):
            return self.entries[place].envelope.signature
        is_end = place == len(self.entries) + len(self._after) - 1
        return self._tail if is_end else b""

    def _check(self, place: int) -> None:
        if place in self._checked:
            return
        if place in self._refused:
            raise self._refused[place]
        try:
            self._verify(place)
        except RemoteProtocolError as exc:
            self._refused[place] = exc
            raise
        self._checked.add(place)

    def _verify(self, place: int) -> None:
        last = self.entries[-1]
        if place >= len(self.entries):
            require_chain(self._after, last.id, last.header)
        verify_header(last.header.wid, self._header(place), self._signature(place))


def split_runs(
    entries: Sequence[Entry], tails: Sequence[Tail] = (), checks: Checks = Checks.CHAIN
) -> list[Run]:
    """Return the runs of a batch: each as long as one entry follows on another in one log.

    The tails belong, in their order, to the runs whose last entry is unsigned. One that is missing
    shows when its run is to be proven; RemoteProtocolError `log.tail` where one is left over.
    """
    left = iter(tails)
    runs = []
    start = 0
    for end in range(1, len(entries) + 1):
        last = entries[end - 1]
        if end < len(entries) and _is_next(last.id, last.header, entries[end].header):
            continue
        tail = None if last.envelope.signature else next(left, None)
        runs.append(Run(entries[start:end], tail, checks))
        start = end
    if next(left, None) is not None:
        raise RemoteProtocolError("log.tail", "expected a tail for each run that ends unsigned")
    return runs


def prove_tail(header_id: EntryId, header: Header, tail: Tail) -> None:
    """Return if the tail proves the entry of this id and header.

    Times, writers' ends and payloads of the headers are not judged: they prove, and are appended
    only when they come as entries.
    Raises RemoteProtocolError: `log.bad_prev`, `log.tail`, `env.signature`, and those of
    `decode_header`.
    """
    require_chain(tail.headers, header_id, header)
    verify_header(header.wid, tail.headers[-1], tail.signature)


def tail_of(headers: Sequence[bytes], proof: Proof) -> Tail:
    """Return the tail of an entry that these headers follow, the last of them proven by `proof`.

    For what is held already, so nothing is verified again. With no headers `proof` must be a tail,
    which is returned as it is.
    Raises LocalProtocolError `log.tail` where the signature would stand too far on.
    """
    return Tail(*chain_to(headers, proof, REACH))


def chain_to(headers: Sequence[bytes], proof: Proof, most: int) -> tuple[list[bytes], bytes]:
    """Return these headers with those of a proof of the last of them, and its signature.

    Raises LocalProtocolError `log.tail` where they are none or more than `most`.
    """
    after = proof.headers if isinstance(proof, Tail) else []
    chain = [*headers, *after]
    if not 1 <= len(chain) <= most:
        raise LocalProtocolError("log.tail", f"expected 1 to {most} headers, got {len(chain)}")
    return chain, proof.signature if isinstance(proof, Tail) else proof


def require_chain(headers: Sequence[bytes], before_id: EntryId, before: Header) -> None:
    """Return if these headers follow an entry and one another: number by number, in its log.

    Raises RemoteProtocolError: `log.bad_prev`, `log.tail`, and those of `decode_header`.
    """
    for raw, header in _decoded(headers):
        if header.prev != before_id:
            detail = f"expected header {header.seq} to follow {short(before_id)}"
            raise RemoteProtocolError("log.bad_prev", f"{detail}, got {short(header.prev)}")
        if not _is_next(before_id, before, header):
            detail = f"expected header {before.seq + 1} of the same log, got {header.seq}"
            raise RemoteProtocolError("log.tail", detail)
        before_id, before = entry_id(raw), header


def encode_proof(proof: Proof) -> bytes:
    """Return the bytes of a proof as a store keeps it: 64 of a signature, or an encoded tail."""
    return encode(proof) if isinstance(proof, Tail) else proof


def decode_proof(data: bytes) -> Proof:
    """Return the proof of kept bytes. No tail is as short as a signature."""
    return data if len(data) == SIGNATURE_BYTES else decode(data, Tail, limit=MAX_FRAME)


def _decoded(headers: Sequence[bytes]) -> Iterator[tuple[bytes, Header]]:
    return ((raw, decode_header(raw)) for raw in headers)


def _is_next(before_id: EntryId, before: Header, header: Header) -> bool:
    return (
        header.prev == before_id
        and header.seq == before.seq + 1
        # An author may name an entry of another log of its own: that one is not reached by it.
        and header.wid == before.wid
        and header.fid == before.fid
        and header.cid == before.cid
    )
