"""The pages that a seat sees: plain HTML for a telephone, without scripts and without anything else
to load. Every text in them that somebody wrote is escaped.
"""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sheaf_node.seats.model import KeptLink, KeptSeat
    from sheaf_node.seats.question import Line

STYLE: Final = (
    "body{font:18px/1.45 system-ui,sans-serif;margin:0 auto;max-width:36em;padding:1em;"
    "color:#1b1b1b;background:#fff}"
    "h1{font-size:1.35em}.line{border-top:1px solid #bbb;padding:.7em 0}"
    ".line b{display:block}label{display:block;margin:.4em 0}"
    "input{font:inherit;width:100%;box-sizing:border-box;padding:.6em;border:1px solid #555;"
    "border-radius:.3em}"
    "button{font:inherit;width:100%;padding:.8em;margin:.5em 0;border-radius:.3em;"
    "border:1px solid #14532d;background:#14532d;color:#fff}"
    "button.no{background:#fff;color:#1b1b1b;border-color:#555}"
    "h2{font-size:1.1em;margin:1.6em 0 .3em;border-top:3px solid #14532d;padding-top:.7em}"
    "fieldset{border:0;margin:0;padding:0 0 .5em}legend{display:none}"
    ".asked legend{display:block;padding:0;font-weight:600}.asked label{padding:.5em 0}"
    ".asked input{width:auto;margin:0 .6em 0 0;transform:scale(1.3)}"
    "summary{padding:.6em 0;font-weight:bold;cursor:pointer}"
    ".line,.fault,.word{overflow-wrap:anywhere}"
    ".fault{color:#9b1c1c;font-weight:bold;margin-top:.2em}"
    ".word{border-left:4px solid #14532d;padding:.4em .8em;margin:.8em 0}"
    ".error{border:2px solid #9b1c1c;padding:.6em}.small{font-size:.85em;color:#444}"
)
"""Letters of 18 pixels, so that no telephone zooms into a field; buttons as wide as the page."""
_HASH: Final = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_HASH}'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # Without it the Origin of our own form would be null, and with more it would tell the address.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex, nofollow",
}
"""Of every answer: nothing is loaded, framed, kept or indexed."""


def approval(
    sponsor: str, seat: KeptSeat, link: KeptLink, lines: Sequence[Line], error: str = ""
) -> str:
    """Return the page that asks for a yes to a purchase list."""
    rows = "".join(f'<div class="line"><b>{_of(line)}</b>{_wanted(line)}</div>' for line in lines)
    return whole(
        f"Order for {seat.name}?",
        f"<p>{escape(sponsor)} orders for you, in its own name, and asks whether this is what "
        f"<b>{escape(seat.name)}</b> wants.</p>{error_box(error)}{rows}"
        '<form method="post"><p>A yes binds: what a pool buys for you is yours to take.</p>'
        '<button name="answer" value="yes">Yes, order this</button>'
        '<button class="no" name="answer" value="no" formnovalidate>No</button></form>'
        f"{until(link)}",
    )


def quote(
    sponsor: str,
    seat: KeptSeat,
    link: KeptLink,
    lines: Sequence[Line],
    *,
    form: Mapping[str, str],
    error: str = "",
) -> str:
    """Return the page that asks for prices, with what was filled in before."""
    rows = "".join(_asked(number, line, form) for number, line in enumerate(lines))
    return whole(
        f"Prices of {seat.name}",
        f"<p>{escape(sponsor)} offers for you, in its own name, and asks "
        f"<b>{escape(seat.name)}</b> for prices without VAT. Leave out what you do not have.</p>"
        f"{error_box(error)}"
        f'<form method="post">{rows}'
        f'<label>Prices hold until<input type="date" name="valid_until" required '
        f'value="{escape(form.get("valid_until", ""))}"></label>'
        "<p>A price binds: whoever buys at it by that day is to be served.</p>"
        '<button name="answer" value="yes">Send my prices</button>'
        '<button class="no" name="answer" value="no" formnovalidate>I have nothing to offer'
        f"</button></form>{until(link)}",
    )


def ended(sponsor: str, link: KeptLink, state: str) -> str:
    """Return the page of a link that takes no answer any more; it shows nothing of the list."""
    name = escape(sponsor)
    said = {
        "answered": f"Your answer is with {name}, and was published: {link.published} "
        f"{'line' if link.published == 1 else 'lines'}.",
        "declined": f"You said no. {name} published nothing for you.",
        "expired": f"The time of this link is over. Ask {name} for another.",
    }[state]
    if link.asks == "list" and state == "answered":
        said = list_sent(sponsor, link)
    when = "" if link.answered_ms is None else f'<p class="small">{_time(link.answered_ms)}</p>'
    return whole(
        "Thank you" if link.answered_ms is not None else "Too late", f"<p>{said}</p>{when}"
    )


def list_sent(sponsor: str, link: KeptLink) -> str:
    """Return what is said of a list that was sent; it shows nothing of it."""
    count = f"{link.published} {'line' if link.published == 1 else 'lines'}"
    return (
        f"Your list is with {escape(sponsor)}: {count}. It looks at the list and publishes it for "
        "you. If something is to be changed, it sends you another link."
    )


def refused(sentence: str) -> str:
    """Return a page that says why there is nothing else."""
    return whole("This does not work", f"<p>{escape(sentence)}</p>")


def _asked(number: int, line: Line, filled: Mapping[str, str]) -> str:
    unit = escape(line.get("unit", ""))
    return (
        f'<div class="line"><b>{_of(line)}</b>{escape(line.get("quantity", ""))} {unit} or more'
        f"<label>Price of one {unit} in {escape(line.get('currency', ''))}"
        f"{_field(f'price-{number}', filled)}</label>"
        f"<label>The most that you can deliver, in {unit} (may stay empty)"
        f"{_field(f'most-{number}', filled)}</label></div>"
    )


def _field(name: str, filled: Mapping[str, str]) -> str:
    value = escape(filled.get(name, ""))
    return (
        f'<input name="{name}" inputmode="decimal" autocomplete="off" maxlength="20" '
        f'value="{value}">'
    )


def _of(line: Line) -> str:
    return escape(line.get("name") or line.get("item", ""))


def _wanted(line: Line) -> str:
    """Return a line in words, and every other cell of it: nothing is agreed to unseen."""
    words = (
        f"{line.get('quantity', '')} {line.get('unit', '')}, at most {line.get('max_price', '')} "
        f"{line.get('currency', '')} for one"
    )
    usual = {"item", "name", "quantity", "unit", "max_price", "currency"}
    others = [f"{name.replace('_', ' ')}: {line[name]}" for name in line if name not in usual]
    small = "; ".join(text for text in others if not text.endswith(": "))
    return escape(words) + (f'<div class="small">{escape(small)}</div>' if small else "")


def error_box(sentence: str) -> str:
    """Return what was wrong with an answer, to be read out at once; nothing where nothing was."""
    return f'<p class="error" role="alert">{escape(sentence)}</p>' if sentence else ""


def until(link: KeptLink) -> str:
    """Return how long and how often a link may be answered."""
    what = "One list can be sent here" if link.asks == "list" else "This page can be answered once"
    return f'<p class="small">{what}, until {_time(link.expires_ms)}.</p>'


def _time(time_ms: int) -> str:
    return f"{datetime.fromtimestamp(time_ms // 1000, UTC):%d %B %Y, %H:%M} UTC"


def whole(title: str, body: str) -> str:
    """Return a page; `body` is HTML."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>"
        f"<body><main><h1>{escape(title)}</h1>{body}</main></body></html>"
    )
