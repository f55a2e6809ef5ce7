"""Price alert: puts in a demand once somebody offers an item for what you would pay."""

import json
from collections.abc import Iterator

from sheaf_node.plugins import Call, Json, SeenRecord, ServiceContext
from sheaf_protocol.errors import Refusal
from sheaf_protocol.records import Demand, Offer, OfferWithdrawal, Price


class PriceAlert:
    """Keeps what is watched in its storage, and everything else as it folded it."""

    follows = frozenset({"demand.submit", "offer.submit", "offer.withdraw"})

    def __init__(self, context: ServiceContext, settings: dict[str, Json]) -> None:
        self.context = context
        self.zone = settings.get("zone", "ALL")
        self.offers: dict[bytes, SeenRecord] = {}
        self.wanted: set[str] = set()  # the references of our own demands
        self.commands = {"watch": self.watch}
        self.views = {"alerts": lambda call: [self.told(*hit) for hit in self.hits()]}

    @staticmethod
    def migrate(values: dict[str, Json], before: int) -> dict[str, Json]:
        """Return all that is kept as this version has it. So far there was no other."""
        return values

    def fold(self, seen: SeenRecord) -> None:
        """Learn offers, and which of them were answered."""
        match seen.record:
            case Offer():
                self.offers[seen.id] = seen
            case OfferWithdrawal(offer=offer):
                if offer in self.offers and self.offers[offer].line == seen.line:
                    del self.offers[offer]
            case Demand(ref=ref) if seen.line == self.context.line:
                self.wanted.add(ref)

    def decide(self) -> None:
        """Put in a demand for what is offered at the price, once for each offer."""
        for watch, seen, price in self.hits():
            ref = f"alert-{seen.id.hex()[:12]}"  # follows from what was read: twice is once
            wish = {"item": seen.record.item, "max_price": price, "quantity": watch["quantity"]}
            demand = Demand(is_firm=False, min_quantity=1, ref=ref, zone=self.zone, **wish)
            if ref not in self.wanted:
                self.context.publish(demand, refs=[seen.id])

    def finish(self, key: str, result: object) -> None:
        """Nothing is computed in a process of its own."""

    def hits(self) -> Iterator[tuple[Json, SeenRecord, Price]]:
        """Yield what is watched and offered for that much or less."""
        now_ms, storage = self.context.now_ms(), self.context.storage
        watches = {key: storage.get(key) for key in list(storage.keys())}
        for seen in self.offers.values():
            offer, watch = seen.record, watches.get(seen.record.item.code)
            if not watch or now_ms >= offer.valid_until_ms or offer.currency != watch["currency"]:
                continue
            if offer.tiers[-1].amount * watch["base"] <= watch["amount"] * offer.base:
                yield watch, seen, offer.price(len(offer.tiers) - 1)

    def told(self, watch: Json, seen: SeenRecord, price: Price) -> Json:
        """Return an alert for people."""
        by = self.context.name_of(seen.cid)
        return {"item": seen.record.item.code, "by": by, "amount": price.amount, "base": price.base}

    def watch(self, call: Call) -> Json:
        """Watch an item from now on."""
        asked = json.loads(call.body)
        numbers = [asked.get(key) for key in ("amount", "base", "quantity")]
        if not all(isinstance(each, int) and each > 0 for each in numbers):
            raise Refusal("alert.watch", "expected item, currency, amount, base and quantity")
        self.context.storage.write({asked["item"]: asked})
        return {"watching": asked["item"]}
