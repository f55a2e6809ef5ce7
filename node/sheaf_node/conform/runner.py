"""Runs cases against a node: each with its own co-ops, within a time limit, several at a time."""

from __future__ import annotations

import asyncio
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import aiohttp

from sheaf_node.conform.kit import FULL, PLAIN, SHARED, SIDES
from sheaf_node.conform.model import Failed, Surface
from sheaf_node.conform.scene import Scene

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sheaf_node.conform.api import Api
    from sheaf_node.conform.kit import Kit
    from sheaf_node.conform.listener import KitListener
    from sheaf_node.conform.model import Case, Claim
    from sheaf_node.conform.target import Target

JOBS: Final = 8
"""Cases at a time: half of the handshakes that a careful node lets be under way."""
LIMIT_S: Final = 20.0
"""Twice the longest wait that a rule asks for, the handshake's."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """What came of one case."""

    case: Claim
    result: Literal["ok", "FAIL", "skip"]
    expected: str = ""
    got: str = ""
    sequence: Sequence[str] = ()
    codes: Sequence[str] = ()
    took_ms: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Share:
    """What a case has of the kit for itself: members of one shared federation, and sides."""

    shared: int
    coop: int
    plain: int
    side: int


def allot(cases: Sequence[Case]) -> Mapping[str, Share]:
    """Return each case's share of the kit. Raises ValueError where it has too few co-ops."""
    shares, shared, coop, plain, side = {}, 0, 1, 0, 0
    for each in cases:
        if coop + each.coops > FULL or plain + each.plain > PLAIN:
            shared, coop, plain = shared + 1, 0, 0
        shares[each.id] = Share(shared=shared, coop=coop, plain=plain, side=side)
        coop, plain, side = coop + each.coops, plain + each.plain, side + each.sides
    if shared >= SHARED or side > SIDES:
        detail = f"expected at most {SHARED} shared federations and {SIDES} sides"
        raise ValueError(f"{detail}, got {shared + 1} and {side}")
    return shares


class Runner:
    """The cases of a catalogue against one node."""

    def __init__(
        self,
        kit: Kit,
        target: Target,
        *,
        now_ms: Callable[[], int],
        api: Api | None = None,
        listener: KitListener | None = None,
        limit_s: float = LIMIT_S,
        jobs: int = JOBS,
    ) -> None:
        self._kit, self._target, self._now_ms = kit, target, now_ms
        self._api, self._listener = api, listener
        self._limit_s, self._turns = limit_s, asyncio.Semaphore(jobs)

    async def run(
        self,
        cases: Sequence[Case],
        shares: Mapping[str, Share],
        on_report: Callable[[Report], None],
    ) -> Sequence[Report]:
        """Return the reports in the order of the cases; `on_report` hears of each as it comes."""

        async def one(client: aiohttp.ClientSession, case: Case) -> Report:
            async with self._turns:
                report = await self._report(case, shares[case.id], client)
                on_report(report)
                return report

        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as client:
            return await asyncio.gather(*(one(client, case) for case in cases))

    async def _report(self, case: Case, share: Share, client: aiohttp.ClientSession) -> Report:
        why = self._why_not(case)
        if why:
            return Report(case=case, result="skip", got=why)
        scene = self._scene(case, share, client)
        expected, got = "", ""
        began = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(self._limit_s):
                await case.steps(scene)
        except Failed as exc:
            expected, got = exc.expected, exc.got
        except TimeoutError:
            expected, got = f"an answer within {self._limit_s:g} s", "none"
        except Exception:
            # A node that says nonsense is no reason to stop the other cases.
            expected, got = "an answer that the case understands", traceback.format_exc(limit=-3)
        finally:
            await scene.close()
        return Report(
            case=case,
            result="FAIL" if got else "ok",
            expected=expected,
            got=got,
            sequence=scene.sequence,
            codes=sorted(scene.codes),
            took_ms=int(1_000 * (asyncio.get_running_loop().time() - began)),
        )

    def _why_not(self, case: Case) -> str:
        if case.surface is Surface.API and self._api is None:
            return "no local API was named (--api, --token-file)"
        if case.surface is Surface.DIALLED and self._listener is None:
            return "no address was named for the node to dial (--listen)"
        # A federation of the case's own holds what it wrote the first time.
        if (case.is_once or case.sides) and self._kit.run:
            return "the kit was used before: `sheaf conform prepare` makes a new one"
        return ""

    def _scene(self, case: Case, share: Share, client: aiohttp.ClientSession) -> Scene:
        kit, home = self._kit, self._kit.shared[share.shared]
        return Scene(
            kit,
            self._target,
            client,
            home=home,
            coops=home.coops[share.coop : share.coop + case.coops] or home.coops[:1],
            plain=home.plain[share.plain : share.plain + case.plain],
            sides=kit.sides[share.side : share.side + case.sides],
            now_ms=self._now_ms(),
            api=self._api,
            listener=self._listener,
        )
