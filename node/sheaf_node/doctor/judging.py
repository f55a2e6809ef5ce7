"""What was seen, judged: clocks, backups, the node's own status, names and certificates. Pure."""

from __future__ import annotations

from statistics import median_low
from typing import TYPE_CHECKING, Any, Final

from sheaf_node.doctor.finding import Finding, bad, ok, skipped, warn
from sheaf_protocol.limits import MAX_CLOCK_AHEAD_MS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

DAY_MS: Final = 86_400_000
CLOCK_WARN_MS: Final = 30_000
CLOCK_FAIL_MS: Final = MAX_CLOCK_AHEAD_MS * 4 // 5
"""A minute before peers put our entries off."""
BACKUP_WARN_MS: Final = 2 * DAY_MS
BACKUP_FAIL_MS: Final = 14 * DAY_MS
CERTIFICATE_WARN_MS: Final = 14 * DAY_MS
_NTP: Final = "turn on the automatic setting of this computer's clock (NTP)"


def clock(ahead_ms: Mapping[str, int]) -> Finding:
    """Return whether our clock agrees with those of peers, given how far each is ahead of ours.

    The middle one counts, so that a peer whose own clock is wrong does not accuse ours.
    """
    if not ahead_ms:
        said = "no peer told its time, so this clock was compared with nobody's"
        return skipped("clock", said, _NTP)
    middle = median_low(ahead_ms.values())
    seconds = abs(middle) // 1_000
    way = "behind" if middle > 0 else "ahead of"
    said = f"this clock is {seconds} s {way} the middle one of {len(ahead_ms)} peer(s)"
    if abs(middle) >= CLOCK_FAIL_MS:
        return bad("clock", said, f"{_NTP}: peers put off what is dated in the future")
    if abs(middle) >= CLOCK_WARN_MS:
        return warn("clock", said, _NTP)
    return ok("clock", said)


def backup(last_ms: int | None, now_ms: int) -> Finding:
    """Return whether there is a backup that is young enough."""
    todo = "`sheaf backup create --out FOLDER`, daily, and keep the file in another building"
    if last_ms is None:
        return warn("backup", "no backup of this home was made with this version of sheaf", todo)
    age_ms = now_ms - last_ms
    if age_ms < 0:
        return warn("backup", "the newest backup is dated in the future", "see the clock")
    said = f"the newest backup is {age_ms // 3_600_000} hours old"
    if age_ms > BACKUP_FAIL_MS:
        return bad("backup", said, todo)
    return warn("backup", said, todo) if age_ms > BACKUP_WARN_MS else ok("backup", said)


def node(status: Mapping[str, Any]) -> list[Finding]:
    """Return what a running node says is wrong with itself."""
    found = []
    recovery = status["recovery"]
    if recovery["state"] != "free":
        said = f"the node may not sign: {recovery['sentence']}"
        found.append(bad("node", said, "`sheaf recovery show` says what it waits for"))
    if status["damaged"]:
        said = f"{len(status['damaged'])} entries on this disk are damaged"
        found.append(bad("node", said, "`sheaf verify`, and then docs/operating.md"))
    for name in status["stopped"]:
        said = f"a fault stopped the service {name}"
        found.append(bad("node", said, "see the node's output, and restart it"))
    for federation in status["federations"]:
        if federation["is_forked"]:
            said = f"members of {federation['name']} certified two things: it is halted"
            found.append(bad("node", said, "`sheaf federation show`, and docs/governing.md"))
    for name, code in status["refused"].items():
        said = f"the service {name} may not publish what it wants to: {code}"
        found.append(warn("node", said, "spec/12-errors.md explains the code"))
    if not status["federations"]:
        said = "the node runs, in no federation so far"
        found.append(warn("node", said, "`sheaf federation create`, or ask a member to invite you"))
    return found or [ok("node", "the node runs, and finds nothing wrong with itself")]


def peers(status: Mapping[str, Any]) -> list[Finding]:
    """Return whether this node hears of others."""
    linked, dials = status["peers"], status["dials"]
    away = [dial for dial in dials if not dial["is_linked"]]
    found = [
        warn(
            "peers",
            f"not linked to {dial['url']}: {dial['reason'] or 'being dialled'}",
            "ask its manager, or `sheaf peers list`",
        )
        for dial in away
    ]
    if not linked and not dials:
        return [warn("peers", "no peer is set or linked", "`sheaf peers add wss://NAME`")]
    if not linked:
        said = "no peer is linked: this node hears of nobody"
        return [bad("peers", said, "see the lines below, and this computer's network"), *found]
    coops = {peer["cid"] for peer in linked}
    synced = {peer["cid"] for peer in linked if peer["in_sync"]}
    return [ok("peers", f"{len(coops)} co-op(s) linked, {len(synced)} in sync"), *found]


def reached(status: Mapping[str, Any]) -> Finding | None:
    """Return that peers dialled this node, which shows that it can be reached; None otherwise."""
    callers = {peer["cid"] for peer in status["peers"] if not peer["is_dialled"]}
    if not callers:
        return None
    said = f"{len(callers)} co-op(s) have dialled this node and are linked"
    return ok("look-back", said)


def name(host: str, addresses: Sequence[str], *, are_inside: bool) -> Finding:
    """Return whether a public name leads anywhere from here."""
    if not addresses:
        todo = "see the DNS entry of the name, or take it out of public_names"
        return bad("names", f"{host} is no name that can be looked up", todo)
    shown = ", ".join(addresses[:3])
    if are_inside:
        todo = "right if all peers are in this network; else the DNS entry needs a public address"
        return warn("names", f"{host} leads to {shown}, inside of this network", todo)
    return ok("names", f"{host} leads to {shown}")


def certificate(url: str, ends_ms: int | None, now_ms: int) -> Finding:
    """Return how long the TLS certificate at an address is good for."""
    if ends_ms is None:
        return warn("tls", f"{url} answers without TLS", "put a TLS proxy in front: docs/deploy")
    days = (ends_ms - now_ms) // DAY_MS
    said = f"the TLS certificate of {url} is valid for {days} more days"
    if ends_ms - now_ms < CERTIFICATE_WARN_MS:
        return warn("tls", said, "see why the proxy has not renewed it")
    return ok("tls", said)


def identity(url: str, document: Mapping[str, Any], cid: str) -> Finding | None:
    """Return that somebody else is at one of our addresses; None where it is this co-op's node."""
    if document.get("cid") == cid:
        return None
    todo = "see where the proxy or the router sends what comes for this name"
    return bad("names", f"another server than this co-op's node answers at {url}", todo)
