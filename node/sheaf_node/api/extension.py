"""Records of extensions at the local API: held against the schemas that are installed here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sheaf_node.api.reading import BodyFault, BodyRefusal, body_refusal
from sheaf_node.kinds import Budget, misfits
from sheaf_protocol.errors import LocalProtocolError, Refusal
from sheaf_protocol.json_view import read_json
from sheaf_protocol.records.extension import extension_body, fault_place

if TYPE_CHECKING:
    from sheaf_node.kinds import Kinds

PAGE_STEPS: Final = 40_000
"""For all records of one answer: 0.1 s. Others wrote them, so none may cost what it likes."""
_UNDER: Final = "/record"


class Fitting:
    """Says of the records of one answer whether they fit, as far as its steps go."""

    def __init__(self, kinds: Kinds | None, steps: int = PAGE_STEPS) -> None:
        self._installed = None if kinds is None else kinds.installed()
        self._budget = Budget(steps)

    def misfit(self, name: str, record: Any) -> BodyFault | None:
        """Return the first place at which a record does not fit its schema, if one is here."""
        kind = None if self._installed is None else self._installed.get(name)
        if kind is None or record is None:
            return None
        try:
            found = misfits(kind, record, self._budget)
        except Refusal as refusal:
            return BodyFault(pointer="", code=refusal.code, message=refusal.detail)
        code = "schema.invalid"
        return (
            BodyFault(pointer=found[0].pointer, code=code, message=found[0].message)
            if found
            else None
        )


def extension_from_json(kinds: Kinds | None, name: str, text: bytes) -> bytes:
    """Return the body of a posted record, once it fits its kind's schema.

    Raises Refusal `kind.unknown`, `kind.costly`; BodyRefusal `schema.invalid`, `enc.*` with the
    places that are wrong.
    """
    if kinds is None:
        raise Refusal("kind.unknown", f"expected a node with kinds of extensions, got {name}")
    kind = kinds.require(name)
    try:
        record = read_json(text)
    except LocalProtocolError as exc:
        raise body_refusal(exc.code, exc.detail, _UNDER) from exc
    try:
        body = extension_body(record)
    except LocalProtocolError as exc:
        fault = BodyFault(pointer=_UNDER + fault_place(record), code=exc.code, message=exc.detail)
        raise BodyRefusal(exc.code, exc.detail, (fault,)) from exc
    found = misfits(kind, record)
    if found:
        faults = tuple(
            BodyFault(pointer=_UNDER + each.pointer, code="schema.invalid", message=each.message)
            for each in found
        )
        detail = f"{found[0].message}, at {faults[0].pointer}"
        raise BodyRefusal("schema.invalid", detail, faults)
    return body
