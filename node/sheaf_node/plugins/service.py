"""The contract between a service and the node that runs it.

A service is a fold and a decision. `fold` learns one record and has no effect; `decide` looks at
all that was learned and asks its context to publish, to wake it up or to run a long computation.
Nothing is kept between runs but the log: a service that was killed folds the log again and decides
what it had not done yet. So the ids of all it publishes must follow from what it read, and
deciding twice must publish once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeAlias

if TYPE_CHECKING:
    from sheaf_node.plugins.storage import Storage
    from sheaf_protocol.charter import Federation
    from sheaf_protocol.digest import CoopId, EntryId, FederationId, LogId, WriterId
    from sheaf_protocol.lineage import Link
    from sheaf_protocol.log import Head
    from sheaf_protocol.records import Record

Json: TypeAlias = Any
"""A value that `json.dumps` takes; made for people and for the HTTP API, never signed."""


@dataclass(frozen=True, slots=True)
class Extension:
    """The record of an extension's kind, which services alone know anything of.

    Only a service that follows such kinds is shown one.
    """

    kind: str
    value: Json
    """An object. As it is shown it came from others, and no schema need have been held to it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SeenRecord:
    """A record that has effect, with its place in its author's log.

    Or a contested one, for services that ask for those.
    """

    id: EntryId
    cid: CoopId
    wid: WriterId
    log: LogId
    seq: int
    time_ms: int
    kind: str
    refs: tuple[EntryId, ...]
    record: Record | Extension
    is_contested: bool = False
    """Whether the record counts no more, by a fork or a cut, and yet one of another co-op that
    counts names it: what its author owes by it is not gone, what others owe its author is."""
    home: FederationId | None = None
    """The federation of its author where the record crossed from another one (spec 16); None for
    those of our own. Id, log and number are those it has there."""
    link: Link | None = None
    """Where its writer stands in its line; None where it is alone in it (spec 18)."""

    @property
    def line(self) -> WriterId:
        """The line of its writer, by the first writer in it: what owns pools, holds and so on.

        A writer that is replaced and its successors are one line, in which records have one order.
        """
        return self.wid if self.link is None else self.link.root

    @property
    def place(self) -> int:
        """The number of the record in its line; a successor's follow on its predecessor's last."""
        return self.seq if self.link is None else self.link.place_of(self.seq)

    def is_of(self, writer: WriterId) -> bool:
        """Return whether a writer, such as the owner that the record names, is of its line."""
        return writer == self.wid or (self.link is not None and writer in self.link.writers)


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """What a person or program asks of a service: raw body, and options by name."""

    body: bytes = b""
    options: Mapping[str, str] = field(default_factory=dict)


class Service(Protocol):
    """One service in one federation on one node.

    `commands` change something and are asked again after a lost answer, so each must be safe to
    repeat; `views` only read. Both raise `Refusal` with a stable code.

    A class may say `sees_contested = True`; then `fold` is given contested records as well, which
    must not be counted as others are. In a line these may come late and out of their order.

    A class may say `follows_abroad = frozenset({...})`: the kinds that it wants of other
    federations as well, which come over treaties. Each such record comes once, with its `home`;
    those of one log may come in any order. What a service wants to cross it asks for by publishing
    a `bridge.ask` for an entry of its own, once that is folded.

    A class may have `keeps(id) -> bool`: whether it still needs an entry that it was given, so that
    the payload is not deleted although its author erased it or let it expire.
    """

    follows: ClassVar[frozenset[str]]

    @property
    def commands(self) -> Mapping[str, Callable[[Call], Json]]:
        """What may be asked of the service, by name."""
        ...

    @property
    def views(self) -> Mapping[str, Callable[[Call], Json]]:
        """What the service shows, by name."""
        ...

    def fold(self, seen: SeenRecord) -> None:
        """Learn one record. Records of one line come in order; between lines there is no order."""
        ...

    def decide(self) -> None:
        """Ask the context for whatever is due by now."""
        ...

    def finish(self, key: str, result: object) -> None:
        """Take the result of a computation that `decide` asked for under this key.

        None where its process died; asking again is the service's choice.
        """
        ...


class ServiceContext(Protocol):
    """What the node does for a service. Requests are carried out when the turn ends."""

    @property
    def cid(self) -> CoopId:
        """The co-op that runs this node."""
        ...

    @property
    def wid(self) -> WriterId:
        """The writer under which this node publishes."""
        ...

    @property
    def line(self) -> WriterId:
        """The line that this node's writer is of: what it owns it owns as this one."""
        ...

    def place_of(self, cid: CoopId, wid: WriterId, seq: int) -> tuple[WriterId, int]:
        """Return the line of a writer, and where an entry of its log stands in that line.

        0 for an entry before the writer took over. What a cut names up to some place of a line, it
        names all before it, whichever of the line's writers wrote it.
        """
        ...

    @property
    def federation(self) -> Federation:
        """The federation that this service instance works in."""
        ...

    def now_ms(self) -> int:
        """Return the node's own clock: the only one that may decide a deadline here.

        It stands still during a turn, and what the turn publishes bears this time.
        """
        ...

    def name_of(self, cid: CoopId) -> str:
        """Return a co-op's name for people."""
        ...

    def random(self, size: int) -> bytes:
        """Return random bytes, fit for secrets. What must be known again goes into the log."""
        ...

    def has_fork(self, cid: CoopId, wid: WriterId) -> bool:
        """Return whether a writer is proven to have forked its log in this federation."""
        ...

    def heads(self) -> Sequence[tuple[CoopId, WriterId, Head]]:
        """Return how far each log of the federation was *folded*: what a cut may name.

        A log that forked or was closed ends before that: what follows is not the same everywhere.
        That of a writer that has not taken over yet from the one it succeeds is left out.
        """
        ...

    def publish(
        self, record: Record | Extension, *, refs: Sequence[EntryId] = (), to: Sequence[CoopId] = ()
    ) -> None:
        """Append a record to our log; sealed to the co-ops in `to` where the kind is private.

        What `decide` asked for and was refused, for a recipient without a valid prekey say, is not
        kept: decide again.
        """
        ...

    def can_seal_to(self, cid: CoopId) -> bool:
        """Return whether a co-op has a sealing key that is valid now."""
        ...

    def wake_at(self, time_ms: int) -> None:
        """Call `decide` again at this time at the latest.

        Each call of `decide` begins with no time asked for, so it must ask again for what it still
        waits for; of several times the earliest counts.
        """
        ...

    @property
    def storage(self) -> Storage:
        """Values that the service keeps beside the log, within the quota of its manifest.

        For what cannot be folded. Raises Refusal `service.storage` where it asked for none.
        """
        ...

    def run(self, key: str, function: Callable[..., object], *args: object) -> None:
        """Run a pure, picklable function in a process of its own; `finish(key, result)` follows.

        A key that is running already is not started again. An exception in it stops the service.
        """
        ...


ServiceFactory: TypeAlias = Callable[[ServiceContext, Mapping[str, Any]], Service]
"""Makes a service from its context and its table in the node's configuration."""
