"""The kit's federations: co-ops whose keys follow from one seed, the node under test among them.

A node talks to members only, so the kit founds throw-away federations, admits the node's co-op to
each by a second certificate, and hands the charters to the node's operator to adopt. Some of these
are shared by many cases, each with members of its own; the small ones, the *sides*, are for one
case each, which may move the charter or freeze a key log.

A folder holds `kit.json` (the seed and when each run began), `card` (the co-op under test) and
`charters/`. Each run after the first delegates new writers, so that logs begin anew.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec

from sheaf_node.charter_file import (
    make_charter_file,
    read_card,
    read_file,
    write_file,
)
from sheaf_protocol.charter import (
    Chain,
    Member,
    approve,
    genesis_body,
    quorum,
)
from sheaf_protocol.charter.model import Certificate
from sheaf_protocol.errors import Refusal
from sheaf_protocol.identity import KeyLog, fold_key_log, signing_key
from sheaf_protocol.limits import WRITER_LIFETIME_MS
from sheaf_protocol.records.governance import Change, Role
from sheaf_protocol.testing.author import TestCoop, derived, make_coop
from sheaf_protocol.testing.epoch import make_epoch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from sheaf_protocol.digest import CoopId, FederationId
    from sheaf_protocol.identity import KeyOp
    from sheaf_protocol.testing.author import LogAuthor

SHARED: Final = 10
"""Federations that cases share. One would do, but each link tells of all members' key logs."""
FULL: Final = 96
"""Members of each with every role but a bridge's. The first of all is shared by cases that never
come as far as a link."""
PLAIN: Final = 4
"""Members of each with the role `member` alone."""
SIDES: Final = 48
SIDE_SIZE: Final = 4
ROLES: Final[Sequence[Role]] = (
    "carrier",
    "coordinator",
    "member",
    "service",
    "steward",
    "supplier",
)
KIT_FILE: Final = "kit.json"


class _Saved(msgspec.Struct, frozen=True, kw_only=True):
    """What `kit.json` holds."""

    seed: str
    runs: list[int]
    """When the kit was prepared, and when each run but the first began."""
    is_used: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Side:
    """A federation of the node under test and co-ops of the kit."""

    coops: Sequence[TestCoop]
    chain: Chain
    plain: Sequence[TestCoop] = ()
    """Members with the role `member` alone."""

    @property
    def fid(self) -> FederationId:
        """Its id."""
        return self.chain.federation.fid


@dataclass(frozen=True, kw_only=True, slots=True)
class Kit:
    """All secrets of the kit's co-ops, and what the node under test adopted."""

    shared: Sequence[Side]
    sides: Sequence[Side]
    node: KeyLog
    run: int
    """0 in the first run of a folder."""


def make_kit(seed: bytes, node_ops: Sequence[KeyOp], runs: Sequence[int]) -> Kit:
    """Return the kit of a seed, with the co-op of a key log admitted to all its federations.

    `runs` says when it was prepared and when each later run began, in ms.
    """
    node = fold_key_log(node_ops)

    def made(name: str, full: int, plain: int) -> Side:
        coops = [make_coop(f"{name} {at}", seed, now_ms=runs[0]) for at in range(full + plain)]
        roles = [ROLES if at < full else ("member",) for at in range(full + plain)]
        chain = _founded(name, seed, list(zip(coops, roles, strict=True)), node)
        for each in coops:
            _renew(each, seed, runs)
        return Side(coops=coops[:full], plain=coops[full:], chain=chain)

    return Kit(
        shared=[made(f"Kit {at}", FULL, PLAIN) for at in range(SHARED)],
        sides=[made(f"Kit side {at}", SIDE_SIZE, 0) for at in range(SIDES)],
        node=node,
        run=len(runs) - 1,
    )


def prepare(folder: Path, card: Path, *, seed: bytes | None, now_ms: int) -> Kit:
    """Write a kit for the co-op of a card into a folder without one, and return it.

    Raises Refusal `charter.card`, `charter.file`.
    """
    if (folder / KIT_FILE).exists() or any((folder / "charters").glob("*")):
        detail = f"expected a folder without a kit, got {folder}, which has one: take a new folder"
        raise Refusal("charter.file", detail)
    seed = os.urandom(32) if seed is None else seed
    data = read_file(card)
    kit = make_kit(seed, read_card(data), [now_ms])
    try:
        (folder / "charters").mkdir(parents=True, exist_ok=True)
        _save(folder, _Saved(seed=seed.hex(), runs=[now_ms]))
    except OSError as exc:
        detail = f"expected a folder to write to at {folder}, got: {exc.strerror}"
        raise Refusal("charter.file", detail) from exc
    write_file(folder / "card", data)
    for side in (*kit.shared, *kit.sides):
        held = {each.cid: each.key_ops for each in (*side.coops, *side.plain)}
        ops: Mapping[CoopId, Sequence[KeyOp]] = {**held, kit.node.cid: read_card(data)}
        path = folder / "charters" / f"{side.fid.hex()}.charter"
        write_file(path, make_charter_file(side.chain, ops.__getitem__))
    return kit


def require_kit(folder: Path) -> None:
    """Return if a folder holds a kit, and change nothing. Raises Refusal `charter.file`."""
    _read(folder)


def open_kit(folder: Path, now_ms: int) -> Kit:
    """Return the kit of a folder for one more run, which is written down there.

    Raises Refusal `charter.file`, `charter.card`.
    """
    saved, seed = _read(folder)
    runs = [*saved.runs, now_ms] if saved.is_used else saved.runs
    _save(folder, _Saved(seed=saved.seed, runs=runs, is_used=True))
    return make_kit(seed, read_card(read_file(folder / "card")), runs)


def _read(folder: Path) -> tuple[_Saved, bytes]:
    """Return what is saved of a kit, and its seed."""
    path = folder / KIT_FILE
    try:
        saved = msgspec.json.decode(read_file(path), type=_Saved)
        return saved, bytes.fromhex(saved.seed)
    except (msgspec.MsgspecError, ValueError) as exc:
        raise Refusal("charter.file", f"expected a kit at {path}: {exc}") from exc


def _save(folder: Path, saved: _Saved) -> None:
    path = folder / KIT_FILE
    path.touch(mode=0o600)
    path.write_text(json.dumps(msgspec.to_builtins(saved)) + "\n")


def _founded(
    name: str, seed: bytes, members: Sequence[tuple[TestCoop, Sequence[Role]]], node: KeyLog
) -> Chain:
    """Return a chain of two certificates: the kit founds the federation and admits the node."""
    listed = sorted(
        (
            Member(cid=coop.cid, is_suspended=False, key_head=coop.keys.head, roles=list(roles))
            for coop, roles in members
        ),
        key=lambda member: member.cid,
    )
    by_cid = {coop.cid: coop for coop, _ in members}
    body = genesis_body(name, listed, derived(seed, name, "nonce")[:16])
    approvals = [approve(body, each.cid, by_cid[each.cid].manager) for each in listed]
    keys = {coop.cid: coop.keys for coop, _ in members} | {node.cid: node}
    chain = Chain.found(Certificate(approvals=approvals, body=body), keys)
    admit = Change(action="admit", cid=node.cid, key_head=node.head, roles=list(ROLES))
    return chain.add(certify(chain, admit, list(by_cid.values())), keys)


def certify(
    chain: Chain,
    change: Change,
    coops: Sequence[TestCoop],
    *,
    lines: Sequence[LogAuthor] = (),
    round_: int = 0,
) -> Certificate:
    """Return the certificate of a change, approved by as many of the voters as make a quorum.

    `lines` are the logs of co-ops that the change touches, each cut where its author is.
    """
    federation = chain.federation
    voters = federation.voters
    able = sorted((coop for coop in coops if coop.cid in voters), key=lambda coop: coop.cid)
    signers = able[: quorum(len(voters), federation.charter.policy.certify)]
    return make_epoch(federation, change, signers, lines=lines, round_=round_)


def _renew(coop: TestCoop, seed: bytes, runs: Sequence[int]) -> None:
    """Delegate a writer for each run after the first; what cases sign is signed by the last."""
    for run, began_ms in enumerate(runs[1:], start=1):
        coop.writer = signing_key(derived(seed, coop.name, f"writer {run}"))
        coop.delegate(coop.writer, began_ms + WRITER_LIFETIME_MS)


__all__ = ["Kit", "Side", "certify", "make_kit", "open_kit", "prepare", "require_kit"]
