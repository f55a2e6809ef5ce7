"""What works beside a node's logs, judged: services of other processes, webhooks, seats. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sheaf_node.doctor.finding import Finding, ok, warn

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

BEHIND_WARN: Final = 10_000
"""Entries that a connected service was not shown: it reads some thousands a second."""
WAIT_WARN_MS: Final = 3_600_000
"""The first tries of a delivery fail now and then; after an hour three have."""


def judged(status: Mapping[str, Any], now_ms: int) -> Iterator[Finding]:
    """Yield what a running node says of them; nothing of what it does not have."""
    if status["remote"]:
        found = [each for service in status["remote"] for each in _service(service)]
        said = f"{len(status['remote'])} service(s) of other processes are connected"
        yield from found or [ok("services", said)]
    if status["webhooks"]:
        found = [each for hook in status["webhooks"] for each in _webhook(hook, now_ms)]
        said = f"{len(status['webhooks'])} webhook(s) take what they are sent"
        yield from found or [ok("webhooks", said)]
    if status["seats"]["seats"]:
        seats, links = status["seats"]["seats"], status["seats"]["open_links"]
        yield ok("seats", f"{seats} seat(s), {links} link(s) wait for an answer")


def held(named: Sequence[str]) -> Iterator[Finding]:
    """Yield that something came back with a restore and waits for a person."""
    if named:
        said = f"a restore holds back {', '.join(named)}"
        todo = "`sheaf backup allow` what is still right; revoke or remove the rest"
        yield warn("held", said, todo)


def _service(service: Mapping[str, Any]) -> Iterator[Finding]:
    name = service["name"]
    if not service["is_connected"]:
        todo = f"`sheaf service run {name}` starts it; see what keeps it running"
        yield warn("services", f"the service {name} is not connected", todo)
    elif service["behind"] > BEHIND_WARN:
        said = f"the service {name} is {service['behind']} entries behind"
        yield warn("services", said, "see what it waits for, and how busy its computer is")
    if service["refused"]:
        said = f"the service {name} was refused {service['refusals']} times: {service['refused']}"
        yield warn("services", said, "spec/12-errors.md explains the code; tell its makers")


def _webhook(hook: Mapping[str, Any], now_ms: int) -> Iterator[Finding]:
    name = f"webhook {hook['id'][:8]} to {hook['host']}"
    again = f"mend the receiver, then `sheaf webhook replay {hook['id'][:8]}`"
    if hook["state"] in {"failed", "gone"}:
        yield warn("webhooks", f"the {name} is {hook['state']}: nothing is sent any more", again)
    if hook["dead"]:
        yield warn("webhooks", f"{hook['dead']} deliveries of the {name} were given up", again)
    if hook["oldest_ms"] is not None and now_ms - hook["oldest_ms"] >= WAIT_WARN_MS:
        hours = (now_ms - hook["oldest_ms"]) // 3_600_000
        said = f"a delivery of the {name} has waited for {hours} hour(s)"
        yield warn("webhooks", said, "see what its receiver answers: `sheaf webhook deliveries`")
