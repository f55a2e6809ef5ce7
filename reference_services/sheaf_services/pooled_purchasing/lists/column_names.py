"""How people head the columns of their lists, in English, French, Spanish, German, Italian and
Portuguese: one file of data, and nothing that is done with it.

A name is compared by its letters and digits alone (`heading.plain`), so case, accents, spaces and
points do not matter. No name stands for two columns; a test looks. So what may mean either of two
things is in neither: `Preis` of a purchase list is what somebody pays or would pay at most.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

LANGUAGES: Final = ("en", "fr", "es", "de", "it", "pt")

COLUMNS: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = {
    "item": {
        "en": (
            "item code",
            "item no",
            "item number",
            "article",
            "article no",
            "product code",
            "sku",
        ),
        "fr": ("article", "code article", "référence article", "code produit"),
        "es": ("artículo", "código de artículo", "código artículo", "código de producto"),
        "de": ("Artikel", "Artikelnummer", "Artikel-Nr.", "Art.-Nr.", "Artikelcode"),
        "it": ("articolo", "codice articolo", "codice prodotto"),
        "pt": ("artigo", "código do artigo", "código do produto"),
    },
    "gtin": {
        "en": ("gtin", "ean", "ean code", "barcode", "upc"),
        "fr": ("code EAN", "code-barres", "code barres"),
        "es": ("código EAN", "código de barras"),
        "de": ("EAN-Code", "Strichcode", "Barcode", "GTIN/EAN"),
        "it": ("codice EAN", "codice a barre"),
        "pt": ("código EAN", "código de barras"),
    },
    "name": {
        "en": ("item name", "product", "product name", "description", "goods"),
        "fr": ("désignation", "libellé", "produit", "nom du produit", "dénomination"),
        "es": ("nombre", "descripción", "producto", "denominación"),
        "de": ("Bezeichnung", "Artikelbezeichnung", "Produkt", "Ware", "Beschreibung"),
        "it": ("nome", "descrizione", "prodotto", "denominazione"),
        "pt": ("nome", "descrição", "produto", "designação"),
    },
    "category": {
        "en": ("group", "product group"),
        "fr": ("catégorie", "famille"),
        "es": ("categoría", "familia"),
        "de": ("Kategorie", "Warengruppe"),
        "it": ("categoria", "gruppo merceologico"),
        "pt": ("categoria", "grupo de produtos"),
    },
    "quantity": {
        "en": ("qty", "amount wanted", "quantity wanted"),
        "fr": ("quantité", "qté"),
        "es": ("cantidad", "cant."),
        "de": ("Menge", "Anzahl", "Bestellmenge"),
        "it": ("quantità", "qtà", "q.tà"),
        "pt": ("quantidade", "qtd", "qtde"),
    },
    "unit": {
        "en": ("uom", "unit of measure", "units"),
        "fr": ("unité", "unité de mesure"),
        "es": ("unidad", "unidad de medida"),
        "de": ("Einheit", "Mengeneinheit", "ME"),
        "it": ("unità", "unità di misura", "u.m."),
        "pt": ("unidade", "unidade de medida"),
    },
    "max_price": {
        "en": ("maximum price", "price limit", "limit price"),
        "fr": ("prix maximum", "prix max.", "prix maximal", "prix limite"),
        "es": ("precio máximo", "precio máx.", "precio límite"),
        "de": ("Höchstpreis", "Maximalpreis", "max. Preis", "Preisgrenze", "Preislimit"),
        "it": ("prezzo massimo", "prezzo max.", "prezzo limite"),
        "pt": ("preço máximo", "preço máx.", "preço limite"),
    },
    "price": {
        "en": ("unit price", "price per unit", "net price"),
        "fr": ("prix", "prix unitaire", "prix HT"),
        "es": ("precio", "precio unitario", "precio neto"),
        "de": ("Preis", "Einzelpreis", "Stückpreis", "Nettopreis"),
        "it": ("prezzo", "prezzo unitario", "prezzo netto"),
        "pt": ("preço", "preço unitário", "preço líquido"),
    },
    "currency": {
        "en": ("ccy", "currency code"),
        "fr": ("devise", "monnaie"),
        "es": ("moneda", "divisa"),
        "de": ("Währung",),
        "it": ("valuta",),
        "pt": ("moeda",),
    },
    "ref": {
        "en": ("reference", "our ref", "line ref"),
        "fr": ("réf.", "référence", "notre référence"),
        "es": ("referencia", "nuestra referencia"),
        "de": ("Referenz", "unsere Referenz"),
        "it": ("riferimento", "rif."),
        "pt": ("referência", "nossa referência"),
    },
    "zone": {
        "en": ("deliver to", "delivery zone"),
        "fr": ("zone de livraison", "lieu de livraison", "livrer à"),
        "es": ("zona", "zona de entrega", "entregar en"),
        "de": ("Lieferzone", "Zone", "Lieferort", "Lieferung nach"),
        "it": ("zona", "zona di consegna", "consegnare a"),
        "pt": ("zona", "zona de entrega", "entregar em"),
    },
    "min_quantity": {
        "en": ("min qty", "minimum quantity", "minimum", "from quantity"),
        "fr": ("quantité minimale", "quantité minimum", "qté min.", "à partir de"),
        "es": ("cantidad mínima", "mínimo", "a partir de"),
        "de": ("Mindestmenge", "Mindestabnahme", "ab Menge"),
        "it": ("quantità minima", "minimo", "a partire da"),
        "pt": ("quantidade mínima", "mínimo"),
    },
    "max_quantity": {
        "en": ("max qty", "maximum quantity", "capacity"),
        "fr": ("quantité maximale", "quantité maximum", "qté max."),
        "es": ("cantidad máxima", "capacidad"),
        "de": ("Höchstmenge", "Maximalmenge", "Kapazität"),
        "it": ("quantità massima", "capacità"),
        "pt": ("quantidade máxima", "capacidade"),
    },
    "min_order": {
        "en": ("minimum order", "min order", "moq", "minimum order quantity"),
        "fr": ("commande minimum", "commande minimale", "minimum de commande"),
        "es": ("pedido mínimo", "pedido mín."),
        "de": ("Mindestbestellmenge", "Mindestauftrag"),
        "it": ("ordine minimo", "minimo d'ordine"),
        "pt": ("encomenda mínima", "pedido mínimo de compra"),
    },
    "pack_size": {
        "en": ("pack", "pack quantity", "case size", "sold in packs of"),
        "fr": ("conditionnement", "unités par colis", "taille du colis"),
        "es": ("unidades por paquete", "tamaño del paquete"),
        "de": ("Packungsgröße", "Gebindegröße", "Verpackungseinheit"),
        "it": ("confezione da", "unità per confezione"),
        "pt": ("unidades por embalagem", "tamanho da embalagem"),
    },
    "earliest": {
        "en": ("earliest date", "not before", "from date"),
        "fr": ("au plus tôt", "pas avant", "date au plus tôt"),
        "es": ("no antes de", "fecha más temprana"),
        "de": ("frühestens", "nicht vor", "frühester Termin"),
        "it": ("non prima del", "data minima"),
        "pt": ("não antes de", "data mais cedo"),
    },
    "needed_by": {
        "en": ("need by", "required by", "latest", "deliver by", "due date"),
        "fr": ("au plus tard", "requis pour le", "date limite", "échéance"),
        "es": ("necesario para", "a más tardar", "fecha límite"),
        "de": ("benötigt bis", "spätestens", "Termin", "Liefertermin"),
        "it": ("necessario entro", "entro il", "data limite"),
        "pt": ("necessário até", "o mais tardar", "data limite", "prazo"),
    },
    "valid_until": {
        "en": ("valid to", "valid till", "offer valid until"),
        "fr": ("valable jusqu'au", "valide jusqu'au"),
        "es": ("válido hasta", "vigente hasta"),
        "de": ("gültig bis", "Gültigkeit bis"),
        "it": ("valido fino al", "valida fino al"),
        "pt": ("válido até", "válida até"),
    },
    "carriage": {
        "en": ("freight", "delivery cost"),
        "fr": ("port", "frais de port", "transport"),
        "es": ("porte", "portes", "gastos de envío"),
        "de": ("Fracht", "Frachtkosten", "Lieferkosten"),
        "it": ("trasporto", "spese di trasporto"),
        "pt": ("frete", "portes de envio"),
    },
    "lead_days": {
        "en": ("lead time", "lead time days"),
        "fr": ("délai", "délai en jours"),
        "es": ("plazo", "plazo en días"),
        "de": ("Lieferzeit", "Lieferzeit in Tagen"),
        "it": ("tempo di consegna", "giorni di consegna"),
        "pt": ("prazo em dias", "dias de entrega"),
    },
    "unit_weight_g": {
        "en": ("weight g", "weight in g"),
        "fr": ("poids en g",),
        "es": ("peso en g",),
        "de": ("Gewicht in g",),
        "it": ("peso in g",),
        "pt": ("peso em g",),
    },
    "note": {
        "en": ("notes", "remark", "remarks", "comment", "comments"),
        "fr": ("remarque", "commentaire"),
        "es": ("nota", "observaciones", "comentario"),
        "de": ("Notiz", "Bemerkung", "Anmerkung", "Kommentar"),
        "it": ("nota", "osservazioni", "commento"),
        "pt": ("nota", "observações", "comentário"),
    },
}
"""Beside the name of the column itself."""

PERSONAL: Final[Mapping[str, tuple[str, ...]]] = {
    "en": (
        "contact", "contact name", "contact person", "person", "first name", "last name",
        "surname", "full name", "buyer", "ordered by", "requested by", "customer name",
        "responsible", "email", "e-mail address", "mail", "phone", "phone number", "telephone",
        "tel.", "mobile", "mobile number", "cell phone", "fax", "signature",
    ),
    "fr": (
        "nom du contact", "personne", "prénom", "nom de famille", "nom et prénom", "acheteur",
        "commandé par", "demandé par", "responsable", "interlocuteur", "courriel", "adresse mail",
        "téléphone", "tél.", "portable", "mobile",
    ),
    "es": (
        "contacto", "persona de contacto", "persona", "apellido", "apellidos", "comprador",
        "pedido por", "solicitado por", "correo", "correo electrónico", "teléfono", "móvil",
        "nombre de contacto", "nombre y apellidos",
    ),
    "de": (
        "Kontakt", "Kontaktperson", "Ansprechpartner", "Ansprechpartnerin", "Ansprechperson",
        "Vorname", "Nachname", "Familienname", "Besteller", "Bestellerin", "bestellt von",
        "angefordert von", "Einkäufer", "Bearbeiter", "Sachbearbeiter", "Verantwortlich",
        "E-Mail-Adresse", "Telefon", "Telefonnummer", "Tel.-Nr.", "Handy", "Mobil", "Unterschrift",
    ),
    "it": (
        "contatto", "persona di contatto", "referente", "cognome", "nome e cognome", "acquirente",
        "ordinato da", "richiesto da", "responsabile", "posta elettronica", "telefono",
        "cellulare", "firma",
    ),
    "pt": (
        "contato", "pessoa de contacto", "pessoa de contato", "pessoa", "apelido", "sobrenome",
        "nome completo", "encomendado por", "responsável", "correio eletrónico",
        "correio eletrônico", "telefone", "telemóvel", "celular", "assinatura",
    ),
}  # fmt: skip
"""Columns that are of persons. They are not read at all: replicated logs have no place for them."""
