"""The bugs that the kit has to find, each in a node of its own, and the case that finds it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tests.conform.broken_links import (
    GrantsNothing,
    IgnoresCredit,
    NamesAsTheOther,
    OutOfTurn,
    SkipsFrames,
    TakesAnyAudience,
    TakesAnyGrant,
    ends,
    same_bytes,
)
from tests.conform.broken_parts import (
    BlamesPrevForTime,
    ChecksNoSignature,
    DropsUnknownKinds,
    EncodesAnew,
    HidesForkProofs,
    HoldsBadPrev,
    ProvesTooFar,
    SaysTheWrongCode,
    ServesErased,
    ServesWithoutProof,
    ShowsForksAsHeads,
    SkipsCuts,
    SkipsExpiry,
    TakesAnyPurpose,
    TakesFloats,
    TakesUnsignedPushes,
    logs,
)
from tests.conform.running import Build

if TYPE_CHECKING:
    from collections.abc import Sequence

SILENCE: Final = "none"
"""The node goes on where it had to end the link, so that the case waits in vain."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Bug:
    """A bug, and the case that is there to find it."""

    name: str
    build: Build
    case: str
    sign: str = SILENCE
    """What the case says that it got."""


BUGS: Final[Sequence[Bug]] = (
    Bug(
        name="takes_any_purpose",
        build=Build(ingest=TakesAnyPurpose),
        case="evil-signature-of-another-purpose",
    ),
    Bug(
        name="checks_no_signature",
        build=Build(ingest=ChecksNoSignature),
        case="evil-stolen-prefix",
    ),
    Bug(name="proves_too_far", build=Build(ingest=ProvesTooFar), case="evil-signature-too-far-on"),
    Bug(
        name="takes_unsigned_pushes",
        build=Build(ingest=TakesUnsignedPushes),
        case="evil-push-unsigned",
    ),
    Bug(
        name="drops_unknown_kinds",
        build=Build(ingest=DropsUnknownKinds),
        case="evil-replay-entry",
        sign="no such log",
    ),
    Bug(
        name="says_the_wrong_code",
        build=Build(ingest=SaysTheWrongCode),
        case="evil-signature-of-another-key",
        sign="env.header",
    ),
    Bug(
        name="holds_bad_prev",
        build=Build(ingest=logs(HoldsBadPrev)),
        case="evil-prev-of-nowhere",
    ),
    Bug(
        name="blames_prev_for_time",
        build=Build(ingest=logs(BlamesPrevForTime)),
        case="evil-time-that-runs-back",
        sign="log.bad_prev",
    ),
    Bug(name="takes_floats", build=Build(ingest=logs(TakesFloats)), case="evil-float-inside"),
    Bug(name="skips_expiry", build=Build(ingest=logs(SkipsExpiry)), case="evil-writer-expired"),
    Bug(name="skips_cuts", build=Build(ingest=logs(SkipsCuts)), case="evil-writer-closed"),
    Bug(
        name="serves_without_proof",
        build=Build(store=ServesWithoutProof),
        case="evil-tail-left-off",
        sign="neither",
    ),
    Bug(name="encodes_anew", build=Build(store=EncodesAnew), case="entry-extra-key", sign="[80]"),
    Bug(
        name="serves_erased",
        build=Build(store=ServesErased),
        case="erased-not-passed-on",
        sign="20",
    ),
    Bug(
        name="hides_fork_proofs",
        build=Build(store=HidesForkProofs),
        case="evil-fork-on-two-links",
    ),
    Bug(
        name="shows_forks_as_heads",
        build=Build(store=ShowsForksAsHeads),
        case="evil-fork-told-by-its-proof",
        sign="3, ",
    ),
    Bug(name="skips_frames", build=ends(SkipsFrames), case="evil-replay-frame"),
    Bug(
        name="ignores_credit",
        build=ends(IgnoresCredit),
        case="evil-reader-that-grants-nothing",
        sign="2",
    ),
    Bug(
        name="grants_nothing",
        build=ends(GrantsNothing),
        case="evil-reader-that-grants-nothing",
    ),
    Bug(
        name="takes_any_grant",
        build=ends(TakesAnyGrant),
        case="evil-credit-beyond-the-limit",
    ),
    Bug(name="names_as_the_other", build=ends(NamesAsTheOther), case="evil-reflected-scope"),
    Bug(name="out_of_turn", build=ends(OutOfTurn), case="evil-data-out-of-turn"),
    Bug(
        name="takes_any_audience",
        build=ends(TakesAnyAudience),
        case="hello-audience-other",
    ),
    Bug(
        name="repeats_its_randomness",
        build=Build(link_random=same_bytes),
        case="evil-replay-nonces",
        sign="nonce",
    ),
)
