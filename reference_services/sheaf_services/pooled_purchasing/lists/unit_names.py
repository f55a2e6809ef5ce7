"""What people call units, in six languages: one file of data. No name means two; a test looks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

WHOLE: Final[Mapping[str, tuple[str, ...]]] = {
    "H87": (
        "piece", "pieces", "pc", "pcs", "each", "ea", "item", "unit", "units", "pièce", "pièces",
        "pce", "unidad", "unidades", "pieza", "piezas", "Stück", "Stk", "Stk.", "St.", "pezzo",
        "pezzi", "pz", "peça", "peças", "unidade",
    ),
    "XBG": (
        "bag", "bags", "sack", "sacks", "sac", "sacs", "saco", "sacos", "Säcke", "sacco", "sacchi",
    ),
    "XBX": ("box", "boxes", "boîte", "boîtes", "caja", "cajas", "Schachtel", "scatola", "caixa"),
    "XCT": ("carton", "cartons", "case", "cases", "Karton", "Kartons", "cartone", "cartoni"),
    "XPX": (
        "pallet", "pallets", "palette", "palettes", "paleta", "palés", "Paletten", "bancale",
        "palete", "paletes",
    ),
    "XPK": (
        "pack", "packs", "packet", "packets", "package", "paquet", "paquets", "paquete",
        "paquetes", "Packung", "Packungen", "pacco", "pacchi", "pacote", "pacotes",
    ),
    "XRO": (
        "roll", "rolls", "rouleau", "rouleaux", "rollo", "rollos", "Rolle", "Rollen", "rotolo",
        "rotoli", "rolo", "rolos",
    ),
    "XBE": ("bundle", "bundles", "Bündel", "Bund"),
    "XBO": (
        "bottle", "bottles", "bouteille", "bouteilles", "botella", "botellas", "Flasche",
        "Flaschen", "bottiglia", "bottiglie", "garrafa", "garrafas",
    ),
    "XCX": ("can", "cans", "tin", "tins", "Dose", "Dosen", "lata", "latas"),
    "XDR": ("drum", "drums", "Fass", "Fässer", "fût", "fûts", "bidón"),
    "XBJ": ("bucket", "buckets", "Eimer", "seau", "seaux", "cubo", "cubos"),
    "XBL": ("bale", "bales", "Ballen", "balle", "balles", "bala", "balas"),
    "XCR": ("crate", "crates", "Kiste", "Kisten", "caisse", "caisses", "cassa", "casse"),
    "PR": ("pair", "pairs", "paire", "paires", "Paar", "par", "pares", "paio", "paia"),
    "SET": ("set", "sets", "Satz", "juego", "jogo"),
    "DZN": (
        "dozen", "dozens", "douzaine", "douzaines", "docena", "docenas", "Dutzend", "dozzina",
        "dozzine", "dúzia", "dúzias",
    ),
    "GRO": ("gross", "grosse"),
}  # fmt: skip
"""What is counted."""

MEASURED: Final[Mapping[str, tuple[str, ...]]] = {
    "KGM": (
        "kg", "kilo", "kilos", "kilogram", "kilograms", "kilogramme", "kilogrammes", "kilogramo",
        "kilogramos", "Kilogramm", "chilo", "chili", "chilogrammo", "quilo", "quilos",
    ),
    "GRM": ("g", "gr", "gram", "grams", "gramme", "grammes", "gramo", "gramos", "Gramm", "grammi"),
    "TNE": (
        "t", "tonne", "tonnes", "tonelada", "toneladas", "Tonnen", "tonnellata", "tonnellate",
    ),
    "LTR": ("l", "litre", "litres", "liter", "liters", "litro", "litros", "litri"),
    "HLT": ("hl", "hectolitre", "hectolitres", "Hektoliter"),
    "CLT": ("cl", "centilitre", "centilitres"),
    "MLT": ("ml", "millilitre", "millilitres", "Milliliter", "mililitro", "mililitros"),
    "MTR": ("m", "metre", "metres", "meter", "meters", "mètre", "mètres", "metro", "metros"),
    "CMT": ("cm", "centimetre", "centimetres", "Zentimeter"),
    "MMT": ("mm", "millimetre", "millimetres", "Millimeter"),
    "KMT": ("km", "kilometre", "kilometres", "Kilometer"),
    "MTK": ("m2", "m²", "square metre", "square metres", "Quadratmeter", "mètre carré"),
    "HAR": ("ha", "hectare", "hectares", "Hektar", "hectárea", "hectáreas"),
    "MTQ": ("m3", "m³", "cubic metre", "cubic metres", "Kubikmeter", "mètre cube"),
    "KWH": ("kwh",),
    "MWH": ("mwh",),
    "HUR": ("hour", "hours", "h", "heure", "heures", "hora", "horas", "Stunde", "Stunden", "ora"),
    "MIN": ("minute", "minutes", "min"),
    "DAY": ("day", "days", "jour", "jours", "Tag", "Tage"),
}  # fmt: skip
"""What may be parted."""
