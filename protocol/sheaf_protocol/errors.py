"""Refusals with stable codes (spec chapter 12). Every rule has one code, so a test can ask why.

Three classes of fault decide what a node does with an entry (spec 04, ENV-9):

* a *sender* fault (bytes, signature, chain) stops storage and the link pays for it;
* an *author* fault (schema, role, state) is stored and relayed, and has no effect;
* *not yet* (gap, unknown key, clock ahead) is asked for again later.
"""

from __future__ import annotations

import enum


class Fault(enum.Enum):
    """Who is to blame for a refusal, and so what a node does with the entry."""

    SENDER = "sender"
    AUTHOR = "author"
    NOT_YET = "not_yet"


class Refusal(Exception):
    """A request, file or message refused under one rule.

    `code` is stable and listed in spec chapter 12; `detail` is one sentence for a person saying
    what was expected and what came. Neither holds key material.
    """

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail

    def __reduce__(self) -> tuple[type[Refusal], tuple[str, str]]:
        """Let a refusal cross a process border unchanged."""
        return (type(self), (self.code, self.detail))


class ProtocolError(Refusal):
    """A rule of the protocol was broken; the subclass says by whom."""


class LocalProtocolError(ProtocolError):
    """Our own caller asked for something the protocol forbids. Nothing was sent or stored."""


class RemoteProtocolError(ProtocolError):
    """The other side broke a rule. `fault` says whether the sender, the author or the order did."""

    def __init__(self, code: str, detail: str, fault: Fault = Fault.SENDER) -> None:
        super().__init__(code, detail)
        self.fault = fault

    def __reduce__(self) -> tuple[type[Refusal], tuple[str, str]]:
        """Keep the fault class when crossing a process border."""
        return (type(self), (self.code, self.detail, self.fault))  # type: ignore[return-value]  # a third argument is allowed here
