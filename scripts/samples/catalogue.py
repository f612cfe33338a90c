"""Which sample invoices there are: who sells what to whom, in which layout, and what is special about each."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Literal

from faker import Faker

from samples.invoices import Invoice, LineItem, Party, Vendor
from samples.layout import Layout
from samples.layouts import Classic, Compact, German, Modern


@dataclass(frozen=True)
class Trade:
    """What a company sells: descriptions, each with the price of one in whole cents."""

    company: str
    locale: str
    currency: str
    tax: str
    tax_rate: str
    goods: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Sample:
    """:param kind: ``picture`` and ``scan`` are pages turned into a PNG and a JPEG, ``corrupt`` is cut off."""

    name: str
    invoice: Invoice
    layout: Layout
    kind: Literal["pdf", "picture", "scan", "corrupt"] = "pdf"


WOODWORK = Trade("Cedar & Stone Woodworks LLC", "en_US", "USD", "Sales tax", "8.25", (
    ("White oak dining table, 84 inch, oiled", "1840.00"), ("Walnut bookshelf, five tiers", "690.00"),
    ("Window seat with drawers, made to measure", "1275.50"), ("Delivery and installation", "185.00"),
    ("Cutting board, end grain maple", "74.90"),
))  # fmt: skip
FREIGHT = Trade("Brightwater Logistics Inc.", "en_US", "USD", "Sales tax", "6.5", (
    ("Pallet transport, Tacoma to Boise", "214.80"), ("Cross-docking, per pallet", "18.25"),
    ("Temperature-controlled storage, per pallet and week", "26.40"), ("Customs documentation", "65.00"),
    ("Liftgate service at delivery", "48.00"), ("Fuel surcharge", "31.75"), ("Cargo insurance, per shipment", "39.90"),
))  # fmt: skip
STATIONERY = Trade("Harrow & Pike Stationers Ltd", "en_GB", "GBP", "VAT", "20", (
    ("Copier paper A4, 80 gsm, box of five reams", "17.95"), ("Fountain pen ink, royal blue, 50 ml", "9.40"),
    ("Lever arch file, 70 mm, black", "3.25"), ("Whiteboard markers, set of four", "6.80"),
    ("Envelopes C5, window, pack of 500", "21.60"), ("Desk calendar", "8.15"), ("Sticky notes, 12 pads", "7.99"),
    ("Archive box, recycled board", "2.85"), ("Printed letterheads on laid paper, 1,000 sheets", "86.00"),
))  # fmt: skip
ANALYTICS = Trade("Thistle Analytics Ltd", "en_GB", "GBP", "VAT", "20", (
    ("Data engineering, senior consultant, per hour", "118.00"), ("Dashboard workshop, half a day", "640.00"),
    ("Forecast model, maintenance for one month", "425.50"), ("Travel, second class, as receipted", "87.30"),
))  # fmt: skip
FURNITURE = Trade("Atelier Noël & Fils SARL", "fr_FR", "EUR", "VAT", "20", (
    ("Fauteuil « Éloïse », chêne et lin naturel", "890.00"), ("Table basse ronde, hêtre massif", "415.00"),
    ("Lampe à poser, céramique émaillée", "142.50"), ("Restauration d'une bergère Louis XV", "1260.00"),
    ("Livraison à l'étage", "75.00"), ("Coussin brodé à la main", "58.90"),
))  # fmt: skip
WINE = Trade("Señorío de Peñalba Bodegas S.L.", "es_ES", "EUR", "VAT", "21", (
    ("Tinto crianza 2022, caja de 6 botellas", "57.60"), ("Blanco verdejo 2025, caja de 6 botellas", "43.20"),
    ("Rosado garnacha 2025, caja de 12 botellas", "81.00"), ("Aceite de oliva virgen extra, 5 l", "48.75"),
    ("Cata guiada en bodega, por persona", "22.50"), ("Transporte refrigerado", "64.00"),
    ("Caja de madera grabada, edición de aniversario con certificado numerado", "19.80"),
))  # fmt: skip
CALIBRATION = Trade("Ångström Kalibrering AB", "sv_SE", "EUR", "VAT", "25", (
    ("Calibration of pressure gauge, 0 to 400 bar", "96.00"), ("Calibration of thermometer, three points", "72.50"),
    ("Calibration of torque wrench, with certificate", "88.40"), ("Adjustment and sealing", "34.00"),
    ("On-site visit, Örebro", "310.00"), ("Loan instrument, per day", "27.90"),
))  # fmt: skip
OFFICE = Trade("Nordlicht Bürotechnik GmbH", "de_DE", "EUR", "USt.", "19", (
    ("Multifunktionsdrucker, Farbe, A3, mit Einrichtung vor Ort", "2349.00"), ("Tonerkartusche schwarz", "78.90"),
    ("Höhenverstellbarer Schreibtisch, 160 x 80 cm", "614.50"), ("Wartung, je Gerät und Monat", "39.00"),
    ("Bürostuhl, Lordosenstütze verstellbar", "389.00"), ("Anfahrt, pauschal", "45.00"),
))  # fmt: skip
MACHINES = Trade("Möller & Söhne Maschinenbau GmbH", "de_DE", "EUR", "USt.", "19", (
    ("Frässpindel 18 kW, wassergekühlt, einschließlich Prüfprotokoll und Inbetriebnahme im Werk", "21480.00"),
    ("Kugelgewindetrieb 40 x 10, geschliffen", "1868.00"), ("Linearführung, Länge 1.200 mm", "742.60"),
    ("Schulung für Bedienpersonal, je Tag", "1150.00"), ("Ersatzteilsatz Dichtungen", "96.35"),
))  # fmt: skip
CATERING = Trade("Bäckerei Grünwald OHG", "de_DE", "EUR", "USt.", "7", (
    ("Belegte Brötchen, gemischt", "3.40"), ("Butterbrezeln", "1.90"), ("Blechkuchen, je Blech", "38.00"),
    ("Süßes Gebäck, Platte", "27.50"), ("Kaffee, Kanne 2 l", "14.80"), ("Lieferung und Aufbau", "35.00"),
))  # fmt: skip


def samples() -> Iterator[Sample]:
    """Every sample, in the order of the file names."""
    teal, indigo, rust, green, plum, navy = "#0f766e", "#3730a3", "#b45309", "#166534", "#86198f", "#1e3a5f"
    yield Sample("invoice_001_classic_usd.pdf", _invoice(1, WOODWORK, 4), Classic())
    yield Sample("invoice_002_modern_eur.pdf", _invoice(2, FURNITURE, 6), Modern(accent=plum))
    yield Sample("invoice_003_compact_gbp.pdf", _invoice(3, STATIONERY, 14), Compact(accent=navy))
    yield Sample("invoice_004_german_eur.pdf", _invoice(4, OFFICE, 5), German(accent=navy))
    yield Sample("invoice_005_classic_gbp_2_pages.pdf", _invoice(5, STATIONERY, 28), Classic())
    yield Sample("invoice_006_modern_usd_3_pages.pdf", _invoice(6, FREIGHT, 52), Modern(accent=indigo))
    yield Sample(
        "invoice_007_compact_eur_heading_once.pdf",
        _invoice(7, CALIBRATION, 58),
        Compact(accent=rust, repeat_heading=False),
    )
    yield Sample("invoice_008_german_eur_carried_forward.pdf", _invoice(8, CATERING, 34), German(accent=rust))
    yield Sample("invoice_009_modern_gbp_no_due_date.pdf", _invoice(9, ANALYTICS, 4, due=False), Modern(accent=green))
    # A label that the template does not know: found by its words, so with less confidence.
    yield Sample(
        "invoice_010_classic_eur_other_label.pdf", _invoice(10, CALIBRATION, 1), Classic(date_label="Date of invoice")
    )
    # The currency stands on the amounts only.
    yield Sample(
        "invoice_011_compact_usd_no_currency.pdf", _invoice(11, FREIGHT, 9), Compact(accent=teal, name_currency=False)
    )
    yield Sample("invoice_012_german_eur_large.pdf", _invoice(12, MACHINES, 8, most=400), German(accent=green))
    yield Sample("invoice_013_picture_gbp.png", _invoice(13, ANALYTICS, 4), Modern(accent=teal), "picture")
    yield Sample("invoice_014_scan_eur.jpg", _invoice(14, CALIBRATION, 6), Classic(), "scan")
    yield Sample("invoice_015_corrupt.pdf", _invoice(15, OFFICE, 3), Compact(), "corrupt")
    yield Sample("invoice_016_modern_eur_discount.pdf", _discounted(_invoice(16, FURNITURE, 5)), Modern(accent=rust))
    yield Sample("invoice_017_classic_usd_no_order.pdf", _invoice(17, WOODWORK, 3, order=False), Classic())
    yield Sample("invoice_018_modern_eur_4_pages.pdf", _invoice(18, WINE, 60), Modern(accent=green))


def _invoice(number: int, trade: Trade, lines: int, *, due: bool = True, order: bool = True, most: int = 12) -> Invoice:
    fake = Faker(trade.locale)
    fake.seed_instance(f"{trade.company} {number}")
    issued = date(2026, 1, 5) + timedelta(days=number * 11 % 180)
    return Invoice(
        number=f"{fake.lexify('??').upper()}-2026-{fake.numerify('####')}",
        invoice_date=issued,
        due_date=issued + timedelta(days=30) if due else None,
        purchase_order=f"PO-{fake.numerify('#####')}" if order else None,
        vendor=_vendor(trade),
        customer=Party(_one_line(fake.company()), _address(fake)),
        currency=trade.currency,
        tax_rate=Decimal(trade.tax_rate),
        items=tuple(
            LineItem(position, description, _quantity(fake, description, price, most), price)
            for position, (description, price) in zip(range(1, lines + 1), _goods(fake, trade), strict=False)
        ),
    )


def _vendor(trade: Trade) -> Vendor:
    fake = Faker(trade.locale)
    fake.seed_instance(trade.company)
    ascii_name = unicodedata.normalize("NFKD", trade.company.split()[0]).encode("ascii", "ignore").decode()
    country = trade.locale[-2:]
    american = country == "US"
    return Vendor(
        name=trade.company,
        address=_address(fake),
        tax=trade.tax,
        tax_id=fake.numerify("##-#######") if american else country + fake.numerify("#########"),
        phone=fake.phone_number().split("x")[0],
        email=f"accounts@{ascii_name.lower()}.example",
        bank=fake.numerify("Account ########## / Routing #########") if american else f"IBAN {fake.iban()}",
    )


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _address(fake: Faker) -> tuple[str, ...]:
    street, *rest = (_one_line(line) for line in fake.address().splitlines() if line.strip())
    return (street, ", ".join(rest))


def _goods(fake: Faker, trade: Trade) -> Iterator[tuple[str, Decimal]]:
    """Everything the company sells in some order, then everything in another order."""
    while True:
        for description, price in fake.random_elements(trade.goods, length=len(trade.goods), unique=True):
            yield description, Decimal(price)


def _quantity(fake: Faker, description: str, price: Decimal, most: int) -> Decimal:
    """Of what is dear, few; of work, halves of hours and days where that gives whole cents."""
    halves = fake.random_int(1, max(3, int(most * min(1, 60 / price)) * 2))
    if any(unit in description for unit in ("per hour", "je Tag")) and price % 2 == 0:
        return Decimal(halves) / 2
    return Decimal((halves + 1) // 2)


def _discounted(invoice: Invoice) -> Invoice:
    discount = LineItem(len(invoice.items) + 1, "Remise fidélité", Decimal(1), Decimal("-120.00"))
    return Invoice(**{**vars(invoice), "items": (*invoice.items, discount)})
