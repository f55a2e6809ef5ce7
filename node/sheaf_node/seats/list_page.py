"""The page on which a seat makes a list: what is there, what is wrong with it, and three ways on.

Forms alone, without scripts: a file is read and lines are typed into the same list, which the
sponsor keeps until it is sent.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

from sheaf_node.seats.page import error_box, until, whole
from sheaf_node.seats.typed import COLUMNS, LABELS, NUMBERS, TYPED
from sheaf_node.seats.upload import MULTIPART

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sheaf_node.drafts import Draft
    from sheaf_node.drafts.model import LineFault, Row
    from sheaf_node.seats.model import KeptLink, KeptSeat

MOST_SHOWN: Final = 100
"""Lines on one page, and those with faults besides."""
_ABOUT: Final = {
    "purchases": (
        "What do you need?",
        "orders for you, in its own name. Send it a list of what you need.",
        "item, quantity, unit, max_price, currency",
    ),
    "prices": (
        "What do you offer?",
        "offers for you, in its own name. Send it your prices, without VAT.",
        "item, unit, min_quantity, price, currency, valid_until",
    ),
}


def make(
    sponsor: str,
    seat: KeptSeat,
    link: KeptLink,
    draft: Draft | None,
    *,
    form: Mapping[str, str],
    error: str = "",
) -> str:
    """Return the page of a link that asks for a list, with what was typed before."""
    title, about, columns = _ABOUT[link.what or "purchases"]
    name = escape(sponsor)
    return whole(
        title,
        f"<p>{name} {about} For: <b>{escape(seat.name)}</b></p>"
        f"{error_box(error)}{_word(sponsor, draft)}{_list(sponsor, draft)}"
        f"{_upload(columns, draft)}{_typing(link, form, draft)}"
        f"{_nothing(draft)}{until(link)}",
    )


def _word(sponsor: str, draft: Draft | None) -> str:
    if draft is None or draft.head.seat is None or not draft.head.seat.word:
        return ""
    said = escape(draft.head.seat.word).replace("\n", "<br>")
    return f'<div class="word"><b>{escape(sponsor)} sent your list back:</b> {said}</div>'


def _list(sponsor: str, draft: Draft | None) -> str:
    """Return what is there, the faults by their lines, and how it is sent."""
    if draft is None:
        return ""
    found = draft.content.checked
    by_line: dict[int, list[LineFault]] = {}
    for fault in found.faults:
        by_line.setdefault(fault.line, []).append(fault)
    places = {row.line for row in found.rows}
    others = [fault for fault in found.faults if fault.line not in places]
    shown = [row for at, row in enumerate(found.rows) if at < MOST_SHOWN or row.line in by_line]
    lines = "".join(_line(row, by_line.get(row.line, ())) for row in shown)
    hidden = len(found.rows) - len(shown)
    more = f'<p class="small">And {hidden} more lines without faults.</p>' if hidden else ""
    count = f"{len(found.rows)} {'line' if len(found.rows) == 1 else 'lines'}"
    return (
        f"<h2>Your list so far: {count}</h2>{_notes(draft)}{_questions(draft)}"
        f"{''.join(map(_fault, others))}{lines}{more}{_ways_on(sponsor, draft)}"
    )


def _notes(draft: Draft) -> str:
    """Return what is told of how the file was read."""
    return "".join(
        f'<p class="small">{escape(note.message[:1].upper() + note.message[1:])}.</p>'
        for note in draft.content.all_notes
    )


def _questions(draft: Draft) -> str:
    """Return what is asked of columns whose numbers have two readings."""
    asked = draft.content.checked.questions
    if not asked:
        return ""
    fields = "".join(
        '<fieldset class="asked">'
        f"<legend>{escape(_words(one.column))}: what is {escape(one.came)}?</legend>"
        f"{_choice(one.column, 'point', one.point)}{_choice(one.column, 'comma', one.comma)}"
        "</fieldset>"
        for one in asked
    )
    send = '<button name="answer" value="settle">So it is</button>'
    return f'<form method="post">{fields}{send}</form>'


def _choice(column: str, mark: str, number: str) -> str:
    chosen = f'type="radio" name="{escape(f"mark-{column}")}" value="{mark}" required'
    return f"<label><input {chosen}>{escape(number)}</label>"


def _ways_on(sponsor: str, draft: Draft) -> str:
    faulty = draft.head.faulty
    if faulty:
        told = "1 line is" if faulty == 1 else f"{faulty} lines are"
        send = (
            f'<p class="error">{told} to be mended. Mend your file and read it again, '
            "or start again.</p>"
        )
    else:
        send = (
            f"<p>Once it is sent you cannot change it. What {escape(sponsor)} publishes of it "
            'binds.</p><button name="answer" value="send">Send this list</button>'
        )
    return (
        '<form method="post">'
        f'<input type="hidden" name="seen" value="{escape(draft.head.tag)}">{send}'
        '<button class="no" name="answer" value="again">Start again</button></form>'
    )


def _line(row: Row, faults: Sequence[LineFault]) -> str:
    cells = row.cells
    title = cells.get("name") or cells.get("item") or f"Line {row.line}"
    code = cells.get("item", "")
    small = f' <span class="small">({escape(code)})</span>' if code not in {"", title} else ""
    return (
        f'<div class="line"><b>{escape(title)}{small}</b>{_said(cells)}{_read_as(row)}'
        f"{''.join(map(_fault, faults))}</div>"
    )


def _read_as(row: Row) -> str:
    """Return what numbers were taken for, where they are written otherwise."""
    told = [f"{_words(name)} {row.understood[name]}" for name in row.understood if name in NUMBERS]
    return f'<div class="small">{escape("read as " + ", ".join(told))}</div>' if told else ""


def _said(cells: Mapping[str, str]) -> str:
    """Return a line in words, and every other cell of it: nothing is sent unseen."""
    unit, money = cells.get("unit", ""), cells.get("currency", "")
    if "price" in cells:
        least, price = cells.get("min_quantity", ""), cells["price"]
        words = f"from {least} {unit} on {price} {money} for one"
    else:
        most = cells.get("max_price", "")
        words = f"{cells.get('quantity', '')} {unit}, at most {most} {money} for one"
    others = [
        f"{_words(name)}: {cell}"
        for name, cell in cells.items()
        if cell and name not in _told(cells)
    ]
    small = f'<div class="small">{escape("; ".join(others))}</div>' if others else ""
    return escape(words) + small


def _told(cells: Mapping[str, str]) -> frozenset[str]:
    """Return the columns that the words of a line have."""
    amounts = ("min_quantity", "price") if "price" in cells else ("quantity", "max_price")
    return frozenset({"item", "name", "unit", "currency", *amounts})


def _fault(fault: LineFault) -> str:
    where = "" if not fault.line else f"Line {fault.line}"
    where += f", {_words(fault.column)}" if fault.column else ""
    return (
        f'<div class="fault">{escape(where + ": " if where else "")}{escape(fault.message)}</div>'
    )


def _words(column: str) -> str:
    return column.replace("_", " ")


def _upload(columns: str, draft: Draft | None) -> str:
    title = "Read a file" if draft is None else "Read another file in its place"
    return (
        f'<h2>{title}</h2><form method="post" enctype="{MULTIPART}">'
        "<label>A list of your spreadsheet, as a workbook (.xlsx) or CSV, with the columns "
        f"{escape(columns)}"
        '<input type="file" name="file" accept=".xlsx,.csv,.txt,text/csv,text/plain"></label>'
        '<button class="no" name="answer" value="read">Read this file</button></form>'
    )


def _typing(link: KeptLink, form: Mapping[str, str], draft: Draft | None) -> str:
    if draft is not None and not draft.content.checked.rows:
        return ""
    what = link.what or "purchases"
    rows = "".join(_typed(number, what, form) for number in range(TYPED))
    currency = _currency(form, draft)
    day = ""
    if what == "prices":
        day = (
            '<label>Prices hold until<input type="date" name="valid_until" required '
            f'value="{escape(form.get("valid_until", ""))}"></label>'
        )
    return (
        f'<h2>Or type lines</h2><form method="post">{rows}'
        '<label>Currency<input name="currency" maxlength="3" autocomplete="off" '
        f'value="{escape(currency)}"></label>{day}'
        '<button class="no" name="answer" value="add">Add these lines</button></form>'
    )


def _currency(form: Mapping[str, str], draft: Draft | None) -> str:
    """Return the currency of the line before: whoever sells in two is rare."""
    rows = () if draft is None else draft.content.checked.rows
    before = rows[-1].cells.get("currency", "") if rows else ""
    return form.get("currency", before)[:3]


def _typed(number: int, what: str, form: Mapping[str, str]) -> str:
    fields = [f"<legend>New line {number + 1}</legend>{_field('item', number, 'What', form)}"]
    fields += [_field(column, number, LABELS[column], form) for column in COLUMNS[what]]
    is_open = " open" if number == 0 or form.get(f"item-{number}") else ""
    return (
        f"<details{is_open}><summary>New line {number + 1}</summary>"
        f"<fieldset>{''.join(fields)}</fieldset></details>"
    )


def _field(column: str, number: int, label: str, form: Mapping[str, str]) -> str:
    name = f"{column}-{number}"
    mode = ' inputmode="decimal"' if column in NUMBERS else ' autocapitalize="none"'
    return (
        f'<label>{escape(label)}<input name="{name}"{mode} autocomplete="off" maxlength="120" '
        f'value="{escape(form.get(name, ""))}"></label>'
    )


def _nothing(draft: Draft | None) -> str:
    if draft is not None:
        return ""
    return (
        '<form method="post"><button class="no" name="answer" value="no">'
        "I have nothing to send</button></form>"
    )
