"""Finding out on one link where two frontiers differ: carries out what `Comparison` decides.

The reader of the link calls the `hear_*` methods, which note what is due; the writer calls `tell`,
which alone sends. What is noted is bounded by our own logs, however much a peer asks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sheaf_protocol.errors import RemoteProtocolError
from sheaf_protocol.frontier import Frontier, items
from sheaf_protocol.link import Answer, Comparison, Cursor, Step
from sheaf_protocol.link.comparison import WHOLE, descend, tree_node
from sheaf_protocol.link.data_sync import MAX_LOGS
from sheaf_protocol.link.messages import (
    LIST,
    NODES,
    Compare,
    Have,
    Lagged,
    Tree,
    TreeNode,
    TreeWant,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sheaf_node.peering.frontiers import Frontiers, Held, Moment
    from sheaf_protocol.digest import Digest, FederationId, LogId
    from sheaf_protocol.frontier import FrontierItem, LogState
    from sheaf_protocol.link import DataSync, Link


class Comparing:
    """One federation's frontiers on one link."""

    def __init__(
        self,
        fid: FederationId,
        link: Link,
        *,
        sync: DataSync,
        store: Held,
        frontiers: Frontiers,
        store_id: bytes,
    ) -> None:
        self._fid, self._link, self._sync = fid, link, sync
        self._store, self._frontiers, self._their_store = store, frontiers, store_id
        self._scope = link.blind(fid)
        cursor = None if link.peer is None else store.cursor(link.peer.wid, fid)
        if cursor is not None and cursor.store_id != store_id:
            cursor = None  # another store: what its last one held says nothing
        self._comparison = Comparison(is_initiator=link.is_initiator, cursor=cursor)
        if cursor is not None:
            self._assume_since(cursor)
        self._is_begin_due = link.is_initiator
        self._is_lagged_due = False
        self._is_root_due = self._is_have_due = False
        self._news: Moment | None = None
        self._answer, self._since = Answer.NONE, 0
        self._heard: tuple[Digest | None, int] = (None, 0)
        self._told: dict[LogId, LogState] = {}
        self._wanted: dict[str, None] = {}
        self._nodes: dict[str, TreeNode] = {}

    @property
    def cursor(self) -> Cursor | None:
        """The last moment of equal roots: now, where we hold what the peer told of last."""
        root, arrival = self._heard
        if root == self._frontiers.of(self._fid).root:
            self._comparison.cursor = Cursor(
                store_id=self._their_store, theirs=arrival, ours=self._store.arrival
            )
        return self._comparison.cursor

    def begin(self) -> None:
        """Compare, more thoroughly than before if that was in vain."""
        self._is_begin_due = True

    def lag(self) -> None:
        """Tell the peer that it was not sent all."""
        self._is_lagged_due = True

    def hear_lagged(self) -> None:
        """Compare, since the peer left something out."""
        self._comparison.restart()
        self._is_begin_due = True

    def hear_compare(self, message: Compare) -> None:
        """Take the peer's root, and owe it an answer."""
        ours, arrival = self._frontiers.of(self._fid), self._store.arrival
        self._sync.hear_root(message.root, ours)
        self._answer = self._comparison.answer(message.root, message.since, ours, arrival)
        self._since = message.since
        # It knows more of this store than there is: the store was put back, and lacks what it had.
        self._is_begin_due |= message.since > arrival

    def hear_have(self, message: Have, now_ms: int) -> None:
        """Take what the peer holds."""
        ours = self._frontiers.of(self._fid)
        self._sync.hear(message.items, now_ms)
        self._heard = (message.root, message.arrival)
        self._comparison.hear(is_equal=self._sync.hear_root(message.root, ours))

    def hear_tree(self, message: Tree) -> None:
        """Compare nodes of the digest tree, and owe what follows from it.

        Raises RemoteProtocolError `link.frontier_size`: digests of nothing are as cheap as log ids.
        """
        descent = descend(self._frontiers.of(self._fid), message.nodes)
        self._comparison.hear(is_equal=False)
        self._sync.assume_same(descent.same)
        self._told.update(descent.told)
        self._wanted.update(dict.fromkeys(descent.wanted))
        self._nodes.update((node.prefix, node) for node in descent.nodes)
        if len(self._wanted) > 2 * MAX_LOGS:  # theirs and ours: what we hold bounds the rest
            detail = f"expected nodes of at most {MAX_LOGS} logs"
            raise RemoteProtocolError("link.frontier_size", detail)
        self._is_have_due |= bool(descent.told) or not (descent.wanted or descent.nodes)

    def hear_tree_want(self, message: TreeWant) -> None:
        """Owe the peer all logs below some prefixes."""
        tree = self._frontiers.of(self._fid).tree
        for prefix in set(message.prefixes):
            self._told.update(tree.at(prefix).states())
        self._is_have_due = True

    def tick(self, moment: Moment, *, is_settling: bool) -> bool:
        """Let the news of a moment fall due; return whether there is more to wait for."""
        ours = moment.of(self._fid)
        theirs = self._sync.their_root
        self._news, self._is_root_due = moment, is_settling
        if theirs is None:
            return not self._sync.is_root_told(ours.root)
        may_look = is_settling and not self._sync.is_asking
        if may_look and self._comparison.look(theirs, ours.root):
            self._is_begin_due |= not self._sync.explains(ours.logs)
        is_looking = self._comparison.is_looking(theirs, ours.root)
        return is_looking or not self._sync.is_root_told(ours.root)

    def tell(self) -> None:
        """Send what is due."""
        if not self._is_anything_due:
            return
        ours = self._frontiers.of(self._fid)
        if self._is_lagged_due:
            self._link.send(Lagged(self._scope))
        # Answers first: a peer that waits for one does not answer what crosses it.
        self._tell_answer(ours)
        if self._is_begin_due:
            self._begin(ours)
        self._tell_parts(ours)
        self._tell_news()
        if self._is_root_due and not self._sync.is_root_told(ours.root):
            self._have([], ours)
        self._is_lagged_due = self._is_begin_due = self._is_root_due = False

    @property
    def _is_anything_due(self) -> bool:
        is_told = self._is_lagged_due or self._is_begin_due or self._news is not None
        is_asked = self._answer is not Answer.NONE or self._wanted or self._nodes
        return bool(is_told or is_asked or self._is_root_due or self._is_have_due)

    def _tell_news(self) -> None:
        moment, self._news = self._news, None
        if moment is None or not self._comparison.is_known:
            return
        ours = moment.of(self._fid)
        if news := self._sync.news(ours):
            self._have(news, ours, moment.arrival)

    def _begin(self, ours: Frontier) -> None:
        cursor = self.cursor
        step = self._comparison.begin()
        if step is Step.TREE:
            self._send_nodes([tree_node(ours, "")])
            return
        since = cursor.theirs if step is Step.SINCE and cursor is not None else 0
        self._link.send(Compare(self._scope, ours.root, since))
        self._sync.tell_root(ours.root)

    def _tell_answer(self, ours: Frontier) -> None:
        answer, self._answer = self._answer, Answer.NONE
        changed: Sequence[FrontierItem] | None = None
        if answer is Answer.EQUAL:
            changed = []
        elif answer is Answer.CHANGED:
            changed = self._changed_since(self._since, ours)
        elif answer is Answer.WHOLE:
            changed = list(ours.items.values())
        if answer is Answer.NONE:
            return
        if changed is None or len(changed) > WHOLE:
            self._send_nodes([tree_node(ours, "")])
        else:
            self._have(changed, ours)
        if answer is not Answer.EQUAL:
            # All else the peer knows of, or finds by the tree.
            self._sync.tell(ours.items.values())

    def _tell_parts(self, ours: Frontier) -> None:
        """Send what the walk down the tree has brought up."""
        told, self._told = self._told, {}
        wanted, self._wanted = list(self._wanted), {}
        nodes, self._nodes = list(self._nodes.values()), {}
        if self._is_have_due:
            self._have(items(told, is_full=True), ours)
            self._sync.tell(items(told))
            self._is_have_due = False
        for at in range(0, len(wanted), LIST):
            self._link.send(TreeWant(self._scope, wanted[at : at + LIST]))
        self._send_nodes(nodes)

    def _send_nodes(self, nodes: Sequence[TreeNode]) -> None:
        for at in range(0, len(nodes), NODES):
            self._link.send(Tree(self._scope, list(nodes[at : at + NODES])))

    def _have(
        self, told: Sequence[FrontierItem], ours: Frontier, arrival: int | None = None
    ) -> None:
        """Tell of some logs, with the root of all, and the arrival number that goes with it."""
        arrival = self._store.arrival if arrival is None else arrival
        for at in range(0, max(1, len(told)), LIST):
            part = list(told[at : at + LIST])
            self._link.send(Have(self._scope, ours.root, arrival, part))
        self._sync.tell_root(ours.root)

    def _changed_since(self, arrival: int, ours: Frontier) -> list[FrontierItem]:
        changed = self._store.changed_after(arrival)
        return [ours.items[log] for log in sorted(changed) if log in ours.items]

    def _assume_since(self, cursor: Cursor) -> None:
        """Take it that the peer still holds what it held when roots were equal."""
        changed = self._store.changed_after(cursor.ours)
        logs = self._frontiers.of(self._fid).logs
        self._sync.assume_same({k: state for k, state in logs.items() if k not in changed})
