"""Tokens that a home gave out by name: what each opens, until when, and which service it is of.

A token is `sheaf_NAME_` and 64 hex digits, drawn at random. The home keeps a file for each, in
`tokens/`, with a hash of it: whoever reads that file gets in nowhere. The node looks there at every
request and remembers nothing, so a token opens once it is made, and no longer once its file is
gone. Only who may write the home makes or revokes one; no route of the API does.

What a restore brought back lies in `tokens/held/`, where nothing opens by it: a token may have been
revoked since the backup. A person lets it hold again (`allow`), or revokes it.

A file's time of change is when its token was last used, told by the hour. Nothing is written into
a file for that: rewriting one could bring back what is being revoked.
"""

from __future__ import annotations

import hmac
import os
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
from msgspec import Meta

from sheaf_node.api.route import Scope
from sheaf_node.durable import new_private_file, sync
from sheaf_protocol.digest import digest
from sheaf_protocol.errors import Refusal
from sheaf_protocol.limits import MAX_INT

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from sheaf_node.clock import Clock, Randomness

FOLDER: Final = "tokens"
HELD: Final = "held"
MOST: Final = 64
"""More than the programs of one co-op, and few enough to look through."""
GIVEN: Final = frozenset({Scope.READ, Scope.WRITE, Scope.DRAFT, Scope.METRICS, Scope.SERVICE})
"""What a token may open; the rest is for whoever has the home's own."""
USED_MS: Final = 3_600_000
"""How finely it is told when a token was last used."""
_NAME: Final = r"[a-z0-9][a-z0-9_-]{0,39}"
_TEXT: Final = re.compile(rf"sheaf_({_NAME})_([0-9a-f]{{64}})")
_MAX_FILE: Final = 4_096
_TimeMs = Annotated[int, Meta(ge=0, le=MAX_INT)]


class KeptToken(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A token as its file has it, in JSON."""

    name: Annotated[str, Meta(pattern=rf"\A{_NAME}\Z")]
    hash: Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")]
    scopes: Annotated[list[Scope], Meta(min_length=1, max_length=8)]
    created_ms: _TimeMs
    expires_ms: _TimeMs | None = None
    """None for one that holds until it is revoked."""
    service: Annotated[str, Meta(min_length=1, max_length=40)] | None = None
    """The service that it was made for, where it is one's."""

    def is_over(self, now_ms: int) -> bool:
        """Return whether its time is up."""
        return self.expires_ms is not None and now_ms >= self.expires_ms


class Tokens:
    """The tokens of one home. Several processes may use them at once, each by its own object."""

    def __init__(self, home: Path, *, clock: Clock, random: Randomness) -> None:
        self._folder, self._clock, self._random = home / FOLDER, clock, random

    def create(
        self,
        name: str,
        scopes: Iterable[Scope],
        *,
        service: str | None = None,
        expires_in_ms: int | None = None,
    ) -> str:
        """Return a new token after its file is on disk. The text stands nowhere else.

        Raises Refusal `token.name`, `token.scope`, `token.taken`, `token.full`, `token.file`.
        """
        secret, now_ms = self._random(32).hex(), self._clock.now_ms()
        kept = KeptToken(
            name=_require_name(name),
            hash=_hash(name, secret),
            scopes=_require_scopes(scopes, service),
            created_ms=now_ms,
            expires_ms=None if expires_in_ms is None else now_ms + expires_in_ms,
            service=service,
        )
        if len(self._paths()) >= MOST:
            detail = f"expected at most {MOST} tokens: `sheaf token revoke` ends one"
            raise Refusal("token.full", detail)
        self._write(kept)
        return f"sheaf_{name}_{secret}"

    def renew(self, service: str) -> str:
        """Return a new token of a service, in the place of the one it had; raises as `create`."""
        name = name_for(service)
        with suppress(Refusal):
            self.revoke(name)
        return self.create(name, [Scope.SERVICE], service=service)

    def listed(self) -> list[KeptToken]:
        """Return all tokens by name, those whose time is up as well. Raises `token.file`."""
        return [self._read(path) for path in self._paths()]

    def used_ms(self, kept: KeptToken) -> int | None:
        """Return when a token was last used, to the hour; None where it never was."""
        try:
            used_ms = self._path(kept.name).stat().st_mtime_ns // 1_000_000
        except OSError:
            return None
        return used_ms or None

    def revoke(self, name: str) -> None:
        """End a token for good. Raises Refusal `token.name`, `token.unknown`, `token.file`."""
        path, held = self._path(_require_name(name)), self._held_path(name)
        try:
            if path.exists() or not held.exists():
                path.unlink()
            held.unlink(missing_ok=True)
            sync(self._folder)
        except FileNotFoundError as exc:
            detail = f"expected a token that `sheaf token list` shows, got {name!r}"
            raise Refusal("token.unknown", detail) from exc
        except OSError as exc:
            raise _unwritable(path, exc) from exc

    def held(self) -> list[str]:
        """Return the names of tokens that came back with a restore and open nothing so far."""
        return sorted(path.stem for path in (self._folder / HELD).glob("*.json"))

    def hold_back(self) -> None:
        """Have no token of a home that is being restored open anything. Raises `token.file`."""
        held = self._folder / HELD
        try:
            for path in self._paths():
                held.mkdir(mode=0o700, exist_ok=True)
                os.utime(path, ns=(0, 0))  # never used in this home
                path.rename(held / path.name)
        except OSError as exc:
            raise _unwritable(held, exc) from exc

    def allow(self, name: str) -> None:
        """Let a token that came back with a restore open again what it was made for.

        Raises Refusal `token.unknown`, `token.taken`, `token.file`; it then opens nothing.
        """
        held, path = self._held_path(_require_name(name)), self._path(name)
        if not held.exists():
            detail = f"expected a token that `sheaf backup held` shows, got {name!r}"
            raise Refusal("token.unknown", detail)
        if path.exists():
            raise _taken(name)
        try:
            held.rename(path)
            sync(self._folder)
        except OSError as exc:
            raise _unwritable(path, exc) from exc

    def find(self, text: str) -> KeptToken | None:
        """Return the token that a text is, or None; one that is over or damaged is none.

        Texts are compared by their hashes, in the same time whatever they are.
        """
        match = _TEXT.fullmatch(text)
        if match is None:
            return None
        name, secret = match.groups()
        try:
            kept = self._read(self._path(name))
        except (FileNotFoundError, Refusal):
            return None
        now_ms = self._clock.now_ms()
        if not hmac.compare_digest(kept.hash, _hash(name, secret)) or kept.is_over(now_ms):
            return None
        self._note_used(kept, now_ms)
        return kept

    def _note_used(self, kept: KeptToken, now_ms: int) -> None:
        if abs(now_ms - (self.used_ms(kept) or 0)) >= USED_MS:
            # On a full or a foreign disk this may fail, and the token is as good as before.
            with suppress(OSError):
                os.utime(self._path(kept.name), ns=(now_ms * 1_000_000,) * 2)

    def _paths(self) -> list[Path]:
        return sorted(self._folder.glob("*.json"))

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.json"

    def _held_path(self, name: str) -> Path:
        return self._folder / HELD / f"{name}.json"

    def _read(self, path: Path) -> KeptToken:
        try:
            with path.open("rb") as file:
                kept = msgspec.json.decode(file.read(_MAX_FILE), type=KeptToken)
        except FileNotFoundError:
            raise
        except (OSError, msgspec.DecodeError) as exc:
            raise _unreadable(path) from exc
        if self._path(kept.name) != path or not GIVEN.issuperset(kept.scopes):
            raise _unreadable(path)
        return kept

    def _write(self, kept: KeptToken) -> None:
        """Write the file of a new token. Half of one, which a crash may leave, opens nothing."""
        path = self._path(kept.name)
        if path.exists():
            raise _taken(kept.name)
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            descriptor = new_private_file(path)
        except OSError as exc:
            # Another process may have been faster, and then it is the name that is in the way.
            raise _taken(kept.name) if path.exists() else _unwritable(path, exc) from exc
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(msgspec.json.encode(kept))
                file.flush()
                os.utime(file.fileno(), ns=(0, 0))  # never used
                os.fsync(file.fileno())
            sync(self._folder)
        except OSError as exc:
            with suppress(OSError):
                path.unlink()
            raise _unwritable(path, exc) from exc


def name_for(service: str) -> str:
    """Return the name of a service's token."""
    return f"service-{service}"


def _hash(name: str, secret: str) -> str:
    return digest("api-token", f"{name}_{secret}".encode()).hex()


def _require_name(name: str) -> str:
    if re.fullmatch(_NAME, name) is None:
        detail = "expected a name of 1 to 40 lower-case letters, digits, - and _"
        raise Refusal("token.name", f"{detail}, got {name[:60]!r}")
    return name


def _require_scopes(scopes: Iterable[Scope], service: str | None) -> list[Scope]:
    """Return the scopes, each once and in one order."""
    wanted = set(scopes)
    if not wanted or not wanted <= GIVEN:
        listed = ", ".join(sorted(scope.value for scope in GIVEN))
        raise Refusal("token.scope", f"expected some of the scopes {listed}")
    if (Scope.SERVICE in wanted) != (service is not None):
        raise Refusal("token.scope", "expected the scope service for a service, and for no other")
    return sorted(wanted, key=lambda scope: scope.value)


def _taken(name: str) -> Refusal:
    detail = f"expected a new name, got {name!r}: `sheaf token revoke` ends that one"
    return Refusal("token.taken", detail)


def _unreadable(path: Path) -> Refusal:
    detail = f"expected a token in {path}: `sheaf token revoke {path.stem}` removes the file"
    return Refusal("token.file", detail)


def _unwritable(path: Path, exc: OSError) -> Refusal:
    return Refusal("token.file", f"expected to write {path}, got: {exc.strerror}")
