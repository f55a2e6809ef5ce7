"""Messages and frames, chapter 07: the input is a turn and a plaintext, or a key and frames."""

from __future__ import annotations

from typing import TYPE_CHECKING

from handshake import BYE, sealed
from kit import ZERO, Case, array, blob, integer, mapping, text

if TYPE_CHECKING:
    from collections.abc import Iterator

NO, YES, NIL = b"\xc2", b"\xc3", b"\xc0"
KEY = b"k" * 32
SCOPE, HASH, HEAD8 = blob(b"s" * 16), blob(b"h" * 32), blob(b"8" * 8)
NOTHING = array()
ENVELOPE = array(blob(b"header"), blob(b""), blob(b""))
SIGNATURE = blob(b"x" * 64)
SALT = blob(b"0123456789abcdef")
TAIL = array(array(blob(b"header")), SIGNATURE)
NODE = array(text("0f"), array(*[HASH] * 16))


def said(name: str, *elements: bytes) -> bytes:
    """Return a message."""
    return array(text(name), *elements)


GOOD = {
    "control_have": said(
        "control_have", array(array(HASH, integer(3), HASH)), NOTHING, NOTHING, YES
    ),
    "control_want": said("control_want", array(array(HASH, integer(0))), NOTHING, NOTHING),
    "control_items": said("control_items", NOTHING, NOTHING, NOTHING, YES),
    "scope": said("scope", array(SCOPE), SCOPE),
    "idle": said("idle", SCOPE),
    "compare": said("compare", SCOPE, HASH, integer(7)),
    "have": said("have", SCOPE, HASH, integer(7), array(array(HASH, integer(1), HEAD8))),
    "tree": said("tree", SCOPE, array(NODE)),
    "tree_want": said("tree_want", SCOPE, array(text(""), text("0f"))),
    "want": said("want", SCOPE, array(array(HASH, integer(1), integer(9)))),
    "entries": said("entries", SCOPE, NO, array(ENVELOPE), array(TAIL)),
    "served": said("served", SCOPE),
    "lagged": said("lagged", SCOPE),
    "subscribe": said("subscribe", SCOPE, mapping(kinds=array(text("offer.submit")))),
    "payload_want": said("payload_want", SCOPE, array(array(HASH, integer(1), integer(2_048)))),
    "payloads": said("payloads", SCOPE, array(array(HASH, integer(1), SALT))),
    "credit": said("credit", integer(1)),
    "reject": said("reject", HASH, text("log.gap")),
    "bye": BYE,
}
CONTROL = ("control_have", "control_want", "control_items", "credit", "reject", "bye")


def heard(turn: str, plaintext: bytes) -> bytes:
    """Return the input of an end that gets a message at a turn."""
    return array(text("message"), text(turn), blob(plaintext))


def opened(*frames: bytes) -> bytes:
    """Return the input of an end that gets frames, one after another."""
    return array(text("frames"), blob(KEY), array(*map(blob, frames)))


def frame(count: int, plain: bytes = BYE) -> bytes:
    """Return a frame of the direction."""
    return sealed(plain, "link-frame", KEY, count)


def in_turn() -> Iterator[tuple[str, str, bytes, bytes]]:
    """Yield messages where they may be sent, with the turn after them."""
    for name, plaintext in GOOD.items():
        yield f"data_{name}", "In its turn.", heard("data", plaintext), b"data"
    for name in ("control_want", "control_items"):
        yield f"control_{name}", "Control comes first.", heard("control", GOOD[name]), b"control"
    question = heard("greeting", GOOD["control_have"])
    yield "greeting_control_have", "The first message.", question, b"control"
    question = heard("control", GOOD["scope"])
    yield "control_scope", "The word that the sender is ready.", question, b"data"


def out_of_turn() -> Iterator[tuple[str, str, bytes]]:
    """Yield messages where they may not be sent."""
    for name, plaintext in GOOD.items():
        if name not in {"control_have", "bye"}:
            yield f"greeting_{name}", "Control comes first.", heard("greeting", plaintext)
        if name not in {*CONTROL, "scope"}:
            comment = "Data is judged by control items, so it comes after them."
            yield f"control_{name}", comment, heard("control", plaintext)


def batch(*envelopes: bytes, tails: tuple[bytes, ...] = ()) -> bytes:
    """Return an answer to a question."""
    return said("entries", SCOPE, NO, array(*envelopes), array(*tails))


EMPTY_ENVELOPE = array(blob(b""), blob(b""), blob(b""))
HEADER = blob(b"header")
CERTIFICATE = mapping(approvals=NOTHING, body=blob(b""))
OPERATIONS_513 = array(array(HASH, integer(513), HASH))
MALFORMED = [
    ("message_unknown", "link.message", "A later version's.", said("sing", SCOPE)),
    ("message_empty", "link.message", "Nothing names it.", array()),
    ("message_without_name", "link.message", "The name is text.", array(SCOPE)),
    ("message_as_map", "link.message", "Messages are arrays.", mapping(idle=SCOPE)),
    ("message_as_text", "link.message", "A name is no message.", text("idle")),
    ("message_cut_off", "enc.malformed", "Half of an idle.", GOOD["idle"][:9]),
    ("message_with_more_behind", "enc.trailing", "One message a frame.", GOOD["idle"] + b"\x00"),
    ("message_in_array16", "enc.not_shortest", "One spelling.", b"\xdc\x00\x02" + GOOD["idle"][1:]),
    ("message_of_no_bytes", "enc.malformed", "No value.", b""),
    ("idle_of_15_bytes", "link.message", "Sixteen.", said("idle", blob(b"s" * 15))),
    ("idle_with_more", "link.message", "One element.", said("idle", SCOPE, SCOPE)),
    ("idle_without_digest", "link.message", "One element.", said("idle")),
    ("compare_without_since", "link.message", "Three elements.", said("compare", SCOPE, HASH)),
    ("compare_since_nil", "enc.nil", "0 is nothing.", said("compare", SCOPE, HASH, NIL)),
    ("compare_since_minus_one", "link.message", "A count.", said("compare", SCOPE, HASH, b"\xff")),
    (
        "compare_since_2_to_53",
        "enc.int_range",
        "No integer of CMP-1.",
        said("compare", SCOPE, HASH, b"\xcf" + (2**53).to_bytes(8)),
    ),
    (
        "compare_with_short_scope",
        "link.message",
        "Sixteen bytes.",
        said("compare", blob(b"s" * 15), HASH, integer(0)),
    ),
    (
        "compare_with_short_root",
        "link.message",
        "Roots are hashes.",
        said("compare", SCOPE, blob(b"h" * 31), integer(0)),
    ),
    ("have_without_arrival", "link.message", "Four elements.", said("have", SCOPE, HASH, NOTHING)),
    (
        "have_with_nine_bytes_of_head",
        "link.message",
        "Eight bytes or all.",
        said("have", SCOPE, HASH, integer(7), array(array(HASH, integer(1), blob(bytes(9))))),
    ),
    ("tree_without_nodes", "link.message", "At least one.", said("tree", SCOPE, NOTHING)),
    (
        "tree_with_15_digests",
        "link.message",
        "One for each hex digit.",
        said("tree", SCOPE, array(array(text(""), array(*[HASH] * 15)))),
    ),
    (
        "tree_with_upper_case_prefix",
        "link.message",
        "One spelling of a prefix.",
        said("tree", SCOPE, array(array(text("0F"), array(*[HASH] * 16)))),
    ),
    (
        "tree_with_short_digests",
        "link.message",
        "In full: two that share eight bytes can be ground.",
        said("tree", SCOPE, array(array(text(""), array(*[HEAD8] * 16)))),
    ),
    ("tree_want_of_nothing", "link.message", "At least one.", said("tree_want", SCOPE, NOTHING)),
    (
        "tree_want_of_nine_digits",
        "link.message",
        "A walk ends at eight.",
        said("tree_want", SCOPE, array(text("000000000"))),
    ),
    ("want_of_nothing", "link.message", "At least one range.", said("want", SCOPE, NOTHING)),
    (
        "want_from_zero",
        "link.message",
        "Logs begin with entry 1.",
        said("want", SCOPE, array(array(HASH, integer(0), integer(9)))),
    ),
    ("entries_of_nothing", "link.message", "At least one.", batch()),
    (
        "entries_without_tails",
        "link.message",
        "An empty list where none is needed.",
        said("entries", SCOPE, NO, array(ENVELOPE)),
    ),
    ("entries_of_257", "link.message", "One too many.", batch(*[EMPTY_ENVELOPE] * 257)),
    (
        "entries_with_tail_of_no_header",
        "link.message",
        "The signed one is in it.",
        batch(ENVELOPE, tails=(array(NOTHING, SIGNATURE),)),
    ),
    (
        "entries_with_tail_of_64_headers",
        "link.message",
        "A signature reaches 63 places back.",
        batch(ENVELOPE, tails=(array(array(*[HEADER] * 64), SIGNATURE),)),
    ),
    (
        "entries_with_short_tail_signature",
        "link.message",
        "64 bytes.",
        batch(ENVELOPE, tails=(array(array(HEADER), blob(b"x" * 63)),)),
    ),
    ("served_without_scope", "link.message", "It names a federation.", said("served")),
    ("lagged_with_count", "link.message", "One element.", said("lagged", SCOPE, integer(3))),
    ("credit_of_nothing", "link.message", "At least a byte.", said("credit", integer(0))),
    ("credit_above_all", "link.message", "More than there is.", said("credit", integer(2_097_153))),
    (
        "reject_with_a_sentence",
        "link.message",
        "A code of chapter 12.",
        said("reject", HASH, text("It is wrong.")),
    ),
    ("bye_with_upper_case", "link.message", "Codes are lower case.", said("bye", text("Link.bye"))),
    (
        "subscribe_without_filter",
        "link.message",
        "An empty one is a filter.",
        said("subscribe", SCOPE),
    ),
    (
        "subscribe_of_65_kinds",
        "link.message",
        "64 are the most.",
        said("subscribe", SCOPE, mapping(kinds=array(*[text("verdict")] * 65))),
    ),
    (
        "payload_want_of_no_range",
        "link.message",
        "At least one.",
        said("payload_want", SCOPE, NOTHING),
    ),
    (
        "payload_want_of_2049_entries",
        "link.batch",
        "What one question may have the other look into.",
        said("payload_want", SCOPE, array(array(HASH, integer(1), integer(2_049)))),
    ),
    (
        "payload_want_of_2049_in_two_ranges",
        "link.batch",
        "They add up.",
        said(
            "payload_want",
            SCOPE,
            array(
                array(HASH, integer(1), integer(2_048)), array(HASH, integer(5_000), integer(5_000))
            ),
        ),
    ),
    (
        "payloads_of_15_bytes",
        "link.message",
        "Less than a salt.",
        said("payloads", SCOPE, array(array(HASH, integer(1), blob(b"0123456789abcde")))),
    ),
    (
        "payloads_of_nothing",
        "link.message",
        "What is not held is not sent.",
        said("payloads", SCOPE, array(array(HASH, integer(1), blob(b"")))),
    ),
    (
        "scope_with_short_store_id",
        "link.message",
        "16 to 32 bytes.",
        said("scope", array(SCOPE), blob(b"s" * 15)),
    ),
    (
        "control_have_of_no_operation",
        "link.message",
        "A key log begins with its inception.",
        said("control_have", array(array(HASH, integer(0), HASH)), NOTHING, NOTHING, YES),
    ),
    (
        "control_have_of_a_short_head",
        "link.message",
        "Operations whose ids share eight bytes can be made.",
        said("control_have", array(array(HASH, integer(3), HEAD8)), NOTHING, NOTHING, YES),
    ),
    (
        "control_want_from_512",
        "link.message",
        "The last operation of the longest key log is number 511.",
        said("control_want", array(array(HASH, integer(512))), NOTHING, NOTHING),
    ),
    (
        "control_want_of_a_certificate",
        "link.message",
        "By its id, and sent whole only in `control_items`.",
        said("control_want", NOTHING, array(CERTIFICATE), NOTHING),
    ),
    (
        "control_items_of_an_id",
        "link.message",
        "The certificate itself.",
        said("control_items", NOTHING, array(HASH), NOTHING, YES),
    ),
    ("reject_with_ok", "link.message", "No refusal.", said("reject", HASH, text("ok"))),
    (
        "control_have_of_513_operations",
        "link.message",
        "No key log is as long.",
        said("control_have", OPERATIONS_513, NOTHING, NOTHING, YES),
    ),
]

FRAMES = [
    ("frame_altered", "One bit.", [frame(0)[:-1] + bytes([frame(0)[-1] ^ 1])]),
    ("frame_repeated", "The counter moved on.", [frame(0), frame(0)]),
    ("frame_dropped", "The second one comes first.", [frame(1)]),
    ("frame_reordered", "And the first one after it.", [frame(0), frame(2), frame(1)]),
    ("frame_of_another_key", "The other direction's.", [sealed(BYE, "link-frame", ZERO)]),
    ("frame_sealed_as_a_box", "Boxes have another tag.", [sealed(BYE, "link-box", KEY)]),
    ("frame_of_15_bytes", "Less than a tag.", [frame(0)[:15]]),
    ("frame_of_no_bytes", "Nothing.", [b""]),
]


def cases() -> Iterator[Case]:
    """Yield the vectors of messages, turns and frames."""
    for name, comment, question, after in in_turn():
        yield Case(
            id=f"07-link/{name}",
            clause="LNK-20",
            expect="ok",
            comment=comment,
            input=question,
            output=after,
        )
    for name, comment, question in out_of_turn():
        yield _refused(f"{name}_too_early", "LNK-20", "link.order", comment, question)
    for name, code, comment, plaintext in MALFORMED:
        clause = "SYN-78" if code == "link.batch" else "LNK-16"
        yield _refused(name, clause, code, comment, heard("data", plaintext))
    for name, comment, frames in FRAMES:
        yield _refused(name, "LNK-14", "link.frame", comment, opened(*frames))
    idle = GOOD["idle"]
    for name, comment, frames, last in (
        ("frame_of_nothing", "An empty plaintext opens.", [frame(0, b"")], b""),
        ("frames_in_order", "Each takes the next counter.", [frame(0), frame(1, idle)], idle),
    ):
        yield Case(
            id=f"07-link/{name}",
            clause="LNK-14",
            expect="ok",
            comment=comment,
            input=opened(*frames),
            output=last,
        )


def _refused(name: str, clause: str, code: str, comment: str, question: bytes) -> Case:
    return Case(id=f"07-link/{name}", clause=clause, expect=code, comment=comment, input=question)
