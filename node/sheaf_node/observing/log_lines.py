"""How a node's log looks: a line for people, or one JSON object a line for programs.

Both pass through `redaction`, and in both a peer's text stays within its line.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from sheaf_node.observing.redaction import redacted

if TYPE_CHECKING:
    from types import TracebackType
    from typing import TextIO

    from sheaf_node.config import Log

_ALSO: Final = ("event", "code")
"""Fields that a call of ours may add by `extra`, beside what every record has."""


class JsonLines(logging.Formatter):
    """One JSON object for each event, in ASCII: time (RFC 3339, UTC), level, logger, message.

    With an exception also `exception` (its class) and `stack`.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the event as one line."""
        moment = datetime.fromtimestamp(record.created, UTC)
        line = {
            "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": redacted(record.getMessage()),
        }
        line |= {name: value for name in _ALSO if (value := getattr(record, name, None))}
        if record.exc_info and record.exc_info[0] is not None:
            line["exception"] = record.exc_info[0].__name__
            line["stack"] = redacted(self.formatException(record.exc_info))
        return json.dumps(line)


class TextLines(logging.Formatter):
    """`LEVEL logger: message`, and a stack below it, set in by two blanks, where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the event as text; only a stack has more than one line."""
        message = "".join(_shown(c) for c in redacted(record.getMessage()))
        line = f"{record.levelname} {record.name}: {message}"
        if record.exc_info and record.exc_info[0] is not None:
            stack = redacted(self.formatException(record.exc_info))
            # Set in: an exception may quote what somebody wrote to look like an event of its own.
            line += "".join(f"\n  {''.join(map(_shown, each))}" for each in stack.split("\n"))
        return line


def set_up_log(settings: Log, stream: TextIO) -> None:
    """Write the log of this process to `stream`, and of nobody's requests a traceback."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines() if settings.format == "json" else TextLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.level.upper())
    # What a call of `logging` itself has to complain of would go past the formatter.
    logging.raiseExceptions = False
    # aiohttp writes a traceback for each malformed request, so that strangers could fill the disk;
    # what goes wrong in a request of ours is logged by `sheaf_node.api` and `sheaf_node.peering`.
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
    # At `debug` it names every file that it waits for, and nothing of the node.
    logging.getLogger("asyncio").setLevel(max(logging.INFO, root.level))
    logging.captureWarnings(capture=True)
    sys.excepthook = _log_fault
    threading.excepthook = lambda args: _log_fault(
        args.exc_type, args.exc_value or args.exc_type(), args.exc_traceback
    )


def _log_fault(
    type_: type[BaseException], fault: BaseException, trace: TracebackType | None
) -> None:
    """Log what nobody caught, as every other event, before the process or its thread ends."""
    logging.getLogger("sheaf.node").critical("ended by a fault", exc_info=(type_, fault, trace))


def _shown(character: str) -> str:
    return character if character.isprintable() else f"\\u{ord(character):04x}"
