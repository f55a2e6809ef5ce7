"""What columns are called, in six languages, and which are of persons."""

from __future__ import annotations

import pytest

from sheaf_protocol.errors import Refusal
from sheaf_services.pooled_purchasing.lists import price_list, purchase_list
from sheaf_services.pooled_purchasing.lists.column_names import COLUMNS, LANGUAGES, PERSONAL
from sheaf_services.pooled_purchasing.lists.heading import (
    known_names,
    personal_columns,
    personal_names,
    plain,
    synonyms,
)
from sheaf_services.pooled_purchasing.lists.list_file import kept_text, read_table

LAYOUTS = [purchase_list.LAYOUT, price_list.LAYOUT]
CANARY = "Wilhelmina Zebrafink"


def test_no_name_means_two_columns() -> None:
    meant: dict[str, set[str]] = {}
    for column, languages in COLUMNS.items():
        for name in [column, *(name for names in languages.values() for name in names)]:
            meant.setdefault(plain(name), set()).add(column)

    assert {name: columns for name, columns in meant.items() if len(columns) > 1} == {}


def test_every_column_has_a_name_in_every_language() -> None:
    assert {column for column, names in COLUMNS.items() if tuple(names) != LANGUAGES} == set()
    assert tuple(PERSONAL) == LANGUAGES


def test_no_column_of_a_list_is_of_persons() -> None:
    assert set(synonyms()) & personal_names() == set()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_column_of_a_list_is_in_the_data(layout: object) -> None:
    assert set(layout.names) <= set(COLUMNS)  # type: ignore[attr-defined]  # a Layout
    assert set(known_names(layout).values()) == set(layout.names)  # type: ignore[arg-type, attr-defined]


@pytest.mark.parametrize(
    "header",
    [
        "Article;Désignation;Quantité;Unité;Prix max.;Devise",
        "Artículo;Descripción;Cantidad;Unidad;Precio máximo;Moneda",
        "Artikel-Nr.;Bezeichnung;Menge;Einheit;Höchstpreis;Währung",
        "Articolo;Descrizione;Quantità;Unità;Prezzo massimo;Valuta",
        "Artigo;Descrição;Quantidade;Unidade;Preço máximo;Moeda",
        "ITEM CODE;Product;Qty;UOM;Maximum price;CCY",
    ],
)
def test_a_header_in_its_own_language_is_understood_and_told(header: str) -> None:
    table = read_table(f"{header}\nfeed;Feed;5;kg;1;EUR\n".encode(), purchase_list.LAYOUT)

    assert list(table.rows[0].cells) == [
        "item", "name", "quantity", "unit", "max_price", "currency",
    ]  # fmt: skip
    assert "as max_price" in table.notes[0].message


def test_a_name_and_its_synonym_are_one_column_twice() -> None:
    with pytest.raises(Refusal) as caught:
        read_table(b"item,qty,quantity\na,1,1\n", purchase_list.LAYOUT)

    assert caught.value.code == "import.column_twice"


def test_a_price_is_no_maximum() -> None:
    with pytest.raises(Refusal) as caught:
        read_table(b"item,quantity,unit,price,currency\na,1,kg,1,EUR\n", purchase_list.LAYOUT)

    assert caught.value.code == "import.column_missing"


@pytest.mark.parametrize(
    "name",
    [
        "Contact", "contact_name", "E-Mail", "Phone (mobile)", "Nom du contact", "Téléphone",
        "Persona de contacto", "Correo electrónico", "Ansprechpartner", "Tel.", "Vorname",
        "Referente", "Cellulare", "Pessoa de contacto", "Telemóvel", "Contact phone",
        "bestellt von",
    ],
)  # fmt: skip
def test_a_column_of_persons_is_passed_over_told_and_not_kept(name: str) -> None:
    content = f'item,quantity,"{name}",unit,max_price,currency\nfeed,5,{CANARY},kg,1,EUR\n'.encode()

    table = read_table(content, purchase_list.LAYOUT)
    kept = kept_text(content, purchase_list.LAYOUT)

    assert CANARY not in repr(table)
    assert (CANARY in kept.text, "feed,5,kg,1,EUR" in kept.text) == (False, True)
    assert f"1 column with personal data was not read: {name!r}" in table.notes[0].message
    assert kept.notes == table.notes


def test_several_are_counted() -> None:
    notes = read_table(
        b"item,quantity,contact,unit,e-mail,max_price,currency,phone\na,1,x,kg,y,1,EUR,z\n",
        purchase_list.LAYOUT,
    ).notes

    assert notes[0].message == (
        "3 columns with personal data were not read: 'contact', 'e-mail', 'phone'"
    )


@pytest.mark.parametrize("line", [f"feed,{CANARY},kg,1,EUR", f"feed,1,5,{CANARY},kg,1,EUR"])
def test_a_line_in_which_a_person_may_stand_in_another_column_is_not_kept(line: str) -> None:
    content = f"item,quantity,contact,unit,max_price,currency\n{line}\n".encode()

    with pytest.raises(Refusal) as caught:
        kept_text(content, purchase_list.LAYOUT)

    assert caught.value.code == "import.row_width"
    assert CANARY not in caught.value.detail


def test_what_is_read_as_it_is_has_no_columns_of_persons() -> None:
    assert personal_columns(["item", "name", "quantity"], purchase_list.LAYOUT) == frozenset()


@pytest.mark.parametrize("is_blank_between", [True, False])
def test_lines_keep_their_numbers_without_the_column(is_blank_between: bool) -> None:
    gap = "\n\n" if is_blank_between else ""
    header = "item,name,contact,quantity,unit,max_price,currency\n"
    text = f'{header}a,"two\nlines",x,1,kg,1,EUR\n{gap}b,b,y,1,kg,1,EUR\n'

    kept = kept_text(text.encode(), purchase_list.LAYOUT).text

    before = [row.line for row in read_table(text.encode(), purchase_list.LAYOUT).rows]
    assert [row.line for row in read_table(kept.encode(), purchase_list.LAYOUT).rows] == before
