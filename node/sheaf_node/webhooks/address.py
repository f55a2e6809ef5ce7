"""Which addresses a webhook may have. What its name resolves to is checked when it is called."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from sheaf_node.peering.reach import Reach, allowed, is_literal
from sheaf_protocol.errors import Refusal

MAX_URL: Final = 500


def require_url(url: str, reach: Reach) -> None:
    """Refuse an address to which nothing could be sent. Raises Refusal `webhook.url`,
    `peer.inside`.
    """
    if not 1 <= len(url) <= MAX_URL or not url.isascii() or not url.isprintable() or " " in url:
        raise Refusal("webhook.url", f"expected up to {MAX_URL} characters of an address")
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as exc:
        raise Refusal(
            "webhook.url", "expected an address such as https://erp.example/sheaf"
        ) from exc
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise Refusal("webhook.url", "expected an address such as https://erp.example/sheaf")
    if parts.username is not None or parts.password is not None or parts.fragment:
        detail = "expected an address without a user, a password and a fragment"
        raise Refusal("webhook.url", f"{detail}: deliveries are known by their signature")
    if is_literal(parts.hostname):
        reached([parts.hostname], reach, is_open=parts.scheme == "http")


def reached(found: list[str], reach: Reach, *, is_open: bool) -> list[str]:
    """Return those of the addresses of a name to which a delivery may go.

    Without TLS (`is_open`) it stays in this network: it holds what members keep among themselves.
    Raises Refusal `peer.inside`, `webhook.url`.
    """
    fit = allowed(found, reach)
    if is_open:
        fit = [each for each in fit if not _is_outside(each)]
    if not fit:
        raise Refusal("webhook.url", "expected https:// for an address outside this network")
    return fit


def _is_outside(address: str) -> bool:
    try:
        return bool(allowed([address], Reach.PUBLIC))
    except Refusal:
        return False
