"""The shop's rows. Each day is drawn from a seed of its own, so a day has the same orders whenever the shop is made."""

from __future__ import annotations

import functools
import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from demo._shop_names import ADJECTIVES, COMPANIES, NOTES, ODD_PRODUCTS, PEOPLE, THINGS

Row = dict[str, Any]

_SEED = "report-hub shop 1"
_PER_LANGUAGE = 48
_PRODUCT_COUNT = 120
_BEYOND_DOUBLE = 2**53 + 1  # spreadsheets and JavaScript round from here on
# Units of the currency for one euro, and the digits after the point that its money has.
_CURRENCIES: dict[str, tuple[Decimal, int]] = {
    "EUR": (Decimal(1), 2),
    "USD": (Decimal("1.08"), 2),
    "UAH": (Decimal("44.5"), 2),
    "ILS": (Decimal("4.02"), 2),
    "CNY": (Decimal("7.81"), 2),
    "INR": (Decimal("91.3"), 2),
    "AUD": (Decimal("1.64"), 2),
    "JPY": (Decimal("163"), 0),
    "KWD": (Decimal("0.331"), 3),
}
_ODD_CODES = {40: "1E10", 41: "0x1F", 42: "+0099"}
# Before 1900 Excel has no dates, and it believes in 29 February 1900.
_ODD_BIRTHDAYS = (date(1899, 12, 31), date(1900, 2, 28), date(1900, 3, 1), date(2000, 2, 29))


@functools.cache
def customers() -> tuple[Row, ...]:
    """Customers by id, ten languages in turn, then companies."""
    rows: list[Row] = []
    for number in range(_PER_LANGUAGE):
        for language, zone, _, country, given, family in PEOPLE:
            first, last = given[number % len(given)], family[(number * 3 + number // 8) % len(family)]
            name = {"zh": f"{last}{first}", "ja": f"{last} {first}"}.get(language, f"{first} {last}")
            rows.append(_customer(len(rows) + 1, name, language, zone, country))
    for name in COMPANIES:
        language, zone, _, country, *_names = PEOPLE[len(rows) % len(PEOPLE)]
        rows.append(_customer(len(rows) + 1, name, language, zone, country, is_business=True))
    return tuple(rows)


def _customer(number: int, name: str, language: str, zone: str, country: str, *, is_business: bool = False) -> Row:
    rng = random.Random(f"{_SEED} customer {number}")
    is_odd = number <= len(_ODD_BIRTHDAYS)
    born = _ODD_BIRTHDAYS[number - 1] if is_odd else date(1940, 1, 1) + timedelta(days=rng.randrange(25_000))
    return {
        "id": number,
        "name": name,
        "language": language,
        "country": country,
        "time_zone": zone,
        "email": rng.choice((f"customer{number:04}@example.org", f"käthe{number}@bücher.example", None)),
        "phone": rng.choice((f"+44 20 7946 {number:04}", f"0049{rng.randrange(10**9):09}", "", None)),
        "born_on": None if is_business or (not is_odd and rng.random() < 0.2) else born,
        "loyalty_number": _BEYOND_DOUBLE + 2 * number if rng.random() < 0.6 else None,
        "credit_limit": rng.choice((None, Decimal("0.00"), Decimal("-0.01"), Decimal(rng.randrange(10**7)) / 100)),
        "is_business": is_business,
    }


@functools.cache
def products() -> tuple[Row, ...]:
    rows: list[Row] = []
    for number in range(1, _PRODUCT_COUNT + 1):
        rng = random.Random(f"{_SEED} product {number}")
        plain = f"{ADJECTIVES[number % len(ADJECTIVES)]} {THINGS[number % len(THINGS)]}"
        name, description = ODD_PRODUCTS[number - 1] if number <= len(ODD_PRODUCTS) else (plain, None)
        rows.append(
            {
                "id": number,
                "code": _ODD_CODES.get(number, f"{number:04}"),
                "name": name,
                "description": description,
                "price": Decimal(rng.randrange(99, 49_999)) / 100,
                "weight_kg": rng.choice((None, Decimal(rng.randrange(1, 25_000)) / 1000)),
                "stock": rng.choice((0, -3, rng.randrange(1, 900))),
                "attributes": rng.choice((None, {"colour": "grün", "sizes": [38, 40.5], "eco": True}, {})),
                "is_active": rng.random() < 0.9,
            }
        )
    return tuple(rows)


def orders(first: date, last: date) -> Iterator[tuple[Row, list[Row]]]:
    """Orders with their lines, by the customers' own calendars; both days included."""
    day = first
    while day <= last:
        yield from _orders_of(day)
        day += timedelta(days=1)


def _orders_of(day: date) -> Iterator[tuple[Row, list[Row]]]:
    rng = random.Random(f"{_SEED} {day.isoformat()}")
    placed = list(_around_clock_changes(day, rng))
    for _ in range(rng.randint(20, 35)):
        customer = rng.choice(customers())
        wall = datetime.combine(day, time(rng.randrange(24), rng.randrange(60), rng.randrange(60)))
        # A time that the clocks skip becomes the one an hour later, as it does for people.
        placed.append((customer, wall.replace(tzinfo=ZoneInfo(customer["time_zone"])).astimezone(UTC)))
    for number, (customer, moment) in enumerate(placed, 1):
        yield _order(int(f"{day:%Y%m%d}") * 10_000 + number, customer, moment, rng)


def _around_clock_changes(day: date, rng: random.Random) -> Iterator[tuple[Row, datetime]]:
    """Where clocks change on that day: an order shortly before and one shortly after. In autumn both have the same
    local time."""
    for position, (_, name, *_rest) in enumerate(PEOPLE):
        zone = ZoneInfo(name)
        midnight = datetime.combine(day, time(), zone).astimezone(UTC)
        end = datetime.combine(day + timedelta(days=1), time(), zone).astimezone(UTC)
        if midnight.astimezone(zone).utcoffset() == end.astimezone(zone).utcoffset():
            continue
        change = midnight
        while change.astimezone(zone).utcoffset() == midnight.astimezone(zone).utcoffset():
            change += timedelta(minutes=30)
        for minutes in (-30, 30):
            moment = change + timedelta(minutes=minutes)
            if moment.astimezone(zone).date() == day:
                yield customers()[rng.randrange(_PER_LANGUAGE) * len(PEOPLE) + position], moment


def _order(number: int, customer: Row, moment: datetime, rng: random.Random) -> tuple[Row, list[Row]]:
    currency = PEOPLE[(customer["id"] - 1) % len(PEOPLE)][2]
    status = rng.choices(("shipped", "paid", "open", "refunded", "cancelled"), (70, 15, 8, 4, 3))[0]
    line_count = 0 if status == "cancelled" and rng.random() < 0.5 else rng.randint(1, 5)
    lines = [_line(number, line, currency, status == "refunded", rng) for line in range(1, line_count + 1)]
    local = moment.astimezone(ZoneInfo(customer["time_zone"]))
    row = {
        "id": number,
        "customer_id": customer["id"],
        "ordered_at": moment,
        "time_zone": customer["time_zone"],
        "ordered_on": local.date(),
        "ordered_local": local.isoformat(),
        "shipped_at": moment + timedelta(seconds=rng.randrange(3_600, 400_000)) if status == "shipped" else None,
        "status": status,
        "currency": currency,
        "total": sum((line["amount"] for line in lines), Decimal(0)),
        "note": rng.choice(NOTES),
    }
    return row, lines


def _line(order: int, number: int, currency: str, is_refund: bool, rng: random.Random) -> Row:
    product = rng.choice(products())
    rate, digits = _CURRENCIES[currency]
    quantity = rng.choice((1, 1, 1, 2, 3, 12)) * (-1 if is_refund else 1)
    unit_price = round(product["price"] * rate, digits)
    return {
        "order_id": order,
        "line_number": number,
        "product_id": product["id"],
        "quantity": quantity,
        "unit_price": unit_price,
        "amount": quantity * unit_price,
    }
