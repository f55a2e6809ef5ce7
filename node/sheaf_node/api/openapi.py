"""The OpenAPI 3.1 document of a table of routes. Pure: rows in, JSON values out.

It is committed as spec/openapi/local-api.json; tests/spec/vectorgen/write_openapi.py writes it.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

import msgspec

from sheaf_node.api.models import PATH
from sheaf_node.api.problem import BODY, COMMON, MEDIA, RULED, Problem, status_of
from sheaf_node.api.route import AnyJson, Bytes, BytesBody, JsonBody, NoBody, Nothing, Scope
from sheaf_node.api.session import ACTING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sheaf_node.api.route import Route

Json = dict[str, Any]

_REF: Final = "#/components/schemas/{name}"
_BRACES: Final = re.compile(r"\{(\w+)\}")
_JSON: Final = "application/json"
_KEY: Final[Json] = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "Drawn at random for each request; sent again, it brings the first reply.",
    "schema": {"type": "string", "minLength": 8, "maxLength": 80, "pattern": "^[!-~]{8,80}$"},
}
_TAG: Final[Json] = {"type": "string"}
_MATCH: Final[Json] = {
    "name": "If-Match",
    "in": "header",
    "required": False,
    "description": "The `ETag` of what was seen; nothing is done to anything newer. Without it that"
    " is asked for by a 428.",
    "schema": _TAG,
}
_NONE_MATCH: Final[Json] = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "description": "The `ETag` of what is here already; where it still is so, the answer is 304.",
    "schema": _TAG,
}
_SESSION: Final[Json] = {
    "type": "apiKey",
    "in": "cookie",
    "name": "sheaf_session_8441",
    "description": "A browser's session; the name ends in the port. What is no GET needs an Origin"
    " that is this host and port.",
}
_OPTIONS: Final[Json] = {
    "name": "options",
    "in": "query",
    "description": "What the service itself takes, each by its name.",
    "style": "form",
    "explode": True,
    "schema": {"type": "object", "additionalProperties": {"type": "string"}},
}


def document_bytes(routes: Sequence[Route[Any, Any]]) -> bytes:
    """Return the document as it is committed and served."""
    return (json.dumps(document(routes), indent=1, ensure_ascii=False) + "\n").encode()


def document(routes: Sequence[Route[Any, Any]]) -> Json:
    """Return the document of these routes, in their order."""
    paths: dict[str, Json] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = operation(route)
    made: Json = _in_ecma(
        {
            "openapi": "3.1.0",
            "info": {
                "title": "The local API of a Sheaf node",
                "version": "1",
                "description": "For a co-op's own people and programs; see docs/local-api.md.",
                "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            },
            "servers": [{"url": "http://127.0.0.1:8441"}],
            "paths": paths,
            "components": {
                "schemas": _schemas(routes),
                "securitySchemes": {
                    "token": {"type": "http", "scheme": "bearer"},
                    "session": _SESSION,
                },
            },
        }
    )
    return made


def _in_ecma(value: Any) -> Any:
    r"""Return the same with the patterns of structs as JSON Schema spells them.

    In Python `$` lets a line end pass, so they end in `\Z`, which is a letter there.
    """
    if isinstance(value, list):
        return [_in_ecma(each) for each in value]
    if not isinstance(value, dict):
        return value
    made = {key: _in_ecma(each) for key, each in value.items()}
    pattern = made.get("pattern")
    if isinstance(pattern, str) and pattern.startswith(r"\A") and pattern.endswith(r"\Z"):
        made["pattern"] = f"^{pattern[2:-2]}$"
    return made


def operation(route: Route[Any, Any]) -> Json:
    """Return what the document says of one route."""
    made: Json = {
        "operationId": route.name,
        "summary": route.summary,
        "security": _security(route.scope),
        "parameters": _parameters(route),
        "responses": {**_replies(route), **_refusals(route)},
    }
    if not isinstance(route.body, NoBody):
        made["requestBody"] = _body(route.body)
    return made


def _security(scope: Scope) -> list[Json]:
    """Return what opens a scope: a token for it, and for what people do a session as well."""
    if scope is Scope.OPEN:
        return []
    return [{"token": [scope.value]}, *([{"session": []}] if scope in ACTING else [])]


def codes_of(route: Route[Any, Any]) -> frozenset[str]:
    """Return every code that a route lists, its own and those of all routes."""
    return route.codes | COMMON | (frozenset() if isinstance(route.body, NoBody) else BODY)


def _schemas(routes: Sequence[Route[Any, Any]]) -> Json:
    shapes = [shape for route in routes for shape in route.replies.values()]
    structs: list[Any] = [shape for shape in shapes if isinstance(shape, type)]
    structs += [route.body.type for route in routes if isinstance(route.body, JsonBody)]
    _, components = msgspec.json.schema_components([Problem, *structs], ref_template=_REF)
    return dict(sorted(components.items()))


def _parameters(route: Route[Any, Any]) -> list[Json]:
    return [
        *(_path_parameter(name) for name in _BRACES.findall(route.path)),
        *_query_parameters(route.query),
        *([_OPTIONS] if route.takes_options else []),
        *([{**_KEY, "required": route.needs_key}] if route.is_idempotent_by_key else []),
        *([_MATCH] if route.needs_match else []),
        *([_NONE_MATCH] if route.has_tag and route.method == "GET" else []),
    ]


def _path_parameter(name: str) -> Json:
    return {"name": name, "in": "path", "required": True, **PATH[name]}


def _query_parameters(query: type[msgspec.Struct]) -> Iterable[Json]:
    [_], components = msgspec.json.schema_components([query], ref_template=_REF)
    for name, schema in components[query.__name__]["properties"].items():
        yield _query_parameter(name, schema)


def _query_parameter(name: str, schema: Json) -> Json:
    """Return a parameter; one that may be null in its struct may be left out."""
    known: Mapping[str, Any] = schema
    if "anyOf" in schema:
        [known] = [each for each in schema["anyOf"] if each != {"type": "null"}]
    left = {key: value for key, value in known.items() if key not in {"description", "deprecated"}}
    made: Json = {"name": name, "in": "query", "required": False}
    made |= {key: known[key] for key in ("description", "deprecated") if key in known}
    if schema.get("default") is not None:
        left["default"] = schema["default"]
    return {**made, "schema": left}


def _body(body: object) -> Json:
    match body:
        case JsonBody(type=type_):
            return {"required": True, "content": {_JSON: {"schema": _reference(type_)}}}
        case BytesBody(about=about, media=media, is_required=is_required):
            content: Json = {each: {} for each in media}
            return {"description": about, "required": is_required, "content": content}
        case _:
            raise TypeError(f"expected a body of the table, got {body!r}")


def _replies(route: Route[Any, Any]) -> Json:
    made: Json = {}
    for status, shape in route.replies.items():
        match shape:
            case AnyJson(about=about):
                made[str(status)] = {"description": about, "content": {_JSON: {"schema": {}}}}
            case Bytes(about=about, media=media):
                made[str(status)] = {"description": about, "content": {media: {}}}
            case Nothing(about=about):
                made[str(status)] = {"description": about}
            case _:
                about = (shape.__doc__ or "").partition("\n")[0]
                content = {_JSON: {"schema": _reference(shape)}}
                made[str(status)] = {"description": about, "content": content}
        if route.has_tag:
            made[str(status)]["headers"] = {"ETag": {"schema": {"type": "string"}}}
    return made


def _refusals(route: Route[Any, Any]) -> Json:
    """Return the problems of a route by status, with the codes that come with each."""
    by_status: dict[int, list[str]] = {}
    for code in sorted(codes_of(route)):
        by_status.setdefault(status_of(code), []).append(code)
    rules = ", or the code of the rule that refuses it (chapter 12 of the spec)"
    return {
        str(status): {
            "description": _listed(codes) + (rules if route.is_ruled and status == RULED else ""),
            "content": {MEDIA: {"schema": _reference(Problem)}},
        }
        for status, codes in sorted(by_status.items())
    }


def _listed(codes: Sequence[str]) -> str:
    return ", ".join(f"`{code}`" for code in codes)


def _reference(type_: type[Any]) -> Json:
    return {"$ref": _REF.format(name=type_.__name__)}
