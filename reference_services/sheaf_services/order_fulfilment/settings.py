"""`[services.order_fulfilment]` in a node's settings: what this co-op does unasked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from sheaf_protocol.errors import Refusal
from sheaf_protocol.records.invoice import Tax
from sheaf_protocol.records.order import BasisPoints

if TYPE_CHECKING:
    from collections.abc import Mapping

_NAME = "services.order_fulfilment"


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a co-op has settled once for all its orders."""

    agree_days: Annotated[int, Meta(ge=1, le=365)] = 2
    """As a supplier: how long a proposal stands."""
    approve: Literal["agreeing", "by_hand"] = "by_hand"
    """As a buyer: whether invoices that agree with ours are approved, and others rejected."""
    cancel_fee_bps: BasisPoints = 0
    """As a supplier: what cancelling an accepted order costs at most."""
    deem: bool = True
    """As a supplier: whether goods nobody counted are taken as accepted once time has passed."""
    due_days: Annotated[int, Meta(ge=0, le=365)] = 30
    """As a supplier: until when an invoice is to be paid."""
    inspect_days: Annotated[int, Meta(ge=3, le=365)] = 3
    """As a supplier: how long a buyer has to count goods after their arrival."""
    invoices: Literal["after_receipt", "by_hand"] = "by_hand"
    """As a supplier: whether each receipt is billed at once."""
    tax: Tax | UnsetType = UNSET
    """The tax on what we sell; without one no invoice is issued unasked."""
    taxes: dict[str, Tax] = {}
    """That on single items, by their codes."""

    def tax_of(self, code: str) -> Tax | None:
        """Return the tax on an item, or None where none is settled."""
        tax = self.taxes.get(code, self.tax)
        return None if tax is UNSET else tax


def read_settings(given: Mapping[str, Any]) -> Settings:
    """Return the settings. Raises Refusal `config.unknown_key`, `config.invalid`."""
    for name in given:
        if name not in Settings.__struct_fields__:
            known = " or ".join(Settings.__struct_fields__)
            raise Refusal("config.unknown_key", f"{_NAME}: expected {known}, got {name!r}")
    try:
        return msgspec.convert(dict(given), Settings)
    except msgspec.ValidationError as exc:
        raise Refusal("config.invalid", f"{_NAME}: {exc}") from exc
