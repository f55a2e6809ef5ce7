"""Runs a service's class in a process of its own, unchanged: folds the feed, answers the steps.

It goes on until it is ended, over restarts of the node and broken connections. A fault of the
class's own ends it, as it ends a service inside a node: what it folded can no longer be relied on.
"""

from __future__ import annotations

import asyncio
import base64
import logging
from typing import TYPE_CHECKING, Any, Final

import msgspec

from sheaf_node.plugins.inside import require_follows
from sheaf_node.plugins.jobs import run_apart
from sheaf_node.plugins.service import Call, Extension, SeenRecord
from sheaf_node.remote.context import RemoteContext, link_of, read_members
from sheaf_node.remote.kept import KeptValues, read_kept
from sheaf_node.remote.wire import Answer, Refused, Seen, Step, Welcome
from sheaf_protocol.digest import CoopId, EntryId, FederationId, LogId, WriterId
from sheaf_protocol.errors import Refusal
from sheaf_protocol.json_view import from_json
from sheaf_protocol.records import KINDS
from sheaf_protocol.records.extension import is_extension

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sheaf_node.plugins.manifest import Manifest
    from sheaf_node.plugins.service import Service
    from sheaf_node.remote.client import NodeClient

_AGAIN: Final = frozenset(
    {"api.busy", "api.internal", "api.rate", "api.streams", "node.unreachable"}
    | {"store.closed", "store.failed"}
)
"""Refusals after which a node is asked again."""
_PASSING: Final = frozenset({"service.step", "service.rate"})
"""Refusals of an answer that say nothing of the service."""
_MOST_WAIT_S: Final = 30
_JOB_MS: Final = 500
"""How soon it is looked whether a computation has ended."""
_LOG = logging.getLogger("sheaf.service")


class Running:
    """One service in one federation, over one node."""

    def __init__(
        self, manifest: Manifest, class_: Any, settings: Mapping[str, Any], client: NodeClient
    ) -> None:
        self._manifest, self._class, self._settings = manifest, class_, settings
        self._client = client
        self._last = ""
        self._service: Service | None = None
        self._context: RemoteContext
        self._kept: KeptValues | None = None
        self._jobs: dict[str, asyncio.Task[object]] = {}

    async def run(self, on_ready: Callable[[], None]) -> None:
        """Serve until cancelled. Raises Refusal where the node does not take the service."""
        wait_s = 1
        try:
            while True:
                try:
                    async for name, id_, data in self._client.events(self._last):
                        wait_s = 1
                        await self._take(name, data)
                        self._last = self._last if id_ is None else id_
                        if name == "welcome":
                            on_ready()
                except Refusal as refusal:
                    if refusal.code not in _AGAIN:
                        raise
                    _LOG.info("asks the node again: %s", refusal)
                await asyncio.sleep(wait_s)
                wait_s = min(_MOST_WAIT_S, 2 * wait_s)
        finally:
            await self._end_jobs()

    async def _take(self, name: str, data: bytes) -> None:
        match name:
            case "welcome" | "reset":
                welcome = msgspec.json.decode(data, type=Welcome)
                if welcome.begins_anew or self._service is None:
                    await self._begin(welcome)
            case "record":
                seen = seen_record(msgspec.json.decode(data, type=Seen))
                self._context.note_link(seen.cid.hex(), seen.wid.hex(), seen.link)
                self._require().fold(seen)
            case "step":
                await self._answer(msgspec.json.decode(data, type=Step))
            case _:
                pass  # of a later version

    async def _begin(self, welcome: Welcome) -> None:
        """Make the service anew, with nothing folded and nothing running."""
        await self._end_jobs()
        if self._manifest.storage_bytes and self._kept is None:
            change = getattr(self._class, "migrate", None)
            self._kept = await read_kept(self._client, self._manifest.schema_version, change)
        members = read_members(await self._client.get("members"))
        self._context = RemoteContext(welcome, self._manifest, members, self._kept)
        self._service = self._class(self._context, self._settings)
        require_follows(self._require(), self._manifest)

    def _require(self) -> Service:
        if self._service is None:
            raise Refusal("node.unreachable", "expected a welcome as the first event of a feed")
        return self._service

    async def _answer(self, step: Step) -> None:
        context = self._context
        if step.control != context.control:
            context.members = read_members(await self._client.get("members"))
            context.control = step.control
        context.begin(step)
        answer = self._turn(step) if step.what == "turn" else self._called(step)
        context.forget()
        try:
            change = None if self._kept is None else self._kept.take()
            if change is not None:
                await self._client.post("storage", change, is_of_federation=False)
            await self._client.post("answers", answer)
        except Refusal as refusal:
            if refusal.code in _AGAIN:
                raise
            level = logging.INFO if refusal.code in _PASSING else logging.WARNING
            _LOG.log(level, "the node refused an answer: %s", refusal)

    def _turn(self, step: Step) -> Answer:
        """Let the service take the result of one computation, or else decide.

        Not both: it is to see what it published by the one before the other.
        """
        service, context = self._require(), self._context
        done = next((key for key, job in self._jobs.items() if job.done()), None)
        if done is not None:
            service.finish(done, self._jobs.pop(done).result())
            context.wake_at(step.now_ms)
        else:
            service.decide()
        for key, (function, args) in context.jobs.items():
            if key not in self._jobs:
                self._jobs[key] = asyncio.ensure_future(run_apart(function, *args))
        if self._jobs:
            context.wake_at(step.now_ms + _JOB_MS)
        return Answer(
            step=step.step,
            publications=list(context.publications),
            wake_at_ms=context.wake_ms,
        )

    def _called(self, step: Step) -> Answer:
        """Return the answer to a command or view."""
        service = self._require()
        known = service.commands if step.what == "command" else service.views
        try:
            if step.name not in known:
                detail = f"{self._manifest.name} has no {step.what} {step.name!r}"
                code = "service.no_command" if step.what == "command" else "service.no_view"
                raise Refusal(code, detail)
            call = Call(body=base64.b64decode(step.body), options=step.options)
            reply = msgspec.Raw(msgspec.json.encode(known[step.name](call)))
        except Refusal as refusal:
            refused = Refused(code=refusal.code, detail=refusal.detail[:500])
            return Answer(step=step.step, refusal=refused)
        except Exception:
            _LOG.exception("%s %s failed", step.what, step.name)
            refused = Refused(code="service.refused", detail="the service's output says why")
            return Answer(step=step.step, refusal=refused)
        publications = list(self._context.publications)
        return Answer(step=step.step, publications=publications, reply=reply)

    async def _end_jobs(self) -> None:
        for job in self._jobs.values():
            job.cancel()
        await asyncio.gather(*self._jobs.values(), return_exceptions=True)
        self._jobs.clear()


def seen_record(seen: Seen) -> SeenRecord:
    """Return a record as a service gets it. Raises LocalProtocolError `schema.invalid`."""
    return SeenRecord(
        id=EntryId(bytes.fromhex(seen.id)),
        cid=CoopId(bytes.fromhex(seen.cid)),
        wid=WriterId(bytes.fromhex(seen.wid)),
        log=LogId(bytes.fromhex(seen.log)),
        seq=seen.seq,
        time_ms=seen.time_ms,
        kind=seen.kind,
        refs=tuple(EntryId(bytes.fromhex(ref)) for ref in seen.refs),
        record=(
            Extension(seen.kind, seen.record)
            if is_extension(seen.kind)
            else from_json(seen.record, KINDS[seen.kind])
        ),
        is_contested=seen.is_contested,
        home=None if seen.home is None else FederationId(bytes.fromhex(seen.home)),
        link=link_of(seen.link),
    )
