"""What of an entry is shown on the other side of a treaty (spec 16, section 6).

A body crosses whole, salt and all, wherever the treaty changes nothing in it: then its header's own
hash proves it. Else what crosses is a view, which anybody who holds the original can make again. A
view has a salt of its own: with the origin's, what was removed could be guessed from its header's
hash; with none, the hash that a bridge signs for would tell what was shown after it is erased.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from sheaf_protocol.codec import check, encode
from sheaf_protocol.digest import Digest, digest
from sheaf_protocol.envelope import SEALED, body_of, make_payload
from sheaf_protocol.errors import Fault, RemoteProtocolError
from sheaf_protocol.limits import SALT_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from sheaf_protocol.treaty.model import Direction

_Rename: TypeAlias = "Callable[[str, str], str]"
"""From a field and a name in it to another name."""

_IN_ITEM: Final = {"category": "category", "code": "item"}
"""The keys of an item that hold an id, and the field of ids that it belongs to."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Shown:
    """A payload as a federation sees it: the origin's own, or a view of it."""

    payload: bytes
    is_view: bool

    @property
    def body(self) -> bytes:
        """The canonical body."""
        return body_of(self.payload)

    @property
    def hash(self) -> Digest:
        """What a bridge signs for."""
        return digest("shown", self.payload)


def project(direction: Direction, kind: str, source: Shown) -> Shown:
    """Return what a direction shows of a payload; the same object where it changes nothing.

    Of a view more may be taken, and nothing is put back.
    Raises RemoteProtocolError `bridge.category`, `bridge.region`, `bridge.ids`, `bridge.view` (a
    sealed body that is not whole) and `enc.*`.
    """
    if kind == SEALED:
        # What nobody can look into goes as it is, or the signature under it proves nothing.
        if source.is_view:
            raise refusal("bridge.view", "expected a sealed body whole")
        return source
    body = check(source.body)
    if not isinstance(body, dict):
        return source
    _require_place(direction, body)
    made = _renamed(_without(direction.removed, body), _outward(direction))
    if made == body:
        return source
    salt = digest("view-salt", source.payload[:SALT_BYTES])[:SALT_BYTES]
    return Shown(payload=make_payload(encode(made), salt), is_view=True)


def require_projected(direction: Direction, kind: str, shown: Shown) -> None:
    """Return if nothing is shown that the direction keeps back or renames, else raise.

    For those who have not seen the original. A view is brought back to the names of the federation
    that it left and projected again: an honest one comes out as it was.
    Raises RemoteProtocolError `bridge.view`, and those of `project`.
    """
    source = _restored(direction, shown) if shown.is_view and kind != SEALED else shown
    if project(direction, kind, source).body != shown.body:
        raise refusal("bridge.view", "expected the keys and ids that the treaty lets be seen")


def refusal(code: str, detail: str) -> RemoteProtocolError:
    """Return the refusal of what a bridge did, which is stored and has no effect."""
    return RemoteProtocolError(code, detail, Fault.AUTHOR)


def _restored(direction: Direction, shown: Shown) -> Shown:
    back: dict[tuple[str, str], str]
    back = {(pair.field, pair.theirs): pair.ours for pair in direction.ids}
    body = _renamed(check(shown.body), lambda field, name: back.get((field, name), name))
    return Shown(payload=shown.payload[:SALT_BYTES] + encode(body), is_view=True)


def _require_place(direction: Direction, body: Mapping[str, Any]) -> None:
    """Hold an item to the categories and a zone to the regions (TRT-30, TRT-31)."""
    item, zone = body.get("item"), body.get("zone")
    category = item.get("category") if isinstance(item, dict) else None
    if direction.categories and "item" in body and category not in direction.categories:
        detail = f"expected an item of a category that may cross, got {category or 'none'}"
        raise refusal("bridge.category", detail)
    if direction.regions and "zone" in body and zone not in direction.regions:
        raise refusal("bridge.region", f"expected a zone that may cross, got {zone}")


def _without(keys: Iterable[str], body: Mapping[str, Any]) -> dict[str, Any]:
    removed = frozenset(keys)
    kept = {key: value for key, value in body.items() if key not in removed}
    if isinstance(kept.get("item"), dict):
        kept["item"] = {k: value for k, value in kept["item"].items() if k not in removed}
    return kept


def _outward(direction: Direction) -> _Rename:
    names: dict[tuple[str, str], str]
    names = {(pair.field, pair.ours): pair.theirs for pair in direction.ids}
    taken = {(field, theirs) for (field, _), theirs in names.items()}

    def rename(field: str, name: str) -> str:
        # TRT-34: on the other side it and the one renamed to it would be one.
        if (field, name) in taken and (field, name) not in names:
            detail = f"expected a {field} that means one thing on both sides, got {name}"
            raise refusal("bridge.ids", detail)
        return names.get((field, name), name)

    return rename


def _renamed(value: Any, rename: _Rename, *, is_item: bool = False) -> Any:
    """Return a value with the ids in it renamed: zones anywhere, category and code of an item."""
    if isinstance(value, list):
        return [_renamed(each, rename) for each in value]
    if not isinstance(value, dict):
        return value
    made = {}
    for key, each in value.items():
        field = "zone" if key == "zone" else _IN_ITEM.get(key) if is_item else None
        if field is not None and isinstance(each, str):
            made[key] = rename(field, each)
        else:
            made[key] = _renamed(each, rename, is_item=key == "item")
    return made
