"""Every limit and constant of the protocol in one table (spec 03, section 6)."""

from __future__ import annotations

from typing import Final

MAX_INT: Final = 2**53 - 1
"""Largest integer on the wire: the largest that a JavaScript number holds exactly."""

MAX_DEPTH: Final = 8
"""Levels of nesting; the deepest record of chapter 10 (a match proposal) uses six."""

MAX_ITEMS: Final = 1_024
"""Items of one array. A close list of more demands is split over several pools."""

MAX_KEYS: Final = 256
"""Keys of one map."""

MAX_TEXT: Final = 16_384
"""Bytes of one text."""

MAX_HEADER: Final = 1_024
"""Bytes of a header; sixteen refs make 840."""

MAX_PAYLOAD: Final = 65_536
"""Bytes of a payload, salt included. Larger content is a blob."""

MAX_BLOB: Final = 16_777_216
"""Bytes of one blob: 16 MiB, a close list of a thousand pools or a scanned contract."""

BLOB_PIECE: Final = 65_536
"""Bytes of a blob's piece: what one message carries and one path proves."""

SALT_BYTES: Final = 16
"""Random bytes before each body, so that the hash of an erased body cannot be guessed at."""

SIGNATURE_BYTES: Final = 64
"""Bytes of a signature; an envelope's may be left out."""

MAX_UNSIGNED: Final = 64
"""Entries of one stretch, the signed one that ends it included: what one check may prove."""

MAX_FORK_PROOF: Final = 135_168
"""Bytes of a fork proof: two branches of 64 largest headers make 131,600."""

MAX_REFS: Final = 16
"""Entries that one header may name."""

MAX_KEY_OP: Final = 8_192
"""Bytes of the body of one key-log operation; a close with all its cuts makes 6.7 KB."""

MAX_CUTS: Final = 64
"""Federations that one close names; their cuts are most of `MAX_KEY_OP`."""

MAX_KEY_LOG: Final = 512
"""Operations of one key log: thirty years of 30-day prekeys and 90-day writers."""

MAX_SIGNERS: Final = 16
"""Keys of one list: rotation keys, next keys, guardians. A board is smaller."""

MAX_ENDED_WRITERS: Final = 16
"""Writers that one revoke, rotate or recover ends; `MAX_KEY_OP` bounds their cuts."""

MAX_CERTIFICATE: Final = 524_288
"""Bytes of a federation certificate: a thousand members with names and signatures."""

MAX_MEMBERS: Final = 1_024
"""Members of one federation."""

MAX_TREATY: Final = 4_096
"""Bytes of the body of a treaty: each charter of both federations carries it."""

MAX_CLOCK_AHEAD_MS: Final = 300_000
"""Five minutes: an entry further in the future is asked for again later."""

MAX_FRAME: Final = 1_048_576
"""Bytes of one link frame."""

MAX_BATCH_ENTRIES: Final = 256
"""Entries of one batch on a link."""

MAX_BATCH_BYTES: Final = 262_144
"""Payload, header and signature bytes of one batch, unless a single entry is larger."""

CREDIT_BYTES: Final = 2_097_152
"""Bytes a peer may send before more credit is granted: eight full batches."""

HANDSHAKE_MS: Final = 10_000
"""Time from the first byte to an authenticated link."""

MAX_HELLO: Final = 1_024
"""Bytes of a link's first message, which a stranger sends for nothing; usual are 101."""

MAX_HANDSHAKE: Final = 524_288
"""Bytes of one later handshake message: the largest key log of usual operations makes 180 KB."""

ERASE_AFTER_MS: Final = 72 * 3_600_000
"""How long an erase may be taken back: a weekend and a day to notice a mistake, or a theft."""

BALLOT_KEPT_MS: Final = 30 * 86_400_000
"""How long after it closed a ballot may still be certified: a month to find a quorum of nodes."""

EXPIRE_GRACE_MS: Final = 7 * 86_400_000
"""How long after `expires_ms` a payload is kept: nodes that were away for a week still get it."""

RETENTION_MS: Final = 400 * 86_400_000
"""How long after its writer's delegation a closed log is told of: a year and its accounts."""

WRITER_LIFETIME_MS: Final = 90 * 86_400_000
"""How long a writer key is delegated."""

PREKEY_LIFETIME_MS: Final = 30 * 86_400_000
"""How long a sealing key is offered to senders."""

DIFFERENCING_MS: Final = 72 * 3_600_000
"""How long after a published demand curve another may not differ from it in fewer than k co-ops:
within three days most lines are what they were; weekly rounds are not held up."""
