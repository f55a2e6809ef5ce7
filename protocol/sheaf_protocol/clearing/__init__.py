"""Clearing a pool over several offers, as every node checks it (spec 21)."""

from sheaf_protocol.clearing.allocation import (
    MIX,
    PRIORITY,
    Line,
    Sale,
    Shares,
    allocate,
    bends_less_first,
    in_proportion,
)
from sheaf_protocol.clearing.award import (
    OwnLeaf,
    inputs_hash,
    least_share,
    verify_full,
    verify_own,
    verify_totals,
)
from sheaf_protocol.clearing.case import RATIONS, Case, in_order
from sheaf_protocol.clearing.certificate import upper_bound
from sheaf_protocol.clearing.leaves import MAX_LINE_AMOUNT, SharedOut, can_pay, open_salt, share_out
from sheaf_protocol.clearing.market import (
    MOST_WINNERS,
    SEVERAL_OFFERS,
    Market,
    Option,
    market_of,
    rate_at,
)
from sheaf_protocol.clearing.rate import MILLION, landed_rate, rate_of

__all__ = [
    "MAX_LINE_AMOUNT",
    "MILLION",
    "MIX",
    "MOST_WINNERS",
    "PRIORITY",
    "RATIONS",
    "SEVERAL_OFFERS",
    "Case",
    "Line",
    "Market",
    "Option",
    "OwnLeaf",
    "Sale",
    "SharedOut",
    "Shares",
    "allocate",
    "bends_less_first",
    "can_pay",
    "in_order",
    "in_proportion",
    "inputs_hash",
    "landed_rate",
    "least_share",
    "market_of",
    "open_salt",
    "rate_at",
    "rate_of",
    "share_out",
    "upper_bound",
    "verify_full",
    "verify_own",
    "verify_totals",
]
