"""Random trees of operations, in any order: all nodes hold the same (spec 02, section 7)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations
from random import Random  # noqa: TC003  # hypothesis reads the annotation

from hypothesis import given, settings
from hypothesis import strategies as st

from sheaf_protocol.digest import ZERO, Digest
from sheaf_protocol.errors import RemoteProtocolError
from sheaf_protocol.identity import (
    Authority,
    Inception,
    KeyHistory,
    KeyLog,
    KeyOp,
    Operation,
    Rank,
    SigningKey,
    append_op,
    begin_history,
    fold_key_log,
    make_recover,
    make_revoke,
    make_rotate,
    merge,
    next_delegate,
    next_hash,
    sign_op,
    signing_key,
)

POOL = [signing_key(bytes([number]) * 32) for number in range(128)]
SECRETS = {key.public: key for key in POOL}
SHOWN = {next_hash(key.public): key for key in POOL}
FAR_MS = 2**40

Tree = dict[Digest, "Node"]


@dataclass(frozen=True)
class Node:
    """An operation of the tree: the path to it and the state there."""

    ops: tuple[KeyOp, ...]
    log: KeyLog


def root() -> Node:
    operation = Inception(
        country="GB",
        guardian_threshold=2,
        guardians=[key.public for key in POOL[:3]],
        manager=POOL[3].public,
        name="Hill Farm",
        next=[next_hash(key.public) for key in POOL[4:7]],
        nonce=bytes(16),
        op="inception",
        prev=Digest(ZERO),
        rotation=[key.public for key in POOL[7:10]],
        seq=0,
        threshold=2,
    )
    ops = (sign_op(operation, POOL[7:10]),)
    return Node(ops, fold_key_log(ops))


def child(parent: Node, random: Random) -> Node:
    """Return one more operation after a node, by owner or thief: whoever holds the keys."""
    log = parent.log
    fresh = random.sample([key for key in POOL if key.public not in used(log)], 7)
    kind = random.choices(("delegate", "revoke", "rotate", "recover"), (6, 2, 1, 1))[0]
    operation, signers = signed(kind, log, fresh, random)
    op = sign_op(operation, signers)
    return Node((*parent.ops, op), append_op(log, op))


def used(log: KeyLog) -> set[bytes]:
    """Return the keys that may not be given another use, those promised included."""
    delegated = [prekey.key for prekey in log.prekeys]
    promised = [SHOWN[hashed].public for hashed in log.next]
    return {log.manager, *log.rotation, *log.guardians, *delegated, *promised}


def signed(
    kind: str, log: KeyLog, fresh: list[SigningKey], random: Random
) -> tuple[Operation, list[SigningKey]]:
    if kind == "delegate":
        return next_delegate(log, fresh[0].public, "prekey", FAR_MS), [SECRETS[log.manager]]
    held = {
        "revoke": [SECRETS[key] for key in log.rotation],
        "rotate": [SHOWN[hashed] for hashed in log.next],
        "recover": [SECRETS[key] for key in log.guardians],
    }[kind]
    signers = random.sample(held, random.randint(2, 3))
    public = [key.public for key in signers]
    manager = fresh[0].public
    if kind == "revoke":
        return make_revoke(log, public, manager=manager), signers
    make = make_rotate if kind == "rotate" else make_recover
    seated = held if kind == "rotate" else fresh[4:]
    promised = [next_hash(key.public) for key in fresh[1:4]]
    rotation = [key.public for key in seated]
    named = make(log, public, manager=manager, next_=promised, rotation=rotation, threshold=2)
    return named, signers


def grown(random: Random, size: int) -> Tree:
    nodes = [root()]
    for _ in range(size):
        nodes.append(child(random.choice(nodes[-4:] + nodes[:2]), random))
    return {node.log.head: node for node in nodes}


def tips(tree: Tree) -> list[Node]:
    """Return the nodes that no other continues."""
    inner = {node.log.heads[-2] for node in tree.values() if node.log.size > 1}
    return [node for head, node in tree.items() if head not in inner]


def expected_head(tree: Tree, anchors: frozenset[Digest]) -> Digest:
    """Return the head in force by looking at the whole tree, from its root on.

    Read from the rules, not from the code: at each division the heaviest branch, or frozen.
    """
    (at,) = (head for head, node in tree.items() if node.log.size == 1)
    while branches := branches_of(tree, at):
        weights = {branch: weight(tree, branch, anchors) for branch in branches}
        best = [branch for branch in branches if weights[branch] == max(weights.values())]
        if len(best) > 1:
            return tree[at].log.frozen().head
        (at,) = best
    return at


def branches_of(tree: Tree, at: Digest) -> list[Digest]:
    return [head for head, node in tree.items() if node.log.heads[-2:-1] == (at,)]


def weight(tree: Tree, at: Digest, anchors: frozenset[Digest]) -> Authority:
    if any(
        at in node.log.heads and anchors & {*node.log.heads[tree[at].log.size - 1 :]}
        for node in tree.values()
    ):
        return Authority(Rank.ANCHOR)
    own = tree[at].log.authorities[-1]
    if own.rank in (Rank.GUARDIANS, Rank.NEXT):
        return own
    return max([own, *(weight(tree, branch, anchors) for branch in branches_of(tree, at))])


def merged(history: KeyHistory, paths: list[Node], anchors: frozenset[Digest]) -> KeyHistory:
    for node in paths:
        history = merge(history, node.ops, anchors)
    return history


def kept(history: KeyHistory) -> tuple[object, ...]:
    return (
        [op.id for op in history.path],
        [op.id for op in history.rival],
        history.state,
    )


def some_anchors(tree: Tree, random: Random, count: int) -> frozenset[Digest]:
    return frozenset(random.sample(sorted(tree), min(count, len(tree))))


randoms = st.randoms(use_true_random=True)
"""Its seed is shown where a test fails."""
sizes = st.integers(1, 11)
counts = st.sampled_from([0, 0, 0, 1, 2])


@settings(max_examples=100, deadline=None)
@given(random=randoms, size=sizes, count=counts)
def test_any_order_of_paths_gives_the_head_that_the_whole_tree_gives(
    random: Random, size: int, count: int
) -> None:
    tree = grown(random, size)
    anchors = some_anchors(tree, random, count)
    paths = list(tree.values())

    for _ in range(6):
        random.shuffle(paths)

        history = merged(begin_history(paths[0].ops), paths, anchors)

        assert history.state.head == expected_head(tree, anchors)


@settings(max_examples=40, deadline=None)
@given(random=randoms, size=st.integers(3, 9), count=counts)
def test_every_order_of_the_tips_keeps_the_same_paths(
    random: Random, size: int, count: int
) -> None:
    tree = grown(random, size)
    anchors = some_anchors(tree, random, count)

    outcomes = [
        kept(merged(begin_history(order[0].ops), list(order), anchors))
        for order in permutations(tips(tree)[:4])
    ]

    assert all(outcome == outcomes[0] for outcome in outcomes)


@settings(max_examples=40, deadline=None)
@given(random=randoms, size=sizes, count=counts)
def test_single_operations_arrive_in_any_order(random: Random, size: int, count: int) -> None:
    """One that attaches nowhere is asked for from the inception on, as a node does."""
    tree = grown(random, size)
    anchors = some_anchors(tree, random, count)
    nodes = list(tree.values())
    random.shuffle(nodes)
    history = begin_history(nodes[0].ops[:1])

    for node in nodes:
        try:
            history = merge(history, node.ops[-1:], anchors)
        except RemoteProtocolError:
            history = merge(history, node.ops, anchors)

    assert history.state.head == expected_head(tree, anchors)


@settings(max_examples=40, deadline=None)
@given(random=randoms, size=sizes, count=counts)
def test_merging_what_two_nodes_keep_is_merging_all_that_they_saw(
    random: Random, size: int, count: int
) -> None:
    tree = grown(random, size)
    anchors = some_anchors(tree, random, count)
    paths = list(tree.values())
    random.shuffle(paths)
    start, middle = begin_history(paths[0].ops[:1]), len(paths) // 2
    left = merged(start, paths[:middle], anchors)
    right = merged(start, paths[middle:], anchors)

    both = [exchanged(left, right, anchors), exchanged(right, left, anchors)]

    assert kept(both[0]) == kept(both[1]) == kept(merged(start, paths, anchors))


def exchanged(mine: KeyHistory, theirs: KeyHistory, anchors: frozenset[Digest]) -> KeyHistory:
    return merge(merge(mine, theirs.path, anchors), theirs.rival, anchors)


@settings(max_examples=40, deadline=None)
@given(random=randoms, size=sizes, count=counts)
def test_merging_again_changes_nothing(random: Random, size: int, count: int) -> None:
    tree = grown(random, size)
    anchors = some_anchors(tree, random, count)
    history = merged(begin_history(tips(tree)[0].ops), tips(tree), anchors)

    assert merged(history, list(tree.values()), anchors) is history


@settings(max_examples=40, deadline=None)
@given(random=randoms, size=sizes)
def test_anchors_that_come_late_decide_once_the_paths_come_again(random: Random, size: int) -> None:
    tree = grown(random, size)
    anchors = some_anchors(tree, random, 1)
    paths = list(tree.values())
    random.shuffle(paths)
    history = merged(begin_history(paths[0].ops), paths, frozenset())

    history = merged(history, paths, anchors)

    assert history.state.head == expected_head(tree, anchors)
