"""An order's life, folded from two lines: what each record does, and what has no effect."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.protocol.orders import DAY, ID, NOW, Talk, counted, entry, order, promised

from sheaf_protocol.lifecycle import Amendment, Cancellation, Delivery, Order, Party, Return
from sheaf_protocol.lifecycle.order_fold import fold_order, most_fee
from sheaf_protocol.lifecycle.order_state import MAX_SAID, Placed, Said, begin, in_reading_order
from sheaf_protocol.records.order import OrderLapse, OrderResponse

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sheaf_protocol.digest import EntryId


@pytest.fixture
def talk() -> Talk:
    return Talk()


@pytest.fixture
def accepted() -> Talk:
    made = Talk()
    made.accept(cancel_fee_bps=1_000)
    return made


def lines(talk: Talk) -> list[tuple[int, int, int, int]]:
    """Return of each line what is ordered, outstanding, despatched and accepted."""
    return [(n.ordered, n.due, n.sent, n.accepted) for n in talk.state().lines]


# --- acceptance -----------------------------------------------------------------------------------


def test_an_order_alone_is_placed_and_all_of_it_outstanding(talk: Talk) -> None:
    assert talk.state().state is Order.PLACED
    assert lines(talk) == [(40, 40, 0, 0), (20, 20, 0, 0)]


@pytest.mark.parametrize(
    ("code", "state"), [("AB", Order.RECEIVED), ("AP", Order.ACCEPTED), ("RE", Order.REJECTED)]
)
def test_a_response_moves_the_order(talk: Talk, code: str, state: Order) -> None:
    talk.respond(code)

    assert talk.state().state is state


def test_a_proposal_changes_nothing_before_it_is_agreed_to(talk: Talk) -> None:
    talk.propose(promised(0, 10, 20, price=100))

    assert talk.state().state is Order.CHANGE_PROPOSED
    assert lines(talk)[0] == (40, 40, 0, 0)


def test_an_agreement_waits_for_the_supplier_and_is_then_in_force(talk: Talk) -> None:
    proposal = talk.propose(promised(0, 10, 20, price=100))
    talk.agree(proposal)
    waits = talk.state().state
    talk.accept()

    state = talk.state()
    assert (waits, state.state) == (Order.AGREED, Order.ACCEPTED)
    assert [(line.ordered, line.price.amount) for line in state.lines] == [(30, 100), (20, 125)]
    assert [each.quantity for each in state.lines[0].promises] == [10, 20]


def test_an_agreement_that_the_supplier_read_too_late_lapses(talk: Talk) -> None:
    proposal = talk.propose(promised(0, 10))
    talk.agree(proposal)
    talk.time_ms = NOW + DAY + 1
    talk.lapse(proposal)

    assert talk.state().state is Order.LAPSED


def test_a_lapse_before_the_deadline_has_no_effect(talk: Talk) -> None:
    proposal = talk.propose(promised(0, 10))
    talk.time_ms = NOW + DAY
    lapse = talk.lapse(proposal)

    assert talk.state().refused == {lapse: "order.early"}
    assert talk.state().state is Order.CHANGE_PROPOSED


def test_an_agreement_to_another_proposal_has_no_effect(talk: Talk) -> None:
    talk.propose(promised(0, 10))
    agreement = talk.agree(entry("another"))

    assert talk.state().refused == {agreement: "state.illegal"}


def test_a_refused_proposal_ends_the_order(talk: Talk) -> None:
    talk.agree(talk.propose(promised(0, 10)), "RE")

    assert talk.state().state is Order.REJECTED


@pytest.mark.parametrize(
    ("made", "code"),
    [
        (promised(0, 41), "order.quantity"),  # more than ordered
        (promised(0, 30, 11), "order.quantity"),  # more in two deliveries
        (promised(0, 10, price=126), "order.price"),  # dearer
        (promised(2, 10), "order.line"),  # there are two
    ],
)
def test_a_proposal_of_more_or_for_more_has_no_effect(talk: Talk, made: Any, code: str) -> None:
    proposal = talk.propose(made)

    assert talk.state().refused == {proposal: code}
    assert talk.state().state is Order.PLACED


def test_a_proposal_of_nothing_at_all_has_no_effect(talk: Talk) -> None:
    proposal = talk.propose(promised(0), promised(1))

    assert talk.state().refused == {proposal: "order.quantity"}


# --- changes and cancellations --------------------------------------------------------------------


def test_a_change_is_in_force_once_confirmed_and_not_before(accepted: Talk) -> None:
    change = accepted.change((0, 50), (1, 0))
    before = lines(accepted)
    accepted.answer_change(change)

    assert before == [(40, 40, 0, 0), (20, 20, 0, 0)]
    assert lines(accepted) == [(50, 50, 0, 0), (0, 0, 0, 0)]
    assert accepted.state().amendments == {change: Amendment.CONFIRMED}


def test_a_change_that_is_declined_leaves_the_order_as_it_was(accepted: Talk) -> None:
    change = accepted.change((0, 50))
    accepted.answer_change(change, "RE")

    assert lines(accepted) == [(40, 40, 0, 0), (20, 20, 0, 0)]
    assert accepted.state().amendments == {change: Amendment.DECLINED}


def test_a_newer_change_takes_the_place_of_one_that_waits(accepted: Talk) -> None:
    first, second = accepted.change((0, 50)), accepted.change((0, 60))
    late = accepted.answer_change(first)
    accepted.answer_change(second)

    assert accepted.state().amendments == {
        first: Amendment.WITHDRAWN,
        second: Amendment.CONFIRMED,
    }
    assert accepted.state().refused == {late: "state.illegal"}
    assert accepted.state().lines[0].ordered == 60


def test_a_change_below_what_was_despatched_cannot_be_confirmed(accepted: Talk) -> None:
    accepted.despatch((0, 30, 10))
    change = accepted.change((0, 20))
    answer = accepted.answer_change(change)

    assert accepted.state().refused == {answer: "order.quantity"}
    assert accepted.state().amendments == {change: Amendment.REQUESTED}


def test_a_change_before_acceptance_has_no_effect(talk: Talk) -> None:
    change = talk.change((0, 1))

    assert talk.state().refused == {change: "state.illegal"}
    assert talk.state().amendments == {}


def test_an_order_not_accepted_is_cancelled_by_its_buyer_alone(talk: Talk) -> None:
    cancel = talk.cancel()
    waits = talk.state().state
    talk.answer_cancel(cancel)

    assert (waits, talk.state().state) == (Order.CANCELLING, Order.CANCELLED)


def test_a_cancellation_before_acceptance_can_neither_be_refused_nor_cost_a_fee(talk: Talk) -> None:
    talk.respond("AB", cancel_fee_bps=10_000)
    cancel = talk.cancel()
    refusal = talk.answer_cancel(cancel, "RE")
    dear = talk.answer_cancel(cancel, fee=1)

    assert talk.state().refused == {refusal: "state.illegal", dear: "order.fee"}
    assert talk.state().state is Order.CANCELLING


def test_a_supplier_that_accepted_before_it_read_a_cancellation_is_asked(talk: Talk) -> None:
    cancel = talk.cancel()
    talk.reads = False
    talk.accept()

    state = talk.state()
    assert (state.state, state.unread) == (Order.ACCEPTED, 1)
    assert state.cancellations == {cancel: Cancellation.REQUESTED}


def test_a_supplier_cannot_accept_what_it_read_to_be_cancelled(talk: Talk) -> None:
    talk.cancel()
    acceptance = talk.accept()

    assert talk.state().refused == {acceptance: "state.illegal"}


def test_a_cancellation_after_acceptance_can_be_refused(accepted: Talk) -> None:
    cancel = accepted.cancel()
    accepted.answer_cancel(cancel, "RE")

    assert accepted.state().state is Order.ACCEPTED
    assert accepted.state().cancellations == {cancel: Cancellation.REFUSED}


def test_a_second_cancellation_while_one_waits_has_no_effect(accepted: Talk) -> None:
    accepted.cancel()
    second = accepted.cancel()

    assert accepted.state().refused == {second: "state.illegal"}


def test_a_fee_up_to_what_was_named_is_taken_and_no_higher_one(accepted: Talk) -> None:
    most = most_fee(accepted.state())
    cancel = accepted.cancel()
    dear = accepted.answer_cancel(cancel, fee=most + 1)
    accepted.answer_cancel(cancel, fee=most)

    state = accepted.state()
    assert most == 75  # 10 % of 60 at 12.5
    assert state.refused == {dear: "order.fee"}
    assert (state.state, state.cancel_fee) == (Order.CANCELLED, 75)


def test_a_cancellation_under_way_ends_what_is_outstanding_alone(accepted: Talk) -> None:
    sent = accepted.despatch((0, 30, 10))
    accepted.answer_cancel(accepted.cancel())
    waits = accepted.state().state
    accepted.receive(sent)

    assert waits is Order.IN_FULFILMENT
    assert accepted.state().state is Order.FULFILLED
    assert lines(accepted) == [(40, 0, 30, 30), (20, 0, 0, 0)]


# --- goods ----------------------------------------------------------------------------------------


def test_what_is_neither_delivered_nor_outstanding_never_comes(accepted: Talk) -> None:
    sent = accepted.despatch((0, 30, 0), (1, 20, 0))
    accepted.receive(sent)

    assert accepted.state().state is Order.FULFILLED
    assert lines(accepted) == [(40, 0, 30, 30), (20, 0, 20, 20)]


def test_a_line_that_a_despatch_does_not_list_stays_outstanding(accepted: Talk) -> None:
    accepted.receive(accepted.despatch((0, 40, 0)))

    assert accepted.state().state is Order.IN_FULFILMENT
    assert lines(accepted)[1] == (20, 20, 0, 0)


def test_a_supplier_that_cannot_deliver_says_so_by_a_despatch_of_nothing(accepted: Talk) -> None:
    accepted.despatch((0, 0, 0), (1, 0, 0))

    assert accepted.state().state is Order.FULFILLED


@pytest.mark.parametrize(
    ("line", "more", "code"),
    [
        ((0, 41, 0), {}, "order.quantity"),  # more than ordered
        ((0, 30, 11), {}, "order.quantity"),  # more with what follows
        ((2, 1, 0), {}, "order.line"),  # there are two
        ((0, 1, 0), {"inspect_until_ms": NOW + 3 * DAY - 1}, "order.inspection"),
        ((0, 1, 0), {"arrives_ms": NOW + 1}, "order.inspection"),  # counted from arrival
    ],
)
def test_a_despatch_beyond_its_bounds_has_no_effect(
    accepted: Talk, line: tuple[int, int, int], more: dict[str, int], code: str
) -> None:
    sent = accepted.despatch(line, **more)

    assert accepted.state().refused == {sent: code}
    assert accepted.state().state is Order.ACCEPTED


def test_a_despatch_sent_twice_counts_once(accepted: Talk) -> None:
    accepted.despatch((0, 10, 30), ref="DN-7")
    again = accepted.despatch((0, 10, 20), ref="DN-7")

    assert accepted.state().refused == {again: "despatch.twice"}
    assert lines(accepted)[0] == (40, 30, 10, 0)


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        (counted(0, 41, over=1), 41),  # too much, and kept
        (counted(0, 40, over=5, refused=5), 40),  # too much, and not kept
        (counted(0, 38, short=2), 38),  # too little
        (counted(0, 0, short=40), 0),  # none
        (counted(0, 30, damaged=6, refused=4), 30),  # not all of it good
    ],
)
def test_a_receipt_counts_what_came(accepted: Talk, line: Any, kept: int) -> None:
    sent = accepted.despatch((0, 40, 0), (1, 20, 0))
    receipt = accepted.receive(sent, line)

    assert accepted.state().refused == {}
    assert [line.accepted for line in accepted.state().lines] == [kept, 20]
    assert accepted.state().deliveries[sent].receipt == receipt


@pytest.mark.parametrize(
    "line",
    [
        counted(0, 39),  # one is missing
        counted(0, 41),  # one too many
        counted(0, 40, over=1, short=1),  # both
        counted(0, 0, short=41),  # more is missing than was advised
    ],
)
def test_a_receipt_that_does_not_add_up_has_no_effect(accepted: Talk, line: Any) -> None:
    sent = accepted.despatch((0, 40, 0), (1, 20, 0))
    receipt = accepted.receive(sent, line)

    assert accepted.state().refused == {receipt: "receipt.sum"}
    assert accepted.state().state is Order.IN_FULFILMENT


def test_goods_are_counted_once(accepted: Talk) -> None:
    sent = accepted.despatch((0, 40, 0))
    accepted.receive(sent)
    again = accepted.receive(sent)

    assert accepted.state().refused == {again: "state.illegal"}


def test_goods_are_deemed_accepted_after_the_deadline_and_not_before(accepted: Talk) -> None:
    sent = accepted.despatch((0, 40, 0), (1, 20, 0))
    accepted.time_ms = NOW + 3 * DAY
    early = accepted.deem(sent)
    accepted.time_ms += 1
    accepted.deem(sent)

    state = accepted.state()
    assert state.refused == {early: "order.early"}
    assert (state.state, state.deliveries[sent].state) == (Order.FULFILLED, Delivery.DEEMED)
    assert [line.accepted for line in state.lines] == [40, 20]


def test_a_return_is_agreed_to_or_refused(accepted: Talk) -> None:
    sent = accepted.despatch((0, 40, 0), (1, 20, 0))
    accepted.receive(sent)
    first = accepted.give_back(sent, (0, 40))
    accepted.answer_return(first, "RE")
    second = accepted.give_back(sent, (0, 40), ref="R-2")
    accepted.answer_return(second)

    returns = accepted.state().returns
    assert [returns[each].state for each in (first, second)] == [Return.REFUSED, Return.AGREED]


@pytest.mark.parametrize(
    ("lines_", "ref", "code"),
    [
        ([(0, 31)], "R-2", "return.quantity"),  # ten are asked back already
        ([(2, 1)], "R-2", "return.quantity"),  # there is no such line
        ([(0, 1)], "R-1", "return.twice"),  # the number is taken
    ],
)
def test_a_return_of_more_than_was_accepted_has_no_effect(
    accepted: Talk, lines_: list[tuple[int, int]], ref: str, code: str
) -> None:
    sent = accepted.despatch((0, 40, 0), (1, 20, 0))
    accepted.receive(sent)
    accepted.give_back(sent, (0, 10))
    request = accepted.give_back(sent, *lines_, ref=ref)

    assert accepted.state().refused == {request: code}


def test_nothing_is_given_back_that_was_not_received(accepted: Talk) -> None:
    request = accepted.give_back(accepted.despatch((0, 40, 0)), (0, 1))

    assert accepted.state().refused == {request: "state.illegal"}


# --- who says what, how much, and in which order --------------------------------------------------


def test_a_record_of_the_other_side_has_no_effect(talk: Talk) -> None:
    response = talk.buys(OrderResponse(code="AP", order=ID))

    assert talk.state().refused == {response: "state.wrong_sender"}


def test_of_each_side_the_first_records_count_and_no_others(talk: Talk) -> None:
    extra = [talk.cancel() for _ in range(MAX_SAID + 2)][MAX_SAID:]
    talk.reads = False
    talk.accept()

    refused = talk.state().refused
    assert [refused[each] for each in extra] == ["order.too_many"] * 2
    assert talk.state().state is Order.ACCEPTED


def test_the_suppliers_words_wait_for_what_they_name(talk: Talk) -> None:
    proposal = talk.propose(promised(0, 10))
    talk.agree(proposal)
    talk.accept()
    missing = Talk(supplier=talk.supplier)

    state = missing.state()
    assert (state.state, state.waiting) == (Order.CHANGE_PROPOSED, 1)


def whole() -> Talk:
    """Return a talk with every kind of record in it, and some that have no effect."""
    talk = Talk()
    talk.respond("AB", cancel_fee_bps=500)
    proposal = talk.propose(promised(0, 15, 20, price=120))
    talk.agree(proposal)
    talk.lapse(proposal)
    talk.accept()
    talk.answer_change(talk.change((1, 25)))
    talk.change((0, 20))
    sent = talk.despatch((0, 15, 20), (1, 25, 0))
    receipt = talk.receive(sent, counted(0, 14, damaged=1))
    first = talk.bill(receipt)
    talk.answer(first, "AB")
    talk.answer(first, "UQ")
    talk.answer_return(talk.give_back(sent, (1, 5)))
    talk.answer_cancel(talk.cancel(), "RE")
    talk.answer(first, "AP")
    later = talk.despatch((0, 20, 0))
    talk.time_ms += 4 * DAY
    second = talk.bill(talk.deem(later), number="I-2")
    talk.answer(second, "RE")
    talk.credit(first, {1: 5}, request=talk.buyer[-4].id)
    talk.answer(first, "PD")
    return talk


def summary(state: Any) -> Any:
    return (
        state.state,
        [(n.ordered, n.due, n.sent, n.accepted, n.price) for n in state.lines],
        state.amendments,
        state.cancellations,
        {id_: (each.state, each.accepted, each.returned) for id_, each in state.deliveries.items()},
        {id_: (each.state, each.credited) for id_, each in state.invoices.items()},
        {id_: each.state for id_, each in state.returns.items()},
        state.refused,
    )


def arrived(words: Sequence[tuple[str, int, Said]]) -> Any:
    """Return the state of records that arrived in this order, some of them twice."""
    held: dict[str, dict[int, Said]] = {"buyer": {}, "supplier": {}}
    for side, place, said in words:
        held[side][place] = said
    sides = [[held[side][place] for place in sorted(held[side])] for side in held]
    return summary(fold_order(Placed(id=ID, time_ms=NOW, record=order(40, 20)), *sides))


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), twice=st.lists(st.integers(0, 30), max_size=12))
def test_any_order_of_arrival_comes_to_the_same_state(seed: int, twice: list[int]) -> None:
    talk = whole()
    words = [("buyer", at, said) for at, said in enumerate(talk.buyer)]
    words += [("supplier", at, said) for at, said in enumerate(talk.supplier)]
    shuffled = words + [words[at % len(words)] for at in twice]
    random.Random(seed).shuffle(shuffled)  # noqa: S311  # a seed that repeats is the point

    assert arrived(shuffled) == arrived(words) == summary(talk.state())


def test_the_whole_story_ends_fulfilled_with_what_was_said_in_vain_beside_it() -> None:
    state = whole().state()

    assert state.state is Order.FULFILLED
    assert sorted(state.refused.values()) == ["order.early"]
    assert [each.state.name for each in state.invoices.values()] == ["PAID", "REJECTED"]
    assert [each.state.name for each in state.returns.values()] == ["CREDITED"]


@given(
    buyer=st.integers(0, 6),
    names=st.lists(st.one_of(st.none(), st.integers(0, 8)), max_size=6),
)
def test_both_lines_keep_their_order_and_nothing_is_read_twice(
    buyer: int, names: list[int | None]
) -> None:
    talk = Talk()
    for _ in range(buyer):
        talk.cancel()
    for name in names:
        after: Any = {} if name is None else {"after": entry(f"b{name}")}
        record = OrderLapse(order=ID, response=ID, **after)
        talk.supplier.append(Said(id=entry(f"s{len(talk.supplier)}"), time_ms=NOW, record=record))
    state = begin(Placed(id=ID, time_ms=NOW, record=order(1)))

    read = list(in_reading_order(state, talk.buyer, talk.supplier))

    assert [said for said, by in read if by is Party.BUYER] == talk.buyer
    spoken = [said for said, by in read if by is Party.SUPPLIER]
    assert spoken == talk.supplier[: len(talk.supplier) - state.waiting]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda talk: talk.agree(entry("none")),
        lambda talk: talk.receive(entry("none")),
        lambda talk: talk.deem(entry("none")),
        lambda talk: talk.answer_change(entry("none")),
        lambda talk: talk.answer_cancel(entry("none")),
        lambda talk: talk.answer_return(entry("none")),
        lambda talk: talk.answer(entry("none"), "AP"),
    ],
)
def test_a_record_about_nothing_that_is_there_changes_nothing(
    spoil: Callable[[Talk], EntryId],
) -> None:
    talk = whole()
    before = summary(talk.state())
    said = spoil(talk)

    *same, refused = summary(talk.state())
    assert same == list(before[:-1])
    assert refused == {**before[-1], said: "state.illegal"}
