"""What the demo came to, read off the nodes: one JSON object, and a table for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sheaf_protocol.records import OK
from sheaf_services.demo.cast import BUYERS, CAST, COORDINATOR, MATCHER
from sheaf_services.demo.play import KEYS

if TYPE_CHECKING:
    from sheaf_services.demo.play import Play
    from sheaf_services.demo.scenario import Scenario

_SUMMED = (
    "served_alone",
    "served_pooled",
    "gain_alone_minor",
    "gain_pooled_minor",
    "over_max_price",
)


def gather(play: Play, scenario: Scenario) -> dict[str, Any]:
    """Return the outcome as the nodes tell it at the end of a play."""
    statuses = {key: play.status(key) for key in KEYS}
    federations = [status["federations"][0] for status in statuses.values()]
    reports = {key: play.report(key) for key in KEYS}
    transport = {key: play.matching(key) for key in KEYS}
    by_cid = {status["cid"]: key for key, status in statuses.items()}
    return {
        "coops": len(BUYERS),
        "nodes": len(CAST),
        "processes": len({status["process"] for status in statuses.values()}),
        "converged": len({federation["root"] for federation in federations}) == 1,
        "envelopes": {
            "total": max(federation["entries"] for federation in federations),
            "rejected": sum(status["rejected"] for status in statuses.values()),
        },
        "purchasing": _purchasing(reports, scenario),
        "shipments": _shipments(transport),
        "per_coop": _per_coop(reports, _shares(transport, by_cid)),
        "notes": list(scenario.notes),
        "incidents": _incidents(play, reports),
    }


def _purchasing(reports: dict[str, Any], scenario: Scenario) -> dict[str, Any]:
    coops = [reports[player.key]["coop"] for player in BUYERS]
    pools = reports[COORDINATOR.key]["pools"]
    sums = {name: sum(coop[name] for coop in coops) for name in _SUMMED}
    return {
        "lines": scenario.lines,
        "excluded": scenario.excluded,
        "items_with_tiers": len(pools),
        "demands": sum(coop["demands"] for coop in coops),
        "awards": sum(bool(p["outcome"] and p["outcome"]["awarded"]) for p in pools),
        **sums,
        "paid_pooled_minor": sum(
            coop["goods_minor"] + coop["fee_minor"] + coop["carriage_minor"] for coop in coops
        ),
        "verified_by": {key: _verified(report) for key, report in reports.items()},
    }


def _verified(report: dict[str, Any]) -> int:
    return sum(
        decision["is_award"] and decision["verdict"] == OK
        for pool in report["pools"]
        for decision in pool["decisions"]
    )


def _shipments(transport: dict[str, Any]) -> dict[str, Any]:
    proposals = transport[MATCHER.key]["proposals"]
    costs = [proposal["costs"] for proposal in proposals if proposal["costs"]]
    parties = [party for cost in costs for party in cost["parties"]]
    return {
        "requests": sum(proposal["requests"] for proposal in proposals),
        "trips": sum(proposal["trips"] for proposal in proposals),
        "cost_round_trips": sum(cost["round_trips"] for cost in costs),
        "cost_own_pooled": sum(cost["own_pooled"] for cost in costs),
        "cost_pooled": sum(cost["pooled"] for cost in costs),
        "worse_off": sum(party["share"] > party["baseline"] for party in parties),
        "verified_by": {
            key: sum(
                proposal["trips"] for proposal in report["proposals"] if proposal["verdict"] == OK
            )
            for key, report in transport.items()
        },
    }


def _shares(transport: dict[str, Any], by_cid: dict[str, str]) -> dict[str, dict[str, int]]:
    """Return what each player pays for carriage, and what it would in trips of its own."""
    shares = {key: {"share": 0, "baseline": 0} for key in KEYS}
    for proposal in transport[MATCHER.key]["proposals"]:
        for party in (proposal["costs"] or {"parties": []})["parties"]:
            own = shares[by_cid[party["cid"]]]
            own["share"] += party["share"]
            own["baseline"] += party["baseline"]
    return shares


def _per_coop(reports: dict[str, Any], shares: dict[str, dict[str, int]]) -> list[dict[str, Any]]:
    """Return each co-op's result; `saved_minor` is goods and fee only."""
    rows = []
    for player in BUYERS:
        coop, carriage = reports[player.key]["coop"], shares[player.key]
        goods = coop["goods_minor"] + coop["carriage_minor"]
        rows.append(
            {
                "name": player.name,
                "alone_minor": coop["alone_minor"],
                "goods_minor": goods,
                "fee_minor": coop["fee_minor"],
                "carriage": carriage["share"],
                "carriage_alone": carriage["baseline"],
                "saved_minor": coop["alone_minor"] - goods - coop["fee_minor"],
                "unserved": coop["unserved"],
            }
        )
    return rows


def _incidents(play: Play, reports: dict[str, Any]) -> dict[str, Any]:
    lapsed = [
        {"item": pool["title"], "reason": pool["outcome"]["reason"]}
        for pool in reports[COORDINATOR.key]["pools"]
        if pool["outcome"] is not None and not pool["outcome"]["awarded"]
    ]
    if play.false_award is None:
        return {"lapsed": lapsed}
    refused = {key: play.false_award_verdict(key) for key in KEYS}
    return {"lapsed": lapsed, "false_award_refused_by": refused}
