"""Handlers for services that run as programs of their own: feed, answers, members, storage.

A token of the scope `service` is made for one service and opens that one's addresses alone.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from sheaf_node.api.bearer import bearer_of
from sheaf_node.api.charter import charter_answer
from sheaf_node.api.problem import problem
from sheaf_node.api.sse import EventStream
from sheaf_node.remote.changing import change_kept
from sheaf_node.remote.host import Ping
from sheaf_node.remote.wire import StorageState, StoredValue
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiohttp import web

    from sheaf_node.api.models import FederationQuery
    from sheaf_node.api.parts import ApiParts
    from sheaf_node.api.remote_model import KeyQuery, KeysQuery
    from sheaf_node.api.route import Asked
    from sheaf_node.plugins.storage import FileStorage
    from sheaf_node.remote.host import RemoteHost
    from sheaf_node.remote.wire import Answer, Published, StorageChange

MOST_FEEDS: Final = 32
"""Feeds at a time: a quarter of the port's connections, so that there is always room to ask."""
_BUSY_S: Final = 5


async def get_feed(parts: ApiParts, asked: Asked[FederationQuery, None]) -> web.StreamResponse:
    """Answer with what a service is shown and asked, for as long as it listens."""
    host = _host(parts, asked)
    remotes = parts.require_remotes()
    others = sum(each.is_connected for each in remotes if each is not host)
    if others >= MOST_FEEDS:
        refusal = Refusal("api.streams", f"expected at most {MOST_FEEDS} feeds open; ask later")
        return problem(refusal, headers={"Retry-After": str(_BUSY_S)})
    stream = EventStream(asked.http, remotes.clock)
    try:
        await stream.begin()
        async with aclosing(host.events(asked.http.headers.get("Last-Event-ID"))) as events:
            async for event in events:
                if isinstance(event, Ping):
                    await stream.ping()
                else:
                    await stream.event(event.name, event.data, event.id)
    except (ConnectionError, TimeoutError):
        pass  # it went away or was cut off; it knows its last id
    except Refusal:
        pass  # the store was closed or has failed, and the node ends
    return stream.response


async def post_answer(parts: ApiParts, asked: Asked[FederationQuery, Answer]) -> Published:
    """Carry out a service's answer to a step; return once what it published is on disk."""
    return await _host(parts, asked).answer(asked.body)


async def get_members(parts: ApiParts, asked: Asked[FederationQuery, None]) -> web.Response:
    """Answer with the charter file of the service's federation."""
    return charter_answer(parts, _host(parts, asked).federation.fid)


async def get_storage(parts: ApiParts, asked: Asked[KeysQuery, None]) -> StorageState:
    """Return how much a service keeps, and the next of its values."""
    async with _storage(parts, asked) as storage:
        return _state(storage, asked.query.after)


async def get_value(parts: ApiParts, asked: Asked[KeyQuery, None]) -> StoredValue:
    """Return one value; null where there is none."""
    key = asked.query.key
    async with _storage(parts, asked) as storage:
        return StoredValue(key=key, value=storage.get(key))


async def post_storage(parts: ApiParts, asked: Asked[KeysQuery, StorageChange]) -> StorageState:
    """Put and delete values, all or none."""
    async with _storage(parts, asked) as storage:
        wanted = parts.require_remotes().schema_version(asked.path["service"])
        # Beside the node's own work: what a service keeps may be as much as its quota.
        await asyncio.to_thread(change_kept, storage, asked.body, wanted)
        return _state(storage, asked.query.after)


def _state(storage: FileStorage, after: str) -> StorageState:
    values, following = storage.page(after)
    return StorageState(
        schema_version=storage.schema_version,
        used_bytes=storage.used_bytes,
        storage_bytes=storage.most_bytes,
        values=values,
        next=following,
    )


def _host(parts: ApiParts, asked: Asked[FederationQuery, Any]) -> RemoteHost:
    """Return the host of the service that asks. Raises Refusal `api.scope`, `service.unknown`."""
    name = _own(asked)
    fid = parts.federation(asked.query.federation)
    return parts.require_remotes().get(fid, name)


@asynccontextmanager
async def _storage(parts: ApiParts, asked: Asked[Any, Any]) -> AsyncIterator[FileStorage]:
    """Give what the service keeps that asks, which nobody else uses meanwhile."""
    name, remotes = _own(asked), parts.require_remotes()
    remotes.storage(name)  # before anything is kept for its name
    async with remotes.turn(name):
        yield remotes.storage(name)


def _own(asked: Asked[Any, Any]) -> str:
    """Return the service of the path, once its token is seen to be that one's or the home's."""
    name, bearer = asked.path["service"], bearer_of(asked.http)
    if bearer.service != name and bearer.sort != "home":
        raise Refusal("api.scope", f"expected the token of the service {name[:40]!r}")
    return name
