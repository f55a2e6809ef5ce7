"""A close binds the demands that it lists; a lapse sets them free."""

from sheaf_protocol.digest import EntryId
from sheaf_services.pooled_purchasing.binding import Bindings

NUTS, HAY = ("ewe-nuts", "XBG", 0), ("hay", "XBG", 0)
ONE, TWO = EntryId(b"1" * 32), EntryId(b"2" * 32)
POOL, LATER = EntryId(b"p" * 32), EntryId(b"q" * 32)


def test_what_a_close_lists_is_bound_for_its_item_only():
    bindings = Bindings()
    bindings.bind(NUTS, POOL, [ONE])

    assert bindings.bound(NUTS) == {ONE}
    assert bindings.bound(HAY) == frozenset()


def test_a_lapse_sets_free_what_its_own_pool_holds():
    bindings = Bindings()
    bindings.bind(NUTS, POOL, [ONE])
    bindings.bind(NUTS, LATER, [TWO])

    bindings.release(NUTS, POOL)

    assert bindings.bound(NUTS) == {TWO}


def test_a_second_pool_that_lists_a_bound_demand_cannot_set_it_free():
    bindings = Bindings()
    bindings.bind(NUTS, POOL, [ONE])
    bindings.bind(NUTS, LATER, [ONE])

    bindings.release(NUTS, LATER)

    assert bindings.bound(NUTS) == {ONE}


def test_the_lapse_of_a_pool_that_holds_nothing_changes_nothing():
    bindings = Bindings()

    bindings.release(NUTS, POOL)

    assert bindings.bound(NUTS) == frozenset()
