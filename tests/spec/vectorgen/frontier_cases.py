"""Frontiers, chapter 06: the input says what is asked of a frontier, the output is the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kit import Case, array, blob, hashed, integer, text
from trees import Log, node_digests, part_digest

if TYPE_CHECKING:
    from collections.abc import Iterator

NO, YES = b"\xc2", b"\xc3"


def many(count: int, seq: int = 1) -> list[Log]:
    """Return logs with ids as hashes are."""
    return [
        Log(hashed("log", n.to_bytes(4)), seq, hashed("entry", n.to_bytes(4))) for n in range(count)
    ]


def crowd(count: int, prefix: bytes) -> list[Log]:
    """Return logs whose ids share a prefix."""
    room = 31 - len(prefix)
    return [Log(prefix + bytes(room) + bytes([n]), 1, bytes([n]) * 32) for n in range(count)]


def held(logs: list[Log], *forked: int) -> bytes:
    """Return logs as an input has them."""
    return array(
        *(
            array(blob(log.id), integer(log.seq), blob(log.head), YES if at in forked else NO)
            for at, log in enumerate(logs)
        )
    )


def item(log: Log, size: int = 8) -> bytes:
    """Return a log as a peer tells of it."""
    return array(blob(log.id), integer(log.seq), blob(log.head[:size]))


def part(prefix: str, logs: list[Log]) -> bytes:
    """Return the question for the digest of a part."""
    return array(text("part"), text(prefix), held(logs))


A, B = many(2)
A5, A9 = A._replace(seq=5), A._replace(seq=9)
A5_OTHER = A5._replace(head=b"o" * 32)
A5_LIKE = A5._replace(head=A5.head[:8] + b"o" * 24)
TWENTY = many(20)
FIFTY = sorted(
    log._replace(id=bytes([0x70 + at % 16]) + log.id[1:]) if at < 40 else log
    for at, log in enumerate(many(50))
)
"""Forty of them begin with a 7, so that this part has parts of its own."""
CHANGED = next(at for at, log in enumerate(FIFTY) if log.id[0] >> 4 == 7)


def compared(logs: list[Log], items: list[bytes], *forked: int) -> bytes:
    """Return the question for what a peer's items mean."""
    return array(text("compare"), held(logs, *forked), array(*items))


def means(wanted: list[tuple[bytes, int, int]], diverged: list[bytes]) -> bytes:
    """Return the ranges to ask for and the logs to search for a fork."""
    ranges = [array(blob(log), integer(first), integer(last)) for log, first, last in wanted]
    return array(array(*ranges), array(*map(blob, diverged)))


def node(prefix: str, digests: list[bytes]) -> bytes:
    """Return a node as a peer sends it."""
    return array(text(prefix), array(*map(blob, digests)))


def walked(logs: list[Log], *nodes: bytes) -> bytes:
    """Return the question for what a peer's nodes mean."""
    return array(text("descend"), held(logs), array(*nodes))


def goes_on(told: list[Log], wanted: list[str], nodes: list[str]) -> bytes:
    """Return the logs to tell, the prefixes to ask for and those of the nodes to send."""
    ids = sorted(log.id for log in told)
    return array(array(*map(blob, ids)), array(*map(text, wanted)), array(*map(text, nodes)))


def below(prefix: str, logs: list[Log]) -> list[Log]:
    """Return the logs of a part."""
    return [log for log in logs if log.id.hex().startswith(prefix)]


def asked(logs: list[Log], arrival: int, root: bytes, since: int) -> bytes:
    """Return the question for how a compare is answered."""
    return array(text("answer"), held(logs), integer(arrival), blob(root), integer(since))


def parts() -> Iterator[tuple[str, str, str, bytes, bytes]]:
    """Yield the digests."""
    for name, comment, prefix, logs in (
        ("root_of_nothing", "No log, no hash.", "", []),
        ("root_of_one_log", "A leaf of one.", "", [A]),
        ("root_of_16_logs", "The most logs that one leaf stands for.", "", many(16)),
        ("root_of_17_logs", "One more makes a node over sixteen parts.", "", many(17)),
        ("root_of_20_logs", "The worked example's shape.", "", TWENTY),
        ("root_of_50_logs", "Parts with more than 16 logs have parts of their own.", "", FIFTY),
        ("root_of_ground_ids", "17 ids that share 62 digits.", "", crowd(17, b"\xab" * 31)),
        ("part_of_one_digit", "A node below the top.", "7", FIFTY),
        ("part_of_two_digits", "A leaf below a node.", "7f", FIFTY),
        ("part_without_logs", "No log begins like that.", "00000000", TWENTY),
        ("part_inside_a_leaf", "A part is a part, also where the tree has a leaf.", "d", many(3)),
        ("root_in_another_order", "Ids are sorted, whatever the order they came in.", "", [B, A]),
    ):
        yield name, "SYN-17", comment, part(prefix, logs), part_digest(prefix, logs)
    other = [A._replace(head=A.head[:31] + b"x")]
    comment = "The last byte of a head counts: items do not show it."
    yield "root_with_full_heads", "SYN-1", comment, part("", other), part_digest("", other)


def comparisons() -> Iterator[tuple[str, str, str, bytes, bytes]]:
    """Yield what items mean."""
    no = means([], [])
    yield (
        "item_of_unknown_log",
        "SYN-2",
        "From the first entry on.",
        compared([], [item(A5)]),
        means([(A.id, 1, 5)], []),
    )
    yield (
        "item_above_ours",
        "SYN-2",
        "From behind our head on.",
        compared([A5], [item(A9)]),
        means([(A.id, 6, 9)], []),
    )
    yield "item_below_ours", "SYN-2", "Nothing to ask.", compared([A9], [item(A5)]), no
    yield "item_like_ours", "SYN-3", "Nothing to ask.", compared([A5], [item(A5)]), no
    yield (
        "item_with_other_head",
        "SYN-3",
        "One of the two holds a fork.",
        compared([A5], [item(A5_OTHER)]),
        means([], [A.id]),
    )
    yield (
        "item_with_full_head_that_begins_alike",
        "SYN-3",
        "Eight bytes would not show it.",
        compared([A5], [item(A5_LIKE, 32)]),
        means([], [A.id]),
    )
    comment = "Else it is asked for in every round."
    yield "item_beyond_a_fork", "SYN-4", comment, compared([A5], [item(A9)], 0), no
    yield (
        "item_of_a_fork_on_another_past",
        "SYN-4",
        "An earlier fork is news.",
        compared([A5], [item(A5_OTHER)], 0),
        means([], [A.id]),
    )


def walks() -> Iterator[tuple[str, str, str, bytes, bytes]]:
    """Yield what nodes of the tree mean."""
    changed = [log._replace(seq=2) if log == FIFTY[CHANGED] else log for log in FIFTY]
    digit = FIFTY[CHANGED].id.hex()[0]
    ours, theirs = node_digests("", FIFTY), node_digests("", changed)
    yield (
        "node_like_ours",
        "SYN-26",
        "Nothing below differs.",
        walked(FIFTY, node("", ours)),
        goes_on([], [], []),
    )
    yield (
        "node_with_a_large_part_changed",
        "SYN-26",
        "More than 16 logs below: one step down.",
        walked(FIFTY, node("", theirs)),
        goes_on([], [], [digit]),
    )
    two = FIFTY[CHANGED].id.hex()[:2]
    yield (
        "node_with_a_small_part_changed",
        "SYN-26",
        "At most 16 logs below: tell them and ask for the peer's.",
        walked(FIFTY, node(digit, node_digests(digit, changed))),
        goes_on(below(two, FIFTY), [two], []),
    )
    yield (
        "node_with_a_part_we_lack",
        "SYN-26",
        "Nothing to tell, all to ask for.",
        walked([], node("", [b"d" * 32, *[bytes(32)] * 15])),
        goes_on([], ["0"], []),
    )
    deep = crowd(20, b"\xab" * 31)
    yield (
        "node_of_eight_digits",
        "SYN-26",
        "The walk ends there, however many logs there are.",
        walked(deep, node("abababab", [bytes(32)] * 16)),
        goes_on(deep, ["abababab"], []),
    )
    halves = [*crowd(9, b"\xab" * 4), *crowd(9, b"\xab" * 4 + b"\x10")]
    other = [log._replace(seq=2) if log.id[4] else log for log in halves]
    yield (
        "node_of_eight_digits_with_one_part_changed",
        "SYN-26",
        "No prefix names that part, so its own is asked for; what is alike is not told.",
        walked(halves, node("abababab", node_digests("abababab", other))),
        goes_on(below("abababab1", halves), ["abababab"], []),
    )


def answers() -> Iterator[tuple[str, str, str, bytes, bytes]]:
    """Yield how a compare is answered."""
    root, other = part_digest("", TWENTY), b"r" * 32
    for name, comment, question, answer in (
        ("compare_of_equal_roots", "A `have` without items.", asked(TWENTY, 9, root, 0), b"equal"),
        ("compare_since_nothing", "All logs.", asked(TWENTY, 9, other, 0), b"whole"),
        ("compare_since_the_last", "The cursor.", asked(TWENTY, 9, other, 9), b"changed"),
        ("compare_since_beyond", "This store was put back.", asked(TWENTY, 9, other, 10), b"whole"),
    ):
        yield name, "SYN-21", comment, question, answer


def idles() -> Iterator[tuple[str, str, str, bytes, bytes]]:
    """Yield digests of idle rounds."""
    roots = [b"a" * 32, b"b" * 32]
    for name, comment, listed in (
        ("idle_of_no_federation", "Nothing in common, yet a digest.", []),
        ("idle_of_two_federations", "One digest for all.", roots),
        ("idle_in_the_other_order", "The order is the initiator's scopes'.", roots[::-1]),
    ):
        question = array(text("idle"), array(*map(blob, listed)))
        yield name, "SYN-20", comment, question, hashed("idle", *listed)[:16]


def refused() -> Iterator[tuple[str, str, str, bytes]]:
    """Yield what is no item and no node."""
    for size in (7, 9, 31, 33):
        comment = "Heads have eight bytes or all."
        told = array(blob(A.id), integer(5), blob(bytes(size)))
        yield f"item_with_{size}_bytes_of_head", "SYN-18", comment, compared([A], [told])
    short = array(blob(A.id[:31]), integer(5), blob(bytes(8)))
    yield "item_with_short_log_id", "SYN-18", "Ids are hashes.", compared([A], [short])
    digests = [bytes(32)] * 16
    for name, comment, wrong in (
        ("node_with_15_digests", "One for each hex digit.", node("", digests[:15])),
        ("node_with_17_digests", "There is no seventeenth digit.", node("", [*digests, bytes(32)])),
        ("node_with_short_digest", "In full.", node("", [bytes(8), *digests[:15]])),
        ("node_of_nine_digits", "A walk ends at eight.", node("abababab0", digests)),
        ("node_of_upper_case_digits", "One spelling of a prefix.", node("AB", digests)),
        ("node_of_no_digits", "Not hex.", node("xy", digests)),
    ):
        yield name, "SYN-26", comment, walked([A], wrong)


def cases() -> Iterator[Case]:
    """Yield the vectors of chapter 06."""
    for group in (parts, comparisons, walks, answers, idles):
        for name, clause, comment, question, answer in group():
            yield Case(
                id=f"06-frontier/{name}",
                clause=clause,
                expect="ok",
                comment=comment,
                input=question,
                output=answer,
            )
    for name, clause, comment, question in refused():
        yield Case(
            id=f"06-frontier/{name}",
            clause=clause,
            expect="schema.invalid",
            comment=comment,
            input=question,
        )
