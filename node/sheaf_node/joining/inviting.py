"""Making, listing and revoking invitations, at the node of the co-op that invites."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from sheaf_node.address import bracketed, is_this_computer, own_urls, require_host
from sheaf_node.charter_file import adopt_charter, draft_charter, read_charter_file, sign_charter
from sheaf_node.joining.shelf import Kept
from sheaf_node.short_ids import fitting, only
from sheaf_protocol.digest import FederationId
from sheaf_protocol.errors import Refusal
from sheaf_protocol.identity import fold_key_log
from sheaf_protocol.invitation import SECRET_BYTES, code_of, link_of, proof_key
from sheaf_protocol.records.governance import Role

if TYPE_CHECKING:
    from pathlib import Path

    from sheaf_node.clock import Clock, Randomness
    from sheaf_node.config import Config
    from sheaf_node.ingest import Ingest
    from sheaf_node.joining.shelf import Shelf
    from sheaf_node.keyring import Keyring
    from sheaf_protocol.charter import Federation
    from sheaf_protocol.digest import CoopId

DAY_MS: Final = 86_400_000
_FOUNDER: Final[tuple[Role, ...]] = ("coordinator", "member")
_Url = Annotated[str, Meta(max_length=500)]


class Wish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is asked for when an invitation is made; times in milliseconds."""

    expires_in_ms: Annotated[int, Meta(ge=60_000, le=90 * DAY_MS)] = 7 * DAY_MS
    federation: Annotated[str, Meta(max_length=120)] = ""
    """Name, or first digits of the id, of the federation; a co-op in none founds one so called."""
    roles: Annotated[list[Role], Meta(max_length=9)] = []
    """In which the joiner is to be admitted; `member` where none is given."""
    address: _Url = ""
    """Where the joiner reaches this node; as the settings say where it is not given."""
    note: Annotated[str, Meta(max_length=120)] = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Made:
    """A new invitation. The link and the code are shown once: the node keeps neither."""

    link: str
    code: str
    kept: Kept
    federation: str
    founded: bool

    def told(self) -> dict[str, Any]:
        """Return it for programs."""
        return {
            "id": self.kept.id.hex(),
            "link": self.link,
            "code": self.code,
            "expires_ms": self.kept.expires_ms,
            "federation": {"fid": self.kept.fid, "name": self.federation},
            "founded": self.founded,
            "roles": list(self.kept.roles),
            "is_local": is_local_url(self.link),
        }


class Inviting:
    """The invitations of one node, for its own people."""

    def __init__(
        self,
        home: Path,
        *,
        config: Config,
        keyring: Keyring,
        ingest: Ingest,
        shelf: Shelf,
        clock: Clock,
        random: Randomness,
    ) -> None:
        self._home, self._config, self._keyring = home, config, keyring
        self._ingest, self._shelf = ingest, shelf
        self._clock, self._random = clock, random
        self._founding = asyncio.Lock()

    async def create(self, wish: Wish) -> Made:
        """Make an invitation; a co-op that is in no federation founds one for it.

        Raises Refusal `invite.address`, `invite.full`, `invite.file`, `invite.federation`,
        `governance.no_vote`, `key.missing`, `charter.*`; no invitation is kept then.
        """
        url = public_url(wish.address) if wish.address else own_url(self._config)
        async with self._founding:  # two that are asked for at once found one federation
            must_found = not self._ingest.federations
            federation = await self._found(wish) if must_found else self._choose(wish.federation)
        if self._keyring.cid not in federation.voters:
            detail = "expected a co-op that has a vote, so that it can propose whom it invites"
            raise Refusal("governance.no_vote", detail)
        secret, now_ms = self._random(SECRET_BYTES), self._clock.now_ms()
        kept = Kept(
            key=proof_key(secret).hex(),
            fid=federation.fid.hex(),
            created_ms=now_ms,
            expires_ms=now_ms + wish.expires_in_ms,
            roles=sorted(set(wish.roles)) or ["member"],
            note=wish.note,
        )
        self._shelf.add(kept, now_ms)
        return Made(
            link=link_of(url, secret, self._keyring.cid),
            code=code_of(secret),
            kept=kept,
            federation=federation.charter.name,
            founded=must_found,
        )

    def listed(self) -> list[dict[str, Any]]:
        """Return the invitations for programs, oldest first; links and codes are not known."""
        return [self._told(kept) for kept in self._shelf]

    def revoke(self, prefix: str) -> dict[str, Any]:
        """End the invitation whose id begins so. Raises Refusal `invite.unknown`, `invite.file`.

        Who has joined by it stays.
        """
        found = fitting(self._shelf, lambda kept: kept.id.hex(), prefix)
        kept = only(found, "invite.unknown", "the start of one invitation's id", prefix)
        self._shelf.remove(kept)
        return self._told(kept)

    def _told(self, kept: Kept) -> dict[str, Any]:
        now_ms = self._clock.now_ms()
        closed = "expired" if kept.used_by is None else "used"
        federation = self._ingest.federations.get(kept.federation)
        return {
            "id": kept.id.hex(),
            "state": "open" if kept.is_open(now_ms) else closed,
            "created_ms": kept.created_ms,
            "expires_ms": kept.expires_ms,
            "federation": {
                "fid": kept.fid,
                "name": "" if federation is None else federation.charter.name,
            },
            "roles": list(kept.roles),
            "note": kept.note,
            "used_by": kept.used_by,
            "used_ms": kept.used_ms,
        }

    def _choose(self, named: str) -> Federation:
        """Return the federation of a name, or of an id that begins so; without either the first."""
        every = list(self._ingest.federations.values())
        fit = [f for f in every if named in ("", f.charter.name) or f.fid.hex().startswith(named)]
        if not fit or (named and len(fit) > 1):
            ours = ", ".join(f"{f.charter.name} ({f.fid.hex()[:8]})" for f in every)
            detail = f"expected one federation of this co-op: {ours}; got {named!r}"
            raise Refusal("invite.federation", detail)
        return fit[0]

    async def _found(self, wish: Wish) -> Federation:
        """Found a federation of this co-op alone, at the node that has its home open."""
        if self._ingest.known.adopted and not wish.federation:
            detail = "this co-op waits to be admitted to a federation"
            raise Refusal("invite.federation", f"{detail}; --federation NAME founds another one")
        name = wish.federation or f"{self._config.name} and friends"
        member = (self._keyring.key_ops, list(_FOUNDER))
        draft = read_charter_file(draft_charter(name[:120], [member], self._random(16)))
        current = read_charter_file(sign_charter(draft, self._keyring))
        adopt_charter(current, self._home)
        certificate = current.certificate
        self._ingest.known.adopt(certificate.fid)
        logs = {log_cid(ops): ops for ops in current.key_logs}
        await self._ingest.receive_certificate(certificate, key_logs=logs, wanted=True)
        return self._ingest.federations[FederationId(certificate.fid)]


def log_cid(ops: Any) -> CoopId:
    """Return the co-op whose key log it is."""
    return fold_key_log(ops).cid


def public_url(text: str) -> str:
    """Return an address that people typed as a url of scheme, host and port.

    Raises Refusal `invite.address`.
    """
    whole = text if "://" in text else f"https://{text}"
    schemes = {"http": "http", "https": "https", "ws": "http", "wss": "https"}
    try:
        parts = urlsplit(whole)
        port = parts.port
    except ValueError as exc:
        raise _no_address(text) from exc
    is_plain = parts.path in {"", "/"} and not parts.query and parts.username is None
    if parts.scheme not in schemes or not parts.hostname or not is_plain or parts.fragment:
        raise _no_address(text)
    try:
        require_host(parts.hostname)
    except ValueError as exc:
        raise _no_address(text) from exc
    if port == 0:
        raise _no_address(text)
    return _url(schemes[parts.scheme], parts.hostname, port)


def own_url(config: Config) -> str:
    """Return where others reach this node, as its settings tell: at the first of its public names
    that is not this computer's own. Raises Refusal `invite.address`.
    """
    if config.peer_port == 0:
        detail = "peer_port is 0 in sheaf.toml, so that it changes with each start; set one"
        raise Refusal("invite.address", f"expected a port that others can dial: {detail}")
    listens_everywhere = config.peer_host in {"0.0.0.0", "::"}  # noqa: S104 - compared with
    host = "127.0.0.1" if listens_everywhere else bracketed(config.peer_host)
    names = config.public_names or [host]
    urls = [
        "http" + url.removeprefix("ws")
        for url in own_urls(names, config.peer_host, config.peer_port)
    ]
    return next((url for url in urls if not is_local_url(url)), urls[0])


def is_local_url(url: str) -> bool:
    """Return whether a url leads nowhere but to the computer that follows it."""
    return is_this_computer(str(urlsplit(url).hostname))


def _url(scheme: str, host: str, port: int | None) -> str:
    return f"{scheme}://{bracketed(host)}" + ("" if port is None else f":{port}")


def _no_address(text: str) -> Refusal:
    detail = f"expected an address such as https://mill.example, got {text[:200]!r}"
    return Refusal("invite.address", detail)
