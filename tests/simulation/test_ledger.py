"""Each invariant of the ledger fails on a history that breaks it, and on no other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.simulation.histories import ASKER, CIDS, NOW_MS, OTHER, OWNER, History, Market
from tests.simulation.ledger import CANARY

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def history() -> History:
    return History()


def test_a_hold_that_is_asked_granted_and_confirmed_breaks_nothing(
    history: History, tmp_path: Path
) -> None:
    request = history.ask(history.offer())
    grant = history.grant(request)
    word = history.confirmed(history.confirm(grant))

    history.ledger.answered("op0", ASKER, "CONFIRMED")
    history.ledger.acknowledge("op0", ASKER, grant, [request, grant, word])

    assert history.settle(tmp_path) == set()


def test_an_acknowledgement_without_a_synced_proof_breaks_i1(history: History) -> None:
    request = history.ask(history.offer())
    grant = history.grant(request)
    confirm = history.confirm(grant)
    word = history.logs[OWNER].write("hold.confirmed", {"confirm": confirm}, (confirm,))
    history.at(OWNER, word)

    history.ledger.acknowledge("op0", ASKER, grant, [request, grant, word.id])

    assert history.broken == {"I1"}


def test_an_acknowledgement_by_the_askers_own_word_breaks_i1(history: History) -> None:
    request = history.ask(history.offer())
    grant = history.grant(request)
    confirm = history.confirm(grant)

    history.ledger.acknowledge("op0", ASKER, grant, [request, grant, confirm])

    assert history.broken == {"I1"}


def test_an_acknowledged_hold_that_is_gone_in_the_end_breaks_i1(
    history: History, tmp_path: Path
) -> None:
    request = history.ask(history.offer())
    grant = history.grant(request)
    word = history.confirmed(history.confirm(grant))
    history.ledger.answered("op0", ASKER, "CONFIRMED")
    history.ledger.acknowledge("op0", ASKER, grant, [request, grant, word])
    history.held[ASKER] = [entry for entry in history.held[ASKER] if entry.id != word]

    assert "I1" in history.settle(tmp_path)


def test_more_pallets_granted_than_there_are_break_i2(history: History) -> None:
    capacity = history.offer(pallets=7)
    history.grant(history.ask(capacity))

    history.grant(history.ask(capacity, op="op1"))

    assert history.broken == {"I2"}


def test_less_granted_than_was_asked_for_breaks_i2(history: History) -> None:
    request = history.ask(history.offer())

    history.grant(request, pallets=3)

    assert history.broken == {"I2"}


def test_a_refusal_with_room_left_breaks_i2(history: History) -> None:
    request = history.ask(history.offer())

    history.own(OWNER, "hold.refuse", {"request": request, "reason": "hold.no_capacity"}, request)

    assert history.broken == {"I2"}


def test_a_refusal_for_want_of_room_breaks_nothing(history: History) -> None:
    capacity = history.offer(pallets=7)
    history.grant(history.ask(capacity))
    request = history.ask(capacity, op="op1")

    history.own(OWNER, "hold.refuse", {"request": request, "reason": "hold.no_capacity"}, request)

    assert history.broken == set()


def test_two_grants_of_one_request_break_i3(history: History) -> None:
    request = history.ask(history.offer())
    history.grant(request)

    history.grant(request)

    assert history.broken == {"I3"}


def test_a_grant_after_a_refusal_breaks_i3(history: History) -> None:
    capacity = history.offer(pallets=4)
    grant = history.grant(history.ask(capacity))
    request = history.ask(capacity, op="op1")
    history.own(OWNER, "hold.refuse", {"request": request, "reason": "hold.no_capacity"}, request)
    history.own(OWNER, "hold.expired", {"grant": grant}, grant, time_ms=NOW_MS + 1_001)

    history.grant(request, until_ms=NOW_MS + 1_000)

    assert history.broken == {"I3"}


def test_one_hold_asked_for_twice_breaks_i3(history: History) -> None:
    capacity = history.offer()
    history.ask(capacity)

    history.ask(capacity)

    assert history.broken == {"I3"}


def test_one_capacity_offered_twice_breaks_i3(history: History) -> None:
    history.offer()

    history.offer()

    assert history.broken == {"I3"}


def test_a_confirmation_for_another_than_the_asker_breaks_i3(history: History) -> None:
    grant = history.grant(history.ask(history.offer()))

    history.confirmed(history.confirm(grant, name=OTHER))

    assert history.broken == {"I3"}


def test_a_confirmation_of_what_had_expired_breaks_i3(history: History) -> None:
    grant = history.grant(history.ask(history.offer()))
    confirm = history.confirm(grant)
    history.own(OWNER, "hold.expired", {"grant": grant}, grant, time_ms=NOW_MS + 1_001)

    history.confirmed(confirm)

    assert history.broken == {"I3"}


@pytest.mark.parametrize("state", ["REFUSED", "EXPIRED", "RELEASED"])
def test_a_confirmed_hold_whose_user_was_told_otherwise_breaks_i3(
    history: History, tmp_path: Path, state: str
) -> None:
    grant = history.grant(history.ask(history.offer()))
    history.confirmed(history.confirm(grant))

    history.ledger.answered("op0", ASKER, state)

    assert history.settle(tmp_path) == {"I3"}


def test_a_confirmed_hold_that_nobody_asked_for_breaks_i3(history: History, tmp_path: Path) -> None:
    grant = history.grant(history.ask(history.offer(), hold=bytes(32)))

    history.confirmed(history.confirm(grant))

    assert history.settle(tmp_path) == {"I3"}


def test_two_confirmations_of_one_grant_break_i4(history: History) -> None:
    confirm = history.confirm(history.grant(history.ask(history.offer())))
    history.confirmed(confirm)

    history.confirmed(confirm)

    assert history.broken == {"I4"}


def test_a_gap_in_a_log_breaks_i5(history: History, tmp_path: Path) -> None:
    history.ask(history.offer())
    history.held[ASKER] = history.held[ASKER][:-1]
    history.at(ASKER, history.logs[ASKER].write("hold.confirm", {"grant": b""}))

    assert history.settle(tmp_path) == {"I5"}


def test_a_false_signature_breaks_i5(history: History, tmp_path: Path) -> None:
    history.offer()
    history.held[ASKER][0].proof = bytes(64)

    assert history.settle(tmp_path) == {"I5"}


def test_a_payload_that_its_header_does_not_hash_breaks_i5(history: History) -> None:
    history.own(OWNER, "note", {}, hashed=bytes(32))

    assert history.broken == {"I5"}


def test_an_entry_that_nothing_proves_breaks_i5(history: History, tmp_path: Path) -> None:
    history.offer()
    history.held[ASKER][0].proof = None

    assert history.settle(tmp_path) == {"I5"}


def test_an_entry_older_than_the_one_before_it_breaks_i5(history: History, tmp_path: Path) -> None:
    history.offer()
    history.own(OWNER, "note", {}, time_ms=NOW_MS - 1)

    assert history.settle(tmp_path) == {"I5"}


def test_two_entries_of_one_writer_at_one_place_break_i6(history: History) -> None:
    history.offer()

    history.at(OTHER, history.logs[OWNER].write("note", {}, seq=1))

    assert history.broken == {"I6"}


def test_an_expiry_of_a_confirmed_hold_breaks_i9(history: History) -> None:
    grant = history.grant(history.ask(history.offer()))
    history.confirmed(history.confirm(grant))

    history.own(OWNER, "hold.expired", {"grant": grant}, grant, time_ms=NOW_MS + 1_001)

    assert history.broken == {"I9"}


@pytest.mark.parametrize("until_ms", [NOW_MS + 499, NOW_MS + 1_001])
def test_a_deadline_by_another_clock_than_the_owners_breaks_i10(
    history: History, until_ms: int
) -> None:
    request = history.ask(history.offer())

    history.grant(request, until_ms=until_ms)

    assert history.broken == {"I10"}


def test_a_confirmation_after_the_deadline_breaks_i10(history: History) -> None:
    grant = history.grant(history.ask(history.offer()))

    history.confirmed(history.confirm(grant), time_ms=NOW_MS + 1_001)

    assert history.broken == {"I10"}


def test_an_expiry_at_the_deadline_breaks_i10(history: History) -> None:
    grant = history.grant(history.ask(history.offer()))

    history.own(OWNER, "hold.expired", {"grant": grant}, grant, time_ms=NOW_MS + 1_000)

    assert history.broken == {"I10"}


def test_an_entry_further_ahead_of_the_clock_than_allowed_breaks_i10(history: History) -> None:
    entry = history.logs[OWNER].write("note", {}, time_ms=NOW_MS + 300_001)

    history.at(ASKER, entry)

    assert history.broken == {"I10"}


def test_a_private_body_in_the_clear_breaks_i12(history: History) -> None:
    history.own(OWNER, "note", {"text": CANARY})

    assert history.broken == {"I12"}


def test_an_entry_lost_by_a_restart_breaks_i13(history: History, tmp_path: Path) -> None:
    history.offer()
    history.held[ASKER].clear()

    assert history.reopen(tmp_path) == {"I13"}


def test_a_change_that_is_kept_in_part_breaks_i13(history: History, tmp_path: Path) -> None:
    first, second = (history.logs[ASKER].write("note", {}) for _ in range(2))
    history.held[ASKER] += [first]
    history.ledger.dying(ASKER, [[first, second]])

    assert history.reopen(tmp_path) == {"I13"}


@pytest.mark.parametrize("kept", [0, 2])
def test_a_change_that_is_kept_whole_or_not_at_all_breaks_nothing(
    history: History, tmp_path: Path, kept: int
) -> None:
    change = [history.logs[ASKER].write("note", {}) for _ in range(2)]
    history.held[ASKER] += change[:kept]
    history.ledger.dying(ASKER, [change])

    assert history.reopen(tmp_path) == set()


def test_an_entry_stored_without_its_references_breaks_i13(
    history: History, tmp_path: Path
) -> None:
    history.ask(history.offer())

    assert history.reopen(tmp_path, without_refs=True) == {"I13"}


@pytest.fixture
def market() -> Market:
    return Market()


def test_a_pool_that_is_closed_awarded_and_judged_breaks_nothing(market: Market) -> None:
    pool, line = market.open(), market.want()
    award = market.award(pool, market.close(pool, line))

    market.find(award)

    assert market.broken == set()
    assert market.ledger.awards.owed([CIDS[ASKER]]) == []


def test_a_verdict_is_owed_until_it_is_given(market: Market) -> None:
    pool, line = market.open(), market.want()

    market.award(pool, market.close(pool, line))

    assert len(market.ledger.awards.owed([CIDS[ASKER], CIDS[OTHER]])) == 2


def test_a_pool_closed_twice_breaks_i11(market: Market) -> None:
    pool, line = market.open(), market.want()
    market.close(pool, line)

    market.close(pool, line)

    assert market.broken == {"I11"}


def test_a_close_that_leaves_out_a_demand_breaks_i11(market: Market) -> None:
    pool = market.open()
    market.want()

    market.close(pool)

    assert market.broken == {"I11"}


def test_a_close_that_counts_what_came_after_its_cut_breaks_i11(market: Market) -> None:
    pool = market.open()
    line = market.logs[ASKER].write("demand.submit", {"item": market.item})

    market.close(pool, line.id)

    assert market.broken == {"I11"}


def test_a_pool_decided_twice_breaks_i11(market: Market) -> None:
    pool, line = market.open(), market.want()
    close = market.close(pool, line)
    market.award(pool, close)

    market.own(OWNER, "pool.lapse", {"close": close, "pool": pool})

    assert market.broken == {"I11"}


@pytest.mark.parametrize("quantity", [39, 41])
def test_another_quantity_than_is_wanted_breaks_i11(market: Market, quantity: int) -> None:
    pool, line = market.open(), market.want()

    market.award(pool, market.close(pool, line), quantity)

    assert market.broken == {"I11"}


def test_more_than_there_is_breaks_i11(market: Market) -> None:
    pool, line = market.open(), market.want(60)

    market.award(pool, market.close(pool, line), 60)

    assert market.broken == {"I11"}


def test_an_award_that_a_member_finds_wrong_breaks_i11(market: Market) -> None:
    pool, line = market.open(), market.want()
    award = market.award(pool, market.close(pool, line))

    market.find(award, "award.amount")

    assert market.broken == {"I11"}


def test_two_verdicts_of_one_member_break_i11(market: Market) -> None:
    pool, line = market.open(), market.want()
    award = market.award(pool, market.close(pool, line))
    market.find(award)

    market.find(award)

    assert market.broken == {"I11"}


@pytest.mark.parametrize(
    "odd", [{"amount": 7_999}, {"amount": 8_000.0}, {"carriage": 5}, {"lines": 2}, {"fee": 1}]
)
def test_numbers_that_do_not_add_up_break_i15(market: Market, odd: dict[str, Any]) -> None:
    pool, line = market.open(), market.want()

    market.award(pool, market.close(pool, line), **odd)

    assert market.broken == {"I15"}
