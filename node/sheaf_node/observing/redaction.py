"""Takes out of a log line what must not stand in one, whoever wrote it there.

No code of the node logs a secret on purpose. But a line may quote an address or a header that
somebody gave us, and a traceback may end in an exception that quotes its argument.

Whoever wrote a line may have written it to be slow to look through, while the node waits. So no
rule has two ways to read a character, and none looks twice at what it looked at in vain.
"""

from __future__ import annotations

import re
from typing import Final

MAX_LINE: Final = 16_384
"""Characters of one event, stack included: 60 frames have 8,000. What is beyond is cut off."""
_MARGIN: Final = 256
"""More than a secret has characters in any of its forms."""
_RULES: Final = (
    # The token of a request.
    (re.compile(r"\b(bearer|basic)\s+[^\s'\",;]+", re.IGNORECASE), r"\1 [redacted]"),
    # What an address says beside host and path: a password, a query, the secret of an invitation.
    (re.compile(r"(://)[^/\s@'\"]+@"), r"\1[redacted]@"),
    (re.compile(r"(://[^\s?#'\":]*+(?::(?!//)[^\s?#'\":]*+)*+)[?#][^\s'\"]+"), r"\1[redacted]"),
    # Keys, seeds and tokens are 32 bytes or more; ids are told by their first 8 digits.
    (re.compile(r"[0-9A-Fa-f]{64,}"), "[hex]"),
    # The same in base64, in which 32 bytes are 43 characters: mixed as no word and few paths are.
    (
        re.compile(
            r"(?<![\w+/-])(?=[\w+/-]*[0-9])(?=[\w+/-]*[A-Z])(?=[\w+/-]*[a-z])[\w+/-]{43,}=?"
        ),
        "[base64]",
    ),
    # And as Python shows bytes: 32 of them have 32 characters at the very least.
    (re.compile(r"""\bb(['"])(?:\\.|(?!\1)[^\\\n]){32,}+\\?+\1?+"""), "[bytes]"),
)


def redacted(text: str) -> str:
    """Return a log event's text without what may be a secret, at most `MAX_LINE` characters."""
    is_long = len(text) > MAX_LINE
    # With a margin: half a secret at the cut would be none by the rules, and enough to guess from.
    text = text[: MAX_LINE + _MARGIN]
    for pattern, instead in _RULES:
        text = pattern.sub(instead, text)
    return text[:MAX_LINE] + " [cut off]" if is_long else text
