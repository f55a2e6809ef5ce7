"""Clearing a pool over several offers, as every node checks it (spec 21)."""

from sheaf_protocol.clearing.allocation import MIX, PRIORITY, Line, Sale, Shares, allocate
from sheaf_protocol.clearing.award import (
    OwnLeaf,
    inputs_hash,
    least_share,
    verify_full,
    verify_own,
    verify_totals,
)
from sheaf_protocol.clearing.case import Case, in_order
from sheaf_protocol.clearing.certificate import upper_bound
from sheaf_protocol.clearing.leaves import SharedOut, share_out
from sheaf_protocol.clearing.market import MOST_WINNERS, SEVERAL_OFFERS, Market, Option, market_of
from sheaf_protocol.clearing.rate import MILLION, landed_rate, rate_of

__all__ = [
    "MILLION",
    "MIX",
    "MOST_WINNERS",
    "PRIORITY",
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
    "in_order",
    "inputs_hash",
    "landed_rate",
    "least_share",
    "market_of",
    "rate_of",
    "share_out",
    "upper_bound",
    "verify_full",
    "verify_own",
    "verify_totals",
]
