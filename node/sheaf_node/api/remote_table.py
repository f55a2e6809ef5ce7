"""The rows of `table.ROUTES` for services that run as programs of their own."""

from __future__ import annotations

from typing import Any, Final

from sheaf_node.api import remote
from sheaf_node.api.models import FederationQuery
from sheaf_node.api.remote_model import KeyQuery, KeysQuery
from sheaf_node.api.route import Bytes, JsonBody, NoBody, Route, Scope
from sheaf_node.remote.wire import Answer, Published, StorageChange, StorageState, StoredValue

_GRANTED: Final = frozenset({"service.file", "service.unknown"})
_HOST: Final = _GRANTED | {"node.no_federation"}
_STORAGE: Final = _GRANTED | {"service.storage"}

REMOTE_ROUTES: Final[tuple[Route[Any, Any], ...]] = (
    Route(
        method="GET",
        path="/api/v1/remote/{service}/feed",
        name="streamFeed",
        summary="What a service of its own process is shown and asked, as server-sent events",
        scope=Scope.SERVICE,
        query=FederationQuery,
        body=NoBody(),
        replies={
            200: Bytes("Events `welcome`, `record`, `step` and `reset`.", "text/event-stream")
        },
        answer=remote.get_feed,
        codes=_HOST | {"api.streams"},
        is_stream=True,
    ),
    Route(
        method="POST",
        path="/api/v1/remote/{service}/answers",
        name="postAnswer",
        summary="The service's answer to a step, with what it publishes",
        scope=Scope.SERVICE,
        query=FederationQuery,
        body=JsonBody(Answer),
        replies={200: Published},
        answer=remote.post_answer,
        codes=_HOST
        | {"api.json", "schema.invalid", "service.kind", "service.rate", "service.step"},
        is_ruled=True,
    ),
    Route(
        method="GET",
        path="/api/v1/remote/{service}/members",
        name="getMembers",
        summary="The charter file of the service's federation, by which members and keys are known",
        scope=Scope.SERVICE,
        query=FederationQuery,
        body=NoBody(),
        replies={200: Bytes("The charter file.")},
        answer=remote.get_members,
        codes=_HOST,
    ),
    Route(
        method="GET",
        path="/api/v1/remote/{service}/storage",
        name="getStorage",
        summary="How much a service keeps, and its values page by page",
        scope=Scope.SERVICE,
        query=KeysQuery,
        body=NoBody(),
        replies={200: StorageState},
        answer=remote.get_storage,
        codes=_STORAGE,
    ),
    Route(
        method="POST",
        path="/api/v1/remote/{service}/storage",
        name="postStorage",
        summary="Puts and deletes values that a service keeps, all or none",
        scope=Scope.SERVICE,
        query=KeysQuery,
        body=JsonBody(StorageChange),
        replies={200: StorageState},
        answer=remote.post_storage,
        codes=_STORAGE | {"api.json", "service.quota", "service.schema"},
    ),
    Route(
        method="GET",
        path="/api/v1/remote/{service}/storage/value",
        name="getValue",
        summary="One value that a service keeps",
        scope=Scope.SERVICE,
        query=KeyQuery,
        body=NoBody(),
        replies={200: StoredValue},
        answer=remote.get_value,
        codes=_STORAGE,
    ),
)
