"""What to type: examples under the help of commands, which tests parse as they stand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

EXAMPLES: Final[Mapping[str, Sequence[str]]] = {
    "init": (
        'sheaf init "Tarset Hill Farmers"',
        'sheaf init "Tarset Hill Farmers" --lan',
        'sheaf init "Tarset Hill Farmers" --public-address https://tarset.example',
    ),
    "invite create": (
        "sheaf invite create",
        'sheaf invite create --note "for the mill" --role supplier --expires 12h',
    ),
    "invite revoke": ("sheaf invite revoke 9ecb5fd0",),
    "serve": ("sheaf serve", "sheaf serve --home mill"),
    "doctor": ("sheaf doctor", 'sheaf doctor --from-peer "Dale Mill"'),
    "peers add": ("sheaf peers add wss://mill.example", "sheaf peers add ws://192.168.1.5:8440"),
    "peers pause": (
        'sheaf peers pause "Dale Mill"',
        'sheaf peers pause "Dale Mill" --off',
    ),
    "peers limit": ('sheaf peers limit "Dale Mill" 256',),
    "peers remove": ("sheaf peers remove wss://mill.example --dry-run",),
    "needs import": (
        "sheaf needs import list.xlsx --dry-run",
        "sheaf needs import list.xlsx",
        "sheaf needs import feed.xlsx --standing weekly --until 2027-03-31",
        "sheaf needs import list.csv --decimal max_price=comma --item 4=EWE-NUTS-25",
    ),
    "needs standing pause": ("sheaf needs standing pause feed",),
    "needs standing remove": ("sheaf needs standing remove feed",),
    "needs show": ("sheaf needs show EWE-NUTS-25",),
    "needs withdraw": ("sheaf needs withdraw EWE-NUTS-25",),
    "offers import": (
        "sheaf offers import prices.xlsx --dry-run",
        "sheaf offers import prices.xlsx",
    ),
    "offers show": ("sheaf offers show ewe-nuts:XBG",),
    "offers withdraw": ("sheaf offers withdraw ewe-nuts:XBG",),
    "import": (
        "sheaf import prices prices.xlsx --dry-run",
        "sheaf import prices prices.csv",
    ),
    "draft show": ("sheaf draft show 4f1c",),
    "draft check": ("sheaf draft check 4f1c",),
    "draft publish": ("sheaf draft publish 4f1c",),
    "draft answer": ("sheaf draft answer 4f1c --decimal max_price=comma",),
    "draft problems": ("sheaf draft problems 4f1c --out mend.csv",),
    "draft return": ('sheaf draft return 4f1c "The third line has no unit."',),
    "draft remove": ("sheaf draft remove 4f1c",),
    "seat add": ('sheaf seat add "Rook Farm"',),
    "seat import": ('sheaf seat import "Rook Farm" purchases list.csv',),
    "seat link": (
        'sheaf seat link "Rook Farm" --approve list.csv',
        'sheaf seat link "Rook Farm" --quote items.csv --expires 2d',
    ),
    "seat remove": ('sheaf seat remove "Rook Farm"',),
    "pools open": ("sheaf pools open", "sheaf pools open --hours 48 --may-close-early"),
    "pools withdraw": ("sheaf pools withdraw EWE-NUTS-25",),
    "orders show": ("sheaf orders show 9ecb5fd0",),
    "orders accept": ("sheaf orders accept 9ecb5fd0 --cancel-fee-bps 500",),
    "orders propose": (
        "sheaf orders propose 9ecb5fd0 --deliver 20@2027-03-01 --deliver 15@2027-03-08",
        "sheaf orders propose 9ecb5fd0 --deliver 1=30@2027-03-01 --price 1=8.50 --never 2",
    ),
    "orders reject": ("sheaf orders reject 9ecb5fd0 --reason stock",),
    "orders agree": ("sheaf orders agree 9ecb5fd0", "sheaf orders agree 9ecb5fd0 --refuse"),
    "orders change": ("sheaf orders change 9ecb5fd0 1=25 2=0",),
    "orders cancel": ("sheaf orders cancel 9ecb5fd0 --dry-run",),
    "orders answer": (
        "sheaf orders answer 9ecb5fd0 change",
        "sheaf orders answer 9ecb5fd0 cancel --fee 12.50",
        "sheaf orders answer 9ecb5fd0 return --refuse",
    ),
    "orders despatch": (
        "sheaf orders despatch 9ecb5fd0",
        "sheaf orders despatch 9ecb5fd0 1=20 --last --ref DN-42",
    ),
    "orders receive": (
        "sheaf orders receive 9ecb5fd0",
        "sheaf orders receive 9ecb5fd0 --short 1=2 --damaged 2=1 --reason damaged",
    ),
    "orders return": ("sheaf orders return 9ecb5fd0 1=3 --reason quality",),
    "invoices show": ("sheaf invoices show 4f1c22aa",),
    "invoices issue": ("sheaf invoices issue 9ecb5fd0 --tax S=20",),
    "invoices answer": (
        "sheaf invoices answer 4f1c22aa AP",
        "sheaf invoices answer 4f1c22aa UQ --reason PRI --action PIN",
    ),
    "invoices credit": (
        "sheaf invoices credit 4f1c22aa 1=3 --reason QUA",
        "sheaf invoices credit 4f1c22aa --return 77d0",
    ),
    "invoices statement": (
        "sheaf invoices statement --from 2027-01-01 --to 2027-03-31",
        'sheaf invoices statement --with "Dale Mill" --out dale.xlsx',
    ),
    "curve open": (
        "sheaf curve open FLOUR-T55 --unit KGM --currency GBP --levels 900,1000,1100 --cap 5000",
    ),
    "curve bid": ("sheaf curve bid 60,40,0", "sheaf curve bid --at 9.00=60 --at 10.00=40"),
    "curve reveal": ('sheaf curve reveal "Dale Mill" --round 4f1c',),
    "curve check": ("sheaf curve check proof.json",),
    "blob add": ("sheaf blob add delivery-note.pdf",),
    "blob get": ("sheaf blob get 9ecb5fd0fd10 --out delivery-note.pdf",),
    "backup create": ("sheaf backup create --out /media/stick --keep 30",),
    "backup verify": ("sheaf backup verify tarset.backup",),
    "backup restore": ("sheaf backup restore tarset.backup --home new",),
    "token create": ("sheaf token create dashboard --scope read --expires 30d",),
    "token revoke": ("sheaf token revoke dashboard",),
    "webhook add": ("sheaf webhook add https://books.example/sheaf --kinds match.award",),
    "webhook remove": ("sheaf webhook remove 4f1c",),
    "webhook replay": ("sheaf webhook replay 4f1c",),
    "webhook rotate": ("sheaf webhook rotate 4f1c",),
    "webhook deliveries": ("sheaf webhook deliveries 4f1c",),
    "kind add": ("sheaf kind add price-alert.json",),
    "kind remove": ("sheaf kind remove x.mill.alert",),
    "events tail": ("sheaf events tail --lines 3 --follow",),
    "events export": ("sheaf events export all.sheaf",),
    "events verify": ("sheaf events verify all.sheaf", "sheaf events verify"),
    "erase": ("sheaf erase 9ecb5fd0 --reason personal_data",),
    "restore": ("sheaf restore 9ecb5fd0",),
    "config check": ("sheaf config check", "sheaf config check --file new.toml"),
    "federation create": ('sheaf federation create "Borders"',),
    "federation card": ("sheaf federation card --out tarset.card",),
    "federation draft": (
        'sheaf federation draft "Borders" --out b.charter tarset.card=member mill.card=supplier',
    ),
    "federation admit": ("sheaf federation admit mill.card --role supplier",),
    "federation join": ("sheaf federation join borders.charter",),
    "federation adopt": ("sheaf federation adopt borders.charter",),
    "federation sign": ("sheaf federation sign borders.charter",),
    "federation vote": ("sheaf federation vote 9ecb5fd0 yes",),
    "federation tally": ("sheaf federation tally", "sheaf federation tally 9ecb5fd0"),
    "federation propose": (
        'sheaf federation propose suspend "Dale Mill" --text "No deliveries since May."',
        'sheaf federation propose roles "Dale Mill" --role member --role supplier',
    ),
    "federation policy set": ("sheaf federation policy set pool_k_min=4",),
    "federation leave": ("sheaf federation leave --out ours.sheaf",),
    "federation refound": ('sheaf federation refound --out new.charter --without "Dale Mill"',),
    "treaty propose": (
        'sheaf treaty propose --with other.charter --bridge "Dale Mill"'
        " --kinds offer.submit --out treaty.file",
    ),
    "treaty accept": ("sheaf treaty accept treaty.file",),
    "treaty show": ("sheaf treaty show 4f1c",),
    "treaty pause": ('sheaf treaty pause 4f1c --text "Two bad awards."',),
    "treaty limit": ("sheaf treaty limit 4f1c --per-day 10",),
    "treaty allow": ("sheaf treaty allow 4f1c",),
    "treaty end": ("sheaf treaty end 4f1c",),
    "identity recovery-sheet": ("sheaf identity recovery-sheet --html sheet.html",),
    "identity export": ("sheaf identity export 9ecb5fd0 --out mill.keys",),
    "identity countersign": ("sheaf identity countersign mill.recovery",),
    "identity guardians": ("sheaf identity guardians --card mill.guardian --needed 2",),
    "identity recover": ("sheaf identity recover --from tarset.keys --home new",),
    "recovery go-on": ('sheaf recovery go-on --without "Dale Mill"',),
    "service add": ("sheaf service add price_alert",),
    "service run": (
        "sheaf service run price_alert --node http://127.0.0.1:8441 --token-file price_alert.token",
    ),
    "service remove": ("sheaf service remove price_alert",),
}
"""By the words of a command. Ids are shortened as commands show them."""


def with_examples(command: click.Command, words: str) -> click.Command:
    """Return a command whose help ends with its examples, and so those below it."""
    if words in EXAMPLES:
        lines = "\n".join(f"  {line}" for line in EXAMPLES[words])
        command.epilog = f"\b\nSuch as:\n{lines}"
    if isinstance(command, click.Group):
        for name, each in command.commands.items():
            with_examples(each, f"{words} {name}")
    return command
