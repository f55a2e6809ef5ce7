"""Peers as the settings, the store and a running node know them together: which one is meant."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from sheaf_node.cli.client import NodeClient
from sheaf_node.cli.output import counted
from sheaf_node.config import load_config
from sheaf_node.keyring import load_key_ops
from sheaf_protocol.digest import short
from sheaf_protocol.errors import Refusal
from sheaf_protocol.identity import fold_key_log

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from sheaf_node.config import Config

_MOST_MET: Final = 32
"""Addresses that are asked who is there."""
_PATIENCE_S: Final = 2.0
_ID: Final = re.compile(r"[0-9a-f]{8,64}\Z")


@dataclass(frozen=True, kw_only=True, slots=True)
class Chosen:
    """The peer that an argument means: its addresses in the settings, and its co-op if known."""

    title: str
    urls: list[str]
    cid: bytes | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """What is known of peers at this moment."""

    config: Config
    own: bytes
    """Our own co-op."""
    names: Mapping[bytes, str]
    """Of each co-op whose key log is held."""
    status: Mapping[str, Any] = field(default_factory=dict)
    """What the running node says of itself; empty where none runs."""
    told: Mapping[str, str] = field(default_factory=dict)
    """The ids that nodes at our peers' addresses say they are of, where they dialled and not we."""

    @property
    def is_running(self) -> bool:
        """Whether a node answers."""
        return bool(self.status)

    def called(self, cid: bytes) -> str:
        """Return a co-op's name, with the first digits of its id where another has it as well."""
        name = self.names.get(cid)
        if name is None:
            return short(cid)
        alike = [other for other in self.names.values() if other.casefold() == name.casefold()]
        return name if len(alike) == 1 else f"{name} ({short(cid)})"

    def coop_at(self, url: str) -> bytes | None:
        """Return the co-op that proved itself on the link to an address, or was noted there."""
        from sheaf_node.address import link_address  # noqa: PLC0415

        address, _ = link_address(url)
        for peer in self.status.get("peers", []):
            if peer["is_dialled"] and peer["url"] == address:
                return bytes.fromhex(peer["cid"])
        linked = {peer["cid"] for peer in self.status.get("peers", [])}
        if self.told.get(url) in linked:
            return bytes.fromhex(self.told[url])
        noted = [peer.coop for peer in self.config.peers if peer.url == url and peer.coop]
        return bytes.fromhex(noted[0]) if noted else None

    def rows(self) -> list[dict[str, Any]]:
        """Return each peer: those of the settings, linked ones that they do not name, rules."""
        reasons = {dial["url"]: dial for dial in self.status.get("dials", [])}
        rows = [
            self._row(self.coop_at(peer.url), peer.url, reasons.get(peer.url), peer.paused)
            for peer in self.config.peers
        ]
        shown = {row["cid"] for row in rows}
        for peer in self.status.get("peers", []):
            if peer["cid"] not in shown:
                rows.append(self._row(bytes.fromhex(peer["cid"]), None, None, is_paused=False))
                shown.add(peer["cid"])
        for cid in self.config.coops:
            if cid not in shown:
                rows.append(self._row(bytes.fromhex(cid), None, None, is_paused=False))
        return rows

    def unproven(self) -> list[str]:
        """Return the addresses of the settings at which nobody is known to be."""
        return [peer.url for peer in self.config.peers if self.coop_at(peer.url) is None]

    def rules_of(self, cid: bytes | None) -> list[str]:
        """Return what the settings say of links with a co-op, in words."""
        rule = None if cid is None else self.config.rule(cid)
        if rule is None:
            return []
        said = ["its pause"] if rule.paused else []
        return said + ([f"its limit of {rule.kib_per_s} KiB a second"] if rule.kib_per_s else [])

    def left_without(self, chosen: Chosen, *, is_dial_only: bool) -> list[str]:
        """Return what to say where few or no links are left after the chosen one is gone."""
        if not self.is_running:
            return ["The node does not run, so the links that are left are not known."]
        cid = None if chosen.cid is None else chosen.cid.hex()
        left = {
            peer["cid"]
            for peer in self.status["peers"]
            if peer["cid"] != cid or (is_dial_only and not peer["is_dialled"])
        }
        if left:
            links = counted(len(left), "other co-op is", "other co-ops are")
            return [f"{links} linked at this moment."]
        return ["WARNING: no other link is up. This node would hear nothing of anybody."]

    def _row(
        self,
        cid: bytes | None,
        url: str | None,
        dial: Mapping[str, Any] | None,
        is_paused: bool,
    ) -> dict[str, Any]:
        rule = None if cid is None else self.config.rule(cid)
        links = [] if cid is None else self._links(cid)
        return {
            "cid": None if cid is None else cid.hex(),
            "name": None if cid is None else self.names.get(cid),
            "url": url,
            "is_linked": bool(links) or (dial is not None and dial["is_linked"]),
            "is_dialled": any(link["is_dialled"] for link in links),
            "in_sync": any(link["in_sync"] for link in links),
            "reason": None if dial is None else dial["reason"],
            "paused": is_paused or (rule is not None and rule.paused),
            "kib_per_s": 0 if rule is None else rule.kib_per_s,
        }

    def _links(self, cid: bytes) -> list[Mapping[str, Any]]:
        return [peer for peer in self.status.get("peers", []) if peer["cid"] == cid.hex()]


def known_peers(home: Path) -> Known:
    """Return what is known of a home's peers. Raises Refusal `config.*`, `key.*`, `store.*`."""
    config = load_config(home)
    try:
        status = NodeClient(home).get("/api/v1/status")
    except Refusal:
        status = {}  # it does not run; what the folder says is enough
    own = fold_key_log(load_key_ops(home)).cid
    return Known(config=config, own=own, names=_names(home), status=status, told=_told(status))


def _told(status: Mapping[str, Any]) -> Mapping[str, str]:
    """Return who nodes say they are at addresses to which no link of ours leads.

    A hint (DSC-15), which counts only where that co-op has proven itself on a link.
    """
    from sheaf_node.address import link_address  # noqa: PLC0415
    from sheaf_node.doctor.probe import meet  # noqa: PLC0415

    ours = {peer["url"] for peer in status.get("peers", []) if peer["is_dialled"]}
    found = {}
    if not status.get("peers"):
        return {}  # nobody is linked, so no hint would count
    for dial in status["dials"][:_MOST_MET]:
        if link_address(dial["url"])[0] not in ours:
            with suppress(Refusal):
                document = meet(dial["url"], _PATIENCE_S).document
                found[dial["url"]] = str(document.get("cid", ""))
    return found


def choose(known: Known, text: str) -> Chosen:
    """Return the peer that a manager means by an address, a name or an id.

    Raises Refusal `peer.unknown`.
    """
    if "://" in text:
        return _by_url(known, text)
    found = [cid for cid, name in known.names.items() if name.casefold() == text.casefold()]
    if not found and _ID.match(text.lower()):
        every = {*known.names, *(bytes.fromhex(cid) for cid in known.config.coops)}
        found = [cid for cid in every if cid.hex().startswith(text.lower())]
    if len(found) != 1:
        raise _not_one(text, found)
    [cid] = found
    if cid == known.own:
        raise Refusal("peer.own", f"expected another co-op, got {text!r}, which is this one")
    urls = [peer.url for peer in known.config.peers if known.coop_at(peer.url) == cid]
    return Chosen(title=known.called(cid), urls=urls, cid=cid)


def _not_one(text: str, found: Sequence[bytes]) -> Refusal:
    """Return the refusal of a text that fits no co-op, or several, which are then told apart."""
    detail = f"expected an address, a member's name or 8 digits of its id, got {text!r}"
    if not found:
        known = "which is no co-op that this node knows; `sheaf peers list` shows its peers"
        return Refusal("peer.unknown", f"{detail}, {known}")
    ids = ", ".join(sorted(cid.hex()[:16] for cid in found))
    fit = f"which is {len(found)} co-ops: say one by the digits of its id"
    return Refusal("peer.unknown", f"{detail}, {fit} ({ids})")


def _by_url(known: Known, url: str) -> Chosen:
    from sheaf_node.peer_list import same_place  # noqa: PLC0415 - tomlkit

    urls = [peer.url for peer in known.config.peers if same_place(peer.url, url)]
    if not urls:
        detail = f"expected the address of a peer in sheaf.toml, got {url!r}"
        raise Refusal("peer.unknown", f"{detail}; `sheaf peers list` shows them")
    cid = known.coop_at(urls[0])
    title = urls[0] if cid is None else f"{known.called(cid)} at {urls[0]}"
    return Chosen(title=title, urls=urls, cid=cid)


def _names(home: Path) -> Mapping[bytes, str]:
    from sheaf_node.identity import held_state  # noqa: PLC0415 - loads the store
    from sheaf_node.store import DATABASE  # noqa: PLC0415

    if not (home / DATABASE).exists():
        return {}
    return {bytes(cid): log.name for cid, log in held_state(home / DATABASE).key_logs.items()}
