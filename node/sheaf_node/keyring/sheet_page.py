"""The recovery sheet as text for a terminal, and as a page for a printer."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

from sheaf_node.keyring.sheet import HEADING, TITLES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sheaf_node.keyring.sheet import Sheet

_COLUMNS: Final = 4
_ADVICE: Final = (
    "Who has this sheet can act as this co-op. Keep it on paper, where you keep deeds:",
    "in no computer, photograph or mail. A second copy belongs in another building.",
)
_SHARED: Final = (
    "Who has {needed} of the {count} sheets can act as this co-op. Keep this one on paper, where",
    "you keep deeds: in no computer, photograph or mail, and away from the others.",
)
_USES: Final = {
    "rotation": "ends a stolen key of the node: sheaf identity revoke",
    "next": "puts new keys in the place of all: sheaf identity rotate, recover",
}
_STYLE: Final = """
@page { size: A4; margin: 18mm }
body { font: 11pt/1.45 Georgia, "Times New Roman", serif; color: #000; background: #fff;
  max-width: 170mm; margin: 12mm auto }
h1 { font-size: 20pt; margin: 0 0 2mm }
h2 { font-size: 13pt; margin: 8mm 0 1mm; border-bottom: .4mm solid #000 }
h2 small { font-size: 9pt; font-weight: normal; float: right; padding-top: 1mm }
dl { display: grid; grid-template-columns: 30mm 1fr; margin: 4mm 0 }
dt { font-weight: bold } dd { margin: 0 }
.id, li { font-family: "DejaVu Sans Mono", Consolas, Menlo, monospace }
ol { columns: 4; column-gap: 6mm; margin: 2mm 0; padding-left: 8mm; break-inside: avoid }
li { line-height: 1.7 }
p.care { border: .4mm solid #000; padding: 2mm 4mm }
section + section { break-before: page }
p.sign { margin-top: 12mm; display: flex; gap: 10mm }
p.sign span { flex: 1; border-top: .3mm solid #000; font-size: 9pt; padding-top: 1mm }
@media print { body { margin: 0; max-width: none } }
"""


def sheet_text(sheet: Sheet) -> str:
    """Return the sheet as plain text, which `read_sheet` reads."""
    which = f", {sheet.title}" if sheet.title else ""
    lines = [
        f"{HEADING}{which}, made {sheet.day}",
        "",
        f"Co-op        {sheet.name}",
        f"Id           {sheet.id_lines[0]}",
        f"             {sheet.id_lines[1]}",
        f"Fingerprint  {sheet.fingerprint}",
        "",
        *_advice(sheet),
    ]
    for use, words in sheet.words.items():
        lines += ["", f"{TITLES[use]} ({_USES[use]})", *_rows(words)]
    return "\n".join(lines) + "\n"


def sheet_html(*sheets: Sheet) -> str:
    """Return sheets, each on a page of its own, in a file that needs nothing from anywhere."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        "style-src 'unsafe-inline'\">\n"
        '<meta name="viewport" content="width=device-width">\n'
        f"<title>Recovery sheet of {escape(sheets[0].name)}</title>\n<style>{_STYLE}</style>\n"
        f"</head>\n<body>\n{''.join(map(_section, sheets))}</body>\n</html>\n"
    )


def _advice(sheet: Sheet) -> Sequence[str]:
    if sheet.count == 1:
        return _ADVICE
    return [line.format(needed=sheet.needed, count=sheet.count) for line in _SHARED]


def _section(sheet: Sheet) -> str:
    keys = "".join(
        f"<h2>{TITLES[use]} <small>{_USES[use]}</small></h2>\n<ol>"
        + "".join(f"<li>{word}</li>" for word in words)
        + "</ol>\n"
        for use, words in sheet.words.items()
    )
    name = escape(sheet.name)
    which = f"<p><b>{sheet.title.capitalize()}</b></p>\n" if sheet.title else ""
    return (
        f"<section>\n<h1>Recovery sheet</h1>\n{which}<dl>\n<dt>Co-op</dt><dd>{name}</dd>\n"
        f'<dt>Id</dt><dd class="id">{"<br>".join(sheet.id_lines)}</dd>\n'
        f"<dt>Fingerprint</dt><dd>{sheet.fingerprint}</dd>\n<dt>Made</dt><dd>{sheet.day}</dd>\n"
        f'</dl>\n<p class="care">{" ".join(_advice(sheet))}</p>\n{keys}'
        '<p class="sign"><span>Kept at</span><span>by</span><span>second copy at</span></p>\n'
        "</section>\n"
    )


def _rows(words: Sequence[str]) -> list[str]:
    """Return numbered words in columns that are read downwards."""
    height = -(-len(words) // _COLUMNS)
    cells = [f"{number:>2} {word:<10}" for number, word in enumerate(words, start=1)]
    return ["  " + "  ".join(cells[row::height]).rstrip() for row in range(height)]
