"""Has a peer dial this node back, and puts in words what it met."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sheaf_node.address import link_address
from sheaf_node.doctor.finding import Finding, bad, ok, skipped
from sheaf_node.doctor.probe import post
from sheaf_node.peering.look_back import (
    DIAL_MS,
    LOOK_BACK_PATH,
    MAX_ANSWER,
    MAX_URLS,
    OK,
    LookBackAnswer,
    Wish,
    own_addresses,
    sign_wish,
)
from sheaf_protocol.codec import decode
from sheaf_protocol.errors import ProtocolError, Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sheaf_node.config import Config
    from sheaf_node.keyring import Keyring

_WAIT_S: Final = (MAX_URLS + 1) * DIAL_MS // 1_000
"""For all addresses one after another, and a little for the way."""
_WHY: Final[Mapping[str, str]] = {
    "link.not_member": "it takes this co-op for no member of a federation of its own, or has"
    " paused links with it",
    "link.audience": "it goes by another name than the address that we dial",
    "look_back.busy": "it looks back once a minute at most: ask again later",
    "look_back.time": "the two clocks differ by more than five minutes",
    "peer.inside": "that address lies inside a network, and its manager has not written it down",
}


def look_back(config: Config, keyring: Keyring, url: str, now_ms: int) -> list[Finding]:
    """Return what the node at a peer's url says of each of our addresses.

    Raises nothing for what goes wrong on the way: that is a finding, too.
    """
    ours = own_addresses(config)
    if not ours:
        todo = "set public_names in sheaf.toml if others are to dial this node"
        return [skipped("look-back", "no public name is set: there is nothing to dial", todo)]
    try:
        answer = _ask(keyring, url, ours, now_ms)
    except Refusal as refusal:
        return [skipped("look-back", refusal.detail, "ask another peer")]
    if answer.code != OK:
        why = _WHY.get(answer.code, answer.code)
        return [skipped("look-back", f"{url} did not look: {why}", "ask another peer")]
    return [_said(address, met) for address, met in zip(ours, answer.met, strict=False)]


def _ask(keyring: Keyring, url: str, ours: list[str], now_ms: int) -> LookBackAnswer:
    """Raises Refusal `link.unreachable`."""
    address, audience = link_address(url)
    wish = Wish(audience=audience, cid=keyring.cid, time_ms=now_ms, urls=ours, wid=keyring.wid)
    data = post(
        address,
        LOOK_BACK_PATH,
        sign_wish(wish, keyring.writer),
        timeout_s=_WAIT_S,
        most=MAX_ANSWER,
    )
    try:
        return decode(data, LookBackAnswer, limit=MAX_ANSWER)
    except ProtocolError as exc:
        detail = f"expected a node at {url} that looks back, got another answer"
        raise Refusal("link.unreachable", detail) from exc


def _said(address: str, met: str) -> Finding:
    if met == OK:
        return ok("look-back", f"the peer dialled {address} and met this node")
    if met in _WHY:
        return skipped("look-back", f"the peer did not dial {address}: {_WHY[met]}")
    todo = "see the router, the firewall, peer_host, and the proxy in front of the peer port"
    return bad("look-back", f"the peer did not meet this node at {address}", todo)
