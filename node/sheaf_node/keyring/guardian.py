"""Guardian keys: of this co-op for its fellows, and of its fellows for this one (spec 02, 3.2).

A guardian key is a key of its own, so that a fellow's help costs it no other key, and its manager
need not be asked for the card that names it. Cards are text: they travel by mail, and their words
are compared over another channel.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Final, Literal

import msgspec
from msgspec import Meta

from sheaf_node.keyring.files import MAX_SHEETS
from sheaf_node.keyring.folder import edit_folder
from sheaf_node.keyring.secret_file import SECRET, put_secret
from sheaf_node.keyring.words import fingerprint
from sheaf_protocol.codec import decode, encode
from sheaf_protocol.digest import CoopId
from sheaf_protocol.errors import ProtocolError, Refusal
from sheaf_protocol.identity import PublicKey, is_valid_key, signing_key

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sheaf_node.clock import Randomness
    from sheaf_node.keyring.files import KeyFiles
    from sheaf_protocol.identity import SigningKey

GUARDIAN: Final = "guardian.key"
"""The file of the key by which this co-op helps its fellows."""
GUARDIANS: Final = "guardians"
"""The file that says whom the last rotation named: the key log has their keys alone."""
PLANNED: Final = "guardians_next"
"""The file that says whom the next rotation names."""
MAX_GUARDIANS: Final = MAX_SHEETS
"""A recovery is drafted for each choice of signers: at most 35 of seven."""
_Id = Annotated[bytes, Meta(min_length=32, max_length=32)]


class Guardian(msgspec.Struct, frozen=True, kw_only=True):
    """A fellow co-op and its guardian key."""

    cid: _Id
    key: _Id
    name: Annotated[str, Meta(min_length=1, max_length=120)]

    @property
    def words(self) -> str:
        """The eight words by which people compare the key."""
        return key_words(self.key)


class Guardians(msgspec.Struct, frozen=True, kw_only=True):
    """The fellows of whom `needed` together may recover this co-op."""

    guardians: Annotated[list[Guardian], Meta(min_length=1, max_length=MAX_GUARDIANS)]
    needed: Annotated[int, Meta(ge=1, le=MAX_GUARDIANS)]
    v: Literal[1]

    @property
    def keys(self) -> list[PublicKey]:
        """Their keys, as a rotation names them."""
        return [PublicKey(guardian.key) for guardian in self.guardians]


def key_words(key: bytes) -> str:
    """Return eight words that stand for a key or the id of an operation."""
    return fingerprint(CoopId(key))


def guardian_key(files: KeyFiles, random: Randomness) -> SigningKey:
    """Return this co-op's guardian key, made where there is none yet.

    Raises Refusal `key.write`, `key.passphrase`, `key.corrupt`.
    """
    if GUARDIAN in files.files:
        return signing_key(files.secret(GUARDIAN))
    seed = random(SECRET)
    made = put_secret(GUARDIAN, seed, files.lock(), random)

    def edit(before: Mapping[str, bytes]) -> Mapping[str, bytes]:
        if GUARDIAN in before:
            raise Refusal("key.write", "expected no guardian key yet; call this again")
        return {**before, GUARDIAN: made}

    edit_folder(files.home, edit)
    return signing_key(seed)


def card_text(guardian: Guardian) -> str:
    """Return a card, which `read_guardian_card` reads. Nothing on it is secret."""
    lines = [
        "SHEAF GUARDIAN CARD",
        "",
        f"Co-op         {guardian.name}",
        *_grouped("Id", guardian.cid),
        *_grouped("Guardian key", guardian.key),
        f"Words         {guardian.words}",
    ]
    return "\n".join(lines) + "\n"


def read_guardian_card(text: str) -> Guardian:
    """Return what a card says. Raises Refusal `key.guardian_card`."""
    name = re.search(r"^Co-op +(\S.{0,119})$", text, re.MULTILINE)
    words = re.search(r"^Words +(\S.*)$", text, re.MULTILINE)
    cid, key = _hex_after("Id", text), _hex_after("Guardian key", text)
    if name is None or words is None or cid is None or key is None or not is_valid_key(key):
        detail = "expected a card as `sheaf identity guardian-card` prints it"
        raise Refusal("key.guardian_card", detail)
    if words[1].split() != key_words(key).split():
        detail = "expected the words of this card's key on it: it was changed on its way"
        raise Refusal("key.guardian_card", detail)
    return Guardian(cid=cid, key=key, name=name[1].strip())


def named_guardians(cards: Sequence[Guardian], needed: int, own: CoopId) -> Guardians:
    """Return guardians to be named. Raises Refusal `key.guardian`."""
    cids = {card.cid for card in cards}
    if own in cids:
        raise Refusal("key.guardian", "expected fellow co-ops' cards, got this co-op's own")
    if len(cids) != len(cards) or len({card.key for card in cards}) != len(cards):
        raise Refusal("key.guardian", "expected each guardian once, got one twice")
    if not 1 <= needed <= len(cards) <= MAX_GUARDIANS:
        detail = f"expected 1 to {MAX_GUARDIANS} guardians and as many needed at most"
        raise Refusal("key.guardian", f"{detail}, got {needed} of {len(cards)}")
    return Guardians(guardians=list(cards), needed=needed, v=1)


def plan_guardians(files: KeyFiles, guardians: Guardians) -> None:
    """Remember whom the next rotation names. Raises Refusal `key.write`."""
    edit_folder(files.home, lambda now: {**now, PLANNED: encode(guardians)})


def remembered_guardians(files: KeyFiles) -> Guardians | None:
    """Return whom the last rotation named; None where that is not known."""
    return _read(files, GUARDIANS)


def planned_guardians(files: KeyFiles) -> Guardians | None:
    """Return whom the next rotation names; None where it leaves them as they are."""
    return _read(files, PLANNED)


def _read(files: KeyFiles, name: str) -> Guardians | None:
    try:
        return decode(files.files.get(name, b""), Guardians)
    except ProtocolError:
        return None


def _grouped(title: str, value: bytes) -> list[str]:
    groups = re.findall(".{8}", value.hex())
    return [f"{title:<14}{' '.join(groups[:4])}", f"{'':<14}{' '.join(groups[4:])}"]


def _hex_after(title: str, text: str) -> bytes | None:
    found = re.search(rf"^{title}\s+((?:[0-9a-f]{{8}}\s+){{8}})", text, re.MULTILINE)
    return bytes.fromhex(re.sub(r"\s", "", found[1])) if found else None
