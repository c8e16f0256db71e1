"""The shop is the same on every machine and on every day, exact to the last digit, in three databases."""

from __future__ import annotations

import sqlite3
import unicodedata
from collections import defaultdict
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import create_engine, text

from demo.queries import QUERIES
from demo.shop import load_shop, load_shop_into, totals
from shared.errors import Conflict
from shared.plugins import Connector
from shared.sql import check_sql
from tests.demo.conftest import TODAY, connector
from tests.plugins.connector_contract import rows
from tests.services.databases import TestDatabase

OCTOBER = {"first_day": date(2026, 10, 1), "last_day": date(2026, 10, 31)}
Row = dict[str, Any]


@pytest.fixture(scope="module")
def orders(shop: Connector[Any]) -> list[Row]:
    return rows(shop, "SELECT * FROM orders ORDER BY id")


def test_october_2026_adds_up_to_the_same_everywhere(orders: list[Row]) -> None:
    expected = {
        "AUD": Decimal("259265.63"),
        "CNY": Decimal("1711465.42"),
        "EUR": Decimal("397413.76"),
        "ILS": Decimal("545571.29"),
        "INR": Decimal("18563004.78"),
        "JPY": Decimal("29183624"),
        "KWD": Decimal("68849.237"),
        "UAH": Decimal("10721381.89"),
        "USD": Decimal("216883.45"),
    }
    drawn = totals(OCTOBER["first_day"], OCTOBER["last_day"])
    assert (drawn.order_count, drawn.line_count, drawn.money) == (876, 2645, expected)
    stored: dict[str, Decimal] = defaultdict(Decimal)
    for order in orders:
        if OCTOBER["first_day"] <= order["ordered_on"] <= OCTOBER["last_day"]:
            stored[order["currency"]] += order["total"]
    assert stored == expected


def test_each_total_is_the_sum_of_its_lines(orders: list[Row], shop: Connector[Any]) -> None:
    sums: dict[int, Decimal] = defaultdict(Decimal)
    for line in rows(shop, "SELECT * FROM order_lines"):
        assert line["amount"] == line["quantity"] * line["unit_price"]
        sums[line["order_id"]] += line["amount"]
    assert len(orders) == 20_909
    assert len(sums) < len(orders)  # some have no lines
    assert {order["id"]: order["total"] for order in orders} == {order["id"]: sums[order["id"]] for order in orders}
    assert min(order["total"] for order in orders) < 0


def test_a_month_has_the_same_orders_whenever_the_shop_is_made(tmp_path: Path, orders: list[Row]) -> None:
    path = tmp_path / "shop.sqlite"
    made = load_shop(path, date(2026, 12, 1), months=2)
    assert (made.first_day, made.last_day) == (date(2026, 10, 1), date(2026, 12, 1))
    later = rows(connector("sqlite", path=str(path)), "SELECT * FROM orders ORDER BY id")
    assert [row for row in later if row["ordered_on"] <= TODAY] == [
        row for row in orders if row["ordered_on"] >= date(2026, 10, 1)
    ]


def test_it_is_kept_for_the_day_and_made_anew_on_the_next(tmp_path: Path) -> None:
    path = tmp_path / "shop.sqlite"
    first = load_shop(path, TODAY, months=0)
    assert first.is_new
    again = load_shop(path, TODAY, months=0)
    assert not again.is_new
    assert again.counts == first.counts
    next_day = load_shop(path, TODAY + timedelta(days=1), months=0)
    assert next_day.is_new
    assert next_day.counts["orders"] > first.counts["orders"]
    path.write_bytes(b"damaged" * 1000)
    assert load_shop(path, TODAY, months=0).counts == first.counts
    assert list(tmp_path.iterdir()) == [path]


def test_local_times_agree_with_utc_and_the_zone(orders: list[Row]) -> None:
    for order in orders:
        local = order["ordered_at"].replace(tzinfo=UTC).astimezone(ZoneInfo(order["time_zone"]))
        assert (order["ordered_local"], order["ordered_on"]) == (local.isoformat(), local.date())


@pytest.mark.parametrize(
    ("zone", "first", "second"),
    [
        ("Europe/Berlin", "2026-10-25T02:30:00+02:00", "2026-10-25T02:30:00+01:00"),
        ("America/New_York", "2025-11-02T01:30:00-04:00", "2025-11-02T01:30:00-05:00"),
        ("America/New_York", "2026-03-08T01:30:00-05:00", "2026-03-08T03:30:00-04:00"),
        ("Australia/Lord_Howe", "2026-04-05T01:30:00+11:00", "2026-04-05T02:00:00+10:30"),
    ],
)
def test_orders_come_on_both_sides_of_a_clock_change(orders: list[Row], zone: str, first: str, second: str) -> None:
    found = {order["ordered_local"]: order["ordered_at"] for order in orders if order["time_zone"] == zone}
    assert found[second] - found[first] == timedelta(hours=1)


def test_customers_write_in_eight_scripts(shop: Connector[Any]) -> None:
    names = [row["name"] for row in rows(shop, "SELECT name FROM customers")]
    found = {unicodedata.name(letter, "?").split()[0] for name in names for letter in name if letter.isalpha()}
    scripts = {"LATIN", "GREEK", "CYRILLIC", "ARABIC", "HEBREW", "HIRAGANA", "KATAKANA", "CJK", "DEVANAGARI"}
    assert scripts <= found
    assert any("'" in name for name in names)
    assert any("\u200d" in name for name in names)
    assert any(ord(letter) > 0x2_0000 for name in names for letter in name)


def test_awkward_values_are_there(orders: list[Row], shop: Connector[Any]) -> None:
    products = rows(shop, "SELECT * FROM products")
    assert {"0001", "0120", "1E10", "0x1F"} <= {row["code"] for row in products}
    assert {"=1+1", "+44 20 7946 0018", "-5", "@home", "NULL", "", "Two\nlines"} <= {row["name"] for row in products}
    assert {None, ""} < {row["description"] for row in products}
    assert {None, "", "Line one\nline two"} < {row["note"] for row in orders}
    people = rows(shop, "SELECT * FROM customers")
    assert max(row["loyalty_number"] or 0 for row in people) > 2**53
    assert date(1899, 12, 31) in {row["born_on"] for row in people}


@pytest.fixture(params=["mysql", "postgresql"])
def server(request: pytest.FixtureRequest) -> tuple[str, TestDatabase]:
    fixture = {"mysql": "mariadb_database", "postgresql": "postgres_database"}[request.param]
    return request.param, request.getfixturevalue(fixture)


@pytest.mark.service
def test_servers_hold_the_same_shop(server: tuple[str, TestDatabase], shop: Connector[Any]) -> None:
    kind, database = server
    made = load_shop_into(database.url, TODAY, months=1)
    assert made.is_new
    assert not load_shop_into(database.url, TODAY, months=1).is_new
    there = connector(kind, **database.config)
    for key in ("orders_of_last_month", "revenue_by_currency", "order_lines", "price_list"):
        query = QUERIES[key]
        params = OCTOBER if query.parameters else {}
        expected = rows(shop, query.sql, **params)
        verdict = check_sql(query.sql, kind)
        assert verdict.text is not None
        found = rows(there, verdict.text, **params)
        assert len(found) == query.expected_rows(params)
        assert [plain(row) for row in found] == [plain(row) for row in expected], key
    for key in ("customers", "stock_below", "orders_that_do_not_add_up"):
        query = QUERIES[key]
        params = dict(query.example)
        assert len(rows(there, query.sql, **params)) == query.expected_rows(params), key


def plain(row: Row) -> Row:
    """Without the differences of types: SQLite has no zones, no booleans and no exact sums."""

    def value(item: Any) -> Any:
        if isinstance(item, datetime):
            return item.replace(tzinfo=None)
        return Decimal(repr(item)) if isinstance(item, float) else item

    return {name: value(item) for name, item in row.items()}


@pytest.mark.service
def test_a_half_made_shop_on_a_server_is_made_anew(postgres_database: TestDatabase) -> None:
    made = load_shop_into(postgres_database.url, TODAY, months=0)
    postgres_database.execute("UPDATE shop_info SET is_complete = false", "DELETE FROM order_lines")
    again = load_shop_into(postgres_database.url, TODAY, months=0)
    assert again.is_new
    assert again.counts == made.counts


@pytest.mark.service
def test_tables_of_other_people_are_never_dropped(postgres_database: TestDatabase) -> None:
    postgres_database.execute("CREATE TABLE orders (precious int)", "INSERT INTO orders VALUES (1)")
    with pytest.raises(Conflict, match="orders"):
        load_shop_into(postgres_database.url, TODAY, months=0)
    engine = create_engine(postgres_database.url)
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT precious FROM orders")) == 1
    engine.dispose()


def test_the_file_can_be_opened_read_only_by_others(shop_file: Path) -> None:
    with closing(sqlite3.connect(f"file:{shop_file}?mode=ro", uri=True)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
