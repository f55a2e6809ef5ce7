"""Lists of addresses in a log, chapter 08: what is one, and what is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kit import Case, array, blob, integer, mapping, text

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST = "wss://" + "a" * 190


def listed(*urls: str) -> bytes:
    """Return the body of a list of these addresses."""
    return mapping(urls=array(*map(text, urls)))


# file name, what is expected, body, why it matters
ROWS = [
    ("addresses", "ok", listed("wss://mill.example", "ws://mill.example:8440"), "The best first."),
    ("addresses_none", "ok", listed(), "It takes back all that was told."),
    ("addresses_eight", "ok", listed(*(f"wss://{n}.example" for n in range(8))), "The most."),
    ("address_of_196", "ok", listed(LONGEST), "The longest."),
    ("address_by_number", "ok", listed("ws://[2001:db8::7]:8440"), "No name to look up."),
    (
        "address_inside_a_network",
        "ok",
        listed("ws://10.0.0.1"),
        "DSC-8 has no dial follow.",
    ),
    ("addresses_nine", "schema.invalid", listed(*(f"wss://{n}" for n in range(9))), "DSC-12."),
    ("address_of_197", "schema.invalid", listed(LONGEST + "a"), "One character too many."),
    ("address_of_http", "schema.invalid", listed("https://mill.example"), "One spelling is told."),
    ("address_upper_case", "schema.invalid", listed("WSS://mill.example"), "One spelling is told."),
    ("address_without_host", "schema.invalid", listed("wss://"), "It leads nowhere."),
    ("address_with_space", "schema.invalid", listed("wss://a b"), "No terminal is to break it."),
    ("address_with_newline", "schema.invalid", listed("wss://a\n"), "A pattern's end is the end."),
    ("address_not_ascii", "schema.invalid", listed("wss://m\u00fchle.example"), "Names are ASCII."),
    ("address_as_number", "schema.invalid", mapping(urls=array(integer(8440))), "A port is none."),
    ("addresses_as_text", "schema.invalid", mapping(urls=text("wss://a")), "One is a list of one."),
    (
        "addresses_missing",
        "schema.invalid",
        mapping(),
        "An empty list takes all back.",
    ),
]


def cases() -> Iterator[Case]:
    """Yield the vectors."""
    for name, expect, body, comment in ROWS:
        yield Case(
            id=f"10-record/{name}",
            clause="REC-1",
            expect=expect,
            comment=comment,
            input=mapping(body=blob(body), kind=text("address.list")),
        )
