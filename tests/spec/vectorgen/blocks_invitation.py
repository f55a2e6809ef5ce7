"""The worked example of an invitation: a link, its code, and the exchange by it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from blocks_examples import dump
from invitation_cases import HONEST, ID, PROOF_KEY, SECRET, code, link

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def invitation() -> str:
    """Return Dale's invitation, and the messages by which Hill joins."""
    return "\n".join(
        [
            f"Dale's invitation as a link and as a code:\n\n```text\n{link()}\n\n{code()}\n```\n",
            dump(secret=SECRET, proof_key=PROOF_KEY, id=ID),
            "The exchange, between the sides of the example of chapter 07:\n",
            dump(
                ask=HONEST.ask,
                x25519_secret=HONEST.shared[:32],
                t1=HONEST.t1,
                t2=HONEST.t2,
                box_of_the_offer_begins=HONEST.offer_box[:32],
                box_of_the_join_begins=HONEST.join_box[:32],
            ),
        ]
    )


EXAMPLES: Final[Mapping[str, Callable[[], str]]] = {"example_invitation": invitation}
