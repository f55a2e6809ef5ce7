"""Subscriptions, chapter 06: the input is a filter, a kind and a body, the output is yes or no."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kit import Case, array, blob, integer, mapping, text

if TYPE_CHECKING:
    from collections.abc import Iterator

NO, YES = b"\x00", b"\x01"
NIL = b"\xc0"

DEMAND = "demand.submit"
FEED_NORTH = mapping(item=mapping(category=text("feed"), code=text("A1")), zone=text("NORTH"))
FEED = mapping(category=text("feed"))
NORTH = mapping(region=text("NORTH"))
BARE = mapping(code=text("ok"))


def texts(*values: str) -> bytes:
    """Return a list of texts."""
    return array(*map(text, values))


def asked(wanted: bytes, kind: str = DEMAND, body: bytes = FEED_NORTH) -> bytes:
    """Return the question whether a payload is wanted."""
    return mapping(body=blob(body), filter=wanted, kind=text(kind))


ALL = mapping()
SEALED = mapping(box=blob(b"box"), category=text("paper"))
ERASE = mapping(entry=blob(bytes(32)))
CATEGORIES_FEED, CATEGORIES_PAPER = (mapping(categories=texts(c)) for c in ("feed", "paper"))
REGIONS_NORTH, REGIONS_SOUTH = (mapping(regions=texts(r)) for r in ("NORTH", "SOUTH"))
KINDS_VERDICT = mapping(kinds=texts("verdict"))
BOTH_TOPICS = mapping(categories=texts("feed"), regions=texts("SOUTH"))
TWO_CATEGORIES = mapping(category=text("paper"), item=mapping(category=text("feed")))
TWO_REGIONS = mapping(region=text("SOUTH"), zone=text("NORTH"))

MATCHING = [
    ("empty_filter", "SYN-71", "No list, no limit.", asked(ALL), YES),
    ("kind_listed", "SYN-71", "One of two.", asked(mapping(kinds=texts(DEMAND, "verdict"))), YES),
    ("kind_not_listed", "SYN-71", "A header tells as much.", asked(KINDS_VERDICT), NO),
    ("kind_of_same_beginning", "SYN-71", "Whole texts.", asked(mapping(kinds=texts("demand"))), NO),
    ("category_in_item", "SYN-71", "The second place.", asked(CATEGORIES_FEED), YES),
    ("category_of_body", "SYN-71", "The first place.", asked(CATEGORIES_FEED, body=FEED), YES),
    ("category_other", "SYN-71", "Feed is no paper.", asked(CATEGORIES_PAPER), NO),
    (
        "category_of_body_before_item",
        "SYN-71",
        "Where both places have one, the first counts.",
        asked(CATEGORIES_FEED, body=TWO_CATEGORIES),
        NO,
    ),
    (
        "category_of_other_case",
        "SYN-71",
        "Texts are compared byte by byte.",
        asked(mapping(categories=texts("Feed"))),
        NO,
    ),
    ("region_in_zone", "SYN-71", "The first place.", asked(REGIONS_NORTH), YES),
    ("region_in_region", "SYN-71", "The second place.", asked(REGIONS_NORTH, body=NORTH), YES),
    ("region_other", "SYN-71", "North is not south.", asked(REGIONS_SOUTH), NO),
    (
        "region_of_zone_before_region",
        "SYN-71",
        "Where both places have one, the first counts.",
        asked(REGIONS_SOUTH, body=TWO_REGIONS),
        NO,
    ),
    ("one_list_of_two_fits", "SYN-71", "All lists are to fit.", asked(BOTH_TOPICS), NO),
    (
        "all_three_lists_fit",
        "SYN-71",
        "All of them do.",
        asked(
            mapping(categories=texts("feed"), kinds=texts(DEMAND), regions=texts("NORTH")),
        ),
        YES,
    ),
    (
        "kind_not_listed_category_fits",
        "SYN-71",
        "All lists are to fit.",
        asked(mapping(categories=texts("feed"), kinds=texts("verdict"))),
        NO,
    ),
    (
        "no_category",
        "SYN-72",
        "What names none may concern anybody.",
        asked(CATEGORIES_PAPER, "verdict", BARE),
        YES,
    ),
    ("no_region", "SYN-72", "Nor does this.", asked(REGIONS_SOUTH, "verdict", BARE), YES),
    (
        "category_that_is_no_text",
        "SYN-72",
        "As none, also where the item has one.",
        asked(
            CATEGORIES_PAPER,
            body=mapping(category=integer(7), item=mapping(category=text("feed"))),
        ),
        YES,
    ),
    (
        "item_that_is_no_map",
        "SYN-72",
        "Of a kind that nobody knows.",
        asked(CATEGORIES_PAPER, "x.note", mapping(item=text("feed"))),
        YES,
    ),
    (
        "zone_that_is_no_text",
        "SYN-72",
        "As none, also where there is a region.",
        asked(REGIONS_SOUTH, body=mapping(region=text("NORTH"), zone=array(text("NORTH")))),
        YES,
    ),
    (
        "body_of_text",
        "SYN-72",
        "No map, no topic.",
        asked(BOTH_TOPICS, "x.note", text("feed")),
        YES,
    ),
    (
        "body_of_list",
        "SYN-72",
        "No map, no topic.",
        asked(REGIONS_SOUTH, "x.note", array(NORTH)),
        YES,
    ),
    (
        "topics_deeper_down",
        "SYN-72",
        "Two places are looked at, and no other.",
        asked(CATEGORIES_PAPER, body=mapping(lines=array(mapping(item=FEED)))),
        YES,
    ),
    (
        "sealed_is_not_looked_into",
        "SYN-72",
        "Its true body is for its recipients.",
        asked(CATEGORIES_FEED, "sealed", SEALED),
        YES,
    ),
    (
        "sealed_listed",
        "SYN-71",
        "As any kind.",
        asked(mapping(kinds=texts("sealed")), "sealed"),
        YES,
    ),
    ("sealed_not_listed", "SYN-71", "As any kind.", asked(KINDS_VERDICT, "sealed", SEALED), NO),
    (
        "erase_not_listed",
        "SYN-73",
        "Who does not hear of an erase shows what is erased.",
        asked(KINDS_VERDICT, "entry.erase", ERASE),
        YES,
    ),
    (
        "restore_of_other_category",
        "SYN-73",
        "Whatever it says besides.",
        asked(CATEGORIES_FEED, "entry.restore", mapping(category=text("paper"))),
        YES,
    ),
    (
        "filter_with_unknown_key",
        "SYN-71",
        "A later version's list is no limit here.",
        asked(mapping(kinds=texts(DEMAND), writers=texts("me"))),
        YES,
    ),
]

FAULTY = [
    ("filter_with_empty_list", "schema.invalid", "Wanting nothing is no filter.", "kinds", array()),
    (
        "filter_of_65_kinds",
        "schema.invalid",
        "64 are the most.",
        "kinds",
        array(*[text("verdict")] * 65),
    ),
    ("filter_of_upper_case_kind", "schema.invalid", "No kind.", "kinds", texts("Verdict")),
    ("filter_of_kind_with_25", "schema.invalid", "Too long for one.", "kinds", texts("k" * 25)),
    ("filter_of_empty_category", "schema.invalid", "No text.", "categories", texts("")),
    ("filter_of_long_region", "schema.invalid", "64 characters.", "regions", texts("r" * 65)),
    ("filter_of_spaced_region", "schema.invalid", "No spaces.", "regions", texts("NORTH EAST")),
    ("filter_of_accented_region", "schema.invalid", "ASCII.", "regions", texts("Z\u00fcrich")),
    ("filter_of_text", "schema.invalid", "A list.", "kinds", text("verdict")),
    ("filter_of_numbers", "schema.invalid", "Texts.", "regions", array(integer(1))),
    ("filter_of_nil", "enc.nil", "A list that is not there is left out.", "kinds", NIL),
]


def cases() -> Iterator[Case]:
    """Yield the vectors of the section on subscriptions."""
    for name, clause, comment, question, answer in MATCHING:
        yield Case(
            id=f"06-subscription/{name}",
            clause=clause,
            expect="ok",
            comment=comment,
            input=question,
            output=answer,
        )
    for name, code, comment, key, value in FAULTY:
        yield _refused(name, "SYN-70", code, comment, asked(mapping(**{key: value})))
    unsorted = mapping(kinds=texts(DEMAND), categories=texts("feed"))
    yield _refused("filter_unsorted", "SYN-70", "enc.key_order", "A CMP-1 map.", asked(unsorted))
    yield _refused(
        "body_not_canonical",
        "SYN-71",
        "enc.not_shortest",
        "Only what is held as right is looked into.",
        asked(CATEGORIES_FEED, body=b"\xd9\x04feed"),
    )


def _refused(name: str, clause: str, code: str, comment: str, question: bytes) -> Case:
    return Case(
        id=f"06-subscription/{name}", clause=clause, expect=code, comment=comment, input=question
    )
