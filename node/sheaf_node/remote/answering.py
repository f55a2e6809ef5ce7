"""Carries out what a service of another process answers: held to its grant, whole or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from sheaf_node.kinds import Budget
from sheaf_node.kinds.fitting import MOST_STEPS
from sheaf_node.plugins.inside import require_fitting, require_granted
from sheaf_node.plugins.service import Extension
from sheaf_node.plugins.writing import Publications
from sheaf_node.remote.allowance import Entries
from sheaf_node.remote.wire import Published
from sheaf_protocol.digest import CoopId, EntryId
from sheaf_protocol.errors import LocalProtocolError, Refusal
from sheaf_protocol.json_view import from_json, read_json
from sheaf_protocol.records import KINDS
from sheaf_protocol.records.extension import is_extension

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sheaf_node.ingest import Draft
    from sheaf_node.kinds import Kinds
    from sheaf_node.plugins.host import Parts
    from sheaf_node.plugins.manifest import Manifest
    from sheaf_node.plugins.service import Json
    from sheaf_node.remote.steps import OpenStep
    from sheaf_node.remote.wire import Answer, Publication, Refused
    from sheaf_node.store.receipt import NewReceipt
    from sheaf_protocol.digest import FederationId
    from sheaf_protocol.records import Record

_OWN: Final = frozenset({"api", "blob", "config", "key", "node", "service", "store", "token"})
"""Families of codes by which the node speaks; a service that says one of them is not believed."""
_SAYABLE: Final = frozenset({"service.no_command", "service.no_view", "service.refused"})
MAX_REPLY: Final = 1_048_576
"""1 MiB, as of a command's body: a reply may be kept for a week (`store.receipt`)."""
ANSWER_STEPS: Final = 4 * MOST_STEPS
"""For all records of one answer: 0.2 s. Schemas are their makers', and each record may be dear."""


class Answering:
    """Carries out the answers of one service in one federation."""

    def __init__(
        self, manifest: Manifest, fid: FederationId, parts: Parts, kinds: Kinds, now_ms: int
    ) -> None:
        """`now_ms` and all times below are of a clock that does not jump."""
        self._manifest, self._fid, self._parts, self._kinds = manifest, fid, parts, kinds
        self._entries = Entries(manifest.entries_per_minute, now_ms)

    async def carry_out(self, step: OpenStep, answer: Answer, now_ms: int) -> Published:
        """Publish what an answer has, and give its reply to who waits; return once it is durable.

        Raises Refusal `service.step`, `service.kind`, `service.rate`, `schema.invalid` and what
        the publication is refused with; nothing is then published.
        """
        waiting, left_out = step.waiting, list[str]()
        if waiting is not None and answer.refusal is not None:
            if not waiting.reply.done():
                waiting.reply.set_exception(said_by_service(answer.refusal))
            return Published(entries=[], left_out=[])
        if waiting is not None and waiting.what == "view" and answer.publications:
            raise Refusal("service.step", "expected no publications in answer to a view")
        drafts = self._drafts(answer.publications, step, left_out, now_ms)
        reply = None if waiting is None else _read_reply(answer)
        receipt = None
        if waiting is not None and waiting.receipt_of is not None:
            receipt = waiting.receipt_of(reply)
        entries = await self._publish(drafts, receipt)
        if waiting is not None and not waiting.reply.done():
            waiting.reply.set_result(reply)
        return Published(entries=entries, left_out=left_out)

    async def _publish(self, drafts: Sequence[Draft], receipt: NewReceipt | None) -> list[str]:
        ingest = self._parts.ingest
        if drafts:
            entries = await ingest.publish(self._fid, drafts, receipt=receipt)
            return [entry.id.hex() for entry in entries]
        if receipt is not None:
            await ingest.keep(receipt)
        return []

    def _drafts(
        self,
        publications: Sequence[Publication],
        step: OpenStep,
        left_out: list[str],
        now_ms: int,
    ) -> Sequence[Draft]:
        """Return what is to be signed; records of a turn that cannot be sealed now are left out."""
        # The cheapest first: what is too much is not looked at.
        self._entries.take(len(publications), now_ms)
        wanted, budget = Publications(), Budget(ANSWER_STEPS)
        for each in publications:
            self._add(wanted, each, budget)

        def leave_out(refusal: LocalProtocolError) -> None:
            if step.waiting is not None:
                raise refusal
            left_out.append(refusal.code)

        return wanted.drafts(
            self._fid,
            keyring=self._parts.keyring,
            key_logs=self._parts.store.key_logs,
            now_ms=step.now_ms,
            random=self._parts.random,
            left_out=leave_out,
        )

    def _add(self, wanted: Publications, publication: Publication, budget: Budget) -> None:
        kind, value = publication.kind, read_json(bytes(publication.record))
        require_granted(kind, self._manifest)
        record: Record | Extension
        if is_extension(kind):
            record = Extension(kind, value)
            require_fitting(record, self._kinds, budget)
        else:
            record = from_json(value, KINDS[kind])
        refs = [EntryId(bytes.fromhex(ref)) for ref in publication.refs]
        wanted.add(record, refs, [CoopId(bytes.fromhex(cid)) for cid in publication.to])


def _read_reply(answer: Answer) -> Json:
    """Return what a service says. Raises Refusal `service.step` for what is too much or no JSON."""
    if answer.reply is msgspec.UNSET:
        return None
    size = memoryview(answer.reply).nbytes
    if size > MAX_REPLY:
        raise Refusal("service.step", f"expected a reply of at most {MAX_REPLY} bytes, got {size}")
    try:
        return msgspec.json.decode(answer.reply)
    except (msgspec.DecodeError, RecursionError) as exc:
        raise Refusal("service.step", f"expected a reply in JSON: {exc}") from exc


def said_by_service(refused: Refused) -> Refusal:
    """Return what a service refuses a call with; the node's own codes are not its to say."""
    if refused.code.partition(".")[0] in _OWN and refused.code not in _SAYABLE:
        return Refusal("service.refused", f"{refused.code}: {refused.detail}")
    return Refusal(refused.code, refused.detail)
