"""The letter about a line: what it got and why, what it saves, and a proof for others to check."""

from __future__ import annotations

import pytest
from tests.services.pooled_purchasing.test_several_offers import BARNS, MILLS, SERVICE, Fair

from sheaf_node.cli.letter import print_letters
from sheaf_protocol import merkle
from sheaf_protocol.codec import check
from sheaf_protocol.digest import Digest
from sheaf_protocol.errors import Refusal


@pytest.fixture
async def fair(federation):
    made = Fair(federation)
    await federation.begin()
    return made


async def letter_of(node, **options):
    [found] = (await node.view(SERVICE, "letters", **options))["letters"]
    return found


async def test_a_letter_tells_what_was_got_from_whom_and_what_it_saves(fair):
    await fair.award()

    letter = await letter_of(fair.dale)

    assert (letter["wanted"], letter["got"], letter["why"]) == (9, 9, "whole")
    assert {part["supplier"] for part in letter["parts"]} == {"Mills", "Barns"}
    assert sum(part["units"] for part in letter["parts"]) == 9
    assert letter["coordinator"] == "Hill"
    assert letter["paid_minor"] == letter["goods_minor"]
    # Alone, nine bags reach no tier of Mills and cost 9.40 each at Barns.
    assert letter["alone_minor"] == 9 * 940
    assert letter["saving_minor"] == 9 * 940 - letter["paid_minor"]


async def test_the_proof_in_a_letter_leads_to_the_root_of_the_award(fair):
    await fair.award()
    [award] = fair.hill.seen("pool.award")

    for node in fair.buyers:
        told = (await letter_of(node))["check"]
        path = [Digest(bytes.fromhex(each)) for each in told["path"]]
        leaf = bytes.fromhex(told["leaf"])
        assert told["award"] == award.id.hex()
        assert merkle.is_included(leaf, told["index"], told["leaves"], path, award.record.root)
        assert len(check(leaf)["parts"]) == 2


async def test_an_award_of_one_offer_has_letters_as_well(fair):
    await fair.award(offers="one")

    letter = await letter_of(fair.moor)

    told = letter["check"]
    path = [Digest(bytes.fromhex(each)) for each in told["path"]]
    leaf = bytes.fromhex(told["leaf"])
    root = Digest(bytes.fromhex(told["root"]))
    assert merkle.is_included(leaf, told["index"], told["leaves"], path, root)
    assert [part["supplier"] for part in letter["parts"]] == ["Mills"]


async def test_the_fee_is_told_beside_the_goods(fair):
    await fair.award(fee_bps="100")

    letter = await letter_of(fair.moor)

    assert {part["supplier"] for part in letter["parts"]} == {"Mills", "Barns"}
    assert letter["fee_minor"] == sum(part["fee_minor"] for part in letter["parts"]) > 0
    assert letter["paid_minor"] == letter["goods_minor"] + letter["fee_minor"]


async def test_who_gets_a_part_hears_how_much_there_was(fair):
    await fair.list_nuts(8, 9, 10)
    await fair.mills.command(SERVICE, "import_prices", MILLS)
    await fair.federation.settle()
    given = {"k_min": "3", "may_close_early": "1", "offers": "several"}
    await fair.hill.command(SERVICE, "open_pools", **given)
    await fair.close()

    letter = await letter_of(fair.moor)

    assert letter["why"] == "shared"
    assert (letter["sold"], letter["able"]) == (15, 27)
    assert 5 <= letter["got"] <= 6


async def test_who_cannot_pay_hears_that_and_pays_nothing(fair):
    await fair.list_nuts(20, 20)
    header = b"ref,item,quantity,unit,max_price,currency\n"
    await fair.moor.command(SERVICE, "import_purchases", header + b"m,nuts,5,bag,8.00,GBP\n")
    await fair.barns.command(SERVICE, "import_prices", BARNS)
    await fair.federation.settle()
    given = {"k_min": "3", "may_close_early": "1", "offers": "several"}
    await fair.hill.command(SERVICE, "open_pools", **given)
    await fair.close()

    letter = await letter_of(fair.moor)

    assert (letter["why"], letter["got"], letter["paid_minor"]) == ("too_dear", 0, 0)
    assert letter["saving_minor"] == 0
    assert letter["check"]["index"] is None


async def test_a_letter_for_a_line_that_there_is_not_is_refused(fair):
    await fair.award()

    with pytest.raises(Refusal) as caught:
        await fair.dale.view(SERVICE, "letters", ref="nonsense")

    assert caught.value.code == "demand.unknown"


async def test_nobody_is_told_of_anothers_line(fair):
    await fair.award()

    hill = await letter_of(fair.hill)

    assert hill["ref"] == "nuts-1"
    assert hill["wanted"] == 8
    dale = await letter_of(fair.dale)
    assert dale["wanted"] == 9


async def test_the_page_says_it_in_words(fair, capsys):
    await fair.award()

    print_letters([await letter_of(fair.dale)])

    page = capsys.readouterr().out
    assert "You wanted 9 XBG and got 9 XBG." in page
    assert "That is all you wanted." in page
    assert "No other award could have saved the members more" in page
    assert "Alone the same would cost" in page
    assert all(len(line) <= 100 for line in page.splitlines())
