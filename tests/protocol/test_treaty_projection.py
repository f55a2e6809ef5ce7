"""Spec 16, section 6: what of an entry is shown on the other side."""

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from tests.protocol.crossing import direction, inverse, offer

from sheaf_protocol.codec import check, encode
from sheaf_protocol.digest import digest
from sheaf_protocol.envelope import SEALED, make_payload
from sheaf_protocol.errors import RemoteProtocolError
from sheaf_protocol.treaty import Direction, IdMap, Shown, project, require_projected

SALT = bytes(16)
IDS = [
    IdMap(field="category", ours="dairy", theirs="laiterie"),
    IdMap(field="item", ours="milk", theirs="lait"),
    IdMap(field="zone", ours="HILLS", theirs="COLLINES"),
]


def whole(body: Any) -> Shown:
    return Shown(payload=make_payload(encode(body), SALT), is_view=False)


def view(body: Any) -> Shown:
    return Shown(payload=make_payload(encode(body), SALT), is_view=True)


def refused(through: Direction, source: Shown, kind: str = "offer.submit") -> str:
    with pytest.raises(RemoteProtocolError) as caught:
        project(through, kind, source)
    return caught.value.code


def dishonest(through: Direction, shown: Shown, kind: str = "offer.submit") -> str:
    with pytest.raises(RemoteProtocolError) as caught:
        require_projected(through, kind, shown)
    return caught.value.code


@pytest.mark.parametrize(
    "through", [direction(), direction(removed=["window"]), direction(categories=["dairy"])]
)
def test_body_in_which_nothing_changes_crosses_whole(through: Direction) -> None:
    source = whole(offer())

    assert project(through, "offer.submit", source) is source


def test_salt_of_a_view_is_made_of_the_one_before() -> None:
    through = direction(removed=["carriage"])

    once = project(through, "offer.submit", whole(offer()))
    twice = project(direction(removed=["lead_days"]), "offer.submit", once)

    salts = [shown.payload[:16] for shown in (once, twice)]
    assert salts[0] == digest("view-salt", SALT)[:16]
    assert salts[1] == digest("view-salt", salts[0])[:16]


def test_keys_are_removed_from_the_body_and_from_its_item() -> None:
    through = direction(removed=["carriage", "category"])

    shown = project(through, "offer.submit", whole(offer()))

    body = check(shown.body)
    assert shown.is_view
    assert "carriage" not in body
    assert "category" not in body["item"]
    assert body["ref"] == "o1"


def test_removed_item_leaves_nothing_to_look_into() -> None:
    shown = project(direction(removed=["item"]), "x.note", whole({"item": {"a": 1}, "zone": "N"}))

    assert check(shown.body) == {"zone": "N"}


def test_ids_are_renamed_wherever_they_stand() -> None:
    shown = project(direction(ids=IDS), "offer.submit", whole(offer()))

    body = check(shown.body)
    assert (body["item"]["category"], body["item"]["code"]) == ("laiterie", "lait")
    assert body["carriage"] == [{"amount": 5, "zone": "COLLINES"}]


def test_key_of_that_name_outside_an_item_is_no_id() -> None:
    body = {"category": "dairy", "code": "milk", "item": "milk", "zone": 7}

    shown = project(direction(ids=IDS), "x.note", whole(body))

    assert not shown.is_view


def test_what_is_renamed_there_comes_back_under_its_own_name() -> None:
    there, back = direction(ids=IDS), direction(ids=inverse(IDS))

    returned = project(back, "offer.submit", project(there, "offer.submit", whole(offer())))

    assert returned.body == encode(offer())


def test_id_that_another_one_turns_into_is_refused() -> None:
    item = {"code": "lait"}

    assert refused(direction(ids=IDS), whole({"item": item}), "x.note") == "bridge.ids"


@pytest.mark.parametrize(
    ("item", "reason"),
    [({"category": "grain"}, "another"), ({"code": "x"}, "none"), ("milk", "no item at all")],
)
def test_item_outside_the_categories_does_not_cross(item: Any, reason: str) -> None:
    through = direction(categories=["dairy"])

    assert refused(through, whole({"item": item}), "x.note") == "bridge.category", reason


@pytest.mark.parametrize("zone", ["WOLDS", 7])
def test_zone_outside_the_regions_does_not_cross(zone: Any) -> None:
    assert refused(direction(regions=["HILLS"]), whole({"zone": zone}), "x.note") == "bridge.region"


@pytest.mark.parametrize("body", [{"pool": bytes(32)}, [1], "text"])
def test_body_without_item_and_zone_crosses_by_its_kind_alone(body: Any) -> None:
    source = whole(body)

    assert project(direction(categories=["dairy"], regions=["HILLS"]), "x.note", source) is source


def test_sealed_body_crosses_as_it_is() -> None:
    source = whole({"item": {"category": "grain"}, "zone": "WOLDS"})
    through = direction(categories=["dairy"], regions=["HILLS"], removed=["zone"], ids=IDS)

    assert project(through, SEALED, source) is source
    require_projected(through, SEALED, source)


def test_view_of_a_sealed_body_is_refused() -> None:
    assert refused(direction(), view({"box": b""}), SEALED) == "bridge.view"


@pytest.mark.parametrize(
    "through",
    [
        direction(),
        direction(removed=["carriage", "item"]),
        direction(ids=IDS, regions=["HILLS"]),
        direction(ids=IDS, categories=["dairy"], removed=["lead_days"]),
    ],
)
def test_honest_view_is_told_from_what_it_shows(through: Direction) -> None:
    shown = project(through, "offer.submit", whole(offer()))

    require_projected(through, "offer.submit", shown)


@pytest.mark.parametrize(
    ("through", "shown", "code"),
    [
        (direction(removed=["lead_days"]), view(offer()), "bridge.view"),
        (direction(removed=["lead_days"]), whole(offer()), "bridge.view"),
        (direction(ids=IDS), view(offer()), "bridge.view"),
        (direction(ids=IDS), whole(offer()), "bridge.view"),
        (direction(categories=["grain"]), view(offer()), "bridge.category"),
        (direction(ids=IDS, categories=["laiterie"]), view({"item": {}}), "bridge.category"),
        (direction(ids=IDS, regions=["COLLINES"]), view({"zone": "COLLINES"}), "bridge.region"),
        (direction(), view({"box": b""}), "bridge.view"),
    ],
)
def test_view_that_shows_too_much_is_seen_to(through: Direction, shown: Shown, code: str) -> None:
    kind = SEALED if check(shown.body) == {"box": b""} else "offer.submit"

    assert dishonest(through, shown, kind) == code


NAMES = st.sampled_from(["a", "b", "c", "d", "e"])
FIELDS = st.sampled_from(["category", "item", "zone"])


@st.composite
def id_maps(draw: st.DrawFn) -> list[IdMap]:
    """Maps that a treaty may have: in each field each name once on each side."""
    made = []
    for field in ("category", "item", "zone"):
        ours = draw(st.lists(NAMES, unique=True, max_size=4))
        theirs = draw(st.permutations(["a", "b", "c", "x", "y"]))
        pairs = zip(sorted(ours), theirs, strict=False)
        made += [IdMap(field=field, ours=one, theirs=other) for one, other in pairs]  # type: ignore[arg-type]  # the tuple's texts
    return made


@given(id_maps(), NAMES, NAMES, NAMES, st.lists(st.sampled_from(["note", "code"]), unique=True))
def test_whatever_crosses_is_honest_and_comes_back(
    ids: list[IdMap], category: str, code: str, zone: str, removed: list[str]
) -> None:
    there = direction(ids=ids, removed=sorted(removed))
    back = direction(ids=inverse(ids))
    body = {"item": {"category": category, "code": code}, "lines": [{"zone": zone}], "note": "n"}
    names = {"category": category, "item": code, "zone": zone}
    taken = {(pair.field, pair.theirs) for pair in ids} - {(pair.field, pair.ours) for pair in ids}
    assume(taken.isdisjoint(names.items()))

    shown = project(there, "x.note", whole(body))

    require_projected(there, "x.note", shown)

    kept = {key: value for key, value in body.items() if key not in removed}
    kept["item"] = {k: v for k, v in body["item"].items() if k not in removed}  # type: ignore[attr-defined]  # a map
    assert check(project(back, "x.note", shown).body) == kept
