"""The door of the local port: host, origin, token, and what is no request (docs/operating.md)."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, Final

from sheaf_node.conform.model import Failed, case
from sheaf_protocol.digest import digest, log_id
from sheaf_protocol.link.messages import Entries

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sheaf_node.conform.model import Steps
    from sheaf_node.conform.scene import Scene

MIB: Final = 1_048_576
_ENTRY: Final = digest("test", b"no entry").hex()
_VERDICT: Final = json.dumps(
    {"record": {"code": "ok", "level": "totals", "subject": "00" * 32}, "refs": []}
).encode()


async def refusal(
    scene: Scene,
    method: str,
    path: str,
    *,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> tuple[int, Any]:
    """Return the status and problem of a request that is to be refused; its code is noted."""
    status, answer = await scene.api.ask(
        scene.client, method, path, body=body, headers=headers, say=scene.say
    )
    if isinstance(answer, dict) and isinstance(answer.get("code"), str):
        scene.saw(answer["code"])
    return status, answer


async def require(
    scene: Scene,
    code: str,
    method: str,
    path: str,
    *,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> None:
    """Raise Failed unless a request is refused with a code, in a problem with a sentence."""
    status, answer = await refusal(scene, method, path, body=body, headers=headers)
    got = answer.get("code") if isinstance(answer, dict) else None
    if got != code:
        raise Failed(expected=code, got=f"{status} {str(answer)[:300]}")
    scene.expect(True, 400 <= status < 600, "a status from 400 on")
    scene.expect(True, bool(answer.get("detail")), "a sentence as detail")
    scene.expect(False, scene.api.token in json.dumps(answer), "the token in the answer")


def _asking(code: str, method: str, path: str, more: dict[str, Any]) -> Steps:
    async def steps(scene: Scene) -> None:
        main = scene.fid.hex()
        await require(scene, code, method, path.replace("{main}", main), **more)

    return steps


_DOOR: Final[Sequence[tuple[str, str, str, str, dict[str, Any]]]] = (
    ("host", "api.host", "GET", "/api/v1/status", {"headers": {"Host": "evil.example"}}),
    (
        "origin",
        "api.origin",
        "GET",
        "/api/v1/status",
        {"headers": {"Origin": "http://evil.example"}},
    ),
    ("token-none", "api.unauthorized", "GET", "/api/v1/status", {"headers": {"Authorization": ""}}),
    (
        "token-wrong",
        "api.unauthorized",
        "GET",
        "/api/v1/status",
        {"headers": {"Authorization": "Bearer x"}},
    ),
    (
        "token-basic",
        "api.unauthorized",
        "GET",
        "/api/v1/status",
        {"headers": {"Authorization": "Basic eDp4"}},
    ),
    ("unknown-path", "api.not_found", "GET", "/api/v1/nothing", {}),
    ("path-traversal", "api.not_found", "GET", "/api/v1/%2e%2e/%2e%2e/etc/passwd", {}),
    ("method", "api.method", "DELETE", "/api/v1/status", {}),
    ("query-word", "api.query", "GET", "/api/v1/log?limit=many", {}),
    ("query-beyond", "api.query", "GET", "/api/v1/log?limit=1001", {}),
    ("query-digits", "api.query", "GET", "/api/v1/log?after=" + "9" * 5_000, {}),
    ("federation-unknown", "api.query", "GET", "/api/v1/log?federation=ffffffffffff", {}),
    ("json-none", "api.json", "POST", "/api/v1/records/verdict?federation={main}", {"body": b"{"}),
    (
        "json-twice",
        "api.json",
        "POST",
        "/api/v1/records/verdict?federation={main}",
        {"body": b'{"code": "ok", "code": "ok"}'},
    ),
    (
        "json-no-record",
        "api.json",
        "POST",
        "/api/v1/records/verdict?federation={main}",
        {"body": b"{}"},
    ),
    (
        "json-deep",
        "api.json",
        "POST",
        "/api/v1/records/verdict?federation={main}",
        {"body": b"[" * 100_000},
    ),
    ("kind-unknown", "api.kind", "POST", "/api/v1/records/zeal?federation={main}", {"body": b"{}"}),
    (
        "kind-private",
        "api.kind",
        "POST",
        "/api/v1/records/order.place?federation={main}",
        {"body": b"{}"},
    ),
    (
        "body-too-large",
        "api.too_large",
        "POST",
        "/api/v1/records/verdict",
        {"body": bytes(17 * MIB)},
    ),
    (
        "blob-too-large",
        "api.too_large",
        "PUT",
        "/api/v1/blobs?federation={main}",
        {"body": bytes(17 * MIB)},
    ),
    ("blob-empty", "blob.size", "PUT", "/api/v1/blobs?federation={main}", {"body": b""}),
    ("blob-id", "blob.id", "GET", "/api/v1/blobs/zz?federation={main}", {}),
    ("service-unknown", "service.unknown", "GET", "/api/v1/services/zeal/report", {}),
    ("service-view", "service.no_view", "GET", "/api/v1/services/pooled_purchasing/zeal", {}),
    (
        "service-command",
        "service.no_command",
        "POST",
        "/api/v1/services/pooled_purchasing/zeal",
        {},
    ),
    ("erase-id", "erase.unknown", "POST", "/api/v1/entries/zz/erase?reason=other", {}),
    ("erase-unknown", "erase.unknown", "POST", f"/api/v1/entries/{_ENTRY}/erase?reason=other", {}),
)

for _id, _code, _method, _path, _more in _DOOR:
    case(
        f"api-{_id}",
        "ERR-2",
        f"The local API refuses with {_code} and a sentence: {_id.replace('-', ' ')}",
        coops=0,
        codes=(_code,),
        surface="api",
    )(_asking(_code, _method, _path, _more))


@case(
    "api-status",
    "ERR-2",
    "With token, host and method right the local API answers",
    coops=0,
    surface="api",
)
async def _status(scene: Scene) -> None:
    status, answer = await refusal(scene, "GET", "/api/v1/status")

    scene.expect((200, True), (status, isinstance(answer, dict)), "status and an object")


@case(
    "api-host-localhost", "ERR-2", "localhost is a name of the local port", coops=0, surface="api"
)
async def _localhost(scene: Scene) -> None:
    port = scene.api.url.rpartition(":")[2]
    status, _ = await refusal(scene, "GET", "/api/v1/status", headers={"Host": f"localhost:{port}"})

    scene.expect(200, status, "status")


@case("api-publishes", "SYN-10", "A record given by the API is served to members", surface="api")
async def _publishes(scene: Scene) -> None:
    peer = await scene.ready()
    path = f"/api/v1/records/verdict?federation={scene.fid.hex()}"
    status, answer = await refusal(scene, "POST", path, body=_VERDICT)
    scene.expect(201, status, "status")
    log = log_id(scene.fid, scene.node, peer.session.peer.wid)
    await peer.want(log, answer["seq"], answer["seq"])
    batch = await peer.hear(Entries, lambda message: not message.is_live)

    scene.expect([answer["id"]], [each.id.hex() for each in batch.envelopes], "entries served")


@case(
    "api-import-twice",
    "ERR-2",
    "A list that is sent twice is published once",
    coops=0,
    surface="api",
)
async def _idempotent(scene: Scene) -> None:
    path = f"/api/v1/services/pooled_purchasing/import_purchases?federation={scene.fid.hex()}"
    body = b"item,quantity,unit,max_price,currency\nkit-nuts,5,KGM,1,EUR\n"
    first = await refusal(scene, "POST", path, body=body)
    second = await refusal(scene, "POST", path, body=body)

    scene.expect((200, 1), (first[0], first[1].get("published")), "first answer")
    scene.expect((200, 0), (second[0], second[1].get("published")), "second answer")


@case(
    "api-erase-of-another",
    "ENV-32",
    "Nobody erases another co-op's entry by the API",
    codes=("erase.not_own",),
    surface="api",
)
async def _not_own(scene: Scene) -> None:
    peer = await scene.ready()
    entry = peer.author.append("x.note", b"\x80")
    await peer.push(entry)
    await scene.await_held(peer.author)

    await require(
        scene, "erase.not_own", "POST", f"/api/v1/entries/{entry.id.hex()}/erase?reason=other"
    )


@case(
    "api-erase-and-restore",
    ("ENV-33", "ENV-37"),
    "An own entry is erased, its erase is not, and is taken back",
    coops=0,
    codes=("erase.kind", "erase.not_erased"),
    surface="api",
)
async def _erase(scene: Scene) -> None:
    path = f"/api/v1/records/verdict?federation={scene.fid.hex()}"
    body = _VERDICT.replace(b"00" * 32, b"01" * 32)
    _, entry = await refusal(scene, "POST", path, body=body)
    id_ = entry["id"]
    await require(scene, "erase.not_erased", "POST", f"/api/v1/entries/{id_}/restore")
    status, erased = await refusal(scene, "POST", f"/api/v1/entries/{id_}/erase?reason=other")
    scene.expect(True, status in {200, 201}, f"erased, got {status} {erased}")
    _, page = await refusal(scene, "GET", f"/api/v1/log?after={entry['arrival']}&limit=1000")
    own = [item for item in page["items"] if item["cid"] == scene.node.hex()]
    [erase] = [item["id"] for item in own if item["kind"] == "entry.erase"]
    await require(scene, "erase.kind", "POST", f"/api/v1/entries/{erase}/erase?reason=other")
    status, _ = await refusal(scene, "POST", f"/api/v1/entries/{id_}/restore")
    scene.expect(True, status in {200, 201}, "restored")


@case(
    "api-slow-head",
    "LNK-12",
    "A request whose head never ends does not hold the port for others",
    coops=0,
    surface="api",
)
async def _slow(scene: Scene) -> None:
    host, _, port = scene.api.url.removeprefix("http://").rpartition(":")
    scene.say("kit -> GET / HTTP/1.1, and no more")
    _, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"GET / HTTP/1.1\r\n")
    status, _ = await refusal(scene, "GET", "/api/v1/status")
    writer.close()

    scene.expect(200, status, "status of another request")
