"""Key logs as a store holds them: each is folded when somebody first asks for it.

Folding checks every signature, and a thousand key logs take half a second. A node that starts needs
its own and those of its peers.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from typing import TYPE_CHECKING

from sheaf_protocol.digest import CoopId
from sheaf_protocol.identity import KeyHistory, KeyLog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Self


class Unfolded:
    """A key history still in its rows. Whoever asks first folds it, for all that share it."""

    __slots__ = ("_fold", "_history")

    def __init__(self, fold: Callable[[], KeyHistory]) -> None:
        self._fold = fold
        self._history: KeyHistory | None = None

    def folded(self) -> KeyHistory:
        """Return the history. Raises Refusal `store.corrupt`."""
        if self._history is None:
            self._history = self._fold()
        return self._history


class Histories(Mapping[CoopId, KeyHistory]):
    """The key history of each co-op."""

    def __init__(self, unfolded: Mapping[CoopId, Unfolded] | None = None) -> None:
        self._unfolded = dict(unfolded or {})
        self._folded: dict[CoopId, KeyHistory] = {}

    def __getitem__(self, cid: CoopId) -> KeyHistory:
        if cid in self._unfolded:
            self._folded[cid] = self._unfolded[cid].folded()
            del self._unfolded[cid]
        return self._folded[cid]

    def __setitem__(self, cid: CoopId, history: KeyHistory) -> None:
        self._unfolded.pop(cid, None)
        self._folded[cid] = history

    def __contains__(self, cid: object) -> bool:
        return cid in self._folded or cid in self._unfolded

    def __iter__(self) -> Iterator[CoopId]:
        return chain(tuple(self._folded), tuple(self._unfolded))

    def __len__(self) -> int:
        return len(self._folded) + len(self._unfolded)

    def copy(self) -> Self:
        """Return histories that change by themselves; what is unfolded is folded once for both."""
        made = type(self)(self._unfolded)
        made._folded = dict(self._folded)
        return made


class KeyLogs(Mapping[CoopId, KeyLog]):
    """Of each history the state in force."""

    __slots__ = ("_histories",)

    def __init__(self, histories: Histories) -> None:
        self._histories = histories

    def __getitem__(self, cid: CoopId) -> KeyLog:
        return self._histories[cid].state

    def __contains__(self, cid: object) -> bool:
        return cid in self._histories

    def __iter__(self) -> Iterator[CoopId]:
        return iter(self._histories)

    def __len__(self) -> int:
        return len(self._histories)
