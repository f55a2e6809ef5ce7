from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sheaf_protocol.errors import Fault, RemoteProtocolError
from sheaf_protocol.lifecycle import (
    HOLD,
    INVOICE,
    ORDER,
    POOL,
    SHIPMENT,
    Amendment,
    Cancellation,
    Delivery,
    Hold,
    Invoice,
    Machine,
    Order,
    Party,
    Pool,
    Return,
    Shipment,
    advance,
    is_final,
    kind_of,
    to_markdown,
)
from sheaf_protocol.lifecycle import MACHINES as ALL

STATES = (Pool, Hold, Shipment, Order, Amendment, Cancellation, Delivery, Invoice, Return)
MACHINES: list[tuple[Machine[Any], Any]] = list(zip(ALL, STATES, strict=True))
LOCKING = {Hold.HELD, Hold.CONFIRMED}


def run(machine: Machine[Any], *events: str) -> Any:
    state = None
    for event in events:
        state = advance(machine, state, event, next(iter(machine.senders[event])))
    return state


def refusal(machine: Machine[Any], state: Any, event: str, by: Party) -> RemoteProtocolError:
    with pytest.raises(RemoteProtocolError) as caught:
        advance(machine, state, event, by)
    return caught.value


@pytest.mark.parametrize(("machine", "states"), MACHINES)
def test_every_state_is_reached(machine: Machine[Any], states: Any) -> None:
    reached = {after for moves in machine.moves.values() for after in moves.values()}

    assert reached == set(states)


@pytest.mark.parametrize(("machine", "states"), MACHINES)
def test_every_state_leads_to_a_final_one(machine: Machine[Any], states: Any) -> None:
    ends = {state for state in states if is_final(machine, state)}
    while True:
        more = {s for s, moves in machine.moves.items() if set(moves.values()) & ends} - ends
        if not more:
            break
        ends |= more

    assert set(states) <= ends


@pytest.mark.parametrize(("machine", "states"), MACHINES)
def test_every_event_has_a_sender_and_every_sender_an_event(
    machine: Machine[Any], states: Any
) -> None:
    events = {event for moves in machine.moves.values() for event in moves}

    assert events == set(machine.senders)
    assert all(machine.senders.values())


@pytest.mark.parametrize(("machine", "states"), MACHINES)
def test_timers_are_sent_by_nobody_and_nothing_else_is(machine: Machine[Any], states: Any) -> None:
    for event, senders in machine.senders.items():
        assert event.startswith("timer.") == (senders == {Party.TIMER})
        assert event.startswith("sum.") == (senders == {Party.NOBODY})


@pytest.mark.parametrize(("machine", "states"), MACHINES)
def test_move_that_is_not_listed_is_illegal(machine: Machine[Any], states: Any) -> None:
    for state in states:
        for event, senders in machine.senders.items():
            if event in machine.moves.get(state, {}):
                continue
            error = refusal(machine, state, event, next(iter(senders)))
            assert (error.code, error.fault) == ("state.illegal", Fault.AUTHOR)


@pytest.mark.parametrize(("machine", "states"), MACHINES)
def test_move_by_another_party_is_refused(machine: Machine[Any], states: Any) -> None:
    for state, moves in machine.moves.items():
        for event in moves:
            for by in set(Party) - machine.senders[event]:
                error = refusal(machine, state, event, by)
                assert (error.code, error.fault) == ("state.wrong_sender", Fault.AUTHOR)


@pytest.mark.parametrize(("machine", "states"), MACHINES)
def test_every_state_event_and_sender_is_a_row_or_refused_by_code(
    machine: Machine[Any], states: Any
) -> None:
    walked = 0
    for state in (None, *states):
        for event in machine.senders:
            for by in Party:
                after = machine.moves.get(state, {}).get(event)
                if after is None:
                    assert refusal(machine, state, event, by).code == "state.illegal"
                elif by not in machine.senders[event]:
                    assert refusal(machine, state, event, by).code == "state.wrong_sender"
                else:
                    assert advance(machine, state, event, by) is after
                    walked += 1

    assert walked == sum(
        len(machine.senders[event]) for moves in machine.moves.values() for event in moves
    )


@pytest.mark.parametrize(
    ("event", "kind"),
    [("order.response AP", "order.response"), ("order.place", "order.place"), ("timer.x", None)],
)
def test_an_event_tells_its_kind(event: str, kind: str | None) -> None:
    assert kind_of(event) == kind


def test_an_order_once_accepted_never_goes_back() -> None:
    early = {Order.PLACED, Order.RECEIVED, Order.CHANGE_PROPOSED, Order.AGREED, Order.CANCELLING}
    late = {after for state in Order if state not in early for after in moves_of(ORDER, state)}

    assert early & late == set()


def test_an_answer_to_an_invoice_never_goes_back() -> None:
    order = list(INVOICE.moves)[1:]

    for state in (s for s in order if s is not Invoice.REJECTED and s is not None):
        later = moves_of(INVOICE, state) - {Invoice.REJECTED, Invoice.CREDITED, state}
        assert all(order.index(after) > order.index(state) for after in later)


def moves_of(machine: Machine[Any], state: Any) -> set[Any]:
    return set(machine.moves.get(state, {}).values())


def test_event_that_no_machine_knows_is_illegal() -> None:
    assert refusal(HOLD, Hold.HELD, "x.unknown", Party.OWNER).code == "state.illegal"


def test_pool_goes_from_open_to_closed() -> None:
    assert run(POOL, "pool.open", "pool.close", "pool.award") is Pool.AWARDED
    assert (
        run(
            POOL,
            "pool.open",
            "timer.demand_close",
            "pool.close",
            "pool.aggregate",
            "pool.evaluate",
            "pool.award",
            "allocation.notice",
            "award.decline",
            "pool.award",
            "allocation.notice",
            "award.accept",
            "despatch.advice",
            "receipt.advice",
            "pool.settle",
        )
        is Pool.CLOSED
    )


def test_award_after_a_lapse_is_refused() -> None:
    lapsed = run(POOL, "pool.open", "pool.close", "pool.lapse")

    assert refusal(POOL, lapsed, "pool.award", Party.COORDINATOR).code == "state.illegal"


def test_ordered_pool_cannot_be_cancelled() -> None:
    assert refusal(POOL, Pool.ORDERED, "pool.cancel", Party.COORDINATOR).code == "state.illegal"


def test_hold_goes_from_request_to_consumed() -> None:
    events = ("hold.request", "hold.grant", "hold.confirm", "hold.confirmed", "hold.consume")

    assert run(HOLD, *events) is Hold.CONSUMED


def test_askers_word_alone_confirms_nothing() -> None:
    assert run(HOLD, "hold.request", "hold.grant", "hold.confirm") is Hold.HELD


def test_shipment_goes_from_request_to_accepted() -> None:
    assert (
        run(
            SHIPMENT,
            "transport.request",
            "match.propose",
            "match.accept",
            "hold.grant",
            "shipment.book",
            "tracking.pickup",
            "tracking.depart",
            "tracking.deliver",
            "shipment.pod",
        )
        is Shipment.ACCEPTED
    )


@given(st.lists(st.sampled_from(sorted(HOLD.senders)), max_size=12))
def test_capacity_once_given_back_is_never_locked_again(events: list[str]) -> None:
    state, was_locked = None, False
    for event in events:
        try:
            state = advance(HOLD, state, event, next(iter(HOLD.senders[event])))
        except RemoteProtocolError:
            continue
        assert not (was_locked and state not in LOCKING and not is_final(HOLD, state))
        was_locked = was_locked or state in LOCKING


def test_markdown_has_a_row_for_every_move() -> None:
    table = to_markdown(HOLD)

    assert table.count("\n") == 2 + sum(len(moves) for moves in HOLD.moves.values())
    assert "| - | `hold.request` | asker | REQUESTED |\n" in table
    assert "| HELD | `hold.confirmed` | owner | CONFIRMED |\n" in table
