"""The file in a form that a browser sent, and nothing else of it (RFC 7578). Pure: bytes in, bytes
out, in time that grows with the bytes alone.
"""

from __future__ import annotations

import re
from typing import Final

from sheaf_protocol.errors import Refusal

MULTIPART: Final = "multipart/form-data"
MAX_OVERHEAD: Final = 8_192
"""8 KiB for the lines around a file, of which browsers write some hundred bytes."""
MOST_PARTS: Final = 8
_BOUNDARY: Final = re.compile(r'boundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))')
_FILE: Final = re.compile(rb'(?i)^content-disposition:[^\r\n]*[ ;]name="file"', re.MULTILINE)


def file_in(content_type: str, body: bytes) -> bytes:
    """Return the bytes of the field `file`. Raises Refusal `seat.answer`."""
    found = _BOUNDARY.search(content_type)
    if found is None:
        raise Refusal("seat.answer", "expected a form with a file")
    mark = b"\r\n--" + (found[1] or found[2]).encode("ascii", "replace")
    parts = (b"\r\n" + body).split(mark, MOST_PARTS)
    files = []
    for part in parts[1:]:
        head, gap, content = part.partition(b"\r\n\r\n")
        if gap and _FILE.search(head):
            files.append(content)
    if len(files) != 1 or len(parts) > MOST_PARTS:
        raise Refusal("seat.answer", "expected a form with one file")
    if not files[0]:
        raise Refusal("seat.answer", "expected a file to be chosen first")
    return files[0]
