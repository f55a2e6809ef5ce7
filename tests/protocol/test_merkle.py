import pytest
from hypothesis import given
from hypothesis import strategies as st

from sheaf_protocol.digest import ZERO, digest
from sheaf_protocol.errors import Fault, RemoteProtocolError
from sheaf_protocol.merkle import is_included, leaf_hash, proof, require_included, root

LEAVES = st.lists(st.binary(max_size=8), min_size=1, max_size=40)


def test_root_over_nothing_is_zero_bytes() -> None:
    assert root([]) == ZERO


def test_root_of_one_leaf_is_its_leaf_hash() -> None:
    assert root([b"a"]) == leaf_hash(b"a") == digest("leaf", b"a")


def test_odd_node_is_carried_up_unchanged() -> None:
    a, b, c = (leaf_hash(x) for x in (b"a", b"b", b"c"))

    assert root([b"a", b"b", b"c"]) == digest("node", digest("node", a, b), c)


def test_doubling_the_last_leaf_changes_the_root() -> None:
    assert root([b"a", b"b", b"c"]) != root([b"a", b"b", b"c", b"c"])


def test_a_node_cannot_pass_as_a_leaf() -> None:
    forged = leaf_hash(b"a") + leaf_hash(b"b")

    assert not is_included(forged, 0, 1, [], root([b"a", b"b"]))


@given(LEAVES, st.data())
def test_every_leaf_is_included_at_its_own_index_only(
    leaves: list[bytes], data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(leaves) - 1))
    path, top = proof(leaves, at), root(leaves)

    for index in range(len(leaves)):
        same_leaf = leaves[index] == leaves[at] and proof(leaves, index) == path
        assert is_included(leaves[at], index, len(leaves), path, top) == (index == at or same_leaf)


@given(LEAVES, st.data())
def test_a_changed_path_proves_nothing(leaves: list[bytes], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(leaves) - 1))
    path, top = proof(leaves, at), root(leaves)

    assert not is_included(leaves[at] + b"x", at, len(leaves), path, top)
    assert not is_included(leaves[at], at, len(leaves), [*path, ZERO], top)
    if path:
        assert not is_included(leaves[at], at, len(leaves), path[:-1], top)


@pytest.mark.parametrize(("index", "size"), [(-1, 2), (2, 2), (0, 0)])
def test_index_outside_the_list_is_not_included(index: int, size: int) -> None:
    assert not is_included(b"a", index, size, [], root([b"a"]))


def test_leaf_outside_the_root_is_the_authors_fault() -> None:
    require_included(b"a", 0, 1, [], root([b"a"]))

    with pytest.raises(RemoteProtocolError) as caught:
        require_included(b"b", 0, 1, [], root([b"a"]))

    assert (caught.value.code, caught.value.fault) == ("merkle.proof", Fault.AUTHOR)
