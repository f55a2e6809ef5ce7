"""From hidden lines to a curve that every node has checked."""

from __future__ import annotations

from tests.services.private_demand.village import LINES, SERVICE


async def test_curve_of_hidden_lines_is_right_and_every_node_verifies_it(village):
    await village.open()
    await village.bid_all()

    await village.close()

    assert set((await village.states()).values()) == {"verified"}
    for node in village.federation.nodes:
        shown = await village.round(node)
        assert shown["totals"] == [200, 150, 70]
        assert await village.alerts(node) == {}
    assert village.federation.is_same()


async def test_nobodys_line_is_told_to_anybody_else_by_any_node(village):
    await village.open()
    await village.bid_all()
    await village.close()

    for node in village.federation.nodes:
        shown = await village.round(node)
        own = shown.pop("own")
        assert (own is None) == (node not in village.members)
        assert own is None or own["quantities"] == LINES[node.coop.name]
        told = str([shown, await node.view(SERVICE, "alerts")])
        assert not any(str(line) in told for line in LINES.values())
