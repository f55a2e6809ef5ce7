"""Invitations, chapter 19: links and codes as people have them, and both sides of an exchange.

19-link: the input is a text, the output `[secret]` of a code or `[secret, url, cid]` of a link.
19-exchange: `["joiner", side, secret, cid, offer, welcome, now_ms]`, with what it sends and, at the
end, the charter as the output; or `["inviter", side, proof key, terms, ask, join, now_ms]`, with
the offer, and the co-op that joined, as the output. What did not come is empty.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from handshake import DALE, HILL, NOW_MS, ZERO_NONCE, inside, kdf
from kit import Case, array, blob, hashed, integer, mapping, tag, text
from nacl import bindings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from handshake import Side

SECRET: Final = bytes(range(16))
PROOF_KEY: Final = hashed("invitation-key", SECRET)
ID: Final = hashed("invitation-id", PROOF_KEY)
FID: Final = hashed("test", b"a federation")
MINUTE_MS: Final = 60_000
URL: Final = "https://dale.example"
DIGITS: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
CHARTER: Final = b"the charter file"


def link(url: str = URL, version: bytes = b"\x01", path: str = "/sheaf/1/join") -> str:
    """Return the link of Dale's invitation."""
    fragment = base64.urlsafe_b64encode(version + SECRET + DALE.cid).decode().rstrip("=")
    return f"{url}{path}#{fragment}"


def code(secret: bytes = SECRET) -> str:
    """Return the code of an invitation, in groups."""
    check = hashed("invitation-code", secret)[:2]
    bits = "".join(f"{byte:08b}" for byte in secret + check)[:140]
    digits = "".join(DIGITS[int(bits[at : at + 5], 2)] for at in range(0, 140, 5))
    return "-".join(digits[at : at + 4] for at in range(0, 28, 4))


def terms(now_ms: int = NOW_MS, **changes: bytes) -> bytes:
    """Return what Dale says of its invitation."""
    fields = {
        "expires_ms": integer(NOW_MS + 60 * MINUTE_MS),
        "fid": blob(FID),
        "is_alone": b"\xc3",
        "members": integer(1),
        "name": text("Borders"),
        "now_ms": integer(now_ms),
        "roles": array(text("member")),
    }
    return mapping(**{**fields, **changes})


def box(plain: bytes, key: bytes) -> bytes:
    """Return a box of the exchange."""
    return bindings.crypto_aead_chacha20poly1305_ietf_encrypt(
        plain, tag("invitation-box"), ZERO_NONCE, key
    )


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """An exchange, message by message, from both seeds; fields replace what is honest."""

    inviter: Side = DALE
    joiner: Side = HILL
    key: bytes = PROOF_KEY
    terms: bytes = terms()
    secret: bytes = SECRET
    proof: bytes | None = None
    id: bytes = ID
    offer_purpose: str = "invitation-inviter"
    join_purpose: str = "invitation-joiner"
    welcome_purpose: str = "invitation-welcome"
    named: bytes | None = None
    shown_by: Side | None = None

    @property
    def ask(self) -> bytes:
        """The ask."""
        said = hashed("invitation-asked", self.joiner.eph, self.id, self.joiner.nonce)
        proof = kdf(self.key, said, "invitation-proof") if self.proof is None else self.proof
        return mapping(
            eph=blob(self.joiner.eph),
            id=blob(self.id),
            nonce=blob(self.joiner.nonce),
            proof=blob(proof),
        )

    @property
    def shared(self) -> bytes:
        """E and p."""
        return bindings.crypto_scalarmult(self.joiner.seed, self.inviter.eph) + self.key

    def reply(self, sealed: bytes) -> bytes:
        """Return the offer around a box."""
        return mapping(box=blob(sealed), eph=blob(self.inviter.eph), nonce=blob(self.inviter.nonce))

    @property
    def t1(self) -> bytes:
        """What was said before the box of the offer."""
        asked = hashed("invitation-ask", self.ask)
        return hashed("invitation-opened", asked, hashed("invitation-reply", self.reply(b"")))

    @property
    def offer_box(self) -> bytes:
        """The box of the offer."""
        who = inside(self.shown_by or self.inviter, self.offer_purpose, self.t1)
        key = kdf(self.shared, self.t1, "invitation-offer")
        return box(mapping(terms=self.terms, who=who), key)

    @property
    def offer(self) -> bytes:
        """The offer."""
        return self.reply(self.offer_box)

    @property
    def t2(self) -> bytes:
        """What was said before the join."""
        return hashed("invitation-said", self.t1, hashed("invitation-sealed", self.offer_box))

    @property
    def join_box(self) -> bytes:
        """The box of the join."""
        who = inside(self.joiner, self.join_purpose, self.t2)
        key = kdf(self.shared, self.t2, "invitation-join")
        return box(mapping(secret=blob(self.secret), who=who), key)

    @property
    def join(self) -> bytes:
        """The join."""
        return mapping(box=blob(self.join_box), exchange=blob(self.named or self.t2))

    @property
    def welcome(self) -> bytes:
        """The welcome."""
        t3 = hashed("invitation-said", self.t2, hashed("invitation-sealed", self.join_box))
        plain = mapping(charter=blob(CHARTER), is_member=b"\xc3")
        return mapping(box=blob(box(plain, kdf(self.shared, t3, self.welcome_purpose))))


HONEST: Final = Exchange()
STRANGER: Final = replace(HILL, writer=DALE.writer, writer_seed=DALE.writer_seed)
"""A co-op that shows a writer which its key log does not delegate."""


def _joiner(
    run: Exchange, *, cid: bytes = b"", welcome: bytes = b"", now_ms: int = NOW_MS
) -> bytes:
    return array(
        text("joiner"),
        run.joiner.wire,
        blob(SECRET),
        blob(cid),
        blob(run.offer),
        blob(welcome),
        integer(now_ms),
    )


def _inviter(run: Exchange, *, join: bytes = b"", key: bytes = PROOF_KEY) -> bytes:
    return array(
        text("inviter"),
        run.inviter.wire,
        blob(key),
        run.terms,
        blob(run.ask),
        blob(join),
        integer(NOW_MS),
    )


def _exchange(name: str, clause: str, comment: str, data: bytes, *said: bytes) -> Case:
    return Case(
        id=f"19-exchange/{name}",
        clause=clause,
        expect="ok",
        comment=comment,
        input=data,
        output=array(*map(blob, said)),
    )


def _refused(name: str, clause: str, expect: str, comment: str, data: bytes) -> Case:
    return Case(id=f"19-exchange/{name}", clause=clause, expect=expect, comment=comment, input=data)


def _texts() -> Iterator[Case]:
    whole = array(blob(SECRET), text(URL), blob(DALE.cid))
    port = array(blob(SECRET), text("http://192.0.2.7:8440"), blob(DALE.cid))
    bare = array(blob(SECRET))
    good = (
        ("link", "The usual one.", link(), whole),
        ("link_with_port", "Without TLS, to a node itself.", link("http://192.0.2.7:8440"), port),
        ("link_with_spaces", "As it is pasted out of a letter.", f"  {link()}\n", whole),
        ("code", "The usual one.", code(), bare),
        ("code_as_typed", "Small letters, no groups.", code().lower().replace("-", " "), bare),
        ("code_misread", "O for 0, and I for 1.", code().replace("0", "O").replace("1", "I"), bare),
    )
    for name, comment, given, output in good:
        yield _text(name, "ok", comment, given, output)
    bad = (
        ("link_cut", "invite.link", "A mail program broke the line.", link()[:-1]),
        ("link_version_2", "invite.link", "Of a later version.", link(version=b"\x02")),
        ("link_path", "invite.link", "That of the link itself.", link(path="/sheaf/1/link")),
        ("link_user", "invite.link", "A name before the host.", link("https://dale@mill.example")),
        ("link_query", "invite.link", "A query.", link(path="/sheaf/1/join?a=b")),
        ("link_scheme", "invite.link", "No address of a node.", link("ftp://dale.example")),
        ("link_loose_bits", "invite.link", "Bits that no byte has.", link()[:-1] + "9"),
        ("code_letter", "invite.code", "One letter is wrong.", "1" + code()[1:]),
        ("code_short", "invite.code", "One letter is missing.", code()[:-1]),
        ("code_other_alphabet", "invite.code", "U is no digit.", "U" + code()[1:]),
        ("empty", "invite.code", "Nothing.", ""),
    )
    for name, expect, comment, given in bad:
        yield _text(name, expect, comment, given)


def _text(name: str, expect: str, comment: str, given: str, output: bytes | None = None) -> Case:
    return Case(
        id=f"19-link/{name}",
        clause="INV-2",
        expect=expect,
        comment=comment,
        input=text(given),
        output=output,
    )


def _at_joiner() -> Iterator[Case]:
    run, limit = HONEST, 5 * MINUTE_MS
    comment = "A code names no co-op."
    yield _exchange("joiner_by_code", "INV-6", comment, _joiner(run), run.ask, run.join)
    data = _joiner(run, cid=DALE.cid, welcome=run.welcome)
    said = (run.ask, run.join, CHARTER)
    yield _exchange("joiner_whole", "INV-7", "The whole exchange.", data, *said)
    data = _joiner(run, cid=HILL.cid)
    yield _refused("joiner_other_coop", "INV-6", "link.coop", "The link names another.", data)
    other = replace(run, key=hashed("invitation-key", b"x" * 16), id=ID, proof=b"")
    data = _joiner(other)
    comment = "By somebody between, who lacks the proof key."
    yield _refused("joiner_between", "INV-7", "invite.box", comment, data)
    data = _joiner(replace(run, offer_purpose="handshake-responder"))
    comment = "A signature made for a link."
    yield _refused("joiner_signature_of_link", "INV-11", "link.signature", comment, data)
    data = _joiner(replace(run, shown_by=replace(DALE, key_log=HILL.key_log)))
    comment = "The key log of another co-op."
    yield _refused("joiner_key_log", "INV-11", "link.coop", comment, data)
    for name, off in (("behind", -limit), ("ahead", limit)):
        run = replace(HONEST, terms=terms(NOW_MS + off))
        comment = f"The inviter's clock is {name} by the limit."
        yield _exchange(f"joiner_clock_{name}", "INV-10", comment, _joiner(run), run.ask, run.join)
        run = replace(HONEST, terms=terms(NOW_MS + off + (1 if off > 0 else -1)))
        comment = f"It is {name} by a millisecond more."
        data = _joiner(run)
        yield _refused(f"joiner_clock_{name}_more", "INV-10", "invite.clock", comment, data)
    data = _joiner(HONEST, welcome=replace(HONEST, welcome_purpose="invitation-join").welcome)
    comment = "A welcome under the key of the join."
    yield _refused("joiner_welcome_key", "INV-7", "invite.box", comment, data)


def _at_inviter() -> Iterator[Case]:
    run = HONEST
    yield _exchange("inviter_asked", "INV-4", "The ask alone.", _inviter(run), run.offer)
    data = _inviter(run, join=run.join)
    yield _exchange(
        "inviter_whole", "INV-8", "Who joins shows the secret.", data, run.offer, HILL.cid
    )
    data = _inviter(replace(run, proof=bytes(32)))
    comment = "The id, which a listener sees, is no proof."
    yield _refused("inviter_proof", "INV-4", "invite.unknown", comment, data)
    data = _inviter(run, key=hashed("invitation-key", b"x" * 16))
    yield _refused("inviter_other_id", "INV-4", "invite.unknown", "Of another invitation.", data)
    data = _inviter(run, join=replace(run, secret=b"x" * 16).join)
    comment = "By somebody who stole the inviter's file: the proof key, and not the secret."
    yield _refused("inviter_without_secret", "INV-8", "invite.unknown", comment, data)
    data = _inviter(run, join=replace(run, named=bytes(32)).join)
    comment = "A join that names another exchange."
    yield _refused("inviter_other_exchange", "INV-9", "invite.exchange", comment, data)
    data = _inviter(run, join=mapping(box=blob(run.join_box[:-1]), exchange=blob(run.t2)))
    yield _refused("inviter_box", "INV-7", "invite.box", "A box that lacks a byte.", data)
    data = _inviter(run, join=replace(run, join_purpose="invitation-inviter").join)
    comment = "A signature made for the other side."
    yield _refused("inviter_signature", "INV-11", "link.signature", comment, data)
    data = _inviter(run, join=replace(run, joiner=STRANGER).join)
    comment = "A writer that the co-op did not delegate."
    yield _refused("inviter_stranger", "INV-11", "link.not_delegated", comment, data)


def cases() -> Iterator[Case]:
    """Yield the vectors of invitations."""
    yield from _texts()
    yield from _at_joiner()
    yield from _at_inviter()
